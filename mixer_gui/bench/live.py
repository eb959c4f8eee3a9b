"""The live loop's own figures over minutes, in a fresh process of its own: frames, latency, gaps, memory, threads.

Run as a module it is that process; `measure` starts it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixer_gui.records import MixerGuiError

TICK_MS = 5
SETTLE_S = 35.0  # from stopping to counting what is left: Qt keeps the threads of its pools for 30
QUIET_S = 4.0  # from the model to the source: what else the program starts by itself has started then


@dataclass(frozen=True, slots=True)
class Figures:
    """`latency_ms` from a frame's arrival to the end of the paint that shows its result, `wait_ms` the part of it
    before the engine was free for it; both as (median, 95th percentile). `memory_mb` by minute, from 1 on.
    `threads_left` are those that were not there before.
    """

    seen: int
    classified: int
    skipped: int
    latency_ms: tuple[float, float]
    without_wait_ms: tuple[float, float]
    wait_ms: tuple[float, float]
    forward_ms: tuple[float, float]
    gaps_ms: tuple[float, ...]
    memory_mb: tuple[float, ...]
    threads_left: tuple[str, ...]
    platform: str


def measure(video: Path, *, minutes: float, model: Path | None = None) -> Figures:
    """Classify a video in a loop, in the window, for so long. Raises MixerGuiError where it does not play."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mixer_gui.bench.live", folder, str(video), str(minutes)]
        command += ["--model", str(model)] if model is not None else []
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=minutes * 60 + 180, check=True)
    figures = json.loads(ended.stdout.splitlines()[-1])
    if "failure" in figures:
        raise MixerGuiError(figures["failure"])
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in figures.items()}
    return Figures(**values)


def bare_forward_ms(model: Path, rounds: int = 90) -> tuple[float, float]:
    """Median of the forward pass alone, logits only, on the CPU with nothing else to do.

    Once in a row, and once thirty times a second, as frames come: then the weights are no longer in the caches.
    """
    import numpy as np

    from mixer_gui.engine.classifier import Classifier
    from mixer_gui.model.checkpoint import load_checkpoint
    from mixer_gui.model.mixer import Record
    from mixer_gui.records import DevicePreference, ModelRef

    classifier = Classifier(load_checkpoint(ModelRef(model)), DevicePreference.CPU)
    height, width = classifier.info.preprocessing.input_size
    pixels = np.random.default_rng(0).integers(0, 255, (1, height, width, 3), dtype=np.uint8)

    def median_ms(pause_s: float) -> float:
        times = []
        for _ in range(rounds + 5):
            started = time.perf_counter()
            logits, _recording = classifier.forward(pixels, Record.NONE)
            logits.cpu()
            took_s = time.perf_counter() - started
            times.append(took_s * 1e3)
            time.sleep(max(pause_s - took_s, 0.0))
        return statistics.median(times[5:])

    return median_ms(0.0), median_ms(1.0 / 30.0)


def _threads() -> list[str]:
    tasks = Path("/proc/self/task")
    return sorted((each / "comm").read_text().strip() for each in tasks.iterdir()) if tasks.exists() else []


def _memory_mb() -> float:
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _run(arguments: argparse.Namespace) -> None:
    from mixer_gui.app import build
    from mixer_gui.records import FeedState, FrameReport, LiveFrame, ModelReady, VideoFeed
    from mixer_gui.settings import Settings, SettingsFile

    settings_file = SettingsFile(Path(arguments.folder) / "settings.json")
    settings_file.save(Settings(model_path=arguments.model or ""))
    qt, application = build([], settings_file)
    from PySide6.QtCore import Qt as QtNames
    from PySide6.QtCore import QTimer

    window = application.window
    live = window.live
    latencies: list[float] = []
    waits: list[float] = []
    own: list[float] = []
    forwards: list[float] = []
    gaps: list[float] = []
    memory: list[float] = []
    before: list[str] = []
    said: dict[str, Any] = {}
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        now = time.monotonic()
        gaps.append((now - last) * 1e3)
        if len(gaps) > 100_000:
            gaps.sort(reverse=True)
            del gaps[5:]
        last = now

    def begin(_ready: ModelReady) -> None:
        QTimer.singleShot(round(QUIET_S * 1000), open_video)

    def open_video() -> None:
        nonlocal last
        before.extend(_threads())
        last = time.monotonic()
        timer.start()
        live.open(VideoFeed(Path(arguments.video)), Path(arguments.video).name)
        application.media.set_loop(True)
        minute.start()
        QTimer.singleShot(round(arguments.minutes * 60_000), stop)

    def answered(answer: FrameReport, _frame: LiveFrame) -> None:
        forwards.append(answer.timings_ms.forward)
        waits.append(live.wait_ms)

    def painted(latency_ms: float) -> None:
        latencies.append(latency_ms)
        own.append(latency_ms - waits[-1])

    def stop() -> None:
        counts = application.media.counts()
        said["seen"] = counts.seen if counts is not None else 0
        said["classified"] = len(forwards)
        said["skipped"] = said["seen"] - said["classified"]
        timer.stop()
        minute.stop()
        live.close()
        QTimer.singleShot(round(SETTLE_S * 1000), finish)

    def finish() -> None:
        left = _threads()
        for name in before:
            if name in left:
                left.remove(name)
        said["threads_left"] = left
        window.close()

    def fail(sentence: str) -> None:
        if sentence:
            said["failure"] = sentence
            window.close()

    def check(status: object) -> None:
        if getattr(status, "state", None) == FeedState.ENDED:
            fail("the video ended and was to be looped")

    window.session.model_changed.connect(begin)
    live.answered.connect(answered)
    live.painted.connect(painted)
    live.complained.connect(fail)
    live.status_changed.connect(check)
    timer = QTimer(interval=TICK_MS, timerType=QtNames.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    minute = QTimer(interval=60_000)
    minute.timeout.connect(lambda: memory.append(_memory_mb()))
    qt.exec()
    if "failure" not in said:
        said.update(
            latency_ms=_spread(latencies),
            without_wait_ms=_spread(own),
            wait_ms=_spread(waits),
            forward_ms=_spread(forwards),
            gaps_ms=sorted(gaps, reverse=True)[:5],
            memory_mb=[*memory, _memory_mb()],
            platform=qt.platformName(),
        )
    print(json.dumps(said))  # noqa: T201 - how the figures reach the process that asked


def _spread(values: list[float]) -> tuple[float, float]:
    """Median and 95th percentile, without the first tenth, in which everything is warmed up."""
    ordered = sorted(values[len(values) // 10 :]) or [0.0]
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("video")
    parser.add_argument("minutes", type=float)
    parser.add_argument("--model")
    _run(parser.parse_args())
