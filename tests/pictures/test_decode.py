"""Every kind of picture file, and every way in which one can be broken."""

from __future__ import annotations

import contextlib
import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_HEIC, encoded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from mixer_gui.pictures.decode import decode, frame_of, open_picture, read_source
from mixer_gui.pictures.limits import Limits
from mixer_gui.records import BytesSource, FileSource, MixerGuiError

LOSSLESS = {
    "PNG": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True},
    "JPEG2000": {"irreversible": False},
    "PPM": {},
    "TGA": {},
    "SGI": {},
    "PCX": {},
    "QOI": {},
    "DDS": {},
}
LOSSY = {"JPEG": {"quality": 90}, "AVIF": {"quality": 90}, "GIF": {}}
ALL = LOSSLESS | LOSSY


def pixels_of(data: bytes, name: str = "picture") -> np.ndarray:
    return np.asarray(decode(data, name).image)


def difference(first: Image.Image | np.ndarray, second: Image.Image | np.ndarray) -> float:
    """Mean absolute difference in levels of 255."""
    return float(np.abs(np.asarray(first, dtype=float) - np.asarray(second, dtype=float)).mean())


def sentence_of(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(MixerGuiError) as caught:
        decode(data, "cat.jpg", limits or Limits())
    assert "cat.jpg" in str(caught.value)
    return str(caught.value)


# --- formats --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", LOSSLESS)
def test_lossless_formats_come_back_exactly(cat: Image.Image, format_name: str) -> None:
    picture = decode(encoded(cat, format_name, **LOSSLESS[format_name]), "cat")
    assert np.array_equal(np.asarray(picture.image), np.asarray(cat))
    assert picture.format == format_name
    assert picture.image.mode == "RGB"
    assert picture.remarks == ()


@pytest.mark.parametrize("format_name", LOSSY)
def test_lossy_formats_come_back_nearly(cat: Image.Image, format_name: str) -> None:
    picture = decode(encoded(cat, format_name, **LOSSY[format_name]), "cat")
    assert difference(picture.image, cat) < 8
    assert picture.format == format_name


def test_heic_comes_upright_in_its_colours() -> None:
    picture = decode(TINY_HEIC, "phone.heic")
    assert (picture.format, picture.image.size) == ("HEIF", (48, 64))
    corners = [picture.image.getpixel(point) for point in ((8, 8), (40, 8), (8, 55), (40, 55))]
    expected = [(30, 30, 200), (200, 30, 30), (220, 220, 220), (30, 200, 30)]
    assert np.abs(np.array(corners) - expected).max() <= 4


def test_the_content_decides_and_not_the_suffix(cat: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(encoded(cat, "PNG"))
    picture = open_picture(FileSource(path))
    assert picture.format == "PNG"
    assert np.array_equal(np.asarray(picture.image), np.asarray(cat))


# --- modes ----------------------------------------------------------------------------------------


def test_grey_pictures_keep_their_levels(cat: Image.Image) -> None:
    grey = cat.convert("L")
    expected = np.asarray(grey.convert("RGB"))
    assert np.array_equal(pixels_of(encoded(grey, "PNG")), expected)
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    for format_name in ("PNG", "TIFF", "JPEG2000", "PPM"):
        assert np.array_equal(pixels_of(encoded(deep, format_name)), expected), format_name
    wide = Image.fromarray(np.asarray(grey).astype(np.int32) * 257)
    assert np.array_equal(pixels_of(encoded(wide, "TIFF")), expected)


def test_sixteen_bit_grey_is_rounded_by_257() -> None:
    levels = np.array([[0, 128, 129, 257, 32768, 65406, 65407, 65535]], dtype=np.uint16)
    assert pixels_of(encoded(Image.fromarray(levels), "PNG"))[0, :, 0].tolist() == [0, 0, 1, 1, 128, 254, 255, 255]


def test_float_grey_is_stretched_with_a_remark(cat: Image.Image) -> None:
    values = np.asarray(cat.convert("L")).astype(np.float32) * 3 - 100
    low, high = values.min(), values.max()
    values[0, 0] = np.nan
    picture = decode(encoded(Image.fromarray(values), "TIFF"), "depth.tif")
    result = np.asarray(picture.image)[..., 0]
    assert result[0, 0] == 0
    expected = np.rint((values - low) * (255 / (high - low)))
    assert np.abs(result - np.nan_to_num(expected)).max() <= 1
    assert "stretched" in picture.remarks[0]


def test_float_grey_without_contrast_or_numbers_is_black() -> None:
    for value in (7.0, np.nan, np.inf):
        flat = Image.fromarray(np.full((4, 5), value, dtype=np.float32))
        assert pixels_of(encoded(flat, "TIFF")).max() == 0


def test_one_bit_pictures_are_black_and_white(cat: Image.Image) -> None:
    bits = cat.convert("1")
    for format_name in ("PNG", "TIFF", "BMP", "PPM", "XBM"):
        picture = decode(encoded(bits, format_name), "bits")
        assert set(np.unique(np.asarray(picture.image))) == {0, 255}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
def test_transparent_places_become_mid_grey(cat: Image.Image, mode: str) -> None:
    alpha = Image.new("L", cat.size, 255)
    alpha.paste(0, (0, 0, 80, 120))
    if mode in ("P", "PA"):
        image = cat.convert("RGBA")
        image.putalpha(alpha)
        data = encoded(image.quantize(64, method=Image.Quantize.FASTOCTREE), "PNG")
    else:
        image = cat.convert(mode)
        image.putalpha(alpha)
        data = encoded(image, "PNG")
    result = pixels_of(data)
    assert (result[:, :80] == 128).all()
    assert difference(result[:, 80:], np.asarray(cat if mode != "LA" else cat.convert("L").convert("RGB"))[:, 80:]) < 12


def test_half_transparent_places_are_mixed_with_mid_grey() -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert np.abs(pixels_of(encoded(image, "PNG"))[0, 0].astype(int) - (192, 64, 64)).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_colour_becomes_mid_grey(mode: str) -> None:
    image = Image.new(mode, (4, 1), 255 if mode == "L" else (255, 255, 255))
    image.putpixel((0, 0), 9 if mode == "L" else (9, 9, 9))
    result = pixels_of(encoded(image, "PNG", transparency=9 if mode == "L" else (9, 9, 9)))
    assert result[0, :2, 0].tolist() == [128, 255]


def test_a_transparent_sixteen_bit_grey_becomes_mid_grey() -> None:
    levels = np.array([[1000, 65535]], dtype=np.uint16)
    data = encoded(Image.fromarray(levels), "PNG", transparency=1000)
    assert pixels_of(data)[0, :, 0].tolist() == [128, 255]


def test_cmyk_without_a_profile_is_approximate_and_says_so(cat: Image.Image) -> None:
    for format_name in ("JPEG", "TIFF"):
        picture = decode(encoded(cat.convert("CMYK"), format_name), "print")
        assert difference(picture.image, cat) < 12
        assert "approximate" in picture.remarks[0]


def test_lab_is_converted_to_srgb(cat: Image.Image) -> None:
    from PIL import ImageCms

    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(cat, to_lab)
    assert lab is not None
    lab.info.pop("icc_profile", None)
    assert difference(decode(encoded(lab, "TIFF"), "lab").image, cat) < 4


# --- colour profiles ------------------------------------------------------------------------------


def matrix_profile(primaries: tuple[tuple[float, float, float], ...], gamma: float, space: bytes = b"RGB ") -> bytes:
    """A small ICC v2 profile, written by the book: colorants (D50 XYZ) and one gamma."""

    def fixed(values: tuple[float, ...]) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + fixed(values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 79
    tags = {b"desc": description, b"wtpt": xyz((0.9642, 1.0, 0.8249)), b"cprt": b"text\0\0\0\0none\0\0\0\0"}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        tags |= dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, primaries), strict=True))
        tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body, offset = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    header = struct.pack(">I4sI4s4s4s", offset + len(body), b"\0\0\0\0", 0x02400000, b"mntr", space, b"XYZ ")
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + fixed((0.9642, 1.0, 0.8249)) + b"\0" * 48
    return header + struct.pack(">I", len(tags)) + table + body


DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


def test_display_p3_is_converted_to_srgb() -> None:
    # Known values: P3 (234, 51, 35) is nearly pure sRGB red.
    image = Image.new("RGB", (8, 8), (234, 51, 35))
    picture = decode(encoded(image, "PNG", icc_profile=matrix_profile(DISPLAY_P3, 2.2)), "p3")
    assert np.abs(np.array(picture.image.getpixel((4, 4))) - (255, 0, 0)).max() <= 12
    assert picture.remarks == ()


def test_profiles_keep_transparency_and_greys(cat: Image.Image) -> None:
    image = cat.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(cat.size))
    profile = matrix_profile(ADOBE_RGB, 2.2)
    with_profile = pixels_of(encoded(image, "PNG", icc_profile=profile))
    plain = pixels_of(encoded(image, "PNG"))
    assert 0.5 < difference(with_profile, plain) < 12
    assert (with_profile[0] == 128).all()
    grey = Image.new("RGB", (4, 4), (128, 128, 128))
    assert np.abs(pixels_of(encoded(grey, "PNG", icc_profile=profile)).astype(int) - 128).max() <= 2


def test_an_srgb_profile_changes_no_pixel(cat: Image.Image) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(pixels_of(encoded(cat, "PNG", icc_profile=profile)), np.asarray(cat))
    grey = cat.convert("L")
    assert np.array_equal(pixels_of(encoded(grey, "PNG", icc_profile=profile)), np.asarray(grey.convert("RGB")))


