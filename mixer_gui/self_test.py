"""`mixer-gui --self-test`: whether this installation can do what it is for; needs neither display nor network.

Each step runs in a process of its own, so that one which fails, hangs or crashes is told and the others go on. What a
step needs is imported in it.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TextIO

from mixer_gui import __version__
from mixer_gui.flavour import torch_build

if TYPE_CHECKING:
    from PIL import Image

    from mixer_gui.records import BytesSource, DecodedPicture, Report

OPTION = "--self-test"
LIMIT_S = 60.0  # for one step
GRACE_S = 10.0  # from a step's answer until its process has ended
SIZE = (160, 120)  # of the picture, width and height
RED, BLUE = (200, 40, 40), (30, 60, 200)  # its left half and its right half
LOSSY = 24  # how far a colour may be off, of 255, after an encoder that loses some
CLOSE = 1e-4  # between two ways to the same logit
FRAMES, RATE = 10, 25  # of the video
POLL_MS = 20
FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000")
QUIET_MEDIA = "qt.multimedia.*=false"
CLASS_COUNTS = (1000, 11221, 21843)

Step = Callable[[], str]


class StepFailedError(Exception):
    """What a step found is not as it has to be; the message says what it found."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one step ended, and what it found or why it failed."""

    step: str
    ok: bool
    finding: str
    seconds: float
    detail: str = ""  # a traceback


def main(arguments: list[str]) -> int:
    """Run all steps and tell of each on standard output; 0 where all hold, 1 otherwise, 2 for a usage error.

    `arguments`: `--self-test`, or `--self-test=FILE` for the same as JSON in a file: a program without a console has
    no standard output.
    """
    _, _, file = arguments[0].partition("=")
    if len(arguments) > 1:
        _say(sys.stderr, f"mixer-gui: {OPTION} takes no files; {OPTION}=FILE writes what it finds as JSON.")
        return 2
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    outcomes = []
    for outcome in run(STEPS):
        _say(sys.stdout, f"{outcome.step:<13}{'ok    ' if outcome.ok else 'FAILED'}  {outcome.finding}")
        outcomes.append(outcome)
    holds = all(each.ok for each in outcomes)
    if file:
        told = {"version": __version__, "ok": holds, "steps": [asdict(each) for each in outcomes]}
        try:
            Path(file).write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            _say(sys.stderr, f"mixer-gui: “{file}” could not be written: {error.strerror}.")
            return 1
    return 0 if holds else 1


def run(steps: Mapping[str, Step], limit_s: float = LIMIT_S) -> Iterator[Outcome]:
    """The outcome of each step, in order; never raises for what a step does."""
    for name, step in steps.items():
        started = time.monotonic()
        ok, finding, detail = _run_apart(step, limit_s)
        yield Outcome(name, ok, finding, round(time.monotonic() - started, 3), detail)


def _run_apart(step: Step, limit_s: float) -> tuple[bool, str, str]:
    ours, theirs = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=_serve, args=(step, theirs))
    process.start()
    theirs.close()  # with our copy closed, the end of the process is the end of the pipe
    try:
        if not ours.poll(limit_s):
            return False, f"did not end within {limit_s:g} s", ""
        ok, finding, detail = ours.recv()
        process.join(GRACE_S)
        if process.exitcode is None:
            return False, f"{finding}; its process did not end", detail
        if process.exitcode:
            return False, f"{finding}; its process ended with exit code {process.exitcode}", detail
        return bool(ok), str(finding), str(detail)
    except EOFError:
        process.join(GRACE_S)
        return False, f"its process ended with exit code {process.exitcode}", ""
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(step: Step, pipe: Connection) -> None:
    """What runs in a step's process."""
    try:
        outcome = (True, step(), "")
    except StepFailedError as error:
        outcome = (False, str(error), "")
    except Exception as error:  # of any kind: to tell it is what this is for
        outcome = (False, f"{type(error).__name__}: {error}", traceback.format_exc())
    pipe.send(outcome)


def _say(stream: TextIO | None, line: str) -> None:
    if stream is None:  # in a windowed executable
        return
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    stream.write(line + "\n")
    stream.flush()


def _require(holds: bool, finding: str) -> None:
    if not holds:
        raise StepFailedError(finding)


# --- the steps: each returns what it found, in one line ------------------------------------------


def version() -> str:
    """What this is, without importing torch."""
    from PySide6 import __version__ as qt_version

    build = torch_build()
    if build is None:
        raise StepFailedError("torch is not there")
    system = f"Python {platform.python_version()}, Qt {qt_version}, torch {build.version}"
    return f"Mixer GUI {__version__}, {build.flavour} flavour; {system}; {platform.system()} {platform.machine()}"


def model() -> str:
    """The embedded default."""
    from mixer_gui.engine.engine import Engine
    from mixer_gui.records import DevicePreference
    from mixer_gui.resources import default_model

    ready = Engine().load(default_model(), DevicePreference.AUTO)
    facts = f"{ready.info.parameters:,} parameters, {ready.info.layers} layers, {ready.info.classes} classes"
    return f"{facts}, loaded in {ready.load_ms:.0f} ms on {ready.device.name}"


