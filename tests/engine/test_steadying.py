"""The exponential average of probabilities, against its closed form."""

from __future__ import annotations

import math

import pytest
import torch

from mixer_gui.engine.steadying import RunningAverage

BEFORE, AFTER = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


@pytest.mark.parametrize("rate", [5, 30, 120])
def test_average_after_a_cut_goes_by_time_and_not_by_the_number_of_frames(rate: int) -> None:
    average = RunningAverage()
    average.add("model", 0.0, BEFORE, 0.25)
    for frame in range(1, rate + 1):
        value = average.add("model", frame / rate, AFTER, 0.25)
    assert value[0].item() == pytest.approx(math.exp(-1.0 / 0.25), rel=1e-4)
    assert value.sum().item() == pytest.approx(1.0)


def test_without_a_constant_each_frame_speaks_for_itself() -> None:
    average = RunningAverage()
    average.add("model", 0.0, BEFORE, 0.0)
    assert average.add("model", 0.01, AFTER, 0.0) is AFTER


@pytest.mark.parametrize(("key", "time_s"), [("other model", 1.1), ("model", 0.9)], ids=["model", "backwards"])
def test_average_begins_anew(key: str, time_s: float) -> None:
    average = RunningAverage()
    average.add("model", 1.0, BEFORE, 10.0)
    assert average.add(key, time_s, AFTER, 10.0) is AFTER


def test_same_moment_again_changes_nothing() -> None:
    average = RunningAverage()
    average.add("model", 1.0, BEFORE, 0.1)
    torch.testing.assert_close(average.add("model", 1.0, AFTER, 0.1), BEFORE)
