"""Errors that nobody foresaw: raised in real slots, threads and destructors, and what the window makes of them."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QObject, QTimer, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QLabel, QPushButton

from mixer_gui import __version__, logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.error_dialog import ErrorDialog

    Start = Callable[..., Application]


pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")  # of every dialog, offscreen


@pytest.fixture
def application(start: Start, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    """With its hooks in place of pytest's."""
    for module, name in ((sys, "excepthook"), (threading, "excepthook"), (sys, "unraisablehook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    made = start()
    made.unforeseen.install()
    yield made
    monkeypatch.undo()
    if made.unforeseen.dialog is not None:
        made.unforeseen.dialog.close()


class Faulty(QObject):
    @Slot()
    def fail(self) -> None:
        raise ValueError("a bug in a slot")


def fail_in_a_slot() -> None:
    QTimer.singleShot(0, faulty := Faulty(), faulty.fail)
    Faulty.kept = faulty


def fail_in_a_thread() -> None:
    def fail() -> None:
        raise LookupError("a bug in a thread")

    thread = threading.Thread(target=fail, name="some-thread")
    thread.start()
    thread.join()


def dialog_of(application: Application, qtbot: QtBot) -> ErrorDialog:
    qtbot.waitUntil(lambda: application.unforeseen.dialog is not None and application.unforeseen.dialog.isVisible())
    dialog = application.unforeseen.dialog
    assert dialog is not None
    return dialog


def words(dialog: ErrorDialog) -> str:
    return "\n".join(each.text() for each in dialog.findChildren(QLabel) if not each.isHidden())


def button(dialog: ErrorDialog, text: str) -> QPushButton:
    (found,) = (each for each in dialog.findChildren(QPushButton) if each.text() == text)
    return found


def test_error_in_a_slot_is_shown_logged_and_the_window_goes_on(
    application: Application, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    fail_in_a_slot()
    dialog = dialog_of(application, qtbot)
    assert not dialog.isModal()
    assert "a bug in a slot" in words(dialog)
    assert "Nothing was sent anywhere" in words(dialog)
    assert "Faulty" not in words(dialog)
    assert not dialog.details.isVisible()
    (record,) = (each for each in caplog.records if each.name == "mixer_gui.gui.unforeseen")
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError
    assert application.window.isEnabled()


def test_error_in_a_thread_names_the_thread_in_its_details(application: Application, qtbot: QtBot) -> None:
    fail_in_a_thread()
    dialog = dialog_of(application, qtbot)
    assert "a bug in a thread" in words(dialog)
    button(dialog, "Show Details").click()
    assert dialog.details.isVisible()
    assert "In thread some-thread" in dialog.details.toPlainText()
    assert "in fail\n" in dialog.details.toPlainText()


def test_error_in_a_destructor_is_shown(application: Application, qtbot: QtBot) -> None:
    class Falling:
        def __del__(self) -> None:
            raise OSError("a bug at the end")

    Falling()
    assert "a bug at the end" in words(dialog_of(application, qtbot))


def test_exit_of_a_thread_is_no_error(application: Application, qtbot: QtBot) -> None:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    qtbot.wait(50)
    assert application.unforeseen.dialog is None


def test_many_errors_open_one_dialog_which_counts_them(application: Application, qtbot: QtBot) -> None:
    fail_in_a_slot()
    dialog = dialog_of(application, qtbot)
    for _ in range(30):
        fail_in_a_thread()
    qtbot.waitUntil(lambda: dialog.errors == 31)
    assert application.unforeseen.dialog is dialog
    assert "31 errors so far; the last one: LookupError: a bug in a thread" in words(dialog)
    details = dialog.details.toPlainText()
    assert details.count("LookupError: a bug in a thread") == 1
    assert "ValueError: a bug in a slot" in details


def test_closed_dialog_opens_for_another_error_but_not_for_the_same(application: Application, qtbot: QtBot) -> None:
    fail_in_a_thread()
    first = dialog_of(application, qtbot)
    button(first, "Close").click()
    fail_in_a_thread()
    message = application.window._message
    qtbot.waitUntil(lambda: "The same error happened again" in message.toolTip())
    assert not first.isVisible()
    fail_in_a_slot()
    assert "a bug in a slot" in words(dialog_of(application, qtbot))
    assert application.unforeseen.dialog is not first


def test_details_that_are_copied_say_what_a_report_needs(application: Application, qtbot: QtBot) -> None:
    fail_in_a_slot()
    dialog = dialog_of(application, qtbot)
    button(dialog, "Copy Details").click()
    copied = QGuiApplication.clipboard().text()
    torch = sys.modules["torch"]
    for part in (
        f"Mixer GUI {__version__}",
        "PySide6 6.",
        f"torch {torch.__version__}",
        "Traceback",
        "a bug in a slot",
    ):
        assert part in copied
    assert f"Device: {application.window.session.ready.device.name}" in copied


class Opener(QObject):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(url.toLocalFile())


@pytest.fixture
def opener() -> Iterator[Opener]:
    """In place of the desktop's own file manager."""
    made = Opener()
    QDesktopServices.setUrlHandler("file", made, "open")
    yield made
    QDesktopServices.unsetUrlHandler("file")


def test_folder_of_the_log_is_opened_from_the_menu_and_the_dialog(
    application: Application, qtbot: QtBot, opener: Opener
) -> None:
    application.window.actions_.show_log.trigger()
    assert opener.opened == []
    assert "There is no log" in application.window._message.toolTip()
    logs.folder().mkdir(parents=True)
    application.window.actions_.show_log.trigger()
    assert opener.opened == [str(logs.folder())]
    assert application.window._message.toolTip() == ""
    fail_in_a_slot()
    button(dialog_of(application, qtbot), "Open the Log's Folder").click()
    assert opener.opened == [str(logs.folder())] * 2


def test_crash_of_the_last_run_is_told_in_a_sentence(application: Application) -> None:
    application.tell_of_crash()
    said = application.window._message.toolTip()
    assert "ended unexpectedly last time" in said
    assert str(logs.folder()) in said.replace("<wbr>", "")
