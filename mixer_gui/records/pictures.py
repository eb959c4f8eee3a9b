"""Pictures: where they come from, how they are cut, and their pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels of the upright full-resolution picture; origin top left, y down.

    Edges are floats because a crop of the resized picture maps back to fractions of pixels. A
    rectangle may reach beyond the picture where the network saw padding.
    """

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """The patches of one picture, row by row: patch index = row * columns + column."""

    rows: int
    columns: int

    @property
    def count(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class FileSource:
    """A picture on disk."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True)
class BytesSource:
    """An encoded picture in memory: pasted, dragged out of another program, or fetched."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class AddressSource:
    """An http(s) or data address that the user dropped; fetched before it can be decoded."""

    address: str

    @property
    def name(self) -> str:
        return self.address if len(self.address) <= 80 else self.address[:77] + "…"


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A moment of a moving picture, `time_s` from its beginning. Its pixels travel apart: see LiveFrame."""

    name: str
    time_s: float


PictureSource = FileSource | BytesSource | AddressSource | FrameSource


class Interpolation(StrEnum):
    """Resampling filters, by the names that timm's configurations use."""

    NEAREST = "nearest"
    BOX = "box"
    BILINEAR = "bilinear"
    HAMMING = "hamming"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class CropMode(StrEnum):
    """How a picture of any shape becomes the network's rectangle, by timm's names."""

    CENTER = "center"  # scale the shortest edge, keep the middle
    SQUASH = "squash"  # scale both edges, lose the aspect ratio
    BORDER = "border"  # scale the longest edge, pad with the mean colour


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a checkpoint wants its pictures: timm's evaluation transform and its parameters.

    `mean` and `std` are per RGB channel, for pixels scaled to 0…1. `input_size` is (height, width).
    """

    input_size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Interpolation
    crop_pct: float
    crop_mode: CropMode


class FramingKind(StrEnum):
    """Who decides which part of the picture the network sees."""

    CHECKPOINT = "checkpoint"  # the checkpoint's own preprocessing
    RECTANGLE = "rectangle"  # a rectangle that the user drew
    SQUASH = "squash"  # the whole picture, aspect ratio lost
    PAD = "pad"  # the whole picture, padded with the mean colour


@dataclass(frozen=True, slots=True)
class Framing:
    """Which part of the picture the network sees; `rectangle` is set for RECTANGLE only."""

    kind: FramingKind = FramingKind.CHECKPOINT
    rectangle: Rect | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded picture as the window shows it.

    `pixels`: uint8 (height, width, 3), upright sRGB, read-only, at most `display_edge` on the longer
    edge. `width` and `height` are those of the upright picture at full resolution. `remarks` are
    sentences about what decoding had to do (first frame of an animation, missing profile, …).
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """What the network sees: uint8 (height, width, 3), read-only, and where that lies in the picture."""

    pixels: NDArray[np.uint8]
    seen: Rect


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """All that the decoder process needs to know of one picture."""

    source: FileSource | BytesSource
    preprocessing: Preprocessing | None  # None: only the frame is wanted
    framing: Framing = field(default_factory=Framing)
    display_edge: int = 2048  # pixels on the longer edge of `Frame.pixels`


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """The decoder process's answer."""

    frame: Frame
    network_input: NetworkInput | None
    decode_ms: float
    preprocess_ms: float
