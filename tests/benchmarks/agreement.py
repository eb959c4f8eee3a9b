"""Logits of every fast path against fp32 eager: the largest difference, and how often the first class is the same.

    python tests/benchmarks/agreement.py val.zip --pictures 10000

fp32 eager is the same network by torch's own products, on the CPU. A relative difference is a picture's largest
difference of a logit over its largest logit.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from race import describe_machine
from torch import Tensor

from mixer_gui.bench.faithfulness import chosen
from mixer_gui.engine.classifier import Classifier
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.precision import in_precision
from mixer_gui.pictures.decode import decode
from mixer_gui.pictures.preprocess import prepare
from mixer_gui.records import DevicePreference, Framing, ModelRef, Precision
from mixer_gui.resources import default_model

BATCH = 50


def paths(classifier: Classifier) -> dict[str, Callable[[Tensor], Tensor]]:
    """Every way to the logits that the program takes on this machine, by name."""
    model, half = classifier.model, in_precision(classifier.model, Precision.BF16)

    def one_by_one(images: Tensor) -> Tensor:
        return torch.cat([model(image[None])[0] for image in images])

    return {
        "fp32, batch 1": one_by_one,
        f"fp32, batch {BATCH}": lambda images: model(images)[0],
        f"bf16, batch {BATCH}": lambda images: half(images)[0],
    }


def main(
    places: Annotated[list[Path], typer.Argument(metavar="ZIP|FOLDER…", exists=True)],
    pictures: int = 10_000,
    seed: int = 1,
    model: Annotated[Path | None, typer.Option(help="A folder in Hub format. [default: the built-in Mixer]")] = None,
) -> None:
    """A row for each path."""
    typer.echo(describe_machine())
    classifier = Classifier(
        load_checkpoint(default_model() if model is None else ModelRef(model)), DevicePreference.CPU
    )
    ways = paths(classifier)
    same = dict.fromkeys(ways, 0)
    differences: dict[str, list[Tensor]] = {name: [] for name in ways}
    sources = chosen(places, count=pictures, seed=seed, skip=0)
    for first in range(0, pictures, BATCH):
        pixels = [
            prepare(decode(each.data, each.name).image, classifier.info.preprocessing, Framing()).pixels
            for each in sources[first : first + BATCH]
        ]
        images = classifier.normalised(np.stack(pixels))
        with torch.enable_grad():  # oneDNN's products have no gradients: these are torch's own
            expected = classifier.model(images)[0].detach()
        for name, way in ways.items():
            with torch.inference_mode():
                found = way(images)
            same[name] += int((found.argmax(1) == expected.argmax(1)).sum())
            differences[name].append((found - expected).abs().amax(1) / expected.abs().amax(1))
    typer.echo(f"\n{classifier.info.name}, {pictures:,} pictures\n")
    typer.echo("| path | largest relative difference | median | first class the same |\n|---|---|---|---|")
    for name in ways:
        every = torch.cat(differences[name])
        typer.echo(f"| {name} | {every.max():.2e} | {every.median():.2e} | {same[name] / pictures:.4%} |")


if __name__ == "__main__":
    typer.run(main)
