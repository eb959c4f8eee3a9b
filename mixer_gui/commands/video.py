"""`mixer-gui classify` on videos: frames at even times through the engine, a result for each.

Loads Qt only when a video is read, so that pictures are classified where there is none.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from mixer_gui.records import VIDEO_SUFFIXES, FrameSource, LiveFrame, MixerGuiError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from mixer_gui.records import DecodedPicture, Framing, Preprocessing


def is_video(path: Path) -> bool:
    """By its name; whether it is one is seen when it is opened."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def sampled(
    path: Path, every_s: float, preprocessing: Preprocessing, framing: Framing
) -> Generator[tuple[FrameSource, DecodedPicture], None, None]:
    """The frames at 0, `every_s`, 2·`every_s`, … ready for the network; `decode_ms` is how long each was waited for.

    Raises MixerGuiError where the video cannot be read, or not to its end: after the frames before that.
    """
    from mixer_gui.engine.frames import decoded_frame

    try:
        from mixer_gui.media.extract import frames_every

        frames = frames_every(path, every_s)
    except ImportError as error:
        raise _no_qt(path, error) from error
    number = 0
    with closing(frames):
        while True:
            started = time.perf_counter()
            try:
                time_s, pixels = next(frames)
            except StopIteration:
                return
            except ImportError as error:  # QtMultimedia is loaded with the first frame
                raise _no_qt(path, error) from error
            waited_ms = (time.perf_counter() - started) * 1e3
            number += 1
            frame = LiveFrame(number, pixels, time_s, time.monotonic())
            decoded = decoded_frame(frame, preprocessing, framing)
            yield FrameSource(str(path), time_s), replace(decoded, decode_ms=waited_ms)


def _no_qt(path: Path, error: ImportError) -> MixerGuiError:
    return MixerGuiError(
        f"“{path.name}” is a video, and reading those needs PySide6, which could not be loaded: {error}.", repr(error)
    )
