"""The layer lens: the head on each layer's output, no more and no less."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from networks import SMALL, difference, drawn, in_bf16, pictures, recorded

from mixer_gui.explain.lens import lens_logits
from mixer_gui.model.mixer import MlpMixer


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
