"""Files and folders to picture sources, for drops and for the command line.

Looks at names only and opens nothing: whether a file is a picture is the decoder's to say.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mixer_gui.records import FileSource, SourcesFound

# Suffixes that Pillow and pi-heif can decode; no vector formats, and none that Pillow only
# identifies (BUFR, GRIB, HDF5, MPEG). FITS and raw camera files are science, not pictures to drop.
PICTURE_SUFFIXES = frozenset(
    [
        ".apng",
        ".avif",
        ".avifs",
        ".bmp",
        ".cur",
        ".dds",
        ".dib",
        ".gif",
        ".heic",
        ".heics",
        ".heif",
        ".heifs",
        ".hif",
        ".icns",
        ".ico",
        ".j2c",
        ".j2k",
        ".jfif",
        ".jp2",
        ".jpc",
        ".jpe",
        ".jpeg",
        ".jpf",
        ".jpg",
        ".jpx",
        ".mpo",
        ".pbm",
        ".pcx",
        ".pfm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".psd",
        ".qoi",
        ".ras",
        ".sgi",
        ".tga",
        ".tif",
        ".tiff",
        ".webp",
        ".xbm",
        ".xpm",
    ]
)


def expand(paths: Iterable[Path], *, recursive: bool) -> Iterator[FileSource]:
    """The pictures that `paths` name, in the order given; folders in natural order (2 before 10).

    A file is passed on whatever its suffix, and so is a path that does not exist or a folder that
    may not be read: decoding it gives the sentence that tells the user, and the rest still comes.
    A folder gives its files with a known suffix, then, if `recursive`, its subfolders. Hidden
    entries are skipped; links are followed, each folder once.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if path.is_dir():
            yield from _pictures_in(path, recursive=recursive, seen=seen)
        else:
            yield FileSource(path)


def collect(paths: Iterable[Path], *, most: int, cancelled: Callable[[], bool] = lambda: False) -> SourcesFound:
    """The first `most` pictures of files and folders, and how many more there are; less where it was cancelled.

    A path that the system refuses to look at becomes a picture, too: decoding it gives the sentence.
    """
    found: list[FileSource] = []
    left_out = 0
    for path in paths:
        try:
            for source in expand((path,), recursive=False):
                if cancelled():
                    return SourcesFound(tuple(found), left_out)
                if len(found) < most:
                    found.append(source)
                else:
                    left_out += 1
        except OSError:
            found.append(FileSource(path))
    return SourcesFound(tuple(found), left_out)


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key under which IMG_2 comes before IMG_10, letter case ignored."""
    pieces = re.split(r"([0-9]+)", name.casefold())
    return tuple((0, int(piece)) if piece.isdecimal() else (1, piece) for piece in pieces if piece)


def _pictures_in(folder: Path, *, recursive: bool, seen: set[tuple[int, int]]) -> Iterator[FileSource]:
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            identity = current.stat()
            if (identity.st_dev, identity.st_ino) in seen:
                continue
            seen.add((identity.st_dev, identity.st_ino))
            with os.scandir(current) as entries:
                visible = sorted(
                    (entry for entry in entries if not _is_hidden(entry)), key=lambda e: natural_key(e.name)
                )
        except OSError:
            yield FileSource(current)
            continue
        subfolders = []
        for entry in visible:
            if _is_folder(entry):
                subfolders.append(Path(entry.path))
            elif Path(entry.name).suffix.lower() in PICTURE_SUFFIXES:
                yield FileSource(Path(entry.path))
        if recursive:
            waiting.extend(reversed(subfolders))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return True
    try:
        attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    except OSError:
        return False
    # The attribute exists on Windows only.
    return bool(attributes & stat.FILE_ATTRIBUTE_HIDDEN)
