"""Editing the picture with the real application: by pointer and keys, against classifying the edited pixels."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from checkpoints import random_mixer, tiny_config, write_hub_folder
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtWidgets import QApplication

from mixer_gui.engine.classifier import Classifier
from mixer_gui.gui.editing import EditWish
from mixer_gui.gui.gallery import LivePicture
from mixer_gui.gui.microscope.before_after import HEAD, PAIR
from mixer_gui.gui.microscope.what_if_panel import SideMap, WhatIfPanel
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.pictures.edits import edited, mean_colour
from mixer_gui.records import (
    DevicePreference,
    Erase,
    Fill,
    FrameSource,
    Framing,
    FramingKind,
    ModelRef,
    QuestionFailed,
    Shift,
    Shuffle,
    Stamp,
    Swap,
)
from mixer_gui.resources import default_model
from tests.gui.conftest import TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.window import MainWindow
    from mixer_gui.records import Edit, Report

    Start = Callable[..., Application]

CLOSE = 1e-5  # relative, of logits: one pass and another


@pytest.fixture
def window(start: Start, photographs: dict[str, Path]) -> MainWindow:
    """With a photograph and the view on the screen."""
    window = start(photographs["coffee"]).window
    window.microscope.show_panel("what_if")
    return window


def panel_of(window: MainWindow) -> WhatIfPanel:
    panel = window.microscope.panel
    assert isinstance(panel, WhatIfPanel)
    return panel


def settle(qtbot: QtBot, window: MainWindow) -> Report:
    """Until the network has answered to the newest edits."""

    def done() -> bool:
        current = window.session.current
        return (
            current is not None
            and window.session.waiting == 0
            and current.report is not None
            and current.report.edits == current.edits
        )

    qtbot.waitUntil(done, timeout=TIMEOUT_MS)
    assert window.session.current is not None
    assert window.session.current.report is not None
    return window.session.current.report


def stroke(qtbot: QtBot, window: MainWindow, *patches: int) -> None:
    view = window.picture.view
    points = [view.patch_screen_rectangle(patch).center().toPoint() for patch in patches]
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=points[0])
    for point in points[1:]:
        qtbot.mouseMove(view, point)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=points[-1])


def directly(report: Report, pixels: np.ndarray) -> dict[int, float]:
    """Logits of these pixels by the network itself."""
    classifier = Classifier(load_checkpoint(default_model()), DevicePreference.CPU)
    logits, _ = classifier.forward(pixels[None], Record.NONE)
    return {each.index: float(logits[0, each.index]) for each in report.predictions}


def difference(report: Report, logits: dict[int, float]) -> float:
    largest = max(abs(each) for each in logits.values())
    return max(abs(each.logit - logits[each.index]) for each in report.predictions) / largest


def test_erased_by_the_pointer_is_what_the_network_says_of_the_erased_pixels(
    window: MainWindow, qtbot: QtBot, record_property: Callable[[str, object], None]
) -> None:
    original = window.session.current.report
    panel_of(window).tools.buttons["erase"].click()
    assert window.picture.view.cursor().shape() == Qt.CursorShape.CrossCursor
    stroke(qtbot, window, 18, 20, 36)
    report = settle(qtbot, window)
    (edit,) = report.edits
    assert isinstance(edit, Erase)
    assert {18, 19, 20, 28, 36} <= edit.patches, "also those that the pointer passed by"
    info = report.model
    pixels = edited(original.pixels, info.grid, (edit,), mean_colour(info.preprocessing))
    assert np.array_equal(report.pixels, pixels)
    assert not np.array_equal(report.pixels, original.pixels)
    relative = difference(report, directly(report, pixels))
    print(f"logits after erasing, largest relative difference {relative:.1e}")  # noqa: T201
    record_property("logits after erasing", relative)
    assert relative < CLOSE
    assert abs(report.predictions[0].logit - original.predictions[0].logit) > 1e-3
    assert window.undo_stack.count() == 1, "a stroke is one step"
    assert window.session.current.before is original


def test_undo_and_redo_bring_back_identical_results(window: MainWindow, qtbot: QtBot) -> None:
    original, actions = window.session.current.report, window.actions_
    tools = panel_of(window).tools
    tools.buttons["blur"].click()
    stroke(qtbot, window, 9, 10)
    first = settle(qtbot, window)
    tools.arrows["→"].click()
    second = settle(qtbot, window)
    assert [type(each) for each in second.edits] == [Erase, Shift]
    actions.undo.trigger()
    again = settle(qtbot, window)
    assert again.predictions == first.predictions
    assert np.array_equal(again.update, first.update)
    assert np.array_equal(again.pixels, first.pixels)
    actions.undo.trigger()
    assert settle(qtbot, window) is original, "without another pass"
    assert not actions.undo.isEnabled()
    actions.redo.trigger()
    actions.redo.trigger()
    last = settle(qtbot, window)
    assert last.predictions == second.predictions
    assert np.array_equal(last.centred_evidence, second.centred_evidence)
    assert not actions.redo.isEnabled()
    assert "Ctrl+Shift+Z" in [each.toString() for each in actions.redo.shortcuts()]


def test_keys_do_what_the_pointer_does(window: MainWindow, qtbot: QtBot) -> None:
    tools, view = panel_of(window).tools, window.picture.view
    tools.buttons["swap"].click()
    view.setFocus()
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))  # wherever the pointer of the tests before was left
    assert view.patch is None
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Return, Qt.Key.Key_Right, Qt.Key.Key_Space):
        qtbot.keyClick(view, key)
    first, second = (4 * 8 + 4, 4 * 8 + 5)
    assert settle(qtbot, window).edits == (Swap(first, second),)
    tools.buttons["erase"].click()
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert settle(qtbot, window).edits == (Swap(first, second), Erase(frozenset({second})))
    tools.buttons["point"].click()
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert len(window.session.current.edits) == 2, "pins again"
    assert not view.brush_is_on


def test_swap_takes_two_clicks_and_shows_the_first(window: MainWindow, qtbot: QtBot) -> None:
    view = window.picture.view
    panel_of(window).tools.buttons["swap"].click()
    stroke(qtbot, window, 3)
    assert view._marked == {3}
    stroke(qtbot, window, 3)
    assert view._marked == set(), "the same patch lets it go"
    stroke(qtbot, window, 3)
    stroke(qtbot, window, 60)
    assert settle(qtbot, window).edits == (Swap(3, 60),)
    assert view._marked == set()


def test_patches_of_another_picture(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"], photographs["chelsea"]).window
    window.microscope.show_panel("what_if")
    tools = panel_of(window).tools
    tools.buttons["stamp"].click()  # it was classified in the strip only: its pixels are asked for
    qtbot.waitUntil(lambda: tools._stamp is not None, timeout=TIMEOUT_MS)
    stroke(qtbot, window, 0, 1)
    report = settle(qtbot, window)
    (edit,) = report.edits
    assert isinstance(edit, Stamp)
    assert (edit.name, edit.patches) == ("chelsea.png", frozenset({0, 1}))
    donor = window.session.gallery.picture(1).report.pixels
    height, width = donor.shape[0] // 8, donor.shape[1] // 8
    assert np.array_equal(report.pixels[:height, : 2 * width], donor[:height, : 2 * width])
    assert np.array_equal(report.pixels[height:], window.session.current.before.pixels[height:])


def test_stamp_says_what_is_missing_where_no_other_picture_is_open(window: MainWindow, qtbot: QtBot) -> None:
    tools = panel_of(window).tools
    tools.buttons["stamp"].click()
    assert "Open another picture" in tools._hint.text()
    stroke(qtbot, window, 0)
    assert window.session.current.edits == ()


def test_whole_picture_tools(window: MainWindow, qtbot: QtBot) -> None:
    tools = panel_of(window).tools
    original = window.session.current.report.pixels
    tools.shuffle.click()
    assert settle(qtbot, window).edits == (Shuffle(0),)
    tools.shuffle.click()
    assert settle(qtbot, window).edits == (Shuffle(1),), "again: another one in its place"
    tools.reset.click()
    assert settle(qtbot, window).edits == ()
    tools.turns[0].click()
    assert np.array_equal(settle(qtbot, window).pixels, np.rot90(original))
    tools.turns[1].click()
    assert settle(qtbot, window).edits == (), "and back"
    tools.step.setCurrentIndex(1)
    for _ in range(3):
        tools.arrows["↓"].click()
    assert settle(qtbot, window).edits == (Shift(0, 3),)
    assert window.undo_stack.count() == 8


def test_a_long_stroke_is_one_step_and_shows_as_it_goes_on(window: MainWindow, qtbot: QtBot) -> None:
    """While a pass runs, only the newest of what the stroke met is kept."""
    answered: list[int] = []
    session = window.session
    session.report_changed.connect(lambda: answered.append(len(session.current.report.edits)))
    commands = window.microscope_commands
    for last in range(1, 41):
        commands.edit(EditWish(Erase(frozenset(range(last))), goes_on=last > 1))
        qtbot.wait(1)
    report = settle(qtbot, window)
    assert report.edits == (Erase(frozenset(range(40))),)
    assert window.undo_stack.count() == 1
    assert 1 <= len(answered) < 40
    window.actions_.undo.trigger()
    assert settle(qtbot, window).edits == ()


def test_edited_picture_says_so_on_every_tab_and_can_be_reset(window: MainWindow, qtbot: QtBot) -> None:
    bar = window.picture.edits_bar
    window.microscope.show_tab(0)
    assert not bar.isVisible()
    window.microscope_commands.edit(EditWish(Erase(frozenset({0}))))
    settle(qtbot, window)
    assert bar.isVisible()
    assert "one change" in bar._label.whole
    bar.reset.click()
    assert settle(qtbot, window).edits == ()
    assert not bar.isVisible()
    window.actions_.undo.trigger()
    assert len(settle(qtbot, window).edits) == 1


def test_the_picture_stays_where_it_is_when_the_first_edit_is_made(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.wait(50)
    place = window.picture.view.patch_screen_rectangle(0)
    window.microscope_commands.edit(EditWish(Erase(frozenset({0}))))
    settle(qtbot, window)
    qtbot.wait(50)
    assert window.picture.view.patch_screen_rectangle(0) == place


def test_edited_patches_are_on_the_screen_and_before_hides_them(window: MainWindow, qtbot: QtBot) -> None:
    view = window.picture.view
    window.picture.opacity.setValue(0)
    qtbot.wait(50)
    qtbot.waitUntil(lambda: view._scaled is not None)
    untouched = view.grab().toImage()
    window.microscope_commands.edit(EditWish(Erase(frozenset({27}))))
    report = settle(qtbot, window)
    inside, outside = (view.patch_screen_rectangle(patch).center().toPoint() for patch in (27, 50))
    shown = view.grab().toImage()
    colour = shown.pixelColor(inside)
    expected = mean_colour(report.model.preprocessing)
    assert max(abs(a - b) for a, b in zip(colour.getRgb()[:3], expected, strict=True)) <= 1
    assert shown.pixelColor(outside) == untouched.pixelColor(outside)
    saved = view.picture_with_map()
    assert saved is not None
    window.picture.edits_bar.before.click()
    assert view.grab().toImage() == untouched
    window.picture.edits_bar.before.click()
    assert view.grab().toImage() == shown


def test_before_shows_the_earlier_map(window: MainWindow, qtbot: QtBot) -> None:
    view = window.picture.view
    earlier = view.overlay.image.copy()
    window.microscope_commands.edit(EditWish(Shuffle(5)))
    settle(qtbot, window)
    later = view.overlay.image.copy()
    assert later != earlier
    window.picture.edits_bar.before.click()
    assert view.overlay.image == earlier
    window.picture.edits_bar.before.click()
    assert view.overlay.image == later


def test_before_and_after_share_a_scale_and_name_the_first_five_of_both(window: MainWindow, qtbot: QtBot) -> None:
    panel = panel_of(window)
    assert not panel._compared.isVisible()
    window.microscope_commands.edit(EditWish(Shuffle(3)))
    report = settle(qtbot, window)
    before = window.session.current.before
    wanted = {each.index for each in (*before.predictions[:5], *report.predictions[:5])}
    qtbot.waitUntil(lambda: all(None not in (each.before, each.after) for each in panel.ranking.changes))
    assert {each.index for each in panel.ranking.changes} == wanted
    known = {each.index: each.probability for each in before.predictions}
    assert all(each.before == known[each.index] for each in panel.ranking.changes if each.index in known)
    for kind in SideMap:
        panel.map.setCurrentIndex(panel.map.findData(kind))
        if kind == SideMap.NONE:
            assert panel._maps is None
            continue
        qtbot.waitUntil(lambda: panel._maps is not None)
        first, second = panel._maps
        assert first.end == second.end
        assert not np.array_equal(first.values, second.values)
    assert set(panel.arrays()) >= {"pixels_before", "pixels_after", "probability_before", "probability_after"}
    assert set(panel.views()) == {"Pictures before and after", "Rankings"}


def test_an_edit_that_does_not_fit_is_taken_back_with_a_sentence(window: MainWindow, qtbot: QtBot) -> None:
    commands = window.microscope_commands
    commands.edit(EditWish(Swap(0, 1)))
    report = settle(qtbot, window)
    commands.edit(EditWish(Swap(0, 9999)))
    qtbot.waitUntil(lambda: "does not fit" in window._message.whole, timeout=TIMEOUT_MS)
    again = settle(qtbot, window)
    assert again.edits == (Swap(0, 1),)
    assert again.predictions == report.predictions
    assert window.undo_stack.count() == 1
    assert not window.actions_.redo.isEnabled()


def test_results_are_of_the_picture_without_its_edits(window: MainWindow, qtbot: QtBot) -> None:
    plain = window.files.results(5)
    window.microscope_commands.edit(EditWish(Erase(frozenset(range(60)))))
    report = settle(qtbot, window)
    assert report.predictions != window.session.current.before.predictions
    (result,) = window.files.results(5)
    assert result.predictions == plain[0].predictions


def test_another_grid_drops_edits_and_makes_their_steps_obsolete(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window._change_framing(Framing(FramingKind.SQUASH))
    settle(qtbot, window)
    window.microscope_commands.edit(EditWish(Erase(frozenset({0, 60}))))
    window.microscope_commands.edit(EditWish(Swap(1, 2)))
    settle(qtbot, window)
    folder = write_hub_folder(random_mixer(tiny_config()), tmp_path / "model")
    window.session.set_model(ModelRef(folder), DevicePreference.AUTO)
    qtbot.waitUntil(lambda: window.session.ready.info.grid.count == 16, timeout=TIMEOUT_MS)
    assert settle(qtbot, window).edits == ()
    assert not window.picture.edits_bar.reset.isEnabled()
    window.actions_.undo.trigger()  # passes over what means nothing any more
    assert window.session.current.framing == Framing()
    assert window.session.current.edits == ()
    assert window.undo_stack.count() == 1


def test_another_model_of_the_same_grid_is_asked_about_the_picture_first(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    window.microscope_commands.edit(EditWish(Erase(frozenset({0}))))
    settle(qtbot, window)
    copy = shutil.copytree(default_model().path, tmp_path / "copy")
    window.session.set_model(ModelRef(copy), DevicePreference.AUTO)
    qtbot.waitUntil(lambda: window.session.model.path == copy, timeout=TIMEOUT_MS)
    report = settle(qtbot, window)
    before = window.session.current.before
    assert report.edits == (Erase(frozenset({0})),)
    assert before.model == report.model == window.session.ready.info
    assert before.edits == ()


def test_another_framing_keeps_edits_and_compares_with_itself(window: MainWindow, qtbot: QtBot) -> None:
    window.microscope_commands.edit(EditWish(Erase(frozenset({0}))))
    settle(qtbot, window)
    window._change_framing(Framing(FramingKind.SQUASH))
    qtbot.waitUntil(lambda: window.session.current.report.framing.kind == FramingKind.SQUASH, timeout=TIMEOUT_MS)
    report = settle(qtbot, window)
    assert len(report.edits) == 1
    assert window.session.current.before.framing == report.framing


def test_a_removed_picture_comes_back_with_its_edits(window: MainWindow, qtbot: QtBot) -> None:
    window.microscope_commands.edit(EditWish(Erase(frozenset({0}))))
    report = settle(qtbot, window)
    window.actions_.remove.trigger()
    assert window.session.current is None
    assert not window.picture.edits_bar.reset.isEnabled()
    window.actions_.undo.trigger()
    qtbot.waitUntil(lambda: window.session.current is not None and window.session.current.frame is not None)
    assert settle(qtbot, window).predictions == report.predictions
    assert window.picture.edits_bar.reset.isEnabled()


def test_reloading_an_edited_picture_compares_with_what_is_there_now(window: MainWindow, qtbot: QtBot) -> None:
    window.microscope_commands.edit(EditWish(Erase(frozenset({0}))))
    first = settle(qtbot, window)
    old = window.session.current.before
    window.actions_.reload.trigger()
    again = settle(qtbot, window)
    assert again.predictions == first.predictions
    assert window.session.current.before is not old


def test_a_moving_picture_is_not_painted_on(window: MainWindow, qtbot: QtBot) -> None:
    panel_of(window).tools.buttons["erase"].click()
    window.microscope_commands.edit(EditWish(Erase(frozenset({0}))))
    settle(qtbot, window)
    window.session.show_live(LivePicture("live", FrameSource("camera", 0.0)))
    assert not window.picture.edits_bar.reset.isEnabled()
    assert not window.picture.view.brush_is_on
    window.microscope_commands.edit(EditWish(Erase(frozenset({1}))))
    window.session.leave_live()
    assert len(settle(qtbot, window).edits) == 1
    qtbot.waitUntil(lambda: window.picture.view.brush_is_on)


def test_the_brush_is_off_on_other_tabs(window: MainWindow) -> None:
    panel_of(window).tools.buttons["blur"].click()
    assert window.picture.view.brush_is_on
    window.microscope.show_tab(0)
    assert not window.picture.view.brush_is_on
    window.microscope.show_panel("what_if")
    assert window.picture.view.brush_is_on


def test_permuted_patches_are_another_picture_and_permuted_weights_undo_it(
    window: MainWindow, qtbot: QtBot, record_property: Callable[[str, object], None]
) -> None:
    """The demonstration is of the unedited picture, and its second ranking is that of the shuffled one."""
    panel = panel_of(window)
    original = window.session.current.report
    window.microscope_commands.edit(EditWish(Shuffle(7)))
    shuffled = settle(qtbot, window)
    panel.permutation.seed.setValue(7)
    panel.permutation.run.click()
    qtbot.waitUntil(lambda: panel.permutation.answer is not None, timeout=TIMEOUT_MS)
    answer = panel.permutation.answer
    assert answer.request.report_id == original.id
    assert np.array_equal(answer.pixels, shuffled.pixels)
    logit = max(abs(each.logit) for each in original.predictions)
    for name, ranking, expected in (
        ("as it is", answer.original, original.predictions),
        ("permuted", answer.permuted, shuffled.predictions),
        ("restored", answer.restored, original.predictions),
    ):
        assert [each.index for each in ranking] == [each.index for each in expected[:5]]
        relative = max(abs(a.logit - b.logit) for a, b in zip(ranking, expected[:5], strict=True)) / logit
        print(f"{name}: largest relative difference of a logit {relative:.1e}")  # noqa: T201
        record_property(name, relative)
        assert relative < CLOSE
    assert answer.shift > 0.1
    assert answer.largest < 1e-4
    assert len(panel.permutation.rankings.blocks) == 3
    assert "learned positions" in panel.permutation._meaning.text()
    window.actions_.undo.trigger()
    settle(qtbot, window)
    assert panel.permutation.answer is answer, "the picture without edits is the same"


def test_blurred_patches_are_those_of_the_blurred_picture(window: MainWindow, qtbot: QtBot) -> None:
    panel_of(window).tools.buttons["blur"].click()
    stroke(qtbot, window, 9)
    report = settle(qtbot, window)
    assert report.edits == (Erase(frozenset({9}), Fill.BLUR),)


def test_every_control_has_a_name_and_a_tooltip(window: MainWindow) -> None:
    from PySide6.QtWidgets import QComboBox, QSpinBox, QToolButton

    for kind in (QToolButton, QComboBox, QSpinBox):
        for each in (*panel_of(window).tools.findChildren(kind), *window.picture.edits_bar.findChildren(kind)):
            assert each.accessibleName() or getattr(each, "text", str)(), each
            assert each.toolTip(), each
            assert each.focusPolicy() != Qt.FocusPolicy.NoFocus


def test_applied_edit_is_one_of_the_records(window: MainWindow, qtbot: QtBot) -> None:
    """What the view asks for is what the report says it was made of."""
    wanted: list[Edit] = [Erase(frozenset({5})), Swap(0, 63), Shift(8, 8), Shuffle(2)]
    for each in wanted:
        window.microscope_commands.edit(EditWish(each))
    assert settle(qtbot, window).edits == tuple(wanted)


def test_a_demonstration_that_was_left_behind_can_be_asked_for_again(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"], photographs["rocket"]).window
    window.microscope.show_panel("what_if")
    box = panel_of(window).permutation
    box.run.click()
    assert "Running" in box._numbers.text()
    window.focus.set_patch(3)
    assert "Running" in box._numbers.text(), "the pointer changes nothing of it"
    window.microscope.show_tab(0)
    window.microscope.show_panel("what_if")
    assert box._numbers.text() == ""
    box.run.click()
    window.session.show_picture(window.session.gallery.picture(1))
    focus = window.focus
    qtbot.waitUntil(lambda: focus.report is not None and focus.report.pixels is not None, timeout=TIMEOUT_MS)
    assert box._numbers.text() == ""
    box.run.click()
    qtbot.waitUntil(lambda: box.answer is not None, timeout=TIMEOUT_MS)
    assert "Largest difference" in box._numbers.text()


def test_a_demonstration_that_failed_does_not_run_on(window: MainWindow) -> None:
    panel = panel_of(window)
    panel.permutation.run.click()
    assert panel._permuting is not None
    window.focus.question_failed.emit(QuestionFailed(panel._permuting, "No memory is left."))
    assert panel.permutation._numbers.text() == ""
    assert "No memory is left." in panel.failure_bar.words.text()
    panel.permutation.run.click()
    assert "Running" in panel.permutation._numbers.text(), "the button is another try"
    assert not panel.failure_bar.isVisible()


def test_the_first_of_two_patches_is_let_go_with_the_view_or_the_picture(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"], photographs["rocket"]).window
    window.microscope.show_panel("what_if")
    view = window.picture.view
    panel_of(window).tools.buttons["swap"].click()
    stroke(qtbot, window, 3)
    assert view._marked == {3}
    window.microscope.show_tab(0)
    assert view._marked == set()
    window.microscope.show_panel("what_if")
    stroke(qtbot, window, 3)
    assert view._marked == {3}
    window.session.show_picture(window.session.gallery.picture(1))
    assert view._marked == set()


def test_a_picture_that_was_only_in_the_strip_shows_nothing_of_the_one_before(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    """What the network saw of it comes with a second answer."""
    window = start(photographs["coffee"], photographs["rocket"]).window
    window.microscope.show_panel("what_if")
    panel = panel_of(window)
    window.microscope_commands.edit(EditWish(Shuffle(3)))
    settle(qtbot, window)
    assert panel._compared.isVisible()
    assert panel.save_button.isEnabled()
    assert panel.ranking.changes
    seen: list[tuple[bool, bool, bool]] = []
    focus = window.focus
    focus.report_changed.connect(
        lambda: seen.append(
            (
                focus.report is not None and focus.report.pixels is None,
                panel._compared.isVisibleTo(panel) or bool(panel.ranking.changes),
                panel.save_button.isEnabled(),
            )
        )
    )
    window.session.show_picture(window.session.gallery.picture(1))
    qtbot.waitUntil(lambda: focus.report is not None and focus.report.pixels is not None, timeout=TIMEOUT_MS)
    assert (True, False, False) in seen
    assert not any(compared for lacks_pixels, compared, _ in seen if lacks_pixels)


def test_changed_ranking_chooses_by_left_click_and_arrow_keys(window: MainWindow, qtbot: QtBot) -> None:
    panel = panel_of(window)
    window.microscope_commands.edit(EditWish(Shuffle(3)))
    settle(qtbot, window)
    ranking = panel.ranking
    chosen: list[int] = []
    ranking.class_chosen.connect(chosen.append)
    wanted = [each.index for each in ranking.changes]
    rows = [QPoint(20, HEAD + PAIR * row + 5) for row in range(len(wanted))]
    qtbot.mouseClick(ranking, Qt.MouseButton.RightButton, pos=rows[1])
    assert chosen == []
    qtbot.mouseClick(ranking, Qt.MouseButton.LeftButton, pos=rows[1])
    assert chosen == [wanted[1]]
    assert window.focus.class_index == wanted[1]
    assert ranking.focusPolicy() & Qt.FocusPolicy.TabFocus
    qtbot.keyClick(ranking, Qt.Key.Key_Down)
    qtbot.keyClick(ranking, Qt.Key.Key_Up)
    assert chosen[1:] == [wanted[2], wanted[1]]
