"""Asking again after growing pauses, where that may help; the user sees what is waited for, and can end it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from mixer_gui.hub.client import Hub
from mixer_gui.hub.errors import is_passing, is_unreachable, retry_after_s, status_of
from mixer_gui.hub.stream import POLL_S, interruptible
from mixer_gui.records import Cancelled

Answer = TypeVar("Answer")


class Patience:
    """How long to go on: after each failure in a row the next of the Hub's pauses, and then no more."""

    def __init__(self, hub: Hub, cancelled: Callable[[], bool], note: Callable[[str], None]) -> None:
        """`note` gets what is waited for, and an empty text when that is over."""
        self._pauses_s = hub.pauses_s
        self.cancelled = cancelled
        self.note = note

    def ask(self, call: Callable[[], Answer]) -> Answer:
        """The call's answer; where not even a connection came about, its error at once. Raises Cancelled."""
        failures = 0
        while True:
            try:
                return interruptible(call, self.cancelled)
            except Exception as error:
                if is_unreachable(error):
                    raise
                failures += 1
                self.pause(error, failures)

    def pause(self, error: Exception, failures: int) -> None:
        """Wait before the next try, or raise the error where there is no use in one."""
        if not is_passing(error) or failures > len(self._pauses_s):
            raise error
        status = status_of(error)
        trouble = f"The Hub answered {status}" if status else "The connection was lost"
        end = time.monotonic() + max(self._pauses_s[failures - 1], retry_after_s(error))
        while (left := end - time.monotonic()) > 0:
            self.wait(f"{trouble}; trying again in {left:.0f} s", min(POLL_S, left))
        self.note("")

    def wait(self, reason: str, seconds: float = POLL_S) -> None:
        """Let a moment pass; raises Cancelled."""
        self.note(reason)
        if self.cancelled():
            raise Cancelled("Cancelled.")
        time.sleep(seconds)
