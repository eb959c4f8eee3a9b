"""Arguments of `mixer-gui train`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mixer_gui.model.variants import VARIANTS, variant
from mixer_gui.records import DevicePreference, MixerGuiError

MINI_NAME = "mini"


def train(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDERS|ZIPS", help="Pictures in folders named after their classes, or zips of such."),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the model; what is half done lies there, too.")],
    variant_name: Annotated[
        str | None,
        typer.Option(
            "--variant",
            help=f"Shape of the network: {MINI_NAME}, as the built-in one, or {' '.join(VARIANTS)}. [default: mini]",
            show_default=False,
        ),
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="OWNER/NAME|FOLDER|FILE",
            help=(
                "Begin with the weights of this model and learn at a tenth of the rates; its shape and preprocessing "
                "stay. A repository on the Hub is fetched where it is not on disk yet."
            ),
        ),
    ] = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Edge in pixels that the network sees.")] = None,
    patch_size: Annotated[int | None, typer.Option(min=1, help="Edge of a patch in pixels.")] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Number of Mixer blocks.")] = None,
    channels: Annotated[int | None, typer.Option(min=1, help="Channels of a patch.")] = None,
    token_width: Annotated[int | None, typer.Option(min=1, help="Hidden width of token mixing.")] = None,
    channel_width: Annotated[int | None, typer.Option(min=1, help="Hidden width of channel mixing.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Times that every picture is learnt from.")] = 30,
    coarse: Annotated[
        int | None,
        typer.Option(
            min=0,
            help=(
                "Of these epochs, the first ones with pictures of half the edge, each in less than half of the time. "
                "[default: two thirds, where the number of patches along each edge is even]"
            ),
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, help="Pictures a step. [default: 256, or fewer of few]", show_default=False),
    ] = None,
    hold_out: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Pictures that are measured after each epoch and not learnt from. [default: 5 %, of few 20 %]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds, pictures and machines give equal weights.")] = 0,
    device: Annotated[DevicePreference, typer.Option(help="Where to train.")] = DevicePreference.AUTO,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any other value of the recipe, such as augmentation.mixing=0."
        ),
    ] = None,
    reserved: Annotated[
        list[Path] | None,
        typer.Option(
            "--reserved",
            metavar="FOLDER|ZIP",
            help="Pictures kept for the final figure: a training that holds one of them is refused.",
        ),
    ] = None,
    leave_out_shared: Annotated[
        bool, typer.Option("--leave-out-shared", help="Leave reserved pictures out instead of refusing.")
    ] = False,
    data: Annotated[str, typer.Option(help="What the pictures are, and their terms, for the model card.")] = "",
    name: Annotated[str | None, typer.Option(help="What tells this model from others of its shape.")] = None,
) -> None:
    """Train a Mixer on your own pictures, and write a folder that the application opens.

    Shows loss and held-out accuracy after each epoch, and draws them. After Ctrl-C, or a crash, the same command
    goes on after the last epoch that was finished.
    """
    if getattr(sys, "frozen", False):  # torch's optimisers import its compiler, which is a tenth of the program
        _fail("Training needs parts of torch that the package leaves out. Install from source: see README.")
    from mixer_gui.commands.models import checkpoint_path
    from mixer_gui.commands.train import Order, run
    from mixer_gui.train.recipe import MINI

    try:
        sizes = (image_size, patch_size, layers, channels, token_width, channel_width)
        if origin is not None and (variant_name, *sizes) != (None,) * 7:
            raise MixerGuiError("--from brings a shape of its own: leave --variant and all sizes out.")
        shape = MINI if (variant_name or MINI_NAME).lower() == MINI_NAME else variant(variant_name or MINI_NAME)
        network = replace(
            shape,
            image_size=shape.image_size if image_size is None else (image_size, image_size),
            patch_size=patch_size or shape.patch_size,
            num_blocks=layers or shape.num_blocks,
            hidden_dim=channels or shape.hidden_dim,
            tokens_mlp_dim=token_width or shape.tokens_mlp_dim,
            channels_mlp_dim=channel_width or shape.channels_mlp_dim,
        )
        folder = run(
            Order(
                paths=tuple(paths),
                out=out,
                network=network if origin is None else None,
                origin=None if origin is None else checkpoint_path(origin),
                device=device,
                epochs=epochs,
                coarse=coarse,
                batch=batch,
                held_out=hold_out,
                seed=seed,
                settings=tuple(settings or ()),
                reserved=tuple(reserved or ()),
                leave_out_shared=leave_out_shared,
                data=data,
                name=name,
                command=_command(),
            )
        )
    except MixerGuiError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        typer.echo("\nStopped. The same command goes on after the last epoch that was finished.", err=True)
        raise typer.Exit(130) from None
    typer.echo(folder)


def _command() -> str:
    """As it was given, less the folders that its paths lie in: the model card is for others to read."""
    return shlex.join(["mixer-gui", *(Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])])


def _fail(sentence: str) -> NoReturn:
    typer.echo(f"mixer-gui: {sentence}", err=True)
    raise typer.Exit(1)
