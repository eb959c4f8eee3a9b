"""A pipeline with a thread that runs its steps, and everything that it published. For tests only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mixer_gui.engine.engine import Engine
from mixer_gui.engine.pipeline import Pipeline, make_engine

WAIT_S = 20
THREADS = ("steps", "decoder", "fetch", "list", "transfer")

Record = TypeVar("Record")


class Running:
    """`hold` keeps the next steps back until it is cleared, so that a test decides what is there first."""

    def __init__(self, make_engine: Callable[[], Engine] = make_engine) -> None:
        self.records: list[object] = []
        self.ended = threading.Event()
        self._news = threading.Condition()
        self._held = False
        self._woken = threading.Event()
        self.pipeline = Pipeline(self._take, self._woken.set, make_engine=make_engine)
        self.thread = threading.Thread(target=self._run, name="steps")

    def start(self) -> None:
        self.thread.start()

    def _take(self, record: object) -> None:
        with self._news:
            self.records.append(record)
            self._news.notify_all()

    def _run(self) -> None:
        self.pipeline.start()
        while not self.ended.is_set():
            self._woken.wait(0.5)
            self._woken.clear()
            while not self._held and self.pipeline.step():
                pass

    def hold(self) -> None:
        self._held = True

    def go(self) -> None:
        self._held = False
        self._woken.set()

    def of(self, kind: type[Record]) -> list[Record]:
        with self._news:
            return [record for record in self.records if isinstance(record, kind)]

    def wait_for(self, kind: type[Record], count: int = 1) -> list[Record]:
        """The records of a kind as soon as there are `count`."""
        deadline = time.monotonic() + WAIT_S
        with self._news:
            while True:
                found = [record for record in self.records if isinstance(record, kind)]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"{len(found)} of {count} {kind.__name__} came, and {self.records}"
                self._news.wait(left)

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.005)

    def settle(self) -> None:
        """Wait until nothing is under way any more."""
        pipeline = self.pipeline

        def is_idle() -> bool:
            with pipeline._lock:
                waiting = (pipeline._loading, pipeline._waiting, pipeline._queries._waiting)
                lanes = pipeline._decodes._lanes
                quiet = not (any(lane.busy or len(lane.waiting) for lane in lanes) or any(waiting))
            return quiet and len(pipeline._steps) == 0

        for _ in range(3):  # a step that was taken and is running is in none of these: look again
            self.wait_until(is_idle, "something is under way for ever")
            time.sleep(0.05)

    def close(self) -> None:
        self.pipeline.close()
        self.ended.set()
        self._woken.set()
        if self.thread.ident is not None:
            self.thread.join()


def leftovers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.partition("_")[0] in THREADS]


@contextmanager
def running(make_engine: Callable[[], Engine] = make_engine) -> Iterator[Running]:
    run = Running(make_engine)
    run.start()
    try:
        yield run
    finally:
        run.close()
        run.wait_until(lambda: not leftovers(), "a thread is left")
