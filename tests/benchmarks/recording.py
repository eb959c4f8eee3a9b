"""What recording adds to a forward pass, and what explaining it adds to that: from pixels to what the window shows.

python tests/benchmarks/recording.py --variant B/16
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from race import describe_machine, race, table

from mixer_gui.bench.material import random_checkpoint
from mixer_gui.engine.classifier import Classifier
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
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


def main(
    variant: Annotated[str, typer.Option(help="Of the paper.")] = "B/16",
    rounds: int = 30,
) -> None:
    """Batch 1 on the CPU, random weights, fp32."""
    typer.echo(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        ref = ModelRef(random_checkpoint(variant, Path(folder)))
        classifier = Classifier(load_checkpoint(ref), DevicePreference.CPU)
        height, width = classifier.model.config.image_size
        pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
        images = classifier.normalised(pixels[None])
        decoded = DecodedPicture(
            Frame(pixels, width, height, "PNG"), NetworkInput(pixels, Rect(0, 0, width, height)), 0.0, 0.0
        )
        request = ClassifyRequest(1, "bench", Priority.DROPPED, FileSource(Path("picture.png")), ref)
        with torch.inference_mode():
            rows = race(
                {
                    "bare forward pass": lambda: classifier.model(images, Record.NONE),
                    "recording the maps": lambda: classifier.model(images, Record.MAPS),
                    "recording all for pointing": lambda: classifier.model(images, Record.FULL),
                    "from pixels to the report of maps": lambda: classifier.classify(request, decoded, Record.MAPS),
                    "from pixels to the report, all kept": lambda: classifier.classify(request, decoded, Record.FULL),
                },
                rounds,
            )
    typer.echo(f"\nMixer-{variant}, {rounds} rounds\n\n{table(rows)}")


if __name__ == "__main__":
    typer.run(main)
