"""The mixing matrix is the Jacobian of token mixing, averaged over channels; everything else is read off it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from networks import B16, GELUS, SMALL, difference, drawn, in_bf16, pictures, recorded
from torch import Tensor

from mixer_gui.explain.mixing import (
    mixing_matrix,
    patch_distances,
    reading_energy,
    reads,
    small_share,
    spread,
    writes,
)
from mixer_gui.model import products
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MixerBlock, TokenMixing, gelu_slope
from mixer_gui.records import Gelu, PatchGrid

LIMIT = 1e-5

RecordProperty = Callable[[str, object], None]


def layers(config: MixerConfig) -> list[tuple[TokenMixing, Tensor, Tensor, Tensor]]:
    """For each layer: its token mixing, LN(x), the recorded mean GELU' and the recorded hidden layer."""
    model = drawn(config)
    _, recording = recorded(model, pictures(config))
    assert recording.stem is not None
    assert recording.gelu_slope is not None
    tokens = recording.stem[0]
    found = []
    for index, block in enumerate(model.blocks):
        assert isinstance(block, MixerBlock)
        slope, hidden = recording.gelu_slope[0, index], recording.hidden[index][0]
        found.append((block.mlp_tokens, block.norm1(tokens), slope, hidden))
        tokens = tokens + recording.token_updates[index][0] + recording.channel_updates[index][0]
    return found


def full_jacobian(mixing: TokenMixing, normed: Tensor) -> Tensor:
    """(N, C, N, C): of every output number by every input number, by autograd."""
    jacobian = torch.autograd.functional.jacobian(lambda tokens: mixing(tokens[None])[0][0], normed.clone())
    assert isinstance(jacobian, Tensor)
    return jacobian


def mean_over_channels(jacobian: Tensor) -> Tensor:
    return torch.einsum("pcqc->pq", jacobian) / jacobian.shape[1]


