"""Every edit against a loop over pixels, on an oblong grid of oblong patches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mixer_gui.pictures.edits import blurred, cut, edited, joined, mean_colour, permutation
from mixer_gui.records import (
    CropMode,
    Edit,
    Erase,
    Fill,
    Interpolation,
    MixerGuiError,
    PatchGrid,
    Preprocessing,
    Shift,
    Shuffle,
    Stamp,
    Swap,
    Turn,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = PatchGrid(rows=3, columns=4)
HEIGHT, WIDTH = 18, 32  # patches of 6 × 8
SQUARE = PatchGrid(rows=4, columns=4)
MEAN = (123, 116, 103)


def noise(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def patch_of(y: int, x: int, grid: PatchGrid, height: int, width: int) -> int:
    return (y // (height // grid.rows)) * grid.columns + x // (width // grid.columns)


def naive(pixels: NDArray[np.uint8], edit: Edit, grid: PatchGrid) -> NDArray[np.uint8]:
    """The edit, one pixel at a time: which one of which picture comes to (y, x)."""
    height, width, _ = pixels.shape
    high, wide = height // grid.rows, width // grid.columns
    soft = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(min(height, width) / 16)))
    result = np.zeros_like(pixels)
    for y in range(height):
        for x in range(width):
            patch, (inner_y, inner_x) = patch_of(y, x, grid, height, width), (y % high, x % wide)
            match edit:
                case Erase(patches, Fill.MEAN):
                    colour = MEAN if patch in patches else pixels[y, x]
                case Erase(patches, Fill.BLUR):
                    colour = soft[y, x] if patch in patches else pixels[y, x]
                case Stamp(patches, _, data):
                    start = (y * width + x) * 3
                    colour = tuple(data[start : start + 3]) if patch in patches else pixels[y, x]
                case Swap(first, second):
                    source = {first: second, second: first}.get(patch, patch)
                    row, column = divmod(source, grid.columns)
                    colour = pixels[row * high + inner_y, column * wide + inner_x]
                case Shuffle(seed):
                    row, column = divmod(int(permutation(seed, grid.count)[patch]), grid.columns)
                    colour = pixels[row * high + inner_y, column * wide + inner_x]
                case Turn(quarters):
                    from_y, from_x = y, x
                    for left in reversed(range(quarters)):  # counter-clockwise: the top right comes to the top left
                        from_y, from_x = from_x, (height if left % 2 else width) - 1 - from_y
                    colour = pixels[from_y, from_x]
                case Shift(right, down):
                    colour = pixels[(y - down) % height, (x - right) % width]
            result[y, x] = colour
    return result


EDITS: tuple[Edit, ...] = (
    Erase(frozenset({0, 5, 11})),
    Erase(frozenset({1, 2, 6}), Fill.BLUR),
    Erase(frozenset()),
    Stamp(frozenset({3, 4}), "other", noise(seed=7).tobytes()),
    Swap(2, 9),
    Swap(4, 4),
    Shuffle(0),
    Shuffle(41),
    Turn(2),
    Shift(8, 0),
    Shift(-1, 5),
    Shift(3 * WIDTH + 2, -HEIGHT - 1),
)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: type(edit).__name__)
def test_edit_equals_a_loop_over_pixels(edit: Edit) -> None:
    pixels = noise()
    before = pixels.copy()
    result = edited(pixels, GRID, (edit,), MEAN)
    assert np.array_equal(result, naive(pixels, edit, GRID))
    assert np.array_equal(pixels, before), "the picture itself stays as it is"
    assert not result.flags.writeable
    assert result.flags.c_contiguous


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_of_a_square_go_counter_clockwise(quarters: int) -> None:
    pixels = noise(16, 16)
    result = edited(pixels, SQUARE, (Turn(quarters),), MEAN)
    assert np.array_equal(result, naive(pixels, Turn(quarters), SQUARE))
    with_pillow = Image.fromarray(pixels).rotate(90 * quarters)
    assert np.array_equal(result, np.asarray(with_pillow))


def test_edits_are_made_in_order() -> None:
    pixels = noise()
    by_loop = pixels
    for edit in EDITS:
        by_loop = naive(by_loop, edit, GRID)
    assert np.array_equal(edited(pixels, GRID, EDITS, MEAN), by_loop)
    swap, erase = Swap(0, 1), Erase(frozenset({0}))
    assert not np.array_equal(edited(pixels, GRID, (swap, erase), MEAN), edited(pixels, GRID, (erase, swap), MEAN))


def test_without_edits_the_very_same_pixels_come_back() -> None:
    pixels = noise()
    assert edited(pixels, GRID, (), MEAN) is pixels


@pytest.mark.parametrize(
    "edit",
    [
        Erase(frozenset({GRID.count})),
        Erase(frozenset({-1})),
        Stamp(frozenset({0}), "smaller", noise(12, 16).tobytes()),
        Stamp(frozenset({GRID.count}), "other", noise().tobytes()),
        Swap(0, GRID.count),
        Swap(-1, 0),
        Turn(1),
        Turn(3),
    ],
    ids=lambda edit: type(edit).__name__,
)
def test_edit_that_does_not_fit_is_refused_with_a_sentence(edit: Edit) -> None:
    with pytest.raises(MixerGuiError, match="does not fit this model"):
        edited(noise(), GRID, (edit,), MEAN)


def test_shift_back_and_swap_back_give_the_picture_itself() -> None:
    pixels = noise()
    there_and_back = (Shift(5, -3), Swap(1, 7), Swap(7, 1), Shift(-5, 3))
    assert np.array_equal(edited(pixels, GRID, there_and_back, MEAN), pixels)


def test_permutation_of_a_seed_is_the_same_on_every_machine() -> None:
    assert permutation(0, 16).tolist() == [2, 11, 3, 10, 0, 4, 7, 5, 14, 12, 6, 9, 13, 8, 1, 15]
    assert sorted(permutation(3, 196).tolist()) == list(range(196))
    assert permutation(1, 64).tolist() != permutation(2, 64).tolist()


def test_cut_and_joined_are_each_others_reverse() -> None:
    pixels = noise()
    patches = cut(pixels, GRID)
    assert patches.shape == (12, 6, 8, 3)
    assert np.array_equal(patches[5], pixels[6:12, 8:16])
    assert np.array_equal(joined(patches, GRID), pixels)
    patches[:] = 0
    assert pixels.any(), "cut gives a copy"


def test_blur_leaves_the_mean_colour_of_a_picture_nearly_as_it_is() -> None:
    pixels = noise(224, 224)
    soft = blurred(pixels)
    assert soft.shape == pixels.shape
    assert np.abs(soft.reshape(-1, 3).mean(0) - pixels.reshape(-1, 3).mean(0)).max() < 1.0
    assert soft.std() < pixels.std() / 10


def test_erased_to_the_mean_is_nothing_after_normalisation() -> None:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    colour = mean_colour(Preprocessing((224, 224), mean, std, Interpolation.BICUBIC, 0.875, CropMode.CENTER))
    assert colour == (124, 116, 104)
    assert all(
        abs((value / 255 - centre) / spread) <= 0.5 / 255 / spread
        for value, centre, spread in zip(colour, mean, std, strict=True)
    )