def formats() -> str:
    """Pictures of each kind through the decoder's process; HEIF, which nothing here writes, is only looked for."""
    from PIL import Image

    from mixer_gui.pictures.decode import register_formats
    from mixer_gui.records import BytesSource

    register_formats()
    _require("HEIF" in Image.registered_extensions().values(), "HEIF pictures cannot be opened: pi-heif is missing")

    with _decoder() as decode:
        for name in FORMATS:
            decoded = decode(BytesSource(name, _encoded(_drawn(), name)))
            left, right = decoded.frame.pixels[60, 20], decoded.frame.pixels[60, 140]
            off = max(_difference(left, RED), _difference(right, BLUE))
            _require(off <= LOSSY, f"colours of a {name} picture are {off} of 255 off")
    return f"{', '.join(FORMATS)} decoded; HEIF is registered"


def picture() -> str:
    """A picture, decoded in its process and classified."""
    report, pid = _classified()
    _require(pid != os.getpid(), "the picture was not decoded in a process of its own")
    first, total = report.predictions[0], sum(each.probability for each in report.predictions)
    _require(abs(total - 1) < CLOSE, f"probabilities of all classes sum to {total:.6f}")
    decoded = f"decoded by process {pid} in {report.timings_ms.decode:.1f} ms"
    return f"{decoded}; {first.label} {first.probability:.1%}, sum of all {total:.6f}"


def explanation() -> str:
    """Evidence for a class: its mean over the patches and the head's bias make the logit."""
    from mixer_gui.model.checkpoint import load_checkpoint
    from mixer_gui.resources import default_model

    report, _ = _classified()
    bias = load_checkpoint(default_model()).model.head.bias.tolist()
    sums = [float(row.mean()) + bias[each.index] for row, each in zip(report.evidence, report.predictions, strict=True)]
    off = max(abs(each - prediction.logit) for each, prediction in zip(sums, report.predictions, strict=True))
    _require(off < CLOSE, f"evidence of a class and its logit differ by {off:.2e}")
    return f"evidence of {len(sums)} classes sums to their logits within {off:.1e}"


def window() -> str:
    """The window opens with the picture, shows its prediction, and closes."""
    from PySide6.QtCore import QTimer

    from mixer_gui.app import build
    from mixer_gui.settings import SettingsFile

    with TemporaryDirectory(prefix="mixer-gui-") as folder:
        os.environ.update(
            HF_HUB_OFFLINE="1", HF_HOME=folder, HF_HUB_CACHE=folder
        )  # the list of models is empty, and nothing is asked
        file = Path(folder) / "picture.png"
        _drawn().save(file)
        started = time.monotonic()
        qt, application = build([file], SettingsFile(Path(folder) / "settings.json"))
        shown = application.window.predictions.list.model()
        session = application.window.session

        def leave_when_shown() -> None:
            found = session.current
            if found is not None and (found.failure is not None or (found.report is not None and shown.rowCount())):
                application.window.close()

        poll = QTimer(interval=POLL_MS)
        poll.timeout.connect(leave_when_shown)
        poll.start()
        qt.exec()
        seconds = time.monotonic() - started
        found = session.current
        if found is None or found.report is None:
            failure = None if found is None else found.failure
            raise StepFailedError("no prediction came" if failure is None else failure.sentence)
        first = shown.index(0, 0).data()
    _require(found.report.predictions[0].label in str(first), f"the list shows {first}")
    return f"“{first}” on the screen after {seconds:.1f} s ({qt.platformName()}); closed"


def video() -> str:
    """A short video is recorded, and read again."""
    from PySide6.QtCore import QEventLoop, QLoggingCategory, QSize
    from PySide6.QtGui import QColor, QGuiApplication, QImage

    from mixer_gui.media.extract import frames_every
    from mixer_gui.media.recorder import VideoRecorder

    QLoggingCategory.setFilterRules(QUIET_MEDIA)
    application = QGuiApplication(["mixer-gui"])
    recorder, loop = VideoRecorder(), QEventLoop()
    failures: list[str] = []
    recorder.finished.connect(loop.quit)
    recorder.failed.connect(failures.append)
    recorder.failed.connect(loop.quit)
    image = QImage(*SIZE, QImage.Format.Format_RGB32)
    image.fill(QColor(*RED))
    with TemporaryDirectory(prefix="mixer-gui-") as folder:
        file = Path(folder) / "video.mp4"
        recorder.start(file, QSize(*SIZE), RATE)
        for number in range(FRAMES):
            recorder.add(image, number / RATE)
        recorder.stop()
        if not failures:
            loop.exec()
        if failures:
            raise StepFailedError(failures[0])
        size = file.stat().st_size
        with closing(frames_every(file, 1 / RATE)) as frames:
            pixels = [each for _, each in frames]
    del application
    off = max(_difference(each[60, 80], RED) for each in pixels)
    _require(off <= LOSSY, f"colours of a frame are {off} of 255 off")
    return (
        f"{len(pixels)} frames of {SIZE[0]}×{SIZE[1]} recorded ({size:,} bytes) and decoded, colours at most {off} off"
    )


