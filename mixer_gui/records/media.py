"""Moving pictures: where they come from, what a source does, and one frame of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_gui.records.pictures import Rect

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Files that are opened as videos; whether one is, is the decoder's to say.
VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    ]
)


@dataclass(frozen=True, slots=True)
class CameraFeed:
    """A camera; `id` is empty for the system's default, `size` (width, height) None for the camera's own choice."""

    id: str = ""
    size: tuple[int, int] | None = None
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class VideoFeed:
    """A video file."""

    path: Path


@dataclass(frozen=True, slots=True)
class ScreenFeed:
    """A screen by its name, empty for the primary one; `rectangle` in its pixels, None for all of it."""

    screen: str = ""
    rectangle: Rect | None = None


@dataclass(frozen=True, slots=True)
class WindowFeed:
    """A window of another program, by its title."""

    title: str


FeedSource = CameraFeed | VideoFeed | ScreenFeed | WindowFeed


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that is plugged in; `sizes` are (width, height), the largest first."""

    id: str
    name: str
    sizes: tuple[tuple[int, int], ...]
    is_default: bool


@dataclass(frozen=True, slots=True)
class Devices:
    """What can be a source now; screens and windows by their names."""

    cameras: tuple[Camera, ...] = ()
    screens: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()


class FeedState(StrEnum):
    """What a source is doing."""

    CLOSED = "closed"
    OPENING = "opening"
    PLAYING = "playing"
    PAUSED = "paused"
    ENDED = "ended"  # a video, at its end; it can be played again
    LOST = "lost"  # a camera that was unplugged; it goes on when it is plugged in again


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """The state of the source; `duration_s` is None for what has no end, `rate` is in frames a second, None unknown.

    `size`: (width, height) of the upright frames, None before the first.
    """

    source: FeedSource | None = None
    state: FeedState = FeedState.CLOSED
    duration_s: float | None = None
    can_seek: bool = False
    rate: float | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class FeedFailure:
    """A source that could not be opened or broke off: a sentence for the user, a detail for the log."""

    source: FeedSource
    sentence: str
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """One frame of a source, upright.

    `pixels`: uint8 (height, width, 3), sRGB, contiguous, read-only. `number` counts what the source delivered, from 1
    on. `time_s` is the position in a video, else seconds since the source was opened; `arrived_s` is
    `time.monotonic()` when it came. Frames of one `run` follow each other: another source, or a seek, begins another.
    """

    number: int
    pixels: NDArray[np.uint8]
    time_s: float
    arrived_s: float
    run: int = 0


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """Frames since a source was opened: `seen` came from it, `skipped` were replaced by newer ones unconverted."""

    seen: int = 0
    skipped: int = 0
