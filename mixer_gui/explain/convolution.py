"""The same network by convolutions, on its own weights: is it a CNN? (Tolstikhin et al. 2021, section 2.)

Patch embedding is a strided convolution; channel mixing is two 1×1 convolutions; token mixing is a depth-wise
convolution whose kernel covers the whole grid and is shared by all channels, and its transposed form. Each is computed
by torch's convolutions and compared with what the Mixer itself computed. B pictures, N patches, C channels.
"""

from contextlib import AbstractContextManager
from typing import NamedTuple, cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from mixer_gui.explain.recorded import channel_mixing_input, token_mixing_input
from mixer_gui.model.mixer import ChannelMixing, MlpMixer, PatchEmbedding, Recording, TokenMixing
from mixer_gui.records import PatchGrid


class Comparison(NamedTuple):
    """The outputs of one operation in both forms, in fp32, at the layer asked for; differences over all layers."""

    mixer: Tensor
    convolution: Tensor
    largest: float  # largest difference
    relative: float  # of all layers, the largest of a layer's largest difference over its largest value


def embed_by_convolution(stem: PatchEmbedding, images: Tensor) -> Tensor:
    """A convolution whose stride is its kernel's edge: (B, 3, H, W) -> (B, C, rows, columns)."""
    return functional.conv2d(images, stem.proj.weight, stem.proj.bias, stride=stem.patch_size)


def mix_channels_by_convolution(mixing: ChannelMixing, grids: Tensor) -> Tensor:
    """Two 1×1 convolutions with GELU between them: (B, C, rows, columns) -> the same."""
    hidden = functional.conv2d(grids, mixing.fc1.weight[:, :, None, None], mixing.fc1.bias)
    return functional.conv2d(
        functional.gelu(hidden, approximate=mixing.gelu), mixing.fc2.weight[:, :, None, None], mixing.fc2.bias
    )


def mix_tokens_by_convolution(mixing: TokenMixing, grids: Tensor) -> Tensor:
    """One convolution as large as the grid, GELU, and its transposed form: (B, C, rows, columns) -> the same.

    As a depth-wise convolution it would have multiplier T and the same T kernels for each of C channels. Channels are
    folded into the batch instead, since those kernels written out would take C times the memory: 231 MB a layer on
    B/16. The second bias has a number for each place, which a convolution's has not, so it is added as a map.
    """
    count, _, rows, columns = grids.shape
    kernels = mixing.fc1.weight.reshape(-1, 1, rows, columns)
    folded = rearrange(grids, "b c rows columns -> (b c) 1 rows columns")
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
        block = model.block(layer)
        grids = grids + mix_tokens_by_convolution(block.mlp_tokens, _normed(block.norm1, grids))
        grids = grids + mix_channels_by_convolution(block.mlp_channels, _normed(block.norm2, grids))
    pooled = functional.adaptive_avg_pool2d(_normed(model.norm, grids.float()), 1)
    return functional.conv2d(pooled, model.head.weight[:, :, None, None], model.head.bias).flatten(1)


def compare_embedding(model: MlpMixer, recording: Recording, images: Tensor) -> Comparison:
    """On the picture itself. `recording` is FULL and of `images`; outputs are (B, N, C)."""
    if recording.stem is None:
        raise ValueError("comparing both forms needs a FULL recording")
    with _full_precision():
        return _comparison([recording.stem], [to_tokens(embed_by_convolution(model.stem, images))])


def compare_channel_mixing(model: MlpMixer, recording: Recording, layer: int) -> Comparison:
    """In every layer, each given what it was given in the recorded pass; outputs are those of `layer`, (B, N, C)."""
    with _full_precision():
        found = [
            to_tokens(
                mix_channels_by_convolution(
                    model.block(index).mlp_channels,
                    to_grids(channel_mixing_input(model, recording, index), model.config.grid),
                )
            )
            for index in range(model.config.num_blocks)
        ]
    return _comparison(recording.channel_updates, found, layer)


def compare_token_mixing(model: MlpMixer, recording: Recording, layer: int) -> Comparison:
    """In every layer, each given what it was given in the recorded pass; outputs are those of `layer`, (B, N, C)."""
    with _full_precision():
        found = [
            to_tokens(
                mix_tokens_by_convolution(
                    model.token_mixing(index),
                    to_grids(token_mixing_input(model, recording, index), model.config.grid),
                )
            )
            for index in range(model.config.num_blocks)
        ]
    return _comparison(recording.token_updates, found, layer)


def compare_network(model: MlpMixer, logits: Tensor, images: Tensor) -> Comparison:
    """From the picture to the logits, (B, classes): differences add up through all layers."""
    with _full_precision():
        return _comparison([logits], [logits_by_convolution(model, images)])


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
    tokens = norm(rearrange(grids, "b c rows columns -> b rows columns c"))
    normed: Tensor = rearrange(tokens, "b rows columns c -> b c rows columns")
    return normed


def _comparison(mixer: tuple[Tensor, ...] | list[Tensor], convolution: list[Tensor], layer: int = 0) -> Comparison:
    differences, relatives = [], []
    for theirs, ours in zip(mixer, convolution, strict=True):
        difference = (ours.float() - theirs.float()).abs().max()
        differences.append(difference)
        relatives.append(difference / theirs.float().abs().max().clamp_min(torch.finfo(torch.float32).tiny))
    return Comparison(
        mixer[layer].float(),
        convolution[layer].float(),
        float(torch.stack(differences).max()),
        float(torch.stack(relatives).max()),
    )


def _full_precision() -> AbstractContextManager[None]:
    """CuDNN rounds the inputs of fp32 convolutions to TF32 unless it is told not to: 1e-3 instead of 1e-6."""
    return cast("AbstractContextManager[None]", torch.backends.cudnn.flags(enabled=True, allow_tf32=False))
