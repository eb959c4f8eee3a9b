"""Top-1, top-5 and calibration of a model on a folder of class folders, from what `classify` says of its pictures.

    mixer-gui classify DIR --recursive --jsonl -k 5 --model MODEL > answers.jsonl
    python tests/benchmarks/accuracy.py answers.jsonl --model MODEL

DIR holds a folder for each class, called by its WNID or its name in MODEL (without --model in both: the embedded
one). Shares are of the pictures that were answered; those that failed are counted apart. "-" reads standard input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from mixer_gui.model.description import describe
from mixer_gui.records import CheckpointInfo, MixerGuiError, ModelRef
from mixer_gui.resources import default_model
from mixer_gui.train.measure import BINS, calibration_error

FIRST = 5


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of `count` answered pictures; shares in 0…1."""

    count: int
    failures: int
    top1: float
    top5: float
    calibration_error: float


def accuracy(lines: Iterable[str], info: CheckpointInfo) -> Accuracy:
    """Raises MixerGuiError naming the line that is no answer of this model about a picture of one of its classes."""
    wanted = min(FIRST, info.classes)
    confidences: list[float] = []
    hits: list[bool] = []
    among_first = failures = 0
    for number, line in enumerate(lines, 1):
        try:
            answer = json.loads(line)
            if answer["error"] is not None:
                failures += 1
                continue
            names = [_name(each, info) for each in answer["predictions"][:FIRST]]
            confidence = float(answer["predictions"][0]["probability"])
            path, model = Path(answer["path"]), answer["model"]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise MixerGuiError(f"Line {number} is not one of `classify --jsonl`: {error!r}.") from error
        if model != info.name:
            raise MixerGuiError(f"Line {number} is an answer of “{model}”, not of “{info.name}”: give its --model.")
        if len(names) < wanted:
            raise MixerGuiError(f"Line {number} has {len(names)} predictions; classify with -k {FIRST}.")
        expected = path.parent.name
        if expected not in (info.names.wnids or info.names.labels):
            raise MixerGuiError(f"Line {number}: “{expected}”, the folder of “{path}”, is no class of “{info.name}”.")
        confidences.append(confidence)
        hits.append(names[0] == expected)
        among_first += expected in names
    if not hits:
        raise MixerGuiError(f"No picture was answered; {failures} failed.")
    error = calibration_error(torch.tensor(confidences, dtype=torch.float64), torch.tensor(hits))
    return Accuracy(len(hits), failures, sum(hits) / len(hits), among_first / len(hits), error)


def _name(prediction: dict[str, Any], info: CheckpointInfo) -> str:
    """What a folder of the class is called."""
    return str(prediction["wnid"] if info.names.wnids else prediction["label"])


def main(
    answers: Annotated[Path, typer.Argument(help="What classify printed; - for standard input.")],
    model: Annotated[Path | None, typer.Option(help="That answered; else the embedded one.")] = None,
) -> None:
    """Print top-1, top-5, the expected calibration error, and how many pictures were answered and failed."""
    try:
        info = describe(ModelRef(model) if model else default_model())
        if str(answers) == "-":
            found = accuracy(sys.stdin, info)
        else:
            with answers.open(encoding="utf-8") as lines:
                found = accuracy(lines, info)
    except (MixerGuiError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{info.name}, temperature {info.temperature:g}: {found.count:,} pictures, {found.failures:,} failed")
    typer.echo(f"top-1  {found.top1:.2%}")
    typer.echo(f"top-5  {found.top5:.2%}")
    typer.echo(f"expected calibration error, {BINS} bins  {found.calibration_error:.2%}")


if __name__ == "__main__":
    typer.run(main)
