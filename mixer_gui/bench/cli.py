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


@app.command("live")
def live(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Played in a loop.")],
    *,
    minutes: Annotated[float, typer.Option(min=0.1)] = 10.0,
    model: Annotated[Path | None, typer.Option(help="A folder in Hub format. [default: the built-in Mixer]")] = None,
    variant: Annotated[str | None, typer.Option(help="In its place, one of the paper's with random weights.")] = None,
) -> None:
    """A video in the window for minutes: frames, latency, the window's longest silence, memory, threads left."""
    from mixer_gui.bench.live import bare_forward_ms, measure
    from mixer_gui.bench.material import random_checkpoint
    from mixer_gui.resources import default_model

    _describe_machine()
    with tempfile.TemporaryDirectory() as folder:
        path = model if variant is None else random_checkpoint(variant, Path(folder))
        bare_ms, paced_ms = bare_forward_ms(default_model().path if path is None else path)
        try:
            figures = measure(video, minutes=minutes, model=path)
        except MixerGuiError as error:
            typer.echo(f"mixer-gui: {error}", err=True)
            raise typer.Exit(1) from None
    typer.echo(f"{video.name}, {minutes:g} minutes ({figures.platform})")
    typer.echo(f"frames: {figures.seen} seen, {figures.classified} classified, {figures.skipped} skipped")
    for name, each_ms in (("in a row", bare_ms), ("30 a second", paced_ms)):
        typer.echo(f"bare forward pass, {name}: {each_ms:.1f} ms; 1.2 times it and 15 ms: {1.2 * each_ms + 15:.1f} ms")
    for name, (median, high) in (
        ("latency, frame to painted result", figures.latency_ms),
        ("  of which the wait for the engine", figures.wait_ms),
        ("  without it", figures.without_wait_ms),
        ("  forward pass in it", figures.forward_ms),
    ):
        typer.echo(f"{name:36} median {median:6.1f} ms  95th percentile {high:6.1f} ms")
    typer.echo(f"longest gaps of the window's thread: {', '.join(f'{gap:.0f}' for gap in figures.gaps_ms)} ms")
    typer.echo(f"resident memory by minute: {', '.join(f'{each:.0f}' for each in figures.memory_mb)} MB")
    typer.echo(f"threads left after stopping: {', '.join(figures.threads_left) or 'none'}")


def _describe_machine() -> None:
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    typer.echo(f"{os.cpu_count()} cores, {platform.machine()}, Python {sys.version.split()[0]}{load}")
