"""Where things lie: which part of a picture the network sees, and which part of that is a patch.

Pure arithmetic over records, shared by preprocessing and by painting so that they cannot disagree;
no pixels here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mixer_gui.records import CropMode, Framing, FramingKind, PatchGrid, Preprocessing, Rect


@dataclass(frozen=True, slots=True)
class Plan:
    """How a picture becomes the network's input: `source` is scaled to `resized`, then cut out.

    `resized` and `window` are (width, height) in pixels; `offset` is the window's (left, top) in the
    resized picture, negative where it reaches beyond: there lies padding, black or the mean colour.
    """

    source: Rect
    resized: tuple[int, int]
    offset: tuple[int, int]
    window: tuple[int, int]
    pads_with_mean: bool

    @property
    def seen(self) -> Rect:
        """The window in pixels of the full-resolution picture, exact for Pillow's pixel centres."""
        # Multiply first: the whole picture comes out as exactly its own width and height.
        width, height = self.source.width, self.source.height
        return Rect(
            left=self.source.left + self.offset[0] * width / self.resized[0],
            top=self.source.top + self.offset[1] * height / self.resized[1],
            width=self.window[0] * width / self.resized[0],
            height=self.window[1] * height / self.resized[1],
        )


def plan(width: int, height: int, preprocessing: Preprocessing, framing: Framing) -> Plan:
    """Plan for an upright picture of width × height pixels.

    For the checkpoint's own framing the rounding is that of timm 1.0's `transforms_imagenet_eval`
    and torchvision's `Resize` and `CenterCrop`, so that the pixels can be equal, too.
    ValueError where a size is not positive, or RECTANGLE comes without a rectangle.
    """
    window_height, window_width = preprocessing.input_size
    if min(width, height, window_width, window_height) < 1:
        raise ValueError(f"no room: picture {width} × {height}, input {window_width} × {window_height}")
    source = Rect(0.0, 0.0, float(width), float(height))
    window = (window_width, window_height)
    match framing.kind:
        case FramingKind.CHECKPOINT:
            resized = _checkpoint_size(width, height, preprocessing)
            pads_with_mean = preprocessing.crop_mode is CropMode.BORDER
        case FramingKind.RECTANGLE:
            if framing.rectangle is None:
                raise ValueError("framing by rectangle needs a rectangle")
            source = clamp_rectangle(framing.rectangle, width, height)
            resized, pads_with_mean = window, False
        case FramingKind.SQUASH:
            resized, pads_with_mean = window, False
        case FramingKind.PAD:
            ratio = max(width / window_width, height / window_height)
            resized, pads_with_mean = (_at_least_one(width / ratio), _at_least_one(height / ratio)), True
    offset = (_centre_offset(resized[0], window_width), _centre_offset(resized[1], window_height))
    return Plan(source, resized, offset, window, pads_with_mean)


def seen_rectangle(width: int, height: int, preprocessing: Preprocessing, framing: Framing) -> Rect:
    """The part of an upright width × height picture that the network sees, in its pixels.

    It reaches beyond the picture where the network sees padding. Errors as in `plan`.
    """
    return plan(width, height, preprocessing, framing).seen


def clamp_rectangle(rectangle: Rect, width: int, height: int) -> Rect:
    """The rectangle moved, and only then shrunk, into the picture; at least one pixel on each edge.

    A rectangle with an edge that is not a number becomes the whole picture.
    """
    edges = (rectangle.left, rectangle.top, rectangle.width, rectangle.height)
    if not all(math.isfinite(edge) for edge in edges):
        return Rect(0.0, 0.0, float(width), float(height))
    new_width = min(max(rectangle.width, 1.0), float(width))
    new_height = min(max(rectangle.height, 1.0), float(height))
    return Rect(
        left=min(max(rectangle.left, 0.0), width - new_width),
        top=min(max(rectangle.top, 0.0), height - new_height),
        width=new_width,
        height=new_height,
    )


def patch_rectangle(seen: Rect, grid: PatchGrid, patch: int) -> Rect:
    """Where patch `patch` of the grid lies in the picture; IndexError if there is no such patch."""
    if not 0 <= patch < grid.count:
        raise IndexError(f"patch {patch} of {grid.count}")
    row, column = divmod(patch, grid.columns)
    # Both edges from the same formula: neighbours share their edge to the last bit.
    left = seen.left + seen.width * column / grid.columns
    right = seen.left + seen.width * (column + 1) / grid.columns
    top = seen.top + seen.height * row / grid.rows
    bottom = seen.top + seen.height * (row + 1) / grid.rows
    return Rect(left, top, right - left, bottom - top)


def patch_at(seen: Rect, grid: PatchGrid, x: float, y: float) -> int | None:
    """The patch that covers the point (x, y) of the picture, None outside what the network sees."""
    column = math.floor((x - seen.left) * grid.columns / seen.width)
    row = math.floor((y - seen.top) * grid.rows / seen.height)
    if 0 <= column < grid.columns and 0 <= row < grid.rows:
        return row * grid.columns + column
    return None


def _checkpoint_size(width: int, height: int, preprocessing: Preprocessing) -> tuple[int, int]:
    """(width, height) to which timm's evaluation transform scales the picture before it crops."""
    # timm takes its default, 0.875, where a configuration says 0.
    crop_pct = preprocessing.crop_pct or 0.875
    target_height, target_width = (math.floor(edge / crop_pct) for edge in preprocessing.input_size)
    if preprocessing.crop_mode is CropMode.SQUASH:
        return target_width, target_height
    if preprocessing.crop_mode is CropMode.CENTER and target_height == target_width:
        # torchvision's Resize: the shorter edge is met, the longer one rounded down.
        if width <= height:
            return target_width, int(target_width * height / width)
        return int(target_height * width / height), target_height
    ratios = (height / target_height, width / target_width)
    ratio = max(ratios) if preprocessing.crop_mode is CropMode.BORDER else min(ratios)
    return _at_least_one(width / ratio), _at_least_one(height / ratio)


def _centre_offset(length: int, window: int) -> int:
    """Where torchvision's CenterCrop puts a window on one axis; negative where it pads first."""
    if window > length:
        return -((window - length) // 2)
    return round((length - window) / 2.0)


def _at_least_one(length: float) -> int:
    """Round to whole pixels, keeping one (timm fails on a picture 2,000 times as wide as high)."""
    return max(1, round(length))
