"""The second side of a comparison: another picture on the window's model, or its picture on another model.

Asks the engine under a view of its own, so that nothing that the window shows is touched. No widgets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from mixer_gui.gui.editing import cut_of
from mixer_gui.gui.gallery import LivePicture, Picture
from mixer_gui.gui.images import picture_image
from mixer_gui.gui.model_items import title_of
from mixer_gui.records import (
    Answer,
    CheckpointInfo,
    ClassifyRequest,
    DifferenceReport,
    DifferenceRequest,
    Failure,
    Frame,
    FrameReady,
    ModelRef,
    Priority,
    QuestionFailed,
    Report,
)
from mixer_gui.resources import default_model

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

    from mixer_gui.gui.library import Library
    from mixer_gui.gui.microscope.panel import Panel
    from mixer_gui.gui.session import Session
    from mixer_gui.gui.workers import EngineWorker

VIEW = "compare"
EDGE = 1024  # pixels of the other picture as it is shown

Choice = Picture | ModelRef


class Comparison(QObject):
    """Lives in the window's thread. The left side A is the session's current picture and model; here is B."""

    changed = Signal()  # what is known of B, or an answer about either side
    choices_changed = Signal()  # there are other pictures or models to choose from

    def __init__(self, worker: EngineWorker, session: Session, library: Library, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.chosen: Choice | None = None
        self.report: Report | None = None  # B's, if it is the newest that was asked for
        self.failure: Failure | None = None
        self.answered = 0  # answers of `about` that came so far
        self._worker, self._session, self._library = worker, session, library
        self._a: Report | None = None
        self._request: ClassifyRequest | None = None
        self._frame: Frame | None = None
        self._opened: list[ModelRef] = []  # chosen from disk, or in use before a swap
        self._infos: dict[ModelRef, CheckpointInfo] = {}
        self._answers: dict[DifferenceRequest, DifferenceReport] = {}
        self._questions: list[DifferenceRequest] = []  # the first is asked, the others wait for its answer
        self._failed: dict[DifferenceRequest, str] = {}  # questions without an answer, and why
        self._swap: tuple[ModelRef, ModelRef] | None = None  # what A gets once it is ready, and what B gets then
        worker.frame_ready.connect(self._take_frame)
        worker.report_ready.connect(self._take_report)
        worker.failed.connect(self._take_failure)
        worker.answered.connect(self._take_answer)
        worker.question_failed.connect(self._take_failed_question)
        session.model_changed.connect(self._take_model)
        session.model_failed.connect(self._drop_swap)
        session.current_changed.connect(self.choices_changed)
        library.changed.connect(self.choices_changed)
        gallery = session.gallery
        for signal in (gallery.rowsInserted, gallery.rowsRemoved, gallery.modelReset):
            signal.connect(self._check_pictures)

    @Slot(object)
    def connect_panel(self, panel: Panel) -> None:
        """A view of the microscope was made: where it is the one that compares, this is what it shows."""
        from mixer_gui.gui.microscope.compare_panel import ComparePanel

        if isinstance(panel, ComparePanel):
            panel.set_comparison(self)

    # --- what there is to choose ---

    def pictures(self) -> tuple[Picture, ...]:
        """The strip's, without the current one."""
        return tuple(each for each in self._session.gallery.pictures if each is not self._session.current)

    def models(self) -> tuple[ModelRef, ...]:
        """The built-in one, those on disk, and those that were opened here, without the one in use."""
        known = [default_model()]
        known += [ModelRef(each.path) for each in self._library.items() if each.path is not None]
        known += self._opened
        return tuple(each for each in dict.fromkeys(known) if each != self._session.model)

    def model_title(self, ref: ModelRef) -> str:
        return self.tr("Built-in model") if ref == default_model() else title_of(ref.path)

    def look_for_models(self) -> None:
        """Have the models on disk listed, where that has not been done yet; no network."""
        if self._library.store is None:
            self._library.refresh()

    # --- commands ---

    def choose(self, choice: Choice | None) -> None:
        """Compare with this; the same again is another try. None: with nothing."""
        self.chosen = choice
        if isinstance(choice, ModelRef) and choice not in self.models():
            self._opened.append(choice)
        self._swap = None
        self._forget()
        self.choices_changed.emit()
        self.follow()
        self.changed.emit()

    def follow(self) -> None:
        """Ask for B again where A, or what B is made from, is another; called while the comparison is looked at."""
        wanted, current = self._wanted(), self._session.current
        if current is not None and current.report is not self._a:  # what waits is about a report that is gone
            self._a = current.report
            self.drop_questions()
        if wanted is None:
            if self._request is not None:
                self._forget()
                self.changed.emit()
            return
        if self._request is not None and replace(self._request, id=wanted.id) == wanted:
            return
        self._forget()
        self._request = replace(wanted, id=self._session.next_id())
        self._worker.classify(self._request)
        self.changed.emit()

    def swap(self) -> None:
        """What is B becomes the window's picture, or model, and what was the window's becomes B."""
        current, chosen = self._session.current, self.chosen
        if isinstance(chosen, Picture) and current is not None:
            self.chosen = current
            self._forget()
            self._session.show_picture(chosen)
        elif isinstance(chosen, ModelRef):
            self._swap = (chosen, self._session.model)
            self._session.set_model(chosen, self._session.device)
            self.changed.emit()

    def about(self, report: Report, index: int) -> DifferenceReport | None:
        """What is known of a class of either side's report; where that is nothing yet, it is asked for."""
        question = DifferenceRequest(report.id, index)
        answer = self._answers.get(question)
        if answer is None and question not in self._questions and question not in self._failed:
            self._questions.append(question)
            if len(self._questions) == 1:
                self._worker.ask(question)
        return answer

    def retry(self) -> None:
        """Another try after a failure, of B or of a question: B is read and classified again."""
        self.choose(self.chosen)

    def drop_questions(self) -> None:
        """Wait for no answer any more: what is needed is asked again.

        Another view's question of the same kind takes the place of one that waits, so none may be left behind when the
        comparison leaves the screen, nor be waited for when it comes back.
        """
        self._questions.clear()
        self._failed.clear()
        kept = {each.id for each in (self._a, self.report) if each is not None}
        self._answers = {asked: answer for asked, answer in self._answers.items() if asked.report_id in kept}

    # --- state ---

    @property
    def failed(self) -> str:
        """Why a question that the comparison needs has no answer; empty where none has failed since it was asked."""
        return next(iter(self._failed.values()), "")

    @property
    def is_of_pictures(self) -> bool:
        return isinstance(self.chosen, Picture)

    @property
    def is_swapping(self) -> bool:
        return self._swap is not None

    @property
    def is_with_itself(self) -> bool:
        """Whether what was chosen is what A is by now."""
        return self.chosen is not None and self.chosen in (self._session.current, self._session.model)

    @property
    def image(self) -> QImage | None:
        """B's picture as it is displayed, where it is another one than A's; valid until `changed`."""
        return None if self._frame is None else picture_image(self._frame)

    # --- asking ---

    def _wanted(self) -> ClassifyRequest | None:
        """What B's newest request has to be, by whatever id; None where there is nothing to ask."""
        current, chosen, session = self._session.current, self.chosen, self._session
        if current is None or isinstance(current, LivePicture) or chosen is None or self.is_with_itself:
            return None
        if isinstance(chosen, Picture):
            picture, model, edits = chosen, session.model, chosen.edits
        else:
            picture, model = current, chosen
            info, own = self._infos.get(chosen), session.ready.info if session.ready is not None else None
            has_same_patches = info is not None and own is not None and cut_of(info) == cut_of(own)
            edits = current.edits if has_same_patches else ()
        return ClassifyRequest(
            id=0,
            view=VIEW,
            priority=Priority.DROPPED,
            source=picture.source,
            model=model,
            framing=picture.framing,
            device=session.device,
            precision=session.precision,
            display_edge=EDGE if isinstance(chosen, Picture) else 0,
            edits=edits,
        )

    def _forget(self) -> None:
        """B is nothing until the next report; what is under way for it stops."""
        if self._request is not None:
            self._worker.cancel(VIEW)
        self._request, self.report, self.failure, self._frame = None, None, None, None
        self._questions.clear()
        self._failed.clear()
        self._answers.clear()

    # --- answers ---

    @Slot(object)
    def _take_frame(self, ready: FrameReady) -> None:
        if self._is_newest(ready.view, ready.request_id):
            self._frame = ready.frame

    @Slot(object)
    def _take_report(self, report: Report) -> None:
        if self._request is None or not self._is_newest(report.view, report.id):
            return
        self.report = report
        self._infos[self._request.model] = report.model
        self.follow()  # whether A's edits can be made to B is known only now
        self.changed.emit()

    @Slot(object)
    def _take_failure(self, failure: Failure) -> None:
        if self._is_newest(failure.view, failure.request_id):
            self.failure, self.report = failure, None
            self.changed.emit()

    @Slot(object)
    def _take_answer(self, answer: Answer) -> None:
        if not isinstance(answer, DifferenceReport) or answer.request not in self._questions:
            return
        self._answers[answer.request] = answer
        self.answered += 1
        self._ask_next(answer.request)

    @Slot(object)
    def _take_failed_question(self, failure: QuestionFailed) -> None:
        question = failure.question
        if isinstance(question, DifferenceRequest) and question in self._questions:
            self._failed[question] = failure.sentence
            self._ask_next(question)

    def _ask_next(self, done: DifferenceRequest) -> None:
        self._questions.remove(done)
        if self._questions:
            self._worker.ask(self._questions[0])
        self.changed.emit()

    @Slot(object)
    def _take_model(self, _ready: object) -> None:
        if self._swap is not None and self._session.model == self._swap[0]:
            before = self._swap[1]
            self._swap = None
            self.choose(before)
        self.choices_changed.emit()

    @Slot(object)
    def _drop_swap(self, _failure: object) -> None:
        """B's model could not take over; the window says why."""
        if self._swap is not None:
            self._swap = None
            self.changed.emit()

    @Slot()
    def _check_pictures(self) -> None:
        if isinstance(self.chosen, Picture) and self._session.gallery.row(self.chosen) < 0:
            self.choose(None)
        self.choices_changed.emit()

    def _is_newest(self, view: str, request_id: int | None) -> bool:
        return view == VIEW and self._request is not None and self._request.id == request_id
