"""Evidence and direct contributions add up to the logit, and equal the loops that define them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from networks import B16, SMALL, difference, drawn, in_bf16, pictures, recorded
from torch import Tensor

from mixer_gui.explain.evidence import direct_contributions, evidence, expected_evidence, read_out, read_out_of
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer, Record, Recording

LIMIT = 1e-5
BOTH = pytest.mark.parametrize("config", [SMALL, B16], ids=["small", "B/16"])
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])

AGAINST = pytest.mark.parametrize("against", [None, 1], ids=["one class", "a difference"])

RecordProperty = Callable[[str, object], None]


@PRECISIONS
@BOTH
def test_mean_evidence_plus_bias_is_the_logit(
    config: MixerConfig, dtype: torch.dtype, record_property: RecordProperty
) -> None:
    model = drawn(config)
    half = drawn(config) if dtype == torch.float32 else in_bf16(drawn(config))
    logits, recording = recorded(half, pictures(config).to(dtype))
    assert recording.final_tokens is not None
    raw = evidence(read_out(half, torch.arange(config.num_classes)), recording.final_tokens[0])
    worst = difference(raw.mean(-1) + half.head.bias, logits[0])
    record_property("largest relative difference", worst)
    print(f"mean evidence + bias, {config.num_blocks} layers, {dtype}: {worst:.1e}")  # noqa: T201
    assert logits.dtype == torch.float32
    assert difference(logits, recorded(model, pictures(config))[0]) < (1e-6 if dtype == torch.float32 else 0.1)
    assert worst <= LIMIT


@BOTH
def test_summed_contributions_plus_constant_are_the_logit(config: MixerConfig, record_property: RecordProperty) -> None:
    model = drawn(config)
    logits, recording = recorded(model, pictures(config))
    worst = 0.0
    for index in range(min(config.num_classes, 20)):
        parts = direct_contributions(model, recording, index)
        total = parts.stem.mean() + parts.token_mixing.mean(-1).sum() + parts.channel_mixing.mean(-1).sum()
        worst = max(worst, float((total + parts.constant - logits[0, index]).abs() / logits.abs().max()))
    record_property("largest relative difference", worst)
    print(f"contributions + constant, {config.num_blocks} layers: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def looped_contributions(model: MlpMixer, recording: Recording, index: int, against: int | None) -> dict[str, Tensor]:
    """The definition in float64, patch by patch and channel by channel."""
    assert recording.stem is not None
    assert recording.output is not None
    output = recording.output[0].double()
    row = [float(value) for value in model.head.weight[index]]
    if against is not None:
        row = [mine - float(theirs) for mine, theirs in zip(row, model.head.weight[against], strict=True)]
    updates = {
        "stem": [recording.stem],
        "token_mixing": list(recording.token_updates),
        "channel_mixing": list(recording.channel_updates),
    }
    found = {}
    for field, tensors in updates.items():
        expected = torch.zeros(len(tensors), len(output), dtype=torch.float64)
        for number, tensor in enumerate(tensors):
            update = tensor[0].double()
            for patch in range(len(update)):
                values = output[patch]
                sigma = float((((values - values.mean()) ** 2).mean() + model.config.layer_norm_eps) ** 0.5)
                mean = float(update[patch].mean())
                for channel, weight in enumerate(row):
                    scaled = weight * float(model.norm.weight[channel])
                    expected[number, patch] += scaled * (float(update[patch, channel]) - mean) / sigma
        found[field] = expected
    bias = float(model.head.bias[index]) - (0.0 if against is None else float(model.head.bias[against]))
    shift = sum(weight * float(beta) for weight, beta in zip(row, model.norm.bias, strict=True))
    found["constant"] = torch.tensor(shift + bias, dtype=torch.float64)
    return found


@AGAINST
def test_contributions_equal_a_loop_over_the_formula(against: int | None, record_property: RecordProperty) -> None:
    model = drawn(SMALL)
    logits, recording = recorded(model, pictures(SMALL))
    index = 4
    parts = direct_contributions(model, recording, index, against)
    looped = looped_contributions(model, recording, index, against)
    for field, expected in looped.items():
        ours = getattr(parts, field).reshape(expected.shape)
        worst = difference(ours, expected)
        record_property(f"largest relative difference, {field}", worst)
        print(f"{field}, class {index} against {against}: {worst:.1e}")  # noqa: T201
        assert worst <= LIMIT, field
    total = sum(float(each.mean(-1).sum()) for field, each in looped.items() if field != "constant")
    logit = float(logits[0, index]) - (0.0 if against is None else float(logits[0, against]))
    assert total + float(looped["constant"]) == pytest.approx(logit, abs=1e-5 * float(logits.abs().max()))


@BOTH
def test_contributions_of_a_difference_add_up_to_the_difference_of_logits(
    config: MixerConfig, record_property: RecordProperty
) -> None:
    """In float64, from the maps as they are given."""
    model = drawn(config)
    logits, recording = recorded(model, pictures(config))
    worst = 0.0
    for index, against in ((0, 1), (3, 6), (6, 3), (2, 5)):
        parts = direct_contributions(model, recording, index, against)
        halves = parts.token_mixing.double().mean(-1).sum() + parts.channel_mixing.double().mean(-1).sum()
        total = float(parts.stem.double().mean() + halves + parts.constant.double())
        expected = float(logits[0, index].double() - logits[0, against].double())
        worst = max(worst, abs(total - expected) / float(logits.abs().max()))
    record_property("largest relative difference", worst)
    print(f"contributions of a difference + constant, {config.num_blocks} layers: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


@BOTH
def test_evidence_of_a_difference_averages_to_the_difference_of_logits(
    config: MixerConfig, record_property: RecordProperty
) -> None:
    model = drawn(config)
    logits, recording = recorded(model, pictures(config))
    assert recording.final_tokens is not None
    worst = 0.0
    for index, against in ((0, 1), (3, 6), (6, 3)):
        readout = read_out_of(model, index, against)
        patches = evidence(readout, recording.final_tokens[0])[0]
        expected = float(logits[0, index].double() - logits[0, against].double())
        total = float(patches.double().mean()) + float(readout.bias[0])
        worst = max(worst, abs(total - expected) / float(logits.abs().max()))
        looped = torch.tensor(
            [
                sum(
                    (float(mine) - float(theirs)) * float(value)
                    for mine, theirs, value in zip(
                        model.head.weight[index], model.head.weight[against], token, strict=True
                    )
                )
                for token in recording.final_tokens[0, ::17]
            ],
            dtype=torch.float64,
        )
        worst = max(worst, difference(patches[::17], looped))
    record_property("largest relative difference", worst)
    print(f"evidence of a difference, {config.num_blocks} layers: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_a_class_against_itself_is_nothing() -> None:
    model = drawn(SMALL)
    _, recording = recorded(model, pictures(SMALL))
    parts = direct_contributions(model, recording, 2, 2)
    assert all(float(each.abs().max()) == 0.0 for each in parts)


def test_evidence_equals_a_loop_over_the_formula() -> None:
    model = drawn(SMALL)
    _, recording = recorded(model, pictures(SMALL))
    assert recording.output is not None
    assert recording.final_tokens is not None
    classes = torch.tensor([5, 0, 3])
    normed = torch.nn.functional.layer_norm(
        recording.output[0].double(),
        (SMALL.hidden_dim,),
        model.norm.weight.double(),
        model.norm.bias.double(),
        SMALL.layer_norm_eps,
    )
    expected = torch.tensor(
        [
            [sum(float(w) * float(x) for w, x in zip(model.head.weight[k], token, strict=True)) for token in normed]
            for k in classes
        ],
        dtype=torch.float64,
    )
    assert difference(evidence(read_out(model, classes), recording.final_tokens[0]), expected) <= LIMIT


def test_expected_evidence_is_the_probability_weighted_mean_over_classes() -> None:
    model = drawn(SMALL)
    logits, recording = recorded(model, pictures(SMALL))
    assert recording.final_tokens is not None
    probabilities = torch.softmax(logits[0], -1)
    raw = evidence(read_out(model, torch.arange(SMALL.num_classes)), recording.final_tokens[0])
    expected = sum(float(p) * e.double() for p, e in zip(probabilities, raw, strict=True))
    assert isinstance(expected, torch.Tensor)
    assert difference(expected_evidence(model, recording.final_tokens[0], probabilities), expected) <= LIMIT


def test_centred_evidence_sums_to_zero_over_classes_and_to_the_logit_over_patches() -> None:
    model = drawn(SMALL)
    logits, recording = recorded(model, pictures(SMALL))
    assert recording.final_tokens is not None
    tokens, probabilities = recording.final_tokens[0], torch.softmax(logits[0], -1)
    centred = evidence(read_out(model, torch.arange(SMALL.num_classes)), tokens) - expected_evidence(
        model, tokens, probabilities
    )
    assert (probabilities @ centred).abs().max() <= LIMIT * centred.abs().max()
    above_expectation = (logits[0] - model.head.bias) - probabilities @ (logits[0] - model.head.bias)
    assert difference(centred.mean(-1), above_expectation) <= LIMIT


def test_contributions_without_a_full_recording_are_refused() -> None:
    model = drawn(SMALL)
    _, recording = model(pictures(SMALL), Record.MAPS)
    with pytest.raises(ValueError, match="FULL"):
        direct_contributions(model, recording, 0)
