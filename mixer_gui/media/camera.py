"""Cameras: which there are, and one of them as a source that survives being unplugged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from PySide6.QtCore import QCameraPermission, QCoreApplication, QObject, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtMultimedia import QCamera, QMediaCaptureSession, QMediaDevices, QVideoFrameFormat

from mixer_gui.media.source import LiveSource
from mixer_gui.records import Camera, CameraFeed, FeedState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mixer_gui.media.sink import FrameSink

SMOOTH_RATE = 24.0
UNPLUGGED_MS = 1000  # the system may tell of the error before it tells that the camera is gone


class Format(Protocol):
    """What is asked of a QCameraFormat."""

    def resolution(self) -> QSize: ...
    def maxFrameRate(self) -> float: ...  # noqa: N802 - Qt's name
    def pixelFormat(self) -> QVideoFrameFormat.PixelFormat: ...  # noqa: N802


F = TypeVar("F", bound=Format)


def nearest_format(formats: Sequence[F], size: tuple[int, int]) -> F | None:
    """The format nearest to `size` (width, height); among those one of at least 24 frames a second, then the fastest.

    At the same rate one that need not be decoded from JPEG. None where there is no format.
    """

    def rank(each: F) -> tuple[int, bool, float, bool]:
        resolution, rate = each.resolution(), each.maxFrameRate()
        distance = abs(resolution.width() - size[0]) + abs(resolution.height() - size[1])
        return distance, rate < SMOOTH_RATE, -rate, each.pixelFormat() == QVideoFrameFormat.PixelFormat.Format_Jpeg

    return min(formats, key=rank, default=None)


class Cameras(QObject):
    """The cameras of this machine. Lives in the media thread.

    This is the seam for the tests, which have no camera: theirs lists what it likes and attaches a QVideoFrameInput, so
    that the capture session, its sink and all that follows are the real ones.
    """

    changed = Signal()  # one was plugged in or unplugged
    broke = Signal(str)  # the attached one reports an error; the system's words

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._devices = QMediaDevices(self)
        self._devices.videoInputsChanged.connect(self.changed)

    def listed(self) -> tuple[Camera, ...]:
        default = QMediaDevices.defaultVideoInput()
        return tuple(
            Camera(
                id=identifier(device.id().data()),
                name=device.description(),
                sizes=sizes([each.resolution() for each in device.videoFormats()]),
                is_default=device == default,
            )
            for device in QMediaDevices.videoInputs()
        )

    def is_permitted(self) -> bool:
        """False where the user or the system has refused; asking is the window's to do."""
        application = QCoreApplication.instance()
        if application is None:
            return True
        return application.checkPermission(QCameraPermission()) != Qt.PermissionStatus.Denied

    def attach(
        self, session: QMediaCaptureSession, camera_id: str, size: tuple[int, int] | None
    ) -> tuple[QObject, float | None]:
        """Start the listed camera in the session; returns what to hand to `detach`, and its frame rate where known."""
        device = next(each for each in QMediaDevices.videoInputs() if identifier(each.id().data()) == camera_id)
        camera = QCamera(device, session)
        if size is not None and (wanted := nearest_format(device.videoFormats(), size)) is not None:
            camera.setCameraFormat(wanted)
        camera.errorOccurred.connect(self._report, Qt.ConnectionType.QueuedConnection)
        session.setCamera(camera)
        camera.start()
        rate = camera.cameraFormat().maxFrameRate()
        return camera, rate if rate > 0 else None

    def detach(self, session: QMediaCaptureSession, attached: QObject) -> None:
        assert isinstance(attached, QCamera)
        attached.errorOccurred.disconnect(self._report)
        attached.stop()
        session.setCamera(None)  # type: ignore[arg-type]  # the stubs lack None
        attached.deleteLater()

    @Slot(QCamera.Error, str)
    def _report(self, error: QCamera.Error, words: str) -> None:
        if error != QCamera.Error.NoError:
            self.broke.emit(words)


