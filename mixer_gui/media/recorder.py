"""Pictures to a video file, encoded in Qt's threads. Knows nothing of where they come from or what is drawn on them."""

from __future__ import annotations

import os
import shutil
from collections import deque
from pathlib import Path

from PySide6.QtCore import QObject, QSize, QUrl, Signal, Slot
from PySide6.QtGui import QImage
from PySide6.QtMultimedia import (
    QMediaCaptureSession,
    QMediaFormat,
    QMediaRecorder,
    QVideoFrame,
    QVideoFrameFormat,
    QVideoFrameInput,
)

QUEUE_FRAMES = 60
RESERVE_BYTES = 32 << 20  # an MP4 whose end cannot be written any more cannot be played
FRAMES_A_CHECK = 30

FileFormat = QMediaFormat.FileFormat
VideoCodec = QMediaFormat.VideoCodec
Error = QMediaRecorder.Error

# PySide6's own FFmpeg encodes no H.264; where a system's does, it is far smaller and plays everywhere.
CODECS = (VideoCodec.H264, VideoCodec.MPEG4, VideoCodec.H265, VideoCodec.AV1, VideoCodec.MotionJPEG)
FORMATS = {
    ".avi": FileFormat.AVI,
    ".mkv": FileFormat.Matroska,
    ".mov": FileFormat.QuickTime,
    ".mp4": FileFormat.MPEG4,
}


