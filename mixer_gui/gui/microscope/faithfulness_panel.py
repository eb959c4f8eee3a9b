"""Is the map on screen faithful? Deletion and insertion curves on demand, and attributions to compare with.

The network computes everything; what it found is kept here by report and class.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mixer_gui.gui.amounts import time_left_text
from mixer_gui.gui.labels import heading, scrolling, set_words, words_label
from mixer_gui.gui.microscope.attribution_list import AttributionList
from mixer_gui.gui.microscope.attributions import (
    GRADIENT_COST,
    INTEGRATION_STEPS,
    METHODS,
    Answers,
    Attribution,
    captioned_attribution,
    cost_text,
)
from mixer_gui.gui.microscope.measure_box import MeasureBox, shown_on_screen
from mixer_gui.gui.microscope.measurement import Measurement, ranked_maps
from mixer_gui.gui.microscope.measurement_view import MeasurementView
from mixer_gui.gui.microscope.panel import Panel
from mixer_gui.records import (
    Answer,
    AttributionJob,
    AttributionReport,
    FaithfulnessJob,
    FaithfulnessReport,
    GradientReport,
    GradientRequest,
    JobEnded,
    JobProgress,
    QuestionFailed,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.focus import Focus
    from mixer_gui.gui.maps import CaptionedMap

Key = tuple[int, int]  # a report and a class

KEPT = 12
CURVES_MS = 100  # between two paintings of curves that grow
AROUND = 42  # pixels of the panel's width that its frame and scroll bar take


@dataclass(slots=True)
class Known(Answers):
    """What is known of a class of a report."""

    measurement: Measurement | None = None


@dataclass(slots=True)
class Run:
    """A measurement that goes on. `job_id` is None while it waits for the gradient."""

    key: Key
    shown: CaptionedMap
    job_id: int | None = None
    slots: tuple[int, ...] = ()
    progress: JobProgress | None = None
    started: tuple[float, int] | None = None  # seconds and passes of the first progress


@dataclass(slots=True)
class Computation:
    """An attribution that is being computed."""

    key: Key
    kind: Attribution
    progress: JobProgress | None = field(default=None)


class FaithfulnessPanel(Panel):
    """Measures the map on screen, and shows attributions of the whole picture to compare it with."""

    topic = "faithfulness"

    def __init__(self, focus: Focus, parent: QWidget | None = None) -> None:
        super().__init__(focus, "", parent)
        self.title.setText(self.tr("Is the map on screen faithful?"))
        self._known: OrderedDict[Key, Known] = OrderedDict()
        self._run: Run | None = None
        self._computations: dict[int, Computation] = {}
        self._chosen: Attribution | None = None
        self._note: tuple[Key, str] | None = None  # how the last measurement of a class ended
        self._list_note: tuple[Key, str] | None = None  # likewise a computation
        self._interrupted: Key | None = None  # whose measurement ended when something else was shown
        self._made: tuple[tuple[Key, Attribution, str], CaptionedMap] | None = None  # what `overlay` gave last
        self._painting = QTimer(self, singleShot=True, interval=CURVES_MS)
        self._painting.timeout.connect(self._show_curves)
        self._build()
        for signal in (focus.report_changed, focus.class_changed):
            signal.connect(self._stop_stale)
        focus.map_changed.connect(self._show_map)

    def _build(self) -> None:
        self.purpose = words_label("muted")
        self.purpose.setText(
            self.tr(
                "A map claims that some patches matter most. “Measure” removes patches, and puts them back, in its "
                "order: the sooner the class is lost, and found again, the better the map."
            )
        )
        self.box = MeasureBox()
        self.box.measure_asked.connect(self._measure)
        self.box.cancel_asked.connect(self._cancel)
        self.results = MeasurementView()
        self.list_title = heading(self.tr("Maps to compare with"))
        self.list_words = words_label("muted")
        self.list_note = words_label("warning")
        self.list = AttributionList()
        self.list.chosen.connect(self._choose)
        self.list.compute_asked.connect(self._compute)
        self.list.cancel_asked.connect(self._cancel_computation)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(8)
        for part in (
            self.purpose,
            self.box,
            self.results,
            self.list_title,
            self.list_words,
            self.list_note,
            self.list,
        ):
            column.addWidget(part, 1 if part is self.results else 0)
        column.addStretch(1)
        self.scroll_area = scrolling(inside)
        self.body.addWidget(self.scroll_area)

    # --- what a panel does ---

    def refresh(self) -> None:
        self._stop_stale()
        report, key = self.report, self._key()
        if report is None:
            return
        if key is not None and self._recall(key).gradient is None:
            self.ask(GradientRequest(*key))
        self._show_cost()
        self._show_subject()
        self._show_run()
        self._show_curves()
        self._show_list()

    def take(self, answer: Answer) -> None:
        if not isinstance(answer, GradientReport):
            return
        key = (answer.request.report_id, answer.request.index)
        self._recall(key).take_gradient(answer)
        if key == self._key():
            if self._run is not None and self._run.job_id is None:
                self._start(self._run)
            self._show_cost()
            self._show_list()
            self.overlay_changed.emit()

    def take_failed(self, failed: QuestionFailed) -> None:
        if self._run is not None and self._run.job_id is None:  # it waits for just this
            self._drop_run()

    @Slot(object)
    def take_job(self, told: object) -> None:
        if isinstance(told, FaithfulnessReport):
            self._take_curves(told)
        elif isinstance(told, AttributionReport):
            self._take_attribution(told)
        elif isinstance(told, JobProgress):
            self._take_progress(told)
        elif isinstance(told, JobEnded):
            self._take_end(told)

    def overlay(self) -> CaptionedMap | None:
        key, kind = self._key(), self._chosen
        if key is None or kind is None or key not in self._known:
            return None
        values = self._known[key].maps.get(kind)
        if values is None:
            return None
        made_of = (key, kind, self.focus.label(key[1]))
        if self._made is None or self._made[0] != made_of:  # the same again stays the same
            self._made = (made_of, captioned_attribution(values, kind, made_of[-1]))
        return self._made[1]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        key = self._key()
        known = None if key is None else self._known.get(key)
        if known is None:
            return {}
        found: dict[str, NDArray[np.generic]] = {kind.value: values for kind, values in known.maps.items()}
        if known.measurement is not None:
            found.update(known.measurement.arrays())
        return found

    def views(self) -> dict[str, QWidget]:
        found: dict[str, QWidget] = {}
        if not self.results.isHidden():
            found.update(self.results.views())
        found[self.tr("Maps to compare with")] = self.list
        return found

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        room = self.width() - AROUND
        self.list.fit(room)
        self.results.fit(room)

    # --- what is known ---

    def _key(self) -> Key | None:
        report, index = self.report, self.focus.class_index
        return None if report is None or index is None else (report.id, index)

    def _recall(self, key: Key) -> Known:
        """What is known of it, from now on the last to be forgotten."""
        known = self._known.setdefault(key, Known())
        self._known.move_to_end(key)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return known

    # --- measuring ---

    @Slot()
    def _measure(self) -> None:
        key, shown = self._key(), self.focus.shown_map
        if key is None or shown is None or self._run is not None:
            return
        self._note = self._interrupted = None
        self._run = Run(key, shown)
        if self._recall(key).gradient is None:
            self.retry()  # it is on its way, or has failed
        else:
            self._start(self._run)
        self._show_run()

    def _start(self, run: Run) -> None:
        report, known = self.report, self._recall(run.key)
        if report is None or known.gradient is None:
            return
        run.job_id = self.focus.next_job_id()
        run.slots, maps = ranked_maps(
            run.shown.shown.values, run.shown.caption, known.gradient.saliency, report.model.grid
        )
        self.focus.start_job(FaithfulnessJob(run.job_id, *run.key, maps, self.box.patches_per_step))

    @Slot()
    def _cancel(self) -> None:
        if self._run is not None:
            self._note = (self._run.key, self.tr("Cancelled."))
        self._drop_run()

    def _drop_run(self) -> None:
        run, self._run = self._run, None
        if run is not None and run.job_id is not None:
            self.focus.cancel_job(run.job_id)
        if self.is_shown:
            self._show_run()
            self._show_curves()

    @Slot()
    def _stop_stale(self) -> None:
        """What is about another picture or class than the one in focus goes on for nobody."""
        key = self._key()
        if self._run is not None and self._run.key != key:
            self._interrupted = self._run.key
            self._drop_run()
        for job_id in [job_id for job_id, each in self._computations.items() if each.key != key]:
            del self._computations[job_id]
            self.focus.cancel_job(job_id)

    def _take_curves(self, found: FaithfulnessReport) -> None:
        run = self._run
        if run is None or run.job_id != found.job.id:
            return
        label = self.focus.label(run.key[1])
        self._recall(run.key).measurement = Measurement(found, run.slots, run.shown.caption, label)
        if self.is_shown and not self._painting.isActive():
            self._painting.start()

    def _take_progress(self, progress: JobProgress) -> None:
        run, computation = self._run, self._computations.get(progress.job_id)
        if run is not None and run.job_id == progress.job_id:
            run.progress = progress
            run.started = run.started or (time.monotonic(), progress.done)
            if self.is_shown:
                self._show_run()
        elif computation is not None:
            computation.progress = progress
            if self.is_shown:
                self.list.tiles[computation.kind].show_progress(progress)

    def _take_end(self, ended: JobEnded) -> None:
        run, computation = self._run, self._computations.pop(ended.job_id, None)
        if run is not None and run.job_id == ended.job_id:
            self._run = None
            self._note = (run.key, ended.failure or (self.tr("Cancelled.") if ended.cancelled else ""))
            if self.is_shown:
                self._show_run()
                self._show_curves()
        elif computation is not None:
            self._list_note = (computation.key, ended.failure)
            if self.is_shown:
                self._show_list()

    # --- attributions ---

    @Slot(object)
    def _choose(self, kind: Attribution | None) -> None:
        self._chosen = kind
        self.overlay_wanted.emit()
        self._show_list()

    @Slot(object)
    def _compute(self, kind: Attribution) -> None:
        key = self._key()
        if key is None or any(each.kind == kind for each in self._computations.values()):
            return
        self._list_note = None
        job_id = self.focus.next_job_id()
        self._computations[job_id] = Computation(key, kind)
        self.focus.start_job(AttributionJob(job_id, *key, METHODS[kind], INTEGRATION_STEPS))
        self._show_list()

    @Slot(object)
    def _cancel_computation(self, kind: Attribution) -> None:
        for job_id in [job_id for job_id, each in self._computations.items() if each.kind == kind]:
            del self._computations[job_id]
            self.focus.cancel_job(job_id)
        self._show_list()

    def _take_attribution(self, found: AttributionReport) -> None:
        computation = self._computations.get(found.job.id)
        if computation is None:
            return
        self._recall(computation.key).maps[computation.kind] = found.values
        if self.is_shown:
            del self._computations[found.job.id]
            self._choose(computation.kind)  # who had it computed wants to see it

    # --- showing ---

    def _pass_ms(self) -> float:
        """About how long a forward pass takes; a report's own may have been the model's first, which takes longer."""
        report, key = self.report, self._key()
        found = [] if report is None else [report.timings_ms.forward]
        gradient = None if key is None else self._recall(key).gradient
        if gradient is not None:
            found.append(gradient.elapsed_ms / (GRADIENT_COST - 1.0))
        return min(found, default=0.0)

    def _show_cost(self) -> None:
        if self.report is not None:
            self.box.set_picture(self.report.model.grid.count, self._pass_ms())

    @Slot()
    def _show_map(self) -> None:
        """Another map came over the picture: which tile has the tick, and what would be measured."""
        if self.is_shown:
            self._show_subject()
            self._show_list()

    def _show_subject(self) -> None:
        """Which map would be measured; while one is measured, that one."""
        key = self._key()
        if not self.is_shown or key is None:
            return
        shown = self.focus.shown_map if self._run is None else self._run.shown
        set_words(self.box.subject, shown_on_screen("" if shown is None else shown.caption, self.focus.label(key[1])))
        if self._run is None:
            self.box.measure.setEnabled(shown is not None)

    def _show_run(self) -> None:
        run = self._run
        if run is None:
            self.box.show_idle(self._what_happened(), can_start=self.focus.shown_map is not None)
            self._show_subject()
        elif run.progress is None or run.started is None:
            self.box.show_waiting(self.tr("Waiting for the network …"))
        else:
            done, total = run.progress.done, run.progress.total
            since, before = run.started
            words = self.tr("{0:,} of {1:,} forward passes").format(done, total)
            if done > before:
                words += " · " + time_left_text((time.monotonic() - since) / (done - before) * (total - done))
            self.box.show_progress(done, total, words)

    def _what_happened(self) -> str:
        key, report = self._key(), self.report
        if self._interrupted is None:
            return self._note[1] if self._note is not None and self._note[0] == key else ""
        if report is not None and report.id != self._interrupted[0]:
            return self.tr("The measurement was cancelled: another picture, or the same with changes, was shown.")
        if key != self._interrupted:
            return self.tr("The measurement was cancelled: another class was chosen.")
        return self.tr("Cancelled, as something else was shown.")

    @Slot()
    def _show_curves(self) -> None:
        key = self._key()
        found = None if key is None or key not in self._known else self._known[key].measurement
        self.purpose.setVisible(found is None)
        self.results.setVisible(found is not None)
        if found is None or key is None:
            return
        is_running = self._run is not None and self._run.key == key
        self.results.show_measurement(found, found.names(self.focus.label(key[1])), is_running=is_running)

    def _show_list(self) -> None:
        report, key = self.report, self._key()
        if report is None or key is None:
            return
        set_words(
            self.list_words,
            self.tr(
                "For the class “{0}”: red speaks for it, blue against it; maps without a sign go from dark to bright. "
                "Choose one to put it over the picture."
            ).format(self.focus.label(key[1])),
        )
        set_words(self.list_note, self._list_note[1] if self._list_note and self._list_note[0] == key else "")
        patches, pass_ms = report.model.grid.count, self._pass_ms()
        costs = {kind: cost_text(kind, patches, pass_ms) for kind in METHODS}
        running = {each.kind: each.progress for each in self._computations.values() if each.key == key}
        overlay = self.overlay()
        on_screen = self._chosen if overlay is not None and overlay is self.focus.shown_map else None
        self.list.show_answers(self._recall(key), report.model.grid, on_screen, running, costs)
