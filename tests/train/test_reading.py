"""Pictures from folders and zips: real files, real decoders; what the application would show the network comes out."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mixer_gui.pictures.decode import open_picture
from mixer_gui.pictures.preprocess import prepare
from mixer_gui.records import CropMode, FileSource, Framing, Interpolation, MixerGuiError, Preprocessing
from mixer_gui.train import reading
from mixer_gui.train.reading import PictureSet, contents, need_memory, read

AS_TRAINED = Preprocessing(
    (16, 16), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), Interpolation.BICUBIC, 1.0, CropMode.CENTER
)
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def silent(done: int, total: int) -> None:
    """Nobody watches."""


def drawing(seed: int, width: int = 20, height: int = 18, mode: str = "RGB") -> Image.Image:
    """Smooth and different for each seed."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), np.uint8)
    return Image.fromarray(small.squeeze(), mode=None).resize((width, height)).convert(mode)


def save(path: Path, image: Image.Image, **options: Any) -> Path:  # noqa: ANN401
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of three pictures each, and what is none."""
    root = tmp_path / "root"
    for seed, place in enumerate(("dog/3.jpg", "dog/1.JPEG", "dog/2.png", "cat/10.jpg", "cat/9.jpg", "cat/1.png")):
        save(root / place, drawing(seed))
    (root / "cat" / "notes.txt").write_text("no picture")
    for place in (".hidden/1.png", "cat/.thumbnail.png"):
        save(root / place, drawing(99))
    return root


def zipped(folder: Path, name: str = "packed.zip", key: Callable[[Path], Any] = str, **options: Any) -> Path:  # noqa: ANN401
    """All files of a folder with its own name before them, in the order of `key`."""
    path = folder.parent / name
    with zipfile.ZipFile(path, "w", **options) as archive:
        for file in sorted((each for each in folder.rglob("*") if each.is_file()), key=key):
            archive.write(file, file.relative_to(folder.parent))
    return path


def assert_same(one: PictureSet, other: PictureSet) -> None:
    """All but the names."""
    assert np.array_equal(one.pixels, other.pixels)
    assert np.array_equal(one.labels, other.labels)
    assert (one.classes, one.digests) == (other.classes, other.digests)


def test_a_picture_belongs_to_the_class_of_its_folder(root: Path) -> None:
    pictures = read([root], AS_TRAINED, silent)
    assert pictures.classes == ("cat", "dog")
    assert pictures.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert pictures.names == tuple(
        str(root / place) for place in ("cat/1.png", "cat/10.jpg", "cat/9.jpg", "dog/1.JPEG", "dog/2.png", "dog/3.jpg")
    )
    assert pictures.skipped == ()
    assert (pictures.pixels.shape, pictures.pixels.dtype) == ((6, 16, 16, 3), np.uint8)
    assert pictures.labels.dtype == np.int64
    assert len(set(pictures.digests)) == 6


def test_folder_and_zip_give_identical_sets(root: Path) -> None:
    save(root / "__MACOSX" / "cat" / "1.png", drawing(98))
    packed = read([zipped(root, compression=zipfile.ZIP_DEFLATED)], AS_TRAINED, silent)
    (root / "__MACOSX" / "cat" / "1.png").unlink()
    assert_same(read([root], AS_TRAINED, silent), packed)
    assert packed.names[0] == "packed.zip/root/cat/1.png"


def test_order_of_paths_and_of_entries_does_not_matter(root: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    save(more / "bird" / "7.png", drawing(7))
    save(more / "cat" / "2.png", drawing(8))
    forwards = zipped(root, "forwards.zip")
    backwards = zipped(root, "backwards.zip", key=lambda path: (path.name[::-1], str(path)))
    one = read([forwards, more], AS_TRAINED, silent)
    other = read([more, backwards, more / ".." / "more", more / ".." / "backwards.zip"], AS_TRAINED, silent)
    assert_same(one, other)
    assert one.classes == ("bird", "cat", "dog")
    assert np.bincount(one.labels).tolist() == [1, 4, 3]


def test_pictures_divided_among_zips_come_as_those_in_one(root: Path) -> None:
    whole = read([root], AS_TRAINED, silent)
    parts = []
    for part, suffix in (("a", ".png"), ("b", ".jpg"), ("c", ".JPEG")):
        parts.append(root.parent / f"{part}.zip")
        with zipfile.ZipFile(parts[-1], "w") as archive:
            for file in root.rglob(f"[!.]*{suffix}"):
                archive.write(file, file.relative_to(root))
    assert_same(read(parts, AS_TRAINED, silent), whole)


def test_every_picture_is_seen_as_the_application_sees_it(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    animation = [drawing(30), drawing(31)]
    places = [
        save(tmp_path / "a" / "large.jpg", drawing(20, 301, 200)),
        save(tmp_path / "a" / "grey.jpg", drawing(21, 50, 90, mode="L")),
        save(tmp_path / "a" / "turned.jpg", drawing(22, 60, 30), exif=turned),
        save(tmp_path / "b" / "alpha.png", drawing(23, 40, 33, mode="RGBA")),
        save(tmp_path / "b" / "palette.gif", animation[0], save_all=True, append_images=animation[1:]),
        save(tmp_path / "b" / "tiny.png", drawing(24, 3, 2)),
    ]
    pictures = read([tmp_path], AS_TRAINED, silent)
    assert len(pictures.names) == len(places)
    for place in places:
        expected = prepare(open_picture(FileSource(place)).image, AS_TRAINED, Framing()).pixels
        assert np.array_equal(pictures.pixels[pictures.names.index(str(place))], expected), place.name
    upright = prepare(drawing(22, 60, 30), AS_TRAINED, Framing()).pixels
    assert not np.array_equal(pictures.pixels[pictures.names.index(str(places[2]))], upright)


def test_damaged_pictures_are_skipped_and_listed(root: Path) -> None:
    whole = read([root], AS_TRAINED, silent)
    damaged = root / "cat" / "10.jpg"
    damaged.write_bytes(damaged.read_bytes()[:200])
    (root / "dog" / "0.png").write_bytes(b"no picture at all")
    pictures = read([root], AS_TRAINED, silent)
    assert [name for name, _ in pictures.skipped] == [str(damaged), str(root / "dog" / "0.png")]
    assert all("Download or copy it again" in each or "format" in each for _, each in pictures.skipped)
    kept = [index for index, name in enumerate(whole.names) if name != str(damaged)]
    assert np.array_equal(pictures.pixels, whole.pixels[kept])
    assert pictures.digests == tuple(whole.digests[index] for index in kept)


def test_progress_is_told_after_each_picture(root: Path) -> None:
    told: list[tuple[int, int]] = []
    read([root], AS_TRAINED, lambda done, total: told.append((done, total)))
    assert told == [(number, 6) for number in range(1, 7)]


def test_more_pictures_than_may_be_ahead_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "AHEAD", 1)
    monkeypatch.setattr(reading, "MOST_BYTES_AHEAD", 1)
    for number in range(12):
        save(tmp_path / "root" / "ab"[number % 2] / f"{number:02}.png", Image.new("RGB", (16, 16), (number, 0, 0)))
    pictures = read([zipped(tmp_path / "root")], AS_TRAINED, silent)
    assert pictures.pixels[:, 0, 0, 0].tolist() == [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]


def test_links_in_circles_count_each_folder_once(root: Path) -> None:
    try:
        (root / "zzz").symlink_to(root, target_is_directory=True)
    except OSError:
        pytest.skip("no links may be made here")
    assert len(read([root, root], AS_TRAINED, silent).names) == 6


def test_one_class_spelled_in_two_ways_of_unicode_is_one(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        save(tmp_path / form / unicodedata.normalize(form, "café") / f"{form}.png", drawing(ord(form[-1])))
    save(tmp_path / "NFC" / "bar" / "1.png", drawing(1))
    assert read([tmp_path / "NFC", tmp_path / "NFD"], AS_TRAINED, silent).classes == ("bar", "café")


def test_reserved_contents_need_no_classes(root: Path, tmp_path: Path) -> None:
    image = Image.open(root / "dog" / "1.JPEG")
    flat = tmp_path / "flat.zip"
    with zipfile.ZipFile(flat, "w") as archive:
        archive.writestr("one.png", encoded(image, "PNG"))
        archive.writestr("two.png", encoded(image, "PNG"))
        archive.writestr("broken.png", b"no picture")
    reserved = contents([flat], AS_TRAINED, silent)
    assert list(reserved.values()) == ["flat.zip/one.png"]
    pictures = read([root], AS_TRAINED, silent)
    assert pictures.digests[3] in reserved


def encoded(image: Image.Image, format_name: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_name)
    return stream.getvalue()


# --- what cannot be learned from ----------------------------------------------------------------------------------


def refused(*paths: Path) -> str:
    with pytest.raises(MixerGuiError) as caught:
        read(paths, AS_TRAINED, silent)
    return str(caught.value)


def test_no_pictures_and_one_class_are_refused(root: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty).startswith(f"No pictures were found in “{empty}”. Give a folder with one folder of pictures")
    assert "folders named “cat”, and one class is nothing to tell apart" in refused(root / "cat")
    with pytest.raises(MixerGuiError, match="No pictures were found"):
        contents([empty], AS_TRAINED, silent)


def test_a_class_without_a_whole_picture_is_refused(root: Path) -> None:
    (root / "emu").mkdir()
    (root / "emu" / "1.jpg").write_bytes(b"")
    sentence = refused(root)
    assert "Of the class “emu” no picture could be decoded" in sentence
    assert "“1.jpg” is empty" in sentence


def test_what_is_neither_a_folder_nor_a_zip_is_refused(root: Path, tmp_path: Path) -> None:
    assert "is not there" in refused(root, tmp_path / "nothing.zip")
    assert "is not a zip. Give a folder" in refused(root, root / "cat" / "1.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes as POSIX has them")
def test_a_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    assert "neither a folder nor a file" in refused(tmp_path / "pipe.zip")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user whom rights bind")
def test_an_unreadable_folder_is_refused(root: Path) -> None:
    (root / "dog").chmod(0)
    try:
        assert f"The folder “{root / 'dog'}” may not be read" in refused(root)
        assert f"The folder “{root / 'dog'}” may not be read" in refused(root / "dog")
        assert f"“{root / 'dog' / 'inner'}” could not be read" in refused(root / "dog" / "inner")
    finally:
        (root / "dog").chmod(0o700)


def test_a_picture_in_no_folder_of_a_zip_is_refused(root: Path) -> None:
    packed = zipped(root)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.write(root / "cat" / "1.png", "stray.png")
    assert "“packed.zip/stray.png” lies in no folder" in refused(packed)


def test_a_class_that_cannot_be_shown_is_refused(root: Path) -> None:
    packed = zipped(root)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.write(root / "cat" / "1.png", "root/two\nlines/1.png")
    assert r"'two\nlines' has a name that cannot be shown" in refused(packed)


def test_an_encrypted_zip_is_refused(root: Path) -> None:
    packed = zipped(root)
    data = bytearray(packed.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 8] |= 1  # the flag in the directory's last entry
    packed.write_bytes(data)
    assert refused(packed).startswith("“packed.zip” is encrypted (“root/dog/3.jpg”). Unpack it")


def test_a_zip_of_unusual_packing_is_refused(root: Path) -> None:
    assert "packed in a way that this program does not unpack" in refused(zipped(root, compression=zipfile.ZIP_LZMA))


def test_a_truncated_zip_is_refused(root: Path) -> None:
    packed = zipped(root)
    packed.write_bytes(packed.read_bytes()[:-100])
    assert refused(packed) == "The zip is damaged: “packed.zip” cannot be unpacked. Download or copy it again."


def test_a_zip_with_damaged_content_is_refused(root: Path) -> None:
    packed = zipped(root)
    data = bytearray(packed.read_bytes())
    data[data.index(b"root/cat/1.png") + 60] ^= 0xFF
    packed.write_bytes(data)
    assert refused(packed).startswith("The zip is damaged: “packed.zip/root/cat/1.png” cannot be unpacked")


def test_no_byte_of_a_zip_that_is_wrong_raises_anything_but_a_sentence(root: Path) -> None:
    packed = zipped(root)
    whole = packed.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    random = np.random.default_rng(5)
    for _ in range(300):
        data = bytearray(whole)
        for position in random.integers(directory, len(whole), 3):
            data[position] = random.integers(256)
        packed.write_bytes(data)
        try:
            with ExitStack() as opened:
                for listed in reading._listed([packed], opened):
                    listed.source()
        except MixerGuiError:
            continue


def declaring(packed: Path, size_bytes: int) -> Path:
    """The same zip; its directory's last entry claims a size."""
    data = bytearray(packed.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", size_bytes)
    packed.write_bytes(data)
    return packed


def test_an_absurd_size_is_refused(root: Path) -> None:
    sentence = refused(declaring(zipped(root, compression=zipfile.ZIP_DEFLATED), 3 << 30))
    assert "“packed.zip/root/dog/3.jpg” has 3,072 MiB; the limit for one picture is 1,024 MiB." in sentence


def test_no_more_is_unpacked_than_was_declared(root: Path) -> None:
    packed = zipped(root)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("root/cat/zeros.png", "w") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    declaring(packed, 100)
    tracemalloc.start()
    try:
        assert "“packed.zip/root/cat/zeros.png” cannot be unpacked" in refused(packed)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@ON_LINUX
def test_pictures_that_do_not_fit_into_memory_are_refused_before_they_are_read() -> None:
    need_memory(1000, AS_TRAINED)
    with pytest.raises(MixerGuiError, match=r"need 768\.0 GB of memory, and [0-9.]+ GB are available"):
        need_memory(10**9, AS_TRAINED)


@ON_LINUX
def test_an_interrupt_leaves_no_process_behind(tmp_path: Path) -> None:
    for number in range(400):
        save(tmp_path / "root" / "ab"[number % 2] / f"{number}.jpg", Image.new("RGB", (400, 400), (number % 256, 0, 0)))
    code = (
        "import sys, multiprocessing, threading\n"
        "from pathlib import Path\n"
        "from test_reading import AS_TRAINED, read\n"
        "from mixer_gui.commands.interrupts import Interrupts\n"
        "try:\n"
        "    with Interrupts() as stop:\n"
        "        def told(done, total):\n"
        "            print(done, flush=True)\n"
        "            stop.check()\n"
        "        read([Path(sys.argv[1])], AS_TRAINED, told)\n"
        "except KeyboardInterrupt:\n"
        "    print('left', multiprocessing.active_children(), threading.active_count(), flush=True)\n"
    )
    search = os.pathsep.join([str(Path(__file__).parent), str(Path(reading.__file__).parents[2])])
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "root")],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": search},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert output.splitlines()[-1] == "left [] 1"
    assert len(output.splitlines()) < 400
    deadline = time.monotonic() + 30
    while session := _session(process.pid):
        assert time.monotonic() < deadline, session
        time.sleep(0.05)


