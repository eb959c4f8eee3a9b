"""What happens between the process's start and its first prediction, for `mixer-gui --startup-report`.

Imports nothing heavy but in `import_qt`, and is itself imported only where the report was asked for.
"""

from __future__ import annotations

import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from types import ModuleType

STAT_AFTER_NAME = 19  # the start time's place in /proc/self/stat, counted from what follows the command's name


class Mark(StrEnum):
    """What the report has a time of; the order is the one in which they usually come."""

    INTERPRETER = "interpreter up"
    QT = "Qt imported"
    MODULES = "window's modules imported"
    WINDOW = "window built and shown"
    PAINT = "first paint"
    TORCH = "torch imported"
    MODEL = "model loaded"
    PICTURE = "first picture decoded"
    PREDICTION = "first prediction"


class StartupReport:
    """Takes the first time of each mark. `mark` may be called in any thread."""

    def __init__(self, entered: float) -> None:
        """`entered`: when the entry module's first line ran, by `time.monotonic`."""
        age_s = process_age_s()
        self.is_from_entry = age_s is None
        self._began = entered if age_s is None else time.monotonic() - age_s
        self.marks_ms: dict[Mark, float] = {}
        self.packages_before_paint: dict[str, int] = {}
        self.mark(Mark.INTERPRETER, entered)

    def mark(self, which: Mark, moment: float | None = None) -> None:
        """Now, or at a moment of `time.monotonic`; a later call for the same mark changes nothing."""
        now = time.monotonic() if moment is None else moment
        self.marks_ms.setdefault(which, (now - self._began) * 1e3)
        if which == Mark.PAINT and not self.packages_before_paint:
            self.packages_before_paint = imported_packages(sys.modules)

    def import_qt(self) -> None:
        """Import Qt by itself, so that its share can be told from the window's modules'. Raises ImportError."""
        import PySide6.QtWidgets  # noqa: F401

        self.mark(Mark.QT)

    def text(self) -> str:
        """A table in the order of time, and what was imported before the first paint."""
        since = "the entry module's first line" if self.is_from_entry else "the process started"
        lines = [f"ms since {since}; ms since the line above"]
        before = 0.0
        for which, at_ms in sorted(self.marks_ms.items(), key=lambda each: each[1]):
            lines.append(f"{at_ms:8.0f}  {at_ms - before:8.0f}  {which}")
            before = at_ms
        packages = ", ".join(f"{name} ({count})" for name, count in self.packages_before_paint.items())
        lines.append(f"packages imported before the first paint (modules): {packages}")
        return "\n".join(lines)


def process_age_s() -> float | None:
    """How long this process has run, to 10 ms; None where the system does not say.

    From /proc, thus on Linux only. A program that a shell was replaced with (`exec`) is as old as that shell.
    """
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[STAT_AFTER_NAME]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError, ValueError):
        return None
    return age_s if age_s >= 0 else None


def imported_packages(modules: dict[str, ModuleType]) -> dict[str, int]:
    """Packages that are not Python's own, with how many modules of each are in memory; the most first.

    Qt's modules are named one by one: each loads a library.
    """
    counts: dict[str, int] = {}
    for name in modules:
        top, _, rest = name.partition(".")
        if top in sys.stdlib_module_names or top in ("__main__", "__mp_main__"):
            continue
        counted = name if top == "PySide6" and rest.startswith("Qt") else top
        counts[counted] = counts.get(counted, 0) + 1
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
