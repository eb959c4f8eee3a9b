"""Checkpoints that mean harm, dropped on the window: a sentence, the model in use stays, nothing was run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hostile import detonate, write_climbing_config, write_climbing_index, write_pickle

from mixer_gui.gui.prediction_list import PREDICTION_ROLE
from tests.gui.conftest import TIMEOUT_MS, wait_for_results
from tests.gui.test_window import drop, files_mime

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]


def pickle_with_torch(folder: Path, marker: Path) -> Path:
    return write_pickle(folder / "trap.pth", marker)


def archive_with_objects(folder: Path, marker: Path) -> Path:
    return write_pickle(folder / "trap.npz", marker)


def climbing_config(folder: Path, marker: Path) -> Path:
    write_pickle(folder / "x.pth", marker)
    return write_climbing_config(folder / "a" / "b" / "c", "../../../x.pth", "pretrained_cfg.file")


def climbing_index(folder: Path, marker: Path) -> Path:
    write_pickle(folder / "x.pth", marker)
    return write_climbing_index(folder / "hub", "../x.pth")


@pytest.mark.parametrize("way", ["dropped", "opened"])
@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (pickle_with_torch, "could run code when it is read"),
        (archive_with_objects, "can run code when they are read"),
        (climbing_config, "names a file outside its own folder"),
        (climbing_index, "no safetensors file in its own folder"),
    ],
)
def test_hostile_model_is_refused_and_the_one_in_use_stays(
    start: Start,
    qtbot: QtBot,
    photographs: dict[str, Path],
    tmp_path: Path,
    write: Callable[[Path, Path], Path],
    sentence: str,
    way: str,
) -> None:
    marker = tmp_path / "harmed"
    path = write(tmp_path, marker)
    pickled = path if path.is_file() else tmp_path / "x.pth"
    detonate(pickled)
    assert marker.exists(), "the payload is a dud: this test could not fail"
    marker.unlink()
    application = start(photographs["coffee"])
    window = application.window
    ready, report = window.session.ready, window.session.current.report
    if way == "dropped":
        drop(application, files_mime(path))
    else:
        window.models.open(path)
    qtbot.waitUntil(lambda: sentence in window._message.whole, timeout=TIMEOUT_MS)
    assert window.session.ready is ready
    assert window.session.current.report is report
    drop(application, files_mime(photographs["rocket"]))  # and it still answers
    wait_for_results(qtbot, application, 2)
    assert window.session.current.report.model == ready.info
    assert window.predictions.list.model().index(0, 0).data(PREDICTION_ROLE) is not None
    assert not marker.exists()
