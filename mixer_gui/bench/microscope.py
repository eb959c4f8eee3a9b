"""How long the microscope takes to answer, in the window, in a fresh process of its own.

Run as a module it is that process; `measure` starts it. A time is that from the user's act to the end of the paint of
the picture that shows its result; a gradient's, from the question to its answer. The window's thread sleeps in Qt's
event loop meanwhile, as it does for a user. The gaps are those of the same acts done once more, beside a timer: it
takes part of a core, so that no time is taken while it runs.
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
    from mixer_gui.gui.gallery import Picture
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
    """Does what a user does, and waits as one does: in Qt's event loop, which looks again when something was told."""

    def __init__(self, qt: QApplication, application: Application) -> None:
        from PySide6.QtCore import QEventLoop, QTimer
        from PySide6.QtCore import Qt as QtNames

        self.window = application.window
        self.focus = self.window.focus
        self.answers: list[Any] = []
        self.jobs: list[object] = []
        self.painted_at = 0.0
        self.answered_at = 0.0
        self.gaps: list[float] = []
        self._last = 0.0
        self._loop = QEventLoop(qt)
        self._awaited: Callable[[], object] = bool
        self.focus.answered.connect(self._note_answer)
        self.focus.report_changed.connect(self._note_report)
        self.focus.job_told.connect(self._note_job)
        self.window.picture.view.painted.connect(self._note_paint)
        self._alarm = QTimer(timerType=QtNames.TimerType.PreciseTimer)
        self._alarm.timeout.connect(self._look)
        self._timer = QTimer(interval=TICK_MS, timerType=QtNames.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def watch(self) -> None:
        """From now on, note each gap of a timer of TICK_MS."""
        self._last = time.perf_counter()
        self._timer.start()

    def take_gaps(self) -> list[float]:
        gaps, self.gaps = self.gaps, []
        return gaps

    def wait(self, condition: Callable[[], object], seconds: float = WAIT_S) -> None:
        """Raises TimeoutError where it does not come true."""
        deadline = time.perf_counter() + seconds
        self._awaited = lambda: condition() or time.perf_counter() >= deadline
        self._alarm.start(round(seconds * 1e3) + 1)
        if not self._awaited():
            self._loop.exec()
        self._alarm.stop()
        if not condition():
            raise TimeoutError("an answer did not come")

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
        self.wait(lambda: time.perf_counter() >= until, seconds)

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
        self._look()

    def _note_report(self) -> None:
        self.answered_at = time.perf_counter()
        self._look()

    def _note_job(self, told: object) -> None:
        self.jobs.append(told)
        self._look()

    def _note_paint(self) -> None:
        self.painted_at = time.perf_counter()
        self._look()

    def _look(self) -> None:
        if self._loop.isRunning() and self._awaited():
            self._loop.quit()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append((now - self._last) * 1e3)
        self._last = now


def _run(arguments: argparse.Namespace) -> None:
    from mixer_gui.app import build
    from mixer_gui.records import FaithfulnessJob, JobProgress, RankedMap
    from mixer_gui.settings import Settings, SettingsFile

    settings_file = SettingsFile(Path(arguments.folder) / "settings.json")
    settings_file.save(Settings(model_path=arguments.model or ""))
    qt, application = build([Path(arguments.picture)], settings_file)
    driver = _Driver(qt, application)
    window, focus = application.window, application.window.focus
    driver.wait(lambda: focus.report is not None)
    driver.rest(2.0)
    times = _walk(driver)
    driver.watch()
    _walk(driver)
    gaps = driver.take_gaps()
    window.microscope.show_panel("mixing")
    driver.rest(1.0)
    driver.take_gaps()
    values = driver.report.relative_update[-1]
    job = FaithfulnessJob(10_000, driver.report.id, 0, (RankedMap("one", values), RankedMap("two", values)))
    focus.start_job(job)
    driver.wait(lambda: any(isinstance(each, JobProgress) for each in driver.jobs))
    times["point at a patch while a curve is measured"] = [_point(driver, 11 * number + 1) for number in range(ROUNDS)]
    focus.cancel_job(job.id)
    driver.rest(1.0)
    window.close()
    spread = {name: (statistics.median(each), sorted(each)[int(len(each) * 0.95)]) for name, each in times.items()}
    said: dict[str, Any] = {
        "times_ms": spread,
        "gaps_ms": sorted(gaps, reverse=True)[:5],
        "gaps_in_job_ms": sorted(driver.take_gaps(), reverse=True)[:5],
        "platform": qt.platformName(),
    }
    application.shut_down()
    print(json.dumps(said))  # noqa: T201 - how the figures reach the process that asked


def _walk(driver: _Driver) -> dict[str, list[float]]:
    """Each interaction ROUNDS times: milliseconds by its name."""
    from mixer_gui.records import DifferenceReport, GradientReport, GradientRequest

    window, focus, times = driver.window, driver.focus, {}
    window.session.set_edits(_current(driver), ())
    window.microscope.show_panel("mixing")
    driver.rest(1.0)
    times["point at a patch"] = [_point(driver, 7 * number + 3) for number in range(ROUNDS)]
    window.microscope.show_panel("class")
    driver.rest(1.0)
    changes = times["change the class"] = []
    for number in range(ROUNDS):
        index = (31 * number + 5) % driver.report.model.classes
        driver.answers.clear()
        changes.append(
            driver.time_ms(partial(focus.want_class, index), partial(driver.has_answer, DifferenceReport, index=index))
        )
        driver.rest()
    gradients = times["gradient maps"] = []
    for number in range(ROUNDS):
        driver.answers.clear()
        gradients.append(
            driver.time_ms(
                partial(focus.ask, GradientRequest(driver.report.id, number)),
                partial(driver.has_answer, GradientReport),
                painted=False,
            )
        )
        driver.rest()
    window.microscope.show_panel("what_if")
    driver.rest(1.0)
    return times | _erase(driver)


def _point(driver: _Driver, number: int) -> float:
    from mixer_gui.records import PatchReport

    patch = number % driver.report.model.grid.count
    driver.answers.clear()
    taken_ms = driver.time_ms(
        lambda: driver.window.picture.view.pin(patch), lambda: driver.has_answer(PatchReport, patch=patch)
    )
    driver.rest()
    return taken_ms


def _erase(driver: _Driver) -> dict[str, list[float]]:
    """Erase patches one after the other, until each new prediction is on the screen."""
    from mixer_gui.records import Erase

    session, current = driver.window.session, _current(driver)
    patches = driver.report.model.grid.count
    edits: list[Edit] = []
    times: dict[str, list[float]] = {"erase a patch": [], "  forward pass in it": []}
    for number in range(ROUNDS):
        edits.append(Erase(frozenset({(13 * number + 2) % patches})))
        wanted = tuple(edits)
        times["erase a patch"].append(
            driver.time_ms(partial(session.set_edits, current, wanted), partial(driver.has_edits, wanted))
        )
        times["  forward pass in it"].append(driver.report.timings_ms.forward)
        driver.rest()
    return times


def _current(driver: _Driver) -> Picture:
    current = driver.window.session.current
    if current is None:
        raise ValueError("nothing is shown")
    return current


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("picture")
    parser.add_argument("--model")
    _run(parser.parse_args())
