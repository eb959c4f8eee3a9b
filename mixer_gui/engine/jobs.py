"""Long computations, one step of the engine thread at a time, behind everything else. Knows no Qt and no torch.

A job is a generator: it yields a record after each forward pass, and what it yields is published.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mixer_gui.records import Job, JobEnded, JobProgress, JobResult

Steps = Iterator[JobProgress | JobResult]


@dataclass(frozen=True, slots=True)
class JobStep:
    """A job that goes on."""

    job: Job
    steps: Steps


class Jobs:
    """Which jobs are wanted. All methods but `run` may be called from any thread."""

    def __init__(self, publish: Callable[[object], None]) -> None:
        self._publish = publish
        self._lock = threading.Lock()
        self._wanted: set[int] = set()

    def ask(self, job: Job) -> None:
        with self._lock:
            self._wanted.add(job.id)

    def cancel(self, job_id: int) -> None:
        """JobEnded follows at once; nothing of the job is published after it but what was on its way."""
        if self._end(job_id):
            self._publish(JobEnded(job_id, cancelled=True))

    def fail(self, job: Job, sentence: str) -> None:
        if self._end(job.id):
            self._publish(JobEnded(job.id, failure=sentence))

    def is_wanted(self, job: Job) -> bool:
        with self._lock:
            return job.id in self._wanted

    def run(self, step: JobStep) -> bool:
        """One forward pass further; False where the job is over."""
        if not self.is_wanted(step.job):
            return False
        record = next(step.steps, None)
        if record is not None:
            if self.is_wanted(step.job):
                self._publish(record)
            return True
        if self._end(step.job.id):
            self._publish(JobEnded(step.job.id))
        return False

    def _end(self, job_id: int) -> bool:
        with self._lock:
            was_wanted = job_id in self._wanted
            self._wanted.discard(job_id)
            return was_wanted
