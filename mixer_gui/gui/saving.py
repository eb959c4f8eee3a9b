"""Writing pictures and results to disk off the window's thread, so that a slow disk holds up nobody."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, QRunnable, QThreadPool, Signal
from PySide6.QtGui import QImage, QImageWriter

from mixer_gui.results import Result, as_object, to_csv

if TYPE_CHECKING:
    from collections.abc import Callable


class Saver(QObject):
    """Runs one write after the other; says how each ended."""

    saved = Signal(str)  # the path
    failed = Signal(str)  # a sentence

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)

    def save_image(self, image: QImage, path: Path) -> None:
        """The format follows the suffix; an existing file is replaced only by a complete one."""

        def write(partial: Path) -> None:
            writer = QImageWriter(str(partial), path.suffix[1:].encode() or b"png")
            if not writer.write(image):
                raise OSError(writer.errorString())

        self._start(write, path)

    def save_results(self, results: list[Result], path: Path) -> None:
        """CSV for .csv, JSON Lines for .jsonl, JSON for the rest."""

        def write(partial: Path) -> None:
            if path.suffix.lower() == ".csv":
                text = to_csv(results)
            elif path.suffix.lower() == ".jsonl":
                text = "".join(json.dumps(as_object(result), ensure_ascii=False) + "\n" for result in results)
            else:
                text = json.dumps([as_object(result) for result in results], ensure_ascii=False, indent=1) + "\n"
            partial.write_bytes(text.encode("utf-8", "backslashreplace"))

        self._start(write, path)

    def wait(self) -> None:
        """Until everything is on disk; called when the program ends."""
        self._pool.waitForDone()

    def _start(self, write: Callable[[Path], None], path: Path) -> None:
        self._pool.start(_Write(self, write, path))


class _Write(QRunnable):
    def __init__(self, saver: Saver, write: Callable[[Path], None], path: Path) -> None:
        super().__init__()
        self._saver, self._write, self._path = saver, write, path

    def run(self) -> None:
        partial = self._path.with_name(f".{self._path.name}.partial")
        try:
            self._write(partial)
            partial.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            reason = error.strerror or str(error)
            self._saver.failed.emit(
                QCoreApplication.translate("saving", "{0} could not be written: {1}. Choose another place.").format(
                    self._path, reason
                )
            )
        else:
            self._saver.saved.emit(str(self._path))
