"""Requests and decoded pictures for the tests of the engine: real records, pixels drawn at random."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from mixer_gui.engine.answers.table import begin_answer
from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.detail import Detail
from mixer_gui.engine.engine import Engine
from mixer_gui.records import (
    Answer,
    BytesSource,
    ClassifyRequest,
    DecodedPicture,
    DevicePreference,
    Frame,
    ModelRef,
    NetworkInput,
    PictureSource,
    Priority,
    Question,
    Rect,
)


def png(seed: int = 0, size: tuple[int, int] = (48, 40)) -> bytes:
    """A picture of noise, (width, height), in PNG."""
    rng = np.random.default_rng(seed)
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def request(
    model: Path | ModelRef,
    number: int = 1,
    *,
    view: str = "",
    source: PictureSource | None = None,
    priority: Priority = Priority.DROPPED,
    device: DevicePreference = DevicePreference.CPU,
    top_k: int = 3,
) -> ClassifyRequest:
    """Request `number`, of a view of its own unless one is named."""
    return ClassifyRequest(
        id=number,
        view=view or f"view-{number}",
        priority=priority,
        source=source or BytesSource(f"{number}.png", png(number)),
        model=model if isinstance(model, ModelRef) else ModelRef(model),
        device=device,
        top_k=top_k,
    )


def engine_with(classifier: Classifier, model: ModelRef) -> Engine:
    """An engine that has loaded this one for the CPU."""
    engine = Engine()
    engine._classifiers[model, DevicePreference.CPU] = classifier
    return engine


def decoded(seed: int = 0, size: tuple[int, int] = (32, 32), remarks: tuple[str, ...] = ()) -> DecodedPicture:
    """What the decoder would give for a picture whose crop is `size` (height, width)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    pixels.setflags(write=False)
    frame = Frame(pixels, size[1], size[0], "PNG", remarks)
    return DecodedPicture(frame, NetworkInput(pixels, Rect(1.0, 2.0, 30.0, 28.0)), 4.0, 2.0)


def answer(question: Question, detail: Detail) -> Answer:
    """All steps of an answer, one after the other."""
    return next(found for found in begin_answer(question, lambda: detail) if found is not None)


def ask(engine: Engine, question: Question) -> Answer:
    """The same of what an engine remembers."""
    steps, found = engine.begin_answer(question), None
    while found is None:
        found = engine.go_on(question, steps)
    return found
