"""Predictions over time to a CSV file, a few rows for each frame, as they come."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING, TextIO

from PySide6.QtCore import QCoreApplication, QObject, Signal

if TYPE_CHECKING:
    from pathlib import Path

    from mixer_gui.records import FrameReport, Prediction

COLUMNS = ("time_s", "rank", "index", "wnid", "label", "probability", "momentary_probability")
FLUSH_S = 1.0


class PredictionLog(QObject):
    """`probability` is what the window shows, averaged over frames; `momentary_probability` the frame's own."""

    failed = Signal(str)  # a sentence; the recording has ended, and what was written stays

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._file: TextIO | None = None
        self._flushed = 0.0
        self.path: Path | None = None
        self.rows = 0

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def start(self, path: Path) -> None:
        """Begin a file; one of that name is replaced. `failed` follows where it cannot be written."""
        self.stop()
        try:
            self._file = path.open("w", encoding="utf-8", newline="")
            self.path, self.rows = path, 0
            csv.writer(self._file).writerow(COLUMNS)
            self._flush()
        except OSError as error:
            self._give_up(path, error)

    def add(self, answer: FrameReport, predictions: tuple[Prediction, ...]) -> None:
        """One row for each of `predictions`, the first ones of the answer with the names that are shown."""
        if self._file is None or self.path is None:
            return
        writer = csv.writer(self._file)
        try:
            for rank, (each, now) in enumerate(zip(predictions, answer.momentary, strict=False), 1):
                row = (f"{answer.time_s:.3f}", rank, each.index, each.wnid or "", each.label)
                writer.writerow((*row, f"{each.probability:.6f}", f"{now:.6f}"))
                self.rows += 1
            if time.monotonic() - self._flushed > FLUSH_S:
                self._flush()
        except OSError as error:
            self._give_up(self.path, error)

    def stop(self) -> bool:
        """Finish the file; False where there was none, or `failed` says why it is not complete. Idempotent."""
        file, self._file = self._file, None
        if file is None or self.path is None:
            return False
        try:
            file.close()
        except OSError as error:
            self._give_up(self.path, error)
            return False
        return True

    def _flush(self) -> None:
        if self._file is not None:
            self._file.flush()
            self._flushed = time.monotonic()

    def _give_up(self, path: Path, error: OSError) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                file = None
        sentence = QCoreApplication.translate("live", "{0} could not be written: {1}. The recording has ended.")
        self.failed.emit(sentence.format(path, error.strerror or error))
