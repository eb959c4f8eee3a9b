"""What becomes of a picture: against pixels moved by hand."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from mixer_gui.train.augment import Draw, Varied, draw, plain, vary
from mixer_gui.train.recipe import MINI, Augmentation, Recipe

NOTHING = Augmentation(smallest_crop=1.0, aspect=1.0, flip=False, colour=0.0, mixing=0.0, erasing=0.0)
PREPROCESSING = Recipe(network=MINI).preprocessing


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randint(0, 256, (16, 32, 32, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def drawn(chosen: Augmentation, count: int = 16, seed: int = 0) -> Draw:
    return draw(count, chosen, torch.Generator().manual_seed(seed))


def varied_as_batch(pixels: Tensor, chance: Draw) -> Varied:
    """All pictures of a batch: the last one is before the first."""
    order = torch.arange(-1, len(pixels))
    return vary(pixels[order], chance.of(order, torch.device("cpu")), PREPROCESSING)


def only(**values: float) -> Augmentation:
    return Augmentation(**({"smallest_crop": 1.0, "aspect": 1.0, "flip": False, "colour": 0.0, "mixing": 0.0} | values))


def test_without_variation_pictures_are_as_the_application_shows_them(pixels: Tensor) -> None:
    varied = varied_as_batch(pixels, drawn(NOTHING))
    assert_close(varied.images, plain(pixels, PREPROCESSING), atol=2e-5, rtol=0)
    assert varied.own.eq(1).all()


def test_a_flip_mirrors_left_and_right_of_about_half_of_the_pictures(pixels: Tensor) -> None:
    images = varied_as_batch(pixels, drawn(only(flip=True))).images
    wanted = plain(pixels, PREPROCESSING)
    as_is = (images - wanted).abs().amax((1, 2, 3)) < 1e-4
    mirrored = (images - wanted.flip(3)).abs().amax((1, 2, 3)) < 1e-4
    assert (as_is ^ mirrored).all()
    assert 3 <= mirrored.sum() <= 13


def test_a_crop_is_the_bilinear_enlargement_of_its_rectangle(pixels: Tensor) -> None:
    chance = drawn(only(smallest_crop=0.3), 1)
    width, left = chance.crop[0, 0, 0].item(), chance.crop[0, 0, 2].item()
    height, top = chance.crop[0, 1, 1].item(), chance.crop[0, 1, 2].item()
    assert 0.3 - 1e-6 <= width * height <= 1
    assert abs(left) + width <= 1 + 1e-6
    assert abs(top) + height <= 1 + 1e-6
    image = varied_as_batch(pixels[:1], chance).images[0]
    source = plain(pixels[:1], PREPROCESSING)[0]
    # Output pixel (10, 20), by hand: its middle in the source, then the four pixels around it.
    x = ((left + width * ((20 + 0.5) / 32 * 2 - 1)) + 1) / 2 * 32 - 0.5
    y = ((top + height * ((10 + 0.5) / 32 * 2 - 1)) + 1) / 2 * 32 - 0.5
    column, row = int(x), int(y)
    right, down = x - column, y - row
    wanted = (
        source[:, row, column] * (1 - right) * (1 - down)
        + source[:, row, column + 1] * right * (1 - down)
        + source[:, row + 1, column] * (1 - right) * down
        + source[:, row + 1, column + 1] * right * down
    )
    assert_close(image[:, 10, 20], wanted, atol=1e-4, rtol=0)


def test_colours_change_by_one_map_for_a_whole_picture(pixels: Tensor) -> None:
    chance = drawn(only(colour=0.4))
    images = varied_as_batch(pixels, chance).images
    mean, std = torch.tensor(PREPROCESSING.mean), torch.tensor(PREPROCESSING.std)
    rgb = pixels[3, 7, 9] / 255
    wanted = (chance.colour[3] @ rgb + chance.tint[3] - mean) / std
    assert_close(images[3, :, 7, 9], wanted, atol=1e-4, rtol=0)
    grey = chance.colour.sum(2)  # what becomes of grey: saturation leaves it, brightness scales all channels alike
    assert_close(grey, grey[:, :1].expand(-1, 3))
    assert ((grey > 0.59) & (grey < 1.41)).all()


def test_mixup_blends_with_the_picture_before_and_says_how_much(pixels: Tensor) -> None:
    chance = drawn(only(mixing=1.0), 16)._replace(pasted=torch.zeros(16, 4))
    varied = varied_as_batch(pixels, chance)
    wanted = plain(pixels, PREPROCESSING)
    blended = [b for b in range(16) if varied.own[b] < 1]
    assert len(blended) >= 4
    for b in blended:
        by_hand = varied.own[b] * wanted[b] + (1 - varied.own[b]) * wanted[b - 1]
        assert_close(varied.images[b], by_hand, atol=2e-5, rtol=0)


def test_cutmix_pastes_a_rectangle_of_the_picture_before_and_says_its_share(pixels: Tensor) -> None:
    chance = drawn(only(mixing=1.0), 16, seed=3)._replace(own=torch.ones(16))
    varied = varied_as_batch(pixels, chance)
    wanted = plain(pixels, PREPROCESSING)
    pasted = [b for b in range(16) if varied.own[b] < 1]
    assert len(pasted) >= 4
    for b in pasted:
        foreign = (varied.images[b] - wanted[b]).abs().amax(0) > 1e-4
        assert_close(varied.images[b][:, foreign], wanted[b - 1][:, foreign], atol=2e-5, rtol=0)
        assert foreign.float().mean().item() == pytest.approx(1 - varied.own[b].item(), abs=0.01)
        rows, columns = foreign.any(1).sum(), foreign.any(0).sum()
        assert foreign.sum() >= 0.98 * rows * columns, "not a rectangle"


def test_erasing_leaves_a_square_of_the_mean_colour(pixels: Tensor) -> None:
    varied = varied_as_batch(pixels, drawn(only(erasing=1.0)))
    erased = (varied.images == 0).all(1)
    assert erased.flatten(1).any(1).all()
    assert (erased.flatten(1).float().mean(1) <= 0.26).all()
    assert varied.own.eq(1).all(), "what is erased is no other picture's"


def test_a_part_of_a_batch_is_varied_as_within_the_batch(pixels: Tensor) -> None:
    chance = drawn(Augmentation(mixing=1.0))
    whole = varied_as_batch(pixels, chance)
    for start, stop in ((5, 9), (7, 8)):
        pictures = torch.arange(start - 1, stop)
        part = vary(pixels[pictures], chance.of(pictures, torch.device("cpu")), PREPROCESSING)
        assert_close(part.images, whole.images[start:stop])
        assert_close(part.own, whole.own[start:stop])


def test_equal_seeds_draw_equal_chances() -> None:
    assert all(torch.equal(a, b) for a, b in zip(drawn(Augmentation()), drawn(Augmentation()), strict=True))
    assert not torch.equal(drawn(Augmentation()).crop, drawn(Augmentation(), seed=1).crop)
