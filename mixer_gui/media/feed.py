"""One source at a time behind one sink: opened, steered, converted, and told about. What sources are is not here."""

from __future__ import annotations

import logging
from collections.abc import Callable

from PySide6.QtCore import QObject, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from mixer_gui.media.camera import Cameras, CameraSource
from mixer_gui.media.convert import fitted_image
from mixer_gui.media.screen import CaptureSource, screen_names, window_titles
from mixer_gui.media.sink import FrameSink, Newest
from mixer_gui.media.source import Source
from mixer_gui.media.video import VideoSource
from mixer_gui.records import (
    CameraFeed,
    Devices,
    FeedFailure,
    FeedSource,
    FeedState,
    FeedStatus,
    FrameCounts,
    LiveFrame,
    ScreenFeed,
    VideoFeed,
)

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
SPEEDS = (0.25, 4.0)

# The classifier goes first: fitting and painting beside it made a small model's pass two to three times as long. So
# an image is made this share of the time between two frames after its frame was, and at most so much later.
FIT_AFTER_SHARE = 0.6
FIT_AFTER_MOST_MS = 20.0


class Feed(QObject):
    """One source at a time behind one QVideoSink. Lives in the media thread; every slot is called there.

    `take_frame`, `take_image` and `counts` may be called from any thread and return at once. `frame_ready` and
    `image_ready` come only when there was nothing to take, so that at most one of each is under way: who takes
    slowly loses frames and queues none. A source that fails is closed before `failed` comes, with two exceptions:
    a video that ends before its time (its state is then ENDED, and it can be played and sought again) and a camera
    that was unplugged (LOST). Call `close` before the thread is quit; then the Feed may be deleted from anywhere.
    """

    frame_ready = Signal()  # take_frame() has a newer one than was taken
    image_ready = Signal()  # take_image() likewise
    status_changed = Signal(object)  # FeedStatus
    failed = Signal(object)  # FeedFailure: of the source that is or was open
    devices_changed = Signal(object)  # Devices: asked for, or cameras have come or gone since
    _fit_due = Signal()  # the view's size changed

    def __init__(self, *, cameras: Callable[[], Cameras] = Cameras, patience_s: float = PATIENCE_S) -> None:
        """`cameras` makes the list of cameras, in the media thread; `patience_s` is how long a first frame may take."""
        super().__init__()
        self._make_cameras = cameras
        self._all_cameras: Cameras | None = None
        self._watches = False
        self._frames: Newest[LiveFrame] = Newest()
        self._images: Newest[tuple[LiveFrame, QImage]] = Newest()
        self._counts = FrameCounts()
        self._source: Source | None = None
        self._sink: FrameSink | None = None
        self._feed: FeedSource | None = None
        self._status = FeedStatus()
        self._size: tuple[int, int] | None = None
        self._last: LiveFrame | None = None
        self._view = QSize()
        self._speed = 1.0
        self._loops = False
        self._patience = QTimer(self, singleShot=True, interval=round(patience_s * 1000))
        self._patience.timeout.connect(self._lose_patience)
        self._fit_due.connect(self._fit_last, Qt.ConnectionType.QueuedConnection)
        self._fit_later = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._fit_later.timeout.connect(self._fit_last)
        self._is_fit_posted = False

    def take_frame(self) -> LiveFrame | None:
        """The newest converted frame, once. Any thread."""
        return self._frames.take()

    def take_image(self) -> tuple[LiveFrame, QImage] | None:
        """The newest frame with its image fitted to `show_at`, once. Any thread."""
        return self._images.take()

    def counts(self) -> FrameCounts:
        """Of the source that is open, or was last. Any thread."""
        sink = self._sink
        return sink.counts if sink is not None else self._counts

    @Slot(object)
    def open(self, source: FeedSource) -> None:
        """Close what was open and begin with `source`: OPENING at once, PLAYING with the first frame."""
        self.close()
        rectangle = source.rectangle if isinstance(source, ScreenFeed) else None
        mirrored = isinstance(source, CameraFeed) and source.mirrored
        self._feed = source
        self._sink = FrameSink(self, deliver=self._deliver, rectangle=rectangle, mirrored=mirrored)
        opened = self._source = self._made(source, self._sink)
        opened.changed.connect(self._publish)
        opened.told.connect(self._tell)
        opened.failed.connect(self._fail)
        self._publish()
        if self._source is opened:
            opened.open()

    @Slot()
    def close(self) -> None:
        """Let go of the source, if one is open: CLOSED, and neither a frame nor a signal of it comes after this."""
        source, self._source = self._source, None
        sink, self._sink = self._sink, None
        self._feed = self._size = self._last = None
        self._patience.stop()
        self._fit_later.stop()
        if sink is not None:
            self._counts = sink.counts
            sink.close()
        if source is not None:
            source.changed.disconnect(self._publish)
            source.told.disconnect(self._tell)
            source.failed.disconnect(self._fail)
            source.close()
        self._frames.clear()
        self._images.clear()
        self._publish()

    @Slot()
    def play(self) -> None:
        """Go on; a video that has ended begins again."""
        if self._source is not None:
            self._source.play()

    @Slot()
    def pause(self) -> None:
        """Stay at the newest frame."""
        if self._source is not None:
            self._source.pause()

    @Slot(float)
    def seek(self, position_s: float) -> None:
        """Show the video's frame of that time; of calls that come faster than frames, the newest counts."""
        if self._source is not None:
            self._source.seek(position_s)

    @Slot(int)
    def step(self, frames: int) -> None:
        """Show the frame so many further on, or back, of a paused or ended video."""
        if self._source is not None:
            self._source.step(frames)

    @Slot(float)
    def set_speed(self, factor: float) -> None:
        """Of this video and those opened later; kept within 0.25 and 4."""
        self._speed = max(SPEEDS[0], min(factor, SPEEDS[1]))
        if self._source is not None:
            self._source.set_speed(self._speed)

    @Slot(bool)
    def set_loop(self, wanted: bool) -> None:
        """Whether this video, and those opened later, begin again at their end."""
        self._loops = wanted
        if self._source is not None:
            self._source.set_loop(wanted)

    @Slot(QSize)
    def show_at(self, size: QSize) -> None:
        """Fit images to so many device pixels, the last one again; an empty size makes none."""
        if size == self._view:
            return
        self._view = QSize(size)
        if not self._is_fit_posted:
            self._is_fit_posted = True
            self._fit_due.emit()

    @Slot()
    def find_devices(self) -> None:
        """`devices_changed` comes before this returns, and again whenever cameras come or go."""
        if not self._watches:
            self._watches = True
            self._cameras().changed.connect(self.find_devices)
        self.devices_changed.emit(Devices(self._cameras().listed(), screen_names(), window_titles()))

    def _made(self, source: FeedSource, sink: FrameSink) -> Source:
        if isinstance(source, VideoFeed):
            return VideoSource(source, sink, speed=self._speed, loops=self._loops)
        if isinstance(source, CameraFeed):
            return CameraSource(source, sink, self._cameras())
        return CaptureSource(source, sink)

    def _cameras(self) -> Cameras:
        if self._all_cameras is None:
            self._all_cameras = self._make_cameras()
            self._all_cameras.setParent(self)
        return self._all_cameras

    def _deliver(self, frame: LiveFrame) -> None:
        height, width = frame.pixels.shape[:2]
        between_s = 0.0 if self._last is None else frame.arrived_s - self._last.arrived_s
        self._last = frame
        self._size = width, height
        source = self._source
        if source is not None and source.state is FeedState.OPENING:
            source.began()
        self._publish()
        if self._last is not frame:  # closed by who was told
            return
        if self._frames.put(frame):
            self.frame_ready.emit()
        if not self._fit_later.isActive():
            self._fit_later.start(round(min(between_s * 1e3 * FIT_AFTER_SHARE, FIT_AFTER_MOST_MS)))

    def _fit(self, frame: LiveFrame) -> None:
        if self._last is not frame or self._view.isEmpty():
            return
        if self._images.put((frame, fitted_image(frame.pixels, self._view))):
            self.image_ready.emit()

    @Slot()
    def _fit_last(self) -> None:
        self._is_fit_posted = False
        if self._last is not None:
            self._fit(self._last)

    @Slot()
    def _publish(self) -> None:
        source = self._source
        if source is None:
            status = FeedStatus()
        else:
            status = FeedStatus(self._feed, source.state, source.duration_s, source.can_seek, source.rate, self._size)
        is_opening = status.state is FeedState.OPENING
        if is_opening and not self._patience.isActive():
            self._patience.start()
        elif not is_opening:
            self._patience.stop()
        if status != self._status:
            self._status = status
            self.status_changed.emit(status)

    @Slot(str, str)
    def _tell(self, sentence: str, detail: str) -> None:
        if self._feed is not None:
            log.warning("%s: %s (%s)", self._feed, sentence, detail)
            self.failed.emit(FeedFailure(self._feed, sentence, detail))

    @Slot(str, str)
    def _fail(self, sentence: str, detail: str) -> None:
        feed = self._feed
        if feed is None:
            return
        log.warning("%s: %s (%s)", feed, sentence, detail)
        self.close()
        self.failed.emit(FeedFailure(feed, sentence, detail))

    @Slot()
    def _lose_patience(self) -> None:
        seconds = self._patience.interval() // 1000
        refusal = self._sink.refusal if self._sink is not None else ""
        sentence = self.tr("No picture came within {0} seconds: open it again, or choose another source.").format(
            seconds
        )
        self._fail(refusal or sentence, "")
