"""One class, or the difference of two: evidence, contributions, the lens's history."""

import time
from typing import TYPE_CHECKING, NamedTuple

import torch

from mixer_gui.engine.classifier import LENS_CLASSES
from mixer_gui.engine.detail import Detail, read_only
from mixer_gui.explain.evidence import Contributions, direct_contributions, evidence, expected_evidence, read_out_of
from mixer_gui.explain.lens import lens_history, lens_logits
from mixer_gui.records import ClassReport, ClassRequest, DifferenceReport, DifferenceRequest, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _Spoken(NamedTuple):
    """What speaks for a class, or for it and against another."""

    prediction: Prediction  # of the class
    bias: float
    evidence: "NDArray[np.float32]"  # (N,)
    centred_evidence: "NDArray[np.float32]"  # (N,)
    contributions: Contributions


def _speaking_for(detail: Detail, index: int, against: int | None = None) -> _Spoken:
    """Raises ValueError without a FULL recording."""
    model, recording = detail.classifier.model, detail.recording
    if recording.final_tokens is None:
        raise ValueError("a class query needs a FULL recording")
    tokens = recording.final_tokens[0]
    readout = read_out_of(model, index, against)
    raw = evidence(readout, tokens)[0]
    centred = raw if against is not None else raw - expected_evidence(model, tokens, detail.probabilities)
    return _Spoken(
        detail.classifier.prediction(index, detail.probabilities, detail.logits),
        float(readout.bias[0]),
        read_only(raw),
        read_only(centred),
        direct_contributions(model, recording, index, against),
    )


@torch.inference_mode()
def answer_class(request: ClassRequest, detail: Detail) -> ClassReport:
    """Evidence and direct contributions for one class. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    found = _speaking_for(detail, request.index)
    return ClassReport(
        request,
        found.prediction,
        found.evidence,
        found.centred_evidence,
        read_only(found.contributions.token_mixing),
        read_only(found.contributions.channel_mixing),
        read_only(found.contributions.stem),
        float(found.contributions.constant),
        (time.perf_counter() - started) * 1e3,
    )


@torch.inference_mode()
def answer_difference(request: DifferenceRequest, detail: Detail) -> DifferenceReport:
    """What speaks for a class, or for it and against another. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    classifier, features = detail.classifier, detail.recording.layer_features
    if features is None:
        raise ValueError("a class query needs a FULL recording")
    found = _speaking_for(detail, request.index, request.against)
    history = lens_history(lens_logits(classifier.model, features[0]), classifier.info.temperature, first=LENS_CLASSES)
    probabilities, logits = detail.probabilities.cpu(), detail.logits.cpu()
    rival = None if request.against is None else classifier.prediction(request.against, probabilities, logits)
    return DifferenceReport(
        request,
        found.prediction,
        rival,
        found.prediction.logit - (0.0 if rival is None else rival.logit),
        found.bias,
        found.evidence,
        found.centred_evidence,
        read_only(found.contributions.token_mixing),
        read_only(found.contributions.channel_mixing),
        read_only(found.contributions.stem),
        float(found.contributions.constant),
        tuple(classifier.prediction(index, probabilities, logits) for index in history.classes.tolist()),
        read_only(history.probabilities),
        (time.perf_counter() - started) * 1e3,
    )
