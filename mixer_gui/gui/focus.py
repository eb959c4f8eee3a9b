"""What the microscope looks at: a report, and of it a layer, a patch and a class; and whom its views ask.

The explorer sets it, the views of the microscope read it. Knows no session and no engine.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage

from mixer_gui.gui.images import picture_image
from mixer_gui.gui.maps import CaptionedMap
from mixer_gui.gui.prediction_list import short_label
from mixer_gui.records import Answer, Job, Prediction, Question, Report, revealed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mixer_gui.gui.gallery import Picture


class Focus(QObject):
    """Lives in the window's thread. Only its owner calls the methods whose names begin with `set` and `take`."""

    report_changed = Signal()  # another report, or none
    layer_changed = Signal()
    patch_changed = Signal()
    class_changed = Signal()
    names_changed = Signal()
    map_changed = Signal()  # another map is on the screen
    answered = Signal(object)  # Answer about the current report
    before_answered = Signal(object)  # Answer about `before`
    question_failed = Signal(object)  # QuestionFailed, about either
    job_told = Signal(object)  # JobProgress, JobResult or JobEnded
    asked = Signal(object)  # Question
    job_asked = Signal(object)  # Job
    job_cancelled = Signal(int)
    layer_wanted = Signal(int)
    patch_wanted = Signal(object)  # int, or None: let go
    class_wanted = Signal(object)  # int, or None: the first of the ranking

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.report: Report | None = None
        self.before: Report | None = None  # of the same picture without its edits, where it has some
        self.is_live = False
        self.layer = 0
        self.patch: int | None = None
        self.class_index: int | None = None
        self.shown_map: CaptionedMap | None = None
        self.image: QImage | None = None
        self.reveals_names = False
        self._job_ids = count(1)

    # --- for the views ---

    def ask(self, question: Question) -> None:
        """Its answer comes by `answered`, unless another report is current by then."""
        self.asked.emit(question)

    def next_job_id(self) -> int:
        return next(self._job_ids)

    def start_job(self, job: Job) -> None:
        """What it finds comes by `job_told`, whatever report is current by then."""
        self.job_asked.emit(job)

    def cancel_job(self, job_id: int) -> None:
        self.job_cancelled.emit(job_id)

    def want_layer(self, layer: int) -> None:
        self.layer_wanted.emit(layer)

    def want_patch(self, patch: int | None) -> None:
        """Pin a patch, or let it go."""
        self.patch_wanted.emit(patch)

    def want_class(self, index: int | None) -> None:
        self.class_wanted.emit(index)

    def label(self, index: int) -> str:
        """A class's short name, as it may be shown; empty without a report."""
        if self.report is None:
            return ""
        return short_label(self.report.model.names.label(index, reveal=self.reveals_names))

    def named(self, predictions: Iterable[Prediction]) -> tuple[Prediction, ...]:
        """As they may be shown: with all names where they were asked for."""
        shown = tuple(predictions)
        if self.report is None or not self.reveals_names:
            return shown
        return revealed(shown, self.report.model.names)

    # --- for the owner ---

    def look_at(
        self,
        picture: Picture | None,
        *,
        is_live: bool,
        layer: int,
        patch: int | None,
        class_index: int | None,
    ) -> None:
        """All at once, before anything is told: a view never asks about one report's class in another report.

        Tells of a change only where there is one: the picture's pixels alone are none.
        """
        report = None if picture is None else picture.report
        before = None if picture is None else picture.before
        frame = None if picture is None else picture.frame
        image = None if frame is None else picture_image(frame)
        changed = []
        if report is not self.report or before is not self.before or is_live != self.is_live:
            changed.append(self.report_changed)
        if layer != self.layer:
            changed.append(self.layer_changed)
        if patch != self.patch:
            changed.append(self.patch_changed)
        if class_index != self.class_index:
            changed.append(self.class_changed)
        self.report, self.before, self.image, self.is_live = report, before, image, is_live
        self.layer, self.patch, self.class_index = layer, patch, class_index
        for signal in changed:
            signal.emit()

    def set_layer(self, layer: int) -> None:
        if layer != self.layer:
            self.layer = layer
            self.layer_changed.emit()

    def set_patch(self, patch: int | None) -> None:
        if patch != self.patch:
            self.patch = patch
            self.patch_changed.emit()

    def set_class(self, index: int | None) -> None:
        if index != self.class_index:
            self.class_index = index
            self.class_changed.emit()

    def set_names(self, *, reveals: bool) -> None:
        if reveals != self.reveals_names:
            self.reveals_names = reveals
            self.names_changed.emit()

    def set_map(self, shown: CaptionedMap | None) -> None:
        if shown is not self.shown_map:
            self.shown_map = shown
            self.map_changed.emit()

    @Slot(object)
    def take_answer(self, answer: Answer) -> None:
        if self.report is not None and answer.request.report_id == self.report.id:
            self.answered.emit(answer)
