"""`mixer-gui bench models` in a process of its own: the window's engine stays free, and Cancel ends it at once."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QProcess, QTemporaryDir, QTimer, Signal, Slot

from mixer_gui.records.benchmarks import Benchmark, from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mixer_gui.records import DevicePreference

LOOK_EVERY_MS = 250
END_WITHIN_MS = 3000
NICENESS = 15  # pictures and pointer queries of the window go first


class BenchmarkRun(QObject):
    """One measurement at a time. What is finished is in `found`, also after Cancel. Lives in the window's thread."""

    changed = Signal()  # there are further figures, or another step began
    ended = Signal(str)  # a sentence about what went wrong; empty where nothing did

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.found: Benchmark | None = None
        self._folder = QTemporaryDir()
        self._file = Path(self._folder.filePath("benchmark.json"))
        self._text = ""
        self._is_cancelled = False
        self._process = QProcess(self)
        self._process.setStandardOutputFile(QProcess.nullDevice())
        self._process.started.connect(self._give_way)
        self._process.finished.connect(self._finish)
        self._process.errorOccurred.connect(self._fail_to_start)
        self._timer = QTimer(self, interval=LOOK_EVERY_MS)
        self._timer.timeout.connect(self._look)

    @property
    def is_running(self) -> bool:
        return self._process.state() != QProcess.ProcessState.NotRunning

    def start(self, models: Sequence[Path], device: DevicePreference) -> None:
        """Measure models on disk, one after the other; the figures of an earlier run go."""
        self._file.unlink(missing_ok=True)
        self.found, self._text, self._is_cancelled = None, "", False
        arguments = ["bench", "models", "--device", device.value, "--json", str(self._file), "--", *map(str, models)]
        self._process.start(sys.executable, [*own_arguments(), *arguments])
        self._timer.start()

    def cancel(self) -> None:
        """End it; what is finished stays."""
        self._is_cancelled = True
        self._process.kill()

    def close(self) -> None:
        """The window closes: end it and wait for that."""
        if self.is_running:
            self.cancel()
            self._process.waitForFinished(END_WITHIN_MS)

    @Slot()
    def _give_way(self) -> None:
        if hasattr(os, "setpriority"):  # Windows has none
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self._process.processId(), NICENESS)

    @Slot()
    def _look(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # not there yet
            text = self._file.read_text(encoding="utf-8")
            if text != self._text:
                self._text, self.found = text, from_json(text)
                self.changed.emit()

    @Slot()
    def _finish(self) -> None:
        self._timer.stop()
        self._look()
        said = bytes(self._process.readAllStandardError().data()).decode(errors="replace").strip().splitlines()
        is_whole = self.found is not None and self.found.is_complete
        if is_whole or self._is_cancelled:
            self.ended.emit("")
        elif self._process.exitStatus() == QProcess.ExitStatus.NormalExit and said and "mixer-gui: " in said[-1]:
            self.ended.emit(said[-1].removeprefix("mixer-gui: "))
        else:
            self.ended.emit(
                self.tr(
                    "The measurement broke off. There may be too little memory: close other programs and try again."
                )
            )

    @Slot(QProcess.ProcessError)
    def _fail_to_start(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._timer.stop()
            self.ended.emit(self.tr("The measurement could not be started: {0}").format(self._process.errorString()))


def own_arguments() -> list[str]:
    """What makes `sys.executable` this program: a packaged executable is it by itself."""
    return [] if getattr(sys, "frozen", False) else ["-m", "mixer_gui"]
