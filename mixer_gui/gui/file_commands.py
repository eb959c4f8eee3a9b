"""Commands that open, paste, save, copy and export. Asks for file names; reading and writing happens elsewhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from mixer_gui.gui.actions import menu_text
from mixer_gui.gui.drop_area import Dropped, read_mime, sort_paths
from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.saving import Saver
from mixer_gui.pictures.sources import PICTURE_SUFFIXES
from mixer_gui.records import VIDEO_SUFFIXES, FileSource, Report, SourcesFound
from mixer_gui.results import Result, result_of, source_path, to_text
from mixer_gui.settings import RECENT_PICTURES

if TYPE_CHECKING:
    from mixer_gui.gui.models import ModelOpener
    from mixer_gui.gui.picture_view import PictureView
    from mixer_gui.gui.session import Session
    from mixer_gui.gui.workers import EngineWorker

IMAGE_FILTER = "PNG (*.png);;JPEG (*.jpg)"
NAME_LENGTH = 100  # characters of a picture's name in the name that is proposed
RESULTS_FILTER = "CSV (*.csv);;JSON (*.json);;JSON Lines (*.jsonl)"


class FileCommands(QObject):
    """Lives in the window's thread."""

    told = Signal(str)  # a passing message for the status bar
    complained = Signal(str)  # a sentence about something that did not work
    video_opened = Signal(object)  # Path
    hub_page_opened = Signal(str)  # the address of a page on the Hub: what it leads to is a model

    def __init__(
        self, worker: EngineWorker, session: Session, models: ModelOpener, recent: tuple[str, ...], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._worker, self._session, self._models, self._window = worker, session, models, parent
        self.recent = list(recent)
        self.saver = Saver(self)
        self.saver.saved.connect(self._tell_saved)
        self.saver.failed.connect(self.complained)
        worker.sources_found.connect(self._add_found)

    # --- opening ---

    def choose_pictures(self) -> None:
        pictures, videos = (
            " ".join(f"*{suffix}" for suffix in sorted(suffixes)) for suffixes in (PICTURE_SUFFIXES, VIDEO_SUFFIXES)
        )
        names, _ = QFileDialog.getOpenFileNames(
            self._window,
            self.tr("Open Pictures or a Video"),
            str(Path(self.recent[0]).parent) if self.recent else "",
            self.tr("Pictures and videos ({0} {1});;All files (*)").format(pictures, videos),
        )
        self.open_paths([Path(name) for name in names])

    def open_paths(self, paths: list[Path]) -> None:
        """Files, folders of pictures, and models, as a drop or the command line names them."""
        self.open_dropped(sort_paths([path.absolute() for path in paths]))

    def open_dropped(self, dropped: Dropped) -> None:
        self.complained.emit("")  # what was said of earlier ones
        if dropped.model is not None:
            self._models.open(dropped.model)
        if dropped.hub_page:
            self.hub_page_opened.emit(dropped.hub_page)
        if dropped.video is not None:
            self.video_opened.emit(dropped.video)
            if dropped.more_videos:
                self.complained.emit(
                    self.tr("One video at a time: “{0}” was opened, {1} more were left out.").format(
                        dropped.video.name, dropped.more_videos
                    )
                )
        if dropped.paths:
            self._worker.find_sources(dropped.paths)
        if dropped.pictures:
            self._session.add(list(dropped.pictures))

    def paste(self) -> None:
        mime = QGuiApplication.clipboard().mimeData()
        dropped = read_mime(mime, self.tr("pasted picture"))
        if dropped:
            self.open_dropped(dropped)
        else:
            self.complained.emit(self.tr("The clipboard holds no picture, file or address to paste."))

    def fill_recent(self, menu: QMenu) -> None:
        """Called each time before the menu opens."""
        menu.clear()
        for name in self.recent:
            menu.addAction(menu_text(Path(name).name), partial(self.open_paths, [Path(name)])).setToolTip(
                plain_tip(name)
            )
        menu.setToolTipsVisible(True)
        if self.recent:
            menu.addSeparator()
            menu.addAction(self.tr("Forget These"), self.recent.clear)
        else:
            menu.addAction(self.tr("(none yet)")).setEnabled(False)

    @Slot(object)
    def _add_found(self, found: SourcesFound) -> None:
        if not found.sources:
            self.complained.emit(self.tr("There are no pictures in what was dropped or opened."))
            return
        self._session.add(list(found.sources))
        for source in reversed(found.sources[:RECENT_PICTURES]):
            name = str(source.path)
            if name in self.recent:
                self.recent.remove(name)
            self.recent.insert(0, name)
        del self.recent[RECENT_PICTURES:]
        if found.left_out:
            self.complained.emit(
                self.tr("{0} pictures were added; {1} more were left out.").format(len(found.sources), found.left_out)
            )

    # --- saving ---

    def save_map(self, view: PictureView) -> None:
        picture = self._session.current
        image = view.picture_with_map()
        if picture is None or image is None:
            self.complained.emit(self.tr("There is no picture to save."))
            return
        stem = Path(picture.source.name).stem[:NAME_LENGTH] or "picture"
        path = self._ask_path(self.tr("Save Picture with Map"), f"{stem}-map.png", IMAGE_FILTER)
        if path is not None:
            self.saver.save_image(lambda: image, path)

    def export(self, top_k: int) -> None:
        """All pictures of the strip that have a result or a failure."""
        results = self.results(top_k)
        if not results:
            self.complained.emit(self.tr("There are no results to export yet."))
            return
        path = self._ask_path(self.tr("Export Results"), "results.csv", RESULTS_FILTER)
        if path is not None:
            self.saver.save_results(results, path)

    def copy(self, top_k: int) -> None:
        """The current picture's ranking as text."""
        picture = self._session.current
        if picture is None or picture.report is None:
            self.complained.emit(self.tr("There are no results to copy yet."))
            return
        QGuiApplication.clipboard().setText(to_text(self._result(picture.report, top_k)))
        self.told.emit(self.tr("Copied"))

    def results(self, top_k: int) -> list[Result]:
        """One result for each picture that has been classified or has failed."""
        ready = self._session.ready
        name, revision = (ready.info.name, ready.info.revision) if ready is not None else ("", None)
        results = []
        for picture in self._session.gallery.pictures:
            if picture.report is not None:  # of the picture itself, not of what was tried on it
                results.append(self._result(picture.before or picture.report, top_k))
            elif picture.failure is not None:
                path = source_path(picture.source)
                results.append(Result(path, name, revision, error=picture.failure.sentence))
        return results

    def _result(self, report: Report, top_k: int) -> Result:
        """With the names that the window shows."""
        return result_of(report, top_k, reveal=self._session.reveals_names)

    def _ask_path(self, title: str, name: str, kinds: str) -> Path | None:
        first = self._session.current.source if self._session.current else None
        folder = first.path.parent if isinstance(first, FileSource) else Path.home()
        dialog = save_dialog(self._window, title, folder / name, kinds)
        chosen = dialog.selectedFiles() if dialog.exec() else []
        dialog.deleteLater()
        return Path(chosen[0]) if chosen else None

    @Slot(str)
    def _tell_saved(self, path: str) -> None:
        self.told.emit(self.tr("Saved {0}").format(path))


def save_dialog(parent: QWidget, title: str, path: Path, kinds: str) -> QFileDialog:
    """Asks where to save. The dialog itself adds a missing suffix: it must, to see that such a file is there."""
    dialog = QFileDialog(parent, title, str(path.parent), kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)

    def take_suffix(kind: str) -> None:
        dialog.setDefaultSuffix(kind.partition("*.")[2].rstrip(")"))

    take_suffix(kinds.partition(";;")[0])
    dialog.filterSelected.connect(take_suffix)
    dialog.selectFile(path.name)
    return dialog
