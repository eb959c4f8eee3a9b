"""Models on one device: how fast, what share of the machine's rate of matrix products, how much memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mixer_gui.bench.machine import describe_machine
from mixer_gui.bench.memory import PeakMemory, free_bytes
from mixer_gui.commands.models import describe, find, stored_path
from mixer_gui.engine.device import choose_device, ran_out_of_gpu_memory
from mixer_gui.gui.model_items import repository_of, title_of
from mixer_gui.hub import store
from mixer_gui.hub.catalogue import entry_of
from mixer_gui.hub.client import Hub
from mixer_gui.hub.repository import parse
from mixer_gui.model import products
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.model.precision import DTYPES, in_precision
from mixer_gui.model.summary import summarize
from mixer_gui.model.variants import variant
from mixer_gui.records import DevicePreference, MixerGuiError, ModelRef, Precision
from mixer_gui.records.benchmarks import BatchFigures, Benchmark, ModelFigures, PrecisionFigures
from mixer_gui.resources import default_model

PRECISIONS = (Precision.FP32, Precision.BF16)
BATCHES_ON_CPU = (1, 4, 16)
BATCHES_ON_GPU = (1, 16, 64, 256)
WARM_PASSES = 2
LEAST_PASSES = 3
GEMM_PASSES = 5
GEMM_EDGE_ON_CPU, GEMM_EDGE_ON_GPU = 1536, 8192


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to measure: a checkpoint on disk, or a variant of the paper with random weights."""

    name: str
    path: Path | None = None
    variant: str = ""

    def load(self) -> MlpMixer:
        """In fp32 on the CPU; raises MixerGuiError."""
        if self.path is not None:
            return load_checkpoint(ModelRef(self.path)).model
        return MlpMixer(variant(self.variant)).requires_grad_(requires_grad=False).eval()


def subjects(names: Sequence[str], variants: Sequence[str]) -> list[Subject]:
    """What was asked for; where nothing was, the built-in model and the downloaded ones. No network.

    Raises MixerGuiError for a model that is not on this computer and a variant that the paper has not.
    """
    found = [_on_disk(name) for name in names]
    for name in variants:
        variant(name)  # raises for one that there is not
        found.append(Subject(f"Mixer-{name.upper()}, random weights", variant=name))
    if not found:
        stored = [each.path for each in store.list_models(Hub(), describe()).models if not each.is_partial]
        found = [_named(path) for path in (default_model().path, *stored)]
    return found


def measure(
    wanted: Sequence[Subject],
    preference: DevicePreference,
    *,
    rounds: int,
    batch: int | None = None,
) -> Iterator[Benchmark]:
    """All figures so far, before each step, which is one model in one precision, and after the last.

    `rounds`: passes at batch 1; larger batches take fewer. `batch`: the one larger batch size; without it there are a
    few, as far as they fit. Raises MixerGuiError where a model or that batch size does not fit.
    """
    device, info = choose_device(preference)
    found = Benchmark(machine=describe_machine(info), rounds=rounds, steps=len(wanted) * len(PRECISIONS))
    for subject in wanted:
        before, model = found.models, None
        for precision in PRECISIONS:
            found = replace(found, doing=f"{subject.name}, {precision}")
            yield found
            if model is None:
                model = _on_device(subject, device)
                figures = _figures_of(subject, model.config)
            measured = _measure_in(model, precision, device, rounds, batch, subject.name)
            figures = replace(figures, precisions=(*figures.precisions, measured))
            found = replace(found, models=(*before, figures), steps_done=found.steps_done + 1)
    yield replace(found, doing="")


def gemm_gflop_per_s(precision: Precision, device: torch.device) -> float:
    """The best of a few large square products, as the network computes them."""
    edge = GEMM_EDGE_ON_CPU if device.type == "cpu" else GEMM_EDGE_ON_GPU
    rows, weight = (torch.randn(edge, edge, device=device).to(DTYPES[precision]) for _ in range(2))
    laid_out = products.packed(weight, edge)
    times_s = [_timed(lambda: products.linear(rows, laid_out, None), device) for _ in range(GEMM_PASSES + 1)]
    return 2.0 * edge**3 / min(times_s[1:]) / 1e9