def _session(leader: int) -> list[str]:
    """Processes of a session, zombies left out."""
    lines = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            lines.append(status.parent.name)
    return lines


def test_a_class_in_two_places_of_one_folder_is_refused(tmp_path: Path) -> None:
    """Photographs sorted by date within their classes; or the parts of a data set, one of which is for measuring."""
    for seed, place in enumerate(("cat/2023/1.png", "cat/2024/1.png", "dog/2023/1.png", "dog/2024/1.png")):
        save(tmp_path / "root" / place, drawing(seed))
    for given in (tmp_path / "root", zipped(tmp_path / "root")):
        with pytest.raises(MixerGuiError, match=r"A folder “2023” lies in .*cat.* and another one in .*dog"):
            read([given], AS_TRAINED, silent)


def test_a_class_in_two_folders_that_were_both_given_is_one(tmp_path: Path) -> None:
    for seed, place in enumerate(("one/cat/1.png", "one/dog/1.png", "two/cat/1.png")):
        save(tmp_path / place, drawing(seed))
    found = read([tmp_path / "one", tmp_path / "two"], AS_TRAINED, silent)
    assert (found.classes, found.labels.tolist()) == (("cat", "dog"), [0, 0, 1])


def test_names_in_utf_8_are_read_as_such_whether_a_zip_says_so_or_not(tmp_path: Path) -> None:
    for seed, place in enumerate(("Küche/1.png", "Hof/1.png")):
        save(tmp_path / "root" / place, drawing(seed))
    marked = zipped(tmp_path / "root")
    data = bytearray(marked.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = data.find(signature)
        while position >= 0:
            flags = struct.unpack_from("<H", data, position + place)[0]
            struct.pack_into("<H", data, position + place, flags & ~0x800)
            position = data.find(signature, position + 4)
    unmarked = tmp_path / "unmarked.zip"
    unmarked.write_bytes(data)
    with zipfile.ZipFile(unmarked) as archive:
        assert any("K├╝che" in name for name in archive.namelist()), "the mark is still there"
    assert read([unmarked], AS_TRAINED, silent).classes == ("Hof", "Küche")
    assert read([marked], AS_TRAINED, silent).classes == ("Hof", "Küche")


def test_folders_of_macos_for_its_own_use_are_no_classes(root: Path) -> None:
    save(root / "__MACOSX" / "cat" / "1.png", drawing(50))
    assert len(read([root], AS_TRAINED, silent).names) == 6
