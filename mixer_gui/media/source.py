"""What Feed asks of a source, and what all live ones share. The kinds of sources are modules of their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from mixer_gui.records import FeedState

if TYPE_CHECKING:
    from PySide6.QtMultimedia import QVideoFrame

    from mixer_gui.media.sink import FrameSink


class Source(QObject):
    """One open source. Lives in the media thread; made, opened once and closed once by Feed."""

    changed = Signal()  # state, duration_s, can_seek or rate
    told = Signal(str, str)  # a sentence for the user and a detail for the log; the source goes on
    failed = Signal(str, str)  # the same; the source is to be closed

    state = FeedState.OPENING
    duration_s: float | None = None
    can_seek = False
    rate: float | None = None

    def __init__(self, sink: FrameSink) -> None:
        super().__init__()
        self.sink = sink
        sink.came = self.frame_came

    def open(self) -> None:
        """Begin; `failed` may come before this returns."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop, and let go of the device or file. No signal comes after it."""
        raise NotImplementedError

    def frame_came(self, frame: QVideoFrame, arrived_s: float) -> None:
        """Give the frame to the sink, or drop it."""
        raise NotImplementedError

    def began(self) -> None:
        """The first frame since OPENING was converted."""
        self.become(FeedState.PLAYING)

    def play(self) -> None: ...

    def pause(self) -> None: ...

    def seek(self, position_s: float) -> None: ...

    def step(self, frames: int) -> None: ...

    def set_speed(self, factor: float) -> None: ...

    def set_loop(self, wanted: bool) -> None: ...

    def become(self, state: FeedState) -> None:
        if state is not self.state:
            self.state = state
            self.changed.emit()


class LiveSource(Source):
    """A source without an end; times are seconds since it was opened. Pausing drops what comes."""

    frame_interval_s = 0.0  # frames that come sooner after the one before are dropped, and not counted

    def __init__(self, sink: FrameSink) -> None:
        super().__init__(sink)
        self._opened_s = time.monotonic()
        self._due_s = 0.0
        self._runs = True

    def frame_came(self, frame: QVideoFrame, arrived_s: float) -> None:
        if self.state not in (FeedState.OPENING, FeedState.PLAYING):
            return
        if arrived_s < self._due_s - self.frame_interval_s / 4:
            return
        self._due_s = max(self._due_s, arrived_s - self.frame_interval_s) + self.frame_interval_s
        self.sink.take(frame, time_s=arrived_s - self._opened_s, arrived_s=arrived_s)

    def began(self) -> None:
        self.become(FeedState.PLAYING if self._runs else FeedState.PAUSED)

    def play(self) -> None:
        self._runs = True
        if self.state is FeedState.PAUSED:
            self.become(FeedState.PLAYING)

    def pause(self) -> None:
        """Before its first frame: once that has come."""
        self._runs = False
        if self.state is FeedState.PLAYING:
            self.become(FeedState.PAUSED)
