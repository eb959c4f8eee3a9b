"""Which patches and which layers speak for a class, or for one class and against another; all exact.

A logit is linear in the final tokens, so the difference of two logits is one more linear read-out, with w_k − w_j and
b_k − b_j: every function here serves both. Everything is fp32, whatever the precision of the pass.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mixer_gui.model.mixer import MlpMixer, Recording


class ReadOut(NamedTuple):
    """Logits as linear functions of the mean final token: w (K, C) and b (K,), one row for each."""

    weight: Tensor
    bias: Tensor


def read_out(model: MlpMixer, classes: Tensor, against: Tensor | None = None) -> ReadOut:
    """The head's rows of `classes` (K,), less those of `against` (K,) where there are any."""
    weight, bias = model.head.weight.float(), model.head.bias.float()
    if against is None:
        return ReadOut(weight[classes], bias[classes])
    return ReadOut(weight[classes] - weight[against], bias[classes] - bias[against])


def read_out_of(model: MlpMixer, index: int, against: int | None = None) -> ReadOut:
    """The same for one class, or one class against another: K = 1."""
    device = model.head.weight.device
    classes = torch.tensor([index], device=device)
    return read_out(model, classes, None if against is None else torch.tensor([against], device=device))


def evidence(readout: ReadOut, final_tokens: Tensor) -> Tensor:
    """e[k, p] = w_k · LN(x_L)[p], (K, N); its mean over p plus b_k is logit k, or the difference of two.

    Class Activation Mapping (Zhou et al. 2016), exact here because mean pooling and a linear head follow
    the final norm; Grad-CAM at the final norm is its positive part. `final_tokens`: (N, C).
    """
    return readout.weight @ final_tokens.mT


def expected_evidence(model: MlpMixer, final_tokens: Tensor, probabilities: Tensor) -> Tensor:
    """Σ_j p_j e_j, (N,): the zero that evidence is shown against, since its own is arbitrary.

    It is the same for every class, so that a difference of two has none to subtract.
    """
    return final_tokens @ (probabilities @ model.head.weight.float())


class Contributions(NamedTuple):
    """Direct contributions to one class, or to one against another.

    The mean over patches of all maps plus `constant` is the logit, or the difference of the two.
    """

    stem: Tensor  # (N,)
    token_mixing: Tensor  # (L, N)
    channel_mixing: Tensor  # (L, N)
    constant: Tensor  # scalar: w · β + b


def direct_contributions(
    model: MlpMixer, recording: Recording, index: int, against: int | None = None
) -> Contributions:
    """c[p] = Σ_c w[c] γ[c] (d[p, c] − mean_c d[p, ·]) / σ[p] for the stem and each half-block's update d.

    w = w_k, or w_k − w_j of two classes; γ, β and σ[p] = sqrt(var + eps) are those of the final norm on this picture,
    so the sum is exact and needs no gradient. `recording` is FULL and of one picture.
    """
    if recording.stem is None or recording.output is None:
        raise ValueError("direct contributions need a FULL recording")
    readout = read_out_of(model, index, against)
    weight, bias = readout.weight[0], readout.bias[0]
    direction = weight * model.norm.weight.float()
    direction = direction - direction.mean()  # subtracting the mean of d is subtracting the mean of w·γ
    output = recording.output[0].float()
    variance = (output - output.mean(-1, keepdim=True)).square().mean(-1)  # torch.var takes ten times as long
    sigma = torch.sqrt(variance + model.config.layer_norm_eps)

    def of(update: Tensor) -> Tensor:
        return update[0].float() @ direction / sigma

    return Contributions(
        of(recording.stem),
        torch.stack([of(update) for update in recording.token_updates]),
        torch.stack([of(update) for update in recording.channel_updates]),
        weight @ model.norm.bias.float() + bias,
    )
