"""The figures of models as a table on standard output."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixer_gui.bench.machine import busy_line, machine_line
from mixer_gui.records.benchmarks import Benchmark, Failure, ModelFigures, PrecisionFigures

WIDTH = 120  # at least: a narrower terminal breaks the lines, where the table would lose names and figures

HEADINGS = (
    "model",
    "params",
    "top-1",
    "in",
    "ms at\nbatch 1",
    "95 %\nbelow",
    "images/s",
    "best\nimages/s",
    "batch",
    "GFLOP/s",
    "of\npeak",
    "weights",
    "peak\nmemory",
)
COLUMNS = (
    "GFLOP/s (two for each multiply-accumulate) and their share of the rate of large matrix products, in as many "
    "threads, are those of the best batch. Peak memory: weights and passes; in half precision with the weights in "
    "fp32, which the program keeps beside it. Top-1 is ImageNet's, as published."
)


def print_table(found: Benchmark) -> None:
    """One row for each model and precision, or for what could not be measured; then what the columns mean."""
    console = Console()
    console = Console(width=max(console.width, WIDTH))
    table = Table(*HEADINGS[:1], box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(*(_failed_row(row) if isinstance(row, Failure) else _row(*row)))
    for line in (machine_line(found.machine), busy_line(found.machine)):
        if line:
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(table)
    for line in (_threads_line(found), COLUMNS) if found.measured else ():
        if line:
            console.print(line, soft_wrap=True, markup=False, highlight=False)


def _threads_line(found: Benchmark) -> str:
    names = dict.fromkeys(model.name for model, _ in found.measured if model.threads == 1 < found.machine.threads)
    return f"In one thread, as the program runs small models: {', '.join(names)}." if names else ""


def _failed_row(failure: Failure) -> tuple[str, ...]:
    cells = [f"{failure.name}: {failure.error}", *("–" for _ in HEADINGS[1:])]
    if failure.precision is not None:
        cells[HEADINGS.index("in")] = failure.precision
    return tuple(map(escape, cells))


def _row(model: ModelFigures, figures: PrecisionFigures) -> tuple[str, ...]:
    best = figures.best
    return (
        escape(model.name),
        f"{model.parameters / 1e6:.1f}M",
        "–" if model.top1 is None else f"{model.top1:.1f} %",
        figures.precision,
        f"{figures.single.median_ms:.1f}",
        f"{figures.single.p95_ms:.1f}",
        f"{figures.single.images_per_s:.1f}",
        f"{best.images_per_s:.1f}",
        f"{best.batch}",
        f"{best.gflop_per_s:.0f}",
        f"{figures.gemm_share:.0%}",
        f"{figures.weights_bytes / 1e6:.0f} MB",
        "–" if figures.peak_bytes is None else f"{figures.peak_bytes / 1e6:.0f} MB",
    )
