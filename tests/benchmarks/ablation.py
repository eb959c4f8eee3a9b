"""What each ingredient of the recipe brings, in short trainings that differ in one thing each.

    python tests/benchmarks/ablation.py train-0.zip --out FOLDER

Each row is one `mixer-gui train` of the same pictures and epochs, measured on the same held-out pictures; a row that is
there already is not made again. Pictures have half the edge throughout, which makes a row a matter of minutes; only the
two rows about that compare it with the whole edge, at equal time. The standard error of a share of 5,000 pictures is
0.7 points at most. Short trainings say how fast something is learnt: what guards against learning by heart costs here.
"""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

HALF_EDGE = ("--image-size", "32", "--coarse", "0", "--epochs", "6")
ROWS: dict[str, tuple[str, ...]] = {
    "the recipe": HALF_EDGE,
    "AdamW for all weights": (*HALF_EDGE, "--set", "muon=no"),
    "AdamW, half the rate": (*HALF_EDGE, "--set", "muon=no", "--set", "other_rate=0.001"),
    "Muon at twice the rate": (*HALF_EDGE, "--set", "matrix_rate=0.04"),
    "Muon at half the rate": (*HALF_EDGE, "--set", "matrix_rate=0.01"),
    "no average of weights": (*HALF_EDGE, "--set", "average=0"),
    "half the batch": (*HALF_EDGE, "--batch", "128"),
    "no mixup, no cutmix": (*HALF_EDGE, "--set", "augmentation.mixing=0"),
    "no change of colour": (*HALF_EDGE, "--set", "augmentation.colour=0"),
    "no crops": (*HALF_EDGE, "--set", "augmentation.smallest_crop=1", "--set", "augmentation.aspect=1"),
    "crops down to 8 %": (*HALF_EDGE, "--set", "augmentation.smallest_crop=0.08"),
    "no flips": (*HALF_EDGE, "--set", "augmentation.flip=no"),
    "squares erased in a quarter": (*HALF_EDGE, "--set", "augmentation.erasing=0.25"),
    "no label smoothing": (*HALF_EDGE, "--set", "label_smoothing=0"),
    "token width 256, channel width 512": (*HALF_EDGE, "--token-width", "256", "--channel-width", "512"),
    "12 layers of 192 channels": (*HALF_EDGE, "--layers", "12", "--channels", "192", "--channel-width", "576"),
    "coarse epochs, then fine": ("--epochs", "7", "--coarse", "5"),
    "fine epochs only": ("--epochs", "4", "--coarse", "0"),
}


def main(
    pictures: Annotated[list[Path], typer.Argument(exists=True)],
    out: Annotated[Path, typer.Option()],
    held_out: Annotated[int, typer.Option()] = 5000,
) -> None:
    """A row for each training, as it ends."""
    typer.echo("| what | held-out top-1 | top-5 | loss | time | arguments |\n|---|---|---|---|---|---|")
    for number, (what, arguments) in enumerate(ROWS.items()):
        folder = out / f"{number:02}"
        if not (folder / "model.safetensors").exists() or not _is_whole(folder, arguments):
            command = [sys.executable, "-m", "mixer_gui", "train", *map(str, pictures), "--out", str(folder)]
            command += ["--hold-out", str(held_out), *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = _history(folder)
        top1, top5 = (float(rows[-1][f"held_out_{name}"]) for name in ("top1", "top5"))
        seconds = sum(float(row["seconds"]) for row in rows)
        loss = float(rows[-1]["held_out_loss"])
        typer.echo(f"| {what} | {top1:.2%} | {top5:.2%} | {loss:.3f} | {seconds:.0f} s | `{' '.join(arguments)}` |")


def _is_whole(folder: Path, arguments: tuple[str, ...]) -> bool:
    return len(_history(folder)) == int(arguments[arguments.index("--epochs") + 1])


def _history(folder: Path) -> list[dict[str, str]]:
    with (folder / "training.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    typer.run(main)
