"""What `mixer-gui bench models` measured, and the JSON in which it reaches files and the window."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mixer_gui.records.models import Precision

BUSY_LOAD = 0.5  # programs for each core


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFigures:
    """Passes of one batch size: median and 95th percentile of their times, and what follows from the median."""

    batch: int
    passes: int
    median_ms: float
    p95_ms: float
    images_per_s: float
    gflop_per_s: float  # two for each multiply-accumulate


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionFigures:
    """One model in one precision. `batches` begins with batch 1.

    `gemm_gflop_per_s` is what large matrix products alone reached in this precision, right before or right after.
    `weights_bytes`: of the network in this precision. `peak_bytes`: the most memory that weights and passes took
    together, with the weights in fp32, which the program keeps beside half precision; None where the system does not
    say.
    """

    precision: Precision
    batches: tuple[BatchFigures, ...]
    gemm_gflop_per_s: float
    weights_bytes: int
    peak_bytes: int | None

    @property
    def single(self) -> BatchFigures:
        return self.batches[0]

    @property
    def best(self) -> BatchFigures:
        """The batch size with the most images per second."""
        return max(self.batches, key=lambda each: each.images_per_s)

    @property
    def gemm_share(self) -> float:
        """Of the products' rate, what the best batch size reached; 1 is all of it."""
        return self.best.gflop_per_s / self.gemm_gflop_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A model that could not be measured in a precision, or, where that is None, at all; `error` is for the user."""

    name: str
    path: str | None
    precision: Precision | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures:
    """A model. `path` is where it is on disk, None for random weights; `top1` as published, in percent.

    `threads`: those of the processor that its passes took, and the products they are compared with; None on a GPU.
    """

    name: str
    path: str | None
    repository: str | None
    top1: float | None
    parameters: int
    multiply_accumulates: int  # of one picture
    image_size: tuple[int, int]  # height, width
    classes: int
    threads: int | None
    precisions: tuple[PrecisionFigures | Failure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What it was measured on. `load`: how many programs wanted a core just before; None where nobody says."""

    device: str
    processor: str
    cores: int
    threads: int
    system: str
    python: str
    torch: str
    load: float | None

    @property
    def is_busy(self) -> bool:
        """Whether other programs took so much of it that figures are too low."""
        return self.load is not None and self.load > BUSY_LOAD * self.cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """All figures so far: `models` of those that were asked for are finished; of the next, `doing` says what.

    `precisions` are those that are measured on this device.
    """

    machine: Machine
    rounds: int
    precisions: tuple[Precision, ...]
    models: tuple[ModelFigures | Failure, ...] = ()
    steps_done: int = 0  # a step is one model in one precision
    steps: int = 0
    doing: str = ""

    @property
    def is_complete(self) -> bool:
        return self.steps_done == self.steps

    @property
    def rows(self) -> Iterator[tuple[ModelFigures, PrecisionFigures] | Failure]:
        """What a table shows, one model after the other: as the figures come, rows are added at the end."""
        for model in self.models:
            if isinstance(model, Failure):
                yield model
            else:
                yield from (each if isinstance(each, Failure) else (model, each) for each in model.precisions)

    @property
    def measured(self) -> tuple[tuple[ModelFigures, PrecisionFigures], ...]:
        return tuple(row for row in self.rows if not isinstance(row, Failure))

    @property
    def failures(self) -> tuple[Failure, ...]:
        return tuple(row for row in self.rows if isinstance(row, Failure))


def to_json(benchmark: Benchmark) -> str:
    """With what follows from the figures, for readers that do not want to compute it."""
    said = asdict(benchmark)
    for model, model_said in zip(benchmark.models, said["models"], strict=True):
        if isinstance(model, Failure):
            continue
        for figures, figures_said in zip(model.precisions, model_said["precisions"], strict=True):
            if isinstance(figures, PrecisionFigures):
                figures_said["best_batch"] = figures.best.batch
                figures_said["gemm_share"] = figures.gemm_share
    return json.dumps(said, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def from_json(text: str) -> Benchmark:
    """Raises ValueError where it is not what `to_json` wrote."""
    try:
        said = json.loads(text)
        models = tuple(_model(each) for each in said.pop("models"))
        precisions = tuple(map(Precision, said.pop("precisions")))
        return Benchmark(**{**said, "machine": Machine(**said["machine"]), "models": models, "precisions": precisions})
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"these are not a benchmark's figures: {error!r}") from error


def _model(said: dict[str, Any]) -> ModelFigures | Failure:
    if "error" in said:
        return _failure(said)
    precisions = tuple(_precision(each) for each in said.pop("precisions"))
    height, width = said.pop("image_size")
    return ModelFigures(**said, image_size=(height, width), precisions=precisions)


def _precision(said: dict[str, Any]) -> PrecisionFigures | Failure:
    if "error" in said:
        return _failure(said)
    batches = tuple(BatchFigures(**each) for each in said["batches"])
    return PrecisionFigures(
        precision=Precision(said["precision"]),
        batches=batches,
        gemm_gflop_per_s=said["gemm_gflop_per_s"],
        weights_bytes=said["weights_bytes"],
        peak_bytes=said["peak_bytes"],
    )


def _failure(said: dict[str, Any]) -> Failure:
    precision = said.pop("precision")
    return Failure(**said, precision=None if precision is None else Precision(precision))
