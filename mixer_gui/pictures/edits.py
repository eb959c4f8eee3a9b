"""Edits to what the network sees, on its pixels, before normalisation. Pixels only; neither torch nor a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from mixer_gui.records import (
    Edit,
    Erase,
    Fill,
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

BLUR_SHARE = 1 / 16  # of the shorter edge: the standard deviation of the Gaussian, 14 px at 224


def mean_colour(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """The checkpoint's mean colour as 0…255, which normalisation makes 0 to within half a step."""
    red, green, blue = (round(255 * channel) for channel in preprocessing.mean)
    return red, green, blue


def edited(
    pixels: NDArray[np.uint8], grid: PatchGrid, edits: tuple[Edit, ...], mean: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """The pixels, uint8 (H, W, 3), after all edits in order; read-only. Without edits, `pixels` itself.

    Raises MixerGuiError where an edit does not fit: made for another grid or size, or a quarter turn of an oblong.
    """
    if not edits:
        return pixels
    result = pixels.copy()
    for edit in edits:
        result = _applied(edit, result, grid, mean)
    result = np.ascontiguousarray(result)
    result.setflags(write=False)
    return result


def blurred(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The whole picture under a Gaussian of a sixteenth of its shorter edge, which leaves colours and no shapes."""
    radius = min(pixels.shape[:2]) * BLUR_SHARE
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def permutation(seed: int, count: int) -> NDArray[np.int64]:
    """The permutation of `seed`: new place p shows what was at [p]. numpy's PCG64, the same on every machine."""
    return np.random.Generator(np.random.PCG64(seed)).permutation(count)


def cut(pixels: NDArray[np.uint8], grid: PatchGrid) -> NDArray[np.uint8]:
    """(H, W, 3) -> patches (N, height, width, 3), row by row; a copy."""
    parts = _by_patch(pixels, grid)
    return parts.reshape(grid.count, *parts.shape[2:]).copy()


def joined(patches: NDArray[np.uint8], grid: PatchGrid) -> NDArray[np.uint8]:
    """The reverse of `cut`."""
    _, height, width, _ = patches.shape
    parts = patches.reshape(grid.rows, grid.columns, height, width, 3).swapaxes(1, 2)
    return np.ascontiguousarray(parts.reshape(grid.rows * height, grid.columns * width, 3))


def _applied(edit: Edit, pixels: NDArray[np.uint8], grid: PatchGrid, mean: tuple[int, int, int]) -> NDArray[np.uint8]:
    match edit:
        case Erase():
            colour = np.array(mean, np.uint8)
            filled = blurred(pixels) if edit.fill == Fill.BLUR else np.broadcast_to(colour, pixels.shape)
            return _put(pixels, filled, grid, edit.patches)
        case Stamp():
            if len(edit.data) != pixels.size:
                raise _misfit()
            other = np.frombuffer(edit.data, np.uint8).reshape(pixels.shape)
            return _put(pixels, other, grid, edit.patches)
        case Swap():
            order = np.arange(grid.count)
            if not (0 <= edit.first < grid.count and 0 <= edit.second < grid.count):
                raise _misfit()
            order[[edit.first, edit.second]] = order[[edit.second, edit.first]]
            return joined(cut(pixels, grid)[order], grid)
        case Shuffle():
            return joined(cut(pixels, grid)[permutation(edit.seed, grid.count)], grid)
        case Turn():
            turned = np.rot90(pixels, edit.quarters)
            if turned.shape != pixels.shape:
                raise _misfit()
            return turned
        case Shift():
            return np.roll(pixels, (edit.down, edit.right), axis=(0, 1))


def _put(
    pixels: NDArray[np.uint8], other: NDArray[np.uint8], grid: PatchGrid, patches: frozenset[int]
) -> NDArray[np.uint8]:
    """`other` at `patches`, `pixels` elsewhere."""
    if not all(0 <= patch < grid.count for patch in patches):
        raise _misfit()
    where = np.divmod(np.array(sorted(patches), np.intp), grid.columns)
    result = pixels.copy()
    _by_patch(result, grid)[where] = _by_patch(other, grid)[where]
    return result


def _by_patch(pixels: NDArray[np.uint8], grid: PatchGrid) -> NDArray[np.uint8]:
    """(H, W, 3) -> a view of the same pixels, (rows, columns, height, width, 3)."""
    height, width = pixels.shape[0] // grid.rows, pixels.shape[1] // grid.columns
    return pixels.reshape(grid.rows, height, grid.columns, width, 3).swapaxes(1, 2)


def _misfit() -> MixerGuiError:
    return MixerGuiError("What was done to this picture does not fit this model: its patches are others. Undo it.")
