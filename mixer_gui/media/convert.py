"""Video frames to upright sRGB pixels and back, and pixels to images of the view's size. No sources, no threads.

Not `QVideoFrame.toImage()`: it holds the GIL for 15 to 25 ms of a 1080p frame; where there is OpenGL it makes a context
with threads of its own, and where there is none it takes all YUV for BT.601 in limited range. Not swscale by way of
PyAV: that is a second FFmpeg beside Qt's, with GPL parts in its wheel. numpy and Pillow release the GIL instead.

Transfer functions are left as they are: HDR is not mapped to sRGB.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PySide6.QtCore import QCoreApplication, QPoint, QRect, QSize
from PySide6.QtGui import QImage
from PySide6.QtMultimedia import QVideoFrame, QVideoFrameFormat

from mixer_gui.media.yuv import Planes, coefficients
from mixer_gui.records import MixerGuiError, Rect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mixer_gui.media.yuv import Coefficients, Samples

Format = QVideoFrameFormat.PixelFormat
ColorSpace = QVideoFrameFormat.ColorSpace

# Bytes of a pixel that are red, green and blue. Alpha is left out: what a premultiplied pixel is over black.
RGB_BYTES = {
    Format.Format_ARGB8888: (1, 2, 3),
    Format.Format_ARGB8888_Premultiplied: (1, 2, 3),
    Format.Format_XRGB8888: (1, 2, 3),
    Format.Format_BGRA8888: (2, 1, 0),
    Format.Format_BGRA8888_Premultiplied: (2, 1, 0),
    Format.Format_BGRX8888: (2, 1, 0),
    Format.Format_ABGR8888: (3, 2, 1),
    Format.Format_XBGR8888: (3, 2, 1),
    Format.Format_RGBA8888: (0, 1, 2),
    Format.Format_RGBX8888: (0, 1, 2),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the samples of a YUV format lie: (plane, first byte, bytes from one to the next) for each of Y, U, V.

    U and V have half of Y's columns, and a row for each `rows_a_chroma_row` rows of Y; a format without them is grey.
    A sample has `bits` bits, the lowest `empty_bits` of them always 0; above 8 it has two bytes, little-endian.
    """

    y: tuple[int, int, int]
    u: tuple[int, int, int] | None = None
    v: tuple[int, int, int] | None = None
    rows_a_chroma_row: int = 2
    bits: int = 8
    empty_bits: int = 0


LAYOUTS = {
    Format.Format_YUV420P: Layout((0, 0, 1), (1, 0, 1), (2, 0, 1)),
    Format.Format_YV12: Layout((0, 0, 1), (2, 0, 1), (1, 0, 1)),
    Format.Format_YUV422P: Layout((0, 0, 1), (1, 0, 1), (2, 0, 1), rows_a_chroma_row=1),
    Format.Format_NV12: Layout((0, 0, 1), (1, 0, 2), (1, 1, 2)),
    Format.Format_NV21: Layout((0, 0, 1), (1, 1, 2), (1, 0, 2)),
    Format.Format_YUYV: Layout((0, 0, 2), (0, 1, 4), (0, 3, 4), rows_a_chroma_row=1),
    Format.Format_UYVY: Layout((0, 1, 2), (0, 0, 4), (0, 2, 4), rows_a_chroma_row=1),
    Format.Format_P010: Layout((0, 0, 2), (1, 0, 4), (1, 2, 4), bits=16, empty_bits=6),
    Format.Format_P016: Layout((0, 0, 2), (1, 0, 4), (1, 2, 4), bits=16),
    Format.Format_YUV420P10: Layout((0, 0, 2), (1, 0, 2), (2, 0, 2), bits=10),
    Format.Format_Y8: Layout((0, 0, 1)),
    Format.Format_Y16: Layout((0, 0, 2), bits=16),
}

# Weights of red and blue in luma. AdobeRgb is what Qt calls the matrix of JPEG files, which is BT.601's.
WEIGHTS = {
    ColorSpace.ColorSpace_BT601: (0.299, 0.114),
    ColorSpace.ColorSpace_AdobeRgb: (0.299, 0.114),
    ColorSpace.ColorSpace_BT709: (0.2126, 0.0722),
    ColorSpace.ColorSpace_BT2020: (0.2627, 0.0593),
}
HD_LINES = 720  # a frame of at least as many lines that does not name its matrix is taken for BT.709, else BT.601


