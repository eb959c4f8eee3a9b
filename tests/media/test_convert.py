"""Frames to pixels against float formulas and numpy's rotations, and by way of a capture session as a camera's come."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtCore import QObject, QRect, QSize, QThread, Signal, Slot
from PySide6.QtGui import QImage
from PySide6.QtMultimedia import (
    QMediaCaptureSession,
    QtVideo,
    QVideoFrame,
    QVideoFrameFormat,
    QVideoFrameInput,
    QVideoSink,
)
from pytestqt.qtbot import QtBot

from mixer_gui.media.convert import LAYOUTS, RGB_BYTES, fitted_image, upright_pixels, video_frame
from mixer_gui.records import MixerGuiError, Rect

Pixels = NDArray[np.uint8]
Format = QVideoFrameFormat.PixelFormat
ColorSpace = QVideoFrameFormat.ColorSpace
ColorRange = QVideoFrameFormat.ColorRange
Rotation = QtVideo.Rotation

# Qt's words where there is no OpenGL and no video acceleration.
pytestmark = [
    pytest.mark.usefixtures("qapp"),
    pytest.mark.qt_log_ignore("No RHI backend", "Couldn't (load|resolve) (va|pipewire)", extend=True),
]

COFFEE: Pixels = skimage.data.coffee()[40:280, 100:420]  # 320 x 240
CHELSEA: Pixels = skimage.data.chelsea()[31:152, 101:260]  # 159 x 121, both odd
WEIGHTS = {
    ColorSpace.ColorSpace_BT601: (0.299, 0.587, 0.114),
    ColorSpace.ColorSpace_AdobeRgb: (0.299, 0.587, 0.114),
    ColorSpace.ColorSpace_BT709: (0.2126, 0.7152, 0.0722),
    ColorSpace.ColorSpace_BT2020: (0.2627, 0.678, 0.0593),
}
YUV_FORMATS = [format_ for format_, layout in LAYOUTS.items() if layout.u]
GREY_FORMATS = [Format.Format_Y8, Format.Format_Y16]
# Of each format: bits of a sample and how far up they are shifted; rows and columns for each of U and V.
DEPTHS = {Format.Format_P010: (10, 6), Format.Format_P016: (16, 0), Format.Format_YUV420P10: (10, 0)}
FULL_ROWS = {Format.Format_YUV422P, Format.Format_YUYV, Format.Format_UYVY}
SPACES = [*WEIGHTS, ColorSpace.ColorSpace_Undefined]
RANGES = list(ColorRange)
TURNS = {Rotation.None_: 0, Rotation.Clockwise90: 1, Rotation.Clockwise180: 2, Rotation.Clockwise270: 3}


def weights_of(space: ColorSpace, height: int) -> tuple[float, float, float]:
    default = ColorSpace.ColorSpace_BT709 if height >= 720 else ColorSpace.ColorSpace_BT601
    return WEIGHTS.get(space, WEIGHTS[default])


def to_yuv(picture: Pixels, weights: tuple[float, float, float], *, full: bool, bits: int) -> list[NDArray[np.float64]]:
    """Y, U, V (height, width) in code values, not rounded."""
    red, green, blue = (picture[..., channel] / 255 for channel in range(3))
    y = weights[0] * red + weights[1] * green + weights[2] * blue
    u, v = (blue - y) / (2 * (1 - weights[2])), (red - y) / (2 * (1 - weights[0]))
    if full:
        top, middle = 2**bits - 1, 2 ** (bits - 1)
        return [y * top, u * top + middle, v * top + middle]
    unit = 2 ** (bits - 8)
    return [(219 * y + 16) * unit, (224 * u + 128) * unit, (224 * v + 128) * unit]


def from_yuv(
    planes: list[NDArray[np.float64]], weights: tuple[float, float, float], *, full: bool, bits: int
) -> NDArray[np.float64]:
    """What `to_yuv` undoes: (height, width, 3), 0…255, not rounded; `planes` of one size."""
    y, u, v = planes
    if full:
        top, middle = 2**bits - 1, 2 ** (bits - 1)
        y, u, v = y / top, (u - middle) / top, (v - middle) / top
    else:
        unit = 2 ** (bits - 8)
        y, u, v = (y / unit - 16) / 219, (u / unit - 128) / 224, (v / unit - 128) / 224
    red, blue = y + 2 * (1 - weights[0]) * v, y + 2 * (1 - weights[2]) * u
    green = (y - weights[0] * red - weights[2] * blue) / weights[1]
    return np.clip(255 * np.stack([red, green, blue], axis=-1), 0, 255)


def halved(plane: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    """Means of pairs of columns and, with `rows` 2, of rows; an odd edge is its own pair."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, height % rows), (0, width % 2)), mode="edge")
    return padded.reshape(-(-height // rows), rows, -(-width // 2), 2).mean(axis=(1, 3))


def lines_of(frame: QVideoFrame, plane: int, type_: str = "u1") -> NDArray[np.unsignedinteger]:
    """A mapped plane as (lines, samples of a line with its padding)."""
    return np.frombuffer(frame.bits(plane), type_).reshape(-1, frame.bytesPerLine(plane) // np.dtype(type_).itemsize)


def put(lines: NDArray[np.unsignedinteger], values: NDArray[np.unsignedinteger], first: int = 0, step: int = 1) -> None:
    """Into every `step`th sample; rows that the plane lacks (Qt rounds half of an odd height down) are left out."""
    rows = min(len(lines), len(values))
    lines[:rows, first : first + step * (values.shape[1] - 1) + 1 : step] = values[:rows]


def yuv_frame(
    picture: Pixels, surface: QVideoFrameFormat, space: ColorSpace, *, full: bool
) -> tuple[QVideoFrame, NDArray[np.float64]]:
    """A frame by the float formula, and what its very samples are in colours (height, width, 3)."""
    format_ = surface.pixelFormat()
    bits, shift = DEPTHS.get(format_, (8, 0))
    height, width = picture.shape[:2]
    rows = 1 if format_ in FULL_ROWS else 2
    weights = weights_of(space, height)
    exact = to_yuv(picture, weights, full=full, bits=bits)
    type_ = "<u2" if bits > 8 else "u1"
    y, u, v = (
        np.clip(np.round(plane), 0, 2**bits - 1).astype(type_)
        for plane in (exact[0], halved(exact[1], rows), halved(exact[2], rows))
    )
    frame = QVideoFrame(surface)
    assert frame.map(QVideoFrame.MapMode.WriteOnly)
    planes = [lines_of(frame, plane, type_) for plane in range(frame.planeCount())]
    for plane in planes:
        plane[...] = 0xA5  # padding is not black
    shifted = [y << shift, u << shift, v << shift]
    if format_ in (Format.Format_YUYV, Format.Format_UYVY):
        luma = 0 if format_ == Format.Format_YUYV else 1
        for values, first, step in zip(shifted, (luma, 1 - luma, 3 - luma), (2, 4, 4), strict=True):
            put(planes[0], values, first, step)
    elif len(planes) == 2:
        put(planes[0], shifted[0])
        first = 1 if format_ == Format.Format_NV21 else 0
        put(planes[1], shifted[1], first, 2)
        put(planes[1], shifted[2], 1 - first, 2)
    else:
        order = (0, 2, 1) if format_ == Format.Format_YV12 else (0, 1, 2)
        for values, plane in zip(shifted, order, strict=True):
            put(planes[plane], values)
    chroma_rows = min(len(u), min(len(plane) for plane in planes))
    frame.unmap()
    full_size = [y.astype(float)]
    for plane in (u, v):
        there = np.pad(plane[:chroma_rows], ((0, len(plane) - chroma_rows), (0, 0)), mode="edge")
        full_size.append(there.repeat(rows, axis=0)[:height].repeat(2, axis=1)[:, :width].astype(float))
    return frame, from_yuv(full_size, weights, full=full, bits=bits)


def surface_of(picture: Pixels, format_: Format) -> QVideoFrameFormat:
    return QVideoFrameFormat(QSize(picture.shape[1], picture.shape[0]), format_)


def rgb_frame(picture: Pixels, surface: QVideoFrameFormat, other: int = 200) -> QVideoFrame:
    """A frame in one of the formats whose names say which byte is which; `other` is alpha, or nothing."""
    frame = QVideoFrame(surface)
    name = surface.pixelFormat().name.removeprefix("Format_")[:4]
    height, width = picture.shape[:2]
    assert frame.map(QVideoFrame.MapMode.WriteOnly)
    lines = lines_of(frame, 0)
    lines[...] = 0x5A
    stored = lines[:, : width * 4].reshape(height, width, 4)
    for byte, colour in enumerate(name):
        stored[..., byte] = picture[..., "RGB".index(colour)] if colour in "RGB" else other
    frame.unmap()
    return frame


def any_frame(picture: Pixels, surface: QVideoFrameFormat) -> QVideoFrame:
    if surface.pixelFormat() in RGB_BYTES:
        return rgb_frame(picture, surface)
    return yuv_frame(picture, surface, surface.colorSpace(), full=False)[0]


def mean_difference(left: Pixels, right: Pixels) -> float:
    return float(np.abs(left.astype(float) - right).mean())


def assert_owned(pixels: Pixels) -> None:
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert not pixels.flags.writeable
    assert pixels.flags.owndata


@pytest.mark.parametrize("picture", [COFFEE, CHELSEA], ids=["even", "odd"])
@pytest.mark.parametrize("format_", RGB_BYTES, ids=lambda format_: format_.name)
def test_rgb_frames_are_read_exactly(format_: Format, picture: Pixels) -> None:
    pixels = upright_pixels(rgb_frame(picture, surface_of(picture, format_)))
    assert_owned(pixels)
    assert np.array_equal(pixels, picture)


@pytest.mark.parametrize("range_", RANGES, ids=lambda range_: range_.name)
@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("format_", YUV_FORMATS, ids=lambda format_: format_.name)
def test_yuv_frames_are_within_one_of_the_formula(format_: Format, space: ColorSpace, range_: ColorRange) -> None:
    for picture in (COFFEE, CHELSEA):
        surface = surface_of(picture, format_)
        surface.setColorSpace(space)
        surface.setColorRange(range_)
        frame, expected = yuv_frame(picture, surface, space, full=range_ == ColorRange.ColorRange_Full)
        pixels = upright_pixels(frame)
        assert_owned(pixels)
        assert np.abs(pixels.astype(float) - np.round(expected)).max() <= 1
        assert np.abs((pixels - expected).mean()) < 0.05  # no bias
        assert mean_difference(pixels, picture) < 3  # what chroma lost


@pytest.mark.parametrize("format_", YUV_FORMATS, ids=lambda format_: format_.name)
def test_every_sample_value_stays_in_range(format_: Format) -> None:
    noise = np.random.default_rng(7)
    surface = surface_of(np.empty((64, 96, 3), np.uint8), format_)
    surface.setColorSpace(ColorSpace.ColorSpace_BT2020)
    frame = QVideoFrame(surface)
    assert frame.map(QVideoFrame.MapMode.WriteOnly)
    high = 3 if format_ == Format.Format_YUV420P10 else 255
    for plane in range(frame.planeCount()):
        lines = lines_of(frame, plane)
        lines[...] = noise.integers(0, 256, lines.shape)
        lines[:, 1::2] &= high
    frame.unmap()
    bits, shift = DEPTHS.get(format_, (8, 0))
    frame.map(QVideoFrame.MapMode.ReadOnly)
    rows = 1 if format_ in FULL_ROWS else 2
    type_ = "<u2" if bits > 8 else "u1"
    planes = [lines_of(frame, plane, type_).astype(float) / 2**shift for plane in range(frame.planeCount())]
    frame.unmap()
    if format_ in (Format.Format_YUYV, Format.Format_UYVY):
        luma = 0 if format_ == Format.Format_YUYV else 1
        y, u, v = planes[0][:, luma::2], planes[0][:, 1 - luma :: 4], planes[0][:, 3 - luma :: 4]
    elif len(planes) == 2:
        first = 1 if format_ == Format.Format_NV21 else 0
        y, u, v = planes[0], planes[1][:, first::2], planes[1][:, 1 - first :: 2]
    else:
        y, u, v = planes if format_ != Format.Format_YV12 else (planes[0], planes[2], planes[1])
    whole = [y[:64, :96], *(plane.repeat(rows, 0).repeat(2, 1)[:64, :96] for plane in (u, v))]
    expected = from_yuv(whole, WEIGHTS[ColorSpace.ColorSpace_BT2020], full=False, bits=bits)
    assert np.abs(upright_pixels(frame) - np.round(expected)).max() <= 1


def test_frame_of_720_lines_without_a_matrix_is_taken_for_bt709() -> None:
    picture = np.tile(COFFEE, (3, 1, 1))
    surface = surface_of(picture, Format.Format_NV12)
    frame, expected = yuv_frame(picture, surface, ColorSpace.ColorSpace_BT709, full=False)
    assert np.abs(upright_pixels(frame) - np.round(expected)).max() <= 1


@pytest.mark.parametrize("format_", GREY_FORMATS, ids=lambda format_: format_.name)
@pytest.mark.parametrize("range_", RANGES, ids=lambda range_: range_.name)
def test_grey_is_full_range_unless_it_says_otherwise(format_: Format, range_: ColorRange) -> None:
    surface = surface_of(CHELSEA, format_)
    surface.setColorRange(range_)
    grey = CHELSEA[..., 1]
    limited = range_ == ColorRange.ColorRange_Video
    frame = QVideoFrame(surface)
    assert frame.map(QVideoFrame.MapMode.WriteOnly)
    values = np.round(grey / 255 * 219 + 16) if limited else grey.astype(float)
    if format_ == Format.Format_Y16:
        put(lines_of(frame, 0, "<u2"), (values * (256 if limited else 257)).astype("<u2"))
    else:
        put(lines_of(frame, 0), values.astype(np.uint8))
    frame.unmap()
    pixels = upright_pixels(frame)
    assert_owned(pixels)
    assert np.abs(pixels.astype(int) - grey[..., None]).max() <= (1 if limited else 0)


def jpeg_frame(data: bytes, picture: Pixels) -> QVideoFrame:
    """As a camera's driver hands it over: the file, and after it what the buffer held before."""
    frame = QVideoFrame(surface_of(picture, Format.Format_Jpeg))
    assert frame.map(QVideoFrame.MapMode.WriteOnly)
    memory = np.frombuffer(frame.bits(0), np.uint8)
    memory[...] = 0x3C
    memory[: len(data)] = np.frombuffer(data, np.uint8)
    frame.unmap()
    return frame


def jpeg_of(picture: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue()


def without_huffman_tables(data: bytes) -> bytes:
    """A JPEG file as many cameras send it, who leave the standard's own tables out."""
    kept, at = bytearray(data[:2]), 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] != 0xC4:
            kept += data[at:end]
        at = end
    return bytes(kept + data[at:])


@pytest.mark.parametrize("strip", [bytes, without_huffman_tables])
def test_jpeg_frames_are_decoded(strip: Callable[[bytes], bytes]) -> None:
    data = jpeg_of(CHELSEA)
    frame = jpeg_frame(strip(data), CHELSEA)
    frame.setMirrored(True)
    pixels = upright_pixels(frame)
    assert_owned(pixels)
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(data)))[:, ::-1])


