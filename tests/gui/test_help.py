"""The help panel: every topic, the way to it, and its keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest

from mixer_gui.gui.help_panel import HelpPanel, topic_html
from mixer_gui.gui.microscope.help_texts import help_topics
from mixer_gui.gui.microscope.microscope import PANELS
from mixer_gui.gui.theme import DARK, LIGHT
from mixer_gui.settings import Theme
from tests.gui.conftest import TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]

# What the offscreen platform says of every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")
TOPICS = {each.key: each for each in help_topics()}


def words(markup: str) -> list[str]:
    return re.sub(r"<[^>]*>|&nbsp;", " ", markup).split()


def test_every_view_has_a_topic() -> None:
    assert set(TOPICS) == {"overview", "live", *(each.topic for each in PANELS)}


@pytest.mark.parametrize("key", TOPICS)
def test_topic_has_words_formula_exactness_caution_and_links(key: str) -> None:
    topic = TOPICS[key]
    length = sum(len(words(part)) for part in (topic.words, topic.exactness, topic.caution))
    assert 80 <= length <= 160, f"{length} words"
    assert re.search(r"[=−·]|P×P", topic.formula)
    assert re.search(r"(?i)exact|approximate", topic.exactness)
    assert topic.links
    assert all(address.startswith("https://") for _, address in topic.links)


def test_links_lead_to_the_papers() -> None:
    addresses = {address for each in TOPICS.values() for _, address in each.links}
    for number in ("2105.01601", "1512.04150", "1610.02391", "1806.07421", "1703.01365", "2105.03404"):
        assert f"https://arxiv.org/abs/{number}" in addresses
    assert any("logit-lens" in each for each in addresses)


def test_f1_shows_the_topic_of_the_tab(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    qtbot.waitUntil(window.isActiveWindow, timeout=TIMEOUT_MS)
    QTest.keyClick(window, Qt.Key.Key_F1)
    help_panel = window.report_commands.help
    assert help_panel is not None
    assert help_panel.isVisible()
    assert not help_panel.isModal()
    assert help_panel.topic == "overview"
    assert "token mixing" in help_panel.text.toPlainText()
    window.microscope.show_panel("mixing")
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=TIMEOUT_MS)
    QTest.keyClick(window, Qt.Key.Key_F1)
    assert help_panel.topic == "mixing"
    assert "mixing matrix" in help_panel.text.toPlainText()


def test_question_mark_of_a_view_shows_its_topic(start: Start, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    window.microscope.show_panel("class").help_button.click()
    assert window.report_commands.help.topic == "class"
    assert "Evidence" in window.report_commands.help.text.toPlainText()


def test_contents_lead_from_topic_to_topic_by_keyboard_and_escape_closes(qtbot: QtBot) -> None:
    panel = HelpPanel()
    qtbot.addWidget(panel)
    panel.show_topic("units")
    panel.show_up()
    panel.contents.setFocus()
    QTest.keyClick(panel.contents, Qt.Key.Key_Down)
    assert panel.topic == "convolution"
    assert "Is it a CNN?" in panel.text.toPlainText()
    QTest.keyClick(panel.text, Qt.Key.Key_Escape)
    assert not panel.isVisible()


def test_panel_comes_back_where_it_was(qtbot: QtBot) -> None:
    panel = HelpPanel()
    qtbot.addWidget(panel)
    panel.resize(500, 300)
    panel.show_topic("mixing")
    panel.show_up()
    panel.text.verticalScrollBar().setValue(60)
    panel.move(40, 30)
    panel.show_topic("class")
    panel.show_topic("mixing")
    assert panel.text.verticalScrollBar().value() == 60
    place = panel.geometry()
    panel.reject()
    panel.resize(300, 300)
    panel.show_up()
    assert panel.geometry() == place


def test_help_is_there_again_at_the_next_start(start: Start, qtbot: QtBot) -> None:
    application = start()
    window = application.window
    window.report_commands.show_help("units")
    panel = window.report_commands.help
    panel.resize(500, 300)
    panel.move(40, 30)
    place = panel.geometry()
    window.close()
    settings = window.settings()
    assert (settings.help_topic, settings.help_is_open) == ("units", True)
    again = start(settings=settings).window
    qtbot.waitUntil(lambda: again.report_commands.help is not None, timeout=TIMEOUT_MS)
    opened = again.report_commands.help
    assert (opened.isVisible(), opened.topic) == (True, "units")
    assert opened.geometry() == place
    opened.close()
    again.close()
    assert not again.settings().help_is_open
    assert again.settings().help_topic == "units"


def test_links_open_in_the_browser_on_a_click_only(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda address: opened.append(address.toString()))
    panel = HelpPanel()
    qtbot.addWidget(panel)
    for key in TOPICS:
        panel.show_topic(key)
    panel.show_up()
    assert not opened
    panel.text.anchorClicked.emit(QUrl("https://arxiv.org/abs/2105.01601"))
    panel.text.anchorClicked.emit(QUrl("file:///etc/passwd"))
    assert opened == ["https://arxiv.org/abs/2105.01601"]


def test_colours_follow_the_theme(start: Start, qtbot: QtBot) -> None:
    window = start().window
    window.set_theme(Theme.DARK)
    window.report_commands.show_help("mixing")
    assert DARK.field in topic_html(TOPICS["mixing"])
    window.set_theme(Theme.LIGHT)
    qtbot.waitUntil(lambda: LIGHT.field in window.report_commands.help.text.toHtml(), timeout=TIMEOUT_MS)
    assert DARK.field not in window.report_commands.help.text.toHtml()
