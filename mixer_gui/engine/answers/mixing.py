"""How layers mix tokens: what a patch reads and writes, mixing matrices, and one patch through several layers."""

import time
from collections.abc import Iterator

import torch

from mixer_gui.engine.answers.stopwatch import Stopwatch
from mixer_gui.engine.detail import Detail, Recall, read_only
from mixer_gui.explain.mixing import (
    mixing_matrix,
    patch_distances,
    reading_energy,
    reads,
    small_share,
    spread,
    writes,
)
from mixer_gui.explain.rollout import Fading, begin_fading, fade_through, felt, rollout_reads, rollout_writes
from mixer_gui.records import (
    MixingReport,
    MixingRequest,
    PatchReport,
    PatchRequest,
    ReachReport,
    ReachRequest,
    RolloutReport,
    RolloutRequest,
)


@torch.inference_mode()
def answer_patch(request: PatchRequest, detail: Detail) -> PatchReport:
    """What one patch of one layer reads from and writes to. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    recording = detail.recording
    if recording.gelu_slope is None or not recording.hidden:
        raise ValueError("a patch query needs a FULL recording")
    mixing = detail.classifier.model.token_mixing(request.layer)
    slope = recording.gelu_slope[0, request.layer]
    return PatchReport(
        request,
        read_only(reads(mixing, slope, request.patch)),
        read_only(writes(mixing, slope, request.patch)),
        read_only(reading_energy(mixing, recording.hidden[request.layer][0], request.patch)),
        (time.perf_counter() - started) * 1e3,
    )


@torch.inference_mode()
def answer_mixing(request: MixingRequest, detail: Detail) -> MixingReport:
    """The mixing matrix of one layer and how all layers mix. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    model, slopes = detail.classifier.model, detail.recording.gelu_slope
    if slopes is None:
        raise ValueError("a mixing query needs a FULL recording")
    layers = [model.token_mixing(layer) for layer in range(model.config.num_blocks)]
    matrices = torch.stack([mixing_matrix(mixing, slopes[0, layer]) for layer, mixing in enumerate(layers)])
    weights = [small_share(mixing.fc1.weight.float(), mixing.fc2.weight.float()) for mixing in layers]
    return MixingReport(
        request,
        read_only(matrices[request.layer]),
        read_only(spread(matrices, patch_distances(model.config.grid, matrices.device))),
        read_only(torch.stack([small_share(matrix) for matrix in matrices])),
        read_only(torch.stack(weights)),
        (time.perf_counter() - started) * 1e3,
    )


@torch.inference_mode()
def answer_rollout(request: RolloutRequest, detail: Detail) -> RolloutReport:
    """One patch through all layers up to one of them, approximately. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    model, slopes = detail.classifier.model, detail.recording.gelu_slope
    if slopes is None:
        raise ValueError("a rollout needs a FULL recording")
    return RolloutReport(
        request,
        read_only(rollout_reads(model, slopes[0], request.layer, request.patch)),
        read_only(rollout_writes(model, slopes[0], request.layer, request.patch)),
        (time.perf_counter() - started) * 1e3,
    )


def answer_reach(request: ReachRequest, recall: Recall) -> Iterator[ReachReport | None]:
    """How far one patch is felt at the end of the network, in a step for each layer.

    Raises ValueError without a FULL recording.
    """
    watch = Stopwatch()
    with watch, torch.inference_mode():
        fading = begin_fading(recall().classifier.model, recall().recording, request.patch)
    for layer in range(recall().classifier.info.layers):
        with watch, torch.inference_mode():
            fading = _through(layer, fading, recall())
        yield None
    with watch, torch.inference_mode():
        values = read_only(felt(recall().classifier.model, fading))
    yield ReachReport(request, values, watch.total_ms)


def _through(layer: int, fading: Fading, detail: Detail) -> Fading:
    """The model, and with it the recording, may have moved to another device since the last step."""
    device = detail.logits.device
    entering = Fading(fading.tokens.to(device), fading.change.to(device))
    return fade_through(detail.classifier.model, detail.recording, layer, entering)
