"""Which patches and which layers speak for a class: evidence and direct contributions, both exact.

Everything is fp32, whatever the precision of the pass.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mixer_gui.model.mixer import MlpMixer, Recording


def class_evidence(model: MlpMixer, final_tokens: Tensor, classes: Tensor) -> Tensor:
    """e[k, p] = w_k · LN(x_L)[p] for the named classes, (K, N); logit k is the mean over p plus b_k.

    Class Activation Mapping (Zhou et al. 2016), exact here because mean pooling and a linear head follow
    the final norm; Grad-CAM at the final norm is its positive part. `final_tokens`: (N, C).
    """
    return model.head.weight[classes].float() @ final_tokens.mT


def expected_evidence(model: MlpMixer, final_tokens: Tensor, probabilities: Tensor) -> Tensor:
    """Σ_j p_j e_j, (N,): the zero that evidence is shown against, since its own is arbitrary."""
    return final_tokens @ (probabilities @ model.head.weight.float())


class Contributions(NamedTuple):
    """Direct contributions to one class; the mean over patches of all maps plus `constant` is the logit."""

    stem: Tensor  # (N,)
    token_mixing: Tensor  # (L, N)
    channel_mixing: Tensor  # (L, N)
    constant: Tensor  # scalar: w_k · β + b_k


def direct_contributions(model: MlpMixer, recording: Recording, index: int) -> Contributions:
    """c[p] = Σ_c w_k[c] γ[c] (d[p, c] − mean_c d[p, ·]) / σ[p] for the stem and each half-block's update d.

    γ, β and σ[p] = sqrt(var + eps) are those of the final norm on this picture, so the sum is exact and
    needs no gradient. `recording` is FULL and of one picture.
    """
    if recording.stem is None or recording.output is None:
        raise ValueError("direct contributions need a FULL recording")
    weight = model.head.weight[index].float()
    direction = weight * model.norm.weight.float()
    direction = direction - direction.mean()  # subtracting the mean of d is subtracting the mean of w·γ
    variance = recording.output[0].float().var(-1, correction=0)
    sigma = torch.sqrt(variance + model.config.layer_norm_eps)

    def of(update: Tensor) -> Tensor:
        return update[0].float() @ direction / sigma

    return Contributions(
        of(recording.stem),
        torch.stack([of(update) for update in recording.token_updates]),
        torch.stack([of(update) for update in recording.channel_updates]),
        weight @ model.norm.bias.float() + model.head.bias[index].float(),
    )
