"""Recordings are read back: their pictures, their times, and what is said when they fail."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clips import image_of, two_photographs
from PySide6.QtCore import QObject, QSize, Slot
from pytestqt.qtbot import QtBot

from mixer_gui.media import recorder as module
from mixer_gui.media.extract import frames_every
from mixer_gui.media.recorder import QUEUE_FRAMES, VideoRecorder

COFFEE, ROCKET = two_photographs()


class Told(QObject):
    """A recorder and what it told."""

    def __init__(self) -> None:
        super().__init__()
        self.recorder = VideoRecorder()
        self.told: list[tuple[str, str]] = []
        self.recorder.started.connect(self.note_start)
        self.recorder.finished.connect(self.note_end)
        self.recorder.failed.connect(self.note_failure)

    @Slot()
    def note_start(self) -> None:
        self.told.append(("started", ""))

    @Slot(str)
    def note_end(self, path: str) -> None:
        self.told.append(("finished", path))

    @Slot(str)
    def note_failure(self, sentence: str) -> None:
        self.told.append(("failed", sentence))

    @property
    def ended(self) -> bool:
        return bool(self.told) and self.told[-1][0] != "started"


@pytest.fixture
def told(qtbot: QtBot) -> Iterator[Told]:
    told = Told()
    yield told
    told.recorder.stop()
    qtbot.waitUntil(lambda: not told.recorder.is_recording)


def record(told: Told, qtbot: QtBot, path: Path, times: list[float], *, size: tuple[int, int] = (600, 400)) -> None:
    """Coffee where the second is even and rocket where it is odd."""
    told.recorder.start(path, QSize(*size), 30)
    images = [image_of(COFFEE, QSize(*size)), image_of(ROCKET, QSize(*size))]
    for time_s in times:
        qtbot.waitUntil(lambda: len(told.recorder._waiting) < QUEUE_FRAMES)
        told.recorder.add(images[int(time_s - times[0] + 1e-6) % 2], time_s)
    told.recorder.stop()
    qtbot.waitUntil(lambda: told.ended, timeout=30_000)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi", ".video"])
def test_recording_has_the_pictures_at_their_times(told: Told, qtbot: QtBot, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    record(told, qtbot, path, [100 + k / 30 for k in range(60)])
    assert told.told == [("started", ""), ("finished", str(path))]
    assert told.recorder.dropped == 0
    found = list(frames_every(path, 0.01))
    assert [time_s for time_s, _ in found] == pytest.approx([k / 30 for k in range(60)], abs=1e-3)
    for time_s, pixels in found:
        picture = ROCKET if time_s > 0.999 else COFFEE
        assert np.abs(pixels.astype(int) - picture).mean() < 6, time_s


def test_uneven_times_are_kept_and_those_that_are_not_later_left_out(told: Told, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    record(told, qtbot, path, [5.0, 5.2, 5.2, 5.1, 5.25, 5.9, 6.0])
    times = [time_s for time_s, _ in frames_every(path, 0.01)]
    assert times == pytest.approx([0.0, 0.2, 0.25, 0.9, 1.0], abs=1e-3)


def test_odd_sizes_lose_a_row_or_a_column(told: Told, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    record(told, qtbot, path, [k / 30 for k in range(10)], size=(333, 201))
    assert told.told[-1][0] == "finished"
    assert next(frames_every(path, 1.0))[1].shape == (200, 332, 3)


def test_queue_is_bounded_and_what_is_dropped_is_counted(told: Told, qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    told.recorder.start(path, QSize(600, 400), 30)
    image = image_of(COFFEE)
    for k in range(500):  # without the event loop: the encoder asks for no more
        told.recorder.add(image, k / 30)
    assert len(told.recorder._waiting) <= QUEUE_FRAMES
    dropped = told.recorder.dropped
    assert dropped >= 500 - 2 * QUEUE_FRAMES
    told.recorder.stop()
    qtbot.waitUntil(lambda: told.ended, timeout=30_000)
    assert len(list(frames_every(path, 0.001))) == 500 - dropped


def test_folder_that_is_not_there_is_told(told: Told, tmp_path: Path) -> None:
    told.recorder.start(tmp_path / "gone" / "clip.mp4", QSize(64, 64), 30)
    assert told.told == [("failed", "The folder “gone” does not exist.")]
    assert not told.recorder.is_recording


def test_folder_is_no_place_for_a_recording(told: Told, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").mkdir()
    told.recorder.start(tmp_path / "clip.mp4", QSize(64, 64), 30)
    assert told.told == [("failed", "“clip.mp4” is a folder.")]
    assert not list((tmp_path / "clip.mp4").iterdir())


@pytest.mark.qt_log_ignore("Cannot open|could not open|Recording")
def test_place_that_cannot_be_written_is_told(told: Told, qtbot: QtBot, tmp_path: Path) -> None:
    name = "a" * 300 + ".mp4"  # longer than a name may be
    told.recorder.start(tmp_path / name, QSize(64, 64), 30)
    qtbot.waitUntil(lambda: told.ended)
    assert [kind for kind, _ in told.told] == ["failed"]
    assert "cannot be written there" in told.told[0][1]


def test_nothing_recorded_is_a_failure(told: Told, qtbot: QtBot, tmp_path: Path) -> None:
    told.recorder.start(tmp_path / "clip.mp4", QSize(64, 64), 30)
    told.recorder.stop()
    told.recorder.stop()
    qtbot.waitUntil(lambda: told.ended)
    assert [kind for kind, _ in told.told] == ["started", "failed"]
    assert "Nothing was recorded" in told.told[-1][1]


def test_no_encoder_is_told(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CODECS", ())
    told.recorder.start(tmp_path / "clip.mp4", QSize(64, 64), 30)
    assert [kind for kind, _ in told.told] == ["failed"]
    assert "no encoder" in told.told[0][1]


def test_full_disk_ends_the_recording_while_it_can_still_be_closed(
    told: Told, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clip.mp4"
    told.recorder.start(path, QSize(600, 400), 30)
    monkeypatch.setattr(module, "RESERVE_BYTES", 1 << 62)
    for k in range(50):
        told.recorder.add(image_of(COFFEE), k / 30)
    qtbot.waitUntil(lambda: told.ended, timeout=30_000)
    assert [kind for kind, _ in told.told] == ["started", "failed"]
    assert "nearly full" in told.told[-1][1]
    assert len(list(frames_every(path, 0.001))) == module.FRAMES_A_CHECK
    told.recorder.start(path, QSize(64, 64), 30)
    assert "disk is full" in told.told[-1][1]


@pytest.mark.qt_log_ignore("could not write")
def test_disk_that_takes_nothing_is_told(told: Told, qtbot: QtBot, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    path = tmp_path / "clip.mp4"
    path.symlink_to("/dev/full")
    told.recorder.start(path, QSize(64, 64), 30)
    for k in range(10):
        told.recorder.add(image_of(COFFEE), k / 30)
    told.recorder.stop()
    qtbot.waitUntil(lambda: told.ended, timeout=30_000)
    assert [kind for kind, _ in told.told] == ["started", "failed"]
    assert "clip.mp4" in told.told[-1][1]


def test_the_next_recording_waits_for_the_one_before(told: Told, qtbot: QtBot, tmp_path: Path) -> None:
    told.recorder.start(tmp_path / "a.mp4", QSize(600, 400), 30)
    for number in range(3):
        told.recorder.add(image_of(COFFEE), number / 30)
    told.recorder.stop()
    told.recorder.start(tmp_path / "b.mp4", QSize(600, 400), 30)
    assert told.told[-1][0] == "failed"
    assert "still being written" in told.told[-1][1]
    qtbot.waitUntil(lambda: told.told[-1] == ("finished", str(tmp_path / "a.mp4")))


def test_one_recorder_makes_many_recordings(told: Told, qtbot: QtBot, tmp_path: Path) -> None:
    for number in range(20):
        told.told.clear()
        path = tmp_path / f"{number}.mp4"
        record(told, qtbot, path, [k / 30 for k in range(5)], size=(64, 48))
        assert told.told[-1] == ("finished", str(path))
