"""Arguments of `mixer-gui models`."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from mixer_gui.records import MixerGuiError, RepositoryRef

app = typer.Typer(help="Pretrained Mixers: what is on disk, what is on the Hugging Face Hub.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="OWNER/NAME[@REVISION]", help="A repository on the Hub.")]


@app.command("list")
def list_(*, as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """List the Mixers on disk, and the known ones that are only on the Hub. Asks no network."""
    from mixer_gui.commands.models import list_models

    try:
        typer.echo(list_models(as_json=as_json))
    except MixerGuiError as error:
        _fail(str(error))


@app.command("pull")
def pull(name: Name) -> None:
    """Download a Mixer, or the rest of one, and print its folder. What arrived is kept whatever happens."""
    from mixer_gui.commands import models

    try:
        typer.echo(models.pull(_parsed(name)).path)
    except MixerGuiError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        typer.echo(f"\nStopped. What arrived is kept: “mixer-gui models pull {name}” goes on from there.", err=True)
        raise typer.Exit(130) from None


@app.command("path")
def path(name: Name) -> None:
    """Print the folder of a Mixer on disk."""
    from mixer_gui.commands import models

    try:
        typer.echo(models.find(_parsed(name)).path)
    except MixerGuiError as error:
        _fail(str(error))


@app.command("remove")
def remove(
    name: Name, *, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")] = False
) -> None:
    """Delete a Mixer, whole or partial, from the cache that it shares with other programs."""
    from mixer_gui.commands import models

    try:
        found = models.matching(_parsed(name))
    except MixerGuiError as error:
        _fail(str(error))
    if not found:
        _fail(f"“{name}” is not on this computer.")
    for model in found:
        kind = "partial, " if model.is_partial else ""
        typer.echo(f"{model.repository} at {model.commit} ({kind}{model.size_bytes / 1e6:.1f} MB)", err=True)
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            _fail("Nothing was deleted: without a terminal to ask in, it takes --yes.")
        typer.confirm("Delete it?", abort=True, err=True)
    try:
        typer.echo(f"{models.remove(found) / 1e6:.1f} MB are free again.", err=True)
    except MixerGuiError as error:
        _fail(str(error))


def _parsed(name: str) -> RepositoryRef:
    from mixer_gui.hub.repository import parse

    try:
        return parse(name)
    except MixerGuiError as error:
        raise typer.BadParameter(str(error), param_hint="OWNER/NAME") from None


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"mixer-gui: {sentence}", err=True)
    raise typer.Exit(1)
