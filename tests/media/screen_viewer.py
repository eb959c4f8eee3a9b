"""A program of its own, on a real X server: shows a photograph and captures it through a Feed; prints JSON.

`python screen_viewer.py screen` captures all of the screen, then a rectangle of it; `window` one window, which it
then closes. Run by test_screen.py.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from clips import image_of, two_photographs
from PySide6.QtCore import QObject, QPoint, Qt, QThread, QTimer, Signal, Slot
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QApplication, QLabel

from mixer_gui.media.feed import Feed
from mixer_gui.records import Devices, FeedFailure, FeedState, FeedStatus, LiveFrame, Rect, ScreenFeed, WindowFeed

if TYPE_CHECKING:
    from collections.abc import Callable

TITLE = "A photograph"
LEFT, TOP = 100, 50
FRAMES = 20
LIMIT_MS = 30_000


class Viewer(QObject):
    open = Signal(object)
    close = Signal()
    find_devices = Signal()

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.verdict: dict[str, object] = {}
        self.status = FeedStatus()
        self.frames: list[LiveFrame] = []
        self.then: Callable[[], None] | None = None
        self.picture = two_photographs()[0]
        self.label = QLabel()
        self.label.setWindowTitle(TITLE)
        self.label.setPixmap(QPixmap.fromImage(image_of(self.picture)))
        if kind == "screen":  # exactly there, and without a frame
            self.label.setWindowFlags(Qt.WindowType.X11BypassWindowManagerHint)
        self.label.move(LEFT, TOP)
        self.label.show()

        self.media = QThread()
        self.feed = Feed()
        self.feed.moveToThread(self.media)
        self.open.connect(self.feed.open)
        self.close.connect(self.feed.close)
        self.find_devices.connect(self.feed.find_devices)
        self.feed.frame_ready.connect(self._frame_ready)
        self.feed.status_changed.connect(self._status_changed)
        self.feed.failed.connect(self._failed)
        self.feed.devices_changed.connect(self._devices_changed)
        self.media.start()
        self.poll = QTimer(self, interval=50)
        self.poll.timeout.connect(self.find_devices)
        self.kind = kind
        self.poll.start()

    @Slot(object)
    def _devices_changed(self, devices: Devices) -> None:
        """Until the window is there: then the captures begin."""
        self.verdict["screens"] = devices.screens
        self.verdict["windows"] = devices.windows
        if self.kind == "screen" and self.label.windowHandle().isExposed():
            self.poll.stop()
            self._capture(ScreenFeed(), self._whole_done)
        elif TITLE in devices.windows:
            self.poll.stop()
            self._capture(WindowFeed(TITLE), self._window_done)

    def _capture(self, source: object, then: Callable[[], None]) -> None:
        self.frames = []
        self.then = then
        self.open.emit(source)

    @Slot()
    def _frame_ready(self) -> None:
        frame = self.feed.take_frame()
        if frame is None:
            return
        self.frames.append(frame)
        if len(self.frames) > FRAMES and self.then is not None:
            then, self.then = self.then, None
            then()

    def _whole_done(self) -> None:
        height, width = self.picture.shape[:2]
        pixels = self.frames[-1].pixels
        corner = self.label.mapToGlobal(QPoint(0, 0))
        x, y = corner.x(), corner.y()
        self.verdict["whole"] = self._told(pixels[y : y + height, x : x + width])
        self.verdict["size"] = pixels.shape
        self._capture(ScreenFeed(rectangle=Rect(x, y, width, height)), self._rectangle_done)

    def _rectangle_done(self) -> None:
        self.verdict["rectangle"] = self._told(self.frames[-1].pixels)
        self._end()

    def _window_done(self) -> None:
        self.verdict["window"] = self._told(self.frames[-1].pixels)
        self.label.close()

    def _told(self, pixels: np.ndarray) -> dict[str, object]:
        first, last = self.frames[0], self.frames[-1]
        is_same_shape = pixels.shape == self.picture.shape
        difference = int(np.abs(pixels.astype(int) - self.picture).max()) if is_same_shape else None
        return {
            "shape": pixels.shape,
            "difference": difference,
            "state": self.status.state,
            "told_size": self.status.size,
            "rate": (last.number - first.number) / (last.arrived_s - first.arrived_s),
            "late_s": time.monotonic() - last.arrived_s,
        }

    @Slot(object)
    def _status_changed(self, status: FeedStatus) -> None:
        self.status = status

    @Slot(object)
    def _failed(self, failure: FeedFailure) -> None:
        self.verdict["failure"] = failure.sentence
        self.verdict["detail"] = failure.detail
        self.verdict["closed"] = self.status.state is FeedState.CLOSED
        self._end()

    @Slot()
    def _end(self) -> None:
        self.close.emit()
        self.media.quit()
        self.media.wait()
        print(json.dumps(self.verdict))  # noqa: T201 - the test reads it
        QApplication.quit()


if __name__ == "__main__":
    application = QApplication([])
    application.setQuitOnLastWindowClosed(False)
    viewer = Viewer(sys.argv[1])
    QTimer.singleShot(LIMIT_MS, application.quit)
    application.exec()