def test_a_grey_profile_is_applied() -> None:
    image = Image.new("L", (4, 4), 128)
    dark = pixels_of(encoded(image, "PNG", icc_profile=matrix_profile((), 3.0, b"GRAY")))
    assert dark.max() < 110


@pytest.mark.parametrize("profile", [b"not a profile", b"\0" * 200, matrix_profile(DISPLAY_P3, 2.2)[:150]])
def test_a_broken_profile_is_ignored_with_a_remark(cat: Image.Image, profile: bytes) -> None:
    picture = decode(encoded(cat, "PNG", icc_profile=profile), "cat")
    assert np.array_equal(np.asarray(picture.image), np.asarray(cat))
    assert "ignored" in picture.remarks[0]


def test_a_real_print_profile_gives_better_colours_than_none(cat: Image.Image) -> None:
    from PIL import ImageCms

    path = Path("/usr/share/color/icc/ghostscript/default_cmyk.icc")
    if not path.exists():
        pytest.skip("no CMYK profile on this system (Debian has one in libgs-common)")
    cmyk = ImageCms.profileToProfile(cat, ImageCms.createProfile("sRGB"), str(path), outputMode="CMYK")
    assert cmyk is not None
    with_profile = decode(encoded(cmyk, "JPEG", quality=95, icc_profile=path.read_bytes()), "print")
    cmyk.info.pop("icc_profile", None)
    without = decode(encoded(cmyk, "JPEG", quality=95), "print")
    assert with_profile.remarks == ()
    assert difference(with_profile.image, cat) < difference(without.image, cat)
    assert difference(with_profile.image, cat) < 10


# --- orientation ----------------------------------------------------------------------------------

UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
@pytest.mark.parametrize("orientation", UNDO)
def test_every_orientation_comes_out_upright(cat: Image.Image, format_name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = UNDO[orientation]
    stored = cat if undo is None else cat.transpose(undo)
    picture = decode(encoded(stored, format_name, exif=exif, **ALL[format_name]), "cat")
    assert picture.image.size == cat.size
    assert difference(picture.image, cat) < (0.001 if format_name in LOSSLESS else 8)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_a_nonsensical_orientation_is_ignored(cat: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(pixels_of(encoded(cat, "PNG", exif=exif)), np.asarray(cat))


def test_damaged_exif_does_not_cost_the_picture(cat: Image.Image) -> None:
    data = encoded(cat, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 9)
    assert difference(pixels_of(data), cat) < 8


# --- more than one picture in a file --------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_name", "word"),
    [("GIF", "frames"), ("WEBP", "frames"), ("PNG", "frames"), ("TIFF", "pages"), ("AVIF", "frames")],
)
def test_the_first_of_several_frames_is_shown_with_a_remark(cat: Image.Image, format_name: str, word: str) -> None:
    others = [cat.transpose(Image.Transpose.ROTATE_180), Image.new("RGB", cat.size, (255, 0, 0))]
    picture = decode(encoded(cat, format_name, save_all=True, append_images=others), "many")
    assert difference(picture.image, cat) < 8
    assert f"3 {word}" in picture.remarks[0]


def test_an_icon_gives_its_largest_picture(cat: Image.Image) -> None:
    picture = decode(encoded(cat, "ICO", sizes=[(16, 12), (64, 48), (32, 24)]), "icon")
    assert max(picture.image.size) == 64
    assert picture.remarks == ()


def test_a_broken_second_frame_does_not_cost_the_first(cat: Image.Image) -> None:
    data = encoded(cat, "GIF", save_all=True, append_images=[cat.transpose(Image.Transpose.ROTATE_180)])
    assert difference(decode(data[: int(len(data) * 0.8)], "two").image, cat) < 8


# --- the copy for the window ----------------------------------------------------------------------


def test_the_frame_is_small_read_only_and_knows_the_full_size(cat: Image.Image) -> None:
    picture = decode(encoded(cat.resize((1600, 1200)), "JPEG"), "large")
    frame = frame_of(picture, 512)
    assert frame.pixels.shape == (384, 512, 3)
    assert (frame.width, frame.height) == (1600, 1200)
    assert not frame.pixels.flags.writeable
    assert difference(frame.pixels, cat.resize((512, 384))) < 6
    assert frame_of(picture, 2048).pixels.shape == (1200, 1600, 3)
    assert frame_of(decode(encoded(Image.new("RGB", (5000, 1)), "PNG"), "line"), 100).pixels.shape == (1, 100, 3)


# --- refusals -------------------------------------------------------------------------------------


def bomb_png(width: int, height: int) -> bytes:
    """A valid header of a huge picture with no pixels behind it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(20_000, 20_000), (15_000, 12_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_by_its_size(size: tuple[int, int]) -> None:
    sentence = sentence_of(bomb_png(*size))
    assert f"{size[0]} × {size[1]}" in sentence
    assert "178,956,970" in sentence


def test_limits_on_pixels_edges_and_bytes_are_named(cat: Image.Image) -> None:
    data = encoded(cat, "PNG")
    assert "10,000 pixels" in sentence_of(data, Limits(max_pixels=10_000))
    assert "159 pixels on an edge" in sentence_of(data, Limits(max_edge=159))
    with pytest.raises(MixerGuiError, match="limit for one file"):
        read_source(BytesSource("cat", data), Limits(max_file_bytes=100))


def test_pillows_own_limit_is_as_before_after_success_and_failure(cat: Image.Image) -> None:
    before = Image.MAX_IMAGE_PIXELS
    decode(encoded(cat, "PNG"), "cat")
    sentence_of(bomb_png(20_000, 20_000))
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_bomb_inside_an_icon_is_refused(cat: Image.Image) -> None:
    inner = bomb_png(20_000, 20_000)
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inner), 22)
    assert "cat.jpg" in sentence_of(struct.pack("<HHH", 0, 1, 1) + entry + inner)


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "PostScript"),
        (b"\xc5\xd0\xd3\xc6" + b"\0" * 40, "PostScript"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><!-- --><svg/>", "SVG"),
        (b"\xd7\xcd\xc6\x9a" + b"\0" * 40, "metafile"),
        (b"\x01\0\0\0" + b"\0" * 36 + b" EMF" + b"\0" * 60, "metafile"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 40, "video"),
    ],
)
def test_other_kinds_of_file_are_named(start: bytes, kind: str) -> None:
    assert kind in sentence_of(start)


@pytest.mark.parametrize("content", [b"hello, this is text\n" * 50, b"\0" * 5000, bytes(range(256)) * 20, b"x"])
def test_what_is_no_picture_is_said_to_be_none(content: bytes) -> None:
    assert "not a picture in a format this program reads" in sentence_of(content)


def test_unreadable_paths_each_have_their_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    for name, words in (
        ("empty.png", "is empty"),
        ("gone.png", "not there any more"),
        ("folder.png", "is a folder"),
        ("a\0b", "could not be read"),
    ):
        with pytest.raises(MixerGuiError, match=words):
            open_picture(FileSource(tmp_path / name))


@pytest.mark.skipif(os.name == "nt", reason="no named pipes in the file system")
def test_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", Path("/dev/zero")):
        with pytest.raises(MixerGuiError, match="not a file"):
            open_picture(FileSource(path))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_named(cat: Image.Image, saved: Callable[..., Path]) -> None:
    path = saved(cat, "secret.png")
    path.chmod(0)
    with pytest.raises(MixerGuiError, match="permission"):
        open_picture(FileSource(path))


# --- damage ---------------------------------------------------------------------------------------

TRUNCATED = {
    name: ALL[name] for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "TGA", "QOI")
}


@pytest.mark.parametrize("format_name", [*TRUNCATED, "JPEG progressive", "TIFF raw", "HEIF"])
def test_a_truncated_file_is_refused_or_whole(cat: Image.Image, format_name: str) -> None:
    if format_name == "HEIF":
        data = TINY_HEIC
    elif format_name == "TIFF raw":
        data = encoded(cat, "TIFF")
    elif format_name == "JPEG progressive":
        data = encoded(cat, "JPEG", progressive=True)
    else:
        data = encoded(cat, format_name, **TRUNCATED[format_name])
    whole = pixels_of(data)
    sentences = []
    for part in (0.003, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 0.99, 0.999):
        end = max(1, int(len(data) * part))
        try:
            result = pixels_of(data[:end])
        except MixerGuiError as error:
            sentences.append(str(error))
        else:
            assert np.array_equal(result, whole), f"partly decoded at {part}"
    assert len(sentences) >= 7
    assert sum("ends too early" in sentence for sentence in sentences) >= 4, sentences


# HEIF's library crashes on some: `test_decoder` damages those, where a crash costs a process of its own.
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "ICO"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 30), head=st.booleans())
def test_random_damage_raises_a_sentence_or_gives_a_picture(
    cat: Image.Image, format_name: str, seed: int, changes: int, *, head: bool
) -> None:
    small = cat.resize((48, 36))
    data = bytearray(encoded(small, format_name))
    rng = random.Random(seed)
    for _ in range(changes):
        data[rng.randrange(min(len(data), 200) if head else len(data))] = rng.randrange(256)
    with contextlib.suppress(MixerGuiError):
        assert decode(bytes(data), "damaged", Limits(max_pixels=4_000_000)).image.mode == "RGB"


def test_bytes_and_files_decode_alike(cat: Image.Image, saved: Callable[..., Path]) -> None:
    path = saved(cat, "cat.webp", lossless=True)
    from_bytes = open_picture(BytesSource("pasted", path.read_bytes()))
    assert np.array_equal(np.asarray(from_bytes.image), np.asarray(open_picture(FileSource(path)).image))


def test_this_pillow_decodes_what_the_window_promises() -> None:
    for feature in ("webp", "avif", "jpg_2000", "libtiff", "littlecms2"):
        assert features.check(feature), feature