def test_broken_jpeg_frame_is_an_error_in_words() -> None:
    with pytest.raises(MixerGuiError, match="could not be read"):
        upright_pixels(jpeg_frame(jpeg_of(CHELSEA)[:400], CHELSEA))


def test_frame_without_memory_is_an_error_in_words() -> None:
    with pytest.raises(MixerGuiError, match="could not be read"):
        upright_pixels(QVideoFrame())


def oriented(picture: Pixels, rotation: Rotation, mirrored: bool) -> Pixels:
    turned = np.rot90(picture, -TURNS[rotation])  # numpy turns counterclockwise
    return turned[:, ::-1] if mirrored else turned


ORIENTATIONS = list(product(TURNS, (False, True)))


@pytest.mark.parametrize("format_", [Format.Format_BGRX8888, Format.Format_NV12, Format.Format_UYVY])
@pytest.mark.parametrize(("rotation", "mirrored"), ORIENTATIONS)
@pytest.mark.parametrize("picture", [COFFEE, CHELSEA], ids=["even", "odd"])
def test_rotation_and_mirroring_are_applied(
    format_: Format, rotation: Rotation, mirrored: bool, picture: Pixels
) -> None:
    surface = surface_of(picture, format_)
    plain = upright_pixels(any_frame(picture, surface))
    expected = oriented(plain, rotation, mirrored)
    frame = any_frame(picture, surface)
    frame.setRotation(rotation)
    frame.setMirrored(mirrored)
    pixels = upright_pixels(frame)
    assert_owned(pixels)
    assert np.array_equal(pixels, expected), "of the frame"
    surface.setRotation(rotation)
    surface.setMirrored(mirrored)
    assert np.array_equal(upright_pixels(any_frame(picture, surface)), expected), "of the surface format"
    # toImage applies the surface format's orientation, too; it is the reference for the order of the two.
    image = any_frame(picture, surface).toImage()
    assert (image.height(), image.width()) == expected.shape[:2]


