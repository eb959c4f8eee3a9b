"""What is open: the pictures, the current one, the model. Asks the worker, applies its answers.

No widgets here and no painting. Requests capture everything when they are made; an answer to any but the
newest request of its picture is stale and dropped.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from mixer_gui.gui.gallery import GalleryModel, Picture, thumbnail
from mixer_gui.gui.images import picture_image
from mixer_gui.records import (
    AddressSource,
    BytesSource,
    ClassifyRequest,
    ClassReport,
    ClassRequest,
    DevicePreference,
    Failure,
    FrameReady,
    Framing,
    ModelReady,
    ModelRef,
    PatchReport,
    PatchRequest,
    PictureSource,
    Priority,
    Progress,
    Report,
)

if TYPE_CHECKING:
    from mixer_gui.gui.workers import EngineWorker

FRAMES_KEPT = 6  # display copies of up to 12 MB each
STRIP_EDGE = 256  # pixels of a picture that is only in the strip
SHOWN_EDGE = 2048


class Session(QObject):
    """Lives in the window's thread; all its slots are called there."""

    current_changed = Signal()  # another picture, or none, is current
    frame_changed = Signal()  # the current picture's pixels came
    report_changed = Signal()  # the current picture's report came, or its failure
    patch_answered = Signal(object)  # PatchReport for the current report
    class_answered = Signal(object)  # ClassReport for the current report
    model_changed = Signal(object)  # ModelReady: another model, or device, is in use
    model_failed = Signal(object)  # Failure: the model stays what it was
    busy_changed = Signal()  # work began or ended
    progressed = Signal(object)  # Progress of the current picture's fetch

    def __init__(
        self, worker: EngineWorker, model: ModelRef, device: DevicePreference, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.gallery = GalleryModel(self)
        self.current: Picture | None = None
        self.ready: ModelReady | None = None
        self.model_has_failed = False
        self.model = model
        self.device = device
        self._worker = worker
        self._ids = count(1)
        self._views = count(1)
        self._shown: list[Picture] = []  # most recent last; these keep their frames
        worker.frame_ready.connect(self._take_frame)
        worker.report_ready.connect(self._take_report)
        worker.patch_ready.connect(self._take_patch)
        worker.class_ready.connect(self._take_class)
        worker.model_ready.connect(self._take_model)
        worker.progressed.connect(self._take_progress)
        worker.failed.connect(self._take_failure)
        worker.load(model, device)

    # --- commands ---

    def add(self, sources: list[PictureSource]) -> None:
        """Put pictures into the strip, show the first, classify all; one that is there already is shown again."""
        pictures = []
        first: Picture | None = None
        for source in sources:
            known = self._known(source)
            if known is None:
                known = Picture(f"picture-{next(self._views)}", source)
                pictures.append(known)
            first = first or known
        self.gallery.insert(self.gallery.rowCount(), pictures)
        if first is not None:
            self.show_picture(first)
        for picture in pictures:
            if picture is not first:
                self._request(picture, Priority.FOLDER)
        self.busy_changed.emit()

    def show_picture(self, picture: Picture) -> None:
        """Make a picture current and have what the window needs of it."""
        self.current = picture
        if picture in self._shown:
            self._shown.remove(picture)
        self._shown.append(picture)
        for old in self._shown[:-FRAMES_KEPT]:
            old.frame = None
        del self._shown[:-FRAMES_KEPT]
        self.current_changed.emit()
        if picture.failure is None and not self._is_complete(picture):
            self._request(picture, Priority.DROPPED)
        self.busy_changed.emit()

    def remove(self, picture: Picture) -> int:
        """Take a picture out of the strip; returns the row it had, for putting it back."""
        row = self.gallery.row(picture)
        self._worker.cancel(picture.view)
        picture.request_id = None
        self.gallery.remove(picture)
        if picture is self.current:
            remaining = self.gallery.pictures
            if remaining:
                self.show_picture(remaining[min(row, len(remaining) - 1)])
            else:
                self.current = None
                self.current_changed.emit()
        self.busy_changed.emit()
        return row

    def put_back(self, row: int, picture: Picture) -> None:
        self.gallery.insert(min(row, self.gallery.rowCount()), [picture])
        self.show_picture(picture)

    def retry(self) -> None:
        """Read and classify the current picture again: the file may have changed."""
        if self.current is not None:
            self.current.failure = self.current.report = self.current.frame = None
            self._request(self.current, Priority.DROPPED)
            self.current_changed.emit()
            self.busy_changed.emit()

    def cancel(self) -> None:
        """Stop what is under way for the current picture; it stays in the strip and can be retried."""
        picture = self.current
        if picture is not None and picture.request_id is not None and picture.report is None:
            self._worker.cancel(picture.view)
            sentence = self.tr("Cancelled. Choose Reload to try again.")
            self._set_failure(picture, Failure(picture.request_id, picture.view, picture.source.name, sentence))

    def set_framing(self, picture: Picture, framing: Framing) -> None:
        """Let the network see another part of a picture; the old result stays until the new one is there."""
        if picture.framing != framing:
            picture.framing = framing
            if picture.failure is None:
                self._request(picture, Priority.DROPPED)
            if picture is self.current:
                self.current_changed.emit()
            self.busy_changed.emit()

    def set_model(self, model: ModelRef, device: DevicePreference) -> None:
        """Load another model; what is on screen stays until it is ready, then all is classified again."""
        self._worker.load(model, device)

    def fall_back(self, model: ModelRef) -> None:
        """Use a model that is sure to be there; what failed for want of one is classified with it."""
        self.model, self.device, self.model_has_failed = model, DevicePreference.AUTO, False
        self._worker.load(model, self.device)
        for picture in self.gallery.pictures:
            if picture.report is None:
                picture.failure = None
                self._request(picture, Priority.DROPPED if picture is self.current else Priority.FOLDER)

    def ask_patch(self, layer: int, patch: int) -> None:
        report = self.current.report if self.current else None
        if report is not None:
            self._worker.ask(PatchRequest(report.id, layer, patch))

    def ask_class(self, index: int) -> None:
        report = self.current.report if self.current else None
        if report is not None:
            self._worker.ask(ClassRequest(report.id, index))

    # --- state ---

    @property
    def waiting(self) -> int:
        """Pictures that have neither a result nor a failure yet."""
        return sum(each.report is None and each.failure is None for each in self.gallery.pictures)

    def _known(self, source: PictureSource) -> Picture | None:
        if isinstance(source, BytesSource):
            return None
        return next((each for each in self.gallery.pictures if each.source == source), None)

    def _is_complete(self, picture: Picture) -> bool:
        return (
            picture.report is not None
            and picture.frame is not None
            and self.ready is not None
            and picture.report.model == self.ready.info
            and picture.report.framing == picture.framing
            and max(picture.frame.pixels.shape[:2]) >= min(SHOWN_EDGE, max(picture.frame.width, picture.frame.height))
        )

    def _request(self, picture: Picture, priority: Priority) -> None:
        picture.request_id = next(self._ids)
        self._worker.classify(
            ClassifyRequest(
                id=picture.request_id,
                view=picture.view,
                priority=priority,
                source=picture.source,
                model=self.model,
                framing=picture.framing,
                device=self.device,
                display_edge=SHOWN_EDGE if priority == Priority.DROPPED else STRIP_EDGE,
            )
        )

    def _of(self, view: str, request_id: int | None) -> Picture | None:
        """The picture that an answer is for; None where it is stale."""
        picture = self.gallery.find(view)
        return picture if picture is not None and picture.request_id == request_id else None

    # --- answers ---

    @Slot(object)
    def _take_frame(self, ready: FrameReady) -> None:
        picture = self._of(ready.view, ready.request_id)
        if picture is None:
            return
        if picture.thumbnail is None or picture.failure is not None:
            picture.thumbnail = thumbnail(picture_image(ready.frame))
            self.gallery.changed(picture)
        if picture is self.current:
            picture.frame = ready.frame
            self.frame_changed.emit()

    @Slot(object)
    def _take_report(self, report: Report) -> None:
        picture = self._of(report.view, report.id)
        if picture is None:
            return
        picture.report, picture.failure = report, None
        if isinstance(picture.source, AddressSource):
            picture.source = report.source  # what was fetched is kept: the address may answer otherwise
        self.gallery.changed(picture)
        if picture is self.current:
            self.report_changed.emit()
        self.busy_changed.emit()

    @Slot(object)
    def _take_failure(self, failure: Failure) -> None:
        if failure.request_id is None:
            self.model_has_failed = True
            self.model_failed.emit(failure)
            return
        picture = self._of(failure.view, failure.request_id)
        if picture is not None:
            self._set_failure(picture, failure)

    def _set_failure(self, picture: Picture, failure: Failure) -> None:
        picture.failure, picture.report = failure, None
        self.gallery.changed(picture)
        if picture is self.current:
            self.report_changed.emit()
        self.busy_changed.emit()

    @Slot(object)
    def _take_patch(self, report: PatchReport) -> None:
        if self._is_current(report.request.report_id):
            self.patch_answered.emit(report)

    @Slot(object)
    def _take_class(self, report: ClassReport) -> None:
        if self._is_current(report.request.report_id):
            self.class_answered.emit(report)

    def _is_current(self, report_id: int) -> bool:
        report = self.current.report if self.current else None
        return report is not None and report.id == report_id

    @Slot(object)
    def _take_model(self, ready: ModelReady) -> None:
        """A model is ready: it is the one in use from now on, and what older ones said is asked again."""
        another = self.ready is None or ready.info != self.ready.info or ready.device != self.ready.device
        self.model, self.ready, self.model_has_failed = ready.ref, ready, False
        self.model_changed.emit(ready)
        if not another:
            return
        for picture in self.gallery.pictures:
            stale = picture.report is not None and picture.report.model != ready.info
            if picture.failure is None and stale:
                self._request(picture, Priority.DROPPED if picture is self.current else Priority.FOLDER)
        self.busy_changed.emit()

    @Slot(object)
    def _take_progress(self, progress: Progress) -> None:
        if self.current is not None and self.current.request_id == progress.request_id:
            self.progressed.emit(progress)
