"""The window against a real Hub server: found, downloaded, used, kept, and there without a network."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton

from mixer_gui.hub.client import Hub
from mixer_gui.records import Failure, ModelRef
from mixer_gui.resources import default_model
from mixer_gui.settings import Settings
from tests.gui.conftest import TIMEOUT_MS, wait_for_results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from faulty_proxy import FaultyProxy
    from hub_repositories import Repository
    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]

WEIGHTS = "*/model.safetensors"


def hub_at(endpoint: str, cache: Path, pauses_s: tuple[float, ...] = (0.1, 0.1)) -> Hub:
    return Hub(endpoint=endpoint, cache=cache, pauses_s=pauses_s)


def button(widget: object, text: str) -> QAbstractButton:
    """The one visible button with that text."""
    found = [
        each
        for each in widget.findChildren(QAbstractButton)  # type: ignore[attr-defined]
        if each.text().replace("&", "") == text and each.isVisible()
    ]
    assert len(found) == 1, [each.text() for each in widget.findChildren(QAbstractButton)]  # type: ignore[attr-defined]
    return found[0]


def look_up_and_download(qtbot: QtBot, application: Application, name: str) -> None:
    """Through the list's widgets, as a user does it."""
    commands = application.window.model_commands
    application.window.actions_.models.trigger()
    manager = commands.manager
    assert manager is not None
    qtbot.keyClicks(manager.search.field, name)
    qtbot.keyClick(manager.search.field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: commands.library.found is not None, timeout=TIMEOUT_MS)
    qtbot.mouseClick(button(manager.search, "Download"), Qt.MouseButton.LeftButton)


def timm_logits(folder: Path, picture: Path) -> np.ndarray:
    """What timm itself says of a picture with the weights of a folder, by its own transform."""
    import torch
    from PIL import Image
    from safetensors.torch import load_file

    from tests.references import import_timm

    timm = import_timm()
    model = timm.create_model("mixer_s32_224").eval()
    model.load_state_dict(load_file(folder / "model.safetensors"))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    with torch.no_grad(), Image.open(picture) as image:
        return model(transform(image.convert("RGB"))[None])[0].numpy()


def test_found_downloaded_used_and_there_without_a_network(
    qtbot: QtBot, start: Start, mixer_repository: Repository, tmp_path: Path, photographs: dict[str, Path]
) -> None:
    from hub_server import HubServer

    cache = tmp_path / "hub"
    with HubServer(tmp_path / "server") as server:
        server.add(mixer_repository.name, mixer_repository.files)
        application = start(photographs["chelsea"], hub=hub_at(server.endpoint, cache))
        window = application.window
        assert window.predictions.offer.isVisible()
        look_up_and_download(qtbot, application, mixer_repository.name)
        qtbot.waitUntil(lambda: window.session.model != default_model(), timeout=60_000)
        wait_for_results(qtbot, application, 1)
        report = window.session.current.report
        assert report.model.name == mixer_repository.name
        reference = timm_logits(mixer_repository.files, photographs["chelsea"])
        said = {each.index: each.logit for each in report.predictions}
        np.testing.assert_allclose([said[index] for index in said], reference[list(said)], atol=1e-4)
        assert list(said) == list(np.argsort(-reference)[: len(said)])
        assert not window.predictions.offer.isVisible()
        remembered = window.settings()
        application.shut_down()
        server.stop()

        again = start(
            photographs["chelsea"],
            hub=hub_at(server.endpoint, cache),
            settings=remembered,
        )
        assert again.window.session.model.path.parent.parent.parent == cache
        assert again.window.session.current.report.model == report.model
        # Listing what is on disk waits for nobody either.
        again.window.actions_.models.trigger()
        library = again.window.model_commands.library
        qtbot.waitUntil(lambda: library.store is not None, timeout=2000)
        assert [model.repository for model in library.store.models] == [mixer_repository.name]


def test_the_old_result_stays_until_the_new_one_is_there(
    qtbot: QtBot,
    start: Start,
    proxy: FaultyProxy,
    tiny_repository: Repository,
    tmp_path: Path,
    photographs: dict[str, Path],
) -> None:
    application = start(photographs["coffee"], hub=hub_at(proxy.endpoint, tmp_path / "hub"))
    session = application.window.session
    shown: list[str] = []

    def look() -> None:
        report = session.current.report
        shown.append("none" if report is None else report.model.name)

    session.report_changed.connect(look)
    session.model_changed.connect(look)
    look_up_and_download(qtbot, application, tiny_repository.name)
    qtbot.waitUntil(lambda: bool(shown) and shown[-1] == tiny_repository.name, timeout=TIMEOUT_MS)
    assert "none" not in shown


