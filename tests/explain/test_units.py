"""Learned units: frequencies, pairs and maps against the loops that define them."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import pytest
import torch
from networks import B16, GELUS, SMALL, difference, drawn, pictures, recorded
from torch import Tensor

from mixer_gui.explain.recorded import (
    channel_mixing_input,
    token_mixing_input,
    tokens_before,
    tokens_between,
)
from mixer_gui.explain.units import (
    OPPOSITE_BELOW,
    display_order,
    opposite_pairs,
    strongest_channels,
    unit_frequency,
    unit_reads,
    unit_writes,
)
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import Record
from mixer_gui.records import Gelu, PatchGrid
from mixer_gui.resources import default_model

LIMIT = 1e-5
OBLONG = PatchGrid(3, 5)

RecordProperty = Callable[[str, object], None]


def rows_of(count: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(count, columns, generator=torch.Generator().manual_seed(seed))


def embedded_weights(layer: int) -> Tensor:
    return load_checkpoint(default_model()).model.token_mixing(layer).fc1.weight


def frequency_by_loops(row: Tensor, grid: PatchGrid) -> float:
    """The definition, term by term, in double precision."""
    mean = sum(float(value) for value in row) / grid.count
    power = weighted = 0.0
    for v in range(grid.rows):
        for u in range(grid.columns):
            if u == v == 0:
                continue
            total = 0j
            for patch in range(grid.count):
                y, x = divmod(patch, grid.columns)
                phase = -2j * math.pi * (v * y / grid.rows + u * x / grid.columns)
                total += (float(row[patch]) - mean) * cmath.exp(phase)
            down = min(v, grid.rows - v) / grid.rows
            right = min(u, grid.columns - u) / grid.columns
            power += abs(total) ** 2
            weighted += abs(total) ** 2 * math.sqrt(down**2 + right**2)
    return weighted / power


def pairs_by_loops(weights: Tensor, below: float) -> tuple[list[int], list[float]]:
    """Every two units, the most opposite first; those already taken are passed over."""
    directions = weights.double() / weights.double().norm(dim=-1, keepdim=True)
    count = len(weights)
    found = sorted((float(directions[a] @ directions[b]), a, b) for a in range(count) for b in range(a + 1, count))
    partner, likeness = list(range(count)), [1.0] * count
    for cosine, a, b in found:
        if cosine < below and partner[a] == a and partner[b] == b:
            partner[a], partner[b] = b, a
            likeness[a] = likeness[b] = cosine
    return partner, likeness


def test_frequency_equals_loops_over_the_fourier_sum(record_property: RecordProperty) -> None:
    weights = rows_of(12, OBLONG.count) + 3.0  # the mean must not count
    expected = torch.tensor([frequency_by_loops(row, OBLONG) for row in weights], dtype=torch.float64)
    worst = difference(unit_frequency(weights, OBLONG), expected)
    record_property("largest relative difference", worst)
    print(f"unit frequency, 3x5 patches: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_frequency_of_the_embedded_model_equals_loops(record_property: RecordProperty) -> None:
    weights = embedded_weights(3)[:6]
    expected = torch.tensor([frequency_by_loops(row, PatchGrid(8, 8)) for row in weights], dtype=torch.float64)
    worst = difference(unit_frequency(weights, PatchGrid(8, 8)), expected)
    record_property("largest relative difference", worst)
    print(f"unit frequency, embedded model: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


@pytest.mark.parametrize(("down", "right"), [(0, 1), (1, 0), (2, 3), (4, 4)])
def test_frequency_of_a_wave_is_its_own(down: int, right: int) -> None:
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    wave = torch.cos(2 * math.pi * (down * y + right * x) / 8).reshape(1, -1)
    assert float(unit_frequency(wave, PatchGrid(8, 8))) == pytest.approx(math.hypot(down, right) / 8, rel=1e-5)


def test_frequency_of_a_constant_row_is_zero() -> None:
    rows = torch.stack([torch.full((15,), 0.1), torch.zeros(15), rows_of(1, 15)[0]])
    found = unit_frequency(rows, OBLONG)
    assert found[:2].tolist() == [0.0, 0.0]
    assert found[2] > 0.1


@pytest.mark.parametrize("below", [OPPOSITE_BELOW, 0.0])
@pytest.mark.parametrize("layer", [0, 7])
def test_pairs_of_the_embedded_model_are_those_of_a_greedy_loop(layer: int, below: float) -> None:
    weights = embedded_weights(layer)
    found = opposite_pairs(weights, below)
    partner, likeness = pairs_by_loops(weights, below)
    assert found.partner.tolist() == partner
    assert difference(found.likeness, torch.tensor(likeness)) <= LIMIT
    if below == 0.0 or layer == 7:
        assert sum(unit != other for unit, other in enumerate(partner)) > len(partner) / 2  # there is something to pair


@pytest.mark.parametrize("seed", range(5))
def test_pairs_of_random_rows_are_those_of_a_greedy_loop(seed: int) -> None:
    weights = rows_of(41, 6, seed)
    found = opposite_pairs(weights, -0.2)
    partner, likeness = pairs_by_loops(weights, -0.2)
    assert found.partner.tolist() == partner
    assert difference(found.likeness, torch.tensor(likeness)) <= LIMIT


def test_pairing_ends_where_cosines_are_equal() -> None:
    """Three directions at 120° to each other, each twice: everybody's most opposite is another's equal."""
    angles = torch.tensor([0.0, 2.0, 4.0, 0.0, 2.0, 4.0]) * math.pi / 3
    weights = torch.stack([angles.cos(), angles.sin()], 1)
    partner = opposite_pairs(weights, -0.4).partner.tolist()
    alone = [unit for unit in range(6) if partner[unit] == unit]
    assert all(partner[partner[unit]] == unit for unit in range(6))
    assert len(alone) <= 2
    assert all(float(weights[a] @ weights[b]) > -0.4 for a in alone for b in alone)  # nobody is left for them


def test_a_row_of_zeros_has_no_partner() -> None:
    weights = torch.cat([torch.zeros(1, 6), rows_of(1, 6), -rows_of(1, 6)])
    assert opposite_pairs(weights).partner.tolist() == [0, 2, 1]


def test_order_keeps_pairs_together_at_even_places_and_sorts_by_frequency() -> None:
    weights = embedded_weights(5)
    frequency, pairing = unit_frequency(weights, PatchGrid(8, 8)), opposite_pairs(weights)
    order = display_order(frequency, pairing.partner).tolist()
    assert sorted(order) == list(range(len(weights)))
    paired = [unit for unit in order if int(pairing.partner[unit]) != unit]
    assert 0 < len(paired) < len(order)
    for unit in paired:
        place = order.index(unit)
        assert order[place ^ 1] == int(pairing.partner[unit])
    means = [float(frequency[order[at]] + frequency[order[at + 1]]) / 2 for at in range(0, len(order), 2)]
    assert means == sorted(means)


def test_a_unit_that_is_left_over_comes_last() -> None:
    frequency = torch.tensor([0.4, 0.1, 0.3, 0.2, 0.35])
    partner = torch.tensor([0, 1, 3, 2, 4])
    assert display_order(frequency, partner).tolist() == [1, 4, 2, 3, 0]


def test_tokens_between_the_halves_are_those_of_the_forward_pass() -> None:
    """To the last bit: caught on their way with hooks."""
    model = drawn(SMALL)
    given: dict[str, Tensor] = {}
    for layer in range(SMALL.num_blocks):
        for name in ("norm1", "norm2"):
            getattr(model.block(layer), name).register_forward_hook(
                lambda _module, inputs, output, key=f"{layer}.{name}": given.update(
                    {f"{key}.in": inputs[0], f"{key}.out": output}
                )
            )
    _, recording = recorded(model, pictures(SMALL, count=2))
    for layer in range(SMALL.num_blocks):
        assert torch.equal(tokens_before(recording, layer), given[f"{layer}.norm1.in"])
        assert torch.equal(tokens_between(recording, layer), given[f"{layer}.norm2.in"])
        assert torch.equal(token_mixing_input(model, recording, layer), given[f"{layer}.norm1.out"])
        assert torch.equal(channel_mixing_input(model, recording, layer), given[f"{layer}.norm2.out"])
    assert recording.output is not None
    assert torch.equal(tokens_before(recording, SMALL.num_blocks), recording.output)


def test_tokens_need_a_full_recording() -> None:
    model = drawn(SMALL)
    _, recording = model(pictures(SMALL), Record.MAPS)
    with pytest.raises(ValueError, match="FULL"):
        tokens_before(recording, 0)


@pytest.mark.parametrize("gelu", GELUS)
def test_strongest_channels_are_those_of_the_largest_activation(gelu: Gelu) -> None:
    hidden = torch.tensor([-0.75, 0.1, 3.0, -9.0, 0.02, 1.0, -0.1])

    def activation(value: float) -> float:
        if gelu == Gelu.EXACT:
            return value * 0.5 * (1.0 + math.erf(value / math.sqrt(2.0)))
        return value * 0.5 * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (value + 0.044715 * value**3)))

    expected = sorted(range(len(hidden)), key=lambda channel: -abs(activation(float(hidden[channel]))))
    assert strongest_channels(hidden, gelu, 4).tolist() == expected[:4]
    assert strongest_channels(hidden, gelu, 99).tolist() == expected
    assert expected[0] == 2  # and not the largest |h|, which GELU closes


@pytest.mark.parametrize("config", [SMALL, B16], ids=["small", "B/16"])
def test_what_a_unit_reads_adds_up_to_its_hidden_value(config: MixerConfig, record_property: RecordProperty) -> None:
    model = drawn(config)
    _, recording = recorded(model, pictures(config))
    layers = range(config.num_blocks) if config is SMALL else (0, config.num_blocks - 1)
    worst = 0.0
    for layer in layers:
        hidden, bias = recording.hidden[layer][0], model.token_mixing(layer).fc1.bias
        for unit in range(0, config.tokens_mlp_dim, config.tokens_mlp_dim // 5):
            for channel in range(0, config.hidden_dim, config.hidden_dim // 5):
                total = unit_reads(model, recording, layer, unit, channel).double().sum() + bias[unit]
                worst = max(worst, float((total - hidden[unit, channel]).abs() / hidden.abs().max()))
    record_property("largest relative difference", worst)
    print(f"sum of what a unit reads + b1, {config.num_blocks} layers: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_maps_of_a_unit_equal_loops(record_property: RecordProperty) -> None:
    """And what all units write adds up to the update of a channel."""
    model = drawn(SMALL)
    _, recording = recorded(model, pictures(SMALL))
    worst = {"reads": 0.0, "writes": 0.0, "sum of writes": 0.0}
    for layer in range(SMALL.num_blocks):
        block = model.block(layer)
        normed = torch.nn.functional.layer_norm(
            tokens_before(recording, layer)[0].double(),
            (SMALL.hidden_dim,),
            block.norm1.weight.double(),
            block.norm1.bias.double(),
            SMALL.layer_norm_eps,
        )
        first, second = block.mlp_tokens.fc1, block.mlp_tokens.fc2
        for channel in (0, 7):
            update = [float(second.bias[patch]) for patch in range(SMALL.grid.count)]
            found: dict[str, list[Tensor]] = {"reads": [], "writes": []}
            expected: dict[str, list[list[float]]] = {"reads": [], "writes": []}
            for unit in range(SMALL.tokens_mlp_dim):
                reads = [float(first.weight[unit, p]) * float(normed[p, channel]) for p in range(SMALL.grid.count)]
                hidden = sum(reads) + float(first.bias[unit])
                active = hidden * 0.5 * (1.0 + math.erf(hidden / math.sqrt(2.0)))
                writes = [float(second.weight[p, unit]) * active for p in range(SMALL.grid.count)]
                update = [before + more for before, more in zip(update, writes, strict=True)]
                found["reads"].append(unit_reads(model, recording, layer, unit, channel))
                found["writes"].append(unit_writes(model, recording, layer, unit, channel))
                expected["reads"].append(reads)
                expected["writes"].append(writes)
            for name, ours in found.items():
                theirs = torch.tensor(expected[name], dtype=torch.float64)
                worst[name] = max(worst[name], difference(torch.stack(ours), theirs))
            recorded_update = recording.token_updates[layer][0, :, channel]
            worst["sum of writes"] = max(worst["sum of writes"], difference(recorded_update, torch.tensor(update)))
    for name, each in worst.items():
        record_property(name, each)
        print(f"unit, {name}: {each:.1e}")  # noqa: T201
    assert max(worst.values()) <= LIMIT
