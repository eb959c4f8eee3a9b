"""How long the microscope takes to answer, in the window, in a fresh process of its own.

Run as a module it is that process; `measure` starts it. A time is that from the user's act to the end of the paint of
the picture that shows its result; a gradient's, from the question to its answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from mixer_gui.app import Application
    from mixer_gui.records import Edit, Report

TICK_MS = 2
WAIT_S = 120.0
ROUNDS = 25


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds by interaction: (median, 95th percentile). `gaps_ms`: the longest gaps of a 2 ms timer in the
    window's thread while all of it was done, and while a faithfulness curve ran and a patch was pointed at.
    """

    times_ms: dict[str, tuple[float, float]]
    gaps_ms: tuple[float, ...]
    gaps_in_job_ms: tuple[float, ...]
    platform: str


def measure(picture: Path, *, model: Path | None = None, timeout_s: float = 540.0) -> Figures:
    """Point, change the class, ask for gradients, erase, and point while a curve is measured."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mixer_gui.bench.microscope", folder, str(picture)]
        command += ["--model", str(model)] if model is not None else []
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=timeout_s, check=True)
    figures = json.loads(ended.stdout.splitlines()[-1])
    times_ms = {name: (median, high) for name, (median, high) in figures["times_ms"].items()}
    return Figures(times_ms, tuple(figures["gaps_ms"]), tuple(figures["gaps_in_job_ms"]), platform=figures["platform"])


class _Driver:
    """Does what a user does, and waits as one does."""

    def __init__(self, qt: QApplication, application: Application) -> None:
        from PySide6.QtCore import Qt as QtNames
        from PySide6.QtCore import QTimer

        self.qt, self.window = qt, application.window
        self.focus = self.window.focus
        self.answers: list[Any] = []
        self.jobs: list[object] = []
        self.painted_at = 0.0
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self.answered_at = 0.0
        self.focus.answered.connect(self._note_answer)
        self.focus.report_changed.connect(self._note_report)
        self.focus.job_told.connect(self.jobs.append)
        self.window.picture.view.painted.connect(self._note_paint)
        self._timer = QTimer(interval=TICK_MS, timerType=QtNames.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        self._last = time.perf_counter()
        self._timer.start()

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.perf_counter() + WAIT_S
        while not condition():
            if time.perf_counter() > deadline:
                raise TimeoutError("an answer did not come")
            self.qt.processEvents()
            time.sleep(0.001)  # else the loop itself would keep a core from the engine

    def time_ms(self, act: Callable[[], None], is_answered: Callable[[], object], *, painted: bool = True) -> float:
        """From the act to the end of the first paint after its answer has come."""
        started = time.perf_counter()
        act()
        self.wait(is_answered)
        if painted:
            self.wait(lambda: self.painted_at > self.answered_at)
            return (self.painted_at - started) * 1e3
        return (self.answered_at - started) * 1e3

    def rest(self, seconds: float = 0.15) -> None:
        until = time.perf_counter() + seconds
        self.wait(lambda: time.perf_counter() > until)

    def has_answer(self, kind: type[Any], **wanted: object) -> bool:
        """Whether an answer came whose request has these values."""
        found = [each.request for each in self.answers if isinstance(each, kind)]
        return any(all(getattr(request, key) == value for key, value in wanted.items()) for request in found)

    def has_edits(self, edits: tuple[Edit, ...]) -> bool:
        """Whether what is shown is of the picture with these edits."""
        return self.report.edits == edits

    @property
    def report(self) -> Report:
        report = self.focus.report
        if report is None:
            raise ValueError("nothing was classified")
        return report

    def _note_answer(self, answer: object) -> None:
        self.answers.append(answer)
        self.answered_at = time.perf_counter()

    def _note_report(self) -> None:
        self.answered_at = time.perf_counter()

    def _note_paint(self) -> None:
        self.painted_at = time.perf_counter()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append((now - self._last) * 1e3)
        self._last = now


def _run(arguments: argparse.Namespace) -> None:
    from mixer_gui.app import build
    from mixer_gui.records import (
        DifferenceReport,
        FaithfulnessJob,
        GradientReport,
        GradientRequest,
        JobProgress,
        PatchReport,
        RankedMap,
    )
    from mixer_gui.settings import Settings, SettingsFile

    settings_file = SettingsFile(Path(arguments.folder) / "settings.json")
    settings_file.save(Settings(model_path=arguments.model or ""))
    qt, application = build([Path(arguments.picture)], settings_file)
    driver = _Driver(qt, application)
    window, focus = application.window, application.window.focus
    driver.wait(lambda: focus.report is not None)
    driver.rest(2.0)
    driver.start()
    times: dict[str, list[float]] = {}

    def point(name: str, patch: int) -> None:
        driver.answers.clear()
        times.setdefault(name, []).append(
            driver.time_ms(lambda: window.picture.view.pin(patch), lambda: driver.has_answer(PatchReport, patch=patch))
        )
        driver.rest()

    patches = driver.report.model.grid.count
    window.microscope.show_panel("mixing")
    driver.rest(1.0)
    for number in range(ROUNDS):
        point("point at a patch", (7 * number + 3) % patches)
    window.microscope.show_panel("class")
    driver.rest(1.0)
    for number in range(ROUNDS):
        index = (31 * number + 5) % driver.report.model.classes
        driver.answers.clear()
        times.setdefault("change the class", []).append(
            driver.time_ms(partial(focus.want_class, index), partial(driver.has_answer, DifferenceReport, index=index))
        )
        driver.rest()
    for number in range(ROUNDS):
        driver.answers.clear()
        times.setdefault("gradient maps", []).append(
            driver.time_ms(
                partial(focus.ask, GradientRequest(driver.report.id, number)),
                partial(driver.has_answer, GradientReport),
                painted=False,
            )
        )
        driver.rest()
    window.microscope.show_panel("what_if")
    driver.rest(1.0)
    _erase(driver, times)
    gaps, driver.gaps = driver.gaps, []
    window.microscope.show_panel("mixing")
    driver.rest(1.0)
    driver.gaps.clear()
    values = driver.report.relative_update[-1]
    job = FaithfulnessJob(10_000, driver.report.id, 0, (RankedMap("one", values), RankedMap("two", values)))
    focus.start_job(job)
    driver.wait(lambda: any(isinstance(each, JobProgress) for each in driver.jobs))
    for number in range(ROUNDS):
        point("point at a patch while a curve is measured", (11 * number + 1) % patches)
    focus.cancel_job(job.id)
    driver.rest(1.0)
    window.close()
    spread = {name: (statistics.median(each), sorted(each)[int(len(each) * 0.95)]) for name, each in times.items()}
    said: dict[str, Any] = {
        "times_ms": spread,
        "gaps_ms": sorted(gaps, reverse=True)[:5],
        "gaps_in_job_ms": sorted(driver.gaps, reverse=True)[:5],
        "platform": qt.platformName(),
    }
    application.shut_down()
    print(json.dumps(said))  # noqa: T201 - how the figures reach the process that asked


def _erase(driver: _Driver, times: dict[str, list[float]]) -> None:
    """Erase patches one after the other, until each new prediction is on the screen."""
    from mixer_gui.records import Erase

    session = driver.window.session
    current = session.current
    if current is None:
        raise ValueError("nothing is shown")
    patches = driver.report.model.grid.count
    edits: list[Edit] = []
    for number in range(ROUNDS):
        edits.append(Erase(frozenset({(13 * number + 2) % patches})))
        wanted = tuple(edits)
        times.setdefault("erase a patch", []).append(
            driver.time_ms(partial(session.set_edits, current, wanted), partial(driver.has_edits, wanted))
        )
        times.setdefault("  forward pass in it", []).append(driver.report.timings_ms.forward)
        driver.rest()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("picture")
    parser.add_argument("--model")
    _run(parser.parse_args())
