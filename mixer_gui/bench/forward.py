"""How long a forward pass takes, against timm's of the same model, and what recording for the window adds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from mixer_gui.bench.reference import import_timm
from mixer_gui.engine.classifier import Classifier
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.model.variants import variant
from mixer_gui.records import (
    ClassifyRequest,
    DecodedPicture,
    DevicePreference,
    FileSource,
    Frame,
    ModelRef,
    NetworkInput,
    Priority,
    Rect,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run the picture: milliseconds, and the median of the ratios to the first row, round by round."""

    name: str
    median_ms: float
    least_ms: float
    ratio: float


def compare(name: str, folder: Path, *, rounds: int) -> list[tuple[str, list[Row]]]:
    """Two tables for a variant with random weights on the CPU, batch 1, fp32.

    The ways of a table take turns within a round, so that a drift of the machine's speed meets all alike.
    `folder` holds the variant's random checkpoint (bench.material).
    """
    checkpoint = load_checkpoint(ModelRef(folder))
    classifier = Classifier(checkpoint, DevicePreference.CPU)
    config = variant(name)
    height, width = config.image_size
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    images = torch.randn(1, 3, height, width)
    model = classifier.model

    timm_model = import_timm().models.mlp_mixer.MlpMixer(
        num_classes=config.num_classes,
        img_size=height,
        patch_size=config.patch_size,
        num_blocks=config.num_blocks,
        embed_dim=config.hidden_dim,
    )
    timm_model.load_state_dict(model.state_dict())
    timm_model.eval()

    source = FileSource(Path("picture.png"))
    decoded = DecodedPicture(
        Frame(pixels, width, height, "PNG"), NetworkInput(pixels, Rect(0, 0, width, height)), 0.0, 0.0
    )
    request = ClassifyRequest(1, "bench", Priority.DROPPED, source, ModelRef(folder))

    def logits_only() -> Tensor:
        logits, _ = classifier.forward(pixels[None], Record.NONE)
        return logits.cpu()

    return [
        (
            f"Mixer-{name}, forward pass alone",
            _race({"timm, eager": lambda: timm_model(images), "this project": lambda: model(images)}, rounds),
        ),
        (
            f"Mixer-{name}, from pixels to what the window shows",
            _race(
                {
                    "logits only": logits_only,
                    "with the report: update maps, lens top-5, evidence of the top-20, mean GELU'": lambda: (
                        classifier.classify(request, decoded, Record.MAPS)
                    ),
                    "and kept for pointing (FULL)": lambda: classifier.classify(request, decoded, Record.FULL),
                },
                rounds,
            ),
        ),
    ]


def _race(ways: dict[str, Callable[[], object]], rounds: int) -> list[Row]:
    """Run all ways in turn, `rounds` times after two rounds of warming up."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for number in range(rounds + 2):
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                if number >= 2:
                    times[name].append((time.perf_counter() - started) * 1e3)
    first = next(iter(times.values()))
    return [
        Row(
            name,
            statistics.median(taken),
            min(taken),
            statistics.median(mine / base for mine, base in zip(taken, first, strict=True)),
        )
        for name, taken in times.items()
    ]
