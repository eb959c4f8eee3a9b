"""What a drop of files and folders amounts to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from mixer_gui.pictures.decode import FORMATS, register_formats
from mixer_gui.pictures.sources import PICTURE_SUFFIXES, expand


def names(paths: list[Path], *, recursive: bool) -> list[str]:
    return [source.name for source in expand(paths, recursive=recursive)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "IMG_10.jpg",
        "img_2.JPG",
        "IMG_1.heic",
        "notes.txt",
        ".hidden.png",
        "sub/a.png",
        "sub/deep/b.webp",
        ".git/c.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_gives_its_pictures_in_natural_order(folder: Path) -> None:
    assert names([folder], recursive=False) == ["IMG_1.heic", "img_2.JPG", "IMG_10.jpg"]


def test_a_recursive_folder_gives_subfolders_afterwards(folder: Path) -> None:
    assert names([folder], recursive=True) == ["IMG_1.heic", "img_2.JPG", "IMG_10.jpg", "a.png", "b.webp"]


def test_files_are_passed_on_whatever_their_suffix_even_if_missing(folder: Path) -> None:
    asked = [folder / "notes.txt", folder / "gone.jpg", folder / ".hidden.png"]
    assert [source.path for source in expand(asked, recursive=False)] == asked


def test_circles_of_links_end_and_each_folder_comes_once(folder: Path) -> None:
    try:
        (folder / "sub" / "circle").symlink_to(folder, target_is_directory=True)
        (folder / "alias").symlink_to(folder / "sub", target_is_directory=True)
        (folder / "dangling.png").symlink_to(folder / "nowhere.png")
    except OSError:
        pytest.skip("this system lets users make no links")
    found = names([folder], recursive=True)
    assert sorted(found) == sorted({"IMG_1.heic", "img_2.JPG", "IMG_10.jpg", "a.png", "b.webp", "dangling.png"})


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder_is_passed_on_and_the_rest_still_comes(folder: Path) -> None:
    (folder / "sub").chmod(0)
    try:
        assert names([folder], recursive=True)[-1] == "sub"
    finally:
        (folder / "sub").chmod(0o700)


def test_every_suffix_belongs_to_a_format_that_is_decoded() -> None:
    register_formats()
    by_suffix = Image.registered_extensions()
    assert {by_suffix[suffix] for suffix in PICTURE_SUFFIXES} <= set(FORMATS)
