"""The network in convolution form, beside what it computed itself."""

import time

import torch
from torch import Tensor

from mixer_gui.engine.detail import Detail, read_only
from mixer_gui.explain.convolution import (
    Comparison,
    compare_channel_mixing,
    compare_embedding,
    compare_network,
    compare_token_mixing,
    strongest_kernels,
)
from mixer_gui.records import ConvolutionReport, ConvolutionRequest, Equivalence, Operation

NUMBERS = 5  # shown of each form
KERNELS = 64


@torch.inference_mode()
def answer_convolution(request: ConvolutionRequest, detail: Detail) -> ConvolutionReport:
    """The three equivalences and the whole network. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    model, recording, layer = detail.classifier.model, detail.recording, request.layer
    images, grid = detail.images(), model.config.grid
    middle = grid.rows // 2 * grid.columns + grid.columns // 2
    ranked = detail.probabilities.topk(min(NUMBERS, model.config.num_classes)).indices
    mixing = model.token_mixing(layer)
    return ConvolutionReport(
        request,
        (
            _tokens_equal(Operation.PATCH_EMBEDDING, compare_embedding(model, recording, images), middle),
            _tokens_equal(Operation.CHANNEL_MIXING, compare_channel_mixing(model, recording, layer), middle),
            _tokens_equal(Operation.TOKEN_MIXING, compare_token_mixing(model, recording, layer), middle),
            _equal(Operation.NETWORK, compare_network(model, detail.logits[None], images), ranked),
        ),
        model.config.tokens_mlp_dim,
        model.config.channels_mlp_dim,
        read_only(strongest_kernels(model.stem.proj.weight, KERNELS)),
        read_only(strongest_kernels(mixing.fc1.weight.reshape(-1, grid.rows, grid.columns), KERNELS)),
        (time.perf_counter() - started) * 1e3,
    )


def _tokens_equal(operation: Operation, found: Comparison, patch: int) -> Equivalence:
    """Of tokens (1, N, C), the first channels of one patch."""
    channels = torch.arange(min(NUMBERS, found.mixer.shape[2]), device=found.mixer.device)
    at_patch = found._replace(mixer=found.mixer[:, patch], convolution=found.convolution[:, patch])
    return _equal(operation, at_patch, channels)


def _equal(operation: Operation, found: Comparison, shown: Tensor) -> Equivalence:
    """Of rows (1, …), the numbers at `shown`."""
    return Equivalence(
        operation,
        tuple(found.mixer[0, shown].tolist()),
        tuple(found.convolution[0, shown].tolist()),
        found.largest,
        found.relative,
    )
