"""Through several layers: the product of mixing matrices, which is approximate, and the exact reach of a patch.

Functions over a model and a FULL recording of one picture; fp32, whatever the precision of the pass.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixer_gui.model import products
from mixer_gui.model.mixer import MlpMixer, Recording, gelu_slope


def rollout_reads(model: MlpMixer, slopes: Tensor, layer: int, patch: int) -> Tensor:
    """Row `patch` of R = (I + M_layer)···(I + M_0), (N,): what it holds of each patch after `layer`, from 0.

    Approximate: LayerNorm and channel mixing are left out. Multiplied from the left, vector by vector: no matrix
    of N × N is made. `slopes`: (L, T), mean over channels of GELU'(h).
    """
    row = _unit_vector(model, slopes, patch)
    for index in reversed(range(layer + 1)):
        mixing = model.token_mixing(index)
        row = row + ((row @ mixing.fc2.weight.float()) * slopes[index].float()) @ mixing.fc1.weight.float()
    return row


def rollout_writes(model: MlpMixer, slopes: Tensor, layer: int, patch: int) -> Tensor:
    """Column `patch` of the same product, (N,): where the patch has gone after `layer`."""
    column = _unit_vector(model, slopes, patch)
    for index in range(layer + 1):
        mixing = model.token_mixing(index)
        column = column + mixing.fc2.weight.float() @ (slopes[index].float() * (mixing.fc1.weight.float() @ column))
    return column


def reach(model: MlpMixer, recording: Recording, patch: int) -> Tensor:
    """How fast each final token changes as patch `patch` of the picture begins to fade to the mean colour, (N,).

    The norm over channels of J·v, where J is the Jacobian of the tokens after the final norm with respect to the
    normalised pixels, and v these pixels in the patch and 0 elsewhere. Exact: forward-mode differentiation, the
    derivative of each step of the forward pass applied to a change of its input, at the recorded values. Costs about
    one and a half forward passes. torch's own forward mode is not used: it compiles scripts before its first answer.
    """
    fading = begin_fading(model, recording, patch)
    for layer in range(model.config.num_blocks):
        fading = fade_through(model, recording, layer, fading)
    return felt(model, fading)


class Fading(NamedTuple):
    """What enters a layer while a patch begins to fade: the tokens, and how fast they change, both (N, C)."""

    tokens: Tensor
    change: Tensor


def begin_fading(model: MlpMixer, recording: Recording, patch: int) -> Fading:
    """What enters the first layer. Raises ValueError without a FULL recording."""
    if recording.stem is None:
        raise ValueError("the reach of a patch needs a FULL recording")
    tokens = recording.stem[0].float()
    change = torch.zeros_like(tokens)
    bias = model.stem.proj.bias
    change[patch] = tokens[patch] if bias is None else tokens[patch] - bias.float()  # the stem is linear
    return Fading(tokens, change)


def fade_through(model: MlpMixer, recording: Recording, layer: int, fading: Fading) -> Fading:
    """What leaves layer `layer` where `fading` enters it."""
    tokens, change = fading
    block = model.block(layer)
    mixing = block.mlp_tokens
    inner = products.mix(mixing.fc1.weight.float(), None, norm_change(block.norm1, tokens, change)[None])[0]
    inner = inner * gelu_slope(recording.hidden[layer][0].float(), mixing.gelu)
    change = change + products.mix(mixing.fc2.weight.float(), None, inner[None])[0]
    tokens = tokens + recording.token_updates[layer][0].float()

    channels = block.mlp_channels
    hidden = products.linear(_normed(block.norm2, tokens), channels.fc1.weight.float(), channels.fc1.bias.float())
    inner = products.linear(norm_change(block.norm2, tokens, change), channels.fc1.weight.float(), None)
    inner = inner * gelu_slope(hidden, channels.gelu)
    change = change + products.linear(inner, channels.fc2.weight.float(), None)
    return Fading(tokens + recording.channel_updates[layer][0].float(), change)


def felt(model: MlpMixer, fading: Fading) -> Tensor:
    """What is felt of it after the final norm, (N,): `fading` is what left the last layer."""
    norms: Tensor = torch.linalg.vector_norm(norm_change(model.norm, *fading), dim=-1)
    return norms


def norm_change(norm: nn.LayerNorm, tokens: Tensor, change: Tensor) -> Tensor:
    """The derivative of LayerNorm at `tokens` in the direction `change`, both (N, C): (N, C).

    γ · (d − x̂ · mean(x̂ · d)) / σ, where d is the change less its mean and x̂ the token before γ and β.
    """
    centred = tokens - tokens.mean(-1, keepdim=True)
    sigma = torch.sqrt(centred.square().mean(-1, keepdim=True) + norm.eps)  # torch.var takes ten times as long
    unit = centred / sigma
    change = change - change.mean(-1, keepdim=True)
    return (change - unit * (unit * change).mean(-1, keepdim=True)) / sigma * norm.weight.float()


def _normed(norm: nn.LayerNorm, tokens: Tensor) -> Tensor:
    return functional.layer_norm(tokens, norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)


def _unit_vector(model: MlpMixer, slopes: Tensor, patch: int) -> Tensor:
    vector = slopes.new_zeros(model.config.grid.count, dtype=torch.float32)
    vector[patch] = 1.0
    return vector
