"""A running application for the tests of the window: real engine thread, real decoder, the embedded model.

The Hub's service is the real one, too, on an empty cache of the test's own; nothing answers at its address.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from mixer_gui.app import Application
from mixer_gui.gui.theme import apply_theme
from mixer_gui.gui.workers import HubWorker, hub_service
from mixer_gui.hub.client import Hub
from mixer_gui.settings import Settings, SettingsFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

TIMEOUT_MS = 30_000
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def hub_cache(tmp_path: Path) -> Path:
    """The folder where downloaded models are kept; not there yet."""
    return tmp_path / "hub"


@pytest.fixture
def start(qtbot: QtBot, tmp_path: Path, hub_cache: Path) -> Iterator[Callable[..., Application]]:
    """Start the application, painted and with its model loaded; shut down in order at the end."""
    nowhere = Hub(endpoint=NOWHERE, cache=hub_cache, pauses_s=())
    started: list[Application] = []

    def run(*files: Path, settings: Settings | None = None, wait: bool = True, hub: Hub = nowhere) -> Application:
        settings_file = SettingsFile(tmp_path / "settings" / "settings.json")
        if settings is not None:
            settings_file.save(settings)
        application = Application(list(files), settings_file, HubWorker(partial(hub_service, hub=hub)))
        started.append(application)
        apply_theme(qtbot_application(), settings_file.load().theme)
        application.window.resize(1100, 700)
        application.window.show()
        if wait:
            qtbot.waitUntil(lambda: application.window.session.ready is not None, timeout=TIMEOUT_MS)
        if wait and files:
            wait_for_results(qtbot, application, len(files))
        return application

    yield run
    for application in started:
        application.window.close()
        application.shut_down()
        application.window.deleteLater()


def qtbot_application():  # noqa: ANN201 - Qt's own type is imported where it is used
    from PySide6.QtWidgets import QApplication

    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.setStyle("Fusion")
    return application


def wait_for_results(qtbot: QtBot, application: Application, pictures: int) -> None:
    """Until that many pictures are in the strip and each has a result or a failure."""
    session = application.window.session

    def done() -> bool:
        current = session.current
        return (
            session.gallery.rowCount() >= pictures
            and session.waiting == 0
            and current is not None
            and (current.failure is not None or current.frame is not None)
        )

    qtbot.waitUntil(done, timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Real photographs: scikit-image's public-domain and CC0 ones, as files."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the real photographs")
    from PIL import Image

    folder = tmp_path_factory.mktemp("photographs")
    paths = {}
    for name in ("chelsea", "coffee", "rocket", "astronaut"):
        paths[name] = folder / f"{name}.png"
        Image.fromarray(getattr(data, name)()).save(paths[name])
    return paths
