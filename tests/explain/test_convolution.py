"""Both forms of each operation give the same numbers, on trained and on random weights, and so do plain loops."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from networks import B16, GELUS, SMALL, difference, drawn, pictures, recorded
from torch import Tensor
from torch.nn import functional

from mixer_gui.explain.convolution import (
    Comparison,
    compare,
    compare_channel_mixing,
    compare_embedding,
    compare_token_mixing,
    embed_by_convolution,
    logits_by_convolution,
    mix_channels_by_convolution,
    mix_tokens_by_convolution,
    strongest_kernels,
    to_grids,
    to_tokens,
)
from mixer_gui.explain.recorded import channel_mixing_input, token_mixing_input
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import MlpMixer, Record, TokenMixing
from mixer_gui.records import Gelu
from mixer_gui.resources import default_model

LIMIT = 1e-5

RecordProperty = Callable[[str, object], None]


def embedded() -> MlpMixer:
    return load_checkpoint(default_model()).model


def photograph(size: tuple[int, int]) -> Tensor:
    """A real picture as a network sees one: (1, 3, H, W), mean about 0."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the real photographs")
    image = torch.from_numpy(data.chelsea().copy()).permute(2, 0, 1)[None].float() / 255.0
    return functional.interpolate((image - 0.5) / 0.25, size=size, mode="bilinear", antialias=True)


def on_a_photograph(model: MlpMixer) -> tuple[Tensor, Tensor, dict[str, Comparison]]:
    images = photograph(model.config.image_size)
    logits, recording = recorded(model, images)
    layers = range(model.config.num_blocks)
    with torch.inference_mode():
        return (
            images,
            logits,
            {
                "patch embedding": compare_embedding(model, recording, images),
                **{f"channel mixing, layer {i}": compare_channel_mixing(model, recording, i) for i in layers},
                **{f"token mixing, layer {i}": compare_token_mixing(model, recording, i) for i in layers},
                "network": compare(logits, logits_by_convolution(model, images)),
            },
        )


@pytest.mark.parametrize(
    ("name", "make"), [("embedded", embedded), ("B/16, random weights", lambda: drawn(B16))], ids=["embedded", "B/16"]
)
def test_both_forms_give_the_same_numbers(
    name: str, make: Callable[[], MlpMixer], record_property: RecordProperty
) -> None:
    _, logits, found = on_a_photograph(make())
    for operation, each in found.items():
        record_property(operation, each.relative)
        print(f"{name}, {operation}: largest {each.largest:.1e}, relative {each.relative:.1e}")  # noqa: T201
        assert each.relative <= LIMIT, operation
        assert difference(each.convolution, each.mixer) <= LIMIT
        assert each.mixer.std() > 0
    assert torch.equal(found["network"].mixer, logits)


def test_a_changed_weight_is_seen_in_every_comparison() -> None:
    """The comparisons are of what the recorded pass made, not of the convolutions with themselves."""
    model = drawn(SMALL)
    images = pictures(SMALL)
    logits, recording = recorded(model, images)
    for parameter in model.parameters():
        parameter.mul_(1.01)
    found = (
        compare_embedding(model, recording, images),
        compare_channel_mixing(model, recording, 0),
        compare_token_mixing(model, recording, 0),
        compare(logits, logits_by_convolution(model, images)),
    )
    assert all(each.relative > 1e-3 for each in found)


def test_a_comparison_is_of_its_own_layer() -> None:
    model = drawn(SMALL)
    _, recording = recorded(model, pictures(SMALL))
    model.token_mixing(2).fc2.bias.add_(0.1)
    model.block(2).mlp_channels.fc2.bias.add_(0.1)
    for compared in (compare_token_mixing, compare_channel_mixing):
        found = [compared(model, recording, layer).largest for layer in range(SMALL.num_blocks)]
        assert found.pop(2) == pytest.approx(0.1, rel=1e-3)
        assert max(found) < 1e-4


