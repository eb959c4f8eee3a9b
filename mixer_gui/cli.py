"""The command line: arguments in, exit codes out. Never imports PySide6, and torch only to run a command."""

from __future__ import annotations

import io
import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mixer_gui import __version__
from mixer_gui.bench.cli import app as bench_app
from mixer_gui.commands.models_cli import app as models_app
from mixer_gui.commands.output import Format
from mixer_gui.commands.train_cli import train
from mixer_gui.records import (
    Assumptions,
    DevicePreference,
    Gelu,
    Interpolation,
    MixerGuiError,
    ModelRef,
    PrecisionPreference,
)

app = typer.Typer(
    name="mixer-gui",
    help=(
        "See how an MLP-Mixer looks at your pictures. Without a command: opens the window, "
        "with the given FILES in it (mixer-gui [--new-window|--startup-report] [FILES]...). "
        "mixer-gui --self-test[=FILE] tells whether this installation works, and writes it as JSON."
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(bench_app, name="bench")
app.add_typer(models_app, name="models")
app.command("train")(train)


class GeluForm(StrEnum):
    """The two GELUs by names that say what they are; the records keep PyTorch's."""

    EXACT = "exact"
    TANH = "tanh"


def main(arguments: list[str]) -> NoReturn:
    """Run one command; ends in SystemExit: 0, 1 where something failed, 2 for usage errors, 130 for Ctrl-C."""
    _speak_utf8()
    app(arguments, prog_name="mixer-gui")
    raise AssertionError("typer exits by itself")


def _speak_utf8() -> None:
    """UTF-8 whatever the locale. A byte of a file name that is not UTF-8 becomes an escape that is legal in JSON."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mixer-gui {__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that come before a command; `--version` acts in its callback."""


@app.command("classify")
def classify(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES|FOLDERS", help="Pictures and videos, or folders of pictures: videos in them are left out."
        ),
    ],
    *,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Look into subfolders too.")] = False,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="Classes to report for each picture.")] = 5,
    every: Annotated[
        str,
        typer.Option(metavar="TIME", help="For a video: time from one frame to the next, such as 0.5s, 500ms or 2."),
    ] = "1s",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="OWNER/NAME|FOLDER|FILE",
            help=(
                "A repository on the Hub, fetched where it is not on disk yet, a folder in its format, or a bare .npz, "
                ".pth, .bin or .safetensors. [default: the built-in Mixer]"
            ),
            show_default=False,
        ),
    ] = None,
    device: Annotated[DevicePreference, typer.Option(help="Where the model runs.")] = DevicePreference.AUTO,
    precision: Annotated[
        PrecisionPreference,
        typer.Option(
            help=(
                "fp32 gives the same results on every machine. bf16 and, on a GPU, fp16 are faster where the hardware "
                "has them, and rounded; auto takes one of them where a short trial, remembered for each model and "
                "machine, finds it faster and as good."
            )
        ),
    ] = PrecisionPreference.FP32,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one JSON object a line, as files finish.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one row a prediction, as files finish.")] = False,
    mean: Annotated[str | None, typer.Option(metavar="R,G,B", help="For a bare file: mean of each channel.")] = None,
    std: Annotated[str | None, typer.Option(metavar="R,G,B", help="For a bare file: deviation of each.")] = None,
    crop_pct: Annotated[float | None, typer.Option(help="For a bare file: share kept by the centre crop.")] = None,
    interpolation: Annotated[Interpolation | None, typer.Option(help="For a bare file: resizing filter.")] = None,
    gelu: Annotated[GeluForm | None, typer.Option(help="For a bare file: the GELU it was trained with.")] = None,
    show_person_names: Annotated[
        bool,
        typer.Option(
            "--show-person-names",
            help="Also name kinds of people, which is left out for ImageNet-21k: WordNet has slurs among them.",
        ),
    ] = False,
) -> None:
    """Classify pictures, and frames of videos, and print the most probable classes.

    The exit code is 0 where every picture was classified and 1 where any failed; the others are still reported.
    """
    output = _one_format(json=as_json, jsonl=as_jsonl, csv=as_csv)
    every_s = _seconds(every, "--every")
    assumptions = Assumptions(
        mean=_triple(mean, "--mean"),
        std=_triple(std, "--std", positive=True),
        crop_pct=_share(crop_pct, "--crop-pct"),
        interpolation=interpolation,
        gelu=None if gelu is None else Gelu[gelu.name],
    )
    from mixer_gui.commands.classify import Order, run

    try:
        failed = run(
            Order(
                paths=tuple(paths),
                recursive=recursive,
                top_k=top_k,
                model=_model(model, assumptions),
                device=device,
                output=output,
                precision=precision,
                reveal=show_person_names,
                every_s=every_s,
            )
        )
    except MixerGuiError as error:
        _fail(str(error))
    raise typer.Exit(1 if failed else 0)