def upright_pixels(frame: QVideoFrame, *, rectangle: Rect | None = None) -> NDArray[np.uint8]:
    """The frame as it is to be seen: uint8 (height, width, 3), sRGB, C-contiguous, read-only, its own memory.

    Bottom-up lines, rotation and mirroring of the surface format are undone, then those of the frame, as Qt's widgets
    do. `rectangle`, in pixels of the upright frame, is cut out before anything is converted; what of it lies outside is
    left out. Any thread. YUV is within 1 of the float formula; chroma is repeated, not interpolated. Raises
    MixerGuiError for a frame that cannot be read and for a rectangle that lies outside of it.
    """
    with mapped(frame):
        picture = stored_picture(frame)
        orientation = orientation_of(frame)
        area = QRect(QPoint(), QSize(*picture.size))
        if (viewport := frame.surfaceFormat().viewport()).isValid() and area.size() == frame.size():
            area &= viewport
        if rectangle is not None:
            area = orientation.stored_area(rectangle, area)
        if area.isEmpty():
            raise MixerGuiError(translated("That part of the screen lies outside of the picture."))
        size = orientation.upright_size(area.size())
        pixels = np.empty((size.height(), size.width(), 3), np.uint8)
        picture.write(area.left(), area.top(), orientation.stored_view(pixels))
    pixels.setflags(write=False)
    return pixels


def fitted_image(pixels: NDArray[np.uint8], size: QSize) -> QImage:
    """Pixels (height, width, 3) as large as fits `size`, in device pixels: Format_RGB32, its own memory.

    Down- or upscaled with the aspect kept, at least 1 x 1; averaged by whole factors, then bilinear. Any thread.
    """
    height, width = pixels.shape[:2]
    scale = min(size.width() / width, size.height() / height)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(pixels)
    if fitted != picture.size:
        picture = picture.resize(fitted, Image.Resampling.BILINEAR, reducing_gap=1.0)
    lines = picture.tobytes("raw", "BGRX")
    return QImage(lines, *fitted, fitted[0] * 4, QImage.Format.Format_RGB32).copy()


def video_frame(pixels: NDArray[np.uint8], *, start_s: float, duration_s: float) -> QVideoFrame:
    """A frame in Format_RGBX8888 of pixels (height, width, 3), shown from `start_s` on; its own memory. Any thread."""
    height, width = pixels.shape[:2]
    frame = QVideoFrame(QVideoFrameFormat(QSize(width, height), Format.Format_RGBX8888))
    with mapped(frame, QVideoFrame.MapMode.WriteOnly):
        stored = samples(frame, (0, 0, 4), height, width, channels=4)
        for channel in range(3):
            stored[..., channel] = pixels[..., channel]
        stored[..., 3] = 255
    frame.setStartTime(round(start_s * 1e6))
    frame.setEndTime(round((start_s + duration_s) * 1e6))
    return frame


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture is turned to be upright: clockwise by quarter `turns`, then mirrored left to right."""

    turns: int = 0
    mirrored: bool = False

    def then(self, degrees: int, *, mirrored: bool) -> Orientation:
        """Turned further: clockwise by `degrees`, then perhaps mirrored."""
        turns = -degrees // 90 if self.mirrored else degrees // 90  # before the mirror, so the other way around
        return Orientation((self.turns + turns) % 4, self.mirrored != mirrored)

    def upright_size(self, stored: QSize) -> QSize:
        return stored.transposed() if self.turns % 2 else stored

    def stored_view(self, upright: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A view of an upright array in which the stored picture is at (row, column) of its own."""
        return np.rot90(upright[:, ::-1] if self.mirrored else upright, self.turns)

    def stored_area(self, rectangle: Rect, within: QRect) -> QRect:
        """The pixels of the stored picture that are in a rectangle of the upright picture of its part `within`."""
        size = self.upright_size(within.size())
        left, top = round(rectangle.left), round(rectangle.top)
        area = QRect(left, top, round(rectangle.right) - left, round(rectangle.bottom) - top)
        if self.mirrored:
            area.moveLeft(size.width() - area.left() - area.width())
        for _ in range(self.turns):
            area = QRect(area.top(), size.width() - area.left() - area.width(), area.height(), area.width())
            size = size.transposed()
        return area.translated(within.topLeft()) & within


def orientation_of(frame: QVideoFrame) -> Orientation:
    """What makes the memory of `stored_picture(frame)` upright, in the order in which Qt's widgets apply it."""
    surface = frame.surfaceFormat()
    result = Orientation()
    if readable(frame):
        if surface.scanLineDirection() == QVideoFrameFormat.Direction.BottomToTop:
            result = result.then(180, mirrored=True)
        result = result.then(surface.rotation().value, mirrored=surface.isMirrored())
    return result.then(frame.rotation().value, mirrored=frame.mirrored())


def readable(frame: QVideoFrame) -> bool:
    """Whether the memory is read here; else toImage reads it, which applies the surface format's orientation itself."""
    format_ = frame.pixelFormat()
    return format_ in RGB_BYTES or format_ in LAYOUTS or format_ == Format.Format_Jpeg


