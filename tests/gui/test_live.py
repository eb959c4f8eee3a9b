"""Moving pictures in the real window: real decoder, real engine, the embedded model, a video of two photographs."""

from __future__ import annotations

import csv
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from clips import cut_short, two_photographs, write_clip
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage

from mixer_gui.gui.gallery import LivePicture
from mixer_gui.gui.maps import MapKind
from mixer_gui.records import CameraFeed, FeedState, Framing, FramingKind, WindowFeed
from mixer_gui.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.window import MainWindow

TIMEOUT_MS = 30_000
NAMES = ("espresso", "projectile")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds: coffee, rocket, coffee, rocket."""
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    write_clip(path, two_photographs(), seconds_each=1.0, rate=30, repeats=2)
    return path


@pytest.fixture
def window(start: Callable[..., Application]) -> MainWindow:
    return start().window


def play(qtbot: QtBot, window: MainWindow, path: Path, *, until: FeedState = FeedState.PLAYING) -> None:
    window.files.open_paths([path])
    qtbot.waitUntil(
        lambda: window.live.status.state == until and window.session.current is not None, timeout=TIMEOUT_MS
    )


def wait_for_frames(qtbot: QtBot, window: MainWindow, count: int = 3) -> None:
    before = len(window.time.timeline.samples())
    qtbot.waitUntil(lambda: len(window.time.timeline.samples()) >= before + count, timeout=TIMEOUT_MS)


def pause_at(qtbot: QtBot, window: MainWindow, time_s: float) -> None:
    """Pause, go there, and wait until that very frame has its answer."""
    window.picture.live_bar.pause_asked.emit()
    qtbot.waitUntil(lambda: window.live.status.state in (FeedState.PAUSED, FeedState.ENDED), timeout=TIMEOUT_MS)
    answers: list[float] = []
    window.live.answered.connect(lambda answer, _frame: answers.append(answer.time_s))
    window.live.seek(time_s)
    qtbot.waitUntil(
        lambda: (
            bool(answers)
            and abs(answers[-1] - time_s) < 0.05
            and window.live.frame is not None
            and window.live.frame.time_s == answers[-1]
        ),
        timeout=TIMEOUT_MS,
    )


def first_class(window: MainWindow) -> str:
    return str(window.predictions.list.predictions.index(0).data(Qt.ItemDataRole.DisplayRole))


def thread_names() -> list[str]:
    names = []
    for each in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has just ended
            names.append((each / "comm").read_text().strip())
    return names


def test_a_dropped_video_is_classified_and_its_cuts_are_in_the_timeline(
    qtbot: QtBot, window: MainWindow, clip: Path
) -> None:
    play(qtbot, window, clip, until=FeedState.ENDED)
    assert isinstance(window.session.current, LivePicture)
    assert window.windowTitle().startswith("clip.mkv")
    samples = window.time.timeline.samples()
    assert len(samples) > 8
    for sample in samples:
        second = int(sample.time_s)
        if second == 0 or sample.time_s - second > 0.3:  # within 300 ms of a cut the average turns
            assert NAMES[second % 2] in sample.predictions[0].label, sample.time_s
    assert all(a.time_s < b.time_s for a, b in pairwise(samples))


def test_freezing_keeps_the_frame_as_a_picture_with_its_full_explanation(
    qtbot: QtBot, window: MainWindow, clip: Path
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    pause_at(qtbot, window, 0.5)
    live = window.session.current
    assert live is not None
    assert live.report is not None
    qtbot.keyClick(window.picture.view, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.session.gallery.rowCount() == 1 and window.session.waiting == 0, timeout=TIMEOUT_MS)
    frozen = window.session.current
    assert frozen is window.session.gallery.picture(0)
    assert frozen is not None
    assert frozen.source.name == "clip.mkv at 0:00.5"
    assert frozen.report is not None
    assert frozen.report.predictions[0] == live.report.predictions[0]
    np.testing.assert_array_equal(frozen.report.update, live.report.update)
    window.picture.view._pin(3)
    qtbot.waitUntil(lambda: window.patch.panel._reads._image is not None, timeout=TIMEOUT_MS)
    window.picture.view._pin(3)
    assert window.live.is_held
    qtbot.keyClick(window.picture.view, Qt.Key.Key_Space)
    assert window.session.current is live
    wait_for_frames(qtbot, window)
    assert window.session.gallery.rowCount() == 1


def test_seeking_and_stepping_show_the_very_frame_with_its_own_prediction(
    qtbot: QtBot, window: MainWindow, clip: Path
) -> None:
    play(qtbot, window, clip)
    for time_s, name in ((0.98, "espresso"), (1.02, "projectile"), (0.5, "espresso")):
        pause_at(qtbot, window, time_s)
        assert name in first_class(window)
        assert isinstance(window.session.current, LivePicture)
        assert window.session.current.ranking == window.session.current.report.predictions[:20]  # type: ignore[union-attr]
    frame = window.live.frame
    assert frame is not None
    window.picture.live_bar.step_asked.emit(1)
    qtbot.waitUntil(lambda: window.live.frame is not frame, timeout=TIMEOUT_MS)
    assert window.live.frame is not None
    assert window.live.frame.time_s == pytest.approx(frame.time_s + 1 / 30, abs=0.005)


def test_a_click_into_the_timeline_goes_there_also_from_a_frozen_frame(
    qtbot: QtBot, window: MainWindow, clip: Path
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    window.live.freeze()
    qtbot.waitUntil(lambda: window.session.gallery.rowCount() == 1, timeout=TIMEOUT_MS)
    window.time.timeline.seek_asked.emit(3.5)
    qtbot.waitUntil(
        lambda: window.live.frame is not None and abs(window.live.frame.time_s - 3.5) < 0.05, timeout=TIMEOUT_MS
    )
    assert isinstance(window.session.current, LivePicture)
    qtbot.waitUntil(lambda: "projectile" in first_class(window), timeout=TIMEOUT_MS)


def test_choosing_a_picture_holds_the_video_and_stop_shows_the_picture_again(
    qtbot: QtBot, window: MainWindow, clip: Path, photographs: dict[str, Path]
) -> None:
    window.files.open_paths([photographs["chelsea"]])
    qtbot.waitUntil(lambda: window.session.gallery.rowCount() == 1 and window.session.waiting == 0, timeout=TIMEOUT_MS)
    still = window.session.current
    assert still is not None
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    window.session.show_picture(still)
    assert window.live.is_held
    assert window.live.is_open
    window.live.resume()
    wait_for_frames(qtbot, window)
    window.live.close()
    assert not window.live.is_open
    assert window.session.current is still
    assert not window.picture.live_bar.isVisibleTo(window)
    assert window.time.currentWidget() is window.patch


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted by /proc")
def test_stopping_leaves_no_thread(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    before = sorted(each for each in thread_names() if each != "Thread (pooled)")
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    assert "media" in thread_names()
    window.live.close()
    qtbot.waitUntil(
        lambda: sorted(each for each in thread_names() if each != "Thread (pooled)") == before, timeout=TIMEOUT_MS
    )


def test_what_is_pointed_at_is_answered_frame_by_frame(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    play(qtbot, window, clip)
    pause_at(qtbot, window, 0.5)
    window.layers.kind.setCurrentIndex(window.layers.kind.findData(MapKind.CONTRIBUTION))
    qtbot.waitUntil(lambda: window.explorer._about is not None, timeout=TIMEOUT_MS)
    window.explorer.choose_class(150)  # surely not among the first
    qtbot.waitUntil(
        lambda: window.explorer._about is not None and window.explorer._about.prediction.index == 150,
        timeout=TIMEOUT_MS,
    )
    window.picture.view.patch_pointed.emit(None)
    window.picture.view._pin(20)
    qtbot.waitUntil(lambda: window.patch.panel._reads._image is not None, timeout=TIMEOUT_MS)
    assert window.time.currentWidget() is window.patch


def test_framing_holds_for_frames(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    play(qtbot, window, clip)
    pause_at(qtbot, window, 0.5)
    window._change_framing(Framing(FramingKind.SQUASH))
    current = window.session.current
    assert current is not None
    qtbot.waitUntil(
        lambda: current.report is not None and current.report.framing.kind == FramingKind.SQUASH, timeout=TIMEOUT_MS
    )
    assert current.report is not None
    assert (current.report.seen.width, current.report.seen.height) == (600, 400)


def test_predictions_are_recorded_as_they_are_shown(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window, 1)
    target = tmp_path / "predictions.csv"
    window.live_commands.start_log(target)
    assert window.actions_.live.record_predictions.isChecked()
    wait_for_frames(qtbot, window, 5)
    window.live.close()
    assert not window.actions_.live.record_predictions.isChecked()
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 25
    assert [int(row["rank"]) for row in rows[:5]] == [1, 2, 3, 4, 5]
    assert all(float(a["time_s"]) <= float(b["time_s"]) for a, b in pairwise(rows))
    assert any(name in rows[-5]["label"] for name in NAMES)
    assert 0.0 < float(rows[0]["probability"]) <= 1.0


def test_a_log_that_cannot_be_written_says_so_and_the_video_goes_on(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window, 1)
    window.live_commands.start_log(tmp_path / "nowhere" / "predictions.csv")
    assert "could not be written" in window._message.whole
    assert not window.actions_.live.record_predictions.isChecked()
    wait_for_frames(qtbot, window)


def test_annotated_video_holds_the_frames_with_map_and_ranking(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    from mixer_gui.media.extract import frames_every

    play(qtbot, window, clip)
    wait_for_frames(qtbot, window, 1)
    target = tmp_path / "annotated.mp4"
    told: list[str] = []
    window.live_commands.told.connect(told.append)
    window.live_commands.start_video(target)
    wait_for_frames(qtbot, window, 12)
    window.live.close()  # finishes it
    qtbot.waitUntil(lambda: any("annotated.mp4" in each for each in told), timeout=TIMEOUT_MS)
    frames = list(frames_every(target, 0.1))
    assert frames
    coffee = two_photographs()[0].astype(float)
    pixels = frames[0][1].astype(float)
    assert pixels.shape == (400, 600, 3)
    assert pixels[-40:].mean() < coffee[-40:].mean()  # the ranking's dark bar
    assert np.abs(pixels[:300] - coffee[:300]).mean() > 3  # the map


def test_a_file_that_is_no_video_is_told_and_the_window_goes_on(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_text("this is no video")
    window.files.open_paths([broken])
    qtbot.waitUntil(lambda: "broken.mp4" in window._message.whole, timeout=TIMEOUT_MS)
    assert not window.live.is_open
    assert window.session.current is None
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    assert window._message.whole == ""


def test_a_video_cut_short_is_told_and_can_be_played_again(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    short = cut_short(clip, tmp_path / "short.mkv", 0.5)
    play(qtbot, window, short)
    qtbot.waitUntil(lambda: "short.mkv" in window._message.whole, timeout=TIMEOUT_MS)
    assert window.live.is_open
    assert window.live.status.state == FeedState.ENDED
    pause_at(qtbot, window, 0.5)
    assert "espresso" in first_class(window)


def test_without_a_camera_a_sentence_says_so(qtbot: QtBot, window: MainWindow) -> None:
    window.live_commands.open_camera(CameraFeed(), "Camera")
    qtbot.waitUntil(lambda: "camera" in window._message.whole.lower(), timeout=TIMEOUT_MS)
    assert not window.live.is_open


def test_a_window_that_is_not_there_is_told(qtbot: QtBot, window: MainWindow) -> None:
    window.live.open(WindowFeed("no such window"), "no such window")
    qtbot.waitUntil(lambda: bool(window._message.whole), timeout=TIMEOUT_MS)
    assert not window.live.is_open


def test_another_model_takes_over_while_a_video_plays(
    qtbot: QtBot, window: MainWindow, clip: Path, tiny_checkpoint: Callable[..., Path]
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    window.models.open(tiny_checkpoint())
    current = window.session.current
    assert current is not None
    qtbot.waitUntil(
        lambda: (
            current.report is not None
            and current.report.model.name != "Built-in model"
            and len(current.report.lens) == 3
        ),
        timeout=TIMEOUT_MS,
    )


def test_a_model_that_cannot_run_stops_classifying_but_not_the_picture(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    (tmp_path / "no-model.safetensors").write_bytes(b"nothing")
    window.models.open(tmp_path / "no-model.safetensors")
    wait_for_frames(qtbot, window)  # the one in use goes on


def test_choices_are_remembered(start: Callable[..., Application], qtbot: QtBot) -> None:
    window = start(settings=Settings(steady_s=0.3, maps_every=4, camera_mirrored=False)).window
    assert window.actions_.live.steady[0.3].isChecked()
    assert window.actions_.live.maps_every[4].isChecked()
    assert not window.actions_.live.mirror.isChecked()
    window.actions_.live.steady[1.0].trigger()
    window.actions_.live.maps_every[2].trigger()
    window.actions_.live.mirror.trigger()
    kept = window.settings()
    assert (kept.steady_s, kept.maps_every, kept.camera_mirrored) == (1.0, 2, True)


def test_maps_of_every_eighth_frame_only(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    answers: list[bool] = []
    window.live.maps_every = 8
    window.live.answered.connect(lambda answer, _frame: answers.append(answer.report is not None))
    play(qtbot, window, clip)
    qtbot.waitUntil(lambda: len(answers) >= 17, timeout=TIMEOUT_MS)
    assert [row for row, has_maps in enumerate(answers[:17]) if has_maps] == [0, 8, 16]


def test_in_step_the_picture_is_the_one_that_its_map_is_of(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    window.actions_.live.keep_step.setChecked(True)
    pairs: list[tuple[int, int]] = []

    def note(_answer: object, frame: object) -> None:
        shown = window.live.frame
        if shown is not None:
            pairs.append((shown.number, frame.number))  # type: ignore[attr-defined]

    window.live.answered.connect(note)
    play(qtbot, window, clip)
    qtbot.waitUntil(lambda: len(pairs) > 10, timeout=TIMEOUT_MS)
    assert all(of_map - 2 <= shown <= of_map for shown, of_map in pairs[2:])


def test_in_step_a_paused_picture_is_the_one_that_was_sought(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    window.actions_.live.keep_step.setChecked(True)
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    for time_s in (0.5, 1.5, 2.5):
        pause_at(qtbot, window, time_s)
    window.actions_.live.keep_step.setChecked(False)
    pause_at(qtbot, window, 0.5)
    assert not window.live._images


def test_a_paused_video_has_the_map_and_the_prediction_of_its_own_frame(
    qtbot: QtBot, window: MainWindow, clip: Path
) -> None:
    window.live.maps_every, window.live.steady_s = 8, 1.0
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window, 11)
    window.picture.live_bar.pause_asked.emit()
    qtbot.waitUntil(lambda: window.live.status.state == FeedState.PAUSED, timeout=TIMEOUT_MS)
    qtbot.waitUntil(
        lambda: window.live._asked is None and window.live._mapped is window.live.frame is not None, timeout=TIMEOUT_MS
    )
    current = window.session.current
    assert isinstance(current, LivePicture)
    assert current.report is not None
    assert current.ranking == current.report.predictions[:20]


def test_stepping_goes_on_from_a_frozen_frame(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    window.live.freeze()
    qtbot.waitUntil(lambda: window.live.status.state == FeedState.PAUSED, timeout=TIMEOUT_MS)
    before = window.live.frame
    window.picture.live_bar.step_asked.emit(1)
    qtbot.waitUntil(lambda: window.live.frame is not before, timeout=TIMEOUT_MS)
    assert isinstance(window.session.current, LivePicture)


def test_frames_of_the_source_before_are_not_taken_for_the_new_ones(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    window.live._is_blocked = True  # so that a frame waits to be taken, as while an answer is awaited
    stage = window.live._media._stage
    assert stage is not None
    feed = stage.feed
    assert feed is not None
    qtbot.waitUntil(lambda: feed._frames._item is not None, timeout=TIMEOUT_MS)
    broken = tmp_path / "broken.mp4"
    broken.write_text("this is no video")
    window.live_commands.open_video(broken)
    window.live._take_frame()
    assert window.live._asked is None
    qtbot.waitUntil(lambda: "broken.mp4" in window._message.whole, timeout=TIMEOUT_MS)
    assert window.session.gallery.rowCount() == 0


def test_the_average_does_not_reach_over_to_another_source(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    other = write_clip(tmp_path / "rocket.mkv", two_photographs()[1:], seconds_each=1.0, rate=30)
    window.live.steady_s = 1.0
    play(qtbot, window, clip)
    pause_at(qtbot, window, 0.0)
    answers: list[str] = []
    window.live.answered.connect(lambda answer, _frame: answers.append(answer.predictions[0].label))
    window.live_commands.open_video(other)
    qtbot.waitUntil(lambda: len(answers) > 2, timeout=TIMEOUT_MS)
    assert all("projectile" in each for each in answers)


def test_speed_and_loop_are_those_of_the_bar_after_a_stop(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    play(qtbot, window, clip)
    bar = window.picture.live_bar
    bar.loop.click()
    bar.speed.setCurrentIndex(bar.speed.findData(2.0))
    window.live.close()
    play(qtbot, window, clip)
    stage = window.live._media._stage
    assert stage is not None
    assert stage.feed is not None
    assert (stage.feed._loops, stage.feed._speed) == (True, 2.0)


def test_what_was_said_of_a_video_cut_short_stays_in_the_timeline(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    play(qtbot, window, cut_short(clip, tmp_path / "short.mkv", 0.5), until=FeedState.ENDED)
    assert len(window.time.timeline.samples()) > 3


def test_another_model_begins_another_timeline(
    qtbot: QtBot, window: MainWindow, clip: Path, tiny_checkpoint: Callable[..., Path]
) -> None:
    play(qtbot, window, clip)
    pause_at(qtbot, window, 2.5)
    assert len(window.time.timeline.samples()) > 1
    window.models.open(tiny_checkpoint())
    qtbot.waitUntil(lambda: len(window.time.timeline.samples()) == 1, timeout=TIMEOUT_MS)


def test_a_frame_is_written_once_whatever_is_asked_about_it(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    play(qtbot, window, clip)
    pause_at(qtbot, window, 0.5)
    window.live_commands.start_log(tmp_path / "predictions.csv")
    answers: list[object] = []
    window.live.answered.connect(lambda answer, _frame: answers.append(answer))
    for patch in (3, 4, 5):
        count = len(answers)
        window.picture.view._pin(patch)
        qtbot.waitUntil(lambda count=count: len(answers) > count, timeout=TIMEOUT_MS)  # type: ignore[misc]
    window.actions_.live.record_predictions.trigger()
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full is needed")
def test_a_log_that_could_not_be_finished_is_not_called_saved(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    told: list[str] = []
    window.live_commands.told.connect(told.append)
    log = window.live_commands.log
    window.live_commands.start_log(tmp_path / "predictions.csv")
    assert log._file is not None
    log._file.close()
    log._file = Path("/dev/full").open("w")  # noqa: SIM115 - the log closes it
    log._flushed = float("inf")
    wait_for_frames(qtbot, window)
    window.actions_.live.record_predictions.trigger()
    assert "could not be written" in window._message.whole
    assert not told


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted by /proc")
def test_stopping_while_a_video_is_recorded_finishes_it_and_leaves_no_thread(
    qtbot: QtBot, window: MainWindow, clip: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    window.live_commands.told.connect(told.append)
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    window.live_commands.start_video(tmp_path / "annotated.mp4")
    wait_for_frames(qtbot, window)
    window.live.close()
    qtbot.waitUntil(lambda: bool(told) and "media" not in thread_names(), timeout=TIMEOUT_MS)


def test_a_closed_source_lets_go_of_its_frames_though_its_crop_can_be_undone(
    qtbot: QtBot, window: MainWindow, clip: Path
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    picture = window.session.current
    assert picture is not None
    window._change_framing(Framing(FramingKind.SQUASH))
    window.live.close()
    assert picture.frame is None
    window.undo_stack.undo()


def test_the_window_comes_back_however_choosing_a_part_of_the_screen_ends(window: MainWindow) -> None:
    window.hide()
    window.live_commands._show_picker()
    picker = window.live_commands._picker
    assert picker is not None
    picker.close()  # as the desktop does, at Alt+F4
    assert window.isVisible()
    assert window.live_commands._picker is None
    assert not window.live.is_open


def test_pasted_picture_data_can_be_encoded() -> None:
    from mixer_gui.gui.drop_area import encode

    image = QImage(6, 4, QImage.Format.Format_RGB888)
    image.fill(0x336699)
    assert QImage.fromData(encode(image)).pixelColor(3, 2).name() == "#336699"


def test_deleting_in_the_strip_while_a_video_plays_does_not_touch_the_video(
    qtbot: QtBot, window: MainWindow, clip: Path
) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    window.live.freeze()
    qtbot.waitUntil(lambda: window.session.gallery.rowCount() == 1 and window.session.waiting == 0, timeout=TIMEOUT_MS)
    window.live.resume()
    assert not window.picture.strip.currentIndex().isValid()  # so that the picture can be chosen again by a click
    qtbot.keyClick(window.picture.strip, Qt.Key.Key_Delete)
    assert isinstance(window.session.current, LivePicture)
    assert window.session.gallery.rowCount() == 1
    wait_for_frames(qtbot, window)
    window.picture.strip.setCurrentIndex(window.session.gallery.index(0))
    assert window.session.current is window.session.gallery.picture(0)
    assert window.live.is_held


def test_a_frozen_frame_keeps_the_crop(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    play(qtbot, window, clip)
    pause_at(qtbot, window, 0.5)
    window._change_framing(Framing(FramingKind.SQUASH))
    live = window.session.current
    assert live is not None
    qtbot.waitUntil(
        lambda: live.report is not None and live.report.framing.kind == FramingKind.SQUASH, timeout=TIMEOUT_MS
    )
    assert "another part" in window.picture.notice.text()
    window.live.freeze()
    qtbot.waitUntil(lambda: window.session.gallery.rowCount() == 1 and window.session.waiting == 0, timeout=TIMEOUT_MS)
    frozen = window.session.current
    assert frozen is not None
    assert frozen.report is not None
    assert live.report is not None
    assert frozen.report.framing == live.report.framing
    assert frozen.report.predictions[0] == live.report.predictions[0]


def test_the_rectangle_can_be_dragged_while_the_video_plays(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    play(qtbot, window, clip)
    wait_for_frames(qtbot, window)
    window.explorer.framing.use(FramingKind.RECTANGLE)
    current = window.session.current
    assert current is not None
    qtbot.waitUntil(
        lambda: current.report is not None and current.report.framing.kind == FramingKind.RECTANGLE,
        timeout=TIMEOUT_MS,
    )
    view = window.picture.view
    before = current.framing.rectangle
    assert before is not None
    centre = view.placement().to_screen(before).center().toPoint()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=centre)
    qtbot.mouseMove(view, centre + QPoint(25, 0))
    answers: list[object] = []
    window.live.answered.connect(lambda answer, _frame: answers.append(answer))
    qtbot.waitUntil(lambda: len(answers) >= 2 or window.live.status.state == FeedState.ENDED, timeout=TIMEOUT_MS)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=centre + QPoint(25, 0))
    after = current.framing.rectangle
    assert after is not None
    assert after.left > before.left


def test_letting_a_class_go_while_paused_keeps_the_contributions(qtbot: QtBot, window: MainWindow, clip: Path) -> None:
    play(qtbot, window, clip)
    pause_at(qtbot, window, 0.5)
    window.layers.kind.setCurrentIndex(window.layers.kind.findData(MapKind.CONTRIBUTION))
    qtbot.waitUntil(lambda: window.explorer._about is not None, timeout=TIMEOUT_MS)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: window.explorer._about is not None, timeout=TIMEOUT_MS)


def test_only_the_first_of_several_videos_is_opened_and_that_is_said(
    qtbot: QtBot, window: MainWindow, clip: Path
) -> None:
    window.files.open_paths([clip, clip.with_name("other.mp4"), clip.with_name("third.webm")])
    assert "2 more were left out" in window._message.whole
    qtbot.waitUntil(lambda: window.live.status.state == FeedState.PLAYING, timeout=TIMEOUT_MS)
