"""The window's own figures, taken in a fresh process of its own: start, first prediction, longest silence.

Run as a module it is that process; `measure` starts it. Times are CLOCK_MONOTONIC, which all processes share.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixer_gui.records import MixerGuiError

if TYPE_CHECKING:
    from mixer_gui.records import ModelRef

TICK_MS = 2
STACK_AFTER_S = 0.04
CLICK_AFTER_MS = 1000  # from the list of models to the download, as fast as a user is


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds: from process start to the first paint and to the first prediction, and the longest gap.

    `gaps_ms` holds the five longest gaps between ticks of a 2 ms timer in the window's thread, `began_ms` for each of
    them the time from the first paint to its begin; `opening_ms` the longest while the list of models opened.
    """

    first_paint_ms: float
    first_prediction_ms: float
    gaps_ms: tuple[float, ...]
    began_ms: tuple[float, ...]
    torch_before_paint: bool
    platform: str
    stacks: str
    opening_ms: float = 0.0

    @property
    def gaps(self) -> str:
        """The gaps, each with its begin, as a user reads them."""
        pairs = zip(self.gaps_ms, self.began_ms, strict=True)
        return ", ".join(f"{gap:.0f} (at {began / 1e3:.2f} s)" for gap, began in pairs)


def measure(
    files: list[Path],
    *,
    model: Path | None = None,
    pull: str | None = None,
    stacks: bool = False,
    timeout_s: float = 180.0,
) -> Figures:
    """Start the application on `files`, wait until all are classified, close it.

    With `pull`, a repository on the Hub, that is then downloaded into an empty cache and used for the same pictures,
    and the gaps are those from the download's beginning on. Raises MixerGuiError where it cannot be had.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mixer_gui.bench.window", folder, str(time.monotonic())]
        command += ["--model", str(model)] if model is not None else []
        command += ["--pull", pull] if pull is not None else []
        command += ["--stacks"] if stacks else []
        ended = subprocess.run(
            [*command, *map(str, files)], capture_output=True, text=True, timeout=timeout_s, check=True
        )
    figures = json.loads(ended.stdout.splitlines()[-1])
    if "failure" in figures:
        raise MixerGuiError(figures["failure"])
    gaps_ms, began_ms = (tuple(figures.pop(name)) for name in ("gaps_ms", "began_ms"))
    return Figures(**figures, gaps_ms=gaps_ms, began_ms=began_ms, stacks=ended.stderr)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.pull:
        os.environ["HF_HUB_CACHE"] = str(Path(arguments.folder) / "hub")  # before anything imports the client
    from mixer_gui.app import build
    from mixer_gui.records import RepositoryRef
    from mixer_gui.settings import Settings, SettingsFile

    settings_file = SettingsFile(Path(arguments.folder) / "settings.json")
    settings_file.save(Settings(model_path=arguments.model or ""))
    qt, application = build([Path(name) for name in arguments.files], settings_file)
    from PySide6.QtCore import Qt as QtNames
    from PySide6.QtCore import QTimer

    session = application.window.session
    gaps: list[tuple[float, float]] = []  # its length and when it began
    seen: dict[str, Any] = {}
    last = first = time.monotonic()

    def painted() -> None:
        nonlocal last, first
        seen["first_paint_ms"] = (time.monotonic() - arguments.started) * 1e3
        seen["torch_before_paint"] = "torch" in sys.modules
        last = first = time.monotonic()
        timer.start()
        watch()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        gaps.append(((now - last) * 1e3, (last - first) * 1e3))
        last = now
        watch()

    def watch() -> None:
        if arguments.stacks:
            faulthandler.dump_traceback_later(STACK_AFTER_S, file=sys.stderr)

    def reported() -> None:
        if session.current is not None and session.current.report is not None:
            seen.setdefault("first_prediction_ms", (time.monotonic() - arguments.started) * 1e3)
        walk_on()

    def walk_on() -> None:
        """Show each picture in turn, as a user with the Page Down key would, then close the window."""
        pictures = session.gallery.pictures
        current = session.current
        if session.waiting or len(pictures) < len(arguments.files) or current is None:
            return
        later = [each for each in pictures if each.view not in walked]
        walked.add(current.view)
        if later and later[0] is not current:
            walked.add(later[0].view)
            session.show_picture(later[0])
        elif len(walked) < len(pictures):
            return
        elif arguments.pull and not pulled:
            pulled.append(session.model)
            gaps.clear()
            application.window.model_commands.show_manager()
            QTimer.singleShot(CLICK_AFTER_MS, download)
        elif not arguments.pull or session.model != pulled[0]:
            QTimer.singleShot(200, application.window.close)

    def download() -> None:
        seen["opening_ms"] = max(gaps)[0]
        gaps.clear()
        application.window.model_commands.library.pull(RepositoryRef(arguments.pull))

    def fail(sentence: str) -> None:
        seen["failure"] = sentence
        application.window.close()

    walked: set[str] = set()
    pulled: list[ModelRef] = []  # the model before the download
    application.window.model_commands.library.complained.connect(fail)
    timer = QTimer(interval=TICK_MS, timerType=QtNames.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    application.window.picture.view.first_painted.connect(painted)
    session.report_changed.connect(reported)
    step = QTimer(interval=100)
    step.timeout.connect(walk_on)
    step.start()
    qt.exec()
    faulthandler.cancel_dump_traceback_later()
    gaps_ms, began_ms = zip(*sorted(gaps, reverse=True)[:5], strict=True)
    said = {**seen, "gaps_ms": gaps_ms, "began_ms": began_ms, "platform": qt.platformName()}
    print(json.dumps(said))  # noqa: T201 - how the figures reach the process that asked


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("started", type=float)
    parser.add_argument("--model")
    parser.add_argument("--pull")
    parser.add_argument("--stacks", action="store_true")
    parser.add_argument("files", nargs="*")
    _run(parser.parse_intermixed_args())