@torch.inference_mode()
def _measure_in(
    model: MlpMixer, precision: Precision, device: torch.device, rounds: int, batch: int | None, name: str
) -> PrecisionFigures:
    gemm = gemm_gflop_per_s(precision, device)
    ready = in_precision(model, precision)
    weights_bytes = sum(parameter.nbytes for parameter in ready.parameters())
    peak = PeakMemory(device)
    sizes = _usual_batches(device) if batch is None else tuple(sorted({1, batch}))
    found: list[BatchFigures] = []
    macs = summarize(model.config, batch=1).multiply_accumulates
    for size in sizes:
        times = _passes(ready, size, device, rounds) if _fits(model.config, precision, size, device) else None
        if times is None and (size == 1 or batch is not None):
            raise MixerGuiError(
                f"A batch of {size:,} {'pictures' if size > 1 else 'picture'} of “{name}” in {precision} does not fit "
                f"into the memory{'; choose a smaller --batch' if size > 1 else ''}."
            )
        if times is None:
            break
        found.append(_batch_figures(size, times, macs))
    taken_bytes = peak.taken_bytes()
    gemm = max(gemm, gemm_gflop_per_s(precision, device))  # the machine's speed may have changed meanwhile
    return PrecisionFigures(
        precision=precision,
        batches=tuple(found),
        gemm_gflop_per_s=gemm,
        weights_bytes=weights_bytes,
        peak_bytes=None if taken_bytes is None else weights_bytes + taken_bytes,
    )


def _passes(model: MlpMixer, batch: int, device: torch.device, rounds: int) -> list[float] | None:
    """Seconds of each pass; None where the device's memory is too small."""
    height, width = model.config.image_size
    count = max(LEAST_PASSES, rounds // batch)
    try:
        images = torch.randn(batch, 3, height, width, device=device)
        return [_timed(lambda: model(images), device) for _ in range(WARM_PASSES + count)][WARM_PASSES:]
    except RuntimeError as error:
        if not (ran_out_of_gpu_memory(error) or "DefaultCPUAllocator" in str(error)):
            raise
        return None


def _timed(work: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - started


def _batch_figures(batch: int, times_s: list[float], macs: int) -> BatchFigures:
    median_s = statistics.median(times_s)
    return BatchFigures(
        batch=batch,
        passes=len(times_s),
        median_ms=median_s * 1e3,
        p95_ms=sorted(times_s)[round(0.95 * (len(times_s) - 1))] * 1e3,
        images_per_s=batch / median_s,
        gflop_per_s=2.0 * macs * batch / median_s / 1e9,
    )


def _fits(config: MixerConfig, precision: Precision, batch: int, device: torch.device) -> bool:
    """Whether there is memory for a pass; where the system does not say, it is tried.

    Asked beforehand: Linux promises memory that it has not, and ends the process that then uses it.
    """
    free = free_bytes(device)
    height, width = config.image_size
    numbers = config.grid.count * (config.channels_mlp_dim * 2 + config.hidden_dim * 4)
    needed = batch * (numbers * DTYPES[precision].itemsize + 2 * 3 * height * width * torch.float32.itemsize)
    return free is None or needed < free


def _usual_batches(device: torch.device) -> tuple[int, ...]:
    return BATCHES_ON_CPU if device.type == "cpu" else BATCHES_ON_GPU


def _on_device(subject: Subject, device: torch.device) -> MlpMixer:
    """Raises MixerGuiError, also where the device has too little memory."""
    try:
        return subject.load().to(device)
    except RuntimeError as error:
        if not ran_out_of_gpu_memory(error):
            raise
        raise MixerGuiError(f"“{subject.name}” does not fit into the memory of the GPU.", str(error)) from error


def _figures_of(subject: Subject, config: MixerConfig) -> ModelFigures:
    repository = None if subject.path is None else repository_of(subject.path)
    entry = None if repository is None else entry_of(repository)
    counted = summarize(config, batch=1)
    return ModelFigures(
        name=subject.name,
        path=None if subject.path is None else str(subject.path),
        repository=repository,
        top1=None if entry is None else entry.top1,
        parameters=counted.parameters,
        multiply_accumulates=counted.multiply_accumulates,
        image_size=config.image_size,
        classes=config.num_classes,
        precisions=(),
    )


def _on_disk(name: str) -> Subject:
    path = stored_path(name)
    if path is None and "/" in name:
        path = find(parse(name)).path  # it raises, and says how to get the model
    if path is None:
        raise MixerGuiError(
            f"There is no model “{name}” here: name a folder in Hub format, OWNER/NAME as “mixer-gui models list” "
            "gives it, or a variant with --variant."
        )
    return _named(path)


def _named(path: Path) -> Subject:
    return Subject("Built-in model" if path == default_model().path else title_of(path), path)
