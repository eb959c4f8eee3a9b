"""Answers about one class, or one against another, of a real classifier, against naive loops in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from checkpoints import random_mixer, tiny_config, write_hub_folder
from inputs import answer, decoded, request

from mixer_gui.engine.classifier import LENS_CLASSES, Classifier
from mixer_gui.engine.detail import Detail
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.records import ClassReport, ClassRequest, DevicePreference, DifferenceReport, DifferenceRequest, ModelRef

LIMIT = 1e-5
LAYERS, PATCHES, CLASSES = 3, 16, 40
TEMPERATURE = 1.7
AGAINST = pytest.mark.parametrize("against", [None, 0, 7], ids=["one class", "against 0", "against 7"])

RecordProperty = Callable[[str, object], None]


@pytest.fixture
def detail(tmp_path: Path) -> Detail:
    model = random_mixer(tiny_config(num_classes=CLASSES))
    path = write_hub_folder(model, tmp_path / "tiny", temperature=TEMPERATURE)
    classifier = Classifier(load_checkpoint(ModelRef(path)), DevicePreference.CPU)
    return classifier.classify(request(Path("tiny")), decoded(), Record.FULL)[1]


def difference(detail: Detail, index: int, against: int | None) -> DifferenceReport:
    report = answer(DifferenceRequest(1, index, against), detail)
    assert isinstance(report, DifferenceReport)
    return report


def logits(detail: Detail) -> np.ndarray:
    return detail.logits.double().numpy()


def head(detail: Detail, index: int, against: int | None) -> tuple[np.ndarray, float]:
    """w_k − w_j (C,) and b_k − b_j in float64."""
    weight = detail.classifier.model.head.weight.double().numpy()
    bias = detail.classifier.model.head.bias.double().numpy()
    if against is None:
        return weight[index], float(bias[index])
    return weight[index] - weight[against], float(bias[index] - bias[against])


def normed(detail: Detail) -> list[list[float]]:
    """LN(x_L) by the formula, (N, C), from the recorded output."""
    model, output = detail.classifier.model, detail.recording.output
    assert output is not None
    scale, shift = model.norm.weight.double().tolist(), model.norm.bias.double().tolist()
    found = []
    for token in output[0].double().tolist():
        mean = sum(token) / len(token)
        sigma = math.sqrt(sum((each - mean) ** 2 for each in token) / len(token) + model.config.layer_norm_eps)
        found.append([(each - mean) / sigma * g + b for each, g, b in zip(token, scale, shift, strict=True)])
    return found


def largest(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours.astype(np.float64) - theirs).max() / np.abs(theirs).max())


@AGAINST
def test_evidence_is_the_loop_over_patches_and_channels(
    detail: Detail, against: int | None, record_property: RecordProperty
) -> None:
    report = difference(detail, 4, against)
    weight, bias = head(detail, 4, against)
    expected = np.array([sum(w * x for w, x in zip(weight, token, strict=True)) for token in normed(detail)])
    worst = largest(report.evidence, expected)
    record_property("largest relative difference", worst)
    print(f"evidence, 4 against {against}: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT
    assert report.head_bias == pytest.approx(bias, rel=1e-6)
    logit = logits(detail)[4] - (0.0 if against is None else logits(detail)[against])
    assert report.logit == pytest.approx(logit, rel=1e-6)
    assert float(np.mean(report.evidence, dtype=np.float64)) + report.head_bias == pytest.approx(
        logit, abs=LIMIT * np.abs(logits(detail)).max()
    )


def test_centred_evidence_of_one_class_is_less_the_expected_and_of_a_difference_the_same(detail: Detail) -> None:
    probabilities = np.exp((logits(detail) - logits(detail).max()) / TEMPERATURE)
    probabilities /= probabilities.sum()
    tokens = np.array(normed(detail))
    expected = sum(
        p * tokens @ detail.classifier.model.head.weight[k].double().numpy() for k, p in enumerate(probabilities)
    )
    one = difference(detail, 4, None)
    assert largest(one.centred_evidence, one.evidence.astype(np.float64) - expected) <= LIMIT
    assert np.abs(one.centred_evidence - one.evidence).max() > 1e-3
    two = difference(detail, 4, 7)
    np.testing.assert_array_equal(two.centred_evidence, two.evidence)


@AGAINST
def test_contributions_are_the_loop_and_add_up_to_the_logit(
    detail: Detail, against: int | None, record_property: RecordProperty
) -> None:
    report = difference(detail, 4, against)
    weight, bias = head(detail, 4, against)
    model, recording = detail.classifier.model, detail.recording
    assert recording.stem is not None
    assert recording.output is not None
    scale, shift = model.norm.weight.double().tolist(), model.norm.bias.double().tolist()
    sigmas = []
    for token in recording.output[0].double().tolist():
        mean = sum(token) / len(token)
        sigmas.append(math.sqrt(sum((each - mean) ** 2 for each in token) / len(token) + model.config.layer_norm_eps))

    def of(update: list[list[float]]) -> np.ndarray:
        found = []
        for token, sigma in zip(update, sigmas, strict=True):
            mean = sum(token) / len(token)
            found.append(sum(w * g * (d - mean) for w, g, d in zip(weight, scale, token, strict=True)) / sigma)
        return np.array(found)

    expected = {
        "stem": of(recording.stem[0].double().tolist()),
        "token_mixing": np.array([of(each[0].double().tolist()) for each in recording.token_updates]),
        "channel_mixing": np.array([of(each[0].double().tolist()) for each in recording.channel_updates]),
    }
    for name, values in expected.items():
        worst = largest(getattr(report, name), values)
        record_property(f"largest relative difference, {name}", worst)
        print(f"{name}, 4 against {against}: {worst:.1e}")  # noqa: T201
        assert worst <= LIMIT, name
    constant = sum(w * b for w, b in zip(weight, shift, strict=True)) + bias
    assert report.constant == pytest.approx(constant, rel=1e-4, abs=1e-6)
    halves = report.token_mixing.mean(1, dtype=np.float64).sum() + report.channel_mixing.mean(1, dtype=np.float64).sum()
    total = float(report.stem.mean(dtype=np.float64) + halves) + report.constant
    rest = abs(total - report.logit) / np.abs(logits(detail)).max()
    record_property("largest relative difference, sum and logit", rest)
    print(f"sum of all half-blocks and logit, 4 against {against}: {rest:.1e}")  # noqa: T201
    assert rest <= LIMIT


def test_a_difference_is_the_one_less_the_other(detail: Detail) -> None:
    both, mine, theirs = difference(detail, 2, 6), difference(detail, 2, None), difference(detail, 6, None)
    for name in ("evidence", "stem", "token_mixing", "channel_mixing"):
        expected = getattr(mine, name).astype(np.float64) - getattr(theirs, name)
        assert largest(getattr(both, name), expected) <= LIMIT, name
    assert both.rival is not None
    assert (both.prediction, both.rival) == (mine.prediction, theirs.prediction)
    assert both.logit == pytest.approx(mine.logit - theirs.logit)
    assert mine.rival is None


def test_one_class_says_the_same_as_the_main_windows_question(detail: Detail) -> None:
    mine = difference(detail, 3, None)
    theirs = answer(ClassRequest(1, 3), detail)
    assert isinstance(theirs, ClassReport)
    for name in ("evidence", "centred_evidence", "stem", "token_mixing", "channel_mixing"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    assert (mine.prediction, mine.constant) == (theirs.prediction, theirs.constant)


def test_lens_holds_whoever_is_among_the_first_five_of_any_layer(
    detail: Detail, record_property: RecordProperty
) -> None:
    report = difference(detail, 4, None)
    model, features = detail.classifier.model, detail.recording.layer_features
    assert features is not None
    weight, bias = model.head.weight.double().tolist(), model.head.bias.double().tolist()
    rows, wanted = [], set()
    for feature in features[0].double().tolist():
        row = [sum(w * x for w, x in zip(each, feature, strict=True)) + b for each, b in zip(weight, bias, strict=True)]
        powers = [math.exp((value - max(row)) / TEMPERATURE) for value in row]
        rows.append([power / sum(powers) for power in powers])
        wanted |= set(sorted(range(CLASSES), key=lambda each, row=row: -row[each])[:LENS_CLASSES])
    order = sorted(wanted, key=lambda each: -rows[-1][each])
    assert [each.index for each in report.lens] == order
    assert len(order) > LENS_CLASSES  # else the test could not tell any layer from the last
    expected = np.array([[row[each] for each in order] for row in rows])
    worst = largest(report.lens_probabilities, expected)
    record_property("largest relative difference", worst)
    print(f"lens probabilities: {worst:.1e}")  # noqa: T201
    assert report.lens_probabilities.shape == (LAYERS, len(order))
    assert worst <= LIMIT
    for column, each in enumerate(report.lens):
        assert each.probability == pytest.approx(float(report.lens_probabilities[-1, column]), rel=1e-5)
        assert each.logit == pytest.approx(float(logits(detail)[each.index]), rel=1e-6)


def test_arrays_are_read_only_float32(detail: Detail) -> None:
    report = difference(detail, 4, 1)
    for name in ("evidence", "centred_evidence", "token_mixing", "channel_mixing", "stem", "lens_probabilities"):
        array = getattr(report, name)
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert report.evidence.shape == report.stem.shape == (PATCHES,)
    assert report.token_mixing.shape == report.channel_mixing.shape == (LAYERS, PATCHES)
    assert report.elapsed_ms > 0


def test_a_recording_of_maps_only_is_refused(detail: Detail) -> None:
    _, recording = detail.classifier.forward(detail.pixels[None], Record.MAPS)
    short = Detail(recording, detail.probabilities, detail.logits, detail.pixels, detail.classifier)
    with pytest.raises(ValueError, match="FULL"):
        answer(DifferenceRequest(1, 0), short)
