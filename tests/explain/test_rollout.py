"""Rollouts against matrices multiplied in float64, and the reach of a patch against autograd and against fading it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from networks import B16, GELUS, SMALL, difference, drawn, in_bf16, pictures, recorded
from torch import Tensor

from mixer_gui.explain.mixing import mixing_matrix, reads
from mixer_gui.explain.rollout import norm_change, reach, rollout_reads, rollout_writes
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer, Record
from mixer_gui.records import Gelu

LIMIT = 1e-5
B16_SHORT = replace(B16, num_blocks=2, num_classes=10)

RecordProperty = Callable[[str, object], None]


def rollout_matrix(model: MlpMixer, slopes: Tensor, layer: int) -> Tensor:
    """R = (I + M_layer)···(I + M_0) in float64, matrix by matrix."""
    product = torch.eye(model.config.grid.count, dtype=torch.float64)
    for index in range(layer + 1):
        mixing = model.token_mixing(index)
        matrix = mixing.fc2.weight.double() @ torch.diag(slopes[index].double()) @ mixing.fc1.weight.double()
        product = (torch.eye(len(matrix), dtype=torch.float64) + matrix) @ product
    return product


@pytest.mark.parametrize(("config", "step"), [(SMALL, 1), (B16_SHORT, 28)], ids=["small", "B/16"])
def test_rollout_is_a_row_and_a_column_of_the_product(
    config: MixerConfig, step: int, record_property: RecordProperty
) -> None:
    model = drawn(config)
    _, recording = recorded(model, pictures(config))
    assert recording.gelu_slope is not None
    slopes = recording.gelu_slope[0]
    worst = 0.0
    for layer in range(config.num_blocks):
        product = rollout_matrix(model, slopes, layer)
        assert difference(product, product.mT) > 1e-2  # else rows could pass for columns
        for patch in range(0, config.grid.count, step):
            worst = max(worst, difference(rollout_reads(model, slopes, layer, patch), product[patch]))
            worst = max(worst, difference(rollout_writes(model, slopes, layer, patch), product[:, patch]))
    record_property("largest relative difference", worst)
    print(f"rollout, {config.grid.count} patches: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_order_of_layers_matters_to_a_rollout() -> None:
    """Else a product the wrong way round would pass."""
    model = drawn(SMALL)
    _, recording = recorded(model, pictures(SMALL))
    assert recording.gelu_slope is not None
    slopes = recording.gelu_slope[0]
    identity = torch.eye(SMALL.grid.count)
    reverse = identity
    for index in range(SMALL.num_blocks):
        reverse = reverse @ (identity + mixing_matrix(model.token_mixing(index), slopes[index]))
    assert difference(reverse, rollout_matrix(model, slopes, SMALL.num_blocks - 1)) > 1e-2


def test_rollout_through_the_first_layer_is_the_patch_and_what_it_reads() -> None:
    model = drawn(SMALL)
    _, recording = recorded(model, pictures(SMALL))
    assert recording.gelu_slope is not None
    expected = reads(model.token_mixing(0), recording.gelu_slope[0, 0], 5)
    expected = expected + torch.nn.functional.one_hot(torch.tensor(5), SMALL.grid.count)
    assert difference(rollout_reads(model, recording.gelu_slope[0], 0, 5), expected) <= LIMIT


def final_tokens(model: MlpMixer, images: Tensor) -> Tensor:
    """(1, 3, H, W) -> (N, C) after the final norm, in the dtype of the model: float64 here."""
    tokens = model.stem(images)
    for block in model.blocks:
        tokens = block(tokens)[0]
    final: Tensor = model.norm(tokens)[0]
    return final


def only(images: Tensor, config: MixerConfig, patch: int) -> Tensor:
    """The picture in one patch, 0 (the mean colour) elsewhere."""
    row, column = divmod(patch, config.grid.columns)
    size = config.patch_size
    place = (..., slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size))
    direction = torch.zeros_like(images)
    direction[place] = images[place]
    return direction


@pytest.mark.parametrize("gelu", GELUS)
def test_reach_is_autograds_jacobian_times_the_patch(gelu: Gelu, record_property: RecordProperty) -> None:
    """Against the whole Jacobian, row by row by backward passes, in float64."""
    config = replace(SMALL, gelu=gelu)
    model, images = drawn(config), pictures(config)
    _, recording = recorded(model, images)
    exact = deepcopy(model).double()
    jacobian = torch.autograd.functional.jacobian(lambda x: final_tokens(exact, x), images.double())
    assert isinstance(jacobian, Tensor)
    worst = 0.0
    for patch in range(config.grid.count):
        change = torch.einsum("ncbxhw,bxhw->nc", jacobian, only(images.double(), config, patch))
        worst = max(worst, difference(reach(model, recording, patch), change.norm(dim=-1)))
    record_property("largest relative difference", worst)
    print(f"reach, {config.grid.count} patches, GELU {gelu.value}: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_reach_on_b16_is_autograds_product(record_property: RecordProperty) -> None:
    """Against autograd's Jacobian-vector product (two backward passes) in float64."""
    model, images = drawn(B16_SHORT), pictures(B16_SHORT)
    _, recording = recorded(model, images)
    exact = deepcopy(model).double()
    worst = 0.0
    for patch in (0, 97, 195):
        direction = only(images.double(), B16_SHORT, patch)
        _, change = torch.autograd.functional.jvp(lambda x: final_tokens(exact, x), images.double(), direction)
        assert isinstance(change, Tensor)
        worst = max(worst, difference(reach(model, recording, patch), change.norm(dim=-1)))
    record_property("largest relative difference", worst)
    print(f"reach, B/16: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_reach_says_how_fast_tokens_change_as_the_patch_fades() -> None:
    """Its meaning, without any derivative: fade the patch's pixels a little and see."""
    model, images = drawn(SMALL), pictures(SMALL)
    _, recording = recorded(model, images)
    exact = deepcopy(model).double()
    little = 1e-6
    for patch in (0, 4, 11):
        faded = images.double() - little * only(images.double(), SMALL, patch)
        change = (final_tokens(exact, faded) - final_tokens(exact, images.double())) / little
        assert difference(reach(model, recording, patch), change.norm(dim=-1)) <= 1e-4


def test_patch_of_the_mean_colour_reaches_nothing() -> None:
    model = drawn(SMALL)
    images = pictures(SMALL)
    images -= only(images, SMALL, 6)
    _, recording = recorded(model, images)
    ours = reach(model, recording, 6)
    assert ours.abs().max() <= 1e-6 * reach(model, recording, 5).abs().max()


def test_change_of_a_layer_norm_is_autograds() -> None:
    norm = drawn(SMALL).norm.double()
    generator = torch.Generator().manual_seed(3)
    tokens, change = (torch.randn(5, SMALL.hidden_dim, generator=generator, dtype=torch.float64) for _ in range(2))
    _, expected = torch.autograd.functional.jvp(norm, tokens, change)
    assert isinstance(expected, Tensor)
    assert difference(norm_change(norm, tokens, change), expected) <= 1e-6  # the weight is taken as fp32


def test_answers_are_fp32_where_the_pass_is_bf16() -> None:
    model = drawn(SMALL)
    _, precise = recorded(model, pictures(SMALL))
    expected = reach(model, precise, 2)
    in_bf16(model)
    _, recording = recorded(model, pictures(SMALL).to(torch.bfloat16))
    assert recording.gelu_slope is not None
    assert rollout_reads(model, recording.gelu_slope[0], 2, 1).dtype == torch.float32
    ours = reach(model, recording, 2)
    assert ours.dtype == torch.float32
    assert difference(ours, expected) < 0.1


def test_reach_without_a_full_recording_is_refused() -> None:
    model = drawn(SMALL)
    _, recording = model(pictures(SMALL), Record.MAPS)
    with pytest.raises(ValueError, match="FULL"):
        reach(model, recording, 0)
