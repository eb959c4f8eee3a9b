"""The list of models through its real widgets: find, download, keep, use, delete; and what the window says meanwhile.

The cache on disk and the engine are real. Where a test is about a download's states, what the service would send is
emitted on its worker's signals, and what is asked of it is only recorded.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from checkpoints import random_mixer, tiny_config, write_hub_folder
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QMessageBox, QToolButton

from mixer_gui.gui.drop_area import is_hub_page, read_mime
from mixer_gui.gui.model_rows import Command
from mixer_gui.hub.cache import Journal, RepositoryFolder
from mixer_gui.hub.catalogue import CATALOGUE, RECOMMENDED
from mixer_gui.hub.client import RemoteFile
from mixer_gui.records import (
    CheckpointInfo,
    DownloadEnd,
    DownloadEnded,
    DownloadProgress,
    HubFailure,
    RepositoryFound,
    RepositoryRef,
)
from mixer_gui.resources import default_model
from mixer_gui.settings import Settings
from tests.gui.conftest import TIMEOUT_MS, wait_for_results

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.model_manager import ModelManager
    from mixer_gui.gui.model_rows import ModelRow

    Start = Callable[..., Application]

TINY = "someone/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER_COMMIT = "f" * 40
GET = RepositoryRef(RECOMMENDED.repository)
TOTAL = 239_521_888
ARRIVED = 31_400_000


def write_model(cache: Path, repository: str = TINY, commit: str = COMMIT) -> Path:
    """A real, tiny Mixer as another program would have downloaded it."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    return write_hub_folder(random_mixer(tiny_config()), folder / "snapshots" / commit)


def write_partial(cache: Path, repository: str = RECOMMENDED.repository, arrived: int = ARRIVED) -> None:
    """The beginning of a model, as a cancelled download leaves it."""
    etag = hashlib.sha256(repository.encode()).hexdigest()
    file = RemoteFile("model.safetensors", etag, TOTAL)
    folder = RepositoryFolder(cache, repository)
    folder.prepare(COMMIT)
    folder.begin(Journal(repository, None, COMMIT, (file,)))
    with folder.partial(etag).open("wb") as content:
        content.truncate(arrived)


def record_asked(application: Application, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, RepositoryRef]]:
    """What the Hub's service would be asked to do over the network from now on."""
    asked: list[tuple[str, RepositoryRef]] = []
    for name in ("pull", "cancel", "look_up"):
        monkeypatch.setattr(application.hub, name, lambda ref, name=name: asked.append((name, ref)))
    return asked


def opened(application: Application, qtbot: QtBot) -> ModelManager:
    """The list of models, opened from the menu, with what is on disk listed."""
    commands = application.window.model_commands
    application.window.actions_.models.trigger()
    assert commands.manager is not None
    qtbot.waitUntil(lambda: commands.library.store is not None, timeout=TIMEOUT_MS)
    manager = commands.manager
    qtbot.waitUntil(lambda: len(manager.rows) == len(commands.library.items()), timeout=TIMEOUT_MS)
    return manager


def row_of(manager: ModelManager, title: str) -> ModelRow:
    rows = [row for row in manager.rows.values() if row.item is not None and row.item.title == title]
    assert len(rows) == 1, f"{title} has {len(rows)} rows"
    return rows[0]


def relist(application: Application, qtbot: QtBot) -> None:
    """As the service does after each download."""
    before = application.window.model_commands.library.store
    application.hub.list_models()
    qtbot.waitUntil(lambda: application.window.model_commands.library.store is not before, timeout=TIMEOUT_MS)


def progress(ref: RepositoryRef = GET, **changes: Any) -> DownloadProgress:  # noqa: ANN401 - any of its fields
    said = DownloadProgress(
        ref=ref,
        file="model.safetensors",
        file_done_bytes=ARRIVED,
        file_total_bytes=TOTAL,
        file_number=2,
        file_count=2,
        done_bytes=ARRIVED,
        total_bytes=TOTAL,
        bytes_per_s=1_240_000.0,
        seconds_left=168.0,
    )
    return replace(said, **changes)


