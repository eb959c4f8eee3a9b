"""Deletion and insertion against a naive loop: pictures changed with numpy, patch by patch, and run one by one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from networks import SMALL, difference, drawn
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from mixer_gui.explain.faithfulness import (
    area,
    centred_gaussian,
    changed_share,
    class_probability,
    patch_order,
    pictures_on_the_way,
    point_count,
    random_map,
)
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.pictures.edits import blurred
from mixer_gui.records import PatchGrid

LIMIT = 1e-5
MEAN, STD = np.array([0.4, 0.5, 0.6], np.float32), np.array([0.2, 0.3, 0.25], np.float32)
TEMPERATURE = 0.2
HEIGHT, WIDTH = SMALL.image_size
SIZE = SMALL.patch_size

RecordProperty = Callable[[str, object], None]


def photograph(seed: int = 0) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def normalised(pixels: NDArray[np.float32] | NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy((np.asarray(pixels, np.float32) / 255 - MEAN) / STD).permute(2, 0, 1)


def probability_alone(model: MlpMixer, image: Tensor, index: int) -> float:
    """One picture by itself, softmax written out in float64."""
    with torch.inference_mode():
        logits = model(image[None])[0][0].double().numpy() / TEMPERATURE
    exponentials = np.exp(logits - logits.max())
    return float(exponentials[index] / exponentials.sum())


def naive_curves(
    model: MlpMixer, pixels: NDArray[np.uint8], values: NDArray[np.float32], index: int, step: int
) -> tuple[list[float], list[float]]:
    """Paste patch after patch and run each picture by itself."""
    places = [(row, column) for row in range(SMALL.grid.rows) for column in range(SMALL.grid.columns)]
    ranked = sorted(range(len(places)), key=lambda patch: (-values[patch], patch))
    radius = min(HEIGHT, WIDTH) / 16
    blurry = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)), np.float32)
    grey = np.broadcast_to(MEAN * 255, pixels.shape)
    curves: list[list[float]] = []
    for start, end in ((pixels.astype(np.float32), grey), (blurry, pixels.astype(np.float32))):
        picture = start.copy()
        curve = [probability_alone(model, normalised(picture), index)]
        for number, patch in enumerate(ranked, 1):
            top, left = places[patch][0] * SIZE, places[patch][1] * SIZE
            picture[top : top + SIZE, left : left + SIZE] = end[top : top + SIZE, left : left + SIZE]
            if number % step == 0 or number == len(ranked):
                curve.append(probability_alone(model, normalised(picture), index))
        curves.append(curve)
    return curves[0], curves[1]


@pytest.mark.parametrize("step", [1, 5])
def test_curves_are_those_of_pictures_changed_and_run_one_by_one(step: int, record_property: RecordProperty) -> None:
    model, pixels, grid = drawn(SMALL), photograph(), SMALL.grid
    values = np.random.default_rng(3).normal(size=grid.count).astype(np.float32)
    values[4] = values[9]  # a tie
    order = patch_order(torch.from_numpy(values))
    picture, blurry = normalised(pixels), normalised(blurred(pixels))
    share = changed_share(grid.count, step)
    worst = 0.0
    for index in (0, 4):
        naive = naive_curves(model, pixels, values, index, step)
        ways = ((picture, torch.zeros_like(picture)), (blurry, picture))
        for (start, end), expected in zip(ways, naive, strict=True):
            points = point_count(grid.count, step)
            assert len(expected) == points == len(share)
            with torch.inference_mode():
                curve = torch.cat(
                    [
                        class_probability(
                            model,
                            pictures_on_the_way(start, end, order, range(at, min(at + 4, points)), step, grid),
                            index,
                            TEMPERATURE,
                        )
                        for at in range(0, points, 4)
                    ]
                )
            worst = max(worst, difference(curve, torch.tensor(expected)))
            by_numpy = float(np.trapezoid(expected, [min(i * step / grid.count, 1.0) for i in range(points)]))
            assert area(curve, share) == pytest.approx(by_numpy, rel=1e-5)
            assert max(expected) > 1.5 * min(expected)  # else any order would do
    record_property("largest relative difference", worst)
    print(f"deletion and insertion, {step} patches a step: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_the_way_begins_and_ends_with_its_two_pictures() -> None:
    grid = SMALL.grid
    start, end = torch.rand(3, HEIGHT, WIDTH), torch.rand(3, HEIGHT, WIDTH)
    points = point_count(grid.count, 5)
    found = pictures_on_the_way(start, end, patch_order(random_map(grid)), range(points), 5, grid)
    assert found.shape == (points, 3, HEIGHT, WIDTH)
    assert torch.equal(found[0], start)
    assert torch.equal(found[-1], end)
    changed = (found != start).float().mean((1, 2, 3))
    assert torch.allclose(changed, changed_share(grid.count, 5))


def test_order_begins_with_the_largest_and_keeps_equals_as_they_are_read() -> None:
    assert patch_order(torch.tensor([0.0, 2.0, -1.0, 2.0, 0.0, 3.0])).tolist() == [5, 1, 3, 0, 4, 2]
    assert patch_order(torch.zeros(300)).tolist() == list(range(300))


def test_share_of_a_short_last_step_ends_at_one() -> None:
    assert changed_share(10, 4).tolist() == pytest.approx([0.0, 0.4, 0.8, 1.0])
    assert point_count(12, 4) == 4


def test_area_is_that_of_the_trapezia() -> None:
    assert area(torch.tensor([1.0, 0.5, 0.0]), torch.tensor([0.0, 0.25, 1.0])) == pytest.approx(0.1875 + 0.1875)


def test_random_map_is_the_same_for_a_seed_and_another_for_another() -> None:
    grid = SMALL.grid
    assert torch.equal(random_map(grid, 5), random_map(grid, 5))
    assert not torch.equal(random_map(grid, 5), random_map(grid, 6))


def test_centred_gaussian_falls_from_the_middle_to_all_sides_alike() -> None:
    values = centred_gaussian(PatchGrid(5, 7)).view(5, 7)
    assert values.argmax() == 2 * 7 + 3
    assert torch.allclose(values, values.flip(0))
    assert torch.allclose(values, values.flip(1))
    assert (values[2, 3:].diff() < 0).all()
    assert (values[2:, 3].diff() < 0).all()
    quarter = centred_gaussian(PatchGrid(1, 100)).view(-1)
    assert quarter[74] / quarter[49] == pytest.approx(np.exp(-0.5), rel=0.05)  # a quarter of the edge from the middle