@pytest.mark.parametrize(("rotation", "mirrored"), ORIENTATIONS)
@pytest.mark.parametrize("bottom_up", [False, True])
def test_surface_format_is_applied_before_the_frame(rotation: Rotation, mirrored: bool, bottom_up: bool) -> None:
    surface = surface_of(CHELSEA, Format.Format_RGBX8888)
    surface.setRotation(rotation)
    surface.setMirrored(mirrored)
    if bottom_up:
        surface.setScanLineDirection(QVideoFrameFormat.Direction.BottomToTop)
    stored = CHELSEA[::-1] if bottom_up else CHELSEA
    image = rgb_frame(CHELSEA, surface, 255).toImage().convertToFormat(QImage.Format.Format_RGB888)
    assert np.array_equal(pixels_of(image), oriented(stored, rotation, mirrored)), "Qt's own"
    for own_rotation, own_mirrored in ORIENTATIONS:
        frame = rgb_frame(CHELSEA, surface)
        frame.setRotation(own_rotation)
        frame.setMirrored(own_mirrored)
        expected = oriented(oriented(stored, rotation, mirrored), own_rotation, own_mirrored)
        assert np.array_equal(upright_pixels(frame), expected)


def test_rare_format_is_oriented_once() -> None:
    surface = surface_of(COFFEE, Format.Format_AYUV)
    surface.setRotation(Rotation.Clockwise90)
    surface.setMirrored(True)
    frame = QVideoFrame(surface)
    y, u, v = to_yuv(COFFEE, WEIGHTS[ColorSpace.ColorSpace_BT601], full=False, bits=8)
    assert frame.map(QVideoFrame.MapMode.WriteOnly)
    stored = lines_of(frame, 0)[:, : COFFEE.shape[1] * 4].reshape(*COFFEE.shape[:2], 4)
    stored[...] = np.round(np.stack([np.full_like(y, 255), y, u, v], axis=-1))
    frame.unmap()
    frame.setRotation(Rotation.Clockwise90)
    pixels = upright_pixels(frame)
    assert_owned(pixels)
    expected = oriented(oriented(COFFEE, Rotation.Clockwise90, True), Rotation.Clockwise90, False)
    assert pixels.shape == expected.shape
    assert mean_difference(pixels, expected) < 2