def failed(sentence: str, ref: RepositoryRef = GET) -> DownloadEnded:
    return DownloadEnded(ref=ref, end=DownloadEnd.FAILED, sentence=sentence, detail="OSError(28)")


def click(qtbot: QtBot, button: QAbstractButton) -> None:
    qtbot.waitUntil(button.isVisible, timeout=TIMEOUT_MS)  # a new row is shown when the loop comes round
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


# --- what is there ---


def test_empty_cache_says_what_to_do_and_offers_the_catalogue(start: Start, qtbot: QtBot) -> None:
    manager = opened(start(), qtbot)
    assert manager.empty.isVisible()
    assert "Built-in model" in {row.item.title for row in manager.rows.values()}
    assert len(manager.rows) == 1 + len(CATALOGUE)
    recommended = row_of(manager, RECOMMENDED.title)
    assert recommended.badge.text() == "recommended"
    assert recommended.primary.text() == "Download"
    for words in ("1,000", "240", "82.3"):
        assert words in recommended.facts.text().replace("\u00a0", " ")
    assert "free" in manager.space.text()


def test_built_in_model_is_in_use_and_cannot_be_deleted(start: Start, qtbot: QtBot) -> None:
    row = row_of(opened(start(), qtbot), "Built-in model")
    assert row.badge.text() == "in use"
    assert not row.primary.isVisible()
    assert not row.actions_[Command.DELETE].isVisible()


