"""Real videos for the tests, recorded with Qt from real photographs. Nothing here asserts or plays."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEventLoop, QLoggingCategory, QSize, Qt, QTimer, QUrl
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtMultimedia import (
    QMediaCaptureSession,
    QMediaFormat,
    QMediaRecorder,
    QVideoFrame,
    QVideoFrameFormat,
    QVideoFrameInput,
)
from PySide6.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORMATS = {
    ".mp4": QMediaFormat.FileFormat.MPEG4,
    ".mov": QMediaFormat.FileFormat.QuickTime,
    ".mkv": QMediaFormat.FileFormat.Matroska,
    ".avi": QMediaFormat.FileFormat.AVI,
}
TIMEOUT_MS = 60_000
# Libraries that are not installed, once in each process, and files that cannot be opened: Qt warnings fail tests.
QUIET = "qt.multimedia.symbolsresolver=false\nqt.multimedia.ffmpeg.mediadataholder=false"

QLoggingCategory.setFilterRules(QUIET)

_applications: list[QGuiApplication] = []  # one that nobody holds is deleted


def two_photographs() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """scikit-image's coffee and rocket: (400, 600, 3) uint8 sRGB each."""
    import skimage.data

    coffee, rocket = skimage.data.coffee(), skimage.data.rocket()
    return np.ascontiguousarray(coffee[:400, :600]), np.ascontiguousarray(rocket[:400, :600])


def write_clip(
    path: Path,
    pictures: Sequence[NDArray[np.uint8]],
    *,
    seconds_each: float = 1.0,
    rate: float = 30,
    size: tuple[int, int] | None = None,
    repeats: int = 1,
) -> Path:
    """Record `pictures` (uint8 (height, width, 3)) one after the other, all of them `repeats` times; returns `path`.

    MPEG-4 part 2 in the container that the suffix names (.mp4, .mov, .mkv, .avi). `size` (width, height), even, is the
    first picture's where None; the pictures are stretched to it. Each is shown for round(seconds_each * rate) frames;
    frame k starts at k / rate. Needs no event loop that runs; makes an application where there is none. Raises
    RuntimeError where the recorder fails.
    """
    if QGuiApplication.instance() is None:
        _applications.append(QApplication([]))
    width, height = size or (pictures[0].shape[1], pictures[0].shape[0])
    images = [image_of(picture, QSize(width, height)) for picture in pictures]
    each = round(seconds_each * rate)
    shown = [image for _ in range(repeats) for image in images for _ in range(each)]
    us = [int(Fraction(1_000_000) * k / Fraction(rate)) for k in range(len(shown) + 1)]

    stream = QVideoFrameFormat(QSize(width, height), QVideoFrameFormat.PixelFormat.Format_RGBX8888)
    stream.setStreamFrameRate(rate)
    source, session, recorder, loop = QVideoFrameInput(stream), QMediaCaptureSession(), QMediaRecorder(), QEventLoop()
    session.setVideoFrameInput(source)
    session.setRecorder(recorder)
    file_format = QMediaFormat(FORMATS[path.suffix])
    file_format.setVideoCodec(QMediaFormat.VideoCodec.MPEG4)
    recorder.setMediaFormat(file_format)
    recorder.setVideoResolution(QSize(width, height))
    recorder.setVideoFrameRate(rate)
    recorder.setQuality(QMediaRecorder.Quality.VeryHighQuality)
    recorder.setAutoStop(True)
    recorder.setOutputLocation(QUrl.fromLocalFile(str(path.resolve())))
    sent = 0
    errors: list[str] = []

    def send() -> None:
        nonlocal sent
        while sent <= len(shown):
            frame = QVideoFrame()  # an empty one ends the recording
            if sent < len(shown):
                frame = QVideoFrame(shown[sent])
                frame.setStartTime(us[sent])
                frame.setEndTime(us[sent + 1])
            if not source.sendVideoFrame(frame):
                return
            sent += 1

    def changed(state: QMediaRecorder.RecorderState) -> None:
        if state == QMediaRecorder.RecorderState.StoppedState:
            loop.quit()

    def failed(_: QMediaRecorder.Error, text: str) -> None:
        errors.append(text)
        loop.quit()

    source.readyToSendVideoFrame.connect(send)
    recorder.recorderStateChanged.connect(changed)
    recorder.errorOccurred.connect(failed)
    limit = QTimer(singleShot=True)
    limit.timeout.connect(lambda: failed(QMediaRecorder.Error.ResourceError, "the recorder did not end"))
    limit.start(TIMEOUT_MS)
    recorder.record()
    if not errors:
        loop.exec()
    limit.stop()
    if errors or not path.exists():
        raise RuntimeError(f"{path} could not be recorded: {' '.join(errors)}")
    return path


def image_of(picture: NDArray[np.uint8], size: QSize | None = None) -> QImage:
    """Format_RGBX8888 of its own memory; stretched to `size` where one is given."""
    pixels = np.ascontiguousarray(picture)
    height, width = pixels.shape[:2]
    image = QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB888)
    image = image.convertToFormat(QImage.Format.Format_RGBX8888)
    if size is not None and size != image.size():
        image = image.scaled(size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
    return image


def cut_short(path: Path, target: Path, fraction: float) -> Path:
    """Write the first `fraction` of a file's bytes to `target`; returns `target`."""
    content = path.read_bytes()
    target.write_bytes(content[: int(len(content) * fraction)])
    return target
