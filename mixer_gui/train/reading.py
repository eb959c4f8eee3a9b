"""Training pictures from folders of class folders and from zips of such folders: what the network would see of each.

Decoded as a dropped photograph is, in processes that can be killed, with the very same resize and crop. No torch.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
import zipfile
import zlib
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from mixer_gui.pictures.decoder_pool import DecoderPool
from mixer_gui.pictures.limits import DEFAULT_LIMITS
from mixer_gui.pictures.sources import PICTURE_SUFFIXES, expand
from mixer_gui.records import BytesSource, DecodedPicture, DecodeJob, FileSource, MixerGuiError, Preprocessing

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Pictures for each decoder that are on their way: the others have work while one is at a large picture.
AHEAD = 16

# Encoded pictures out of zips that wait for a decoder, together.
MOST_BYTES_AHEAD = 256 << 20

# Nobody looks at the frame: the smaller, the less crosses between the processes.
DISPLAY_EDGE = 1

UTF8_MARK = 0x800  # of an entry's flags

# Of a zip's packings those that zipfile unpacks piece by piece, so that a limit can be kept.
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_WANTED = "Give a folder with one folder of pictures for each class, or a zip of such a folder."
_PACK_AGAIN = "Unpack it and give the folder."

Told = Callable[[int, int], None]  # pictures done, pictures in all


@dataclass(frozen=True, slots=True, eq=False)
class PictureSet:
    """Pictures with their classes, ordered by class, then by file name, however they were packed.

    `pixels` is uint8 (n, height, width, 3), what the network would see of each; `labels` (n,) index into `classes`,
    the sorted names of the folders. `names` are for sentences: a path, or “train.zip/cat/1.jpg”. `digests` are SHA-256
    of each picture's pixels. `skipped` gives name and sentence of each picture that could not be decoded.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    digests: tuple[bytes, ...]
    skipped: tuple[tuple[str, str], ...]


def read(paths: Sequence[Path], preprocessing: Preprocessing, told: Told) -> PictureSet:
    """All pictures of folders and zips, merged by class: the name of the folder that a picture lies in directly.

    Only names with a known picture suffix count; hidden entries and macOS's `__MACOSX` do not. A picture that cannot
    be decoded is skipped and listed. `told` is called in the calling thread after each picture. Raises MixerGuiError
    where a path cannot be read as a whole, the pictures make no two classes, a class has none that can be decoded, or
    memory does not suffice. However it ends, no process is left behind.
    """
    with ExitStack() as opened:
        found = _listed(paths, opened)
        classes = _classes(found, paths)
        height, width = preprocessing.input_size
        need_memory(len(found), preprocessing)
        pixels = np.empty((len(found), height, width, 3), np.uint8)
        number = {name: index for index, name in enumerate(classes)}
        labels: list[int] = []
        names: list[str] = []
        digests: list[bytes] = []
        skipped: list[tuple[_Listed, str]] = []
        outcomes = opened.enter_context(closing(_decoded(found, preprocessing, told)))
        for listed, seen in outcomes:
            if isinstance(seen, MixerGuiError):
                skipped.append((listed, str(seen)))
                continue
            pixels[len(names)] = seen
            labels.append(number[listed.folder])
            names.append(listed.name)
            digests.append(_digest(seen))
    for index in sorted(set(number.values()) - set(labels)):
        sentences = [sentence for listed, sentence in skipped if listed.folder == classes[index]]
        raise MixerGuiError(
            f"Of the class “{classes[index]}” no picture could be decoded, so it cannot be learned. Repair its "
            f"pictures ({len(sentences):,}) or take the folder away. The first: {sentences[0]}"
        )
    return PictureSet(
        pixels[: len(names)],
        np.array(labels, np.int64),
        classes,
        tuple(names),
        tuple(digests),
        tuple((listed.name, sentence) for listed, sentence in skipped),
    )


def contents(paths: Sequence[Path], preprocessing: Preprocessing, told: Told) -> Mapping[bytes, str]:
    """Digest and name of each picture that is reserved, such as for the final figure; pixels and classes are not kept.

    Pictures that cannot be decoded are left out: they cannot be classified either. Of equal ones the first gives the
    name. Raises MixerGuiError as `read` does, but wants no classes.
    """
    with ExitStack() as opened:
        found = _listed(paths, opened)
        if not found:
            raise MixerGuiError(f"No pictures were found in {_spelled(paths)}. Give a folder or a zip of pictures.")
        digests: dict[bytes, str] = {}
        for listed, seen in opened.enter_context(closing(_decoded(found, preprocessing, told))):
            if not isinstance(seen, MixerGuiError):
                digests.setdefault(_digest(seen), listed.name)
        return digests