class CameraSource(LiveSource):
    """A camera, or the default one. Unplugged, it is LOST until the same one is listed again."""

    def __init__(self, feed: CameraFeed, sink: FrameSink, cameras: Cameras) -> None:
        super().__init__(sink)
        self._feed = feed
        self._cameras = cameras
        self._camera: Camera | None = None
        self._session: QMediaCaptureSession | None = None
        self._attached: QObject | None = None
        self._error = ""
        self._unplugged = QTimer(self, singleShot=True, interval=UNPLUGGED_MS)
        self._unplugged.timeout.connect(self._give_up)
        cameras.changed.connect(self._cameras_changed)
        cameras.broke.connect(self._broke)

    def open(self) -> None:
        cameras = self._cameras.listed()
        if not self._cameras.is_permitted():
            self.failed.emit(
                self.tr(
                    "This program may not use the camera: allow it in the system's privacy settings, then open the "
                    "camera again."
                ),
                "",
            )
            return
        if not cameras:
            self.failed.emit(
                self.tr("There is no camera here: plug one in, or open a video or a part of the screen."), ""
            )
            return
        self._camera = self._chosen(cameras)
        if self._camera is None:
            self.failed.emit(
                self.tr("This camera is not plugged in: plug it in, or choose another one."), self._feed.id
            )
            return
        self._session = QMediaCaptureSession(self)
        self._session.setVideoSink(self.sink.video_sink)
        self._attach()

    def close(self) -> None:
        self._cameras.changed.disconnect(self._cameras_changed)
        self._cameras.broke.disconnect(self._broke)
        self._detach()
        if self._session is not None:
            self._session.setVideoSink(None)  # type: ignore[arg-type]  # the stubs lack None
            self._session = None
        self.deleteLater()

    def _chosen(self, cameras: tuple[Camera, ...]) -> Camera | None:
        if not self._feed.id:
            return next((each for each in cameras if each.is_default), cameras[0])
        return next((each for each in cameras if each.id == self._feed.id), None)

    def _attach(self) -> None:
        assert self._session is not None
        assert self._camera is not None
        self._attached, self.rate = self._cameras.attach(self._session, self._camera.id, self._feed.size)

    def _detach(self) -> None:
        self._unplugged.stop()
        attached, self._attached = self._attached, None
        if attached is not None and self._session is not None:
            self._cameras.detach(self._session, attached)

    @Slot()
    def _cameras_changed(self) -> None:
        if self._camera is None:
            return
        is_listed = any(each.id == self._camera.id for each in self._cameras.listed())
        if not is_listed and self.state is not FeedState.LOST:
            self._detach()
            self.become(FeedState.LOST)
            sentence = self.tr("“{0}” was unplugged: plug it in again and it goes on.").format(self._camera.name)
            self.told.emit(sentence, self._error)
        elif is_listed and self.state is FeedState.LOST:
            self._attach()
            self.become(FeedState.OPENING)

    @Slot(str)
    def _broke(self, words: str) -> None:
        self._error = words
        if self._attached is not None and not self._unplugged.isActive():
            self._unplugged.start()
            self._cameras_changed()

    @Slot()
    def _give_up(self) -> None:
        name = self._camera.name if self._camera is not None else ""
        sentence = self.tr(
            "“{0}” gives no picture: another program may be using it. Close that one and open the camera again."
        ).format(name)
        self.failed.emit(sentence, self._error)


def identifier(raw: bytes | bytearray | memoryview) -> str:
    """A device's id as text; ids are bytes, on every system those of a text."""
    return bytes(raw).decode("utf-8", "replace")


def sizes(resolutions: Sequence[QSize]) -> tuple[tuple[int, int], ...]:
    """(width, height) without repetition, the largest first."""
    return tuple(
        sorted({(each.width(), each.height()) for each in resolutions}, key=lambda size: (size[0] * size[1], size))
    )[::-1]