@pytest.mark.parametrize("format_", [Format.Format_BGRX8888, Format.Format_NV12, Format.Format_YUYV])
@pytest.mark.parametrize("rectangle", [Rect(10, 20, 60, 41), Rect(7, 3, 51, 33), Rect(100.4, 80.6, 900, 900)])
def test_rectangle_is_cut_from_the_upright_picture(format_: Format, rectangle: Rect) -> None:
    for rotation, mirrored in ORIENTATIONS:
        frame = any_frame(CHELSEA, surface_of(CHELSEA, format_))
        frame.setRotation(rotation)
        frame.setMirrored(mirrored)
        whole = upright_pixels(frame)
        part = upright_pixels(frame, rectangle=rectangle)
        assert_owned(part)
        rows = slice(round(rectangle.top), round(rectangle.bottom))
        assert np.array_equal(part, whole[rows, round(rectangle.left) : round(rectangle.right)])


def test_rectangle_outside_of_the_picture_is_an_error_in_words() -> None:
    with pytest.raises(MixerGuiError, match="outside"):
        upright_pixels(rgb_frame(COFFEE, surface_of(COFFEE, Format.Format_BGRX8888)), rectangle=Rect(320, 0, 10, 10))


@pytest.mark.parametrize("format_", [Format.Format_RGBX8888, Format.Format_YUV420P])
def test_only_the_viewport_is_the_picture(format_: Format) -> None:
    surface = surface_of(CHELSEA, format_)
    whole = upright_pixels(any_frame(CHELSEA, surface))
    surface.setViewport(QRect(11, 5, 90, 71))
    surface.setRotation(Rotation.Clockwise90)
    pixels = upright_pixels(any_frame(CHELSEA, surface))
    assert np.array_equal(pixels, np.rot90(whole[5:76, 11:101], -1))


