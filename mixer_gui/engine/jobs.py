"""Which jobs are wanted, and what they tell. Knows no Qt and no torch.

A job is a generator: it yields a record after each forward pass, and what it yields is published.
"""

import threading
from collections.abc import Callable

from mixer_gui.engine.steps import JobSteps
from mixer_gui.records import Job, JobEnded


class Jobs:
    """All methods but `run` may be called from any thread."""

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

    def run(self, job: Job, steps: JobSteps) -> bool:
        """One forward pass further; False where the job is over."""
        record = next(steps, None)
        if record is not None:
            if self.is_wanted(job):
                self._publish(record)
            return self.is_wanted(job)
        if self._end(job.id):
            self._publish(JobEnded(job.id))
        return False

    def _end(self, job_id: int) -> bool:
        with self._lock:
            was_wanted = job_id in self._wanted
            self._wanted.discard(job_id)
            return was_wanted
