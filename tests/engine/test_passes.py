"""Passes side by side: as many as there are cores, on one engine, with the results of one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from inputs import decoded, request

from mixer_gui.engine.engine import Engine
from mixer_gui.engine.passes import MOST_PASSES, side_by_side
from mixer_gui.model.mixer import Record
from mixer_gui.records import DevicePreference, ModelRef

CPU = DevicePreference.CPU
WAIT_S = 30


@pytest.fixture(autouse=True)
def four_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    assert torch.get_num_threads() == 4
    torch.set_num_threads(before)


def threads_of_passes(device: DevicePreference, pictures: int) -> list[int]:
    """How many threads of torch each pass has: all that can are under way at once."""
    with side_by_side(device, pictures) as passes:
        meeting = threading.Barrier(passes._max_workers)

        def run() -> int:
            meeting.wait(WAIT_S)
            return torch.get_num_threads()

        futures = [passes.submit(run) for _ in range(passes._max_workers)]
        return [future.result(WAIT_S) for future in futures]


@pytest.mark.parametrize(
    ("device", "pictures", "threads"),
    [
        (CPU, 100, [1, 1, 1, 1]),
        (CPU, 3, [1, 1, 1]),
        (CPU, 2, [2, 2]),
        (CPU, 1, [4]),
        (CPU, 0, [4]),
        (DevicePreference.CUDA, 100, [4]),
    ],
)
def test_passes_share_the_cores(device: DevicePreference, pictures: int, threads: list[int]) -> None:
    assert threads_of_passes(device, pictures) == threads


def test_there_are_only_so_many_passes_however_many_cores() -> None:
    torch.set_num_threads(2 * MOST_PASSES)
    assert threads_of_passes(CPU, 100) == [2] * MOST_PASSES
    torch.set_num_threads(4)


def test_results_are_those_of_one_pass_after_the_other(tiny_checkpoint: Callable[..., Path]) -> None:
    model = tiny_checkpoint()
    engine = Engine()
    engine.load(ModelRef(model), CPU)

    def logits(number: int) -> list[float]:
        report = engine.classify(request(model, number), decoded(number), Record.MAPS)
        assert report.id == number
        return [prediction.logit for prediction in report.predictions]

    expected = [logits(number) for number in range(64)]
    with side_by_side(CPU, 64) as passes:
        found = list(passes.map(logits, range(64)))
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)
    assert len({tuple(each) for each in expected}) == 64
