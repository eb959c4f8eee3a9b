"""About: versions, licences of all there is, and what the device menu says of the flavour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QApplication, QMenu

from mixer_gui import __version__
from mixer_gui.flavour import CUDA_ADDRESS, TorchBuild, torch_build
from mixer_gui.gui import about
from mixer_gui.gui.about import AboutDialog
from mixer_gui.gui.flavour_lines import FlavourLines, flavour_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")  # of every dialog, offscreen


@pytest.fixture
def dialog(qtbot: QtBot) -> AboutDialog:
    made = AboutDialog()
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.view.model().rowCount() > 0)
    return made


def names(dialog: AboutDialog) -> list[str]:
    model = dialog.view.model()
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def choose(dialog: AboutDialog, name: str) -> None:
    dialog.view.setCurrentIndex(dialog.view.model().index(names(dialog).index(name), 0))


def test_everything_is_listed_with_its_licence_and_text(dialog: AboutDialog) -> None:
    assert names(dialog)[:3] == ["mixer-gui", "Built-in model", "Class names"]
    assert {"torch", "PySide6", "numpy", "Python"} <= set(names(dialog))
    assert "Apache License" in dialog.text.toPlainText(), "the project's own comes first"
    choose(dialog, "numpy")
    assert "BSD-3-Clause" in dialog.terms.text()
    assert "NumPy Developers" in dialog.text.toPlainText()
    choose(dialog, "Built-in model")
    assert "non-commercial research and education" in dialog.text.toPlainText()
    assert "| |" not in dialog.text.toPlainText(), "its table is shown as one"


def test_search_goes_by_name_and_licence_and_shows_the_first_match(dialog: AboutDialog, qtbot: QtBot) -> None:
    assert dialog.focusWidget() is dialog.search
    qtbot.keyClicks(dialog.search, "lgpl")
    assert "PySide6" in names(dialog)
    assert "numpy" not in names(dialog)
    dialog.search.clear()
    qtbot.keyClicks(dialog.search, "einOPS")
    assert names(dialog) == ["einops"]
    assert "einops" in dialog.terms.text()
    assert "Alex Rogozhnikov" in dialog.text.toPlainText()
    qtbot.keyClicks(dialog.search, "x")
    assert names(dialog) == []
    assert dialog.text.toPlainText() == ""


def test_versions_are_copied_for_a_report(dialog: AboutDialog, qtbot: QtBot) -> None:
    qtbot.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].startswith(f"Mixer GUI {__version__} (")
    assert [line.split()[0] for line in lines[1:4]] == ["Python", "Qt", "torch"]
    assert lines[3] == f"torch {torch_build().version}"
    assert dialog.copy.text() == "Copied"
    qtbot.waitUntil(lambda: dialog.copy.text() == "Copy &Versions", timeout=5000)


def test_links_open_in_the_browser(dialog: AboutDialog, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    choose(dialog, "torch")
    dialog.terms.linkActivated.emit("https://pytorch.org")
    dialog.text.anchorClicked.emit(QUrl("file:///etc/passwd"))
    assert opened == [QUrl("https://pytorch.org")]


def test_a_machine_whose_gpu_is_not_used_is_told_how(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(about, "lacks_cuda", lambda build: True)
    told = AboutDialog()
    qtbot.addWidget(told)
    warnings = [each.text() for each in told.findChildren(about.QLabel) if each.objectName() == "warning"]
    assert len(warnings) == 1
    assert "CUDA package" in warnings[0]


def test_help_menu_opens_it(start: Callable[..., Application], qtbot: QtBot) -> None:
    application = start()
    seen: list[str] = []

    def close() -> None:
        shown = QApplication.activeModalWidget()
        if isinstance(shown, AboutDialog) and shown.view.model().rowCount():
            seen.append(shown.windowTitle())
            shown.reject()
        else:
            about.QTimer.singleShot(20, close)

    about.QTimer.singleShot(0, close)
    application.window.actions_.about.trigger()
    assert seen == ["About Mixer GUI"]


def test_device_menu_names_the_flavour_once_it_is_opened(start: Callable[..., Application], qtbot: QtBot) -> None:
    menu = start().window.actions_.device
    before = len(menu.actions())
    for _ in range(2):
        menu.aboutToShow.emit()
    build = torch_build()
    lines = [each for each in menu.actions()[before:] if not each.isSeparator()]
    assert lines[0].text() == f"{flavour_text(build)} (torch {build.version})"
    assert not lines[0].isEnabled()
    assert sum(flavour_text(build) in each.text() for each in menu.actions()) == 1


def test_cpu_flavour_says_how_to_use_an_nvidia_gpu(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    menu = QMenu()
    qtbot.addWidget(menu)
    lines = FlavourLines(menu)
    lines.show_build(TorchBuild("2.13.0+cpu"), lacks=True)
    _, told, way = menu.actions()
    assert told.text() == "CPU flavour (torch 2.13.0+cpu)"
    assert "CUDA package" in told.toolTip()
    assert menu.toolTipsVisible()
    way.trigger()
    assert opened == [QUrl(CUDA_ADDRESS)]


def test_cuda_flavour_has_nothing_to_explain(qtbot: QtBot) -> None:
    menu = QMenu()
    qtbot.addWidget(menu)
    FlavourLines(menu).show_build(TorchBuild("2.13.0+cu128", cuda="12.8"), lacks=False)
    assert [each.text() for each in menu.actions() if not each.isSeparator()] == [
        "CUDA 12.8 flavour (torch 2.13.0+cu128)"
    ]
