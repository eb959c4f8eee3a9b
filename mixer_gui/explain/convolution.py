"""The same network by convolutions, on its own weights: is it a CNN? (Tolstikhin et al. 2021, section 2.)

Patch embedding is a strided convolution; channel mixing is two 1×1 convolutions; token mixing is a depth-wise
convolution whose kernel covers the whole grid and is shared by all channels, and its transposed form. Each is computed
by torch's convolutions and compared with what the Mixer itself computed. B pictures, N patches, C channels.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from mixer_gui.explain.recorded import channel_mixing_input, token_mixing_input
from mixer_gui.model.mixer import ChannelMixing, MlpMixer, PatchEmbedding, Recording, TokenMixing
from mixer_gui.records import PatchGrid

Convolve = TypeVar("Convolve", bound=Callable[..., Tensor])


def _in_full_precision(convolve: Convolve) -> Convolve:
    """CuDNN rounds the inputs of fp32 convolutions to TF32 unless it is told not to: 1e-3 instead of 1e-6."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)(convolve)


class Comparison(NamedTuple):
    """The outputs of one operation in both forms, in fp32."""

    mixer: Tensor
    convolution: Tensor
    largest: float  # largest difference
    relative: float  # the same over the largest value


@_in_full_precision
def embed_by_convolution(stem: PatchEmbedding, images: Tensor) -> Tensor:
    """A convolution whose stride is its kernel's edge: (B, 3, H, W) -> (B, C, rows, columns)."""
    weight = stem.proj.weight
    return functional.conv2d(images.to(weight.dtype), weight, stem.proj.bias, stride=stem.patch_size)


@_in_full_precision
def mix_channels_by_convolution(mixing: ChannelMixing, grids: Tensor) -> Tensor:
    """Two 1×1 convolutions with GELU between them: (B, C, rows, columns) -> the same."""
    weight = mixing.fc1.weight
    hidden = functional.conv2d(grids.to(weight.dtype), weight[:, :, None, None], mixing.fc1.bias)
    return functional.conv2d(
        functional.gelu(hidden, approximate=mixing.gelu), mixing.fc2.weight[:, :, None, None], mixing.fc2.bias
    )


@_in_full_precision
def mix_tokens_by_convolution(mixing: TokenMixing, grids: Tensor) -> Tensor:
    """One convolution as large as the grid, GELU, and its transposed form: (B, C, rows, columns) -> the same.

    As a depth-wise convolution it would have multiplier T and the same T kernels for each of C channels. Channels are
    folded into the batch instead, since those kernels written out would take C times the memory: 231 MB a layer on
    B/16. The second bias has a number for each place, which a convolution's has not, so it is added as a map.
    """
    count, _, rows, columns = grids.shape
    kernels = mixing.fc1.weight.reshape(-1, 1, rows, columns)
    folded = rearrange(grids.to(kernels.dtype), "b c rows columns -> (b c) 1 rows columns")
    hidden = functional.conv2d(folded, kernels, mixing.fc1.bias)  # (B·C, T, 1, 1): the kernel fits in one place only
    backward_kernels = mixing.fc2.weight.mT.reshape(-1, 1, rows, columns)
    update = functional.conv_transpose2d(functional.gelu(hidden, approximate=mixing.gelu), backward_kernels)
    update = update + mixing.fc2.bias.reshape(rows, columns)
    return rearrange(update, "(b c) 1 rows columns -> b c rows columns", b=count)


def logits_by_convolution(model: MlpMixer, images: Tensor) -> Tensor:
    """The whole network without a matrix product of its own: (B, 3, H, W) -> logits (B, classes).

    Convolutions for every linear map, the head a 1×1 convolution of the pooled tokens; LayerNorm stays what it is.
    """
    grids = embed_by_convolution(model.stem, images)
    for layer in range(model.config.num_blocks):
        grids = layer_by_convolution(model, layer, grids)
    return read_out_by_convolution(model, grids)


def layer_by_convolution(model: MlpMixer, layer: int, grids: Tensor) -> Tensor:
    """One layer of it: (B, C, rows, columns) -> the same."""
    block = model.block(layer)
    grids = grids + mix_tokens_by_convolution(block.mlp_tokens, _normed(block.norm1, grids))
    return grids + mix_channels_by_convolution(block.mlp_channels, _normed(block.norm2, grids))


@_in_full_precision
def read_out_by_convolution(model: MlpMixer, grids: Tensor) -> Tensor:
    """What follows the last layer: (B, C, rows, columns) -> logits (B, classes)."""
    pooled = functional.adaptive_avg_pool2d(_normed(model.norm, grids.float()), 1)
    return functional.conv2d(pooled, model.head.weight[:, :, None, None], model.head.bias).flatten(1)


def compare_embedding(model: MlpMixer, recording: Recording, images: Tensor) -> Comparison:
    """On the picture itself. `recording` is FULL and of `images`; outputs are (B, N, C)."""
    if recording.stem is None:
        raise ValueError("comparing both forms needs a FULL recording")
    return compare(recording.stem, to_tokens(embed_by_convolution(model.stem, images)))


def compare_channel_mixing(model: MlpMixer, recording: Recording, layer: int) -> Comparison:
    """Of one layer, given what it was given in the recorded pass; outputs are (B, N, C)."""
    given = to_grids(channel_mixing_input(model, recording, layer), model.config.grid)
    found = mix_channels_by_convolution(model.block(layer).mlp_channels, given)
    return compare(recording.channel_updates[layer], to_tokens(found))


def compare_token_mixing(model: MlpMixer, recording: Recording, layer: int) -> Comparison:
    """Of one layer, given what it was given in the recorded pass; outputs are (B, N, C)."""
    given = to_grids(token_mixing_input(model, recording, layer), model.config.grid)
    return compare(
        recording.token_updates[layer], to_tokens(mix_tokens_by_convolution(model.token_mixing(layer), given))
    )


def compare(mixer: Tensor, convolution: Tensor) -> Comparison:
    """How far two outputs of one shape are apart."""
    largest = (convolution.float() - mixer.float()).abs().max()
    relative = largest / mixer.float().abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    return Comparison(mixer.float(), convolution.float(), float(largest), float(relative))


def to_grids(tokens: Tensor, grid: PatchGrid) -> Tensor:
    """(B, N, C) -> (B, C, rows, columns)."""
    return rearrange(tokens, "b (rows columns) c -> b c rows columns", rows=grid.rows).contiguous()


def to_tokens(grids: Tensor) -> Tensor:
    """(B, C, rows, columns) -> (B, N, C)."""
    return rearrange(grids, "b c rows columns -> b (rows columns) c")


def strongest_kernels(kernels: Tensor, count: int) -> Tensor:
    """At most `count` kernels of the largest norm, the strongest first; `kernels` (K, …)."""
    norms = torch.linalg.vector_norm(kernels.flatten(1).float(), dim=1)
    return kernels[norms.topk(min(count, len(kernels))).indices]


def _normed(norm: nn.LayerNorm, grids: Tensor) -> Tensor:
    """LayerNorm over the channels of (B, C, rows, columns)."""
    tokens = norm(rearrange(grids, "b c rows columns -> b rows columns c").to(norm.weight.dtype))
    normed: Tensor = rearrange(tokens, "b rows columns c -> b c rows columns")
    return normed