@pytest.mark.parametrize("gelu", GELUS)
def test_mixing_matrix_is_autograds_jacobian_averaged_over_channels(
    gelu: Gelu, record_property: RecordProperty
) -> None:
    worst = 0.0
    for mixing, normed, slope, _ in layers(replace(SMALL, gelu=gelu)):
        worst = max(worst, difference(mixing_matrix(mixing, slope), mean_over_channels(full_jacobian(mixing, normed))))
    record_property("largest relative difference", worst)
    print(f"mixing matrix, {SMALL.grid.count} patches, GELU {gelu.value}: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_mixing_matrix_of_b16_is_autograds_jacobian_averaged_over_channels(record_property: RecordProperty) -> None:
    config = replace(B16, num_blocks=2, num_classes=10)
    worst = 0.0
    for mixing, normed, slope, _ in layers(config):
        # Channels do not mix (tested below), so one backward pass for a patch serves all channels at once.
        tokens = normed.clone().requires_grad_()
        update = mixing(tokens[None])[0][0]
        rows = [torch.autograd.grad(update[p].sum(), tokens, retain_graph=True)[0].mean(-1) for p in range(0, 196, 13)]
        worst = max(worst, difference(mixing_matrix(mixing, slope)[::13], torch.stack(rows)))
    record_property("largest relative difference", worst)
    print(f"mixing matrix, B/16: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_token_mixing_leaves_channels_apart() -> None:
    for mixing, normed, _, _ in layers(SMALL):
        jacobian = full_jacobian(mixing, normed)
        two_channels = ~torch.eye(jacobian.shape[1], dtype=torch.bool)
        assert jacobian.permute(0, 2, 1, 3)[:, :, two_channels].abs().max() == 0
        assert jacobian.permute(0, 2, 1, 3)[:, :, ~two_channels].abs().max() > 0


def test_networks_of_these_tests_bend_their_hidden_layers() -> None:
    """Else GELU' is near one value everywhere and a matrix without it would pass."""
    for mixing, normed, slope, hidden in layers(SMALL):
        assert gelu_slope(hidden, mixing.gelu).std() > 0.1
        linear = mixing.fc2.weight @ mixing.fc1.weight * slope.mean()
        assert difference(linear, mean_over_channels(full_jacobian(mixing, normed))) > 1e-2


def test_the_two_gelus_give_different_matrices() -> None:
    mixing, _, _, hidden = layers(SMALL)[0]
    exact, tanh = (mixing_matrix(mixing, gelu_slope(hidden, gelu).mean(-1)) for gelu in GELUS)
    assert 1e-5 < difference(tanh, exact) < 1e-1


@pytest.mark.parametrize("gelu", GELUS)
def test_recorded_slope_is_the_mean_of_gelus_derivative(gelu: Gelu) -> None:
    for mixing, normed, slope, hidden in layers(replace(SMALL, gelu=gelu)):
        assert difference(hidden, products.mix(mixing.fc1.weight, mixing.fc1.bias, normed[None])[0]) <= LIMIT
        by_autograd = hidden.clone().requires_grad_()
        torch.nn.functional.gelu(by_autograd, approximate=gelu.value).sum().backward()
        assert by_autograd.grad is not None
        assert difference(slope, by_autograd.grad.mean(-1)) <= LIMIT


def test_reads_is_a_row_and_writes_a_column_of_the_matrix() -> None:
    for mixing, _, slope, _ in layers(SMALL):
        matrix = mixing_matrix(mixing, slope)
        assert difference(matrix, matrix.mT) > 1e-2  # else rows could pass for columns
        for patch in range(len(matrix)):
            assert difference(reads(mixing, slope, patch), matrix[patch]) <= LIMIT
            assert difference(writes(mixing, slope, patch), matrix[:, patch]) <= LIMIT


@pytest.mark.parametrize("gelu", GELUS)
def test_reading_energy_is_the_root_mean_square_over_channels(gelu: Gelu) -> None:
    for mixing, normed, _, hidden in layers(replace(SMALL, gelu=gelu)):
        jacobian = full_jacobian(mixing, normed)
        channels = jacobian.shape[1]
        for patch in range(len(jacobian)):
            expected = torch.zeros(len(jacobian), dtype=torch.float64)
            for q in range(len(jacobian)):
                expected[q] = (sum(float(jacobian[patch, c, q, c]) ** 2 for c in range(channels)) / channels) ** 0.5
            assert difference(reading_energy(mixing, hidden, patch), expected) <= LIMIT


def test_opposite_signs_cancel_in_the_matrix_and_not_in_the_energy() -> None:
    for mixing, _, slope, hidden in layers(SMALL):
        energy = reading_energy(mixing, hidden, 3)
        assert (energy >= reads(mixing, slope, 3).abs() - 1e-6).all()
        assert (energy > reads(mixing, slope, 3).abs() * 1.01).any()


def test_answers_are_fp32_where_the_pass_is_bf16() -> None:
    model = in_bf16(drawn(SMALL))
    _, recording = recorded(model, pictures(SMALL).to(torch.bfloat16))
    assert recording.gelu_slope is not None
    block = model.blocks[1]
    assert isinstance(block, MixerBlock)
    slope, hidden = recording.gelu_slope[0, 1], recording.hidden[1][0]
    assert hidden.dtype == torch.bfloat16
    for answer in (mixing_matrix(block.mlp_tokens, slope), reading_energy(block.mlp_tokens, hidden, 0)):
        assert answer.dtype == torch.float32
    assert difference(reads(block.mlp_tokens, slope, 2), mixing_matrix(block.mlp_tokens, slope)[2]) <= LIMIT


def spread_by_loops(matrix: Tensor, grid: PatchGrid) -> float:
    """In Python's floats, entry by entry."""
    weighted = total = 0.0
    for p, row in enumerate(matrix.tolist()):
        for q, value in enumerate(row):
            down, right = p // grid.columns - q // grid.columns, p % grid.columns - q % grid.columns
            weighted += abs(value) * (down**2 + right**2) ** 0.5
            total += abs(value)
    return weighted / total


@pytest.mark.parametrize("config", [SMALL, replace(B16, num_blocks=2, num_classes=10)], ids=["small", "B/16"])
def test_spread_is_the_mean_distance_weighted_by_magnitude(
    config: MixerConfig, record_property: RecordProperty
) -> None:
    matrices = torch.stack([mixing_matrix(mixing, slope) for mixing, _, slope, _ in layers(config)])
    ours = spread(matrices, patch_distances(config.grid))
    expected = torch.tensor([spread_by_loops(matrix, config.grid) for matrix in matrices], dtype=torch.float64)
    worst = difference(ours, expected)
    record_property("largest relative difference", worst)
    print(f"spread, {config.grid.count} patches: {ours.tolist()}, {worst:.1e}")  # noqa: T201
    assert ours.shape == (config.num_blocks,)
    assert worst <= LIMIT


def test_spread_of_matrices_that_are_known() -> None:
    grid = PatchGrid(2, 3)
    distances = patch_distances(grid)
    assert spread(torch.eye(6), distances) == 0.0
    assert spread(torch.zeros(6, 6), distances) == 0.0
    one = torch.zeros(6, 6)
    one[0, 5] = -7.0  # one row down, two columns to the right: the sign does not matter
    assert float(spread(one, distances)) == pytest.approx(5**0.5)
    one[3, 0] = 7.0
    assert float(spread(one, distances)) == pytest.approx((5**0.5 + 1.0) / 2.0)


def small_share_by_loops(*matrices: Tensor) -> float:
    small = count = 0
    for matrix in matrices:
        values = [abs(value) for row in matrix.tolist() for value in row]
        limit = 0.05 * max(values)
        small += sum(value < limit for value in values)
        count += len(values)
    return small / count


@pytest.mark.parametrize("config", [SMALL, replace(B16, num_blocks=2, num_classes=10)], ids=["small", "B/16"])
def test_small_share_counts_entries_below_a_twentieth_of_the_largest(
    config: MixerConfig, record_property: RecordProperty
) -> None:
    worst = 0.0
    for mixing, _, slope, _ in layers(config):
        matrix, weights = mixing_matrix(mixing, slope), (mixing.fc1.weight, mixing.fc2.weight)
        for ours, expected in (
            (small_share(matrix), small_share_by_loops(matrix)),
            (small_share(*weights), small_share_by_loops(*weights)),
        ):
            assert 0.0 < expected < 1.0
            worst = max(worst, abs(float(ours) - expected) / expected)
    record_property("largest relative difference", worst)
    print(f"share under 5 %, {config.grid.count} patches: {worst:.1e}")  # noqa: T201
    assert worst <= 1e-6  # counts are equal; what is left is the division in fp32


def test_small_share_measures_each_matrix_against_its_own_largest_entry() -> None:
    first = torch.tensor([[1.0, -0.051], [0.049, -0.049]])
    assert small_share(first) == 0.5
    assert small_share(first * 1000.0) == 0.5
    assert small_share(first, first * 1000.0) == 0.5
    assert small_share(torch.zeros(2, 2)) == 0.0
