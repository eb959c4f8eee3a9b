"""The decoder seen from the application: jobs in, futures out, the work in a process that can be killed.

Imports neither Pillow nor numpy. WORKAROUND: a pipe and a process of our own instead of
pebble.ProcessPool 5.2.3, which breaks for good when an idle worker is killed, and hangs when one is
killed while it sends a result (all workers share one pipe); here each worker has a fresh one.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from multiprocessing import connection, get_context
from typing import TYPE_CHECKING

from mixer_gui.pictures import worker
from mixer_gui.pictures.limits import DEFAULT_LIMITS, Limits
from mixer_gui.records import DecodedPicture, DecodeJob, MixerGuiError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

# A start takes 0.3 s here; a laptop that scans each library it loads needs much more.
_START_LIMIT_S = 60.0

# A kill costs a new process, so a cancelled job that is nearly done is left to end by itself.
_CANCEL_GRACE_S = 0.2

_CLOSE_GRACE_S = 0.3

BESIDE_WINDOW = 10  # the window goes first

SAFE_PATH = "PYTHONSAFEPATH"  # what Python goes by

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Order:
    """One job on its way; `future` stays PENDING while it is decoded, so that it can be cancelled."""

    job: DecodeJob
    future: Future[DecodedPicture]
    message: bytes
    attempts: int = 0
    started: bool = False  # the worker has taken it
    deadline: float = 0.0  # seconds of time.monotonic()


@dataclass(slots=True, eq=False)
class _Worker:
    process: BaseProcess
    pipe: connection.Connection
    deadline: float
    ready: bool = False


class Decoder:
    """Decodes pictures one at a time, in order, in a child process.

    Every public method may be called from any thread, and none but `close` waits. Futures are
    completed in the decoder's own thread: callbacks must be short.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 30.0,
        memory_bytes: int = 6 << 30,
        limits: Limits = DEFAULT_LIMITS,
        keeps_last: bool = True,
        niceness: int = BESIDE_WINDOW,
    ) -> None:
        """`timeout_s` is for one job from when the worker takes it; `memory_bytes` caps the worker.

        `keeps_last`: the last picture stays at full resolution, so that another crop of it needs no decoding.
        `niceness` is the worker's, where the system knows it.
        """
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._limits = limits
        self._keeps_last = keeps_last
        self._niceness = niceness
        self._lock = threading.Lock()
        self._waiting: deque[_Order] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._alarm: connection.Connection | None = None  # written to wake the thread
        self._alarm_is_set = False
        # The rest belongs to the thread.
        self._worker: _Worker | None = None
        self._current: _Order | None = None
        self._wants_worker = True

    @property
    def worker_pid(self) -> int | None:
        """The child's process id, None while there is none; for diagnosis."""
        current = self._worker
        return None if current is None else current.process.pid

    def start(self, *, child: bool = True) -> None:
        """Begin to start the child process; returns soon. Without it, or without `child`, the first job does so."""
        with self._lock:
            if self._thread is not None or self._closed:
                return
            self._wants_worker = child
            _start_server(min(self._niceness, BESIDE_WINDOW))
            listener, self._alarm = multiprocessing.Pipe(duplex=False)
            self._thread = threading.Thread(target=self._run, args=(listener,), name="decoder", daemon=True)
            self._thread.start()

    def submit(self, job: DecodeJob) -> Future[DecodedPicture]:
        """Queue a job. Its future ends with a DecodedPicture or with a MixerGuiError, or is cancelled.

        Cancelling works at any time: a waiting job is dropped, a running one is stopped, if need be
        by killing the child. `running()` is never true.
        """
        future: Future[DecodedPicture] = Future()
        try:
            message = pickle.dumps(job, protocol=5)
        except Exception as error:  # pickle lets through whatever an object's own code raises
            sentence = f"“{job.source.name}” could not be handed to the decoder."
            future.set_exception(MixerGuiError(sentence, f"{type(error).__name__}: {error}"))
            return future
        self.start()
        with self._lock:
            closed = self._closed
            if not closed:
                self._waiting.append(_Order(job, future, message))
        if closed:
            future.set_exception(MixerGuiError(f"“{job.source.name}” was not decoded: the program is closing."))
            return future
        self._ring()
        future.add_done_callback(self._on_done)
        return future

    def close(self) -> None:
        """Cancel what waits and runs, end the child, join the thread; at any moment, any number of times."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is None:
            return
        self._ring()
        if thread is threading.current_thread():
            return
        thread.join(_CLOSE_GRACE_S)
        if thread.is_alive():
            # It waits for a child that has stopped in the middle of a message.
            if (current := self._worker) is not None:
                with contextlib.suppress(ValueError, AttributeError):  # the thread is closing it
                    current.process.kill()
            thread.join()

    def _on_done(self, future: Future[DecodedPicture]) -> None:
        if future.cancelled():
            self._ring()

    def _ring(self) -> None:
        """Wake the thread; at most one byte is under way, so this cannot block."""
        with self._lock:
            if self._alarm is None or self._alarm_is_set:
                return
            self._alarm_is_set = True
            self._alarm.send_bytes(b"!")

    # --- the decoder's thread ---------------------------------------------------------------------

    def _run(self, listener: connection.Connection) -> None:
        _block_interrupts()
        try:
            while not self._closed:
                self._step(listener)
        finally:
            with self._lock:
                self._closed = True
                alarm, self._alarm = self._alarm, None
            self._end_worker()
            self._abandon_all()
            listener.close()
            if alarm is not None:
                alarm.close()

    def _step(self, listener: connection.Connection) -> None:
        """Hand out work, wait for the next event, act on it."""
        self._drop_cancelled()
        if self._worker is None and (self._waiting or self._wants_worker):
            self._start_worker()
        if self._worker is not None and self._worker.ready and self._current is None:
            self._hand_out(self._worker)
        if self._worker is None and (self._waiting or self._wants_worker):
            return  # the child was found dead just now: start another before waiting for events
        sources: list[connection.Connection | int] = [listener]
        if self._worker is not None:
            sources += [self._worker.pipe, self._worker.process.sentinel]
        events = connection.wait(sources, self._seconds_left())
        if listener in events:
            listener.recv_bytes()
            with self._lock:
                self._alarm_is_set = False
        if self._closed or self._worker is None:
            return
        # The pipe first: a child may have ended after it sent a whole result.
        if self._worker.pipe in events or self._worker.process.sentinel in events:
            self._take_message(self._worker)
        self._enforce_deadlines()

    def _seconds_left(self) -> float | None:
        if self._worker is not None and not self._worker.ready:
            return max(0.0, self._worker.deadline - time.monotonic())
        if self._current is not None and self._current.deadline:
            return max(0.0, self._current.deadline - time.monotonic())
        return None

    def _start_worker(self) -> None:
        self._wants_worker = False
        ours, theirs = multiprocessing.Pipe(duplex=True)
        process = _new_process(
            (theirs, self._limits, self._memory_bytes, self._timeout_s, self._keeps_last, self._niceness)
        )
        try:
            process.start()
        except (OSError, RuntimeError, EOFError) as error:  # the last where the server of processes died
            ours.close()
            self._fail_first("The decoder could not be started", repr(error))
            return
        finally:
            # With our copy closed, the end of the child is the end of the pipe.
            theirs.close()
        self._worker = _Worker(process, ours, time.monotonic() + _START_LIMIT_S)

    def _hand_out(self, current_worker: _Worker) -> None:
        with self._lock:
            order = self._waiting.popleft() if self._waiting else None
        if order is None:
            return
        order.attempts += 1
        order.started = False
        order.deadline = 0.0
        self._current = order
        try:
            current_worker.pipe.send_bytes(order.message)
        except OSError as error:
            self._lose_worker(repr(error))

    def _take_message(self, current_worker: _Worker) -> None:
        try:
            if not current_worker.pipe.poll(0):
                raise EOFError("the process ended")
            message = worker.receive(current_worker.pipe)
        except (EOFError, OSError) as error:
            self._lose_worker(repr(error))
            return
        order = self._current
        if message == worker.READY:
            current_worker.ready = True
        elif order is None:
            return
        elif message == worker.STARTED:
            order.started = True
            if not order.future.cancelled():
                order.deadline = time.monotonic() + self._timeout_s
        elif not isinstance(message, str):
            self._current = None
            _finish(order.future, message)

    def _lose_worker(self, detail: str) -> None:
        """The child ended by itself: blame the job it had taken, give back one it had not."""
        lost, order = self._worker, self._current
        self._current = None
        was_ready = lost is not None and lost.ready
        exit_code = self._end_worker()
        detail = f"exit code {exit_code}; {detail}"
        if order is not None and not order.started and order.attempts < 2:
            with self._lock:
                self._waiting.appendleft(order)
        elif order is not None:
            sentence = f"The decoder stopped while reading “{order.job.source.name}”; the picture was skipped."
            _finish(order.future, MixerGuiError(sentence, detail))
        if was_ready:
            self._wants_worker = True
        else:
            self._fail_first("The decoder could not be started", detail)

    def _enforce_deadlines(self) -> None:
        now = time.monotonic()
        if self._worker is not None and not self._worker.ready and now >= self._worker.deadline:
            self._end_worker()
            self._fail_first(f"The decoder did not start within {_START_LIMIT_S:.0f} s", "")
            return
        order = self._current
        if order is None or not order.deadline or now < order.deadline:
            return
        self._current = None
        self._end_worker()
        self._wants_worker = True
        name = order.job.source.name
        sentence = f"“{name}” took longer than {self._timeout_s:g} s to decode and was stopped."
        _finish(order.future, MixerGuiError(sentence))

    def _drop_cancelled(self) -> None:
        """Give a cancelled running job a last moment, and tell who waits for the dropped ones."""
        order = self._current
        if order is not None and order.future.cancelled():
            grace_end = time.monotonic() + _CANCEL_GRACE_S
            order.deadline = min(order.deadline or grace_end, grace_end)
        with self._lock:
            dropped = [waiting for waiting in self._waiting if waiting.future.cancelled()]
            for waiting in dropped:
                self._waiting.remove(waiting)
        for waiting in dropped:
            waiting.future.set_running_or_notify_cancel()

    def _fail_first(self, sentence: str, detail: str) -> None:
        """Charge a failed start to the job that waits longest; the next one tries again."""
        with self._lock:
            order = self._waiting.popleft() if self._waiting else None
        if order is not None:
            name = order.job.source.name
            _finish(order.future, MixerGuiError(f"{sentence}, so “{name}” was not decoded.", detail))

    def _end_worker(self) -> int | None:
        """Kill and reap the child; returns its exit code."""
        ended, self._worker = self._worker, None
        if ended is None:
            return None
        # Not terminate(): a decoder deep in C code would keep Python from handling it.
        ended.process.kill()
        ended.process.join()
        exit_code = ended.process.exitcode
        ended.pipe.close()
        ended.process.close()
        return exit_code

    def _abandon_all(self) -> None:
        with self._lock:
            orders = list(self._waiting)
            self._waiting.clear()
        if self._current is not None:
            orders.insert(0, self._current)
            self._current = None
        for order in orders:
            if order.future.cancel():
                order.future.set_running_or_notify_cancel()


def _start_server(niceness: int) -> None:
    """On Linux, have the process that makes all decoders; it is started once, when the first decoder is needed.

    That must be before torch is imported: to start a process, a program with torch in it and all its threads busy
    holds the GIL for 20 to 50 ms, in which the window stands still. The server stays as small as the program was, and
    imports once what each decoder needs. It can be no nicer than any of them: there is no way back.
    """
    if sys.platform != "linux":
        return
    from multiprocessing import forkserver

    def start() -> None:
        _block_interrupts()
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)  # this thread's, and so the server's
        forkserver.set_forkserver_preload(["mixer_gui.pictures.preloaded"])
        _run_safely(forkserver.ensure_running)

    thread = threading.Thread(target=start, name="decoder-server")
    thread.start()
    thread.join()


def _run_safely(start: Callable[[], None]) -> None:
    """Start a Python that imports nothing from the folder that the program happens to run in, such as Downloads."""
    is_set = SAFE_PATH in os.environ
    os.environ.setdefault(SAFE_PATH, "1")
    try:
        start()
    except (OSError, RuntimeError) as error:  # each picture will tell
        log.warning("the server of processes could not be started: %s", error)
    finally:
        if not is_set:
            del os.environ[SAFE_PATH]


def _block_interrupts() -> None:
    """In this thread, and in processes it starts: Ctrl+C must not end them while Python starts."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _new_process(arguments: tuple[object, ...]) -> BaseProcess:
    """One that will run `worker.serve`."""
    name = "mixer-gui-decoder"
    if sys.platform == "linux":
        return get_context("forkserver").Process(target=worker.serve, args=arguments, name=name, daemon=True)
    return get_context("spawn").Process(target=worker.serve, args=arguments, name=name, daemon=True)


def _finish(future: Future[DecodedPicture], outcome: DecodedPicture | MixerGuiError) -> None:
    """Complete the future unless it was cancelled, also in this very moment."""
    try:
        if isinstance(outcome, MixerGuiError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except InvalidStateError:
        future.set_running_or_notify_cancel()
