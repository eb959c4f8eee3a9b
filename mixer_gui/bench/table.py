"""The figures of models as a table on standard output."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from mixer_gui.bench.machine import machine_line
from mixer_gui.records.benchmarks import Benchmark, ModelFigures, PrecisionFigures

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


def print_table(found: Benchmark) -> None:
    """One row for each model and precision, then what the columns mean."""
    console = Console()
    console = Console(width=max(console.width, WIDTH))
    table = Table(*HEADINGS[:1], box=None, pad_edge=False, header_style="bold")
    for heading in HEADINGS[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    for model in found.models:
        for figures in model.precisions:
            table.add_row(*_row(model, figures))
    console.print(machine_line(found.machine), soft_wrap=True, markup=False, highlight=False)
    console.print(table)
    console.print(
        "GFLOP/s (two for each multiply-accumulate) and their share of the rate of large matrix products are those of "
        "the best batch. Top-1 is ImageNet's, as published.",
        soft_wrap=True,
        highlight=False,
    )


def _row(model: ModelFigures, figures: PrecisionFigures) -> tuple[str, ...]:
    best = figures.best
    return (
        model.name.replace("[", "\\["),
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
