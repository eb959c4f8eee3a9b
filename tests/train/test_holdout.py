"""Held-out and reserved pictures: a list that hangs on contents alone, and nothing in two places."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mixer_gui.records import CropMode, Interpolation, MixerGuiError, Preprocessing
from mixer_gui.train.holdout import hold_out, refuse_shared, shared_with, without
from mixer_gui.train.reading import PictureSet, contents, read

AS_TRAINED = Preprocessing(
    (8, 8), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), Interpolation.BICUBIC, 1.0, CropMode.CENTER
)


def silent(done: int, total: int) -> None:
    """Nobody watches."""


def picture_set(*classes: list[int], prefix: str = "") -> PictureSet:
    """Each class by what its pictures show: equal numbers are equal pictures."""
    shown = [(label, value) for label, values in enumerate(classes) for value in values]
    pixels = np.stack([np.full((2, 2, 3), value, np.uint8) for _, value in shown])
    return PictureSet(
        pixels,
        np.array([label for label, _ in shown], np.int64),
        tuple(f"class {label}" for label in range(len(classes))),
        tuple(f"{prefix}{label}/{index}" for index, (label, _) in enumerate(shown)),
        tuple(hashlib.sha256(each.tobytes()).digest() for each in pixels),
        (),
    )


def per_class(pictures: PictureSet, indices: np.ndarray) -> list[int]:
    return np.bincount(pictures.labels[indices], minlength=len(pictures.classes)).tolist()


def test_each_class_gives_as_many() -> None:
    pictures = picture_set(list(range(30)), list(range(30, 60)), list(range(60, 90)))
    learned, held = hold_out(pictures, 15)
    assert per_class(pictures, held) == [5, 5, 5]
    assert sorted([*learned, *held]) == list(range(90))
    assert (learned.dtype, held.dtype) == (np.int64, np.int64)
    assert np.array_equal(held, np.sort(held))
    assert np.array_equal(learned, np.sort(learned))


def test_small_classes_give_what_they_can_and_keep_one() -> None:
    pictures = picture_set([0], [1, 2], list(range(3, 23)), list(range(23, 53)))
    learned, held = hold_out(pictures, 20)
    assert per_class(pictures, held) == [0, 1, 9, 10]
    assert per_class(pictures, learned) == [1, 1, 11, 20]
    assert per_class(pictures, hold_out(pictures, 49)[0]) == [1, 1, 1, 1]


def test_more_than_the_classes_can_spare_is_refused() -> None:
    pictures = picture_set([0, 1, 1, 1], [2, 3, 4])
    with pytest.raises(MixerGuiError, match="4 pictures cannot be held out: of these 7 at most 3 can"):
        hold_out(pictures, 4)


def test_the_list_hangs_on_contents_alone() -> None:
    values = np.random.default_rng(0).permutation(100).tolist()
    one = picture_set(values[:50], values[50:])
    other = picture_set(values[:50][::-1], values[50:][::-1], prefix="elsewhere/")
    held = [{each.digests[index] for index in hold_out(each, 20)[1]} for each in (one, other)]
    assert held[0] == held[1]
    more = {one.digests[index] for index in hold_out(one, 40)[1]}
    assert held[0] < more


def test_a_picture_more_changes_the_list_by_itself_at_most() -> None:
    one = picture_set(list(range(50)), list(range(100, 150)))
    other = picture_set([*range(50), 77], list(range(100, 150)))
    held = [{each.digests[index] for index in hold_out(each, 20)[1]} for each in (one, other)]
    assert len(held[0] - held[1]) <= 1


def test_nothing_held_out_leaves_all_to_learn_from() -> None:
    pictures = picture_set([0, 0, 1], [2])
    learned, held = hold_out(pictures, 0)
    assert learned.tolist() == [0, 1, 2, 3]
    assert (held.shape, held.dtype) == ((0,), np.int64)


def test_equal_pictures_are_never_on_both_sides() -> None:
    pictures = picture_set([*range(10), *range(10)], [*range(5, 25), 3])
    for count in range(1, 24):
        learned, held = hold_out(pictures, count)
        assert len(held) == count
        contents_held = [pictures.digests[index] for index in held]
        assert len(set(contents_held)) == count
        assert not {pictures.digests[index] for index in learned} & set(contents_held)


def test_a_class_whose_pictures_all_lie_in_another_too_is_refused_rather_than_emptied() -> None:
    pictures = picture_set([0, 1, 2], [0, 1], [5, 6, 7])
    with pytest.raises(MixerGuiError, match="Of the class “class 1” no picture is left to learn from"):
        hold_out(pictures, 4)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(8):
        shades = np.random.default_rng(number).integers(0, 256, (12, 10, 3), np.uint8)
        place = tmp_path / "root" / "ab"[number % 2] / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shades).save(place)
    return tmp_path / "root"


def test_a_reserved_picture_is_found_though_saved_in_another_format(root: Path, tmp_path: Path) -> None:
    pictures = read([root], AS_TRAINED, silent)
    reserved = tmp_path / "reserved"
    reserved.mkdir()
    Image.open(root / "b" / "3.jpg").save(reserved / "renamed.png")
    Image.new("RGB", (9, 9), "red").save(reserved / "another.png")
    found = contents([reserved], AS_TRAINED, silent)
    index = pictures.names.index(str(root / "b" / "3.jpg"))
    assert shared_with(pictures, found) == [(index, str(reserved / "renamed.png"))]
    with pytest.raises(MixerGuiError) as caught:
        refuse_shared(pictures, found)
    assert str(caught.value) == (
        f"1 picture has the very content of a reserved picture: “{root / 'b' / '3.jpg'}” is "
        f"“{reserved / 'renamed.png'}”. With --leave-out-shared they are left out of the training; or remove them."
    )
    rest = without(pictures, [index])
    refuse_shared(rest, found)
    kept = [each for each in range(8) if each != index]
    assert np.array_equal(rest.pixels, pictures.pixels[kept])
    assert rest.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert rest.names == tuple(pictures.names[each] for each in kept)
    assert rest.digests == tuple(pictures.digests[each] for each in kept)


def test_many_shared_pictures_are_told_in_one_sentence() -> None:
    pictures = picture_set([0, 1, 2], [3, 4, 5])
    reserved = dict.fromkeys(pictures.digests[:5], "val.zip/x.png")
    with pytest.raises(MixerGuiError, match=r"^5 pictures have .*“0/2” is “val\.zip/x\.png”, and 2 more\."):
        refuse_shared(pictures, reserved)


def test_a_class_cannot_be_left_out_wholly() -> None:
    pictures = picture_set([0, 1], [2, 3])
    assert without(pictures, []) is pictures
    with pytest.raises(MixerGuiError, match="Of the class “class 1” no picture is left"):
        without(pictures, [2, 3])
