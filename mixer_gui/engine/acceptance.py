"""Whether a model may run in half precision on this machine: tried once on inputs drawn here, and remembered."""

import hashlib
import json
import logging
import math
import os
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.device import is_small, processor_name
from mixer_gui.model.mixer import Record
from mixer_gui.records import WEIGHT_SUFFIXES, CheckpointInfo, DevicePreference, Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

INPUTS = 8
SEED = 2105_01601
WORTH_TRYING_MS = 10.0  # of a pass in fp32; below it there is nothing to gain
MOST_TIME = 0.8  # of the pass in fp32
NARROW = 0.6  # of the speed that is asked for: what misses it by less may be so for what else the machine did
MOST_DIFFERENCE = 0.01  # of a probability
MOST_REMEMBERED = 64

CANDIDATES = {
    DevicePreference.CPU: (Precision.BF16,),
    DevicePreference.CUDA: (Precision.FP16, Precision.BF16),
    DevicePreference.MPS: (Precision.FP16,),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a trial. `tried` is None where the model is so fast that nothing was tried.

    `difference`: the largest of a probability on the inputs, 1 where results were not numbers. `failure`: why the
    trial broke off, or what was seen later; empty where it said all.
    """

    tried: Precision | None = None
    times_as_fast: float = 1.0
    difference: float = 0.0
    agrees: bool = True  # about the first class, wherever its lead is no matter of rounding
    failure: str = ""

    @property
    def accepted(self) -> Precision | None:
        """The precision for what is not studied; None: fp32."""
        return self.tried if self.is_as_good and self.times_as_fast * MOST_TIME >= 1 else None

    @property
    def is_as_good(self) -> bool:
        """Whether its results are, however fast it is."""
        return self.agrees and self.difference <= MOST_DIFFERENCE and not self.failure

    @property
    def is_narrow(self) -> bool:
        """Whether half precision is good enough, and about as fast as it has to be, but not quite."""
        return self.is_as_good and NARROW / MOST_TIME < self.times_as_fast < 1 / MOST_TIME

    @property
    def sentence(self) -> str:
        """For the tooltip."""
        within = math.ceil(max(self.difference, 1e-9) * 1e3) / 1e3
        if self.tried is None:
            return "The model is so fast that half precision has nothing to gain: everything runs in fp32."
        if self.failure:
            return f"Everything runs in fp32: {self.failure}."
        if not self.is_as_good:
            return f"Everything runs in fp32: in {self.tried}, probabilities differ by up to {within:.3f}."
        if self.accepted is None:
            return f"Everything runs in fp32: {self.tried} is only {self.times_as_fast:.1f} times as fast."
        return (
            f"Moving pictures, and pictures that are only in the strip, run in {self.tried}: "
            f"{self.times_as_fast:.1f} times as fast, probabilities within {within:.3f}."
        )


def judged(whole: Classifier) -> Generator[None, None, Verdict]:
    """Try half precision, one pass at a time, in turns with fp32. `whole`: a model in fp32.

    The half network stays with `whole` where it was accepted.
    """
    if is_small(whole.info):
        return Verdict()
    height, width = whole.model.config.image_size
    inputs = calibration_pixels(height, width)
    passes_ms = []
    for pixels in inputs[:4]:
        passes_ms.append(_run(whole, pixels)[1])
        yield
    if min(passes_ms) < WORTH_TRYING_MS:
        return Verdict()
    verdict = Verdict()
    for precision in CANDIDATES[whole.device_info.kind]:
        try:
            verdict = yield from _compared(whole, whole.at(precision), inputs)
        except RuntimeError as error:  # an operator that the device has not in this precision, or its memory is full
            log.info("%s cannot run in %s: %s", whole.info.name, precision, error)
            verdict = Verdict(precision, failure=f"{precision} could not be run here")
        if verdict.accepted is not None:
            break
        whole.drop(precision)
    return verdict


def _compared(whole: Classifier, half: Classifier, inputs: "NDArray[np.uint8]") -> Generator[None, None, Verdict]:
    times_ms: tuple[list[float], list[float]] = ([], [])
    rows: tuple[list[Tensor], list[Tensor]] = ([], [])
    _run(half, inputs[0])  # the first pass lays weights out
    yield
    for pixels in inputs:
        for classifier, times, found in zip((whole, half), times_ms, rows, strict=True):
            probabilities, elapsed_ms = _run(classifier, pixels)
            times.append(elapsed_ms)
            found.append(probabilities)
            yield
    exact, rounded = (torch.stack(each) for each in rows)
    first = exact.topk(min(2, exact.shape[-1]))
    leads = first.values[:, 0] - first.values[:, -1] > MOST_DIFFERENCE
    agrees = bool((rounded.argmax(-1) == first.indices[:, 0])[leads].all())
    difference = float(torch.nan_to_num(rounded - exact, nan=1.0).abs().max())
    assert half.device_info.precision != Precision.FP32
    times_as_fast = min(times_ms[0]) / min(times_ms[1])  # of each the pass that least was going on beside
    return Verdict(half.device_info.precision, times_as_fast, difference, agrees)


def _run(classifier: Classifier, pixels: "NDArray[np.uint8]") -> tuple[Tensor, float]:
    """One picture's probabilities, on the host, and how long they took, recorded as for a frame."""
    started = time.perf_counter()
    logits = classifier.forward(pixels[None], Record.MAPS)[0][0].cpu()  # waits for the device
    elapsed_ms = (time.perf_counter() - started) * 1e3
    return torch.softmax(logits.float() / classifier.info.temperature, -1), elapsed_ms


def calibration_pixels(height: int, width: int, count: int = INPUTS) -> "NDArray[np.uint8]":
    """uint8 (count, height, width, 3), always the same: smooth coloured shapes at several scales, and noise."""
    rng = np.random.default_rng(SEED)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    pictures = np.empty((count, height, width, 3), np.uint8)
    for picture in pictures:
        slope = rng.normal(size=(2, 3)) / max(height, width)
        colours = rng.uniform(60, 200, 3) + 80 * (rows[..., None] * slope[0] + columns[..., None] * slope[1])
        for size in (2, 4, 4, 8, 8, 8, 16, 16, 16, 16):  # the picture's edge over the shape's
            y, x = rng.uniform(0, height), rng.uniform(0, width)
            tall, wide = rng.uniform(0.5, 1.5, 2) * (height / size, width / size)
            inside = ((rows - y) / tall) ** 2 + ((columns - x) / wide) ** 2
            share = 1 / (1 + np.exp(np.clip(8 * (inside - 1), -30, 30)))
            colours += share[..., None] * (rng.uniform(0, 255, 3) - colours)
        colours += rng.normal(scale=rng.uniform(2, 25), size=colours.shape)
        picture[:] = np.clip(colours, 0, 255)
    return pictures


class Acceptances:
    """Verdicts by model and machine, in a JSON file, the newest last; without a path in memory only.

    Where half precision was only not fast enough, and not plainly slower, that is kept in memory only: the machine may
    have had other things to do.
    A damaged file is an empty one; one that cannot be written is told to the log.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._verdicts: dict[str, Verdict] = {}

    def known(self, whole: Classifier) -> Verdict | None:
        """What is remembered of a model on its device. No small model needs to be remembered."""
        if is_small(whole.info):
            return Verdict()
        return {**self._read(), **self._verdicts}.get(_key(whole))

    def remember(self, whole: Classifier, verdict: Verdict) -> None:
        key = _key(whole)
        self._verdicts.pop(key, None)
        self._verdicts[key] = verdict
        if self._path is None or verdict.is_narrow:
            return
        verdicts = {known: each for known, each in self._read().items() if known != key}  # others write it, too
        verdicts[key] = verdict
        kept = dict(list(verdicts.items())[-MOST_REMEMBERED:])
        try:
            _write(self._path, json.dumps({known: asdict(each) for known, each in kept.items()}, indent=1))
        except OSError as error:
            log.warning("it could not be remembered in which precision %s may run: %s", whole.info.name, error)

    def _read(self) -> dict[str, Verdict]:
        if self._path is None:
            return {}
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(stored, dict):
            return {}
        verdicts = {key: _verdict(each) for key, each in stored.items()}
        return {key: each for key, each in verdicts.items() if each is not None}


def _write(path: Path, text: str) -> None:
    """Atomic. Raises OSError where the folder cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)  # where it could not be finished


