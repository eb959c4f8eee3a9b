"""Where the frames of one open source arrive: only the newest is converted, nothing queues.

Nothing here knows what kind of source it is.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtMultimedia import QVideoFrame, QVideoSink

from mixer_gui.media.convert import upright_pixels
from mixer_gui.records import FrameCounts, LiveFrame, MixerGuiError, Rect

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

log = logging.getLogger(__name__)

T = TypeVar("T")

_runs = count(1)


class Newest(Generic[T]):
    """One item, the newest; a newer one takes its place. From any thread; never blocks for long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._item: T | None = None

    def put(self, item: T) -> bool:
        """True where there was none, so that somebody has to be told."""
        with self._lock:
            was_empty = self._item is None
            self._item = item
        return was_empty

    def take(self) -> T | None:
        with self._lock:
            item, self._item = self._item, None
        return item

    def clear(self) -> None:
        self.take()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame that waits for its conversion; fields as in LiveFrame."""

    frame: QVideoFrame
    number: int
    time_s: float
    arrived_s: float
    run: int


class FrameSink(QObject):
    """A QVideoSink and the conversion behind it: one for each time that a source is opened. Media thread.

    `came` gets every valid frame with its `time.monotonic()`, and calls `take` for those that are wanted.
    """

    _due = Signal()  # a frame waits for its conversion

    def __init__(
        self,
        parent: QObject,
        *,
        deliver: Callable[[LiveFrame], None],
        rectangle: Rect | None = None,
        mirrored: bool = False,
    ) -> None:
        """`deliver` gets each converted frame; `rectangle` is cut out of it, `mirrored` exchanges left and right."""
        super().__init__(parent)
        self.came: Callable[[QVideoFrame, float], None] | None = None
        self.counts = FrameCounts()
        self.refusal = ""  # why the newest frame could not be converted
        self.video_sink = QVideoSink(self)
        self._deliver = deliver
        self._rectangle = rectangle
        self._mirrored = mirrored
        self._waiting: Arrival | None = None
        self._is_posted = False
        self._is_closed = False
        self._run = next(_runs)
        # A bound slot, so queued from the decoder's thread; called there, stopping a player would wait for ever.
        self.video_sink.videoFrameChanged.connect(self._arrive)
        self._due.connect(self._convert, Qt.ConnectionType.QueuedConnection)

    def close(self) -> None:
        """Nothing is converted or delivered from here on, though frames may still be under way."""
        self._is_closed = True
        self._waiting = None
        self.came = None
        self.video_sink.videoFrameChanged.disconnect(self._arrive)
        self.deleteLater()

    @Slot(QVideoFrame)
    def _arrive(self, frame: QVideoFrame) -> None:
        if self.came is not None and frame.isValid():  # an empty one comes at the end of a video
            self.came(frame, time.monotonic())

    def begin_run(self) -> None:
        """What is taken from now on does not follow what was taken before."""
        self._run = next(_runs)

    def take(self, frame: QVideoFrame, *, time_s: float, arrived_s: float) -> None:
        """Convert this frame as soon as what has arrived already was looked at, unless a newer one is taken first."""
        if self._is_closed:
            return
        seen, skipped = self.counts.seen + 1, self.counts.skipped + (self._waiting is not None)
        self.counts = FrameCounts(seen, skipped)
        self._waiting = Arrival(frame, seen, time_s, arrived_s, self._run)
        if not self._is_posted:
            self._is_posted = True
            self._due.emit()

    @Slot()
    def _convert(self) -> None:
        self._is_posted = False
        arrival, self._waiting = self._waiting, None
        if self._is_closed or arrival is None:
            return
        try:
            pixels = self._pixels(arrival.frame)
        except MixerGuiError as error:  # one damaged frame is no reason to end; a source of them shows no picture
            self.refusal = str(error)
            log.warning("frame %d: %s", arrival.number, error)
            return
        self.refusal = ""
        self._deliver(LiveFrame(arrival.number, pixels, arrival.time_s, arrival.arrived_s, arrival.run))

    def _pixels(self, frame: QVideoFrame) -> NDArray[np.uint8]:
        pixels = upright_pixels(frame, rectangle=self._rectangle)
        if self._mirrored:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
            pixels.flags.writeable = False
        return pixels
