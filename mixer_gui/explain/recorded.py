"""What a FULL recording says of the tokens between the halves of the network, which it does not keep themselves."""

from collections.abc import Iterator
from itertools import accumulate, chain, islice

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixer_gui.model.mixer import MlpMixer, Recording


def half_block_tokens(recording: Recording) -> Iterator[Tensor]:
    """The tokens (B, N, C) that each half-block is given, in the order of the pass, and at last the network's output.

    The sums of the stem and all updates before are those of the forward pass, in its order, so the tokens are its own
    to the last bit. Raises ValueError without a FULL recording.
    """
    if recording.stem is None:
        raise ValueError("the tokens between layers need a FULL recording")
    updates = chain.from_iterable(zip(recording.token_updates, recording.channel_updates, strict=True))
    return accumulate(updates, torch.add, initial=recording.stem)


def tokens_before(recording: Recording, layer: int) -> Tensor:
    """The tokens that enter layer `layer`, from 0, (B, N, C); the number of layers as `layer` gives the output."""
    return next(islice(half_block_tokens(recording), 2 * layer, None))


def tokens_between(recording: Recording, layer: int) -> Tensor:
    """The tokens between token mixing and channel mixing of layer `layer`, (B, N, C)."""
    return next(islice(half_block_tokens(recording), 2 * layer + 1, None))


def token_mixing_input(model: MlpMixer, recording: Recording, layer: int) -> Tensor:
    """LN(x), what token mixing of layer `layer` is given, (B, N, C), fp32."""
    return _normed(model.block(layer).norm1, tokens_before(recording, layer))


def channel_mixing_input(model: MlpMixer, recording: Recording, layer: int) -> Tensor:
    """LN(u), what channel mixing of layer `layer` is given, (B, N, C), fp32."""
    return _normed(model.block(layer).norm2, tokens_between(recording, layer))


def _normed(norm: nn.LayerNorm, tokens: Tensor) -> Tensor:
    weight, bias = norm.weight.float(), norm.bias.float()
    return functional.layer_norm(tokens.to(torch.float32), norm.normalized_shape, weight, bias, norm.eps)