def test_pixels_outlive_their_frame() -> None:
    frame = rgb_frame(COFFEE, surface_of(COFFEE, Format.Format_RGBX8888))
    pixels = upright_pixels(frame)
    assert not frame.isMapped()
    assert frame.map(QVideoFrame.MapMode.WriteOnly)
    lines_of(frame, 0)[...] = 0
    frame.unmap()
    assert np.array_equal(pixels, COFFEE)


def pixels_of(image: QImage) -> Pixels:
    """Of a QImage in Format_RGB888 or Format_RGB32, (height, width, 3)."""
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    depth = image.depth() // 8
    pixels = lines[:, : image.width() * depth].reshape(image.height(), image.width(), depth)
    return pixels.copy() if depth == 3 else pixels[..., 2::-1].copy()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (QSize(160, 300), (160, 120)),
        (QSize(1000, 120), (160, 120)),
        (QSize(320, 240), (320, 240)),
        (QSize(640, 480), (640, 480)),
        (QSize(101, 999), (101, 76)),
        (QSize(2, 1000), (2, 2)),
        (QSize(1, 1), (1, 1)),
        (QSize(0, 0), (1, 1)),
    ],
)
def test_fitted_image_is_as_large_as_fits(size: QSize, expected: tuple[int, int]) -> None:
    image = fitted_image(COFFEE, size)
    assert image.format() == QImage.Format.Format_RGB32
    assert (image.width(), image.height()) == expected
    reference = Image.fromarray(COFFEE).resize(expected, Image.Resampling.BILINEAR)
    assert mean_difference(pixels_of(image), np.asarray(reference)) < 4
    if size == QSize(320, 240):
        assert np.array_equal(pixels_of(image), COFFEE)


