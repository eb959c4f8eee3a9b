"""Frames of real video files at even times: none missed, none twice, and what is wrong with a file in a sentence."""

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from clips import cut_short, two_photographs, write_clip

from mixer_gui.media import reader
from mixer_gui.media.extract import frames_every
from mixer_gui.records import MixerGuiError

pytestmark = pytest.mark.usefixtures("qapp")

COFFEE, ROCKET = two_photographs()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`clip(".mp4")`: coffee and rocket in turns, a second each, six seconds at 30 frames a second."""
    folder = tmp_path_factory.mktemp("clips")

    def written(suffix: str) -> Path:
        path = folder / f"clip{suffix}"
        return path if path.exists() else write_clip(path, [COFFEE, ROCKET], rate=30, repeats=3)

    return written


def shows(pixels: np.ndarray, picture: np.ndarray) -> bool:
    return pixels.shape == picture.shape and float(np.abs(pixels.astype(int) - picture).mean()) < 6


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_frames_are_those_shown_at_the_times_asked_for(clip: Callable[[str], Path], suffix: str) -> None:
    found = list(frames_every(clip(suffix), 0.5))
    assert [time_s for time_s, _ in found] == pytest.approx([k / 2 for k in range(12)], abs=1e-3)
    for time_s, pixels in found:
        assert shows(pixels, ROCKET if int(time_s + 0.01) % 2 else COFFEE), time_s
        assert not pixels.flags.writeable


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_seeking_and_playing_find_the_same_frames(
    clip: Callable[[str], Path], suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for every_s in (0.7, 2.25, 5.5):
        found = []
        for limit_us in (0, 10**9):
            monkeypatch.setattr(reader, "SEEKING_FROM_US", limit_us)
            found.append(list(frames_every(clip(suffix), every_s)))
        sought, played = found
        assert [time_s for time_s, _ in sought] == [time_s for time_s, _ in played]
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(sought, played, strict=True))


@pytest.mark.parametrize("every_s", [1 / 30, 0.01, 1e-9])
def test_every_frame_is_given_once_however_dense_the_times(clip: Callable[[str], Path], every_s: float) -> None:
    times = [time_s for time_s, _ in frames_every(clip(".mp4"), every_s)]
    assert times == pytest.approx([k / 30 for k in range(180)], abs=1e-5)


def test_slow_reader_misses_nothing(clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = []
    took = reader.VideoReader._taken

    def counted(self: reader.VideoReader, frame: object) -> object:
        self._loop.processEvents()  # what the player sent meanwhile
        waiting.append(len(self._frames))
        return took(self, frame)  # type: ignore[arg-type]

    monkeypatch.setattr(reader.VideoReader, "_taken", counted)
    assert len(list(frames_every(clip(".mp4"), 0.1))) == 60
    assert max(waiting) < 40  # the player stands still while a frame is looked at


def test_interval_beyond_the_end_gives_the_first_frame(clip: Callable[[str], Path]) -> None:
    assert [time_s for time_s, _ in frames_every(clip(".mp4"), 3600.0)] == [0.0]


def test_reader_can_be_left_in_the_middle(clip: Callable[[str], Path]) -> None:
    for every_s in (0.1, 2.5):
        for _ in range(10):
            frames = frames_every(clip(".mp4"), every_s)
            assert next(frames)[0] == 0.0
            frames.close()
    gc.collect()
    assert len(list(frames_every(clip(".mp4"), 1.0))) == 6


@pytest.mark.parametrize("every_s", [0.5, 2.5])
def test_file_cut_short_gives_what_is_there_and_then_says_so(
    clip: Callable[[str], Path], tmp_path: Path, every_s: float
) -> None:
    path = cut_short(clip(".mkv"), tmp_path / "cut.mkv", 0.45)
    frames = frames_every(path, every_s)
    times: list[float] = []
    with pytest.raises(MixerGuiError, match=r"cut\.mkv” ends before its 6\.0 seconds"):
        times.extend(time_s for time_s, _ in frames)
    assert times == pytest.approx([k * every_s for k in range(len(times))], abs=1e-3)
    assert 1 <= len(times) < 6 / every_s


def test_what_is_no_video_is_told_in_a_sentence(clip: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video at all\n" * 200)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder.mp4").mkdir()
    cut_short(clip(".mp4"), tmp_path / "cut.mp4", 0.5)
    for name, sentence in (
        ("text.mp4", "could not be opened as a video"),
        ("cut.mp4", "cut short"),
        ("empty.mp4", "is empty"),
        ("folder.mp4", "is a folder"),
        ("gone.mp4", "is not there"),
    ):
        with pytest.raises(MixerGuiError, match=sentence) as raised:
            list(frames_every(tmp_path / name, 1.0))
        assert name in str(raised.value)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "sound.mp4"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    with pytest.raises(MixerGuiError, match="no pictures in it"):
        list(frames_every(tmp_path / "sound.mp4", 1.0))
