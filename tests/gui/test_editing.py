"""How edits add up, against making one after the other; and which patches a stroke meets."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from mixer_gui.gui.brush import Brush
from mixer_gui.gui.editing import edit_name, with_edit
from mixer_gui.pictures.edits import edited
from mixer_gui.records import Edit, Erase, Fill, PatchGrid, Shift, Shuffle, Stamp, Swap, Turn

GRID = PatchGrid(4, 4)
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
MEAN = (1, 2, 3)


@pytest.mark.parametrize(
    ("edits", "count"),
    [
        ((Shift(3, 0), Shift(-1, 2)), 1),
        ((Shift(3, 1), Shift(-3, -1)), 0),
        ((Turn(1), Turn(2)), 1),
        ((Turn(1), Turn(3)), 0),
        ((Turn(3), Turn(3)), 1),
        ((Turn(1), Shift(1, 0), Turn(1)), 3),
        ((Erase(frozenset({1})), Erase(frozenset({2}), Fill.BLUR), Swap(0, 1), Swap(0, 1)), 4),
    ],
)
def test_edits_that_add_up_give_the_same_pixels(edits: tuple[Edit, ...], count: int) -> None:
    added: tuple[Edit, ...] = ()
    for edit in edits:
        added = with_edit(added, edit)
    assert len(added) == count
    assert np.array_equal(edited(PIXELS, GRID, added, MEAN), edited(PIXELS, GRID, edits, MEAN))


def test_another_shuffle_takes_the_last_ones_place() -> None:
    assert with_edit((Swap(0, 1), Shuffle(1)), Shuffle(2)) == (Swap(0, 1), Shuffle(2))
    assert with_edit((Shuffle(1), Swap(0, 1)), Shuffle(2)) == (Shuffle(1), Swap(0, 1), Shuffle(2))


def test_a_stroke_that_goes_on_takes_its_beginnings_place() -> None:
    begun, grown = Erase(frozenset({1})), Erase(frozenset({1, 2}))
    assert with_edit((Swap(0, 1), begun), grown, goes_on=True) == (Swap(0, 1), grown)
    assert with_edit((begun,), grown) == (begun, grown)
    assert with_edit((Swap(0, 1),), grown, goes_on=True) == (Swap(0, 1), grown), "what it began with is gone"


def test_every_edit_has_a_name_of_its_own() -> None:
    patch = frozenset({0})
    edits = (Erase(patch), Erase(patch, Fill.BLUR), Stamp(patch, "", b""), Swap(0, 1), Shuffle(0), Turn(1), Shift(1, 0))
    assert len({edit_name(each) for each in edits}) == len(edits)


def patch_at(point: QPointF) -> int | None:
    """A 4 × 4 grid of patches of 10 pixels; nothing outside."""
    column, row = int(point.x() // 10), int(point.y() // 10)
    return row * 4 + column if 0 <= column < 4 and 0 <= row < 4 else None


def test_a_fast_stroke_has_no_holes() -> None:
    brush = Brush(patch_at)
    assert brush.press(QPointF(5, 5))
    assert brush.move(QPointF(35, 5), 5.0)
    assert brush.patches == {0, 1, 2, 3}
    assert not brush.move(QPointF(36, 6), 5.0), "the same patch"
    assert brush.move(QPointF(36, 200), 5.0)
    assert brush.lift() == {0, 1, 2, 3, 7, 11, 15}
    assert not brush.is_down
    assert not brush.patches


def test_a_stroke_may_begin_beside_the_patches() -> None:
    brush = Brush(patch_at)
    assert not brush.press(QPointF(-20, 5))
    assert brush.is_down
    assert brush.move(QPointF(5, 5), 5.0)
    assert brush.lift() == {0}
    assert not brush.move(QPointF(15, 5), 5.0), "it is over"
