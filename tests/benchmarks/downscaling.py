"""Whether a model meets large pictures as it met the small ones it learnt from.

    python tests/benchmarks/downscaling.py ZIP… [--model FOLDER]

Pictures of a zip of class folders are enlarged, as a photograph of the same thing would be larger, and prepared by the
application's own resize and crop. Printed: top-1 as they are and enlarged, how many first answers change, and the mean
change of the first answer's probability. Use pictures that are held out or were never learnt from.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from mixer_gui.model.checkpoint import Checkpoint, load_checkpoint
from mixer_gui.pictures.preprocess import prepare
from mixer_gui.records import Framing, ModelRef
from mixer_gui.resources import default_model
from mixer_gui.train.augment import plain
from mixer_gui.train.holdout import hold_out
from mixer_gui.train.reading import read
from mixer_gui.train.recipe import MINI, Recipe

FACTORS = (2, 4, 8, 11.3)
FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


@torch.inference_mode()
def probabilities(checkpoint: Checkpoint, pictures: Sequence[Image.Image]) -> torch.Tensor:
    """(n, classes) for pictures of any size."""
    preprocessing = checkpoint.info.preprocessing
    pixels = torch.stack(
        [torch.from_numpy(prepare(picture, preprocessing, Framing()).pixels.copy()) for picture in pictures]
    )
    return torch.cat(
        [
            torch.softmax(checkpoint.model(plain(part, preprocessing))[0] / checkpoint.info.temperature, -1)
            for part in pixels.split(100)
        ]
    )


def main() -> None:
    """Read, enlarge, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, nargs="+", help="zips or folders of class folders")
    parser.add_argument("--model", type=Path, default=default_model().path)
    parser.add_argument("--held-out", type=int, default=5000, help="of which list of held-out pictures they are")
    parser.add_argument("--count", type=int, default=1000)
    given = parser.parse_args()
    checkpoint = load_checkpoint(ModelRef(given.model))
    found = read(given.pictures, Recipe(network=MINI).preprocessing, lambda done, total: None)
    indices = hold_out(found, given.held_out)[1][:: max(1, given.held_out // given.count)][: given.count]
    wnids = checkpoint.info.names.wnids
    labels = torch.tensor([wnids.index(found.classes[found.labels[index]]) for index in indices])
    small = [Image.fromarray(found.pixels[index]) for index in indices]
    before = probabilities(checkpoint, small)
    confidence, answer = before.max(1)
    sys.stdout.write(f"{len(small)} pictures as they are: top-1 {(answer == labels).float().mean():.2%}\n")
    for factor in FACTORS:
        for kind in FILTERS:
            size = round(small[0].width * factor), round(small[0].height * factor)
            after = probabilities(checkpoint, [picture.resize(size, kind) for picture in small])
            changed = (after.argmax(1) != answer).float().mean()
            moved = (after.gather(1, answer[:, None])[:, 0] - confidence).abs().mean()
            top1 = (after.argmax(1) == labels).float().mean()
            sys.stdout.write(
                f"{factor:g} times as large, {kind.name.lower()}: top-1 {top1:.2%}, other answers {changed:.2%}, "
                f"mean change of probability {moved:.4f}\n"
            )


if __name__ == "__main__":
    main()