def _verdict(stored: Any) -> Verdict | None:  # noqa: ANN401 - whatever the file holds
    match stored:
        case {
            "tried": str() | None as tried,
            "times_as_fast": int() | float() as times_as_fast,
            "difference": int() | float() as difference,
            "agrees": bool() as agrees,
            "failure": str() as failure,
        } if tried is None or tried in (Precision.BF16, Precision.FP16):
            precision = None if tried is None else Precision(tried)
            return Verdict(precision, float(times_as_fast), float(difference), agrees, failure)
    return None


def _key(whole: Classifier) -> str:
    """Everything that a verdict hangs on: the checkpoint's name, revision and files, how it is read, torch, machine."""
    info = whole.info
    machine = torch.cuda.get_device_name() if whole.device.type == "cuda" else processor_name()
    parts = (
        f"{info.name}@{info.revision or ''}",
        _files_digest(info),
        f"gelu {info.gelu}, temperature {info.temperature:g}",
        f"torch {torch.__version__}",
        f"{whole.device.type}: {machine}, {torch.get_num_threads()} threads",
    )
    return " | ".join(parts)


def _files_digest(info: CheckpointInfo) -> str:
    """Of names, sizes and times of the files of weights: another set of weights in their place has another digest."""
    try:
        files = sorted(info.path.iterdir()) if info.path.is_dir() else [info.path]
        facts = [
            (each.name, each.stat().st_size, each.stat().st_mtime_ns)
            for each in files
            if each.suffix.lower() in WEIGHT_SUFFIXES
        ]
    except OSError:
        facts = []
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