class VideoRecorder(QObject):
    """One recording at a time. Lives in a thread with an event loop; everything is called there.

    What is added is written, all of it, unless the encoder falls `QUEUE_FRAMES` behind: then the new ones are dropped
    and counted.
    """

    started = Signal()
    finished = Signal(str)  # the file's path; it is complete
    failed = Signal(str)  # a sentence; what was written is kept

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session: QMediaCaptureSession | None = None
        self._recorder: QMediaRecorder | None = None
        self._input: QVideoFrameInput | None = None
        self._waiting: deque[QVideoFrame] = deque()
        self._path = Path()
        self._size = QSize()
        self._first_us: int | None = None
        self._last_us = -1
        self._added = 0
        self._dropped = 0
        self._is_stopping = False
        self._end_sent = False
        self._sentence = ""  # why it failed, told once the file is closed

    @property
    def dropped(self) -> int:
        """Frames of this recording that were left out because the encoder was behind."""
        return self._dropped

    @property
    def is_recording(self) -> bool:
        """From `start` until `finished` or `failed`."""
        return self._recorder is not None

    def start(self, path: Path, size: QSize, rate: float) -> None:
        """Begin a file, of the kind that its suffix says (else MP4); what has its name is replaced.

        `size` in pixels, made even by dropping a row or column: most codecs need that. `rate`: about how many frames a
        second will come. `started`, or `failed`, follows at once.
        """
        if self._recorder is not None and self._is_stopping:
            self.failed.emit(self.tr("The recording before is still being written. Try again in a moment."))
            return
        if self._recorder is not None:
            raise RuntimeError("one recording at a time")
        self._path = path.absolute()
        self._size = QSize(max(2, size.width() & ~1), max(2, size.height() & ~1))
        self._waiting.clear()
        self._first_us, self._last_us, self._added, self._dropped = None, -1, 0, 0
        self._is_stopping, self._end_sent, self._sentence = False, False, ""
        file_format = _file_format(self._path.suffix.lower())
        if file_format is None:
            self.failed.emit(self.tr("Videos cannot be recorded here: Qt has no encoder for them."))
            return
        if not self._path.parent.is_dir():
            self.failed.emit(
                self.tr("The folder “{folder}” does not exist.").format(folder=self._path.parent.name or "/")
            )
            return
        if os.path.isdir(self._path):  # noqa: PTH112 - no error for a name that is too long; Qt would choose a name in it
            self.failed.emit(self.tr("“{name}” is a folder.").format(name=path.name))
            return
        if self._is_disk_full():
            self.failed.emit(self.tr("The disk is full: nothing can be recorded to “{name}”.").format(name=path.name))
            return
        stream = QVideoFrameFormat(self._size, QVideoFrameFormat.PixelFormat.Format_BGRX8888)
        stream.setStreamFrameRate(rate)
        self._input = QVideoFrameInput(stream)
        self._session = QMediaCaptureSession()
        self._recorder = recorder = QMediaRecorder()
        self._session.setVideoFrameInput(self._input)
        self._session.setRecorder(recorder)
        recorder.setMediaFormat(file_format)
        recorder.setVideoResolution(self._size)
        recorder.setVideoFrameRate(rate)
        recorder.setQuality(QMediaRecorder.Quality.VeryHighQuality)
        recorder.setAutoStop(True)
        recorder.setOutputLocation(QUrl.fromLocalFile(str(self._path)))
        recorder.errorOccurred.connect(self._note_error)
        recorder.recorderStateChanged.connect(self._follow_state)
        self._input.readyToSendVideoFrame.connect(self._send)
        recorder.record()
        if recorder.recorderState() != QMediaRecorder.RecorderState.RecordingState:
            self._end()
            return
        self.started.emit()

    def add(self, image: QImage, time_s: float) -> None:
        """Write a picture, from `time_s` on (by any clock; the first is the video's 0) until the next one's time.

        One that is not later than the last is left out, uncounted. Its pixels are kept until they are written: do not
        paint on it. A picture of another size is scaled, but for a single row or column, which is cut off.
        """
        if self._recorder is None or self._is_stopping:
            return
        time_us = round(time_s * 1e6)
        if self._first_us is None:
            self._first_us = time_us
        time_us -= self._first_us
        if time_us <= self._last_us:
            return
        if len(self._waiting) >= QUEUE_FRAMES:
            self._dropped += 1
            return
        frame = QVideoFrame(self._fitting(image))
        frame.setStartTime(time_us)
        self._last_us = time_us
        self._waiting.append(frame)
        self._added += 1
        if self._added % FRAMES_A_CHECK == 0 and self._is_disk_full():
            self._sentence = self.tr("The disk is nearly full. What was recorded until now is in “{name}”.").format(
                name=self._path.name
            )
            self.stop()
            return
        self._send()

    @Slot()
    def stop(self) -> None:
        """Write what waits and close the file; `finished` or `failed` follows. Without a recording: nothing."""
        if self._recorder is None or self._is_stopping:
            return
        self._is_stopping = True
        if not self._added:
            self._sentence = self.tr("Nothing was recorded: no picture came.")
            self._recorder.stop()
            self._end()
            return
        self._send()

    @Slot()
    def _send(self) -> None:
        if self._input is None:
            return
        while self._waiting:
            if not self._input.sendVideoFrame(self._waiting[0]):
                return
            self._waiting.popleft()
        if self._is_stopping and not self._end_sent:
            self._end_sent = self._input.sendVideoFrame(QVideoFrame())  # an empty one ends the recording

    def _fitting(self, image: QImage) -> QImage:
        image = image.convertToFormat(QImage.Format.Format_RGB32)
        spare = image.size() - self._size
        if spare.isNull():
            return image
        if 0 <= spare.width() <= 1 and 0 <= spare.height() <= 1:
            return image.copy(0, 0, self._size.width(), self._size.height())
        return image.scaled(self._size)

    @Slot(QMediaRecorder.Error, str)
    def _note_error(self, error: QMediaRecorder.Error, text: str) -> None:
        if not self._sentence:
            self._sentence = self._sentence_for(error, text)
        if (
            self._recorder is not None
            and self._recorder.recorderState() == QMediaRecorder.RecorderState.StoppedState
            and self._added
        ):
            self._end()

    @Slot(QMediaRecorder.RecorderState)
    def _follow_state(self, state: QMediaRecorder.RecorderState) -> None:
        if state == QMediaRecorder.RecorderState.StoppedState:
            self._end()

    def _end(self) -> None:
        """Let go of everything and tell how it ended, once."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        # Not here and now: this may be a slot of the very objects.
        for each in (recorder, self._session, self._input):
            if each is not None:
                each.disconnect(self)
                each.deleteLater()
        self._session, self._input = None, None
        self._waiting.clear()
        if self._sentence:
            self.failed.emit(self._sentence)
        elif not self._is_stopping:
            self.failed.emit(
                self.tr("The recording ended by itself. What came of it is in “{name}”.").format(name=self._path.name)
            )
        else:
            self.finished.emit(str(self._path))

    def _sentence_for(self, error: QMediaRecorder.Error, text: str) -> str:
        name = self._path.name
        if error == Error.OutOfSpaceError or self._is_disk_full():
            return self.tr("The disk is full. What could be written is in “{name}”.").format(name=name)
        if error == Error.LocationNotWritable:
            return self.tr("“{name}” cannot be written there.").format(name=name)
        return self.tr("The recording to “{name}” failed: {reason}.").format(name=name, reason=text.rstrip("."))

    def _is_disk_full(self) -> bool:
        try:
            return shutil.disk_usage(self._path.parent).free < RESERVE_BYTES
        except OSError:
            return False  # the encoder will say


def _file_format(suffix: str) -> QMediaFormat | None:
    """The container for a suffix with the best codec that can be encoded here; None where there is none."""
    wanted = QMediaFormat(FORMATS.get(suffix, FileFormat.MPEG4))
    there = wanted.supportedVideoCodecs(QMediaFormat.ConversionMode.Encode)
    codec = next((each for each in CODECS if each in there), None)
    if codec is None:
        return None
    wanted.setVideoCodec(codec)
    return wanted
