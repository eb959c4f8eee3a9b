"""Answers about units, convolutions and the permutation: records against the functions of explain and numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import answer, decoded, request

from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.detail import Detail
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.pictures.edits import cut, permutation
from mixer_gui.records import (
    ConvolutionReport,
    ConvolutionRequest,
    DevicePreference,
    ModelRef,
    Operation,
    PatchGrid,
    PermutationReport,
    PermutationRequest,
    UnitReport,
    UnitRequest,
    UnitsReport,
    UnitsRequest,
)
from mixer_gui.resources import default_model

RecordProperty = Callable[[str, object], None]


def detail_of(ref: ModelRef, size: tuple[int, int], record: Record = Record.FULL) -> Detail:
    classifier = Classifier(load_checkpoint(ref), DevicePreference.CPU)
    _, detail = classifier.classify(request(ref), decoded(size=size), record)
    return detail


@pytest.fixture(scope="module")
def detail() -> Detail:
    """Of the embedded model."""
    return detail_of(default_model(), (64, 64))


def assert_read_only(array: np.ndarray, dtype: type) -> None:
    assert array.dtype == dtype
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0


def test_units_are_rows_of_the_weights_in_order(detail: Detail) -> None:
    found = answer(UnitsRequest(1, 7), detail)
    assert isinstance(found, UnitsReport)
    np.testing.assert_array_equal(found.weights, detail.classifier.model.token_mixing(7).fc1.weight.numpy())
    for name in ("weights", "frequency", "likeness"):
        assert_read_only(getattr(found, name), np.float32)
    for name in ("order", "partner"):
        assert_read_only(getattr(found, name), np.int64)
    assert sorted(found.order) == list(range(96))
    assert np.array_equal(found.partner[found.partner], np.arange(96))
    paired = found.partner != np.arange(96)
    assert 0 < paired.sum() < 96
    norms = np.linalg.norm(found.weights, axis=1)
    cosines = (found.weights * found.weights[found.partner]).sum(1) / norms / norms[found.partner]
    np.testing.assert_allclose(found.likeness, cosines, rtol=1e-5)
    assert (found.likeness[paired] < -0.5).all()
    assert 0.0 < found.frequency.min() < found.frequency.max() < 0.71
    assert found.elapsed_ms > 0


def test_a_unit_shows_its_strongest_channel_or_the_one_asked_for(detail: Detail) -> None:
    strongest = answer(UnitRequest(1, 2, 10), detail)
    assert isinstance(strongest, UnitReport)
    np.testing.assert_array_equal(strongest.hidden, detail.recording.hidden[2][0, 10].numpy())
    activation = np.abs(torch.nn.functional.gelu(torch.tensor(strongest.hidden)).numpy())
    assert strongest.channel == strongest.channels[0] == activation.argmax()
    assert len(set(strongest.channels.tolist())) == 8
    assert (np.diff(activation[strongest.channels]) <= 0).all()
    assert activation[strongest.channels].min() >= np.delete(activation, strongest.channels).max()
    assert_read_only(strongest.channels, np.int64)
    for name in ("hidden", "reads", "writes"):
        assert_read_only(getattr(strongest, name), np.float32)
    other = answer(UnitRequest(1, 2, 10, channel=5), detail)
    assert isinstance(other, UnitReport)
    assert other.channel == 5
    assert not np.array_equal(other.reads, strongest.reads)
    for each in (strongest, other):
        assert each.reads.sum() + each.bias == pytest.approx(float(each.hidden[each.channel]), abs=1e-4)


def test_what_all_units_write_is_the_update(detail: Detail) -> None:
    total = detail.classifier.model.token_mixing(0).fc2.bias.numpy().astype(np.float64)
    for unit in range(96):
        found = answer(UnitRequest(1, 0, unit, channel=3), detail)
        assert isinstance(found, UnitReport)
        total = total + found.writes
    np.testing.assert_allclose(total, detail.recording.token_updates[0][0, :, 3].numpy(), atol=1e-5)


def test_a_unit_needs_a_full_recording() -> None:
    with pytest.raises(ValueError, match="FULL"):
        answer(UnitRequest(1, 0, 0), detail_of(default_model(), (64, 64), Record.MAPS))


def test_convolutions_say_what_the_network_said(detail: Detail, record_property: RecordProperty) -> None:
    found = answer(ConvolutionRequest(1), detail)
    assert isinstance(found, ConvolutionReport)
    assert {each.operation for each in found.equivalences} == set(Operation)
    assert (found.tokens_mlp_dim, found.channels_mlp_dim) == (96, 768)
    for each in found.equivalences:
        record_property(each.operation.value, each.relative)
        print(f"embedded, {each.operation.value}: {each.largest:.1e}, {each.relative:.1e} relative")  # noqa: T201
        assert each.relative <= 1e-5
        ours, theirs = np.array(each.convolution_numbers), np.array(each.mixer_numbers)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=each.largest * 1.01 + 1e-12)
    numbers = {each.operation: each.mixer_numbers for each in found.equivalences}
    middle = 4 * 8 + 4
    assert detail.recording.stem is not None
    recording = detail.recording
    assert numbers[Operation.PATCH_EMBEDDING] == (tuple(recording.stem[0, middle, :5].tolist()),)
    for operation, updates in (
        (Operation.TOKEN_MIXING, recording.token_updates),
        (Operation.CHANNEL_MIXING, recording.channel_updates),
    ):
        assert numbers[operation] == tuple(tuple(update[0, middle, :5].tolist()) for update in updates)
    assert numbers[Operation.NETWORK] == (tuple(detail.logits.sort(descending=True).values[:5].tolist()),)


def test_largest_difference_is_that_of_the_worst_layer() -> None:
    detail = detail_of(default_model(), (64, 64))
    detail.classifier.model.token_mixing(5).fc2.bias.add_(0.1)
    detail.classifier.model.block(2).mlp_channels.fc2.bias[3].add_(0.2)
    report = answer(ConvolutionRequest(1), detail)
    assert isinstance(report, ConvolutionReport)
    found = {each.operation: each for each in report.equivalences}
    assert found[Operation.PATCH_EMBEDDING].relative < 1e-5
    assert found[Operation.TOKEN_MIXING].largest == pytest.approx(0.1, rel=1e-2)
    assert found[Operation.CHANNEL_MIXING].largest == pytest.approx(0.2, rel=1e-2)
    worst = detail.recording.channel_updates[2].abs().max()
    assert found[Operation.CHANNEL_MIXING].relative == pytest.approx(0.2 / float(worst), rel=1e-2)
    assert found[Operation.NETWORK].largest > 1e-3


def test_kernels_are_the_strongest_of_the_weights(detail: Detail) -> None:
    found = answer(ConvolutionRequest(1), detail)
    assert isinstance(found, ConvolutionReport)
    model = detail.classifier.model
    assert_read_only(found.stem_kernels, np.float32)
    assert_read_only(found.token_kernels, np.float32)
    assert len(found.token_kernels) == 8
    for kernels, weight, shape in (
        (found.stem_kernels, model.stem.proj.weight, (64, 3, 8, 8)),
        *((found.token_kernels[i], model.token_mixing(i).fc1.weight, (64, 8, 8)) for i in range(8)),
    ):
        assert kernels.shape == shape
        rows = weight.flatten(1).numpy()
        strongest = rows[np.argsort(-np.linalg.norm(rows, axis=1))[:64]]
        np.testing.assert_array_equal(kernels.reshape(64, -1), strongest)


def test_a_small_network_has_fewer_kernels(tiny_checkpoint: Callable[..., Path]) -> None:
    found = answer(ConvolutionRequest(1), detail_of(ModelRef(tiny_checkpoint()), (32, 32)))
    assert isinstance(found, ConvolutionReport)
    assert found.stem_kernels.shape == (12, 3, 8, 8)
    assert found.token_kernels.shape[1:] == (10, 4, 4)
    assert len(found.equivalences[0].mixer_numbers[0]) == 5


def test_permutation_shows_the_picture_and_what_becomes_of_the_ranking(
    detail: Detail, record_property: RecordProperty
) -> None:
    found = answer(PermutationRequest(1, seed=4), detail)
    assert isinstance(found, PermutationReport)
    order, grid = permutation(4, 64), PatchGrid(8, 8)
    np.testing.assert_array_equal(cut(found.pixels, grid), cut(detail.pixels, grid)[order])
    assert_read_only(found.pixels, np.uint8)
    permuted, _ = detail.classifier.forward(found.pixels[None], Record.NONE)
    probabilities = torch.softmax(permuted[0] / detail.classifier.info.temperature, -1)
    assert [each.index for each in found.permuted] == probabilities.topk(5).indices.tolist()
    assert found.shift == float((permuted[0] - detail.logits).abs().max())
    assert [each.index for each in found.original] == detail.logits.topk(5).indices.tolist()
    assert [each.index for each in found.restored] == [each.index for each in found.original]
    record_property("restored", found.largest)
    print(f"embedded: restored {found.largest:.1e}, patches alone {found.shift:.1e}")  # noqa: T201
    assert found.largest <= 1e-5 * float(detail.logits.abs().max())
    assert found.shift > 1000 * found.largest
