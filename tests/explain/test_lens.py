"""The layer lens: the head on each layer's output, no more and no less."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from networks import SMALL, difference, drawn, in_bf16, pictures, recorded

from mixer_gui.explain.lens import lens_history, lens_logits
from mixer_gui.model.mixer import MlpMixer

RecordProperty = Callable[[str, object], None]


def test_lens_of_the_last_layer_is_the_networks_answer() -> None:
    model = drawn(SMALL)
    logits, recording = recorded(model, pictures(SMALL, count=2))
    assert recording.layer_features is not None
    for picture in range(2):
        last = lens_logits(model, recording.layer_features[picture])[-1]
        assert difference(last, logits[picture]) <= 1e-6


@pytest.mark.parametrize("layers", [1, 2])
def test_lens_of_an_earlier_layer_is_the_answer_of_the_network_cut_there(layers: int) -> None:
    model = drawn(SMALL)
    logits, recording = recorded(model, pictures(SMALL))
    assert recording.layer_features is not None
    cut = MlpMixer(replace(SMALL, num_blocks=layers)).eval()
    missing, unexpected = cut.load_state_dict(model.state_dict(), strict=False)
    assert missing == []
    assert {name.split(".")[1] for name in unexpected} == {str(index) for index in range(layers, SMALL.num_blocks)}
    expected, _ = recorded(cut, pictures(SMALL))
    assert difference(lens_logits(model, recording.layer_features[0])[layers - 1], expected[0]) <= 1e-6
    assert difference(expected, logits) > 1e-2


def test_lens_of_a_bf16_pass_is_fp32() -> None:
    model = in_bf16(drawn(SMALL))
    logits, recording = recorded(model, pictures(SMALL).to(torch.bfloat16))
    assert recording.layer_features is not None
    lens = lens_logits(model, recording.layer_features[0])
    assert lens.dtype == torch.float32
    assert difference(lens[-1], logits[0]) <= 1e-6


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("first", [1, 2, 5, 20])
def test_history_is_what_a_loop_over_layers_finds(
    temperature: float, first: int, record_property: RecordProperty
) -> None:
    model = drawn(SMALL)
    _, recording = recorded(model, pictures(SMALL))
    assert recording.layer_features is not None
    logits = lens_logits(model, recording.layer_features[0])
    history = lens_history(logits, temperature, first)
    rows = [[float(value) / temperature for value in row] for row in logits]
    probabilities, wanted = [], set()
    for row in rows:
        powers = [math.exp(value - max(row)) for value in row]
        probabilities.append([power / sum(powers) for power in powers])
        wanted |= set(sorted(range(len(row)), key=lambda each, row=row: -row[each])[:first])
    order = sorted(wanted, key=lambda each: -probabilities[-1][each])
    assert history.classes.tolist() == order
    expected = torch.tensor([[row[each] for each in order] for row in probabilities], dtype=torch.float64)
    worst = difference(history.probabilities, expected)
    record_property("largest relative difference", worst)
    print(f"lens history, first {first}, temperature {temperature}: {worst:.1e}")  # noqa: T201
    assert worst <= 1e-6


def test_history_has_a_class_that_is_among_the_first_of_one_layer_only() -> None:
    logits = torch.tensor([[9.0, 1.0, 0.0, 2.0], [0.0, 9.0, 1.0, 2.0]])
    history = lens_history(logits, 1.0, 1)
    assert history.classes.tolist() == [1, 0]
    assert history.probabilities.shape == (2, 2)
    assert float(history.probabilities[0, 1]) > 0.99
    assert float(history.probabilities[1, 1]) < 0.01
