"""Questions about reports and jobs on their way to an answer, also by way of running their picture again.

Asked from any thread, answered in the engine thread, a step at a time. Knows no Qt.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from mixer_gui.engine.jobs import Jobs
from mixer_gui.engine.mailbox import Mailbox
from mixer_gui.engine.recent import RecentRequests
from mixer_gui.engine.steps import Ask, Step, Work, explained, job_slot, question_slot
from mixer_gui.records import ClassifyRequest, Job, MixerGuiError, Question, QuestionFailed

if TYPE_CHECKING:
    from mixer_gui.engine.engine import Engine


class Queries:
    """What becomes of every question and job; `requests` are those whose pictures can be run again.

    The lock, shared with the pipeline, is around `requests` and what waits for a picture.
    """

    def __init__(
        self,
        lock: threading.Lock,
        steps: Mailbox[Step],
        *,
        publish: Callable[[object], None],
        wake: Callable[[], None],
        run_again: Callable[[ClassifyRequest], None],
    ) -> None:
        """`run_again` has a picture run once more; `picture_ran` or `picture_failed` is called in the end."""
        self.requests = RecentRequests()
        self._lock = lock
        self._steps = steps
        self._publish = publish
        self._wake = wake
        self._run_again = run_again
        self._jobs = Jobs(publish)
        self._waiting: dict[int, dict[str, Ask | Work]] = {}  # by report that runs again, and slot

    # --- from any thread ---

    def ask(self, question: Question) -> None:
        self._put(Ask(question))

    def start_job(self, job: Job) -> None:
        self._jobs.ask(job)
        self._put(Work(job))

    def cancel_job(self, job_id: int) -> None:
        """JobEnded follows at once, and nothing of the job stays in memory but a step that runs just now."""
        self._jobs.cancel(job_id)
        slot = job_slot(job_id)
        self._steps.discard(slot)
        with self._lock:
            for report_id, waiting in list(self._waiting.items()):
                waiting.pop(slot, None)
                if not waiting:
                    del self._waiting[report_id]

    def drop(self, report_ids: tuple[int, ...]) -> None:
        """Nobody looks at these reports any more: questions about them end, and jobs that wait for their pictures."""
        with self._lock:
            dropped = [self._waiting.pop(report_id, {}) for report_id in report_ids]
        for work in (each for waiting in dropped for each in waiting.values() if isinstance(each, Work)):
            self._jobs.cancel(work.job.id)
        for report_id in report_ids:
            for kind in get_args(Question):
                self._steps.discard(question_slot(kind, report_id))

    def is_waited_for(self, report_id: int) -> bool:
        """Whether something waits for the report's picture to run again. The lock is held."""
        return report_id in self._waiting

    def picture_failed(self, report_id: int, error: Exception) -> None:
        """It could not be run again."""
        for step in self._take_waiting(report_id):
            self.fail(step, error)

    def fail(self, step: Ask | Work, error: Exception) -> None:
        sentence = str(explained(error))
        if isinstance(step, Work):
            self._jobs.fail(step.job, sentence)
        else:
            self._publish(QuestionFailed(step.question, sentence))

    # --- in the engine thread ---

    def run(self, step: Ask | Work, engine: "Engine") -> None:
        """One step further. Where its picture is not in memory any more, that runs first. Raises what went wrong."""
        from mixer_gui.engine.engine import DetailEvictedError, ModelMovedError

        try:
            if isinstance(step, Work):
                self._work(step, engine)
            else:
                self._answer(step, engine)
        except ModelMovedError as moved:
            self._publish(moved.ready)
            self._await_picture(replace(step, steps=None))
        except DetailEvictedError:
            self._await_picture(step)

    def picture_ran(self, report_id: int, engine: "Engine") -> None:
        """At once, while what they need is sure to be in memory: two reports could evict each other for ever."""
        for step in self._take_waiting(report_id):
            try:
                self.run(step, engine)
            except Exception as error:
                self.fail(step, error)

    def _answer(self, ask: Ask, engine: "Engine") -> None:
        steps = engine.begin_answer(ask.question) if ask.steps is None else ask.steps
        answer = engine.go_on(ask.question, steps)
        if answer is None:
            self._put_back(Ask(ask.question, steps))
        else:
            self._publish(answer)

    def _work(self, work: Work, engine: "Engine") -> None:
        if not self._jobs.is_wanted(work.job):
            return
        steps = engine.begin_job(work.job) if work.steps is None else work.steps
        if self._jobs.run(work.job, steps):
            self._put_back(Work(work.job, steps))

    def _await_picture(self, step: Ask | Work) -> None:
        report_id = step.job.report_id if isinstance(step, Work) else step.question.report_id
        with self._lock:
            request = self.requests.get(report_id)
            runs_already = report_id in self._waiting
            if request is not None:
                self._waiting.setdefault(report_id, {})[step.slot] = step
        if request is None:
            raise MixerGuiError("The picture is not in memory any more. Open it again.")
        if not runs_already:
            self._run_again(request)

    # --- shared ---

    def _take_waiting(self, report_id: int) -> list[Ask | Work]:
        with self._lock:
            return list(self._waiting.pop(report_id, {}).values())

    def _put(self, step: Ask | Work) -> None:
        self._steps.put(step, priority=step.priority, slot=step.slot)
        self._wake()

    def _put_back(self, step: Ask | Work) -> None:
        self._steps.put_back(step, priority=step.priority, slot=step.slot)
        self._wake()
