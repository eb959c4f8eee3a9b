"""Errors that nobody foresaw, in any thread: logged, and shown in the window, which goes on."""

from __future__ import annotations

import logging
import platform
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6 import __version__ as pyside_version
from PySide6.QtCore import QObject, Signal, Slot

from mixer_gui import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from PySide6.QtWidgets import QWidget

    from mixer_gui.gui.error_dialog import ErrorDialog

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnforeseenError:
    """`place` is the same for the same error when it comes again."""

    summary: str
    trace: str
    place: str


def described(error: BaseException, trace: TracebackType | None, thread: str) -> UnforeseenError:
    lines = traceback.format_exception(type(error), error, trace)
    frames = traceback.extract_tb(trace)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    summary = "".join(traceback.format_exception_only(error)).strip()
    return UnforeseenError(summary, f"In thread {thread}:\n{''.join(lines)}", f"{type(error).__name__} {place}")


def circumstances(device: str) -> str:
    """What a report of an error says of program and machine; packages only where they are loaded."""
    torch = sys.modules.get("torch")
    packaged = ", packaged" if getattr(sys, "frozen", False) else ""
    return "\n".join(
        (
            f"Mixer GUI {__version__}{packaged}",
            f"{platform.platform()}, Python {platform.python_version()}",
            f"PySide6 {pyside_version}, torch {getattr(torch, '__version__', 'not loaded')}",
            f"Device: {device or 'none yet'}",
        )
    )


class Unforeseen(QObject):
    """Lives in the window's thread; `tell` and the hooks may be called in any."""

    _told = Signal(object)  # UnforeseenError
    repeated = Signal(str)  # a sentence: an error came again that the user has read of

    def __init__(self, window: QWidget, device: Callable[[], str]) -> None:
        """`device` says what the network runs on."""
        super().__init__(window)
        self._window, self._device = window, device
        self._read: set[str] = set()  # places of errors whose dialog was closed
        self._shown: set[str] = set()
        self.dialog: ErrorDialog | None = None
        self._told.connect(self._show)

    def install(self) -> None:
        """For what no code of ours catches: in the main thread and in slots, in other threads, and in destructors."""
        sys.excepthook = lambda _kind, error, trace: self.tell(error, trace)
        threading.excepthook = self._tell_of_thread
        sys.unraisablehook = self._tell_unraisable

    def tell(self, error: BaseException, trace: TracebackType | None, thread: str = "") -> None:
        log.error("unforeseen", exc_info=(type(error), error, trace))
        told = described(error, trace, thread or threading.current_thread().name)
        try:
            self._told.emit(told)
        except RuntimeError:  # the window is gone
            return

    def _tell_of_thread(self, what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None and not isinstance(what.exc_value, SystemExit):
            self.tell(what.exc_value, what.exc_traceback, what.thread.name if what.thread else "")

    def _tell_unraisable(self, what: sys.UnraisableHookArgs) -> None:
        if isinstance(what.exc_value, Exception):
            self.tell(what.exc_value, what.exc_traceback)

    @Slot(object)
    def _show(self, error: UnforeseenError) -> None:
        """One dialog, which counts. An error that the user has closed it on does not open it again."""
        if self.dialog is not None and self.dialog.isVisible():
            self._shown.add(error.place)
            self.dialog.count(error)
            return
        self._read |= self._shown
        if error.place in self._read:
            self.repeated.emit(
                self.tr("The same error happened again ({0}). Help → Show Log… has all of them.").format(error.summary)
            )
            return
        from mixer_gui.gui.error_dialog import ErrorDialog

        self._shown = {error.place}
        if self.dialog is not None:
            self.dialog.deleteLater()
        self.dialog = ErrorDialog(error, circumstances(self._device()), self._window)
        self.dialog.show()