def stored_picture(frame: QVideoFrame) -> Interleaved | Planes:
    """What a mapped frame holds, not upright, mostly without a copy: gone when the frame is unmapped."""
    format_ = frame.pixelFormat()
    width, height = frame.width(), frame.height()
    if format_ in RGB_BYTES:
        return Interleaved(samples(frame, (0, 0, 4), height, width, channels=4).view(np.uint8), RGB_BYTES[format_])
    if format_ == Format.Format_Jpeg:
        return Interleaved(jpeg_pixels(frame))
    if format_ not in LAYOUTS:
        return Interleaved(image_pixels(frame))
    layout = LAYOUTS[format_]
    y = samples(frame, layout.y, height, width, bits=layout.bits)
    chroma = []
    for place in (layout.u, layout.v):
        if place is not None:
            # Of an odd height Qt itself allocates, and maps, only half the rows rounded down.
            rows = -(-height // layout.rows_a_chroma_row)
            mapped_rows = frame.mappedBytes(place[0]) // max(1, frame.bytesPerLine(place[0]))
            there = samples(frame, place, max(1, min(rows, mapped_rows)), -(-width // 2), bits=layout.bits)
            chroma.append(np.concatenate([there, there[-1:]]) if len(there) == rows - 1 else there)
    return Planes(y, tuple(chroma), layout.rows_a_chroma_row, coefficients_of(frame, layout))


def samples(
    frame: QVideoFrame, place: tuple[int, int, int], rows: int, columns: int, *, bits: int = 8, channels: int = 1
) -> Samples:
    """A view (rows, columns) or (rows, columns, channels) of a mapped plane; `place` as in `Layout`."""
    plane, first, step = place
    bytes_a_sample = 2 if bits > 8 else 1
    line = frame.bytesPerLine(plane)
    row_bytes = first + (columns - 1) * step + channels * bytes_a_sample
    memory = frame.bits(plane)
    if memory is None or row_bytes > line or (rows - 1) * line + row_bytes > frame.mappedBytes(plane):
        raise unreadable(f"plane {plane}: {frame.mappedBytes(plane)} bytes in lines of {line}, wanted {rows}x{columns}")
    shape, strides = (rows, columns, channels), (line, step, bytes_a_sample)
    dimensions = 3 if channels > 1 else 2
    return np.ndarray(shape[:dimensions], "<u2" if bits > 8 else "u1", memory, first, strides[:dimensions])


def jpeg_pixels(frame: QVideoFrame) -> NDArray[np.uint8]:
    """A frame of a camera that sends JPEG files, (height, width, 3)."""
    try:
        with Image.open(io.BytesIO(bytes(frame.bits(0))), formats=["JPEG"]) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise unreadable(str(error)) from error


def image_pixels(frame: QVideoFrame) -> NDArray[np.uint8]:
    """What toImage makes of a rare format, (height, width, 3); its surface format's orientation is applied."""
    image = frame.toImage().convertToFormat(QImage.Format.Format_RGB888)
    if image.isNull():
        raise unreadable(f"toImage cannot read {frame.pixelFormat().name}")
    shape = (image.height(), image.width(), 3)
    return np.ndarray(shape, np.uint8, image.constBits(), 0, (image.bytesPerLine(), 3, 1)).copy()


@dataclass(frozen=True, slots=True, eq=False)
class Interleaved:
    """A picture with its colours beside each other: `pixels` (height, width, channels)."""

    pixels: NDArray[np.uint8]
    red_green_blue: tuple[int, int, int] = (0, 1, 2)

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    def write(self, left: int, top: int, into: NDArray[np.uint8]) -> None:
        """Fill `into` (rows, columns, 3) with the part that begins at (left, top)."""
        part = self.pixels[top : top + into.shape[0], left : left + into.shape[1]]
        for channel, byte in enumerate(self.red_green_blue):  # plain copies; a reversed slice takes five times as long
            into[..., channel] = part[..., byte]


def coefficients_of(frame: QVideoFrame, layout: Layout) -> Coefficients:
    surface = frame.surfaceFormat()
    undefined = ColorSpace.ColorSpace_BT709 if frame.height() >= HD_LINES else ColorSpace.ColorSpace_BT601
    red, blue = WEIGHTS.get(surface.colorSpace(), WEIGHTS[undefined])
    range_ = surface.colorRange()
    full = range_ == QVideoFrameFormat.ColorRange.ColorRange_Full
    if layout.u is None:  # grey that does not say is full: cameras' and Qt's own
        full = range_ != QVideoFrameFormat.ColorRange.ColorRange_Video
    return coefficients(red, blue, full=full, bits=layout.bits, empty_bits=layout.empty_bits)


@contextmanager
def mapped(frame: QVideoFrame, mode: QVideoFrame.MapMode = QVideoFrame.MapMode.ReadOnly) -> Iterator[None]:
    """The frame's memory may be used in the block, and not after it."""
    if not frame.map(mode):
        raise unreadable("map failed")
    try:
        yield
    finally:
        frame.unmap()


def unreadable(detail: str) -> MixerGuiError:
    return MixerGuiError(translated("A frame of the video could not be read."), detail)


def translated(text: str) -> str:
    return QCoreApplication.translate("convert", text)