def need_memory(count: int, preprocessing: Preprocessing) -> None:
    """MixerGuiError where the pixels of so many pictures do not fit into the memory that is free here."""
    height, width = preprocessing.input_size
    needed = count * height * width * 3
    available = _available_bytes()
    if available is not None and needed > available:
        raise MixerGuiError(
            f"{count:,} pictures of {width} × {height} pixels need {needed / 1e9:.1f} GB of memory, and "
            f"{available / 1e9:.1f} GB are available. Close other programs, or train with fewer or smaller pictures."
        )


@dataclass(frozen=True, slots=True)
class _Listed:
    """A picture that was found. `folder`, its class, is that which it lies in, "" at the top of a zip."""

    folder: str
    above: tuple[str, str]  # the folder or zip that was given, and the folder in it that `folder` lies in
    file: str
    name: str  # for sentences
    size_bytes: int  # that reading it takes in this process
    source: Callable[[], FileSource | BytesSource]


def _classes(found: Sequence[_Listed], paths: Sequence[Path]) -> tuple[str, ...]:
    """Sorted; MixerGuiError where these pictures are none to learn from."""
    pictures = Counter(listed.folder for listed in found)
    if not pictures:
        raise MixerGuiError(f"No pictures were found in {_spelled(paths)}. {_WANTED}")
    if "" in pictures:
        stray = next(listed.name for listed in found if not listed.folder)
        raise MixerGuiError(f"“{stray}” lies in no folder, so it has no class. {_WANTED}")
    _refuse_two_levels(found)
    if len(pictures) < 2:
        raise MixerGuiError(
            f"All {pictures.total():,} pictures lie in folders named “{next(iter(pictures))}”, and one class is "
            f"nothing to tell apart. {_WANTED}"
        )
    for name in pictures:
        if not name.isprintable():  # nor could it be written into config.json
            raise MixerGuiError(f"The folder {name!a} has a name that cannot be shown as a class. Rename it.")
    return tuple(sorted(pictures))


def _refuse_two_levels(found: Iterable[_Listed]) -> None:
    """One class in several places of what was given: what is meant may be the folders above, or one of the places."""
    places: dict[tuple[str, str], str] = {}
    for listed in found:
        root, above = listed.above
        first = places.setdefault((root, listed.folder), above)
        if first != above:
            raise MixerGuiError(
                f"A folder “{listed.folder}” lies in “{first}” and another one in “{above}”. A picture's class is the "
                "name of the folder right around it: put the pictures of each class into one folder, or give one of "
                "the two."
            )


def _spelled(paths: Sequence[Path]) -> str:
    return ", ".join(f"“{path}”" for path in paths)


# --- what there is ------------------------------------------------------------------------------------------------


def _listed(paths: Sequence[Path], opened: ExitStack) -> list[_Listed]:
    """Ordered by folder, then by file name; zips stay open as long as `opened`. Each folder and zip counts once."""
    found: list[_Listed] = []
    places = {path: _existing(path) for path in paths}
    found.extend(_in_folders(sorted(path for path, place in places.items() if place.is_dir())))
    for place in sorted({place for place in places.values() if not place.is_dir()}):
        found.extend(_in_zip(place, opened))
    found.sort(key=lambda listed: (listed.folder, listed.file, listed.name))
    return found


def _in_folders(folders: Sequence[Path]) -> Iterator[_Listed]:
    holding_others = {folder for folder in folders if _holds_folders(folder)}
    for source in expand(folders, recursive=True):
        path = source.path
        if path.suffix.lower() not in PICTURE_SUFFIXES or path in folders:  # what `expand` could not look into
            raise MixerGuiError(
                f"The folder “{path}” may not be read. Check its rights, or the disk or the connection to it."
            )
        folder = path.parent
        if "__MACOSX" in path.parts:
            continue
        if folder in holding_others:
            raise MixerGuiError(f"“{path}” lies beside the class folders, so it has no class. {_WANTED}")
        name = folder.name if folder.name not in ("", "..") else folder.resolve().name
        root = next(str(each) for each in folders if path.is_relative_to(each))
        above = (root, str(folder.parent))
        yield _Listed(_class_name(name), above, path.name, str(path), 0, partial(FileSource, path))


def _holds_folders(folder: Path) -> bool:
    try:
        return any(each.is_dir() for each in folder.iterdir() if not each.name.startswith("."))
    except OSError:  # said of its pictures
        return False


