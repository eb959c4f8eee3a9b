"""Answers about mixing, of a real classifier, against the naive formulas on its own weights."""

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
from mixer_gui.records import (
    DevicePreference,
    MixingReport,
    MixingRequest,
    ModelRef,
    PatchReport,
    PatchRequest,
    ReachReport,
    ReachRequest,
    RolloutReport,
    RolloutRequest,
)

ROWS, COLUMNS, LAYERS = 4, 4, 3
PATCHES = ROWS * COLUMNS

RecordProperty = Callable[[str, object], None]


@pytest.fixture
def detail(tiny_checkpoint: Callable[..., Path]) -> Detail:
    path = tiny_checkpoint(pretrained_cfg={"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]})
    classifier = Classifier(load_checkpoint(ModelRef(path)), DevicePreference.CPU)
    return classifier.classify(request(Path("tiny")), decoded(), Record.FULL)[1]


def weights(detail: Detail, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """W1 (T, N) and W2 (N, T) in float64."""
    mixing = detail.classifier.model.token_mixing(layer)
    return mixing.fc1.weight.double().numpy(), mixing.fc2.weight.double().numpy()


def matrices(detail: Detail) -> list[np.ndarray]:
    """The mixing matrix of each layer in float64."""
    assert detail.recording.gelu_slope is not None
    slopes = detail.recording.gelu_slope[0].double().numpy()
    found = []
    for layer in range(LAYERS):
        first, second = weights(detail, layer)
        found.append(second @ np.diag(slopes[layer]) @ first)
    return found


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def is_small(matrix: np.ndarray) -> np.ndarray:
    return np.abs(matrix) < 0.05 * np.abs(matrix).max()


def test_mixing_answer_equals_naive_formulas(detail: Detail, record_property: RecordProperty) -> None:
    expected = matrices(detail)
    worst = 0.0
    for layer in range(LAYERS):
        report = answer(MixingRequest(7, layer), detail)
        assert isinstance(report, MixingReport)
        assert report.request == MixingRequest(7, layer)
        worst = max(worst, difference(report.matrix, expected[layer]))
    for row, matrix in enumerate(expected):
        total = distance = 0.0
        for p in range(PATCHES):
            for q in range(PATCHES):
                apart = np.hypot(p // COLUMNS - q // COLUMNS, p % COLUMNS - q % COLUMNS)
                distance += abs(matrix[p, q]) * apart
                total += abs(matrix[p, q])
        worst = max(worst, abs(report.spread[row] - distance / total) / (distance / total))
        assert report.small_share[row] == pytest.approx(is_small(matrix).mean())
        together = np.concatenate([is_small(each).ravel() for each in weights(detail, row)])
        assert report.weight_small_share[row] == pytest.approx(together.mean())
    record_property("largest relative difference", worst)
    print(f"mixing answer: {worst:.1e}")  # noqa: T201
    assert worst <= 1e-5


def test_rollout_answer_equals_the_product_of_matrices(detail: Detail, record_property: RecordProperty) -> None:
    worst = 0.0
    product = np.eye(PATCHES)
    for layer, matrix in enumerate(matrices(detail)):
        product = (np.eye(PATCHES) + matrix) @ product
        report = answer(RolloutRequest(1, layer, 6), detail)
        assert isinstance(report, RolloutReport)
        worst = max(worst, difference(report.reads, product[6]), difference(report.writes, product[:, 6]))
    record_property("largest relative difference", worst)
    print(f"rollout answer: {worst:.1e}")  # noqa: T201
    assert worst <= 1e-5


def test_reach_answer_is_the_change_of_final_tokens_by_the_pixels_of_the_patch(
    detail: Detail, record_property: RecordProperty
) -> None:
    """The pixels as the classifier normalises them: from its own mean colour."""
    model = detail.classifier.model
    images = detail.images()
    direction = torch.zeros_like(images)
    direction[..., 8:16, 16:24] = images[..., 8:16, 16:24]  # patch 6: row 1, column 2 of patches of 8 pixels

    def final_tokens(pixels: torch.Tensor) -> torch.Tensor:
        tokens = model.stem(pixels)
        for block in model.blocks:
            tokens = block(tokens)[0]
        return model.norm(tokens)[0]  # type: ignore[no-any-return]

    _, change = torch.autograd.functional.jvp(final_tokens, images, direction)
    report = answer(ReachRequest(1, 6), detail)
    assert isinstance(report, ReachReport)
    worst = difference(report.reach, change.norm(dim=-1).numpy())  # type: ignore[union-attr]
    record_property("largest relative difference", worst)
    print(f"reach answer: {worst:.1e}")  # noqa: T201
    assert worst <= 1e-5


def test_matrix_holds_what_the_patch_answer_says(detail: Detail) -> None:
    whole, one = answer(MixingRequest(1, 1), detail), answer(PatchRequest(1, 1, 9), detail)
    assert isinstance(whole, MixingReport)
    assert isinstance(one, PatchReport)
    assert difference(whole.matrix[9], one.reads) <= 1e-5
    assert difference(whole.matrix[:, 9], one.writes) <= 1e-5


def test_arrays_are_float32_and_read_only_and_times_positive(detail: Detail) -> None:
    mixing = answer(MixingRequest(1, 0), detail)
    rollout = answer(RolloutRequest(1, 2, 3), detail)
    reached = answer(ReachRequest(1, 3), detail)
    assert isinstance(mixing, MixingReport)
    assert isinstance(rollout, RolloutReport)
    assert isinstance(reached, ReachReport)
    shapes = [
        (mixing.matrix, (PATCHES, PATCHES)),
        (mixing.spread, (LAYERS,)),
        (mixing.small_share, (LAYERS,)),
        (mixing.weight_small_share, (LAYERS,)),
        (rollout.reads, (PATCHES,)),
        (rollout.writes, (PATCHES,)),
        (reached.reach, (PATCHES,)),
    ]
    for array, shape in shapes:
        assert (array.dtype, array.flags.writeable, array.shape) == (np.float32, False, shape)
    assert min(mixing.elapsed_ms, rollout.elapsed_ms, reached.elapsed_ms) > 0


def test_questions_without_their_recording_are_refused(detail: Detail) -> None:
    _, bare = detail.classifier.classify(request(Path("tiny")), decoded(), Record.MAPS)
    with pytest.raises(ValueError, match="FULL"):
        answer(ReachRequest(1, 0), bare)