def test_model_on_disk_is_listed_without_a_network_and_used_with_one_click(
    start: Start, qtbot: QtBot, hub_cache: Path, photographs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(hub_cache)
    application = start(photographs["coffee"])
    session = application.window.session
    used: list[Path] = []
    monkeypatch.setattr(application.hub, "mark_used", used.append)
    before = session.current.report
    manager = opened(application, qtbot)
    row = row_of(manager, TINY)
    assert "5 classes" in row.facts.text().replace("\u00a0", " ")
    assert "0123456" in row.origin.text()
    assert not manager.empty.isVisible()
    click(qtbot, row.primary)
    assert session.current.report is before  # what is on screen stays until the new one is ready
    qtbot.waitUntil(lambda: session.ready.ref.path == path, timeout=TIMEOUT_MS)
    wait_for_results(qtbot, application, 1)
    assert session.current.report.model.path == path
    assert row.badge.text() == "in use"
    assert not row.primary.isVisible()
    assert row_of(manager, "Built-in model").primary.isVisible()
    assert application.window.model_commands.button.text() == TINY
    qtbot.waitUntil(lambda: used == [path], timeout=TIMEOUT_MS)  # told a moment later, to the cache's other users


def test_half_a_model_is_never_offered_for_use(start: Start, qtbot: QtBot, hub_cache: Path) -> None:
    write_partial(hub_cache)
    manager = opened(start(), qtbot)
    row = row_of(manager, RECOMMENDED.title)
    assert "31 of 240 MB" in row.state.text()
    assert row.primary.text() == "Continue"
    assert row.item.path is None
    assert row.actions_[Command.DELETE].isVisible()


def test_cache_that_cannot_be_read_is_told_and_the_rest_still_works(start: Start, qtbot: QtBot) -> None:
    application = start()
    manager = opened(application, qtbot)
    application.hub.failed.emit(HubFailure(None, "The cache cannot be read.", "PermissionError"))
    qtbot.waitUntil(manager.trouble.isVisible, timeout=TIMEOUT_MS)
    assert manager.trouble.text() == "The cache cannot be read."
    assert row_of(manager, RECOMMENDED.title).primary.isEnabled()


# --- downloading ---


def test_download_shows_how_far_it_is_in_its_row_and_in_the_status_bar(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    manager = opened(application, qtbot)
    row = row_of(manager, RECOMMENDED.title)
    click(qtbot, row.primary)
    assert asked == [("pull", GET)]
    assert not row.primary.isVisible()
    assert manager.focusWidget() is row.meter.cancel
    application.hub.progressed.emit(progress())
    assert row.meter.words.text() == "31 of 240 MB · 1.2 MB/s · about 3 min left · file 2 of 2"
    assert row.meter.bar.value() == 131
    download = application.window.status.download
    assert download.isVisible()
    assert download.words.whole == "Mixer-B/16 by MIIL: 31 of 240 MB · 1.2 MB/s · about 3 min left"
    application.hub.progressed.emit(progress(note="next try in 8 s"))
    assert row.meter.words.text() == "31 of 240 MB · next try in 8 s"


def test_download_goes_on_when_the_list_is_closed_and_can_be_cancelled_from_the_status_bar(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    manager = opened(application, qtbot)
    click(qtbot, row_of(manager, RECOMMENDED.title).primary)
    qtbot.keyClick(manager, Qt.Key.Key_Escape)
    assert not manager.isVisible()
    assert asked == [("pull", GET)]
    application.hub.progressed.emit(progress())
    click(qtbot, application.window.status.download.cancel)
    assert asked[1:] == [("cancel", GET)]
    assert not application.window.status.download.cancel.isEnabled()


def test_cancelled_download_keeps_what_arrived_and_appears_once(
    start: Start, qtbot: QtBot, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    manager = opened(application, qtbot)
    row = row_of(manager, RECOMMENDED.title)
    click(qtbot, row.primary)
    application.hub.progressed.emit(progress())
    click(qtbot, row.meter.cancel)
    write_partial(hub_cache)
    application.hub.ended.emit(DownloadEnded(ref=GET, end=DownloadEnd.CANCELLED, sentence="Cancelled."))
    assert row.meter.isVisible()  # until the disk was looked at: neither whole nor gone
    relist(application, qtbot)
    row = row_of(manager, RECOMMENDED.title)
    assert not row.meter.isVisible()
    assert "31 of 240 MB" in row.state.text()
    assert row.primary.text() == "Continue"
    assert not application.window.status.download.isVisible()
    click(qtbot, row.primary)
    assert asked == [("pull", GET), ("cancel", GET), ("pull", RepositoryRef(GET.repository, COMMIT))]


def test_second_download_waits_and_the_status_bar_shows_the_one_that_runs(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    record_asked(application, monkeypatch)
    manager = opened(application, qtbot)
    second = RepositoryRef(CATALOGUE[1].repository)
    click(qtbot, row_of(manager, RECOMMENDED.title).primary)
    click(qtbot, row_of(manager, CATALOGUE[1].title).primary)
    application.hub.progressed.emit(progress(second, done_bytes=0, total_bytes=0, note="Waiting its turn"))
    application.hub.progressed.emit(progress())
    assert row_of(manager, CATALOGUE[1].title).meter.words.text() == "Waiting its turn"
    assert application.window.status.download.words.whole.endswith("left (+1)")


def test_failed_download_says_what_to_do_in_its_row_and_in_the_window(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    manager = opened(application, qtbot)
    row = row_of(manager, RECOMMENDED.title)
    click(qtbot, row.primary)
    manager.close()
    application.hub.ended.emit(failed("The disk is full. Make room."))
    relist(application, qtbot)
    assert application.window._message.whole == "The disk is full. Make room."
    manager = opened(application, qtbot)
    row = row_of(manager, RECOMMENDED.title)
    assert row.complaint.text() == "The disk is full. Make room."
    assert row.primary.text() == "Try Again"
    row.actions_[Command.COPY_DETAILS].trigger()
    assert "OSError(28)" in QGuiApplication.clipboard().text()
    click(qtbot, row.primary)
    assert asked[-1] == ("pull", GET)
    assert not row.complaint.isVisible()


def test_dismissed_failure_leaves_the_row_as_it_was(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    record_asked(application, monkeypatch)
    manager = opened(application, qtbot)
    row = row_of(manager, RECOMMENDED.title)
    click(qtbot, row.primary)
    application.hub.ended.emit(failed("No."))
    relist(application, qtbot)
    row.actions_[Command.DISMISS].trigger()
    assert not row.complaint.isVisible()
    assert row.primary.text() == "Download"


def test_unreachable_hub_becomes_a_sentence_through_the_real_service(start: Start, qtbot: QtBot) -> None:
    application = start()
    manager = opened(application, qtbot)
    row = row_of(manager, RECOMMENDED.title)
    click(qtbot, row.primary)
    qtbot.waitUntil(lambda: bool(row.complaint.text()), timeout=TIMEOUT_MS)
    qtbot.waitUntil(row.primary.isVisible, timeout=TIMEOUT_MS)
    assert row.primary.text() == "Try Again"
    assert application.window._message.whole == row.complaint.text()


@pytest.mark.parametrize("wanted", [True, False])
def test_model_that_arrived_is_used_only_where_that_is_wanted(
    start: Start, qtbot: QtBot, hub_cache: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    application = start(settings=Settings(use_when_downloaded=wanted))
    record_asked(application, monkeypatch)
    window = application.window
    manager = opened(application, qtbot)
    assert manager.use_when_arrived.isChecked() == wanted
    click(qtbot, row_of(manager, RECOMMENDED.title).primary)
    path = write_model(hub_cache, RECOMMENDED.repository)
    application.hub.ended.emit(DownloadEnded(ref=GET, end=DownloadEnd.DONE, sentence="", path=path, commit=COMMIT))
    application.hub.list_models()
    qtbot.waitUntil(lambda: row_of(manager, RECOMMENDED.title).item.path == path, timeout=TIMEOUT_MS)
    row = row_of(manager, RECOMMENDED.title)
    if wanted:
        qtbot.waitUntil(lambda: window.session.ready.ref.path == path, timeout=TIMEOUT_MS)
        assert row.badge.text() == "in use"
        assert window.settings().model_path == str(path)
        assert not window.predictions.offer.isVisible()
    else:
        assert row.primary.text() == "Use"
        assert window.session.ready.ref == default_model()
        assert window.predictions.offer.text().startswith("Use Mixer-B/16")


def test_wish_to_use_what_arrives_is_remembered(start: Start, qtbot: QtBot) -> None:
    application = start()
    opened(application, qtbot).use_when_arrived.setChecked(False)
    assert not application.window.settings().use_when_downloaded


# --- deleting ---

asks = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")  # a message box, offscreen


def ask_to_delete(manager: ModelManager, title: str) -> tuple[QMessageBox, dict[str, QAbstractButton]]:
    row_of(manager, title).actions_[Command.DELETE].trigger()
    box = manager.findChild(QMessageBox)
    assert box is not None
    return box, {button.text().replace("&", ""): button for button in box.buttons()}


@asks
def test_deleting_asks_first_and_says_whose_files_they_are(start: Start, qtbot: QtBot, hub_cache: Path) -> None:
    path = write_model(hub_cache)
    manager = opened(start(), qtbot)
    box, buttons = ask_to_delete(manager, TINY)
    assert TINY in box.text()
    assert "kB" in box.text()
    assert "downloaded again" in box.informativeText()
    assert "other programs" in box.informativeText()
    assert box.defaultButton() is buttons["Cancel"]
    click(qtbot, buttons["Cancel"])
    assert path.exists()


@asks
def test_deleted_model_is_gone_from_the_disk_and_the_list(start: Start, qtbot: QtBot, hub_cache: Path) -> None:
    path = write_model(hub_cache)
    manager = opened(start(), qtbot)
    click(qtbot, ask_to_delete(manager, TINY)[1]["Delete"])
    qtbot.waitUntil(lambda: not path.exists(), timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: len(manager.rows) == 1 + len(CATALOGUE), timeout=TIMEOUT_MS)
    assert manager.empty.isVisible()


@asks
def test_model_in_use_is_deleted_only_after_the_built_in_one_took_its_place(
    start: Start, qtbot: QtBot, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(hub_cache)
    application = start(settings=Settings(model_path=str(path)))
    session = application.window.session
    assert session.ready.ref.path == path
    in_use: list[Path] = []
    remove = application.hub.remove

    def record_and_remove(model: Any) -> None:  # noqa: ANN401 - a StoredModel
        in_use.append(session.ready.ref.path)
        remove(model)

    monkeypatch.setattr(application.hub, "remove", record_and_remove)
    manager = opened(application, qtbot)
    box, buttons = ask_to_delete(manager, TINY)
    assert "built-in model takes its place" in box.informativeText()
    click(qtbot, buttons["Delete"])
    assert in_use == []
    qtbot.waitUntil(lambda: not path.exists(), timeout=TIMEOUT_MS)
    assert in_use == [default_model().path]
    assert application.window.settings().model_path == ""


@asks
def test_half_a_model_can_be_deleted(start: Start, qtbot: QtBot, hub_cache: Path) -> None:
    write_partial(hub_cache)
    manager = opened(start(), qtbot)
    click(qtbot, ask_to_delete(manager, RECOMMENDED.title)[1]["Delete"])
    row = row_of(manager, RECOMMENDED.title)
    qtbot.waitUntil(lambda: row_of(manager, RECOMMENDED.title).primary.text() == "Download", timeout=TIMEOUT_MS)
    assert not row_of(manager, RECOMMENDED.title).state.isVisible()
    assert row.item is not None
    assert not any(path.is_file() for path in hub_cache.rglob("*.incomplete"))


# --- looking up ---


def found(info: CheckpointInfo | None, **changes: Any) -> RepositoryFound:  # noqa: ANN401 - any of its fields
    said = RepositoryFound(
        ref=RepositoryRef("google/mixer", "v2"),
        commit=COMMIT,
        download_bytes=TOTAL,
        missing_bytes=TOTAL,
        licence="apache-2.0",
        info=info,
        can_download=info is not None,
    )
    return replace(said, **changes)


def test_text_that_names_no_repository_is_refused_in_place(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    search = opened(application, qtbot).search
    qtbot.keyClicks(search.field, "mixer")
    qtbot.keyClick(search.field, Qt.Key.Key_Return)
    assert search.sentence.isVisible()
    assert "owner" in search.sentence.text()
    assert asked == []
    qtbot.keyClicks(search.field, "s")
    assert not search.card.isVisible()


def test_repository_that_was_looked_up_can_be_downloaded(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    manager = opened(application, qtbot)
    search = manager.search
    qtbot.keyClicks(search.field, "google/mixer@v2")
    qtbot.keyClick(search.field, Qt.Key.Key_Return)
    ref = RepositoryRef("google/mixer", "v2")
    assert asked == [("look_up", ref)]
    assert search.busy.isVisible()
    assert search.close_.text() == "Cancel"
    application.hub.repository_found.emit(found(application.window.session.ready.info, missing_bytes=TOTAL // 2))
    assert not search.busy.isVisible()
    said = f"{search.facts.text()} {search.more_facts.text()} {search.commit.text()}".replace("\u00a0", " ")
    for words in ("8 layers", "200 classes", "240 MB, 120 MB of it missing", "apache-2.0", "0123456"):
        assert words in said
    assert search.act.text() == "Continue"
    click(qtbot, search.act)
    assert asked[1:] == [("pull", ref)]
    assert not search.card.isVisible()
    qtbot.waitUntil(row_of(manager, "google/mixer").meter.isVisible, timeout=TIMEOUT_MS)


def test_repository_that_is_no_mixer_says_why_and_offers_no_download(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    record_asked(application, monkeypatch)
    search = opened(application, qtbot).search
    search.ask("google/mixer@v2")
    application.hub.repository_found.emit(found(None, sentence="This is a transformer."))
    assert search.sentence.text() == "This is a transformer."
    assert not search.act.isVisible()


def test_repository_that_shows_what_it_is_only_later_can_be_downloaded(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    search = opened(application, qtbot).search
    search.ask("google/mixer@v2")
    application.hub.repository_found.emit(found(None, sentence="It shows later.", can_download=True))
    assert search.sentence.text() == "It shows later."
    assert "apache-2.0" in search.more_facts.text()
    click(qtbot, search.act)
    assert asked[-1] == ("pull", RepositoryRef("google/mixer", "v2"))


def test_repository_that_is_on_disk_is_used_and_not_fetched(
    start: Start, qtbot: QtBot, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(hub_cache)
    application = start()
    record_asked(application, monkeypatch)
    search = opened(application, qtbot).search
    search.ask(TINY)
    info = application.window.session.ready.info
    application.hub.repository_found.emit(found(info, ref=RepositoryRef(TINY), missing_bytes=0))
    assert search.act.text() == "Use"
    click(qtbot, search.act)
    qtbot.waitUntil(lambda: application.window.session.ready.ref.path == path, timeout=TIMEOUT_MS)


def test_answer_nobody_waits_for_any_more_is_not_shown(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    record_asked(application, monkeypatch)
    search = opened(application, qtbot).search
    search.ask("google/mixer@v2")
    click(qtbot, search.close_)
    application.hub.repository_found.emit(found(None, sentence="late"))
    assert not search.card.isVisible()
    search.ask("google/another")
    application.hub.failed.emit(HubFailure(RepositoryRef("google/mixer", "v2"), "late"))
    assert search.busy.isVisible()
    application.hub.failed.emit(HubFailure(RepositoryRef("google/another"), "There is no such repository."))
    assert search.sentence.text() == "There is no such repository."


def test_enter_looks_up_whichever_button_had_the_focus_before(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    manager = opened(application, qtbot)
    search = manager.search
    for name in ("google/first", "google/second"):
        search.field.setText(name)
        search.field.setFocus()
        qtbot.keyClick(search.field, Qt.Key.Key_Return)
        assert asked[-1] == ("look_up", RepositoryRef(name))
        search.close_.setFocus()
        qtbot.keyClick(search.close_, Qt.Key.Key_Space)
        qtbot.keyClick(manager, Qt.Key.Key_Escape)
        manager = opened(application, qtbot)
    assert len(asked) == 2


def test_escape_takes_the_answer_away_and_then_closes_the_window(start: Start, qtbot: QtBot) -> None:
    manager = opened(start(), qtbot)
    manager.search.ask("nonsense")
    qtbot.keyClick(manager.search.field, Qt.Key.Key_Escape)
    assert not manager.search.card.isVisible()
    assert manager.isVisible()
    qtbot.keyClick(manager.search.field, Qt.Key.Key_Escape)
    assert not manager.isVisible()


# --- the window ---


@pytest.mark.parametrize(
    ("address", "is_page"),
    [
        ("https://huggingface.co/timm/mixer_b16_224.goog_in21k", True),
        ("https://huggingface.co/timm/mixer_b16_224.goog_in21k/tree/main", True),
        ("https://huggingface.co/timm/mixer_b16_224.goog_in21k/resolve/main/model.safetensors", True),
        ("https://huggingface.co/owner/name/blob/main/cat.png", True),
        ("https://huggingface.co/owner/name/resolve/main/cat.png", False),
        ("https://huggingface.co/owner/name/resolve/main/cat.PNG?download=true", False),
        ("https://example.com/timm/mixer_b16_224.goog_in21k", False),
        ("https://[broken", False),
    ],
)
def test_page_of_the_hub_is_told_from_a_picture_that_lies_there(address: str, is_page: bool) -> None:
    assert is_hub_page(address) == is_page
    mime = QMimeData()
    mime.setText(address)
    dropped = read_mime(mime, "dropped")
    assert bool(dropped.hub_page) == is_page
    assert bool(dropped.pictures) != is_page


def test_pasted_page_of_the_hub_is_looked_up(start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    address = "https://huggingface.co/timm/mixer_b16_224.goog_in21k"
    QGuiApplication.clipboard().setText(address)
    application.window.actions_.paste.trigger()
    manager = application.window.model_commands.manager
    assert manager is not None
    assert manager.isVisible()
    assert manager.search.field.text() == address
    assert asked == [("look_up", RepositoryRef("timm/mixer_b16_224.goog_in21k"))]
    assert application.window.session.gallery.rowCount() == 0


def test_first_start_offers_the_recommended_model_with_one_button(
    start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start()
    asked = record_asked(application, monkeypatch)
    offer = application.window.predictions.offer
    assert offer.accessibleName() == "Get Mixer-B/16: 1000 things, 82.3 % top-1, 240 MB"
    click(qtbot, offer)
    assert asked == [("pull", GET)]
    application.hub.progressed.emit(progress())
    assert not offer.isEnabled()
    assert "31 of 240 MB" in offer.text()
    assert application.window.status.download.cancel.isVisible()


def test_offer_keeps_its_height_and_its_words_in_the_smallest_window(start: Start, qtbot: QtBot) -> None:
    window = start().window
    offer = window.predictions.offer
    height = offer.height()
    window.resize(800, 560)
    qtbot.waitUntil(lambda: window.width() == 800, timeout=TIMEOUT_MS)
    offer.resize(150, offer.height())
    assert offer.fontMetrics().horizontalAdvance(offer.text()) <= 150
    assert offer.text().startswith("Get Mixer-B/16")
    assert offer.height() == height


def test_who_uses_another_model_is_offered_nothing(start: Start, hub_cache: Path) -> None:
    window = start(settings=Settings(model_path=str(write_model(hub_cache)))).window
    assert not window.predictions.offer.isVisible()


def test_model_of_last_time_that_is_gone_is_named_and_the_built_in_one_steps_in(
    start: Start, qtbot: QtBot, hub_cache: Path
) -> None:
    path = write_model(hub_cache)
    shutil.rmtree(path)
    window = start(settings=Settings(model_path=str(path))).window
    assert window.session.ready.ref == default_model()
    assert TINY in window._message.whole
    assert "built-in" in window._message.whole
    assert window.predictions.offer.isVisible()
    assert window.model_commands.library.items()[0].is_in_use


def test_list_opens_as_large_as_it_was(start: Start, qtbot: QtBot) -> None:
    application = start()
    opened(application, qtbot).resize(640, 500)
    again = start(settings=application.window.settings())
    assert opened(again, qtbot).size().toTuple() == (640, 500)


def test_everything_is_named_and_reached_by_the_keyboard(start: Start, qtbot: QtBot, hub_cache: Path) -> None:
    write_model(hub_cache)
    manager = opened(start(), qtbot)
    for button in manager.findChildren(QAbstractButton):
        if not button.isVisible() or button.parentWidget() is manager.search.field:
            continue
        assert button.accessibleName() or button.text(), button
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus, button.accessibleName()
        assert button.toolTip() or button.text() == "Cancel", button.accessibleName()
    for row in manager.rows.values():
        if row.more.isVisible():
            assert isinstance(row.more, QToolButton)
            assert row.item.title in row.more.accessibleName()


def test_list_of_models_can_be_opened_from_the_model_button_first(start: Start) -> None:
    window = start().window
    assert window.model_commands.button.actions()[0] is window.actions_.models
    assert window.actions_.models.shortcut().toString() == "Ctrl+Shift+M"


def test_folder_of_a_model_is_revealed(
    start: Start, qtbot: QtBot, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(hub_cache)
    manager = opened(start(), qtbot)
    shown: list[QUrl] = []
    monkeypatch.setattr(
        "mixer_gui.gui.model_manager.QDesktopServices.openUrl", lambda address: shown.append(address) or True
    )
    row = row_of(manager, TINY)
    row.actions_[Command.REVEAL].trigger()
    click(qtbot, manager.reveal)
    row.actions_[Command.OPEN_PAGE].trigger()
    row.actions_[Command.COPY_PATH].trigger()
    assert [each.toLocalFile() for each in shown[:2]] == [str(path), str(hub_cache)]
    assert shown[2].toString() == f"https://huggingface.co/{TINY}/tree/{COMMIT}"
    assert QGuiApplication.clipboard().text() == str(path)