def test_video_frame_holds_the_pixels_and_its_time() -> None:
    frame = video_frame(CHELSEA, start_s=1.25, duration_s=0.04)
    assert frame.pixelFormat() == Format.Format_RGBX8888
    assert (frame.startTime(), frame.endTime()) == (1_250_000, 1_290_000)
    assert np.array_equal(upright_pixels(frame), CHELSEA)


class Camera(QObject):
    """A capture session as behind a camera, in a thread of its own; what is not there is the camera."""

    arrived = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[QVideoFrame] = []
        self.pixels: list[Pixels] = []
        self.waiting: list[QVideoFrame] = []
        self.keep: list[QObject] = []

    @Slot()
    def open(self) -> None:
        session, sink, source = QMediaCaptureSession(self), QVideoSink(self), QVideoFrameInput(self)
        self.keep = [session, sink, source]
        sink.videoFrameChanged.connect(self.take)
        source.readyToSendVideoFrame.connect(self.send)
        session.setVideoFrameInput(source)
        session.setVideoSink(sink)

    @Slot()
    def send(self) -> None:
        source = self.keep[2]
        while self.waiting and source.sendVideoFrame(self.waiting[0]):
            self.waiting.pop(0)

    @Slot(QVideoFrame)
    def take(self, frame: QVideoFrame) -> None:
        if frame.isValid():
            self.pixels.append(upright_pixels(frame))
            self.frames.append(QVideoFrame(frame))

    @Slot()
    def close(self) -> None:
        while self.keep:
            self.keep.pop(0).deleteLater()


