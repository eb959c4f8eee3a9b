"""The tabs of the right column: made when they are shown, asked about what is in focus, over the picture."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from mixer_gui.bench.material import random_checkpoint
from mixer_gui.gui.focus import Focus
from mixer_gui.gui.labels import heading, plain_tip
from mixer_gui.gui.microscope.charts import nice_ticks
from mixer_gui.gui.microscope.microscope import PANELS
from mixer_gui.records import DifferenceRequest, MixingRequest, ModelRef, PatchReport, UnitsRequest, VideoFeed
from mixer_gui.resources import default_model
from tests.clips import two_photographs, write_clip
from tests.gui.conftest import TIMEOUT_MS, wait_for_results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]


def test_views_are_made_when_they_are_first_shown(start: Start, qtbot: QtBot) -> None:
    window = start().window
    microscope = window.microscope
    assert microscope.panel is None
    assert microscope.panels == ()
    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    first = microscope.panel
    assert first is not None
    assert first.topic == PANELS[0].topic
    assert first.is_shown
    qtbot.keyClick(window, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert microscope.panel is None
    assert not first.is_shown
    microscope.show_tab(1)
    assert microscope.panel is first


def test_each_tab_shows_the_view_of_its_topic_and_says_what_to_do_without_a_picture(start: Start) -> None:
    microscope = start().window.microscope
    for row, entry in enumerate(PANELS, start=1):
        assert microscope.show_panel(entry.topic) is microscope.panel
        panel = microscope.panel
        assert panel is not None
        assert (microscope.tabs.currentIndex(), panel.topic) == (row, entry.topic)
        assert panel._hint.isVisible()
        assert "Open a picture" in panel._hint.text()
        assert not panel.save_button.isEnabled()


def test_views_of_a_photograph_show_numbers_and_can_be_left_and_come_back(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["coffee"], photographs["rocket"])
    microscope = application.window.microscope
    for entry in (*PANELS, *PANELS):
        panel = microscope.show_panel(entry.topic)
        assert panel is not None
        if entry.topic in ("mixing", "class", "units", "convolution"):  # the others have to be told what to do
            qtbot.waitUntil(lambda panel=panel: panel.views() != {}, timeout=TIMEOUT_MS)
        assert not panel._hint.isVisible()
        assert all(isinstance(view, QWidget) for view in panel.views().values())
    application.window.session.show_picture(application.window.session.gallery.picture(1))
    wait_for_results(qtbot, application, 2)
    for entry in PANELS:
        assert microscope.show_panel(entry.topic) is not None


def test_a_views_map_lies_over_the_picture_until_another_is_chosen(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    card, focus = window.picture, window.focus
    layer_map = focus.shown_map
    assert layer_map is not None
    assert not card.panel_button.isVisible()
    window.microscope.show_panel("mixing")
    focus.want_patch(27)
    qtbot.waitUntil(card.panel_button.isChecked, timeout=TIMEOUT_MS)
    panel_map = focus.shown_map
    assert panel_map is not None
    assert panel_map is not layer_map
    assert card.exactness.text() == panel_map.exactness
    card.layer_button.click()
    assert focus.shown_map is not None
    assert focus.shown_map.caption == layer_map.caption
    card.panel_button.click()
    assert focus.shown_map.caption == panel_map.caption
    window.microscope.show_tab(0)
    assert not card.panel_button.isVisible()
    assert focus.shown_map.caption == layer_map.caption


def test_a_chosen_layer_or_class_comes_over_the_picture_whatever_lay_there(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    card, focus = window.picture, window.focus
    window.microscope.show_panel("mixing")
    focus.want_patch(27)
    qtbot.waitUntil(card.panel_button.isChecked, timeout=TIMEOUT_MS)
    window.layers.grid.select_layer(5)
    assert card.layer_button.isChecked()
    assert focus.shown_map.caption.startswith("Layer 6")
    card.panel_button.click()
    window.actions_.next_layer.trigger()  # a key: the view's map is of that layer now
    qtbot.waitUntil(card.panel_button.isChecked, timeout=TIMEOUT_MS)
    assert (focus.layer, window.layers.grid.currentIndex().row()) == (6, 6)
    focus.want_layer(2)
    qtbot.waitUntil(card.panel_button.isChecked, timeout=TIMEOUT_MS)
    window.predictions.list.class_chosen.emit(focus.report.predictions[1].index)
    assert card.evidence_button.isChecked()
    assert focus.shown_map.is_evidence


def test_names_on_buttons_and_tooltips_are_no_markup_and_no_shortcuts(
    start: Start, photographs: dict[str, Path]
) -> None:
    card = start(photographs["coffee"]).window.picture
    card.set_panel_map("black & <b>white</b>")
    assert card.panel_button.text() == "black && <b>white</b>"
    assert card.panel_button.shortcut().isEmpty()
    assert card.panel_button.toolTip().endswith("black &amp; &lt;b&gt;white&lt;/b&gt;</span>")


def test_a_moving_picture_has_to_be_frozen_first(start: Start, qtbot: QtBot, tmp_path: Path) -> None:
    window = start().window
    path = write_clip(tmp_path / "clip.mp4", two_photographs())
    window.live.open(VideoFeed(path), path.name)
    window.microscope.show_panel("class")
    panel = window.microscope.panel
    assert panel is not None
    qtbot.waitUntil(lambda: window.live.picture.report is not None, timeout=TIMEOUT_MS)
    assert "Freeze" in panel._hint.text()
    assert window.focus.report is None
    window.live.toggle()
    qtbot.waitUntil(lambda: window.focus.report is not None, timeout=TIMEOUT_MS)
    assert not panel._hint.isVisible()


def test_answers_about_another_report_are_dropped(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    answers: list[object] = []
    window.focus.answered.connect(answers.append)
    window.picture.view.pin(3)
    qtbot.waitUntil(lambda: answers != [], timeout=TIMEOUT_MS)
    answer = answers[0]
    assert isinstance(answer, PatchReport)
    other = Focus()
    heard: list[object] = []
    other.answered.connect(heard.append)
    other.take_answer(answer)
    assert heard == []


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [(0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]), (-3.0, 7.0, [-2.5, 0.0, 2.5, 5.0]), (2.0, 2.0, [2.0])],
)
def test_ticks_are_round_and_inside(low: float, high: float, values: list[float]) -> None:
    assert [value for value, _ in nice_ticks(low, high)] == pytest.approx(values)


def test_views_never_ask_about_one_reports_class_in_another(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    """A model that knows more classes, then one that knows fewer, while a view that asks about a class is shown."""
    application = start(photographs["coffee"])
    window, focus = application.window, application.window.focus
    window.microscope.show_panel("class")
    asked: list[object] = []
    focus.asked.connect(asked.append)
    other = ModelRef(random_checkpoint("S/32", tmp_path))
    for model in (other, default_model()):
        window.session.set_model(model, window.session.device)
        qtbot.waitUntil(
            lambda model=model: focus.report is not None and focus.report.model.path == model.path, timeout=TIMEOUT_MS
        )
        report = focus.report
        assert report is not None
        about_it = [each for each in asked if isinstance(each, DifferenceRequest) and each.report_id == report.id]
        assert [each.index for each in about_it][:1] == [report.predictions[0].index]
        earlier = [each for each in asked if isinstance(each, DifferenceRequest) and each.report_id < report.id]
        assert all(each.index < 200 for each in earlier) or model == default_model()
        focus.want_patch(report.model.grid.count - 1)
    assert window._message.whole == ""


def test_a_failed_question_is_told_in_the_view_that_asked_and_asked_again_on_request(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"], photographs["rocket"]).window
    panel, focus = window.microscope.show_panel("class"), window.focus
    assert panel is not None
    assert focus.report is not None
    asked: list[object] = []
    failed: list[object] = []
    focus.asked.connect(asked.append)
    focus.question_failed.connect(failed.append)
    bar, impossible = panel.failure_bar, MixingRequest(focus.report.id, 999)
    focus.ask(impossible)
    qtbot.waitUntil(lambda: len(failed) == 1, timeout=TIMEOUT_MS)
    assert not bar.isVisible(), "another's question"
    asked.clear()
    panel.ask(impossible)
    panel.ask(impossible)
    assert asked == [impossible], "it is under way"
    assert panel.is_asked(impossible)
    qtbot.waitUntil(bar.isVisible, timeout=TIMEOUT_MS)
    assert bar.words.text().startswith("⚠ ")
    assert not panel.is_asked(impossible)
    panel.ask(impossible)
    assert asked == [impossible], "it has failed: only on request"
    bar.retry.click()
    assert asked.count(impossible) == 2
    assert not bar.isVisible()
    qtbot.waitUntil(bar.isVisible, timeout=TIMEOUT_MS)
    window.session.show_picture(window.session.gallery.picture(1))
    qtbot.waitUntil(lambda: not bar.isVisible(), timeout=TIMEOUT_MS)


def test_a_view_that_is_left_forgets_what_failed(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    panel = window.microscope.show_panel("class")
    assert panel is not None
    assert panel.report is not None
    panel.ask(MixingRequest(panel.report.id, 999))
    qtbot.waitUntil(panel.failure_bar.isVisible, timeout=TIMEOUT_MS)
    window.microscope.show_tab(0)
    window.microscope.show_panel("class")
    assert not panel.failure_bar.isVisible()


def test_what_is_under_way_is_not_asked_again(start: Start, photographs: dict[str, Path]) -> None:
    """The pointer moves on before the answers come."""
    window = start(photographs["coffee"]).window
    asked: list[object] = []
    window.focus.asked.connect(asked.append)
    for topic in ("class", "units", "faithfulness"):
        asked.clear()
        window.microscope.show_panel(topic)
        for patch in range(5):
            window.focus.set_patch(patch)
        assert len(asked) == len(set(asked)) >= 1
        assert topic != "units" or isinstance(asked[0], UnitsRequest)


def test_saving_is_offered_once_there_is_something(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    microscope = start(photographs["coffee"]).window.microscope
    for topic in ("what_if", "compare"):
        panel = microscope.show_panel(topic)
        assert panel is not None
        assert not panel.save_button.isEnabled()
        assert "nothing to save" in panel.save_button.toolTip()
    panel = microscope.show_panel("units")
    assert panel is not None
    qtbot.waitUntil(panel.save_button.isEnabled, timeout=TIMEOUT_MS)


def test_names_are_never_markup() -> None:
    assert heading("<b>x</b>").textFormat() == Qt.TextFormat.PlainText
    assert plain_tip("<img src='/etc/passwd'>") == "<span>&lt;img src=&#x27;/etc/passwd&#x27;&gt;</span>"
    assert plain_tip("") == ""


def test_tabs_move_together_in_a_narrow_column(start: Start, qtbot: QtBot) -> None:
    window = start().window
    tabs = window.microscope.tabs

    def taken() -> int:
        return sum(tabs.tabRect(row).width() for row in range(tabs.count()))

    window.resize(1600, 900)
    qtbot.waitUntil(lambda: tabs.width() > 600, timeout=TIMEOUT_MS)
    wide = taken()
    window.resize(1024, 640)
    qtbot.waitUntil(lambda: tabs.width() < wide, timeout=TIMEOUT_MS)
    assert taken() <= wide - 8 * tabs.count()
    window.resize(1600, 900)
    qtbot.waitUntil(lambda: taken() == wide, timeout=TIMEOUT_MS)


def test_words_take_the_height_of_the_width_that_they_get(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    """No room is left below the last part of a column that scrolls."""
    window = start(photographs["coffee"], photographs["rocket"]).window
    window.resize(1600, 700)
    panel = window.microscope.show_panel("compare")
    window.comparison.choose(window.comparison.pictures()[0])
    qtbot.waitUntil(lambda: panel.views() != {}, timeout=TIMEOUT_MS)
    content = panel.page.content
    qtbot.waitUntil(lambda: content.height() > panel.page.viewport().height(), timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: content.height() == content.layout().heightForWidth(content.width()), timeout=TIMEOUT_MS)


def test_views_are_imported_while_nothing_happens(tmp_path: Path) -> None:
    """In a process of its own: here other tests have imported them."""
    script = """
import sys, time
from pathlib import Path
from mixer_gui.app import build
from mixer_gui.settings import SettingsFile

def main():
    qt, application = build([], SettingsFile(Path(sys.argv[1]) / "settings.json"))
    names = [f"mixer_gui.gui.microscope.{each}_panel" for each in ("mixing", "class", "what_if", "compare")]
    assert not any(name in sys.modules for name in names)
    application.window.focus.report_changed.emit()
    deadline = time.monotonic() + 20
    while not all(name in sys.modules for name in names) and time.monotonic() < deadline:
        qt.processEvents()
    print(all(name in sys.modules for name in names))
    application.window.close()
    application.shut_down()

if __name__ == "__main__":
    main()
"""
    path = tmp_path / "script.py"
    path.write_text(script)
    answer = subprocess.run([sys.executable, path, tmp_path], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.splitlines()[-1] == "True"
