"""Encoded pictures to upright sRGB pixels at full resolution, or to a sentence why not.

Meant to run in the decoder process: it blocks, and it changes Pillow's and Python's global state
(plugins, pixel limit, warnings filter) while it works.
"""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mixer_gui.pictures.colour import to_rgb
from mixer_gui.pictures.limits import DEFAULT_LIMITS, Limits
from mixer_gui.records import BytesSource, FileSource, Frame, MixerGuiError

# By content, in this order. Left out on purpose: EPS (runs Ghostscript), WMF (Windows draws it),
# and the formats that Pillow can only identify (BUFR, GRIB, HDF5, MPEG) or that are not pictures.
FORMATS = (
    *("JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "TIFF", "BMP", "DIB", "ICO", "CUR", "ICNS", "JPEG2000"),
    *("MPO", "PPM", "PSD", "QOI", "TGA", "DDS", "PCX", "DCX", "SGI", "SUN", "XBM", "XPM", "MSP", "FITS"),
    *("FLI", "BLP", "FTEX", "GBR", "PCD", "PIXAR", "SPIDER", "XVTHUMB", "IPTC"),
)

# EXIF orientation -> what makes the picture upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112

_SUGGESTION = "Try a JPEG, PNG, WebP, HEIC or TIFF picture."

# How libraries say that data is missing.
_EARLY_END = ("truncat", "unexpected end", "end of file", "premature", "not enough", "eof")


@dataclass(frozen=True, slots=True)
class OpenPicture:
    """A decoded picture: mode RGB, sRGB, upright, full resolution. Not for another process."""

    image: Image.Image
    format: str
    remarks: tuple[str, ...]


def register_formats() -> None:
    """Import Pillow's plugins and pi-heif's once, ahead of the first picture."""
    Image.init()
    if "HEIF" not in Image.OPEN:
        import pi_heif  # type: ignore[import-untyped]

        pi_heif.register_heif_opener()


def read_source(source: FileSource | BytesSource, limits: Limits) -> bytes:
    """The encoded bytes of a source; MixerGuiError with a sentence where they cannot be had."""
    if isinstance(source, FileSource):
        data = _read_file(source.path, limits)
    else:
        data = source.data
        _check_file_size(source.name, len(data), limits)
    if not data:
        raise MixerGuiError(f"“{source.name}” is empty. Choose another file, or copy it here again.")
    return data


def open_picture(source: FileSource | BytesSource, limits: Limits = DEFAULT_LIMITS) -> OpenPicture:
    """Decode a source; MixerGuiError with a sentence for every way in which this can fail."""
    return decode(read_source(source, limits), source.name, limits)


def decode(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> OpenPicture:
    """Decode bytes; `name` is what the sentences call them. Errors as `open_picture`."""
    register_formats()
    _refuse_other_kinds(data, name)
    # MPO has no opener of its own (JPEG's hands over to it), and a system's Pillow may lack a codec.
    known = [format_name for format_name in FORMATS if format_name in Image.OPEN]
    try:
        with _pillow_limits(limits), Image.open(io.BytesIO(data), formats=known) as image:
            _check_size(name, image.width, image.height, limits)
            frames_remark = _frames_remark(image)
            Image.MAX_IMAGE_PIXELS = limits.max_pixels
            image.load()
            # A plugin may learn the true size only while it decodes.
            _check_size(name, image.width, image.height, limits)
            rgb, remarks = to_rgb(image)
            upright = _upright(image, rgb)
            format_name = "JPEG" if image.format == "MPO" else str(image.format)
    except MixerGuiError:
        raise
    except MemoryError as error:
        raise MixerGuiError(
            f"“{name}” needs more memory to decode than is allowed. Scale the picture down and try again.", repr(error)
        ) from error
    except Exception as error:
        # Decoders meet damaged data with any exception there is: struct.error, KeyError, …
        raise _explained(error, data, name, limits) from error
    return OpenPicture(upright, format_name, (*frames_remark, *remarks))


def frame_of(picture: OpenPicture, display_edge: int) -> Frame:
    """The copy for the window: at most `display_edge` pixels on the longer edge, never enlarged."""
    image = picture.image
    longest = max(image.size)
    if longest > display_edge:
        width, height = (max(1, round(edge * display_edge / longest)) for edge in image.size)
        # At 24 megapixels halving with a box filter first takes 70 ms instead of 150 and differs by 5/255 at most.
        image = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=1.4)
    pixels = np.asarray(image)
    pixels.setflags(write=False)
    return Frame(pixels, picture.image.width, picture.image.height, picture.format, picture.remarks)


def _read_file(path: Path, limits: Limits) -> bytes:
    name = path.name or str(path)
    # O_NONBLOCK: opening a named pipe would wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        # Windows says "permission denied" of a folder.
        if path.is_dir() and os.access(path, os.R_OK):
            raise IsADirectoryError
        descriptor = os.open(path, flags)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError
            if not stat.S_ISREG(status.st_mode):
                raise MixerGuiError(f"“{name}” is a device or a pipe, not a file. Choose a picture file.")
            _check_file_size(name, status.st_size, limits)
            return file.read(limits.max_file_bytes + 1)[: limits.max_file_bytes]
    except FileNotFoundError as error:
        raise MixerGuiError(
            f"“{name}” is not there any more. It may have been moved or renamed.", str(error)
        ) from error
    except IsADirectoryError as error:
        raise MixerGuiError(f"“{name}” is a folder, not a picture. Open the pictures in it.", str(path)) from error
    except PermissionError as error:
        raise MixerGuiError(
            f"“{name}” may not be read: you have no permission for it. Check its rights.", str(error)
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise MixerGuiError(
            f"“{name}” could not be read. Check the disk or the connection to it.", str(error)
        ) from error
    except MemoryError as error:
        raise MixerGuiError(f"“{name}” needs more memory to read than is allowed.", repr(error)) from error


def _check_file_size(name: str, size_bytes: int, limits: Limits) -> None:
    if size_bytes > limits.max_file_bytes:
        raise MixerGuiError(
            f"“{name}” has {size_bytes / 2**20:,.0f} MiB; the limit for one file is "
            f"{limits.max_file_bytes / 2**20:,.0f} MiB. Save a smaller copy and open that."
        )


def _check_size(name: str, width: int, height: int, limits: Limits) -> None:
    """Refuse decompression bombs before their pixels exist."""
    if width * height > limits.max_pixels:
        allowed = f"the limit is {limits.max_pixels:,} pixels"
    elif max(width, height) > limits.max_edge:
        allowed = f"the limit is {limits.max_edge:,} pixels on an edge"
    else:
        return
    raise MixerGuiError(
        f"“{name}” is {width} × {height} pixels; {allowed}. Scale the picture down and open the smaller copy."
    )


@contextmanager
def _pillow_limits(limits: Limits) -> Iterator[None]:
    """Own limits in place of Pillow's while a file is opened, and no warnings from plugins.

    Pillow's check would raise without naming width and height, so it is off until `_check_size` has
    run, then on again with our limit for pictures within the file (icons, tiles).
    """
    limit_before = Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.MAX_IMAGE_PIXELS = None
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit_before


def _frames_remark(image: Image.Image) -> tuple[str, ...]:
    """What to say where a file holds more than the picture that is shown.

    Not for MPO (phones hide a depth map or a preview there) and PSD (layers of one picture).
    """
    if image.format in ("MPO", "PSD"):
        return ()
    try:
        count = int(getattr(image, "n_frames", 1))
    except Exception:  # the first frame may be whole where a later one is not
        image.seek(0)
        return ()
    if count < 2:
        return ()
    if image.format in ("TIFF", "DCX"):
        return (f"The file has {count} pages; this is the first.",)
    if image.format == "HEIF":
        return (f"The file holds {count} pictures; this is the primary one.",)
    return (f"An animation of {count} frames; this is the first.",)


def _upright(image: Image.Image, rgb: Image.Image) -> Image.Image:
    """`rgb` turned as the EXIF or XMP of `image` says.

    Read after loading: a PNG may carry its EXIF behind the pixels, and Pillow itself turns a TIFF
    when it loads it and then drops the tag.
    """
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged EXIF must not cost the picture
        return rgb
    method = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return rgb if method is None else rgb.transpose(method)


def _refuse_other_kinds(data: bytes, name: str) -> None:
    """Name well-known kinds of file that this program does not draw."""
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith((b"%!PS", b"\xc5\xd0\xd3\xc6")):
        kind = "a PostScript drawing"
    elif start.startswith(b"%PDF"):
        kind = "a PDF document"
    elif start.startswith(b"<svg") or (start.startswith((b"<?xml", b"<!")) and b"<svg" in start):
        kind = "an SVG drawing"
    elif start.startswith((b"\xd7\xcd\xc6\x9a", b"\x01\x00\x09\x00\x00\x03")) or start[40:44] == b" EMF":
        kind = "a Windows metafile"
    elif start.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")):
        kind = "a JPEG XL picture"
    elif start.startswith(b"\x1a\x45\xdf\xa3") or start[4:12] in (b"ftypisom", b"ftypmp42", b"ftypqt  "):
        kind = "a video"
    else:
        return
    raise MixerGuiError(f"“{name}” is {kind}, which this program does not decode. Export it as PNG or JPEG.")


def _explained(error: Exception, data: bytes, name: str, limits: Limits) -> MixerGuiError:
    """The sentence for what a decoder raised."""
    detail = f"{type(error).__name__}: {error}"
    kind = _signature(data)
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        sentence = f"“{name}” holds a picture of more than {limits.max_pixels:,} pixels. Scale it down and try again."
    elif isinstance(error, UnidentifiedImageError) and kind is None:
        sentence = f"“{name}” is not a picture in a format this program reads. {_SUGGESTION}"
    elif isinstance(error, EOFError) or _ends_early(data) or any(sign in str(error).lower() for sign in _EARLY_END):
        sentence = f"“{name}” cannot be shown: the file ends too early. Download or copy it again."
    else:
        sentence = f"“{name}” cannot be decoded: the {kind or 'picture'} data is damaged. Download or copy it again."
    return MixerGuiError(sentence, detail)


def _signature(data: bytes) -> str | None:
    """The format that the first bytes promise, None for none that is known by them."""
    if data.startswith(b"\xff\xd8"):
        return "JPEG"
    if data.startswith(b"\x89PNG"):
        return "PNG"
    if data.startswith(b"GIF8"):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] in (b"", b"WEBP"):
        return "WebP"
    if data.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "TIFF"
    if data.startswith((b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")):
        return "JPEG 2000"
    if data[4:8] == b"ftyp":
        return "AVIF" if data[8:11] == b"avi" else "HEIF"
    if data.startswith(b"BM"):
        return "BMP"
    return None


def _ends_early(data: bytes) -> bool:
    """Whether a length in the data points behind its end; cheap, for formats that keep quiet."""
    kind = _signature(data)
    if kind == "WebP":
        return len(data) < 12 or int.from_bytes(data[4:8], "little") + 8 > len(data)
    if kind == "BMP":
        return len(data) < 14 or int.from_bytes(data[2:6], "little") > len(data)
    if kind in ("AVIF", "HEIF", "JPEG 2000") and not data.startswith(b"\xff\x4f"):
        return _boxes_end_early(data)
    if kind == "TIFF" and len(data) >= 8:
        # Where its directory lies, which most programs write behind the pixels.
        return int.from_bytes(data[4:8], "little" if data.startswith(b"II") else "big") >= len(data) - 2
    return kind is not None and len(data) < 32


def _boxes_end_early(data: bytes) -> bool:
    """ISO base media files are boxes: a length of four bytes, a name of four, and the content."""
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        header = 8
        if length == 1:
            length = int.from_bytes(data[position + 8 : position + 16], "big")
            header = 16
        if length == 0 and position + 8 <= len(data):
            return False  # up to the end, whatever it is
        if length < header or position + length > len(data):
            return True
        position += length
    return False
