"""Models on one device: how fast, what share of the machine's rate of matrix products, how much memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mixer_gui.bench.machine import describe_machine
from mixer_gui.bench.memory import PeakMemory, free_bytes
from mixer_gui.commands.models import describe, find, stored_path
from mixer_gui.engine.acceptance import CANDIDATES
from mixer_gui.engine.device import choose_device, ran_out_of_gpu_memory, threads_for
from mixer_gui.engine.graphs import Graphs
from mixer_gui.gui.model_items import repository_of, title_of
from mixer_gui.hub import store
from mixer_gui.hub.catalogue import entry_of
from mixer_gui.hub.client import Hub
from mixer_gui.hub.repository import parse
from mixer_gui.model import products
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer, Record
from mixer_gui.model.precision import DTYPES, in_precision
from mixer_gui.model.summary import summarize
from mixer_gui.model.variants import variant
from mixer_gui.records import DevicePreference, MixerGuiError, ModelRef, Precision
from mixer_gui.records.benchmarks import BatchFigures, Benchmark, Failure, ModelFigures, PrecisionFigures
from mixer_gui.resources import default_model

BATCHES_ON_CPU = (1, 4, 16)
BATCHES_ON_GPU = (1, 16, 64, 256)
WARM_PASSES = 2
LEAST_PASSES = 3
GEMM_PASSES = 5
GEMM_EDGE_ON_CPU, GEMM_EDGE_ON_GPU = 1536, 8192
FAILURES = (MixerGuiError, RuntimeError, MemoryError, OSError)  # of one model, or of one precision

Runner = Callable[[Tensor, Record], object]


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to measure: a checkpoint on disk, or a variant of the paper with random weights."""

    name: str
    path: Path | None = None
    variant: str = ""

    def load(self) -> tuple[MlpMixer, int]:
        """In fp32 on the CPU, and how many of its threads the program gives it; raises MixerGuiError."""
        if self.path is not None:
            checkpoint = load_checkpoint(ModelRef(self.path))
            return checkpoint.model, threads_for(checkpoint.info)
        model = MlpMixer(variant(self.variant)).requires_grad_(requires_grad=False).eval()
        return model, torch.get_num_threads()  # none of the paper's is small


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
    few, as far as they fit. What cannot be measured is a failure among the figures. Raises MixerGuiError where there is
    no such device.
    """
    device, info = choose_device(preference)
    precisions = (Precision.FP32, *CANDIDATES[info.kind])
    steps = len(wanted) * len(precisions)
    found = Benchmark(machine=describe_machine(info), rounds=rounds, precisions=precisions, steps=steps)
    for subject in wanted:
        found = yield from _with(subject, found, device, batch)
    yield replace(found, doing="")


def _with(
    subject: Subject, found: Benchmark, device: torch.device, batch: int | None
) -> Generator[Benchmark, None, Benchmark]:
    """One model after what was found so far. In a function of its own: it is gone before the next one is read."""
    path = None if subject.path is None else str(subject.path)
    before, precisions = found.models, found.precisions
    found = replace(found, doing=f"{subject.name}, {precisions[0]}")
    yield found
    try:
        model, threads = subject.load()
        model = model.to(device)
    except FAILURES as error:
        failure = Failure(name=subject.name, path=path, precision=None, error=_sentence(error))
        return replace(found, models=(*before, failure), steps_done=found.steps_done + len(precisions))
    figures = _figures_of(subject, model.config, threads if device.type == "cpu" else None)
    for precision in precisions:
        if precision != precisions[0]:
            found = replace(found, doing=f"{subject.name}, {precision}")
            yield found
        measured: PrecisionFigures | Failure
        try:
            with _threads(figures.threads):
                measured = _measure_in(model, precision, device, found.rounds, batch)
        except FAILURES as error:
            measured = Failure(name=subject.name, path=path, precision=precision, error=_sentence(error))
        figures = replace(figures, precisions=(*figures.precisions, measured))
        found = replace(found, models=(*before, figures), steps_done=found.steps_done + 1)
    return found


def _sentence(error: Exception) -> str:
    if isinstance(error, MixerGuiError):
        return str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _ran_out_of_memory(error)):
        return "There is too little memory for it."
    return f"It cannot run here: {next(iter(str(error).splitlines()), type(error).__name__)}"


def _ran_out_of_memory(error: RuntimeError) -> bool:
    return ran_out_of_gpu_memory(error) or "DefaultCPUAllocator" in str(error)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """As many threads of the processor; None: as many as torch has."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def gemm_gflop_per_s(precision: Precision, device: torch.device) -> float:
    """The best of a few large square products, as the network computes them."""
    edge = GEMM_EDGE_ON_CPU if device.type == "cpu" else GEMM_EDGE_ON_GPU
    rows, weight = (torch.randn(edge, edge, device=device).to(DTYPES[precision]) for _ in range(2))
    laid_out = products.packed(weight, edge)
    times_s = [_timed(lambda: products.linear(rows, laid_out, None), device) for _ in range(GEMM_PASSES + 1)]
    return 2.0 * edge**3 / min(times_s[1:]) / 1e9


@torch.inference_mode()
def _measure_in(
    model: MlpMixer, precision: Precision, device: torch.device, rounds: int, batch: int | None
) -> PrecisionFigures:
    """`model`: in fp32, on the device."""
    gemm = gemm_gflop_per_s(precision, device)
    ready = in_precision(model, precision)
    kept = {each.data_ptr(): each.nbytes for each in (*model.parameters(), *ready.parameters())}  # they share some
    run: Runner = Graphs(ready) if device.type == "cuda" else ready
    peak = PeakMemory(device)
    sizes = _usual_batches(device) if batch is None else tuple(sorted({1, batch}))
    found: list[BatchFigures] = []
    macs = summarize(model.config, batch=1).multiply_accumulates
    for size in sizes:
        times = (
            _passes(run, model.config, size, device, rounds) if _fits(model.config, precision, size, device) else None
        )
        if times is None and (size == 1 or batch is not None):
            raise MixerGuiError(
                f"A batch of {size:,} {'pictures' if size > 1 else 'picture'} does not fit into the memory"
                f"{'; choose a smaller --batch' if size > 1 else ''}."
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
        weights_bytes=sum(parameter.nbytes for parameter in ready.parameters()),
        peak_bytes=None if taken_bytes is None else sum(kept.values()) + taken_bytes,
    )


def _passes(run: Runner, config: MixerConfig, batch: int, device: torch.device, rounds: int) -> list[float] | None:
    """Seconds of each pass; None where the device's memory is too small."""
    height, width = config.image_size
    count = max(LEAST_PASSES, rounds // batch)
    try:
        images = torch.randn(batch, 3, height, width, device=device)
        return [_timed(lambda: run(images, Record.NONE), device) for _ in range(WARM_PASSES + count)][WARM_PASSES:]
    except RuntimeError as error:
        if not _ran_out_of_memory(error):
            raise
        return None


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device has done it, and nothing that was queued before."""
    _wait_for(device)
    started = time.perf_counter()
    work()
    _wait_for(device)
    return time.perf_counter() - started


def _wait_for(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize()


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


def _figures_of(subject: Subject, config: MixerConfig, threads: int | None) -> ModelFigures:
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
        threads=threads,
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
