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
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray


class Saver(QObject):
    """Runs one write after the other; says how each ended."""

    saved = Signal(str)  # the path
    failed = Signal(str)  # a sentence

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)

    def save_image(self, make: Callable[[], QImage], path: Path) -> None:
        """What `make` makes, in the saver's thread; the format follows the suffix.

        As everywhere here, an existing file is replaced only by a complete one.
        """

        def write(partial: Path) -> None:
            writer = QImageWriter(str(partial), path.suffix[1:].encode() or b"png")
            if not writer.write(make()):
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

    def save_text(self, make: Callable[[], str], path: Path) -> None:
        """What `make` makes, in the saver's thread, as UTF-8."""
        self._start(lambda partial: _write_bytes(partial, make().encode("utf-8", "backslashreplace")), path)

    def save_bytes(self, make: Callable[[], bytes], path: Path) -> None:
        """What `make` makes, in the saver's thread."""
        self._start(lambda partial: _write_bytes(partial, make()), path)

    def save_arrays(self, arrays: Mapping[str, NDArray[np.generic]], description: str, path: Path) -> None:
        """A compressed NumPy archive that needs no pickle, with `description` as its array `meta`."""

        def write(partial: Path) -> None:
            import numpy as np

            with partial.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, meta=np.array(description), **arrays)

        self._start(write, path)

    def wait(self) -> None:
        """Until everything is on disk; called when the program ends."""
        self._pool.waitForDone()

    def _start(self, write: Callable[[Path], None], path: Path) -> None:
        self._pool.start(_Write(self, write, path))


def _write_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)


class _Write(QRunnable):
    def __init__(self, saver: Saver, write: Callable[[Path], None], path: Path) -> None:
        super().__init__()
        self._saver, self._write, self._path = saver, write, path

    def run(self) -> None:
        partial = self._path.with_name(f".{self._path.name}.partial")
        try:
            self._write(partial)
            partial.replace(self._path)
        except (OSError, ValueError) as error:  # ValueError: an array that a NumPy archive does not hold
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            self._saver.failed.emit(
                QCoreApplication.translate("saving", "{0} could not be written: {1}. Choose another place.").format(
                    self._path, reason
                )
            )
        else:
            self._saver.saved.emit(str(self._path))
