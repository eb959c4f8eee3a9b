"""Any Pillow mode, with or without a colour profile, to opaque sRGB pixels.

Whole pictures in, whole pictures out: no files, no orientation.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

# The neutral colour behind transparent pixels: neither black nor white objects vanish on it.
BACKGROUND = (128, 128, 128)

# Photographs from phones and cameras carry many slightly different sRGB profiles. A profile that
# moves no colour of a test chart by more than this is sRGB: its pixels stay as they are, which is
# faster and equal to what timm's evaluation sees.
_SAME_COLOUR = 2

# The profile's own rendering for photographs, and what browsers use: it compresses a large gamut
# where relative colorimetry clips it. For matrix profiles (Display P3, Adobe RGB) both are the same.
_INTENT = ImageCms.Intent.PERCEPTUAL

_SPACE_OF_MODE = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK", "LAB": "Lab"}


def to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture as sRGB of mode RGB on a neutral background, and remarks on what was done.

    `image` is loaded. Errors are Pillow's own, and MemoryError.
    """
    remarks: list[str] = []
    profile = image.info.get("icc_profile")
    plain = _plain_mode(image, remarks)
    converted = _to_srgb(plain, profile, remarks)
    return _flatten(converted), tuple(remarks)


def _plain_mode(image: Image.Image, remarks: list[str]) -> Image.Image:
    """One of L, LA, RGB, RGBA, CMYK, LAB: palettes resolved, deep greys scaled to 8 bits."""
    mode = image.mode
    if mode in ("RGB", "L", "1") and "transparency" in image.info:
        return image.convert("RGBA")
    if mode in _SPACE_OF_MODE:
        return image
    if mode == "1":
        return image.convert("L")
    if mode.startswith("I;16"):
        return _scale_grey(image, 65535.0, 0.0)
    if mode in ("I", "F"):
        return _deep_grey(image, remarks)
    if mode == "P":
        transparent = "transparency" in image.info or (image.palette is not None and image.palette.mode == "RGBA")
        return image.convert("RGBA" if transparent else "RGB")
    if mode in ("PA", "RGBa"):
        return image.convert("RGBA")
    if mode == "La":
        return image.convert("LA")
    return image.convert("RGB")  # YCbCr, HSV, RGBX


def _deep_grey(image: Image.Image, remarks: list[str]) -> Image.Image:
    """32-bit integers in the 16-bit range keep their scale; other ranges are stretched, with a remark."""
    values = np.asarray(image)
    finite = values[np.isfinite(values)] if image.mode == "F" else values
    if finite.size == 0:
        remarks.append("The picture holds no finite brightness and is shown black.")
        return Image.new("L", image.size, 0)
    low, high = float(finite.min()), float(finite.max())
    if image.mode == "I" and low >= 0 and high <= 65535:
        return _scale_grey(image, 65535.0, 0.0)
    remarks.append(f"Brightness from {low:.6g} to {high:.6g} was stretched to black…white.")
    return _scale_grey(image, high, low)


def _scale_grey(image: Image.Image, white: float, black: float) -> Image.Image:
    """Linear map of black…white to 0…255, rounded; what is not a number becomes black.

    In bands of rows, so that a large picture does not need a second one in floats.
    """
    span = white - black
    scaled = Image.new("L", image.size)
    rows = max(1, (1 << 22) // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        band = np.asarray(image.crop(box), dtype=np.float64)
        levels = (band - black) * (255.0 / span) if span > 0 else np.zeros_like(band)
        levels = np.nan_to_num(levels, nan=0.0, posinf=255.0, neginf=0.0)
        scaled.paste(Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8)), box)
    if isinstance(transparent := image.info.get("transparency"), int):
        mask = np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8)
        return Image.merge("LA", (scaled, Image.fromarray(mask)))
    return scaled


def _to_srgb(image: Image.Image, profile: bytes | None, remarks: list[str]) -> Image.Image:
    """Apply the embedded profile; the result is of mode L, LA, RGB or RGBA."""
    if profile:
        try:
            return _apply_profile(image, profile, remarks)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            remarks.append("The embedded colour profile is damaged and was ignored.")
    if image.mode == "LAB":
        transform = _transform(ImageCms.createProfile("LAB"), "LAB", "RGB")
        return _applied(image, transform)
    if image.mode == "CMYK":
        remarks.append("Print colours (CMYK) without a usable colour profile: colours are approximate.")
        return image.convert("RGB")
    return image


def _apply_profile(image: Image.Image, profile: bytes, remarks: list[str]) -> Image.Image:
    embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if embedded.profile.xcolor_space.strip() != _SPACE_OF_MODE[image.mode]:
        remarks.append("The embedded colour profile is for another kind of picture and was ignored.")
        return _to_srgb(image, None, remarks)
    if image.mode in ("LA", "RGBA"):
        # The colours alone go through the profile; transparency is not a colour.
        colours = image.convert(image.mode[:-1])
        converted = _apply_profile(colours, profile, remarks)
        if converted is colours:
            return image
        converted = converted.copy()
        converted.putalpha(image.getchannel("A"))
        return converted
    transform = _transform(embedded, image.mode, "RGB")
    if image.mode in ("L", "RGB") and _changes_nothing(transform, image.mode):
        return image
    return _applied(image, transform)


def _transform(source: Any, mode: str, target_mode: str) -> ImageCms.ImageCmsTransform:  # noqa: ANN401 - ImageCms's own profile types differ
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, target_mode, _INTENT)


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:  # only when it works in place
        raise ValueError("the colour transform returned nothing")
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a chart of greys and saturated colours comes out as it went in."""
    levels = np.linspace(0, 255, 6 if mode == "RGB" else 52).astype(np.uint8)
    if mode == "L":
        chart = levels[None, :]
        expected = np.repeat(chart[:, :, None], 3, axis=2)
    else:
        chart = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
        expected = chart
    result = np.asarray(_applied(Image.fromarray(chart), transform))
    return bool(np.abs(result.astype(np.int16) - expected).max() <= _SAME_COLOUR)


def _flatten(image: Image.Image) -> Image.Image:
    """Put transparent pixels on the neutral background; mode RGB."""
    if image.mode not in ("LA", "RGBA"):
        return image.convert("RGB") if image.mode != "RGB" else image
    alpha = image.getchannel("A")
    opaque = image.convert("RGB")
    if alpha.getextrema() == (255, 255):
        return opaque
    flat = Image.new("RGB", image.size, BACKGROUND)
    flat.paste(opaque, mask=alpha)
    return flat
