"""Ctrl-C while futures are under way: seen to where a command looks, and no future is left locked."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress

import pytest

from mixer_gui.commands.interrupts import Interrupts

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no SIGINT to send to a thread")


@pytest.fixture(autouse=True)
def handler_as_before() -> Iterator[None]:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def interrupted_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    return timer


def is_locked(future: Future[int]) -> bool:
    """Whether a thread, not this one, has the future's lock."""
    found: list[bool] = []

    def look() -> None:
        lock = future._condition._lock  # type: ignore[attr-defined]
        found.append(not lock.acquire(blocking=False))
        if not found[0]:
            lock.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


def test_an_interrupt_locks_no_future() -> None:
    """With Python's own handler this loop leaves one of three interrupts with a lock that nobody gives back."""
    for _ in range(40):
        future: Future[int] = Future()
        stop = Interrupts()
        with suppress(KeyboardInterrupt), stop:
            timer = interrupted_after(0.001)
            while True:
                for _ in range(100):
                    future.done()
                stop.check()
        timer.join()
        assert stop.noted()
        assert not is_locked(future)


def test_a_result_is_waited_for_until_ctrl_c() -> None:
    future: Future[int] = Future()
    with Interrupts() as stop:
        timer = interrupted_after(0.05)
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            stop.result(future)
        assert time.monotonic() - started < 5
        timer.join()
        assert stop.noted()


def test_a_result_or_its_error_comes_through() -> None:
    done, failed = Future[int](), Future[int]()
    failed.set_exception(TimeoutError("the future's own"))
    with Interrupts() as stop:
        timer = threading.Timer(0.15, done.set_result, (7,))
        timer.start()
        assert stop.result(done) == 7
        timer.join()
        with pytest.raises(TimeoutError, match="the future's own"):
            stop.result(failed)
        assert not stop.noted()


def test_a_second_ctrl_c_ends_what_does_not_look() -> None:
    with Interrupts() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.noted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_came_too_late_is_forgotten() -> None:
    """The command had ended: nothing is left to stop."""
    with Interrupts():
        signal.raise_signal(signal.SIGINT)


def test_a_command_that_ignores_ctrl_c_goes_on_doing_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop.noted()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_the_handler_alone() -> None:
    seen: list[object] = []

    def run() -> None:
        with Interrupts() as stop:
            stop.check()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
