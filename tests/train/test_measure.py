"""Accuracy, cross-entropy, calibration and temperature, against hand-made cases and plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mixer_gui.records import MixerGuiError
from mixer_gui.train.measure import calibration_error, figures, fit_temperature


def drawn(count: int = 4000, classes: int = 12, sharpness: float = 2.0) -> tuple[Tensor, Tensor]:
    """Logits, and labels drawn from their own softmax: perfectly calibrated at temperature 1."""
    generator = torch.Generator().manual_seed(1)
    logits = sharpness * torch.randn(count, classes, generator=generator)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


def error_by_loop(confidences: list[float], hits: list[bool], bins: int = 15) -> float:
    """The definition, word for word: bins (0, 1/15] … (14/15, 1]."""
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [place for place, each in enumerate(confidences) if low < each <= high]
        if inside:
            accuracy = sum(hits[place] for place in inside) / len(inside)
            confidence = sum(confidences[place] for place in inside) / len(inside)
            total += len(inside) / len(confidences) * abs(accuracy - confidence)
    return total


def test_figures_of_a_case_done_by_hand() -> None:
    probabilities = torch.tensor([[0.5, 0.2, 0.1, 0.1, 0.06, 0.04]]).repeat(4, 1)
    found = figures(probabilities.log(), torch.tensor([0, 0, 1, 5]))
    assert (found.count, found.top1, found.top5) == (4, 0.5, 0.75)
    assert found.loss == pytest.approx(-(2 * math.log(0.5) + math.log(0.2) + math.log(0.04)) / 4)
    assert found.calibration_error == pytest.approx(0, abs=1e-6)  # half of them right, and half sure


def test_calibration_error_of_a_case_done_by_hand() -> None:
    # (14/15, 1]: 0.98 and 1.0, one right: |0.5 − 0.99| · 2/5; (8/15, 9/15]: 0.55 and 0.59, both right: 0.43 · 2/5;
    # (4/15, 5/15]: 0.3, wrong: 0.3 · 1/5.
    confidences = torch.tensor([0.98, 1.0, 0.55, 0.59, 0.3])
    hits = torch.tensor([True, False, True, True, False])
    assert calibration_error(confidences, hits) == pytest.approx(0.49 * 0.4 + 0.43 * 0.4 + 0.3 * 0.2, abs=1e-7)


@pytest.mark.parametrize("sharpness", [0.1, 1.0, 5.0])
def test_calibration_error_is_what_a_plain_loop_finds(sharpness: float) -> None:
    logits, labels = drawn(sharpness=sharpness)
    labels = labels.roll(1) * (torch.arange(len(labels)) % 3 == 0) + labels * (torch.arange(len(labels)) % 3 != 0)
    confidences, answers = logits.double().softmax(1).max(1)
    expected = error_by_loop(confidences.tolist(), (answers == labels).tolist())
    assert expected > 0.003
    assert figures(logits, labels).calibration_error == pytest.approx(expected, abs=1e-12)


def test_figures_at_a_temperature_are_those_of_divided_logits() -> None:
    logits, labels = drawn()
    hot, divided = figures(logits, labels, 2.5), figures(logits / 2.5, labels)
    assert hot.loss == pytest.approx(divided.loss)
    assert hot.loss == pytest.approx(functional.cross_entropy(logits / 2.5, labels).item(), rel=1e-5)
    assert hot.calibration_error == pytest.approx(divided.calibration_error, abs=1e-6)
    assert (hot.top1, hot.top5) == (figures(logits, labels).top1, figures(logits, labels).top5)


def test_half_precision_logits_lose_nothing_more() -> None:
    logits, labels = drawn()
    assert figures(logits.bfloat16(), labels) == figures(logits.bfloat16().float(), labels)


def test_three_classes_have_all_answers_among_the_first_five() -> None:
    assert figures(torch.eye(3), torch.tensor([1, 2, 0])).top5 == 1.0


@pytest.mark.parametrize("scale", [0.02, 0.4, 1.0, 3.0, 50.0])
def test_a_known_scaling_of_logits_is_recovered(scale: float) -> None:
    logits, labels = drawn(20_000)
    assert fit_temperature(logits * scale, labels) == pytest.approx(scale, rel=0.03)


def test_no_temperature_nearby_is_better_than_the_fitted_one() -> None:
    logits, labels = drawn(sharpness=4.0)
    fitted = fit_temperature(logits * 1.7, labels)
    least = figures(logits * 1.7, labels, fitted).loss
    for factor in (0.9, 0.999, 1.001, 1.1):
        assert figures(logits * 1.7, labels, fitted * factor).loss > least


def test_a_fitted_temperature_makes_overconfident_answers_honest() -> None:
    logits, labels = drawn(20_000)
    before = figures(logits * 3, labels).calibration_error
    after = figures(logits * 3, labels, fit_temperature(logits * 3, labels)).calibration_error
    assert before > 0.2
    assert after < 0.02


def test_where_all_answers_are_right_the_temperature_stays() -> None:
    logits = 5 * torch.eye(4) + 0.1
    assert fit_temperature(logits, torch.arange(4)) == 1.0


def test_answers_worse_than_chance_reach_the_highest_temperature_there_is() -> None:
    assert fit_temperature(5 * torch.eye(4), (torch.arange(4) + 1) % 4) == pytest.approx(1000)


def test_a_network_that_came_apart_is_told() -> None:
    logits = torch.zeros(3, 4)
    logits[1, 2] = torch.nan
    for measure in (figures, fit_temperature):
        with pytest.raises(MixerGuiError, match="came apart"):
            measure(logits, torch.zeros(3, dtype=torch.long))


def test_no_pictures_are_told() -> None:
    with pytest.raises(MixerGuiError, match="no pictures"):
        figures(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