@app.command("summary")
def summary(
    model: Annotated[
        str, typer.Argument(metavar="VARIANT|FOLDER", help="S/32 S/16 B/32 B/16 L/32 L/16 H/14, or a checkpoint.")
    ],
    *,
    classes: Annotated[int | None, typer.Option(min=1, help="Classes of a variant's head. [default: 1000]")] = None,
    image_size: Annotated[
        str | None, typer.Option(metavar="H[xW]", help="Pixels that a variant sees. [default: 224x224]")
    ] = None,
) -> None:
    """Print a network's layers with output shapes, parameters and multiply-accumulates.

    They are counted on a model without weights, so that the largest takes no memory.
    """
    from mixer_gui.commands.summary import describe

    size = None if image_size is None else _size(image_size)
    try:
        typer.echo(describe(model, classes=classes, image_size=size))
    except MixerGuiError as error:
        _fail(str(error))


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"mixer-gui: {sentence}", err=True)
    raise typer.Exit(1)


def _model(name: str | None, assumptions: Assumptions) -> ModelRef:
    from mixer_gui.commands.models import checkpoint_path

    return ModelRef(checkpoint_path(name), assumptions=assumptions if assumptions != Assumptions() else None)


def _one_format(*, json: bool, jsonl: bool, csv: bool) -> Format:
    chosen = [form for form, wanted in ((Format.JSON, json), (Format.JSONL, jsonl), (Format.CSV, csv)) if wanted]
    if len(chosen) > 1:
        raise typer.BadParameter("choose one of them", param_hint=", ".join(f"--{form}" for form in chosen))
    return chosen[0] if chosen else Format.TEXT


def _triple(text: str | None, option: str, *, positive: bool = False) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        red, green, blue = (float(each) for each in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not three numbers such as 0.5,0.5,0.5", param_hint=option) from None
    if not all(math.isfinite(each) and (each > 0 or not positive) for each in (red, green, blue)):
        raise typer.BadParameter(f"{text!r} holds a number that cannot be", param_hint=option)
    return red, green, blue


def _share(value: float | None, option: str) -> float | None:
    if value is not None and not 0.1 <= value <= 1:  # also refuses NaN, which a range of typer lets through
        raise typer.BadParameter(f"{value:g} is not from 0.1 to 1", param_hint=option)
    return value


def _seconds(text: str, option: str) -> float:
    """`0.5s`, `500ms` or `0.5`, above 0."""
    number = text.strip().lower()
    unit_s = 1.0
    if number.endswith("ms"):
        number, unit_s = number[:-2], 1e-3
    elif number.endswith("s"):
        number = number[:-1]
    try:
        seconds = float(number) * unit_s
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as 0.5s or 500ms", param_hint=option) from None
    if not (math.isfinite(seconds) and seconds > 0):
        raise typer.BadParameter(f"{text!r} is not above 0", param_hint=option)
    return seconds


def _size(text: str) -> tuple[int, int]:
    """`224` or `224x192` (height first) to (height, width)."""
    height, _, width = text.lower().replace("×", "x").partition("x")
    try:
        return int(height), int(width or height)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a size such as 224x224", param_hint="--image-size") from None
