"""The models there are: on disk, on the Hub, on their way. Asks the Hub's worker, applies its answers. No widgets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from mixer_gui.gui.model_items import Download, ModelItem, Place, model_items
from mixer_gui.hub.catalogue import RECOMMENDED
from mixer_gui.hub.repository import parse
from mixer_gui.records import (
    CheckpointInfo,
    DownloadEnd,
    DownloadEnded,
    DownloadProgress,
    HubFailure,
    MixerGuiError,
    ModelRemoved,
    RepositoryFound,
    RepositoryRef,
    StoredModel,
    StoreListed,
)
from mixer_gui.resources import default_model

if TYPE_CHECKING:
    from mixer_gui.gui.workers import HubWorker


class Library(QObject):
    """Lives in the window's thread; all its slots are called there."""

    changed = Signal()  # any of it: what is on disk, a download's progress, what is in use
    looked_up = Signal()  # what is asked of the Hub, or its answer, changed
    arrived = Signal(object)  # DownloadEnded: a model is complete
    complained = Signal(str)  # a sentence about something that did not work
    told = Signal(str)  # a passing message

    def __init__(self, worker: HubWorker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.store: StoreListed | None = None
        self.listing_failure: HubFailure | None = None
        self.asked: RepositoryRef | None = None  # looked up, and not answered yet
        self.found: RepositoryFound | None = None
        self.refusal = ""  # why there is no answer
        self.refusal_detail = ""
        self._worker = worker
        self._downloads: dict[RepositoryRef, Download] = {}
        self._failures: dict[Path, HubFailure] = {}
        self._removing: set[Path] = set()
        self._in_use: Path | None = None
        self._built_in_info: CheckpointInfo | None = None  # known once it was in use
        self._loading: Path | None = None
        worker.store_listed.connect(self._take_listing)
        worker.repository_found.connect(self._take_found)
        worker.progressed.connect(self._take_progress)
        worker.ended.connect(self._take_end)
        worker.removed.connect(self._take_removed)
        worker.failed.connect(self._take_failure)

    # --- commands ---

    def refresh(self) -> None:
        """Look what is on disk; no network."""
        self._worker.list_models()

    def look_up(self, text: str) -> None:
        """Ask the Hub about what was typed; what cannot be a name is refused at once."""
        self.found, self.refusal, self.refusal_detail, self.asked = None, "", "", None
        try:
            self.asked = parse(text)
        except MixerGuiError as error:
            self.refusal, self.refusal_detail = str(error), error.detail
        else:
            self._worker.look_up(self.asked)
        self.looked_up.emit()

    def forget_look_up(self) -> None:
        """Stop waiting for an answer, or take it away."""
        self.asked, self.found, self.refusal, self.refusal_detail = None, None, "", ""
        self.looked_up.emit()

    def pull(self, ref: RepositoryRef) -> None:
        """Download or continue; one that is under way is not asked again."""
        present = self._downloads.get(ref)
        if present is not None and present.is_active:
            return
        self._downloads.pop(ref, None)  # to the end of the queue
        self._downloads[ref] = Download(ref)
        self._worker.pull(ref)
        self.changed.emit()

    def cancel(self, ref: RepositoryRef) -> None:
        """What arrived is kept."""
        present = self._downloads.get(ref)
        if present is not None and present.is_active and not present.is_stopping:
            self._downloads[ref] = replace(present, is_stopping=True)
            self._worker.cancel(ref)
            self.changed.emit()

    def dismiss(self, item: ModelItem) -> None:
        """Take away the sentence about what did not work."""
        if item.download is not None and item.download.has_failed:
            self._downloads.pop(item.download.ref, None)
        if item.stored is not None:
            self._failures.pop(item.stored.path, None)
        self.changed.emit()

    def remove(self, model: StoredModel) -> None:
        """Delete from the disk. Not for the model in use: its files are read."""
        self._failures.pop(model.path, None)
        self._removing.add(model.path)
        self._worker.remove(model)
        self.changed.emit()

    def set_in_use(self, path: Path, info: CheckpointInfo) -> None:
        """A model became ready."""
        self._in_use, self._loading = path, None
        if path == default_model().path:
            self._built_in_info = info
        self.changed.emit()

    def catch_up(self) -> None:
        """Tell the cache what is in use, and look what is there where that has not been done yet."""
        if self._in_use is not None and self._in_use != default_model().path:
            self._worker.mark_used(self._in_use)
        if self.store is None:
            self.refresh()

    def set_loading(self, path: Path | None) -> None:
        if self._loading != path:
            self._loading = path
            self.changed.emit()

    # --- state ---

    def items(self) -> tuple[ModelItem, ...]:
        """The rows of the list."""
        return model_items(
            () if self.store is None else self.store.models,
            self._downloads.values(),
            self._failures,
            built_in=ModelItem(
                key="built-in",
                place=Place.BUILT_IN,
                title=self.tr("Built-in model"),
                path=default_model().path,
                info=self._built_in_info,
            ),
            in_use=self._in_use,
            loading=self._loading,
        )

    def active(self) -> tuple[Download, ...]:
        """Downloads that run or wait, the one that runs first."""
        active = [each for each in self._downloads.values() if each.is_active]
        return tuple(sorted(active, key=lambda each: each.progress is None or bool(each.progress.note)))

    def is_being_removed(self, path: Path) -> bool:
        return path in self._removing

    def complete(self, repository: str, revision: str | None = None) -> StoredModel | None:
        """The complete model of a repository on disk that was used last; `revision`: a branch, tag or commit."""
        for each in () if self.store is None else self.store.models:
            if each.repository == repository and not each.is_partial and revision in (None, each.commit, *each.refs):
                return each
        return None

    def is_in_use(self, repository: str, commit: str) -> bool:
        stored = self.complete(repository, commit)
        return stored is not None and stored.path == self._in_use

    def recommended(self) -> ModelItem | None:
        """The row of the recommended model: on disk, on its way, or on the Hub."""
        rows = [each for each in self.items() if each.entry is RECOMMENDED]
        return next((each for each in rows if each.path is not None), rows[0] if rows else None)

    # --- answers ---

    @Slot(object)
    def _take_listing(self, listed: StoreListed) -> None:
        self.store, self.listing_failure = listed, None
        self._removing &= {each.path for each in listed.models}
        self._settle()
        self.changed.emit()

    def _settle(self) -> None:
        """The disk has been looked at: of what is over, only failures are still to be told."""
        for ref, download in list(self._downloads.items()):
            is_there = self.complete(ref.repository, ref.revision) is not None
            if download.has_failed and not is_there:
                self._downloads[ref] = replace(download, is_listed=True)
            elif not download.is_active:
                del self._downloads[ref]

    @Slot(object)
    def _take_found(self, found: RepositoryFound) -> None:
        if found.ref == self.asked:
            self.asked, self.found = None, found
            self.looked_up.emit()

    @Slot(object)
    def _take_progress(self, progress: DownloadProgress) -> None:
        present = self._downloads.get(progress.ref)
        if present is not None and present.is_active:
            self._downloads[progress.ref] = replace(present, progress=progress)
            self.changed.emit()

    @Slot(object)
    def _take_end(self, ended: DownloadEnded) -> None:
        present = self._downloads.get(ended.ref, Download(ended.ref))
        self._downloads[ended.ref] = replace(present, ended=ended)  # a listing follows
        self.changed.emit()
        if ended.end == DownloadEnd.DONE:
            self.arrived.emit(ended)
        elif ended.end == DownloadEnd.FAILED:
            self.complained.emit(ended.sentence)
        else:
            self.told.emit(self.tr("Cancelled. What arrived is kept; Model → Models… goes on from there."))

    @Slot(object)
    def _take_removed(self, removed: ModelRemoved) -> None:
        self._removing.discard(removed.model.path)
        self._failures.pop(removed.model.path, None)
        if self.store is not None:  # a listing follows; until then it is not shown any more
            models = tuple(each for each in self.store.models if each.path != removed.model.path)
            self.store = replace(self.store, models=models)
        self.changed.emit()

    @Slot(object)
    def _take_failure(self, failure: HubFailure) -> None:
        if failure.ref is not None and failure.ref == self.asked:
            self.asked, self.refusal, self.refusal_detail = None, failure.sentence, failure.detail
            self.looked_up.emit()
            return
        if failure.ref is None:
            self.listing_failure = failure
            self._settle()
        else:
            for model in () if self.store is None else self.store.models:
                if model.path in self._removing and model.repository == failure.ref.repository:
                    self._failures[model.path] = failure
                    self._removing.discard(model.path)
            self.complained.emit(failure.sentence)
        self.changed.emit()
