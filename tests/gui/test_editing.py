"""How edits add up, against making one after the other; which patches a stroke meets; what becomes of edits.

The latter in the running application: undone before they are answered, failed, of another model's patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QImage

from mixer_gui.bench.material import random_checkpoint
from mixer_gui.gui.brush import Brush
from mixer_gui.gui.editing import EditWish, edit_name, with_edit
from mixer_gui.gui.picture_painting import Content, Edited, drawn
from mixer_gui.pictures.edits import edited
from mixer_gui.records import (
    Edit,
    Erase,
    Fill,
    FramingKind,
    ModelRef,
    PatchGrid,
    Rect,
    Shift,
    Shuffle,
    Stamp,
    Swap,
    Turn,
)
from mixer_gui.resources import default_model
from tests.gui.conftest import TIMEOUT_MS, wait_for_results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.gallery import Picture
    from mixer_gui.gui.window import MainWindow

    Start = Callable[..., Application]

ERASED = Erase(frozenset({27}))
IMPOSSIBLE = Stamp(frozenset({1}), "another", b"too short")
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


# --- in the running application ---


def edit(window: MainWindow, made: Edit) -> None:
    window.microscope_commands.edit(EditWish(made))


def is_answered(picture: Picture) -> bool:
    return not picture.is_waiting and picture.report is not None and picture.report.edits == picture.edits


def settle(qtbot: QtBot, picture: Picture) -> None:
    qtbot.waitUntil(lambda: is_answered(picture), timeout=TIMEOUT_MS)


def two_pictures(application: Application) -> tuple[MainWindow, Picture, Picture]:
    """The first of two is shown."""
    session = application.window.session
    first, second = session.gallery.pictures
    session.show_picture(first)
    return application.window, first, second


@pytest.mark.parametrize("way_back", ["undo", "reset"])
def test_first_edit_undone_before_its_answer_shows_the_unedited_result(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], way_back: str
) -> None:
    window = start(photographs["coffee"]).window
    picture = window.session.current
    unedited, shown = picture.report, []
    window.session.report_changed.connect(lambda: shown.append(picture.report))
    edit(window, ERASED)
    assert picture.is_waiting
    if way_back == "undo":
        window.actions_.undo.trigger()
    else:
        window.microscope_commands.reset_edits()
    assert not picture.is_waiting
    assert is_answered(picture)
    qtbot.wait(300)  # the edit's answer, which nobody waits for any more
    assert picture.report is unedited
    assert all(report is unedited for report in shown)
    assert not picture.is_waiting


def test_picture_that_was_left_is_captioned_by_what_it_is_by_now(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    """Two edits, of which only the first was asked about when the picture was left."""
    window, first, second = two_pictures(start(photographs["coffee"], photographs["rocket"]))
    edit(window, ERASED)
    edit(window, Shuffle(3))
    assert first.request.edits == (ERASED,)
    window.session.show_picture(second)
    settle(qtbot, first)
    assert window.session.current is second
    assert first.report.edits == (ERASED, Shuffle(3))
    row = window.session.gallery.index(window.session.gallery.row(first))
    assert first.report.predictions[0].label in row.data(Qt.ItemDataRole.AccessibleTextRole)


def test_strip_marks_edited_pictures_and_says_it(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    picture, gallery = window.session.current, window.session.gallery
    before, words = window.picture.strip.grab().toImage(), Qt.ItemDataRole.AccessibleTextRole
    assert "edited" not in gallery.index(0).data(words)
    edit(window, Shift(0, 0))  # which changes nothing but that it is there
    settle(qtbot, picture)
    assert "edited: one change" in gallery.index(0).data(words)
    assert "edited: one change" in gallery.index(0).data(Qt.ItemDataRole.ToolTipRole)
    assert window.picture.strip.grab().toImage() != before
    window.microscope_commands.reset_edits()
    assert "edited" not in gallery.index(0).data(words)
    assert window.picture.strip.grab().toImage() == before


def test_edits_of_a_removed_picture_do_not_come_back_to_another_models_patches(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    application = start(photographs["coffee"], photographs["rocket"])
    window, first, _ = two_pictures(application)
    edit(window, Erase(frozenset({5})))  # which another grid has, too
    settle(qtbot, first)
    window.actions_.remove.trigger()
    other = ModelRef(random_checkpoint("S/32", tmp_path))
    window.session.set_model(other, window.session.device)
    qtbot.waitUntil(lambda: window.session.model == other, timeout=TIMEOUT_MS)
    wait_for_results(qtbot, application, 1)
    window.actions_.undo.trigger()
    assert window.session.current is first
    assert first.edits == ()
    wait_for_results(qtbot, application, 2)
    assert first.report.edits == ()
    assert first.report.model.path == other.path
    window.session.set_model(default_model(), window.session.device)
    qtbot.waitUntil(lambda: window.session.model == default_model(), timeout=TIMEOUT_MS)
    wait_for_results(qtbot, application, 2)
    window.actions_.undo.trigger()  # the edit's own step is obsolete
    assert first.edits == ()
    assert not window.undo_stack.canUndo()


def test_a_failed_edit_is_taken_back_and_the_window_stays_where_it_is(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window, first, second = two_pictures(start(photographs["coffee"], photographs["rocket"]))
    edit(window, ERASED)
    settle(qtbot, first)
    edit(window, IMPOSSIBLE)
    window.session.show_picture(second)
    qtbot.waitUntil(lambda: first.edits == (ERASED,), timeout=TIMEOUT_MS)
    assert window._message.whole
    settle(qtbot, first)
    assert window.session.current is second
    assert window.undo_stack.count() == 1
    window.actions_.undo.trigger()
    assert first.edits == ()


def test_of_several_edits_only_the_one_that_failed_is_taken_back(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    """It was taken back by another step when its failure came: what is wanted by then goes well."""
    window = start(photographs["coffee"]).window
    picture = window.session.current
    edit(window, ERASED)
    settle(qtbot, picture)
    edit(window, IMPOSSIBLE)
    window.actions_.undo.trigger()
    edit(window, Shuffle(3))
    assert picture.request.edits == (ERASED, IMPOSSIBLE)
    assert picture.is_waiting
    settle(qtbot, picture)
    assert picture.edits == (ERASED, Shuffle(3))
    assert window.undo_stack.count() == 2


def test_a_failed_edit_under_others_is_taken_back_with_them_alone(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window, first, second = two_pictures(start(photographs["coffee"], photographs["rocket"]))
    edit(window, ERASED)
    settle(qtbot, first)
    edit(window, IMPOSSIBLE)
    window.session.show_picture(second)
    edit(window, Swap(0, 1))  # of the other picture: the newest step
    qtbot.waitUntil(lambda: first.edits == (ERASED,), timeout=TIMEOUT_MS)
    settle(qtbot, second)
    assert second.edits == (Swap(0, 1),)
    window.actions_.undo.trigger()
    assert (first.edits, second.edits) == ((ERASED,), ())
    window.actions_.undo.trigger()  # the failed step is passed over
    assert (first.edits, second.edits) == ((), ())


def test_edited_pixels_stay_in_the_rectangle_they_were_seen_in(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    picture, view = window.session.current, window.picture.view
    edit(window, ERASED)
    settle(qtbot, picture)
    seen = picture.report.seen
    assert view._edited.seen == seen
    window.explorer.framing.use(FramingKind.SQUASH)
    assert picture.report.seen == seen, "the answer for the other framing is not there yet"
    assert view._seen != seen
    assert view._edited.seen == seen
    qtbot.waitUntil(lambda: is_answered(picture) and picture.report.seen != seen, timeout=TIMEOUT_MS)
    assert view._edited.seen == picture.report.seen


def test_saved_picture_has_edited_pixels_where_they_were_seen() -> None:
    white, red = QImage(40, 40, QImage.Format.Format_RGB32), QImage(4, 4, QImage.Format.Format_RGB32)
    white.fill(QColor("white"))
    red.fill(QColor("red"))
    content = Content(white, (40, 40), Rect(0, 0, 40, 40), Edited(red, Rect(20, 20, 10, 10)), None, 0.0)
    image = drawn(content)
    assert image.pixelColor(25, 25) == QColor("red")
    assert image.pixelColor(15, 25) == QColor("white")
    assert image.pixelColor(32, 25) == QColor("white")


def test_before_has_a_map_of_a_class_outside_its_ranking(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    picture, focus = window.session.current, window.focus
    edit(window, Shuffle(3))
    settle(qtbot, picture)
    ranked = {each.index for report in (picture.before, picture.report) for each in report.predictions}
    index = next(each for each in range(200) if each not in ranked)
    window.explorer.choose_class(index)
    qtbot.waitUntil(lambda: focus.shown_map is not None and focus.shown_map.is_evidence, timeout=TIMEOUT_MS)
    after = focus.shown_map.shown.values
    window.picture.edits_bar.before.click()
    assert focus.shown_map is not None, "the layer's map until the answer is there"
    assert window.picture.view.overlay is not None
    assert window.picture.layer_button.isChecked() is not focus.shown_map.is_evidence
    qtbot.waitUntil(lambda: focus.shown_map.is_evidence, timeout=TIMEOUT_MS)
    assert window.picture.evidence_button.isChecked()
    assert not np.array_equal(focus.shown_map.shown.values, after)
