"""Where the network looks, in numbers and in painted markers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mixer_gui.pictures.decode import open_picture
from mixer_gui.pictures.geometry import patch_at, patch_rectangle, plan, seen_rectangle
from mixer_gui.pictures.preprocess import prepare
from mixer_gui.records import (
    CropMode,
    FileSource,
    Framing,
    FramingKind,
    Interpolation,
    PatchGrid,
    Preprocessing,
    Rect,
)

GRID = PatchGrid(14, 14)
MAGENTA = (255, 0, 255)
MEAN = (0.5, 0.5, 0.5)


def preprocessing_of(
    size: tuple[int, int] = (224, 224), crop_pct: float = 0.875, mode: str = "center"
) -> Preprocessing:
    return Preprocessing(size, MEAN, MEAN, Interpolation.BICUBIC, crop_pct, CropMode(mode))


def test_centre_crop_of_a_landscape_is_the_middle_seven_eighths_of_its_height() -> None:
    seen = seen_rectangle(600, 400, preprocessing_of(), Framing())
    # 600 × 400 → 384 × 256, cropped at (80, 16).
    assert seen == Rect(125, 25, 350, 350)


def test_border_mode_sees_beyond_the_shorter_edge() -> None:
    seen = seen_rectangle(600, 400, preprocessing_of(crop_pct=1.0, mode="border"), Framing())
    assert (seen.left, seen.width) == (0, 600)
    assert seen.top < 0
    assert seen.bottom > 400


def test_padding_sees_the_whole_picture_with_equal_scales() -> None:
    seen = seen_rectangle(300, 900, preprocessing_of(), Framing(FramingKind.PAD))
    assert (seen.top, seen.height) == (0, 900)
    assert seen.left < 0
    assert seen.width == pytest.approx(900, rel=0.01)


def test_squash_sees_exactly_the_picture() -> None:
    assert seen_rectangle(301, 77, preprocessing_of(), Framing(FramingKind.SQUASH)) == Rect(0, 0, 301, 77)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (Rect(10, 20, 30, 40), Rect(10, 20, 30, 40)),
        (Rect(-50, 90, 30, 40), Rect(0, 60, 30, 40)),
        (Rect(0, 0, 1000, 1000), Rect(0, 0, 200, 100)),
        (Rect(199.9, 99.9, 0, -3), Rect(199, 99, 1, 1)),
        (Rect(float("nan"), 0, 1, 1), Rect(0, 0, 200, 100)),
    ],
)
def test_a_drawn_rectangle_is_moved_into_the_picture(drawn: Rect, expected: Rect) -> None:
    assert seen_rectangle(200, 100, preprocessing_of(), Framing(FramingKind.RECTANGLE, drawn)) == expected


def test_framing_by_rectangle_without_one_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs a rectangle"):
        plan(10, 10, preprocessing_of(), Framing(FramingKind.RECTANGLE))


@settings(deadline=None)
@given(
    st.integers(1, 9000),
    st.integers(1, 9000),
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.floats(0.3, 1.0),
    st.sampled_from(CropMode),
    st.sampled_from([FramingKind.CHECKPOINT, FramingKind.PAD, FramingKind.SQUASH]),
)
def test_every_plan_fills_the_input_and_keeps_the_middle(
    width: int, height: int, size: tuple[int, int], crop_pct: float, mode: CropMode, kind: FramingKind
) -> None:
    steps = plan(width, height, preprocessing_of(size, crop_pct, mode), Framing(kind))
    assert steps.window == (size[1], size[0])
    assert min(steps.resized) >= 1
    for axis, extent in ((0, width), (1, height)):
        middle = steps.offset[axis] + steps.window[axis] / 2
        assert abs(middle - steps.resized[axis] / 2) <= 0.5
        assert extent > 0


def test_patches_tile_what_is_seen_and_find_their_own_points() -> None:
    seen = seen_rectangle(1234, 777, preprocessing_of((224, 320)), Framing())
    grid = PatchGrid(14, 20)
    for patch in range(grid.count):
        rect = patch_rectangle(seen, grid, patch)
        assert patch_at(seen, grid, rect.left + rect.width / 2, rect.top + rect.height / 2) == patch
    assert patch_rectangle(seen, grid, grid.count - 1).right == pytest.approx(seen.right)
    assert patch_at(seen, grid, seen.left - 1, seen.top + 1) is None
    assert patch_at(seen, grid, seen.left + 1, seen.bottom + 1) is None
    with pytest.raises(IndexError):
        patch_rectangle(seen, grid, grid.count)


@pytest.mark.parametrize("patch", [0, 13, 16, 97, 182, 195])
@pytest.mark.parametrize(
    "framing",
    [
        Framing(),
        Framing(FramingKind.PAD),
        Framing(FramingKind.SQUASH),
        Framing(FramingKind.RECTANGLE, Rect(50, 60, 500, 400)),
    ],
    ids=lambda framing: framing.kind.value,
)
@pytest.mark.parametrize(("size", "orientation"), [((900, 600), 1), ((600, 900), 1), ((900, 600), 6), ((600, 900), 5)])
def test_a_marker_painted_on_a_patch_is_seen_in_that_patch(
    saved: Callable[..., Path],
    preprocessing: Preprocessing,
    size: tuple[int, int],
    orientation: int,
    framing: Framing,
    patch: int,
) -> None:
    upright = Image.new("RGB", size, (0, 80, 0))
    seen = seen_rectangle(*size, preprocessing, framing)
    marked = patch_rectangle(seen, GRID, patch)
    box = tuple(round(edge) for edge in (marked.left, marked.top, marked.right, marked.bottom))
    upright.paste(MAGENTA, box)
    if not (marked.left >= 0 and marked.right <= size[0] and marked.top >= 0 and marked.bottom <= size[1]):
        pytest.skip("this patch is padding in this framing")
    stored = upright.transpose(Image.Transpose.ROTATE_90) if orientation == 6 else upright
    stored = upright.transpose(Image.Transpose.TRANSPOSE) if orientation == 5 else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = open_picture(FileSource(saved(stored, "marker.png", exif=exif))).image

    seen_input = prepare(picture, replace(preprocessing, interpolation=Interpolation.BOX), framing)
    assert seen_input.seen == seen
    # In the picture: the marker's bounding box is the patch rectangle, within a pixel.
    assert np.allclose(_box_of_marker(np.asarray(picture)), box, atol=1)
    # In the network's pixels: it is the patch's 16 × 16 square.
    row, column = divmod(patch, GRID.columns)
    expected = (column * 16, row * 16, column * 16 + 16, row * 16 + 16)
    assert np.allclose(_box_of_marker(seen_input.pixels), expected, atol=1)


def test_geometry_and_sources_import_neither_numpy_nor_pillow() -> None:
    code = (
        "import sys, mixer_gui.pictures.geometry, mixer_gui.pictures.sources, mixer_gui.pictures.decoder\n"
        "sys.exit(', '.join({'numpy', 'PIL', 'pi_heif', 'torch', 'PySide6'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _box_of_marker(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is more than half magenta."""
    rows, columns = np.nonzero((pixels[..., 0] > 127) & (pixels[..., 1] < 60))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
