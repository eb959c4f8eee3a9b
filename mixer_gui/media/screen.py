"""Screens and other programs' windows as sources, and which of them there are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtMultimedia import QMediaCaptureSession, QScreenCapture, QWindowCapture

from mixer_gui.media.source import LiveSource
from mixer_gui.records import FeedState, ScreenFeed, WindowFeed

if TYPE_CHECKING:
    from mixer_gui.media.sink import FrameSink

HIGHEST_RATE = 30.0
# Platforms of Qt without a screen that anybody sees; their captures are empty and come without an error.
WITHOUT_SCREEN = frozenset(["offscreen", "minimal", "vnc"])


def has_screen() -> bool:
    return QGuiApplication.platformName() not in WITHOUT_SCREEN


def admit_x11() -> None:
    """Call before windows are listed or anything is captured.

    WORKAROUND: Qt's FFmpeg backend captures with X11 only where XDG_SESSION_TYPE says so, and not where nobody sets it:
    after startx, over ssh, in a remote desktop. No window is listed then.
    """
    if QGuiApplication.platformName() == "xcb" and os.environ.get("XDG_SESSION_TYPE", "tty") in ("", "tty"):
        os.environ["XDG_SESSION_TYPE"] = "x11"


def screen_names() -> tuple[str, ...]:
    """The primary one first."""
    return tuple(screen.name() for screen in QGuiApplication.screens()) if has_screen() else ()


def window_titles() -> tuple[str, ...]:
    """Titles without repetition, in the system's order; none where windows cannot be captured."""
    if not has_screen():
        return ()
    admit_x11()
    titles = (window.description() for window in QWindowCapture.capturableWindows() if window.isValid())
    return tuple(dict.fromkeys(title for title in titles if title))


class CaptureSource(LiveSource):
    """A screen or a window, at most 30 frames a second. While paused, nothing is captured."""

    frame_interval_s = 1 / HIGHEST_RATE

    def __init__(self, feed: ScreenFeed | WindowFeed, sink: FrameSink) -> None:
        super().__init__(sink)
        self._feed = feed
        self._session: QMediaCaptureSession | None = None
        self._capture: QScreenCapture | QWindowCapture | None = None

    def open(self) -> None:
        if not has_screen():
            self.failed.emit(self.tr("There is no screen to capture here: open a video or a camera."), "")
            return
        admit_x11()
        self._session = QMediaCaptureSession(self)
        self._session.setVideoSink(self.sink.video_sink)
        capture = self._screen(self._feed) if isinstance(self._feed, ScreenFeed) else self._window(self._feed)
        if capture is None:
            return
        self._capture = capture
        capture.errorOccurred.connect(self._broke, Qt.ConnectionType.QueuedConnection)
        capture.setActive(True)

    def close(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.errorOccurred.disconnect(self._broke)
            capture.setActive(False)
        if self._session is not None:
            self._session.setVideoSink(None)  # type: ignore[arg-type]  # the stubs lack None
            self._session = None
        self.deleteLater()

    def began(self) -> None:
        super().began()
        self._rest()

    def play(self) -> None:
        super().play()
        if self._capture is not None:
            self._capture.setActive(True)

    def pause(self) -> None:
        super().pause()
        self._rest()

    def _rest(self) -> None:
        if self._capture is not None and self.state is FeedState.PAUSED:
            self._capture.setActive(False)

    def _screen(self, feed: ScreenFeed) -> QScreenCapture | None:
        assert self._session is not None
        screens = QGuiApplication.screens()
        screen = next((each for each in screens if feed.screen in ("", each.name())), None)
        if screen is None:
            sentence = self.tr("There is no screen “{0}” any more: choose another one.").format(feed.screen)
            self.failed.emit(sentence, "")
            return None
        capture = QScreenCapture(self)
        capture.setScreen(screen)
        self._session.setScreenCapture(capture)
        return capture

    def _window(self, feed: WindowFeed) -> QWindowCapture | None:
        assert self._session is not None
        windows = [each for each in QWindowCapture.capturableWindows() if each.isValid()]
        window = next((each for each in windows if each.description() == feed.title), None)
        if window is None:
            sentence = (
                self.tr("There is no window “{0}”: open it, or choose another one.")
                if windows
                else self.tr("The window “{0}” cannot be captured here: choose a part of the screen instead.")
            )
            self.failed.emit(sentence.format(feed.title), "")
            return None
        capture = QWindowCapture(self)
        capture.setWindow(window)
        self._session.setWindowCapture(capture)
        return capture

    @Slot()
    def _broke(self) -> None:
        capture = self._capture
        if capture is None:
            return
        if isinstance(self._feed, WindowFeed):
            sentence = self.tr("The window “{0}” was closed, or cannot be captured: choose another one.").format(
                self._feed.title
            )
        elif capture.error() == QScreenCapture.Error.CapturingNotSupported:
            sentence = self.tr(
                "This desktop does not let programs capture the screen. Under Wayland it needs PipeWire and its "
                "desktop portal; or log in with X11."
            )
        else:
            sentence = self.tr("The screen cannot be captured: choose it again, and allow it if you are asked.")
        self.failed.emit(sentence, capture.errorString())
