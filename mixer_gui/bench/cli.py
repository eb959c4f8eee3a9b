"""`mixer-gui bench`: the figures that README quotes, on this machine. Nothing else should run beside it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from mixer_gui.records import MixerGuiError

app = typer.Typer(
    help="Measure this machine: a forward pass, the window's start, its longest silence.", no_args_is_help=True
)


@app.command("forward")
def forward(
    variant: Annotated[str, typer.Argument(help="A variant of the paper.")] = "B/16",
    *,
    rounds: Annotated[int, typer.Option(min=3, help="Rounds in which all ways take turns.")] = 30,
) -> None:
    """The forward pass against timm's, and what the window's recording adds (CPU, fp32, batch 1)."""
    from mixer_gui.bench.forward import compare
    from mixer_gui.bench.material import random_checkpoint

    _describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        try:
            tables = compare(variant, random_checkpoint(variant, Path(folder)), rounds=rounds)
        except MixerGuiError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from error
    for title, rows in tables:
        typer.echo(f"\n{title}, {rounds} rounds")
        for row in rows:
            typer.echo(
                f"  median {row.median_ms:7.1f} ms  least {row.least_ms:7.1f}  ratio {row.ratio:.3f}  {row.name}"
            )


@app.command("start")
def start(
    *, rounds: Annotated[int, typer.Option(min=1, help="Starts after one to warm the disk's cache.")] = 5
) -> None:
    """From process start to the first painted window and to the first prediction of the embedded default."""
    from mixer_gui.bench.material import pictures
    from mixer_gui.bench.window import measure

    _describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        picture = pictures(Path(folder), names=("photo-0.jpg",))
        all_figures = [measure(picture) for _ in range(rounds + 1)][1:]
    for name, values in (
        ("first paint", [figures.first_paint_ms for figures in all_figures]),
        ("first prediction", [figures.first_prediction_ms for figures in all_figures]),
    ):
        ordered = sorted(values)
        typer.echo(f"{name:16}  median {ordered[len(ordered) // 2]:6.0f} ms  {ordered[0]:6.0f} … {ordered[-1]:.0f}")
    early = any(figures.torch_before_paint for figures in all_figures)
    typer.echo(f"torch imported before the first paint: {'yes' if early else 'no'} ({all_figures[0].platform})")


@app.command("window")
def window(
    *,
    variants: Annotated[list[str], typer.Option("--variant", help="Variants to load, with random weights.")] = [  # noqa: B006 - typer's way
        "B/16",
        "L/16",
    ],
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    stacks: Annotated[bool, typer.Option(help="Print the stacks found after 40 ms of silence.")] = False,
) -> None:
    """The longest gap of a 2 ms timer in the window's thread, from first paint through load and ten pictures."""
    from mixer_gui.bench.material import PICTURES, pictures, random_checkpoint
    from mixer_gui.bench.window import measure

    _describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        files = pictures(Path(folder), names=PICTURES)
        for variant in variants:
            model = random_checkpoint(variant, Path(folder))
            for number in range(1, rounds + 1):
                figures = measure(files, model=model, stacks=stacks)
                gaps = ", ".join(f"{gap:.0f}" for gap in figures.gaps_ms)
                typer.echo(f"Mixer-{variant} run {number} ({figures.platform}): longest gaps {gaps} ms")
                if stacks:
                    typer.echo(figures.stacks, err=True)


@app.command("download")
def download(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="A Mixer on the Hub (HF_ENDPOINT).")],
    *,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    stacks: Annotated[bool, typer.Option(help="Print the stacks found after 40 ms of silence.")] = False,
) -> None:
    """The longest gap of the same timer while a model is downloaded into an empty cache and takes over two pictures."""
    from mixer_gui.bench.material import pictures
    from mixer_gui.bench.window import measure

    _describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        files = pictures(Path(folder), names=("photo-0.jpg", "photo-1.jpg"))
        for number in range(1, rounds + 1):
            try:
                figures = measure(files, pull=repository, stacks=stacks)
            except MixerGuiError as error:
                typer.echo(f"mixer-gui: {error}", err=True)
                raise typer.Exit(1) from None
            gaps = ", ".join(f"{gap:.0f}" for gap in figures.gaps_ms)
            typer.echo(
                f"{repository} run {number} ({figures.platform}): opening the list {figures.opening_ms:.0f} ms; "
                f"download and switch, longest gaps {gaps} ms"
            )
            if stacks:
                typer.echo(figures.stacks, err=True)


def _describe_machine() -> None:
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    typer.echo(f"{os.cpu_count()} cores, {platform.machine()}, Python {sys.version.split()[0]}{load}")