def _in_zip(path: Path, opened: ExitStack) -> Iterator[_Listed]:
    archive = opened.enter_context(_open_zip(path))
    for info in archive.infolist():
        place = PurePosixPath(_file_name(info).replace("\\", "/"))  # some programs on Windows write those
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in place.parts)
        if info.is_dir() or hidden or place.suffix.lower() not in PICTURE_SUFFIXES:
            continue
        name = f"{path.name}/{place}"
        if info.flag_bits & 0x1:
            raise MixerGuiError(
                f"“{path.name}” is encrypted (“{place}”). Unpack it with its password and give the folder."
            )
        if info.compress_type not in _PACKINGS:
            raise MixerGuiError(f"“{path.name}” is packed in a way that this program does not unpack. {_PACK_AGAIN}")
        _check_size(name, info.file_size)
        above = (str(path), str(place.parent.parent))
        unpacked = partial(_unpacked, archive, info, name)
        yield _Listed(_class_name(place.parent.name), above, place.name, name, info.file_size, unpacked)


def _file_name(info: zipfile.ZipInfo) -> str:
    """In UTF-8 where the bytes are: macOS and Info-ZIP write it without the mark that says so."""
    if info.flag_bits & UTF8_MARK:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _class_name(folder: str) -> str:
    """MacOS spells “é” with two characters where others use one."""
    return unicodedata.normalize("NFC", folder)


def _existing(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except FileNotFoundError as error:
        raise MixerGuiError(f"“{path}” is not there. It may have been moved or renamed.", str(error)) from error
    except (OSError, RuntimeError) as error:  # the latter is a link in a circle
        raise _unreadable(path, error) from error


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        if not path.is_file():
            raise MixerGuiError(f"“{path}” is neither a folder nor a file. {_WANTED}")
        with path.open("rb") as file:
            looks_like_one = file.read(2) == b"PK" or zipfile.is_zipfile(file)
        if not looks_like_one:
            raise MixerGuiError(f"“{path}” is not a zip. {_WANTED}")
        return zipfile.ZipFile(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise _damaged(path.name, error) from error


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> BytesSource:
    """The encoded picture; no more is unpacked than the zip declares, which was checked."""
    try:
        with archive.open(info) as file:
            return BytesSource(name, file.read(info.file_size))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError) as error:
        raise _damaged(name, error) from error
    except OSError as error:
        raise _unreadable(Path(name), error) from error


def _check_size(name: str, size_bytes: int) -> None:
    if size_bytes > DEFAULT_LIMITS.max_file_bytes:
        raise MixerGuiError(
            f"“{name}” has {size_bytes / 2**20:,.0f} MiB; the limit for one picture is "
            f"{DEFAULT_LIMITS.max_file_bytes / 2**20:,.0f} MiB. Take it out of the zip."
        )


def _damaged(name: str, error: Exception) -> MixerGuiError:
    return MixerGuiError(f"The zip is damaged: “{name}” cannot be unpacked. Download or copy it again.", repr(error))


def _unreadable(path: Path, error: Exception) -> MixerGuiError:
    sentence = f"“{path}” could not be read. Check its rights, or the disk or the connection to it."
    return MixerGuiError(sentence, repr(error))


# --- what the network sees of it ----------------------------------------------------------------------------------


def _decoded(
    found: Sequence[_Listed], preprocessing: Preprocessing, told: Told
) -> Generator[tuple[_Listed, NDArray[np.uint8] | MixerGuiError], None, None]:
    """Each with its pixels, or with the sentence why there are none, in order; decoders work ahead."""
    with closing(DecoderPool(niceness=0)) as decoders:
        waiting = deque(found)
        pending: deque[tuple[_Listed, Future[DecodedPicture]]] = deque()
        bytes_ahead = 0
        while waiting or pending:
            while waiting and len(pending) < AHEAD * len(decoders) and bytes_ahead < MOST_BYTES_AHEAD:
                listed = waiting.popleft()
                job = DecodeJob(listed.source(), preprocessing, display_edge=DISPLAY_EDGE)
                pending.append((listed, decoders.submit(job)))
                bytes_ahead += listed.size_bytes
            listed, future = pending.popleft()
            outcome = _outcome(future)
            bytes_ahead -= listed.size_bytes
            yield listed, outcome
            told(len(found) - len(waiting) - len(pending), len(found))


def _outcome(future: Future[DecodedPicture]) -> NDArray[np.uint8] | MixerGuiError:
    try:
        seen = future.result().network_input
    except MixerGuiError as error:
        return error
    assert seen is not None  # the job names the preprocessing
    return seen.pixels


def _digest(seen: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(seen.tobytes()).digest()


def _available_bytes() -> int | None:
    """Memory that could be taken now, the caches of the disk included; elsewhere than on Linux all; None: unknown."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None
