"""One class through the whole network, or the difference of two: evidence, contributions, the lens's history."""

import time

import torch

from mixer_gui.engine.classifier import LENS_CLASSES
from mixer_gui.engine.detail import Detail, read_only
from mixer_gui.explain.evidence import direct_contributions, evidence, expected_evidence, read_out_of
from mixer_gui.explain.lens import lens_history, lens_logits
from mixer_gui.records import DifferenceReport, DifferenceRequest


@torch.inference_mode()
def answer_difference(request: DifferenceRequest, detail: Detail) -> DifferenceReport:
    """What speaks for a class, or for it and against another. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    classifier, recording = detail.classifier, detail.recording
    if recording.final_tokens is None or recording.layer_features is None:
        raise ValueError("a class query needs a FULL recording")
    model, tokens = classifier.model, recording.final_tokens[0]
    readout = read_out_of(model, request.index, request.against)
    raw = evidence(readout, tokens)[0]
    centred = raw
    if request.against is None:
        centred = raw - expected_evidence(model, tokens, detail.probabilities)
    contributions = direct_contributions(model, recording, request.index, request.against)
    history = lens_history(
        lens_logits(model, recording.layer_features[0]), classifier.info.temperature, first=LENS_CLASSES
    )
    probabilities, logits = detail.probabilities.cpu(), detail.logits.cpu()
    prediction = classifier.prediction(request.index, probabilities, logits)
    rival = None if request.against is None else classifier.prediction(request.against, probabilities, logits)
    return DifferenceReport(
        request,
        prediction,
        rival,
        prediction.logit - (0.0 if rival is None else rival.logit),
        float(readout.bias[0]),
        read_only(raw),
        read_only(centred),
        read_only(contributions.token_mixing),
        read_only(contributions.channel_mixing),
        read_only(contributions.stem),
        float(contributions.constant),
        tuple(classifier.prediction(index, probabilities, logits) for index in history.classes.tolist()),
        read_only(history.probabilities),
        (time.perf_counter() - started) * 1e3,
    )
