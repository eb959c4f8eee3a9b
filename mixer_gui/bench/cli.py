"""`mixer-gui bench`: how fast models are here, and the figures that README quotes. Nothing should run beside it."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from mixer_gui.records import DevicePreference, MixerGuiError
from mixer_gui.records.benchmarks import Benchmark, to_json

STDOUT = Path("-")

app = typer.Typer(help="Measure this machine: models, the window's start, its longest silence.", no_args_is_help=True)


@app.command("models")
def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OWNER/NAME|FOLDER]...",
            help="Models on this computer. [default: the built-in Mixer and the downloaded ones]",
            show_default=False,
        ),
    ] = None,
    *,
    variants: Annotated[
        list[str] | None, typer.Option("--variant", help="One of the paper's with random weights; may be repeated.")
    ] = None,
    device: Annotated[DevicePreference, typer.Option(help="Where the models run.")] = DevicePreference.AUTO,
    batch: Annotated[
        int | None, typer.Option(min=1, help="The one batch size besides 1. [default: a few]", show_default=False)
    ] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Passes at batch 1; larger batches take fewer.")] = 20,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE|-",
            help="Write all figures here, after each step; “-”: to standard output, at the end, and no table.",
        ),
    ] = None,
) -> None:
    """Models on their device: latency, images per second, share of the matrix products' rate, memory.

    In fp32 and in the half precisions that the program uses on the device. Nothing is downloaded. What cannot be
    measured is told, the others go on, and the exit code is 1. Ctrl-C ends it with what is finished.
    """
    from mixer_gui.bench.machine import busy_line
    from mixer_gui.bench.models import measure, subjects
    from mixer_gui.bench.table import print_table
    from mixer_gui.commands.output import say

    found: Benchmark | None = None
    to_stdout = json_file == STDOUT
    exit_code = failures_told = 0
    try:
        for found in measure(subjects(names or (), variants or ()), device, rounds=rounds, batch=batch):
            if json_file is not None and not to_stdout:
                _write(to_json(found), json_file)
            if found.steps_done == 0 and found.machine.is_busy:
                say(busy_line(found.machine))
            for failure in found.failures[failures_told:]:
                what = failure.name if failure.precision is None else f"{failure.name}, {failure.precision}"
                say(f"mixer-gui: {what}: {failure.error}")
                failures_told, exit_code = failures_told + 1, 1
            if not found.is_complete:
                say(f"{found.steps_done + 1} of {found.steps}: {found.doing}")
    except MixerGuiError as error:
        say(f"mixer-gui: {error}")
        exit_code = 1
    except KeyboardInterrupt:
        exit_code = 130
    if found is not None and to_stdout:
        typer.echo(to_json(found), nl=False)
    elif found is not None and found.models:
        print_table(found)
    raise typer.Exit(exit_code)


@app.command("start")
def start(
    *, rounds: Annotated[int, typer.Option(min=1, help="Starts after one to warm the disk's cache.")] = 5
) -> None:
    """From process start to the first painted window and to the first prediction of the embedded default."""
    from mixer_gui.bench.material import pictures
    from mixer_gui.bench.window import measure

    _begin()
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

    _begin()
    with tempfile.TemporaryDirectory() as folder:
        files = pictures(Path(folder), names=PICTURES)
        for variant in variants:
            model = random_checkpoint(variant, Path(folder))
            for number in range(1, rounds + 1):
                figures = measure(files, model=model, stacks=stacks)
                typer.echo(f"Mixer-{variant} run {number} ({figures.platform}): longest gaps {figures.gaps} ms")
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

    _begin()
    with tempfile.TemporaryDirectory() as folder:
        files = pictures(Path(folder), names=("photo-0.jpg", "photo-1.jpg"))
        for number in range(1, rounds + 1):
            try:
                figures = measure(files, pull=repository, stacks=stacks)
            except MixerGuiError as error:
                typer.echo(f"mixer-gui: {error}", err=True)
                raise typer.Exit(1) from None
            typer.echo(
                f"{repository} run {number} ({figures.platform}): opening the list {figures.opening_ms:.0f} ms; "
                f"download and switch, longest gaps {figures.gaps} ms"
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

    _begin()
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


@app.command("microscope")
def microscope(
    variant: Annotated[str, typer.Argument(help="A variant of the paper, with random weights.")] = "B/16",
) -> None:
    """From an act in the microscope to the painted result: pointing, another class, gradients, erasing a patch."""
    from mixer_gui.bench.live import bare_forward_ms
    from mixer_gui.bench.material import pictures, random_checkpoint
    from mixer_gui.bench.microscope import measure

    _begin()
    with tempfile.TemporaryDirectory() as folder:
        model = random_checkpoint(variant, Path(folder))
        figures = measure(pictures(Path(folder), names=("photo-0.jpg",))[0], model=model)
        bare_ms, _ = bare_forward_ms(model, rounds=30)
    typer.echo(f"Mixer-{variant} ({figures.platform}); bare forward pass {bare_ms:.1f} ms")
    for name, (median, high) in figures.times_ms.items():
        typer.echo(f"{name:44} median {median:7.1f} ms  95th percentile {high:7.1f} ms")
    for name, gaps in (("all of it", figures.gaps_ms), ("while a curve is measured", figures.gaps_in_job_ms)):
        typer.echo(f"longest gaps of the window's thread, {name}: {', '.join(f'{gap:.0f}' for gap in gaps)} ms")


@app.command("faithfulness")
def faithfulness(
    places: Annotated[list[Path], typer.Argument(metavar="ZIP|FOLDER…", help="Where the pictures lie.", exists=True)],
    *,
    pictures: Annotated[int, typer.Option(min=1, help="How many of them.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the random order they are taken in.")] = 1,
    skip: Annotated[int, typer.Option(min=0, help="How many of that order to leave out first.")] = 0,
    model: Annotated[Path | None, typer.Option(help="A folder in Hub format. [default: the built-in Mixer]")] = None,
    list_file: Annotated[Path | None, typer.Option("--list", help="Write the pictures' names here.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all areas, picture by picture, here.")] = None,
) -> None:
    """Deletion and insertion areas of every map, one patch a step, for the predicted class; a Markdown table."""
    from mixer_gui.bench.faithfulness import application_maps, as_json, chosen, measure, table
    from mixer_gui.engine.classifier import Classifier
    from mixer_gui.model.checkpoint import load_checkpoint
    from mixer_gui.records import ModelRef
    from mixer_gui.resources import default_model

    def progressed(done: int) -> None:
        typer.echo(f"\r{done} of {len(taken)}", err=True, nl=done == len(taken))

    _describe_machine()
    try:
        ref = default_model() if model is None else ModelRef(model)
        classifier = Classifier(load_checkpoint(ref), DevicePreference.CPU)
        taken = chosen(places, count=pictures, seed=seed, skip=skip)
        if list_file is not None:
            list_file.write_text("".join(f"{each.name}\n" for each in taken), encoding="utf-8")
        names = ", ".join(each.name for each in taken[:3])
        typer.echo(f"{len(taken)} pictures, seed {seed}, after {skip} others: {names}{', …' * (len(taken) > 3)}")
        found = measure(classifier, taken, application_maps, first=skip, progressed=progressed)
        if json_file is not None:
            json_file.write_text(as_json(found, taken, seed=seed, skip=skip), encoding="utf-8")
    except (MixerGuiError, OSError) as error:
        typer.echo(f"mixer-gui: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{classifier.info.name}\n\n{table(found)}")


def _write(text: str, path: Path) -> None:
    """Whoever reads it meanwhile finds either the old or the new. Raises MixerGuiError."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise MixerGuiError(f"“{path}” could not be written: {error.strerror or error}.", str(error)) from error


def _begin() -> None:
    """Of a measurement of the program itself, which starts it in processes of its own: say what machine this is."""
    if getattr(sys, "frozen", False):
        typer.echo("mixer-gui: This measures the program as it runs from source; here “bench models” works.", err=True)
        raise typer.Exit(1)
    _describe_machine()


def _describe_machine() -> None:
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    typer.echo(f"{os.cpu_count()} cores, {platform.machine()}, Python {sys.version.split()[0]}{load}")