def test_a_lost_network_and_cancel_lose_nothing(
    qtbot: QtBot, start: Start, proxy: FaultyProxy, mixer_repository: Repository, tmp_path: Path
) -> None:
    size = mixer_repository.weights.stat().st_size
    proxy.limit_rate(WEIGHTS, 30_000_000)
    application = start(hub=hub_at(proxy.endpoint, tmp_path / "hub", ()))
    window, library = application.window, application.window.model_commands.library
    look_up_and_download(qtbot, application, mixer_repository.name)
    manager = window.model_commands.manager
    qtbot.waitUntil(lambda: proxy.sent_bytes(WEIGHTS) > size // 3, timeout=TIMEOUT_MS)
    assert window.status.download.isVisible()
    proxy.stop()
    qtbot.waitUntil(lambda: not library.active() and library.store is not None and bool(library.store.models))
    (partial,) = library.store.models
    assert partial.is_partial
    assert "What arrived is kept" in window._message.text()
    proxy.start()
    qtbot.mouseClick(button(manager.area, "Continue"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: proxy.sent_bytes(WEIGHTS) > size // 2, timeout=TIMEOUT_MS)
    qtbot.mouseClick(button(window.status.download, "Cancel"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not library.active(), timeout=2000)
    proxy.heal()
    qtbot.waitUntil(lambda: bool(library.store.models) and library.store.models[0].size_bytes > size // 3)
    qtbot.mouseClick(button(manager.area, "Continue"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.session.model != default_model(), timeout=TIMEOUT_MS)
    assert proxy.sent_bytes(WEIGHTS) - size <= 0.1 * size


def test_deleting_the_model_in_use_switches_to_the_built_in_one_first(
    qtbot: QtBot,
    start: Start,
    proxy: FaultyProxy,
    tiny_repository: Repository,
    tmp_path: Path,
    photographs: dict[str, Path],
) -> None:
    application = start(photographs["coffee"], hub=hub_at(proxy.endpoint, tmp_path / "hub"))
    session, commands = application.window.session, application.window.model_commands
    look_up_and_download(qtbot, application, tiny_repository.name)
    qtbot.waitUntil(lambda: session.model != default_model(), timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: commands.library.store is not None and bool(commands.library.store.models))
    models_when_removed: list[ModelRef] = []
    application.hub.removed.connect(lambda _: models_when_removed.append(session.model))
    commands.remove(commands.library.store.models[0])
    qtbot.waitUntil(lambda: bool(models_when_removed), timeout=TIMEOUT_MS)
    assert models_when_removed == [default_model()]
    assert not list((tmp_path / "hub").glob("models--*"))


def test_the_model_of_last_time_is_gone(
    qtbot: QtBot, start: Start, tmp_path: Path, photographs: dict[str, Path]
) -> None:
    gone = tmp_path / "hub" / "models--owner--name" / "snapshots" / ("a" * 40)
    application = start(
        photographs["coffee"],
        hub=hub_at("http://127.0.0.1:9", tmp_path / "hub"),
        settings=Settings(model_path=str(gone)),
    )
    window = application.window
    assert window.session.model == default_model()
    assert window.session.current.report is not None
    assert "owner/name" in window._message.text()
    assert "built-in one takes its place" in window._message.text()
    # The picture asked for it, too, and that failure may come later.
    application.worker.failed.emit(Failure(None, "", gone.name, "Too late.", model=ModelRef(gone)))
    assert "built-in one takes its place" in window._message.text()


def test_closing_the_window_ends_a_download_and_the_next_start_continues(
    qtbot: QtBot, start: Start, proxy: FaultyProxy, mixer_repository: Repository, tmp_path: Path
) -> None:
    size = mixer_repository.weights.stat().st_size
    proxy.limit_rate(WEIGHTS, 20_000_000)
    application = start(hub=hub_at(proxy.endpoint, tmp_path / "hub"))
    look_up_and_download(qtbot, application, mixer_repository.name)
    qtbot.waitUntil(lambda: proxy.sent_bytes(WEIGHTS) > size // 3, timeout=TIMEOUT_MS)
    began = time.monotonic()
    application.window.close()
    application.shut_down()
    assert time.monotonic() - began < 2
    proxy.heal()
    again = start(hub=hub_at(proxy.endpoint, tmp_path / "hub"))
    again.window.actions_.models.trigger()
    library, manager = again.window.model_commands.library, again.window.model_commands.manager
    qtbot.waitUntil(lambda: library.store is not None and bool(library.store.models), timeout=TIMEOUT_MS)
    qtbot.mouseClick(button(manager.area, "Continue"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: again.window.session.model != default_model(), timeout=TIMEOUT_MS)
    assert proxy.sent_bytes(WEIGHTS) - size <= 0.1 * size / 3
