"""What `mixer-gui bench models` measured, and the JSON in which it reaches files and the window."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mixer_gui.records.models import Precision


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
    `peak_bytes`: the most memory that weights and passes took together; None where the system does not say.
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
class ModelFigures:
    """A model. `path` is where it is on disk, None for random weights; `top1` as published, in percent."""

    name: str
    path: str | None
    repository: str | None
    top1: float | None
    parameters: int
    multiply_accumulates: int  # of one picture
    image_size: tuple[int, int]  # height, width
    classes: int
    precisions: tuple[PrecisionFigures, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """All figures so far: `models` of those that were asked for are finished; of the next, `doing` says what."""

    machine: Machine
    rounds: int
    models: tuple[ModelFigures, ...] = ()
    steps_done: int = 0  # a step is one model in one precision
    steps: int = 0
    doing: str = ""

    @property
    def is_complete(self) -> bool:
        return self.steps_done == self.steps


def to_json(benchmark: Benchmark) -> str:
    """With what follows from the figures, for readers that do not want to compute it."""
    said = asdict(benchmark)
    for model, model_said in zip(benchmark.models, said["models"], strict=True):
        for figures, figures_said in zip(model.precisions, model_said["precisions"], strict=True):
            figures_said["best_batch"] = figures.best.batch
            figures_said["gemm_share"] = figures.gemm_share
    return json.dumps(said, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def from_json(text: str) -> Benchmark:
    """Raises ValueError where it is not what `to_json` wrote."""
    try:
        said = json.loads(text)
        models = tuple(_model(each) for each in said.pop("models"))
        return Benchmark(**{**said, "machine": Machine(**said["machine"]), "models": models})
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"these are not a benchmark's figures: {error!r}") from error


def _model(said: dict[str, Any]) -> ModelFigures:
    precisions = tuple(_precision(each) for each in said.pop("precisions"))
    height, width = said.pop("image_size")
    return ModelFigures(**said, image_size=(height, width), precisions=precisions)


def _precision(said: dict[str, Any]) -> PrecisionFigures:
    batches = tuple(BatchFigures(**each) for each in said["batches"])
    return PrecisionFigures(
        precision=Precision(said["precision"]),
        batches=batches,
        gemm_gflop_per_s=said["gemm_gflop_per_s"],
        weights_bytes=said["weights_bytes"],
        peak_bytes=said["peak_bytes"],
    )
