"""The two questions of the main window: what a patch reads and writes, and what speaks for a class."""

import time

import torch

from mixer_gui.engine.detail import Detail, read_only
from mixer_gui.explain.evidence import direct_contributions, evidence, expected_evidence, read_out_of
from mixer_gui.explain.mixing import reading_energy, reads, writes
from mixer_gui.records import ClassReport, ClassRequest, PatchReport, PatchRequest


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
def answer_class(request: ClassRequest, detail: Detail) -> ClassReport:
    """Evidence and direct contributions for one class. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    classifier, recording, index = detail.classifier, detail.recording, request.index
    if recording.final_tokens is None:
        raise ValueError("a class query needs a FULL recording")
    tokens = recording.final_tokens[0]
    raw = evidence(read_out_of(classifier.model, index), tokens)[0]
    contributions = direct_contributions(classifier.model, recording, index)
    return ClassReport(
        request,
        classifier.prediction(index, detail.probabilities, detail.logits),
        read_only(raw),
        read_only(raw - expected_evidence(classifier.model, tokens, detail.probabilities)),
        read_only(contributions.token_mixing),
        read_only(contributions.channel_mixing),
        read_only(contributions.stem),
        float(contributions.constant),
        (time.perf_counter() - started) * 1e3,
    )
