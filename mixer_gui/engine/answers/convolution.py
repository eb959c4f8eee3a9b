"""The network in convolution form, beside what it computed itself."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mixer_gui.engine.answers.stopwatch import Stopwatch
from mixer_gui.engine.detail import Detail, Recall, read_only
from mixer_gui.explain.convolution import (
    Comparison,
    compare,
    compare_channel_mixing,
    compare_embedding,
    compare_token_mixing,
    embed_by_convolution,
    layer_by_convolution,
    read_out_by_convolution,
    strongest_kernels,
)
from mixer_gui.records import ConvolutionReport, ConvolutionRequest, Equivalence, Operation, PatchGrid

NUMBERS = 5  # shown of each form
KERNELS = 64


class _Compared(NamedTuple):
    """One operation in one layer: its first numbers in both forms, and how far they are apart in all of them."""

    mixer: tuple[float, ...]
    convolution: tuple[float, ...]
    largest: float
    relative: float


def answer_convolution(request: ConvolutionRequest, recall: Recall) -> Iterator[ConvolutionReport | None]:
    """The three equivalences and the whole network, in a step for each layer.

    Raises ValueError without a FULL recording.
    """
    watch = Stopwatch()
    layers = range(recall().classifier.info.layers)
    tokens, channels = [], []
    with watch, torch.inference_mode():
        stem = _compare_embedding(recall())
        grids = embed_by_convolution(recall().classifier.model.stem, recall().images())
    for layer in layers:
        with watch, torch.inference_mode():
            tokens.append(_compare_token_mixing(recall(), layer))
            channels.append(_compare_channel_mixing(recall(), layer))
            grids = _layer(recall(), layer, grids)
        yield None
    with watch, torch.inference_mode():
        network = _compare_network(recall(), grids)
        config = recall().classifier.model.config
        stem_kernels = read_only(strongest_kernels(recall().classifier.model.stem.proj.weight, KERNELS))
        token_kernels = read_only(torch.stack([_token_kernels(recall(), layer) for layer in layers]))
    yield ConvolutionReport(
        request,
        (
            _equivalence(Operation.PATCH_EMBEDDING, [stem]),
            _equivalence(Operation.CHANNEL_MIXING, channels),
            _equivalence(Operation.TOKEN_MIXING, tokens),
            _equivalence(Operation.NETWORK, [network]),
        ),
        config.tokens_mlp_dim,
        config.channels_mlp_dim,
        stem_kernels,
        token_kernels,
        watch.total_ms,
    )


def _compare_embedding(detail: Detail) -> _Compared:
    model = detail.classifier.model
    return _at_middle(compare_embedding(model, detail.recording, detail.images()), model.config.grid)


def _compare_token_mixing(detail: Detail, layer: int) -> _Compared:
    model = detail.classifier.model
    return _at_middle(compare_token_mixing(model, detail.recording, layer), model.config.grid)


def _compare_channel_mixing(detail: Detail, layer: int) -> _Compared:
    model = detail.classifier.model
    return _at_middle(compare_channel_mixing(model, detail.recording, layer), model.config.grid)


def _layer(detail: Detail, layer: int, grids: Tensor) -> Tensor:
    """The model may have moved to another device since the last step."""
    return layer_by_convolution(detail.classifier.model, layer, grids.to(detail.logits.device))


def _compare_network(detail: Detail, grids: Tensor) -> _Compared:
    model = detail.classifier.model
    found = compare(detail.logits[None], read_out_by_convolution(model, grids.to(detail.logits.device)))
    ranked = detail.probabilities.topk(min(NUMBERS, model.config.num_classes)).indices
    return _compared(found, found.mixer[0, ranked], found.convolution[0, ranked])


def _token_kernels(detail: Detail, layer: int) -> Tensor:
    model = detail.classifier.model
    grid, weight = model.config.grid, model.token_mixing(layer).fc1.weight
    return strongest_kernels(weight.reshape(-1, grid.rows, grid.columns), KERNELS)


def _at_middle(found: Comparison, grid: PatchGrid) -> _Compared:
    """Of tokens (1, N, C), the first channels of the middle patch."""
    patch = grid.rows // 2 * grid.columns + grid.columns // 2
    return _compared(found, found.mixer[0, patch, :NUMBERS], found.convolution[0, patch, :NUMBERS])


def _compared(found: Comparison, mixer: Tensor, convolution: Tensor) -> _Compared:
    return _Compared(tuple(mixer.tolist()), tuple(convolution.tolist()), found.largest, found.relative)


def _equivalence(operation: Operation, rows: list[_Compared]) -> Equivalence:
    return Equivalence(
        operation,
        tuple(each.mixer for each in rows),
        tuple(each.convolution for each in rows),
        max(each.largest for each in rows),
        max(each.relative for each in rows),
    )
