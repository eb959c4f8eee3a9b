"""Frames of a video file at even times, one after the other, for programs without a window. Plays nothing live.

Loads QtMultimedia only when a file is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QLoggingCategory
from PySide6.QtGui import QGuiApplication

from mixer_gui.records import MixerGuiError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_applications: list[QGuiApplication] = []  # one that nobody holds is deleted


def frames_every(path: Path, every_s: float) -> Generator[tuple[float, NDArray[np.uint8]], None, None]:
    """The frames that are shown at 0, `every_s`, 2·`every_s`, … seconds, up to the end: (start in seconds, pixels).

    The time is the frame's own start, at or before the time asked for (later only where the file begins later); two
    asks that meet the same frame give it once. Pixels as `upright_pixels` gives them. `every_s` is above 0.

    Raises MixerGuiError for a file that cannot be read, is no video or has no picture in it; for one that breaks off or
    ends early, after the frames before that. Runs in the main thread; makes an application without a display where
    there is none. Close it to let go of the file.
    """
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except FileNotFoundError:
        raise MixerGuiError(f"“{path.name}” is not there. It may have been moved or renamed.") from None
    except IsADirectoryError:
        raise MixerGuiError(f"“{path.name}” is a folder, not a video.") from None
    except OSError as error:
        raise MixerGuiError(f"“{path.name}” could not be read: {error.strerror}.", str(error)) from error
    if is_empty:
        raise MixerGuiError(f"“{path.name}” is empty. Choose another file, or copy it here again.")
    if QGuiApplication.instance() is None:
        # What Qt notes when QtMultimedia is loaded and a file is opened is of no use in a terminal.
        QLoggingCategory.setFilterRules("qt.multimedia.*=false")
        _applications.append(QGuiApplication(["mixer-gui", "-platform", "offscreen"]))
    from mixer_gui.media.reader import VideoReader

    reader = VideoReader(path)
    try:
        yield from reader.frames(max(1, round(every_s * 1e6)))
    finally:
        reader.close()
