"""A decoded picture to the pixels that the network sees, equal to timm's evaluation transform.

Pixels only: scaling to 0…1 and normalising happen on the device, where the tensor is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mixer_gui.pictures.geometry import Plan, plan
from mixer_gui.records import Framing, Interpolation, NetworkInput, Preprocessing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FILTERS = {
    Interpolation.NEAREST: Image.Resampling.NEAREST,
    Interpolation.BOX: Image.Resampling.BOX,
    Interpolation.BILINEAR: Image.Resampling.BILINEAR,
    Interpolation.HAMMING: Image.Resampling.HAMMING,
    Interpolation.BICUBIC: Image.Resampling.BICUBIC,
    Interpolation.LANCZOS: Image.Resampling.LANCZOS,
}

# A picture 1 px high and 40,000 px wide would be scaled to 256 × 10,240,000 before the crop.
_LARGEST_RESIZED_PIXELS = 16_000_000


def prepare(picture: Image.Image | NDArray[np.uint8], preprocessing: Preprocessing, framing: Framing) -> NetworkInput:
    """What the network sees of an upright RGB picture.

    `picture`: a PIL image of mode RGB, or uint8 (height, width, 3). The result's pixels are uint8
    (height, width, 3) of the checkpoint's input size. With the checkpoint's framing they equal timm's
    evaluation transform bit for bit; only where that would scale to more than 16 megapixels on the
    way (aspect ratios beyond 200 : 1) is the crop scaled alone, within 2 of 255.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    if image.mode != "RGB":
        raise ValueError(f"expected an RGB picture, got mode {image.mode}")
    steps = plan(image.width, image.height, preprocessing, framing)
    fill = tuple(round(255 * channel) for channel in preprocessing.mean) if steps.pads_with_mean else (0, 0, 0)
    window = _cut(image, steps, _FILTERS[preprocessing.interpolation], fill)
    pixels = np.asarray(window)
    pixels.setflags(write=False)
    return NetworkInput(pixels, steps.seen)


def _cut(image: Image.Image, steps: Plan, resample: Image.Resampling, fill: tuple[int, ...]) -> Image.Image:
    """Scale and crop; `fill` is the RGB colour of padding."""
    source, (width, height) = steps.source, steps.resized
    left, top = steps.offset
    box = (source.left, source.top, source.right, source.bottom)
    # The part of the resized picture that lies in the window.
    part = (max(left, 0), max(top, 0), min(left + steps.window[0], width), min(top + steps.window[1], height))
    if width * height <= _LARGEST_RESIZED_PIXELS:
        visible = image.resize((width, height), resample, box=box)
        if part != (0, 0, width, height):
            visible = visible.crop(part)
    else:
        # Pillow chooses the order of its two passes by their cost, and bicubic overshoot is clipped in
        # between: passes of our own, in the order that the whole picture would get, make equal pixels.
        scale_x, scale_y = source.width / width, source.height / height
        across = (part[0] * scale_x, 0.0, min(part[2] * scale_x, source.width), source.height)
        down = (part[1] * scale_y, min(part[3] * scale_y, source.height))
        columns, rows = part[2] - part[0], part[3] - part[1]
        strip = image.resize((columns, image.height), resample, box=across)
        visible = strip.resize((columns, rows), resample, box=(0.0, down[0], float(columns), down[1]))
    if visible.size == steps.window:
        return visible
    padded = Image.new("RGB", steps.window, fill)
    padded.paste(visible, (part[0] - left, part[1] - top))
    return padded
