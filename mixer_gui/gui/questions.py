"""Questions and jobs about what is open: asks the worker, tells what is about the current picture, drops the rest.

No widgets here; what is current is the session's to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, SignalInstance, Slot

from mixer_gui.gui.gallery import LivePicture
from mixer_gui.records import (
    Answer,
    ClassReport,
    ClassRequest,
    Job,
    PatchReport,
    PatchRequest,
    Question,
    QuestionFailed,
    Report,
)

if TYPE_CHECKING:
    from mixer_gui.gui.session import Session
    from mixer_gui.gui.workers import EngineWorker


class Questions(QObject):
    """Lives in the window's thread; a part of the session."""

    patch_answered = Signal(object)  # PatchReport about the current report
    class_answered = Signal(object)  # ClassReport about the current report
    answered = Signal(object)  # any other answer about the current report
    before_answered = Signal(object)  # any answer about the current picture as it was before its edits
    failed = Signal(object)  # QuestionFailed, about either
    job_told = Signal(object)  # JobProgress, JobResult or JobEnded

    def __init__(self, worker: EngineWorker, session: Session) -> None:
        super().__init__(session)
        self._worker, self._session = worker, session
        self._asked: dict[tuple[type[Question], int], Question] = {}  # under way, the newest of a kind about a report
        session.current_changed.connect(self._asked.clear)
        session.report_changed.connect(self._asked.clear)
        worker.patch_ready.connect(self._take_patch)
        worker.class_ready.connect(self._take_class)
        worker.answered.connect(self._take_answer)
        worker.question_failed.connect(self._take_failure)
        worker.job_told.connect(self._take_job)

    def ask(self, question: Question) -> None:
        """Its answer comes by one of the signals above, if its report is current by then.

        What is under way is not asked once more: several views want the same, and all of them hear the answer.
        """
        kind = (type(question), question.report_id)
        if self._asked.get(kind) != question:
            self._asked[kind] = question
            self._worker.ask(question)

    def ask_patch(self, layer: int, patch: int | None) -> None:
        """What a patch reads and writes; None: nothing any more."""
        current, report = self._session.current, self._report
        if isinstance(current, LivePicture):
            asked = None if patch is None else (layer, patch)
            is_new, current.asked_patch = asked != current.asked_patch, asked
            if is_new:
                self._session.live_asked.emit()
        elif report is not None and patch is not None:
            self.ask(PatchRequest(report.id, layer, patch))

    def ask_class(self, index: int | None) -> None:
        """What speaks for a class; None: nothing any more."""
        current, report = self._session.current, self._report
        if isinstance(current, LivePicture):
            is_new, current.asked_class = index != current.asked_class, index
            if is_new:
                self._session.live_asked.emit()
        elif report is not None and index is not None:
            self.ask(ClassRequest(report.id, index))

    def start_job(self, job: Job) -> None:
        self._worker.start_job(job)

    def cancel_job(self, job_id: int) -> None:
        self._worker.cancel_job(job_id)

    # --- answers ---

    @Slot(object)
    def _take_patch(self, report: PatchReport) -> None:
        self._tell(report, self.patch_answered)

    @Slot(object)
    def _take_class(self, report: ClassReport) -> None:
        self._tell(report, self.class_answered)

    @Slot(object)
    def _take_answer(self, answer: Answer) -> None:
        self._tell(answer, self.answered)

    def _tell(self, answer: Answer, signal: SignalInstance) -> None:
        self._settle(answer.request)
        if _is_of(self._report, answer.request):
            signal.emit(answer)
        elif _is_of(self._before, answer.request):
            self.before_answered.emit(answer)

    @Slot(object)
    def _take_failure(self, failure: QuestionFailed) -> None:
        self._settle(failure.question)
        if _is_of(self._report, failure.question) or _is_of(self._before, failure.question):
            self.failed.emit(failure)

    def _settle(self, question: Question) -> None:
        kind = (type(question), question.report_id)
        if self._asked.get(kind) == question:
            del self._asked[kind]

    @Slot(object)
    def _take_job(self, told: object) -> None:
        self.job_told.emit(told)

    @property
    def _report(self) -> Report | None:
        current = self._session.current
        return None if current is None else current.report

    @property
    def _before(self) -> Report | None:
        current = self._session.current
        return None if current is None else current.before


def _is_of(report: Report | None, question: Question) -> bool:
    return report is not None and report.id == question.report_id