def live() -> str:
    """What moving pictures come from."""
    from PySide6.QtCore import QLoggingCategory
    from PySide6.QtGui import QGuiApplication
    from PySide6.QtMultimedia import QMediaFormat, QScreenCapture

    from mixer_gui.media.camera import Cameras
    from mixer_gui.media.screen import screen_names

    QLoggingCategory.setFilterRules(QUIET_MEDIA)
    application = QGuiApplication(["mixer-gui"])
    codecs = QMediaFormat().supportedVideoCodecs(QMediaFormat.ConversionMode.Decode)
    _require(bool(codecs), "QtMultimedia decodes no video: its plugin is missing")
    _require(QScreenCapture().error() == QScreenCapture.Error.NoError, "screens cannot be captured")
    found = f"{len(Cameras().listed())} cameras, {len(screen_names())} screens to capture"
    del application
    return f"{found}, {len(codecs)} kinds of video"


def hub() -> str:
    """The Hub's client, as far as it goes without a request."""
    from mixer_gui.hub import client

    client.load()
    from huggingface_hub import __version__ as client_version
    from huggingface_hub import get_session

    with closing(get_session()):
        return f"huggingface_hub {client_version} for {client.Hub().host}; nothing was asked"


def class_names() -> str:
    """The tables for checkpoints that carry no names."""
    from mixer_gui.classes import known_names

    found = [known_names(count) for count in CLASS_COUNTS]
    _require(all(each is not None and all(each.labels) for each in found), "a table is missing or has gaps")
    return " · ".join(f"{each.title} {len(each.labels):,}" for each in found if each is not None)


def licences() -> str:
    """Licences of all that is bundled, and the bill of materials; from the packages themselves in a source install."""
    from mixer_gui.components import components
    from mixer_gui.resources import licences_folder

    found, folder = components(), licences_folder()
    nameless = [each.name for each in found if not each.licence]
    _require(not nameless, f"no licence of {', '.join(nameless)}")
    if folder is None:
        return f"of {len(found)} components, from the installed packages: not a bundle"
    silent = [each.name for each in found if not each.text().strip()]
    _require(not silent, f"no text of the licence of {', '.join(silent)}")
    bill = json.loads((folder / "sbom.cdx.json").read_text(encoding="utf-8"))
    _require(bill.get("bomFormat") == "CycloneDX", "the bill of materials is no CycloneDX document")
    return f"of {len(found)} components; bill of materials with {len(bill['components'])} (CycloneDX)"


STEPS: dict[str, Step] = {
    "version": version,
    "model": model,
    "formats": formats,
    "picture": picture,
    "explanation": explanation,
    "window": window,
    "video": video,
    "live": live,
    "hub": hub,
    "class names": class_names,
    "licences": licences,
}


# --- what several steps need ---------------------------------------------------------------------


def _drawn() -> Image.Image:
    """Red on the left, blue on the right, and a yellow disc between."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", SIZE, RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle((80, 0, 159, 119), fill=BLUE)
    draw.ellipse((55, 35, 105, 85), fill=(250, 220, 60))
    return image


def _encoded(image: Image.Image, name: str) -> bytes:
    data = io.BytesIO()
    image.save(data, name)
    return data.getvalue()


def _difference(pixel: object, colour: tuple[int, int, int]) -> int:
    import numpy as np

    return int(np.abs(np.asarray(pixel, np.int64) - colour).max())


@contextmanager
def _decoder() -> Iterator[Callable[[BytesSource], DecodedPicture]]:
    """A function that has a source decoded in a process, without what the network sees of it."""
    from mixer_gui.pictures.decoder import Decoder
    from mixer_gui.records import DecodeJob

    with closing(Decoder()) as decoder:
        yield lambda source: decoder.submit(DecodeJob(source, None)).result(LIMIT_S)


def _classified() -> tuple[Report, int | None]:
    """The drawn picture's report with all classes, and the decoder's process id."""
    from mixer_gui.engine.engine import Engine
    from mixer_gui.model.mixer import Record
    from mixer_gui.pictures.decoder import Decoder
    from mixer_gui.records import (
        BytesSource,
        ClassifyRequest,
        DecodeJob,
        DevicePreference,
        PrecisionPreference,
        Priority,
    )
    from mixer_gui.resources import default_model

    chosen, source = default_model(), BytesSource("drawn.png", _encoded(_drawn(), "PNG"))
    with closing(Decoder()) as decoder:
        decoder.start()  # before torch is imported
        engine = Engine()
        info = engine.load(chosen, DevicePreference.AUTO).info
        decoded = decoder.submit(DecodeJob(source, info.preprocessing)).result(LIMIT_S)
        pid = decoder.worker_pid
    request = ClassifyRequest(
        1, "self-test", Priority.DROPPED, source, chosen, precision=PrecisionPreference.FP32, top_k=info.classes
    )
    return engine.classify(request, decoded, Record.FULL), pid
