"""How layers mix tokens: mixing matrices, and what they say of one patch through several layers."""

import time

import torch

from mixer_gui.engine.detail import Detail, read_only
from mixer_gui.explain.mixing import mixing_matrix, patch_distances, small_share, spread
from mixer_gui.explain.rollout import reach, rollout_reads, rollout_writes
from mixer_gui.records import (
    MixingReport,
    MixingRequest,
    ReachReport,
    ReachRequest,
    RolloutReport,
    RolloutRequest,
)


@torch.inference_mode()
def answer_mixing(request: MixingRequest, detail: Detail) -> MixingReport:
    """The mixing matrix of one layer and how all layers mix. Raises ValueError without a recording."""
    started = time.perf_counter()
    model, slopes = detail.classifier.model, detail.recording.gelu_slope
    if slopes is None:
        raise ValueError("a mixing query needs a recording")
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
    """One patch through all layers up to one of them, approximately. Raises ValueError without a recording."""
    started = time.perf_counter()
    model, slopes = detail.classifier.model, detail.recording.gelu_slope
    if slopes is None:
        raise ValueError("a rollout needs a recording")
    return RolloutReport(
        request,
        read_only(rollout_reads(model, slopes[0], request.layer, request.patch)),
        read_only(rollout_writes(model, slopes[0], request.layer, request.patch)),
        (time.perf_counter() - started) * 1e3,
    )


@torch.inference_mode()
def answer_reach(request: ReachRequest, detail: Detail) -> ReachReport:
    """How far one patch is felt at the end of the network. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    values = reach(detail.classifier.model, detail.recording, request.patch)
    return ReachReport(request, read_only(values), (time.perf_counter() - started) * 1e3)
