"""Names of kinds of people in the real window: hidden in every place until they are asked for, then in every place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from checkpoints import random_mixer, tiny_config, write_hub_folder
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QListView

from mixer_gui.classes import known_names
from mixer_gui.gui.dialogs import ClassListDialog
from mixer_gui.records import HIDDEN_NAME
from mixer_gui.settings import Settings
from tests.gui.conftest import TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.window import MainWindow

    Start = Callable[..., Application]

ASTRONAUT = "n09818022"  # a kind of person whose name offends nobody


@pytest.fixture(scope="module")
def large_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Mixer with Google's 21,843 classes that takes everything for an astronaut, at every layer."""
    model = random_mixer(tiny_config(num_classes=21843))
    with torch.no_grad():
        model.head.bias[known_names(21843).wnids.index(ASTRONAUT)] = 100.0
    return write_hub_folder(model, tmp_path_factory.mktemp("large") / "model")


def everything_said(window: MainWindow) -> dict[str, str]:
    """Every place where the window names the first class."""
    window.files.copy(5)
    first = window.predictions.list.model().index(0, 0)
    layer = window.layers.grid.layers.index(0)
    picture = window.session.gallery.index(0)
    return {
        "prediction": first.data(),
        "prediction's tooltip": first.data(Qt.ItemDataRole.ToolTipRole),
        "prediction for screen readers": first.data(Qt.ItemDataRole.AccessibleTextRole),
        "layer": layer.data(),
        "layer's tooltip": layer.data(Qt.ItemDataRole.ToolTipRole),
        "lens": window.layers._lens.whole,
        "strip": picture.data(Qt.ItemDataRole.ToolTipRole),
        "strip's caption": window.picture.strip.itemDelegate()._caption(
            window.session.gallery.picture(0), picture.data(Qt.ItemDataRole.UserRole + 1)
        ),
        "evidence button": window.picture.evidence_button.text(),
        "contribution": window.layers.kind.itemText(window.layers.kind.count() - 1),
        "clipboard": QGuiApplication.clipboard().text(),
        "export": window.files.results(5)[0].predictions[0].label,
    }


def test_hidden_names_are_shown_on_request_everywhere_and_at_once(
    start: Start, photographs: dict[str, Path], large_model: Path
) -> None:
    window = start(photographs["coffee"], settings=Settings(model_path=str(large_model))).window
    report = window.session.current.report
    assert report.predictions[0].wnid == ASTRONAUT
    for wanted in (False, True, False):
        assert window.actions_.show_person_names.isChecked() is wanted
        for place, text in everything_said(window).items():
            assert ("astronaut" in text) is wanted, place
            assert (HIDDEN_NAME in text) is not wanted, place
        tooltip = everything_said(window)["prediction's tooltip"]
        assert ASTRONAUT in tooltip
        assert ("View → Show Names of Person Classes" in tooltip) is not wanted
        window.actions_.show_person_names.trigger()
        assert window.session.current.report is report  # nothing was run again
        assert window.session.waiting == 0
    assert window.settings().show_person_names


def test_choice_is_remembered_and_written_to_files(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], large_model: Path, tmp_path: Path
) -> None:
    settings = Settings(model_path=str(large_model), show_person_names=True)
    window = start(photographs["coffee"], settings=settings).window
    assert window.actions_.show_person_names.isChecked()
    assert all("astronaut" in text for text in everything_said(window).values())
    path = tmp_path / "results.json"
    with qtbot.waitSignal(window.files.saver.saved, timeout=TIMEOUT_MS):
        window.files.saver.save_results(window.files.results(1), path)
    (result,) = json.loads(path.read_text(encoding="utf-8"))
    assert result["predictions"][0]["label"].startswith("astronaut")


def test_chosen_class_is_named_as_the_list_names_it(
    start: Start, photographs: dict[str, Path], large_model: Path
) -> None:
    window = start(photographs["coffee"], settings=Settings(model_path=str(large_model))).window
    window.explorer.choose_class(window.session.current.report.predictions[0].index)
    assert HIDDEN_NAME in window.picture.evidence_button.text()
    window.actions_.show_person_names.trigger()
    assert "astronaut" in window.picture.evidence_button.text()
    assert window.picture.evidence_button.isChecked()


def listed(dialog: ClassListDialog) -> tuple[str, list[str]]:
    """What the dialog says of the names, and the names."""
    model = dialog.findChild(QListView).model()
    labels = [model.index(row, 0).data() for row in range(model.rowCount())]
    return " ".join(label.text() for label in dialog.findChildren(QLabel)), labels


def test_class_list_says_where_its_names_come_from_and_what_is_hidden(
    start: Start, qtbot: QtBot, large_model: Path
) -> None:
    info = start(settings=Settings(model_path=str(large_model))).window.session.ready.info
    index = info.names.wnids.index(ASTRONAUT)
    for reveal in (False, True):
        dialog = ClassListDialog(info, reveal=reveal)
        qtbot.addWidget(dialog)
        said, labels = listed(dialog)
        assert "ImageNet-21k (Google)" in said
        assert "21,843" in said
        assert ("2,836 names of kinds of people are hidden" in said) is not reveal
        assert len(labels) == 21843
        assert (labels[index] == HIDDEN_NAME) is not reveal
        assert labels.count(HIDDEN_NAME) == (0 if reveal else 2836)


def test_class_list_of_the_embedded_model_needs_no_word_about_its_names(start: Start, qtbot: QtBot) -> None:
    info = start().window.session.ready.info
    dialog = ClassListDialog(info)
    qtbot.addWidget(dialog)
    said, labels = listed(dialog)
    assert said == ""
    assert len(labels) == 200


def test_tutorial_checkpoint_shows_numbers_and_says_so(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    folder = write_hub_folder(random_mixer(tiny_config(num_classes=1000)), tmp_path / "tutorial", "tutorial")
    window = start(photographs["coffee"], settings=Settings(model_path=str(folder))).window
    first = window.session.current.report.predictions[0]
    assert window.predictions.list.model().index(0, 0).data() == f"class {first.index}"
    dialog = ClassListDialog(window.session.ready.info)
    qtbot.addWidget(dialog)
    said, labels = listed(dialog)
    assert "go by their numbers" in said
    assert labels[283] == "class 283"
