"""Ctrl-C as a wish that a command sees to where it can stop, instead of an exception at any moment.

Python raises KeyboardInterrupt between any two of its instructions, also between taking a lock and the `with` that
would give it back: of 3,000 interrupts beside calls of `Future.done()`, 942 left a future locked for good. Whoever has
to complete that future, a decoder or a pass, then waits for ever, and the command for them.
"""

from __future__ import annotations

import signal
import threading
from concurrent.futures import wait
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import FrameType, TracebackType

LOOK_EVERY_S = 0.1  # also on Windows, where waiting for a lock cannot be interrupted

Answer = TypeVar("Answer")


class Interrupts:
    """Within its context the first Ctrl-C is noted only, until the next look; a second one is an exception again.

    Where Ctrl-C is ignored, as in a shell's background, or belongs to another handler or thread, that stays so.
    """

    def __init__(self) -> None:
        self._noted = False
        self._is_ours = False

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._is_ours = True
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def noted(self) -> bool:
        """Whether to stop."""
        return self._noted

    def check(self) -> None:
        """Raises KeyboardInterrupt where Ctrl-C was noted."""
        if self._noted:
            raise KeyboardInterrupt

    def result(self, future: Future[Answer]) -> Answer:
        """What the future ends with; raises KeyboardInterrupt where Ctrl-C comes first."""
        while not wait([future], timeout=LOOK_EVERY_S).done:
            self.check()
        self.check()
        return future.result()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