class Remote(QObject):
    """Asks the camera from the test's thread."""

    open = Signal()
    send = Signal()
    close = Signal()


@pytest.fixture
def camera(qtbot: QtBot) -> Iterator[Callable[[QVideoFrame], tuple[QVideoFrame, Pixels]]]:
    """`camera(frame)` sends it through the session; returns what comes out of the sink, and its upright pixels."""
    thread, subject, remote = QThread(), Camera(), Remote()
    subject.moveToThread(thread)
    remote.open.connect(subject.open)
    remote.send.connect(subject.send)
    remote.close.connect(subject.close)
    thread.start()
    remote.open.emit()

    def through(frame: QVideoFrame) -> tuple[QVideoFrame, Pixels]:
        count = len(subject.pixels)
        subject.waiting.append(frame)
        remote.send.emit()
        qtbot.waitUntil(lambda: len(subject.frames) > count)
        return subject.frames[-1], subject.pixels[-1]

    yield through
    remote.close.emit()
    thread.quit()
    assert thread.wait(10_000)


@pytest.mark.parametrize("format_", [Format.Format_RGBX8888, Format.Format_NV12, Format.Format_YUYV])
@pytest.mark.parametrize("level", ["surface", "frame"])
def test_frames_of_a_session_come_out_upright(
    format_: Format, level: str, camera: Callable[[QVideoFrame], tuple[QVideoFrame, Pixels]]
) -> None:
    for rotation, mirrored in [*ORIENTATIONS, *ORIENTATIONS]:
        surface = surface_of(COFFEE, format_)
        if level == "surface":
            surface.setRotation(rotation)
            surface.setMirrored(mirrored)
        frame = any_frame(COFFEE, surface)
        if level == "frame":
            frame.setRotation(rotation)
            frame.setMirrored(mirrored)
        arrived, pixels = camera(frame)
        assert arrived.pixelFormat() == format_
        expected = oriented(COFFEE, rotation, mirrored)
        assert_owned(pixels)
        assert pixels.shape == expected.shape
        assert np.array_equal(pixels, upright_pixels(frame))
        if format_ == Format.Format_RGBX8888:
            assert np.array_equal(pixels, expected)
        else:
            assert mean_difference(pixels, expected) < 3
