"""The only seam between the window and moving pictures: a thread with a Feed in it, while one is wanted.

QtMultimedia is imported there, never in the window's thread; after `close` neither thread nor Feed is left.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSize, Qt, QThread, Signal, Slot

from mixer_gui.libraries import load_libraries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtGui import QImage

    from mixer_gui.media.feed import Feed
    from mixer_gui.media.recorder import VideoRecorder
    from mixer_gui.records import FeedSource, FrameCounts, LiveFrame

# In the order in which they need each other. On Windows they are found by other names, and simply loaded later.
MEDIA_LIBRARIES = ("avutil", "swresample", "avcodec", "avformat", "swscale", "Qt6Multimedia")
STOP_MS = 5000  # a device's driver may take its time


class _Stage(QObject):
    """Lives in the media thread; makes the Feed and the recorder there and runs what it is asked."""

    frame_ready = Signal()
    image_ready = Signal()
    status_changed = Signal(object)
    failed = Signal(object)
    devices_changed = Signal(object)
    recorded = Signal(str)
    recording_failed = Signal(str)
    _asked = Signal(object)  # Callable[[_Stage], None]

    def __init__(self) -> None:
        super().__init__()
        self.feed: Feed | None = None
        self.recorder: VideoRecorder | None = None
        self._asked.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def ask(self, call: Callable[[_Stage], None]) -> None:
        """From any thread; runs later, in order, in the media thread."""
        self._asked.emit(call)

    @Slot(object)
    def _run(self, call: Callable[[_Stage], None]) -> None:
        call(self)

    def the_feed(self) -> Feed:
        if self.feed is None:
            load_libraries("PySide6", "Qt/lib", tuple(f"lib{name}.*" for name in MEDIA_LIBRARIES))
            load_libraries("PySide6", "Qt/plugins/multimedia", ("libffmpegmediaplugin.*",))
            load_libraries("PySide6", ".", ("QtMultimedia.*so", "QtMultimedia.pyd"))
            from mixer_gui.media.feed import Feed

            gc.freeze()  # a collection among frames would go through all that was imported, with the GIL held
            self.feed = Feed()
            self.feed.frame_ready.connect(self.frame_ready)
            self.feed.image_ready.connect(self.image_ready)
            self.feed.status_changed.connect(self.status_changed)
            self.feed.failed.connect(self.failed)
            self.feed.devices_changed.connect(self.devices_changed)
        return self.feed

    def the_recorder(self) -> VideoRecorder:
        if self.recorder is None:
            from mixer_gui.media.recorder import VideoRecorder

            self.recorder = VideoRecorder()
            self.recorder.finished.connect(self.recorded)
            self.recorder.failed.connect(self.recording_failed)
        return self.recorder

    def dispose(self) -> None:
        """The last call: what lives in this thread is deleted in it; a recording is finished first."""
        if self.feed is not None:
            self.feed.close()
            self.feed.deleteLater()
            self.feed = None
        if self.recorder is not None and self.recorder.is_recording:
            self.recorder.finished.connect(self._end)
            self.recorder.failed.connect(self._end)
            self.recorder.stop()
        else:
            self._end()

    @Slot(str)
    def _end(self, _path: str = "") -> None:
        if self.recorder is not None:
            self.recorder.deleteLater()
            self.recorder = None
        QThread.currentThread().quit()


class MediaWorker(QObject):
    """Lives in the window's thread. Its methods return at once; answers come by signals.

    The signals are emitted in the media thread: connect bound slots only.
    """

    frame_ready = Signal()  # take_frame has a newer frame
    image_ready = Signal()  # take_image has a newer image
    status_changed = Signal(object)  # FeedStatus
    failed = Signal(object)  # FeedFailure
    devices_changed = Signal(object)  # Devices
    recorded = Signal(str)  # a video was written: its path
    recording_failed = Signal(str)  # a sentence

    def __init__(self) -> None:
        super().__init__()
        self._stage: _Stage | None = None
        self._thread: QThread | None = None
        self._ending: list[tuple[QThread, _Stage]] = []

    def open(self, source: FeedSource) -> None:
        self._do(lambda stage: stage.the_feed().open(source))

    def play(self) -> None:
        self._do(lambda stage: stage.the_feed().play())

    def pause(self) -> None:
        self._do(lambda stage: stage.the_feed().pause())

    def seek(self, position_s: float) -> None:
        self._do(lambda stage: stage.the_feed().seek(position_s))

    def step(self, frames: int) -> None:
        self._do(lambda stage: stage.the_feed().step(frames))

    def set_speed(self, factor: float) -> None:
        self._do(lambda stage: stage.the_feed().set_speed(factor))

    def set_loop(self, wanted: bool) -> None:
        self._do(lambda stage: stage.the_feed().set_loop(wanted))

    def show_at(self, size: QSize) -> None:
        self._do(lambda stage: stage.the_feed().show_at(size))

    def find_devices(self) -> None:
        self._do(lambda stage: stage.the_feed().find_devices())

    def start_recording(self, path: Path, size: QSize, rate: float) -> None:
        self._do(lambda stage: stage.the_recorder().start(path, size, rate))

    def record(self, paint: Callable[[], QImage], time_s: float) -> None:
        """`paint` is called in the media thread."""
        self._do(lambda stage: stage.the_recorder().add(paint(), time_s))

    def stop_recording(self) -> None:
        if self._stage is not None:  # else it was finished by `close`, and no thread is wanted for it
            self._do(lambda stage: stage.the_recorder().stop())

    def take_frame(self) -> LiveFrame | None:
        """The newest frame, once; None where there is none that was not taken."""
        feed = None if self._stage is None else self._stage.feed
        return None if feed is None else feed.take_frame()

    def take_image(self) -> tuple[LiveFrame, QImage] | None:
        """The newest frame with its image fitted to what `show_at` said, once."""
        feed = None if self._stage is None else self._stage.feed
        return None if feed is None else feed.take_image()

    def counts(self) -> FrameCounts | None:
        feed = None if self._stage is None else self._stage.feed
        return None if feed is None else feed.counts()

    def close(self) -> None:
        """Close the source and end the thread; nothing comes from it any more. Idempotent."""
        stage, thread = self._stage, self._thread
        self._stage = self._thread = None
        if stage is None or thread is None:
            return
        for signal, own in (
            (stage.frame_ready, self.frame_ready),
            (stage.image_ready, self.image_ready),
            (stage.status_changed, self.status_changed),
            (stage.failed, self.failed),
            (stage.devices_changed, self.devices_changed),
        ):
            signal.disconnect(own)
        self._ending.append((thread, stage))
        stage.ask(_Stage.dispose)

    def shut_down(self) -> None:
        """`close`, and wait until all threads have ended."""
        self.close()
        for thread, _ in self._ending:
            thread.wait(STOP_MS)

    @Slot()
    def _forget_ended(self) -> None:
        self._ending = [each for each in self._ending if not each[0].isFinished()]

    def _do(self, call: Callable[[_Stage], None]) -> None:
        if self._stage is None:
            self._stage, self._thread = _Stage(), QThread()
            self._thread.setObjectName("media")
            self._thread.finished.connect(self._forget_ended)
            self._stage.moveToThread(self._thread)
            self._stage.frame_ready.connect(self.frame_ready)
            self._stage.image_ready.connect(self.image_ready)
            self._stage.status_changed.connect(self.status_changed)
            self._stage.failed.connect(self.failed)
            self._stage.devices_changed.connect(self.devices_changed)
            self._stage.recorded.connect(self.recorded)
            self._stage.recording_failed.connect(self.recording_failed)
            self._thread.start()
        self._stage.ask(call)
