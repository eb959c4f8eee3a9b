"""Training sets that can be learnt: each class is one of scikit-image's photographs, each picture a crop of it."""

import zipfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

PHOTOGRAPHS = ("coffee", "chelsea", "astronaut", "rocket")


def write_crops(folder: Path, *, each: int = 30, edge: int = 48, seed: int = 0) -> Path:
    """`each` JPEGs of `edge` pixels in a folder for each photograph; returns `folder`."""
    chance = np.random.default_rng(seed)
    for name in PHOTOGRAPHS:
        photograph = getattr(skimage.data, name)()
        (folder / name).mkdir(parents=True)
        for number in range(each):
            size = int(chance.integers(edge, 2 * edge))
            top = int(chance.integers(0, photograph.shape[0] - size))
            left = int(chance.integers(0, photograph.shape[1] - size))
            crop = Image.fromarray(photograph[top : top + size, left : left + size])
            crop.resize((edge, edge)).save(folder / name / f"{number}.jpg", quality=90)
    return folder


def zipped(folder: Path, target: Path) -> Path:
    """The same files in a zip, below a folder `train`."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*.jpg")):
            archive.write(path, Path("train") / path.relative_to(folder))
    return target
