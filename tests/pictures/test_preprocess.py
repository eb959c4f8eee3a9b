"""The network's pixels equal timm's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mixer_gui.pictures.preprocess import prepare
from mixer_gui.records import CropMode, Framing, FramingKind, Interpolation, Preprocessing, Rect
from tests.references import import_timm

MEAN = (0.485, 0.456, 0.406)
SIZES = ((224, 224), (64, 64), (224, 320), (300, 176))
CROP_PCTS = (0.875, 1.0, 0.95)


def timm_pixels(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """uint8 (height, width, 3) of timm's evaluation transform before it scales to 0…1."""
    transform = import_timm().data.create_transform(
        input_size=(3, *preprocessing.input_size),
        interpolation=preprocessing.interpolation.value,
        mean=preprocessing.mean,
        std=preprocessing.std,
        crop_pct=preprocessing.crop_pct,
        crop_mode=preprocessing.crop_mode.value,
        normalize=False,
    )
    return np.asarray(transform(image).permute(1, 2, 0).numpy())


def preprocessing_of(size: tuple[int, int], crop_pct: float, interpolation: str, mode: str) -> Preprocessing:
    return Preprocessing(size, MEAN, (0.5, 0.5, 0.5), Interpolation(interpolation), crop_pct, CropMode(mode))


@pytest.mark.parametrize("mode", list(CropMode))
@pytest.mark.parametrize("interpolation", list(Interpolation))
def test_pixels_of_photographs_equal_timms(photographs: dict[str, Image.Image], interpolation: str, mode: str) -> None:
    for name, image in photographs.items():
        for size in SIZES:
            for crop_pct in CROP_PCTS:
                preprocessing = preprocessing_of(size, crop_pct, interpolation, mode)
                ours = prepare(image, preprocessing, Framing()).pixels
                assert np.array_equal(ours, timm_pixels(image, preprocessing)), (name, size, crop_pct)


@pytest.mark.parametrize("mode", list(CropMode))
@pytest.mark.parametrize(
    "shape", [(1, 1), (5, 3), (100, 100), (223, 225), (17, 900), (900, 17), (3, 160), (2000, 33), (255, 256)]
)
def test_pixels_of_small_and_long_pictures_equal_timms(mode: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    image = Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
    for size in SIZES:
        for crop_pct in CROP_PCTS:
            preprocessing = preprocessing_of(size, crop_pct, "bicubic", mode)
            assert np.array_equal(prepare(image, preprocessing, Framing()).pixels, timm_pixels(image, preprocessing))


@pytest.mark.parametrize("interpolation", list(Interpolation))
@pytest.mark.parametrize("shape", [(2, 1000), (1000, 2), (90, 29_000), (29_000, 90)])
def test_very_long_pictures_differ_from_timms_by_rounding_at_most(shape: tuple[int, int], interpolation: str) -> None:
    """Here timm scales to 32 megapixels before it crops; ours scales the crop alone."""
    rng = np.random.default_rng(7)
    image = Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
    preprocessing = preprocessing_of((224, 224), 0.875, interpolation, "center")
    difference = prepare(image, preprocessing, Framing()).pixels.astype(int) - timm_pixels(image, preprocessing)
    assert np.abs(difference).max() <= 2


def test_a_picture_of_one_by_forty_thousand_pixels_is_quick_and_whole(preprocessing: Preprocessing) -> None:
    for size in ((40_000, 1), (1, 40_000)):
        for framing in (Framing(), Framing(FramingKind.PAD), Framing(FramingKind.SQUASH)):
            assert prepare(Image.new("RGB", size), preprocessing, framing).pixels.shape == (224, 224, 3)


def test_a_drawn_rectangle_is_scaled_from_exactly_its_pixels(preprocessing: Preprocessing, cat: Image.Image) -> None:
    picture = Image.new("RGB", (400, 400), (255, 0, 0))
    picture.paste(cat, (100, 150))
    rectangle = Rect(100, 150, cat.width, cat.height)
    result = prepare(picture, preprocessing, Framing(FramingKind.RECTANGLE, rectangle))
    assert result.seen == rectangle
    alone = np.asarray(cat.resize((224, 224), Image.Resampling.BICUBIC))
    # Inside; at the edge the filter reaches into the red.
    assert np.abs(result.pixels[4:-4, 4:-4].astype(int) - alone[4:-4, 4:-4]).max() <= 1


def test_padding_is_the_mean_colour() -> None:
    preprocessing = preprocessing_of((100, 100), 0.875, "bilinear", "center")
    pixels = prepare(Image.new("RGB", (200, 100), (0, 0, 255)), preprocessing, Framing(FramingKind.PAD)).pixels
    mean = [round(255 * channel) for channel in MEAN]
    assert (pixels[:25] == mean).all()
    assert (pixels[75:] == mean).all()
    assert (pixels[25:75] == (0, 0, 255)).all()


def test_arrays_are_taken_as_pictures_and_results_are_read_only(preprocessing: Preprocessing, cat: Image.Image) -> None:
    from_array = prepare(np.array(cat), preprocessing, Framing())
    assert np.array_equal(from_array.pixels, prepare(cat, preprocessing, Framing()).pixels)
    assert not from_array.pixels.flags.writeable
    assert from_array.pixels.dtype == np.uint8
    with pytest.raises(ValueError, match="RGB"):
        prepare(cat.convert("L"), preprocessing, Framing())
