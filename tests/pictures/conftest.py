"""Real photographs, a real HEIC file, and preprocessing records for the tests of pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mixer_gui.pictures.decoder import Decoder
from mixer_gui.records import CropMode, Interpolation, Preprocessing

# 64 × 48, quadrants red, green / blue, grey, turned by 90° (irot): 48 × 64 upright. Made for this
# test with x265 from a drawing, because pi-heif only decodes.
TINY_HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAMwAAgAAAAACuAABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAA"
    "AAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAA"
    "kAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq"
    "5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xh"
    "cAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEA"
    "AQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAPhtZGF0AAAAyCgBrwngITip//M8b/78nZe0xyeVp79Y//y3r7y4"
    "H/36G3R+ja83/xqjv0Aa/4Q7EwsnxdpjsPYeNae8imv7y6WNYOiSAg7QQ8vRMLUHwJ+bWwAsvlnfdmTx659aIRAxVtFTmbqHs4nY"
    "WGdO6XBq+dipdwvtjqURPP92qEAx0ESfF3g91mjJLfyvYk0H0r6Hc5MVob2TA0p/pwAuc/98wU9QayXPykQ67OhXTaR8UGvegFk7"
    "79IQeKjP1aMPm49o8UixY757/8qAAAAABkV4aWYAAE1NACoAAAAIAAEBEgADAAAAAQAGAAAAAAAA"
)


@pytest.fixture(scope="session")
def photographs() -> dict[str, Image.Image]:
    """Four real photographs (a cat, a cup, a rocket, a person), RGB."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the photographs")
    names = ("chelsea", "coffee", "rocket", "astronaut")
    return {name: Image.fromarray(np.asarray(getattr(data, name)())) for name in names}


@pytest.fixture(scope="session")
def cat(photographs: dict[str, Image.Image]) -> Image.Image:
    """A photograph of 160 × 120 pixels, quick to encode."""
    return photographs["chelsea"].resize((160, 120))


@pytest.fixture
def preprocessing() -> Preprocessing:
    """Google's checkpoints."""
    half = (0.5, 0.5, 0.5)
    return Preprocessing((224, 224), half, half, Interpolation.BICUBIC, 0.875, CropMode.CENTER)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Save a picture under a name, with the options of Pillow's `save`."""

    def save(image: Image.Image, name: str, **options: Any) -> Path:  # noqa: ANN401
        path = tmp_path / name
        image.save(path, **options)
        return path

    return save


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    decoder = Decoder()
    decoder.start()
    yield decoder
    decoder.close()


def encoded(image: Image.Image, format_name: str, **options: Any) -> bytes:  # noqa: ANN401
    """The picture in a format, in memory."""
    stream = io.BytesIO()
    image.save(stream, format_name, **options)
    return stream.getvalue()
