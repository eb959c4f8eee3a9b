"""The log: a rotating file, and a file for the stack of a hard crash beside it. Neither Qt nor torch.

Each running process has a pair of files of its own (`window.log` and `window.crash`, a second window
`window-2.log`, …), so that none rotates what another writes. The lock on the `.crash` file says whose they are, and
the system lifts it however the process ends. A folder that cannot be written costs the log and nothing else.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import logging
import platform
import sys
from functools import partial
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

from mixer_gui import __version__

FILE_BYTES = 1_000_000
OLDER_FILES = 2
PROCESSES = 4  # with the same name at the same time; more have no log
CRASH_BYTES = 65_536  # of one crash that go to the log
LOCKED_BYTE = 1 << 30  # beyond what is written: Windows lets nobody else read a locked byte

log = logging.getLogger(__name__)


class LogFile(RotatingFileHandler):
    """Opened with the first line. What a full disk or a vanished folder does not take is lost in silence."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            maxBytes=FILE_BYTES,
            backupCount=OLDER_FILES,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        return


def folder() -> Path:
    """Where the files lie, whether it is there or not."""
    from platformdirs import user_log_path

    return user_log_path("mixer-gui", appauthor=False)


def start(name: str) -> bool:
    """Log from here on; `name` is that of the files. True where an earlier process of that name crashed.

    INFO of the program and warnings of its libraries go to the file, warnings also to standard error, where there is
    one. Call it once for a process.
    """
    logging.getLogger("mixer_gui").setLevel(logging.INFO)
    logging.captureWarnings(True)
    root = logging.getLogger()
    stem, crashes = _take_place(folder(), name)
    if stem:
        root.addHandler(LogFile(folder() / f"{stem}.log"))
    log.info("Mixer GUI %s, Python %s, %s", __version__, platform.python_version(), platform.platform())
    for text in crashes:
        log.critical("the program ended unexpectedly in an earlier run; this is what it was doing:\n%s", text)
    if sys.stderr is not None and logging.lastResort is not None:
        root.addHandler(logging.lastResort)  # what writes to standard error where there is no handler
    return bool(crashes)


def _take_place(place: Path, name: str) -> tuple[str, list[str]]:
    """The stem of this process's files, empty where it gets none, and the crashes that earlier ones left."""
    own, crashes = "", []
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
    for number in range(1, PROCESSES + 1):
        stem = name if number == 1 else f"{name}-{number}"
        path = place / f"{stem}.crash"
        if own and not path.exists():
            continue
        file = _locked(path)
        if file is None:
            continue
        with contextlib.suppress(OSError):
            file.seek(0)
            if text := file.read(CRASH_BYTES).decode(errors="replace").strip():
                crashes.append(text)
            file.truncate(0)
        if own:
            file.close()
        else:
            own = stem
            faulthandler.enable(file)
            # What is in it at an orderly end was no crash: Windows raises errors that its own libraries then handle.
            atexit.register(partial(_empty, file))
    return own, crashes


def _locked(path: Path) -> IO[bytes] | None:
    """A file to read and append, locked until it is closed; None where another process has it or it cannot be had."""
    try:
        file = path.open("ab+", buffering=0)
    except OSError:
        return None
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.close()
        return None
    except OSError:  # a file system that knows no locks
        return file
    return file


def _empty(file: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        file.truncate(0)
