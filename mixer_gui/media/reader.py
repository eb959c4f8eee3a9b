"""One video file from front to back as fast as it decodes, or by seeking. Blocks its thread; shows nothing live.

The player's own threads decode while the caller works on what it was given.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from PySide6.QtCore import QEventLoop, Qt, QTimer, QUrl
from PySide6.QtMultimedia import QMediaMetaData, QMediaPlayer, QVideoFrame, QVideoSink

from mixer_gui.media.convert import upright_pixels
from mixer_gui.records import MixerGuiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    TimedPixels = tuple[float, NDArray[np.uint8]]

Status = QMediaPlayer.MediaStatus

# From here on a seek is cheaper than decoding all between, more or less. On two cores, H.264 at 1080p with a keyframe
# each 8 s: a seek takes 380 ms on average, in which 120 frames (4 s) are decoded; 600 x 400 with a keyframe each 0.4 s:
# 5 ms, or 15 frames (0.5 s). At 0.5 s, decoding 20 s of the former takes 2 s, and seeking through it 14 s.
SEEKING_FROM_US = 2_000_000
# Containers with an index. In MPEG's streams a seek lands between keyframes and gives damaged pictures or none.
SEEKABLE_SUFFIXES = frozenset([".3gp", ".m4v", ".mkv", ".mov", ".mp4", ".webm"])

# Frames come as fast as they are decoded then, and all of them: the player delivers late ones, too.
RATE = 1000.0
TOLERANCE_US = 500  # Matroska rounds times to milliseconds
ROUNDING_US = 2_000  # a time that is no farther from the end is the end
EARLY_US = 500_000  # a file that ends so long before its own duration was cut short
PATIENCE_S = 60.0
TICK_MS = 50  # how long Ctrl-C may wait


class VideoReader:
    """A file that is open from the first frame on until `close`. All of it in one thread that has an application."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: deque[QVideoFrame] = deque()
        self._goes_on = False
        self._sink = QVideoSink()
        self._player = QMediaPlayer()
        self._loop = QEventLoop()
        self._tick = QTimer(interval=TICK_MS)
        # No slot is Python code: a Ctrl-C that falls into one would be printed and lost. Queued, since the frames come
        # from a thread that `stop` waits for while it holds the GIL.
        queued = Qt.ConnectionType.QueuedConnection
        self._sink.videoFrameChanged.connect(self._frames.append, queued)
        self._sink.videoFrameChanged.connect(self._loop.quit, queued)
        self._player.mediaStatusChanged.connect(self._loop.quit)
        self._player.errorOccurred.connect(self._loop.quit)
        self._tick.timeout.connect(self._loop.quit)
        self._player.setVideoSink(self._sink)

    def frames(self, every_us: int) -> Iterator[TimedPixels]:
        """See `frames_every`."""
        self._open()
        seeks = (
            every_us >= SEEKING_FROM_US
            and self._path.suffix.lower() in SEEKABLE_SUFFIXES
            and self._player.isSeekable()
            and self._duration_us() > 0
        )
        yield from self._sought(every_us) if seeks else self._played(every_us)

    def close(self) -> None:
        """Let go of the file; idempotent."""
        self._tick.stop()
        self._player.stop()
        self._player.setSource(QUrl())
        self._frames.clear()

    def _open(self) -> None:
        self._tick.start()
        self._player.setSource(QUrl.fromLocalFile(str(self._path.absolute())))
        self._player.pause()
        loaded = (Status.LoadedMedia, Status.BufferingMedia, Status.BufferedMedia, Status.EndOfMedia)
        self._wait(
            lambda: bool(self._frames) or (self._player.mediaStatus() in loaded and not self._player.hasVideo()),
        )
        if self._player.error() != QMediaPlayer.Error.NoError or self._player.mediaStatus() == Status.InvalidMedia:
            raise MixerGuiError(
                f"“{self._path.name}” could not be opened as a video: it is none, it was cut short, or it is of a kind "
                "that cannot be decoded here.",
                self._player.errorString(),
            )
        if not self._player.hasVideo():
            raise MixerGuiError(f"“{self._path.name}” has no pictures in it, only sound or nothing.")

    def _played(self, every_us: int) -> Iterator[TimedPixels]:
        """Decode all; a frame is given when the next one tells until when it is shown."""
        asked_us = 0
        shown: QVideoFrame | None = None
        self._player.setPlaybackRate(RATE)
        self._goes_on = True
        while (frame := self._next()) is not None:
            if shown is not None and asked_us + TOLERANCE_US < frame.startTime():
                self._player.pause()  # else frames pile up while the caller is at work; `_next` plays on
                yield self._taken(shown)
                asked_us = (frame.startTime() - TOLERANCE_US - 1) // every_us * every_us + every_us
            shown = frame
        if shown is None:
            raise MixerGuiError(f"“{self._path.name}” holds no frame that can be decoded.", self._player.errorString())
        end_us = max(shown.endTime(), shown.startTime() + ROUNDING_US + 1)
        if end_us < self._duration_us() <= end_us + EARLY_US:  # in AVI a frame's own end is a guess
            end_us = self._duration_us()
        if asked_us + ROUNDING_US < end_us:
            yield self._taken(shown)
        self._check_end(end_us)

    def _sought(self, every_us: int) -> Iterator[TimedPixels]:
        """Seek from one time to the next; the next is under way while the caller is at work."""
        end_us = self._duration_us()
        late_us = max(0, end_us - EARLY_US)  # looked at only to see whether the file goes on until then
        asks = sorted([(late_us, False), *((us, True) for us in range(0, max(1, end_us - ROUNDING_US), every_us))])
        last_us = -1
        self._seek(asks[0][0])
        for (asked_us, is_wanted), following in zip(asks, [*asks[1:], None], strict=True):
            frame = self._at(asked_us)
            if frame is None:
                self._check_end(asked_us - 1)
                return
            taken = self._taken(frame) if is_wanted and frame.startTime() != last_us else None
            if following is not None:
                self._seek(following[0])
            if taken is not None:
                last_us = frame.startTime()
                yield taken

    def _seek(self, time_us: int) -> None:
        self._frames.clear()
        self._player.setPosition(time_us // 1000 + 1)  # a frame is shown after its start, until its end

    def _at(self, time_us: int) -> QVideoFrame | None:
        """The frame for the last seek; None where the file has ended before that."""
        least_us = (time_us // 1000 + 1) * 1000
        shown = self._sink.videoFrame()  # it is not always delivered again
        if shown.isValid() and shown.startTime() < least_us <= shown.endTime():
            return shown
        while (frame := self._next()) is not None:
            if frame.endTime() >= least_us:
                return frame
        return None

    def _next(self) -> QVideoFrame | None:
        """The next frame that is one; None at the end of the file or where it broke."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                if frame.isValid():
                    return frame
            if self._has_ended():
                return None
            if self._goes_on:
                self._player.play()
            self._wait(lambda: bool(self._frames))

    def _has_ended(self) -> bool:
        ended = self._player.mediaStatus() in (Status.EndOfMedia, Status.InvalidMedia, Status.NoMedia)
        return ended or self._player.error() != QMediaPlayer.Error.NoError

    def _wait(self, is_done: Callable[[], bool]) -> None:
        """Until it is done or the player has ended."""
        until = time.monotonic() + PATIENCE_S
        while not (is_done() or self._has_ended()):
            self._loop.exec()
            if time.monotonic() > until:
                raise MixerGuiError(f"“{self._path.name}” gave no frame for {PATIENCE_S:.0f} seconds.")

    def _taken(self, frame: QVideoFrame) -> TimedPixels:
        return frame.startTime() / 1e6, upright_pixels(frame)

    def _duration_us(self) -> int:
        """Of the pictures where the file says so, else of all: sound may be longer."""
        tracks = self._player.videoTracks()
        value = tracks[0].value(QMediaMetaData.Key.Duration) if tracks else None
        return 1000 * (int(value) if value else self._player.duration())

    def _check_end(self, reached_us: int) -> None:
        duration_us = self._duration_us()
        if self._player.error() != QMediaPlayer.Error.NoError or reached_us + EARLY_US < duration_us:
            raise MixerGuiError(
                f"“{self._path.name}” ends before its {duration_us / 1e6:.1f} seconds are over: it was cut short or is "
                "damaged. Download or copy it again.",
                self._player.errorString(),
            )
