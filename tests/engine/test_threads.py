"""How many threads a pass takes: read inside the pass, where torch says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from inputs import decoded, request

from mixer_gui.engine import device
from mixer_gui.engine.engine import Engine
from mixer_gui.model.mixer import MlpMixer, Record
from mixer_gui.records import DevicePreference, ModelRef


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The threads of each pass, of a program that has three."""
    before, counts = torch.get_num_threads(), list[int]()
    forward = MlpMixer.forward

    def counting(self: MlpMixer, images: torch.Tensor, record: Record = Record.NONE) -> object:
        counts.append(torch.get_num_threads())
        return forward(self, images, record)

    monkeypatch.setattr(MlpMixer, "forward", counting)
    torch.set_num_threads(3)
    yield counts
    torch.set_num_threads(before)


@pytest.mark.parametrize(("largest", "threads"), [(device.SMALL_MODEL_MACS, 1), (0, 3)], ids=["small", "large"])
def test_small_model_takes_one_thread_and_leaves_the_others_as_they_were(
    tiny_checkpoint: Callable[..., Path],
    counted: list[int],
    monkeypatch: pytest.MonkeyPatch,
    largest: int,
    threads: int,
) -> None:
    monkeypatch.setattr(device, "SMALL_MODEL_MACS", largest)
    model, engine = ModelRef(tiny_checkpoint()), Engine()
    ready = engine.load(model, DevicePreference.CPU)
    report = engine.classify(request(model), decoded(), Record.FULL)
    assert counted == [threads]
    assert torch.get_num_threads() == 3
    said = f"with {threads} thread{'s' if threads > 1 else ''}:"
    assert said in ready.device.reason
    assert said in report.device.reason