def test_token_mixing_is_a_depth_wise_convolution_with_shared_kernels(record_property: RecordProperty) -> None:
    """Written out: C groups, multiplier T, the same T kernels for each of them; then its transposed form."""
    model = drawn(SMALL)
    _, recording = recorded(model, pictures(SMALL, count=2))
    grid, channels = SMALL.grid, SMALL.hidden_dim
    worst = 0.0
    for layer in range(SMALL.num_blocks):
        mixing = model.token_mixing(layer)
        normed = to_grids(token_mixing_input(model, recording, layer), grid)
        kernels = mixing.fc1.weight.reshape(-1, 1, grid.rows, grid.columns).repeat(channels, 1, 1, 1)
        hidden = functional.conv2d(normed, kernels, mixing.fc1.bias.repeat(channels), groups=channels)
        assert hidden.shape == (2, channels * SMALL.tokens_mlp_dim, 1, 1)
        backward = mixing.fc2.weight.mT.reshape(-1, 1, grid.rows, grid.columns).repeat(channels, 1, 1, 1)
        update = functional.conv_transpose2d(functional.gelu(hidden), backward, groups=channels)
        update = update + mixing.fc2.bias.reshape(grid.rows, grid.columns)
        worst = max(worst, difference(mix_tokens_by_convolution(mixing, normed), update))
        worst = max(worst, difference(to_tokens(update), recording.token_updates[layer]))
    record_property("largest relative difference", worst)
    print(f"token mixing, depth-wise kernels written out: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


@pytest.mark.parametrize("gelu", GELUS)
def test_token_mixing_equals_sliding_sums_written_as_loops(gelu: Gelu, record_property: RecordProperty) -> None:
    """The kernel fits into the grid at one place only; each output place gets every unit's kernel times its value."""
    config = SMALL.__class__(
        image_size=(16, 24),
        patch_size=8,
        num_blocks=1,
        hidden_dim=4,
        tokens_mlp_dim=5,
        channels_mlp_dim=6,
        num_classes=3,
        gelu=gelu,
    )
    mixing: TokenMixing = drawn(config).token_mixing(0)
    grids = pictures(config)[:, :1].new_zeros(1, 4, 2, 3).normal_(generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(1, 4, 2, 3, dtype=torch.float64)
    for channel in range(4):
        for y in range(2):
            for x in range(3):
                expected[0, channel, y, x] = float(mixing.fc2.bias[3 * y + x])
        for unit in range(5):
            value = float(mixing.fc1.bias[unit])
            for y in range(2):
                for x in range(3):
                    value += float(mixing.fc1.weight[unit, 3 * y + x]) * float(grids[0, channel, y, x])
            if gelu == Gelu.EXACT:
                value *= 0.5 * (1.0 + math.erf(value / math.sqrt(2.0)))
            else:
                value *= 0.5 * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (value + 0.044715 * value**3)))
            for y in range(2):
                for x in range(3):
                    expected[0, channel, y, x] += float(mixing.fc2.weight[3 * y + x, unit]) * value
    worst = difference(mix_tokens_by_convolution(mixing, grids), expected)
    record_property("largest relative difference", worst)
    print(f"token mixing by loops, GELU {gelu.value}: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_patch_embedding_and_channel_mixing_equal_loops(record_property: RecordProperty) -> None:
    model = drawn(SMALL)
    images = pictures(SMALL)
    _, recording = recorded(model, images)
    edge, grid = SMALL.patch_size, SMALL.grid
    embedded_patches = embed_by_convolution(model.stem, images)
    expected = torch.zeros_like(embedded_patches, dtype=torch.float64)
    for row in range(grid.rows):
        for column in range(grid.columns):
            window = images[0, :, row * edge : (row + 1) * edge, column * edge : (column + 1) * edge].double()
            for channel in range(SMALL.hidden_dim):
                kernel, bias = model.stem.proj.weight[channel].double(), float(model.stem.proj.bias[channel])
                expected[0, channel, row, column] = float((kernel * window).sum()) + bias
    stem = difference(embedded_patches, expected)
    given = channel_mixing_input(model, recording, 1)
    mixing = model.block(1).mlp_channels
    found = to_tokens(mix_channels_by_convolution(mixing, to_grids(given, grid)))[0]
    expected = torch.zeros_like(found, dtype=torch.float64)
    for patch in range(grid.count):
        hidden = mixing.fc1.weight.double() @ given[0, patch].double() + mixing.fc1.bias.double()
        hidden = hidden * 0.5 * (1.0 + torch.erf(hidden / math.sqrt(2.0)))
        expected[patch] = mixing.fc2.weight.double() @ hidden + mixing.fc2.bias.double()
    channels = difference(found, expected)
    for name, each in (("patch embedding", stem), ("channel mixing", channels)):
        record_property(name, each)
        print(f"{name} by loops: {each:.1e}")  # noqa: T201
        assert each <= LIMIT


def test_several_pictures_at_once_stay_apart() -> None:
    model = drawn(SMALL)
    images = pictures(SMALL, count=3)
    logits, _ = recorded(model, images)
    assert difference(logits_by_convolution(model, images), logits) <= LIMIT


def test_strongest_kernels_come_first() -> None:
    kernels = torch.tensor([1.0, -5.0, 3.0])[:, None, None].expand(3, 2, 2)
    assert strongest_kernels(kernels, 2)[:, 0, 0].tolist() == [-5.0, 3.0]
    assert len(strongest_kernels(kernels, 64)) == 3


def test_comparisons_need_a_full_recording() -> None:
    model = drawn(SMALL)
    _, recording = model(pictures(SMALL), Record.MAPS)
    with pytest.raises(ValueError, match="FULL"):
        compare_embedding(model, recording, pictures(SMALL))
    with pytest.raises(ValueError, match="FULL"):
        compare_token_mixing(model, recording, 0)
