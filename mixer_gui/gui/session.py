"""What is open: the pictures, the current one, the model. Has the worker classify, applies what it found.

No widgets here and no painting. Requests capture everything when they are made; an answer to any but the
newest request of its picture is stale and dropped.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from mixer_gui.gui.editing import Cut, cut_of
from mixer_gui.gui.gallery import SHOWN_EDGE, GalleryModel, LivePicture, Picture, thumbnail
from mixer_gui.gui.images import picture_image
from mixer_gui.gui.questions import Questions
from mixer_gui.records import (
    AddressSource,
    BytesSource,
    ClassifyRequest,
    DeviceInfo,
    DevicePreference,
    Edit,
    Failure,
    FrameReady,
    Framing,
    ModelReady,
    ModelRef,
    PictureSource,
    PrecisionPreference,
    Priority,
    Progress,
    Report,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mixer_gui.gui.workers import EngineWorker

FRAMES_KEPT = 6  # display copies of up to 12 MB each
STRIP_EDGE = 256  # pixels of a picture that is only in the strip


class Session(QObject):
    """Lives in the window's thread; all its slots are called there."""

    current_changed = Signal()  # another picture, or none, is current
    frame_changed = Signal()  # the current picture's pixels came
    report_changed = Signal()  # the current picture's report came, or its failure
    edits_failed = Signal(object, str)  # Picture, and why the network could not look at it as it is edited
    live_asked = Signal()  # something else is wanted of each frame of the moving picture
    model_changed = Signal(object)  # ModelReady: another model, or device, is in use
    device_told = Signal(object)  # DeviceInfo: the newest answer on the screen came from another one, or otherwise
    model_failed = Signal(object)  # Failure: the model stays what it was
    busy_changed = Signal()  # work began or ended
    names_changed = Signal()  # names that are shown on request only were asked for, or no longer are
    progressed = Signal(object)  # Progress of the current picture's fetch

    def __init__(
        self,
        worker: EngineWorker,
        model: ModelRef,
        device: DevicePreference,
        precision: PrecisionPreference,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.gallery = GalleryModel(self)
        self.current: Picture | None = None
        self.ready: ModelReady | None = None
        self.model_has_failed = False
        self.reveals_names = False
        self.model = model
        self.device = device
        self.precision = precision
        self.questions = Questions(worker, self)
        self._worker = worker
        self._ids = count(1)
        self._views = count(1)
        self._shown: list[Picture] = []  # most recent last; these keep their frames
        self._told: DeviceInfo | None = None
        self._wanted = (model, device)  # what was last asked for; in use once it is ready
        worker.frame_ready.connect(self._take_frame)
        worker.report_ready.connect(self._take_report)
        worker.model_ready.connect(self._take_model)
        worker.progressed.connect(self._take_progress)
        worker.failed.connect(self._take_failure)
        worker.load(model, device)

    # --- commands ---

    def add(self, sources: list[PictureSource], framing: Framing | None = None) -> None:
        """Put pictures into the strip, show the first, classify all; one that is there already is shown again.

        `framing`: of new ones; None is the checkpoint's own.
        """
        known = {each.source: each for each in self.gallery.pictures if not isinstance(each.source, BytesSource)}
        new: list[Picture] = []
        named: list[Picture] = []
        for source in sources:
            picture = None if isinstance(source, BytesSource) else known.get(source)
            if picture is None:
                picture = Picture(f"picture-{next(self._views)}", source, framing or Framing())
                new.append(picture)
                if not isinstance(source, BytesSource):
                    known[source] = picture
            picture.failure = None  # one that failed is tried again: the file may be whole now
            named.append(picture)
        self.gallery.insert(self.gallery.rowCount(), new)
        if named:
            self.show_picture(named[0])
        self._request_missing(named)
        self.busy_changed.emit()

    def reveal_names(self, wanted: bool) -> None:
        """Show the names that are shown on request only, or hide them again; no model runs for that."""
        self.reveals_names = wanted
        self.gallery.reveal_names(wanted)
        self.names_changed.emit()

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
        self._complete(picture)

    def remove(self, pictures: Iterable[Picture]) -> list[tuple[int, Picture]]:
        """Take pictures out of the strip and let go of their pixels; returns each with the row it had, in order."""
        leaving = set(pictures)
        rows = [(row, each) for row, each in enumerate(self.gallery.pictures) if each in leaving]
        staying = [each for each in self.gallery.pictures if each not in leaving]
        if self.current in leaving and staying:
            before = self.gallery.pictures[: self.gallery.row(self.current)]
            self.show_picture(staying[min(sum(each not in leaving for each in before), len(staying) - 1)])
        for picture in leaving:
            self._worker.cancel(picture.view)
            picture.request, picture.is_waiting, picture.frame = None, False, None
        self._shown = [each for each in self._shown if each not in leaving]
        self.gallery.remove([row for row, _ in rows])
        if self.current in leaving and not staying:
            self.current = None
            self.current_changed.emit()
        self.busy_changed.emit()
        return rows

    def put_back(self, rows: list[tuple[int, Picture]], shown: Picture) -> None:
        """Undo `remove`: each where it was, and `shown` current."""
        self._drop_edits(picture for _, picture in rows)
        for row, picture in rows:
            self.gallery.insert(min(row, self.gallery.rowCount()), [picture])
        self.show_picture(shown)
        self._request_missing([picture for _, picture in rows])
        self.busy_changed.emit()

    def show_live(self, picture: LivePicture) -> None:
        """Make a moving picture current; who moves it asks for its frames and sets what they gave."""
        self.current = picture
        self.current_changed.emit()
        self.busy_changed.emit()

    def leave_live(self) -> None:
        """Show the picture before the moving one again, or none."""
        if isinstance(self.current, LivePicture):
            staying = [each for each in self._shown if self.gallery.row(each) >= 0]
            if staying:
                self.show_picture(staying[-1])
            else:
                self.current = None
                self.current_changed.emit()
                self.busy_changed.emit()

    def retry(self) -> None:
        """Read and classify the current picture again: the file may have changed."""
        if self.current is not None and not isinstance(self.current, LivePicture):
            picture = self.current
            picture.failure = picture.report = picture.before = picture.frame = picture.thumbnail = None
            self.gallery.changed(picture)
            self._request(picture, Priority.DROPPED)
            self.current_changed.emit()
            self.busy_changed.emit()

    def cancel(self) -> None:
        """Stop what is under way for the current picture; it stays in the strip and can be retried."""
        picture = self.current
        if picture is not None and picture.request is not None and picture.is_waiting and picture.report is None:
            self._worker.cancel(picture.view)
            sentence = self.tr("Cancelled. Choose Reload to try again.")
            self._set_failure(picture, Failure(picture.request.id, picture.view, picture.source.name, sentence))

    def set_framing(self, picture: Picture, framing: Framing) -> None:
        """Let the network see another part of a picture, and show it; the old result stays until the new one came."""
        picture.framing = framing
        picture.failure = None
        if isinstance(picture, LivePicture):
            self.live_asked.emit()
        else:
            self.show_picture(picture)

    def set_edits(self, picture: Picture, edits: tuple[Edit, ...], *, shows: bool = True) -> None:
        """Change what the network sees of a picture, patch by patch; the old result stays until the new one came.

        While an earlier change is computed, the newest waits for its answer, so that a stroke shows as it goes on.
        `shows`: make the picture current.
        """
        picture.edits, picture.cut, picture.failure = edits, self.cut, None
        if not edits and self._knows_unedited(picture):
            picture.take_back_edits()
            if picture is self.current:
                self.report_changed.emit()
        self.gallery.changed(picture)
        if picture is self.current:
            self._complete(picture)
        elif shows:
            self.show_picture(picture)
        else:
            self._request_edited(picture)

    def want_pixels(self, picture: Picture) -> None:
        """Have what the network sees of a picture that was classified in the strip only."""
        if picture.failure is None and not picture.is_waiting and (not picture.report or picture.report.pixels is None):
            self._request(picture, Priority.DROPPED)

    def set_model(self, model: ModelRef, device: DevicePreference) -> None:
        """Load another model; what is on screen stays until it is ready, then all is classified again."""
        self._wanted = (model, device)
        self._worker.load(model, device)

    def set_precision(self, precision: PrecisionPreference) -> None:
        """Compute in another precision from now on, and all that is there once more."""
        if precision == self.precision:
            return
        self.precision = precision
        for picture in self.gallery.pictures:
            picture.failure = None
            self._request(picture, self._priority(picture), unedited=True)  # its edits follow
        if isinstance(self.current, LivePicture):
            self.live_asked.emit()
        self.busy_changed.emit()

    def tell_device(self, device: DeviceInfo) -> None:
        """What is on the screen now was computed there."""
        if device != self._told:
            self._told = device
            self.device_told.emit(device)

    def fall_back(self, model: ModelRef) -> None:
        """Use another model, on whatever device there is; what failed for want of one is classified with it."""
        self.model, self.device, self.model_has_failed = model, DevicePreference.AUTO, False
        self.set_model(model, self.device)
        for picture in self.gallery.pictures:
            if picture.report is None:
                picture.failure = None
                self._request(picture, self._priority(picture))

    def next_id(self) -> int:
        """For a request that somebody else sends to the same engine: ids are unique in the process."""
        return next(self._ids)

    # --- state ---

    @property
    def waiting(self) -> int:
        """Pictures whose newest request has neither a result nor a failure yet."""
        return sum(each.is_waiting for each in self.gallery.pictures)

    @property
    def cut(self) -> Cut | None:
        """What edits are made to by now; None before the first model is ready."""
        return None if self.ready is None else cut_of(self.ready.info)

    def _is_under_way(self, picture: Picture) -> bool:
        """Whether all that the window needs of a picture has been asked for."""
        request = picture.request
        return (
            picture.is_waiting
            and request is not None
            and request.priority == Priority.DROPPED
            and (request.model, request.precision) == (self.model, self.precision)
            and request.framing == picture.framing
        )  # made with older edits or none, its answer is followed by the newest

    def _knows_unedited(self, picture: Picture) -> bool:
        return self.ready is not None and picture.knows_unedited(self.ready.info)

    def _complete(self, picture: Picture) -> None:
        """Ask for what the window needs of a picture and is not there or under way."""
        is_complete = self.ready is not None and picture.is_complete(self.ready.info)
        if picture.failure is None and not is_complete and not self._is_under_way(picture):
            self._request(picture, Priority.DROPPED)
        self.busy_changed.emit()

    def _request_missing(self, pictures: Iterable[Picture]) -> None:
        """Have those classified of which there is no result, or one of another model, and none is under way."""
        for picture in pictures:
            if picture.is_waiting:
                request, now = picture.request, (self.model, self.precision)
                is_asked = request is not None and (request.model, request.precision) == now
            else:
                report = picture.report
                is_asked = report is not None and (self.ready is None or report.model == self.ready.info)
            if picture.failure is None and not is_asked:
                self._request(picture, self._priority(picture))

    def _request_edited(self, picture: Picture) -> None:
        """Have a picture classified as it is edited by now, where its result is of other edits."""
        report = picture.report
        is_other = report is not None and report.edits != picture.edits
        if is_other and not picture.is_waiting and self._knows_unedited(picture):
            self._request(picture, self._priority(picture))

    def _priority(self, picture: Picture) -> Priority:
        return Priority.DROPPED if picture is self.current else Priority.FOLDER

    def _request(self, picture: Picture, priority: Priority, *, unedited: bool = False) -> None:
        edge = SHOWN_EDGE if priority == Priority.DROPPED else STRIP_EDGE
        if picture.has_whole_frame:
            edge = 0
        picture.request = ClassifyRequest(
            id=next(self._ids),
            view=picture.view,
            priority=priority,
            source=picture.source,
            model=self.model,
            framing=picture.framing,
            device=self.device,
            precision=self.precision,
            display_edge=edge,
            # Without what the network says of the picture itself, that comes first.
            edits=picture.edits if self._knows_unedited(picture) and not unedited else (),
        )
        picture.is_waiting = True
        self._worker.classify(picture.request)

    def _of(self, view: str, request_id: int | None) -> Picture | None:
        """The picture that an answer is for; None where it is stale."""
        picture = self.gallery.find(view)
        if picture is None or picture.request is None or picture.request.id != request_id:
            return None
        return picture

    # --- answers ---

    @Slot(object)
    def _take_frame(self, ready: FrameReady) -> None:
        picture = self._of(ready.view, ready.request_id)
        if picture is None:
            return
        if picture.thumbnail is None or picture.failure is not None:
            picture.thumbnail = thumbnail(picture_image(ready.frame))
            self.gallery.changed(picture)
        if picture in self._shown and picture.request is not None and picture.request.display_edge == SHOWN_EDGE:
            picture.frame = ready.frame
        if picture is self.current:
            self.frame_changed.emit()

    @Slot(object)
    def _take_report(self, report: Report) -> None:
        picture = self._of(report.view, report.id)
        if picture is None:
            return
        picture.take_report(report)
        if isinstance(picture.source, AddressSource):
            picture.source = report.source  # what was fetched is kept: the address may answer otherwise
        self.gallery.changed(picture)
        if picture is self.current:
            self.tell_device(report.device)
            self.report_changed.emit()
            if picture.frame is None:  # it came while others were shown, and was not kept
                self._request(picture, Priority.DROPPED)
        self._request_edited(picture)
        self.busy_changed.emit()

    @Slot(object)
    def _take_failure(self, failure: Failure) -> None:
        if failure.model is not None and failure.model != self._wanted[0]:
            return  # its pictures asked for it, too, and another one is wanted by now
        if failure.request_id is None:
            is_of_a_model = bool(failure.source_name)  # else of files that could not be listed or looked at
            self.model_has_failed = self.model_has_failed or (is_of_a_model and self.ready is None)
            self.model_failed.emit(failure)
            return
        picture = self._of(failure.view, failure.request_id)
        if picture is not None and picture.request is not None and picture.request.edits:  # its old result stays
            picture.is_waiting = False
            if picture.request.edits != picture.edits:  # what is wanted by now may go well
                self._request_edited(picture)
            else:
                self.edits_failed.emit(picture, failure.sentence)
            self.busy_changed.emit()
        elif picture is not None:
            self._set_failure(picture, failure)

    def _set_failure(self, picture: Picture, failure: Failure) -> None:
        picture.failure, picture.report, picture.is_waiting = failure, None, False
        self.gallery.changed(picture)
        if picture is self.current:
            self.report_changed.emit()
        self.busy_changed.emit()

    @Slot(object)
    def _take_model(self, ready: ModelReady) -> None:
        """A model is ready: it is the one in use from now on, and what older ones said is asked again."""
        model, device = self._wanted
        if ready.ref not in (model, self.model):
            return  # of a comparison, or wanted no longer
        if ready.ref == model and device in (DevicePreference.AUTO, ready.device.kind):
            self.device = device
        self.model, self.ready, self.model_has_failed = ready.ref, ready, False
        self._drop_edits(self.gallery.pictures)
        self.tell_device(ready.device)
        self.model_changed.emit(ready)
        self._request_missing(self.gallery.pictures)
        self.busy_changed.emit()

    def _drop_edits(self, pictures: Iterable[Picture]) -> None:
        """Edits are made to patches: where the model in use cuts others, they mean nothing."""
        for picture in pictures:
            if picture.edits and picture.cut != self.cut:
                picture.edits = ()
                self.gallery.changed(picture)

    @Slot(object)
    def _take_progress(self, progress: Progress) -> None:
        request = self.current.request if self.current else None
        if request is not None and request.id == progress.request_id:
            self.progressed.emit(progress)
