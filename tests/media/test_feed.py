"""A Feed in a thread of its own: real clips through Qt's player, a made-up camera through a real capture session."""

from __future__ import annotations

import contextlib
import gc
import time
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from clips import cut_short, image_of, two_photographs, write_clip
from PySide6.QtCore import QCoreApplication, QObject, QSize, QThread, QTimer, Signal, Slot
from PySide6.QtMultimedia import QMediaCaptureSession, QVideoFrame, QVideoFrameFormat, QVideoFrameInput
from pytestqt.exceptions import TimeoutError as QtTimeoutError

from mixer_gui.media.camera import Cameras, nearest_format
from mixer_gui.media.feed import Feed
from mixer_gui.records import (
    Camera,
    CameraFeed,
    Devices,
    FeedFailure,
    FeedSource,
    FeedState,
    FeedStatus,
    LiveFrame,
    ScreenFeed,
    VideoFeed,
    WindowFeed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

TIMEOUT_MS = 15_000
RATE = 30
FRAMES = 60
TASKS = Path("/proc/self/task")


class Remote(QObject):
    """The Feed in its thread, told by signals what the window would tell it; keeps what it says."""

    open = Signal(object)
    close = Signal()
    play = Signal()
    pause = Signal()
    seek = Signal(float)
    step = Signal(int)
    set_speed = Signal(float)
    set_loop = Signal(bool)
    show_at = Signal(QSize)
    find_devices = Signal()
    _ask = Signal(object)

    def __init__(self, qtbot: QtBot, **options: object) -> None:
        super().__init__()
        self._qtbot = qtbot
        self.statuses: list[FeedStatus] = []
        self.failures: list[FeedFailure] = []
        self.devices: list[Devices] = []
        self.frames: list[LiveFrame] = []
        self.images: list[tuple[LiveFrame, object]] = []
        self.told: list[str] = []
        self.takes = True
        self.keeps = True
        self.thread_of_feed = QThread()
        self.thread_of_feed.setObjectName("media")
        self.feed = Feed(**options)
        self.feed.moveToThread(self.thread_of_feed)
        for name in ("open", "close", "play", "pause", "seek", "step", "set_speed", "set_loop", "show_at"):
            getattr(self, name).connect(getattr(self.feed, name))
        self.find_devices.connect(self.feed.find_devices)
        self.feed.frame_ready.connect(self._frame_ready)
        self.feed.image_ready.connect(self._image_ready)
        self.feed.status_changed.connect(self._status_changed)
        self.feed.failed.connect(self._failed)
        self.feed.devices_changed.connect(self._devices_changed)
        self.thread_of_feed.start()

    @Slot()
    def _frame_ready(self) -> None:
        self.told.append("frame")
        if self.takes and (frame := self.feed.take_frame()) is not None:
            self.frames = [*self.frames, frame] if self.keeps else [frame]

    @Slot()
    def _image_ready(self) -> None:
        self.told.append("image")
        if self.takes and (image := self.feed.take_image()) is not None:
            self.images = [*self.images, image] if self.keeps else [image]

    @Slot(object)
    def _status_changed(self, status: FeedStatus) -> None:
        self.statuses.append(status)

    @Slot(object)
    def _failed(self, failure: FeedFailure) -> None:
        self.failures.append(failure)

    @Slot(object)
    def _devices_changed(self, devices: Devices) -> None:
        self.devices.append(devices)

    @property
    def status(self) -> FeedStatus:
        return self.statuses[-1] if self.statuses else FeedStatus()

    @property
    def times(self) -> list[float]:
        return [frame.time_s for frame in self.frames]

    def wait(self, condition: Callable[[], bool]) -> None:
        self._qtbot.waitUntil(condition, timeout=TIMEOUT_MS)

    def wait_for(self, state: FeedState) -> None:
        self.wait(lambda: self.status.state is state)

    def wait_for_failure(self) -> FeedFailure:
        self.wait(lambda: bool(self.failures))
        return self.failures[-1]

    def open_paused(self, source: FeedSource) -> None:
        self.open.emit(source)
        self.pause.emit()
        self.wait_for(FeedState.PAUSED)
        self.wait(lambda: bool(self.frames))

    def time_after(self, signal: object, *values: object) -> float:
        """The time of the frame that a command brings."""
        count = len(self.frames)
        signal.emit(*values)
        self.wait(lambda: len(self.frames) > count)
        return self.times[-1]

    def shut_down(self) -> None:
        self.close.emit()
        self.wait_for(FeedState.CLOSED)
        self.thread_of_feed.quit()
        assert self.thread_of_feed.wait(TIMEOUT_MS)


@pytest.fixture
def make(qtbot: QtBot) -> Iterator[Callable[..., Remote]]:
    remotes: list[Remote] = []

    def run(**options: object) -> Remote:
        remotes.append(Remote(qtbot, **options))
        return remotes[-1]

    yield run
    for remote in remotes:
        remote.shut_down()


@pytest.fixture
def remote(make: Callable[..., Remote]) -> Remote:
    return make()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    """A second of coffee, a second of rocket, 30 frames each."""
    return write_clip(folder / "clip.mp4", two_photographs(), rate=RATE)


@pytest.fixture(scope="module")
def matroska(folder: Path) -> Path:
    return write_clip(folder / "clip.mkv", two_photographs(), rate=RATE, repeats=2)


def is_coffee(frame: LiveFrame) -> bool:
    coffee, rocket = (picture.astype(int) for picture in two_photographs())
    return np.abs(frame.pixels - coffee).mean() < np.abs(frame.pixels - rocket).mean()


# --- videos


def test_video_plays_from_the_start_to_its_end(remote: Remote, clip: Path) -> None:
    remote.open.emit(VideoFeed(clip))
    remote.wait_for(FeedState.ENDED)
    states = [status.state for status in remote.statuses]
    assert states[0] is FeedState.OPENING
    assert list(dict.fromkeys(states)) == [FeedState.OPENING, FeedState.PLAYING, FeedState.ENDED]
    status = remote.status
    assert status == FeedStatus(VideoFeed(clip), FeedState.ENDED, 2.0, True, 30.0, (600, 400))
    counts = remote.feed.counts()
    assert counts.seen == FRAMES
    assert remote.frames[0].time_s == 0
    assert remote.times == sorted(remote.times)
    assert [frame.number for frame in remote.frames] == sorted({frame.number for frame in remote.frames})
    for frame in remote.frames:
        assert frame.time_s == pytest.approx((frame.number - 1) / RATE, abs=1e-5)
        assert is_coffee(frame) == (frame.time_s < 1 - 1e-6)
        assert frame.pixels.shape == (400, 600, 3)
        assert not frame.pixels.flags.writeable
    assert remote.frames[-1].number == FRAMES
    assert not remote.failures


def test_ended_video_plays_again(remote: Remote, clip: Path) -> None:
    remote.set_speed.emit(4)
    remote.open.emit(VideoFeed(clip))
    remote.wait_for(FeedState.ENDED)
    remote.play.emit()
    remote.wait_for(FeedState.PLAYING)
    remote.wait_for(FeedState.ENDED)
    assert remote.feed.counts().seen > FRAMES
    assert [later - time_s for time_s, later in zip(remote.times, remote.times[1:], strict=False) if later < time_s]
    assert not remote.failures


def test_paused_video_shows_its_first_frame_and_goes_on_from_there(remote: Remote, clip: Path) -> None:
    remote.open_paused(VideoFeed(clip))
    assert remote.times == [0]
    remote.play.emit()
    remote.wait(lambda: remote.times[-1] > 0.2)
    assert remote.status.state is FeedState.PLAYING
    remote.pause.emit()
    remote.wait_for(FeedState.PAUSED)
    assert 0 < remote.times[-1] < 2


@pytest.mark.parametrize("name", ["clip", "matroska"])
def test_seek_shows_the_frame_of_that_time(remote: Remote, name: str, request: pytest.FixtureRequest) -> None:
    remote.open_paused(VideoFeed(request.getfixturevalue(name)))
    tolerance = 1e-5 if name == "clip" else 6e-4  # Matroska counts in milliseconds
    for frame in (30, 29, 0, 59, 1, 31, 31):
        assert remote.time_after(remote.seek, (frame + 0.5) / RATE) == pytest.approx(frame / RATE, abs=tolerance)
        assert is_coffee(remote.frames[-1]) == (frame < 30)
        exact = remote.times[-1]
        assert remote.time_after(remote.seek, exact) == exact
    assert remote.status.state is FeedState.PAUSED


@pytest.mark.parametrize("name", ["clip", "matroska"])
def test_seek_behind_the_end_shows_the_last_frame(remote: Remote, name: str, request: pytest.FixtureRequest) -> None:
    remote.open_paused(VideoFeed(request.getfixturevalue(name)))
    duration_s = remote.status.duration_s
    assert duration_s is not None
    for position_s in (duration_s, 100.0):
        assert remote.time_after(remote.seek, position_s) == pytest.approx(duration_s - 1 / RATE, abs=2e-3)
    assert remote.time_after(remote.seek, -1.0) == 0
    assert remote.status.state is FeedState.PAUSED
    assert not remote.failures


def test_seek_after_the_end_pauses_there(remote: Remote, clip: Path) -> None:
    remote.set_speed.emit(4)
    remote.open.emit(VideoFeed(clip))
    remote.wait_for(FeedState.ENDED)
    assert remote.time_after(remote.seek, 0.55) == pytest.approx(16 / RATE, abs=1e-5)
    remote.wait_for(FeedState.PAUSED)
    remote.play.emit()
    remote.wait_for(FeedState.ENDED)


def test_seek_while_playing_goes_on_from_there(remote: Remote, clip: Path) -> None:
    remote.open.emit(VideoFeed(clip))
    remote.wait(lambda: len(remote.frames) > 3)
    count = len(remote.frames)
    remote.seek.emit(1.5)
    remote.wait(lambda: remote.times[-1] > 1.6)
    later = [time_s for time_s in remote.times[count:] if time_s > 1.2]
    assert later == sorted(later)
    assert later[0] >= 1.5 - 1 / RATE
    assert remote.status.state is FeedState.PLAYING


def test_a_seek_begins_another_run_of_frames_and_so_does_another_source(remote: Remote, clip: Path) -> None:
    remote.open.emit(VideoFeed(clip))
    remote.wait(lambda: len(remote.frames) > 3)
    remote.seek.emit(1.5)
    remote.wait(lambda: remote.times[-1] > 1.6)
    runs = {frame.run for frame in remote.frames if frame.time_s > 1.4}
    assert len(runs) == 1
    assert runs.isdisjoint(frame.run for frame in remote.frames if frame.time_s < 1.4)
    remote.frames = []
    remote.open.emit(VideoFeed(clip))
    remote.wait(lambda: 0.0 in remote.times)
    assert remote.frames[-1].run not in runs


def test_seek_before_it_is_open_is_kept(remote: Remote, clip: Path) -> None:
    remote.open.emit(VideoFeed(clip))
    remote.pause.emit()
    remote.seek.emit(1.0)
    remote.wait(lambda: remote.times[-1:] == [1.0])
    assert remote.status.state is FeedState.PAUSED


def test_seeks_of_a_dragged_slider_collapse_to_the_newest(remote: Remote, clip: Path) -> None:
    remote.open_paused(VideoFeed(clip))
    for frame in [*range(60), *range(60), 17]:
        remote.seek.emit((frame + 0.5) / RATE)
    remote.wait(lambda: remote.times[-1] == pytest.approx(17 / RATE, abs=1e-5))
    assert remote.feed.counts().seen < 60


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_step_goes_one_frame_on_and_back(remote: Remote, folder: Path, suffix: str) -> None:
    path = write_clip(folder / f"step{suffix}", two_photographs(), seconds_each=0.4, rate=23.976)
    remote.open_paused(VideoFeed(path))
    times = [0.0]
    while times[-1] < 19 / 23.976 - 2e-3:
        times.append(remote.time_after(remote.step, 1))
    assert times == pytest.approx([frame / 23.976 for frame in range(20)], abs=2e-3)
    back = [times[-1]]
    while back[-1] > 0:
        back.append(remote.time_after(remote.step, -1))
    assert back[::-1] == times
    assert remote.status.state is FeedState.PAUSED


def test_steps_at_either_edge_stay_there(remote: Remote, clip: Path) -> None:
    remote.open_paused(VideoFeed(clip))
    remote.step.emit(-1)
    assert remote.time_after(remote.step, 1) == pytest.approx(1 / RATE, abs=1e-5)
    remote.time_after(remote.seek, 5.0)
    remote.step.emit(1)
    assert remote.time_after(remote.step, -1) == pytest.approx(58 / RATE, abs=1e-5)


def test_steps_that_come_at_once_are_all_made(remote: Remote, clip: Path) -> None:
    remote.open_paused(VideoFeed(clip))
    for _ in range(5):
        remote.step.emit(1)
    remote.step.emit(-2)
    remote.wait(lambda: len(remote.frames) > 1 and remote.times[-1] == pytest.approx(3 / RATE, abs=1e-5))


def test_step_back_after_the_end(remote: Remote, clip: Path) -> None:
    remote.set_speed.emit(4)
    remote.open.emit(VideoFeed(clip))
    remote.wait_for(FeedState.ENDED)
    assert remote.time_after(remote.step, -1) == pytest.approx(58 / RATE, abs=1e-5)
    remote.wait_for(FeedState.PAUSED)


def test_looping_video_begins_again(remote: Remote, clip: Path) -> None:
    remote.set_loop.emit(True)
    remote.set_speed.emit(4)
    remote.open.emit(VideoFeed(clip))
    remote.wait(lambda: remote.feed.counts().seen > 2.2 * FRAMES)
    assert FeedState.ENDED not in {status.state for status in remote.statuses}
    remote.set_loop.emit(False)
    remote.wait_for(FeedState.ENDED)


def test_speed_changes_the_pace_only(remote: Remote, clip: Path) -> None:
    def pace() -> float:
        """Seconds of the video for each second."""
        first = len(remote.frames)
        remote.wait(lambda: len(remote.frames) > first + 6)
        start, end = remote.frames[first], remote.frames[-1]
        return (end.time_s - start.time_s) / (end.arrived_s - start.arrived_s)

    remote.set_speed.emit(0.25)
    remote.open.emit(VideoFeed(clip))
    slow = pace()
    remote.set_speed.emit(4)
    remote.wait(lambda: remote.times[-1] > 0.8)
    assert pace() > 3 * slow
    remote.wait_for(FeedState.ENDED)
    assert remote.feed.counts().seen == FRAMES


# --- what is wrong with videos


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("text.mp4", "cannot be played"),
        ("cut.mp4", "incomplete"),
        ("empty.mp4", "empty"),
        ("sound.wav", "only sound"),
        ("missing.mp4", "not there"),
        (".", "not a file"),
    ],
)
def test_file_that_is_no_video_fails_with_a_sentence(
    remote: Remote, clip: Path, folder: Path, name: str, words: str
) -> None:
    (folder / "text.mp4").write_text("not a video at all")
    (folder / "empty.mp4").touch()
    cut_short(clip, folder / "cut.mp4", 0.5)
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    source = VideoFeed(folder / name)
    remote.open.emit(source)
    failure = remote.wait_for_failure()
    assert failure.source == source
    assert words in failure.sentence
    assert remote.status == FeedStatus()
    assert not remote.frames
    remote.open.emit(VideoFeed(clip))  # and the next one is none the worse
    remote.wait(lambda: bool(remote.frames))
    assert len(remote.failures) == 1


def test_video_cut_short_says_so_at_its_early_end_and_can_be_played_again(
    remote: Remote, matroska: Path, folder: Path
) -> None:
    cut = cut_short(matroska, folder / "cut.mkv", 0.5)
    remote.set_speed.emit(4)
    remote.open.emit(VideoFeed(cut))
    failure = remote.wait_for_failure()
    assert failure.sentence.startswith("“cut.mkv” ends after ")
    assert "of 4.0 seconds: the file seems to be cut short. What came before can be played." in failure.sentence
    remote.wait_for(FeedState.ENDED)
    assert remote.status.duration_s == pytest.approx(remote.times[-1] + 1 / RATE, abs=2e-3)
    assert remote.time_after(remote.seek, 1.05) == pytest.approx(31 / RATE, abs=2e-3)
    last = remote.time_after(remote.seek, 3.5)  # kept within what there is
    assert last == pytest.approx(remote.status.duration_s - 1 / RATE, abs=2e-3)
    remote.play.emit()
    remote.wait_for(FeedState.ENDED)
    remote.play.emit()
    remote.wait_for(FeedState.PLAYING)
    remote.wait_for(FeedState.ENDED)
    assert len(remote.failures) == 1


def test_seek_into_the_part_that_was_cut_off_says_so(remote: Remote, matroska: Path, folder: Path) -> None:
    cut = cut_short(matroska, folder / "sought.mkv", 0.5)
    remote.open_paused(VideoFeed(cut))
    remote.seek.emit(3.0)
    failure = remote.wait_for_failure()
    assert "ends before 3.0 of 4.0 seconds" in failure.sentence
    assert remote.time_after(remote.seek, 0.5) == pytest.approx(0.5, abs=2e-3)
    assert remote.status.state is FeedState.PAUSED


def test_file_that_vanished_is_named_when_it_is_opened(remote: Remote, clip: Path, folder: Path) -> None:
    copy = cut_short(clip, folder / "vanishes.mp4", 1.0)
    remote.open.emit(VideoFeed(copy))
    remote.wait(lambda: bool(remote.frames))
    copy.unlink()
    remote.open.emit(VideoFeed(copy))
    assert "not there" in remote.wait_for_failure().sentence


# --- newest wins


def test_slow_consumer_gets_the_newest_frame_and_is_told_once(remote: Remote, clip: Path) -> None:
    remote.takes = False
    remote.set_speed.emit(4)
    remote.show_at.emit(QSize(300, 300))
    remote.open.emit(VideoFeed(clip))
    remote.wait_for(FeedState.ENDED)
    frame, image = remote.feed.take_frame(), remote.feed.take_image()
    assert frame is not None
    assert image is not None
    assert frame.number == FRAMES
    assert image[0] is frame
    assert remote.feed.take_frame() is None
    assert remote.feed.take_image() is None
    assert remote.told == ["frame", "image"]


def test_frames_that_come_while_one_is_converted_are_skipped(
    make: Callable[..., Remote], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixer_gui.media import sink

    convert = sink.upright_pixels
    busy: list[float] = []

    def slowly(frame: QVideoFrame, **options: object) -> np.ndarray:
        until = time.monotonic() + 0.1  # as a huge frame would take
        while time.monotonic() < until:
            busy.append(np.ones((500, 500)).sum())
        return convert(frame, **options)

    monkeypatch.setattr(sink, "upright_pixels", slowly)
    remote = make()
    remote.open.emit(VideoFeed(clip))
    remote.wait_for(FeedState.ENDED)
    counts = remote.feed.counts()
    assert counts.seen == FRAMES
    assert counts.skipped == FRAMES - len(remote.frames)
    assert counts.skipped > 0
    assert remote.frames[-1].number == FRAMES  # the last one is never lost


def test_image_is_fitted_to_the_view_and_again_when_the_view_changes(remote: Remote, clip: Path) -> None:
    remote.show_at.emit(QSize(300, 300))
    remote.open_paused(VideoFeed(clip))
    remote.wait(lambda: len(remote.images) == 1)
    frame, image = remote.images[0]
    assert image.size() == QSize(300, 200)
    assert frame is remote.frames[0]
    remote.show_at.emit(QSize(900, 400))
    remote.wait(lambda: len(remote.images) == 2)
    assert remote.images[1][1].size() == QSize(600, 400)
    assert remote.images[1][0] is frame
    assert len(remote.frames) == 1


# --- opening and closing


def test_nothing_comes_after_close(remote: Remote, clip: Path) -> None:
    remote.show_at.emit(QSize(300, 300))
    remote.open.emit(VideoFeed(clip))
    remote.wait(lambda: len(remote.frames) > 3)
    remote.takes = False
    remote.close.emit()
    remote.wait_for(FeedState.CLOSED)
    told = len(remote.told)
    remote.find_devices.emit()  # answered behind whatever was still under way
    remote.wait(lambda: bool(remote.devices))
    assert remote.feed.take_frame() is None
    assert remote.feed.take_image() is None
    assert len(remote.told) == told
    assert remote.status == FeedStatus()
    for command in (remote.play, remote.pause, remote.close):
        command.emit()
    remote.seek.emit(1.0)
    remote.step.emit(1)


def test_newly_opened_video_shows_no_frame_of_the_one_before(remote: Remote, folder: Path) -> None:
    coffee, rocket = two_photographs()
    one = write_clip(folder / "coffee.mp4", [coffee])
    other = write_clip(folder / "rocket.mp4", [rocket])
    for _ in range(5):
        for path in (one, other):
            remote.frames = []
            remote.open.emit(VideoFeed(path))
            remote.wait(lambda path=path: remote.status.source == VideoFeed(path) and len(remote.frames) > 2)
    frames = [frame for frame in remote.frames if frame.number > 0]
    assert not any(is_coffee(frame) for frame in frames)


def threads() -> list[str]:
    return sorted((task / "comm").read_text().strip() for task in TASKS.iterdir())


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not TASKS.exists(), reason="threads and memory are counted in Linux's /proc")
def test_opening_and_closing_a_hundred_times_leaves_nothing(remote: Remote, clip: Path) -> None:
    remote.keeps = False
    remote.show_at.emit(QSize(300, 300))
    remote.find_devices.emit()
    remote.wait(lambda: bool(remote.devices))  # its thread runs, and has its name
    before, children, resident = threads(), len(remote.feed.children()), 0
    for number in range(100):
        remote.frames = []
        remote.open.emit(VideoFeed(clip))
        if number % 3:  # every third is closed before its first frame
            remote.wait(lambda: bool(remote.frames))
        remote.close.emit()
        remote.wait(lambda: remote.status.state is FeedState.CLOSED)
        if number == 20:
            resident = resident_bytes()

    def left() -> list[str]:
        names = threads()
        for name in before:
            if name in names:
                names.remove(name)
        return [name for name in names if name != "Thread (pooled)"]  # Qt's, and it ends by itself

    remote.find_devices.emit()  # answered behind all that
    remote.wait(lambda: len(remote.devices) == 2)
    with contextlib.suppress(QtTimeoutError):  # said better below
        remote.wait(lambda: not left())
    assert left() == []
    assert len(remote.feed.children()) == children
    assert resident_bytes() - resident < 32 * 2**20
    assert not remote.failures


def test_feed_may_be_deleted_once_its_thread_has_ended(make: Callable[..., Remote], clip: Path) -> None:
    remote = make()
    remote.find_devices.emit()
    remote.open.emit(VideoFeed(clip))
    remote.wait(lambda: bool(remote.frames))
    remote.shut_down()
    remote.feed.deleteLater()
    QCoreApplication.processEvents()


def test_source_that_brings_no_picture_fails_after_a_while(make: Callable[..., Remote]) -> None:
    remote = make(cameras=lambda: MadeUpCameras([FRONT], sends=False), patience_s=0.2)
    remote.open.emit(CameraFeed())
    assert "No picture came within" in remote.wait_for_failure().sentence
    assert remote.status == FeedStatus()


# --- cameras

FRONT = Camera("/dev/front", "Front camera", ((640, 480),), is_default=False)
BACK = Camera("/dev/back", "Back camera", ((1280, 720), (640, 480)), is_default=True)


class MadeUpCameras(Cameras):
    """A list that the test changes, and for each camera a QVideoFrameInput that sends photographs."""

    def __init__(self, cameras: list[Camera], *, sends: bool = True) -> None:
        super().__init__()
        self.cameras = cameras
        self.sent = 0
        self._source: QVideoFrameInput | None = None
        self._pace = QTimer(self, interval=5)
        self._pace.timeout.connect(self.send)
        self._sends = sends
        self.attached: list[str] = []
        coffee, rocket = two_photographs()
        self.images = {FRONT.id: image_of(coffee), BACK.id: image_of(rocket)}

    def listed(self) -> tuple[Camera, ...]:
        return tuple(self.cameras)

    def attach(
        self, session: QMediaCaptureSession, camera_id: str, size: tuple[int, int] | None
    ) -> tuple[QObject, float | None]:
        self.attached.append(camera_id)
        self._source = QVideoFrameInput(session)
        session.setVideoFrameInput(self._source)
        if self._sends:
            self._pace.start()
        return self._source, 30.0

    def detach(self, session: QMediaCaptureSession, attached: QObject) -> None:
        session.setVideoFrameInput(None)
        attached.deleteLater()
        self._pace.stop()
        self._source = None

    @Slot()
    def send(self) -> None:
        if self._source is not None:
            self.sent += 1
            self._source.sendVideoFrame(QVideoFrame(self.images[self.attached[-1]]))

    @Slot(object)
    def replug(self, cameras: list[Camera]) -> None:
        """What the system does, in the thread in which it does it: the signal comes with the new list."""
        self.cameras = cameras
        self.changed.emit()


class Plug(QObject):
    """Plugs cameras from the test's thread."""

    replug = Signal(object)
    broke = Signal(str)


@dataclass
class Plugged:
    remote: Remote
    plug: Plug
    made: list[MadeUpCameras] = field(default_factory=list)


@pytest.fixture
def plugged(make: Callable[..., Remote]) -> Plugged:
    plug = Plug()
    made: list[MadeUpCameras] = []

    def cameras() -> MadeUpCameras:
        made.append(MadeUpCameras([FRONT, BACK]))
        plug.replug.connect(made[-1].replug)
        plug.broke.connect(made[-1].broke)
        return made[-1]

    return Plugged(make(cameras=cameras), plug, made)


def test_default_camera_is_shown(plugged: Plugged) -> None:
    remote = plugged.remote
    started = time.monotonic()
    remote.open.emit(CameraFeed())
    remote.wait(lambda: len(remote.frames) > 2)
    assert plugged.made[0].attached == [BACK.id]
    assert not is_coffee(remote.frames[0])
    assert remote.status == FeedStatus(CameraFeed(), FeedState.PLAYING, None, False, 30.0, (600, 400))
    assert 0 <= remote.times[0] <= remote.times[-1] <= time.monotonic() - started
    assert remote.frames[0].arrived_s >= started


def test_camera_by_its_id_mirrored(plugged: Plugged) -> None:
    remote = plugged.remote
    remote.open.emit(CameraFeed(FRONT.id))
    remote.wait(lambda: bool(remote.frames))
    straight = remote.frames[0].pixels
    remote.frames = []
    mirrored = CameraFeed(FRONT.id, mirrored=True)
    remote.open.emit(mirrored)
    remote.wait(lambda: remote.status.source == mirrored and bool(remote.frames))
    pixels = remote.frames[-1].pixels
    assert np.array_equal(pixels, straight[:, ::-1])
    assert pixels.flags.c_contiguous
    assert not pixels.flags.writeable
    assert plugged.made[0].attached == [FRONT.id, FRONT.id]


def test_paused_camera_holds_still(plugged: Plugged) -> None:
    remote = plugged.remote
    remote.open.emit(CameraFeed())
    remote.wait(lambda: len(remote.frames) > 2)
    remote.pause.emit()
    remote.wait_for(FeedState.PAUSED)
    seen = remote.feed.counts().seen
    sent = plugged.made[0].sent
    remote.wait(lambda: plugged.made[0].sent > sent + 3)
    assert remote.feed.counts().seen == seen
    remote.play.emit()
    remote.wait(lambda: remote.feed.counts().seen > seen + 2)
    assert remote.status.state is FeedState.PLAYING


def test_camera_paused_before_its_first_picture_holds_still_once_it_has_come(plugged: Plugged) -> None:
    remote = plugged.remote
    remote.open.emit(CameraFeed())
    remote.pause.emit()
    remote.wait_for(FeedState.PAUSED)
    assert len(remote.frames) <= 1
    remote.play.emit()
    remote.wait(lambda: len(remote.frames) > 2)
    assert remote.status.state is FeedState.PLAYING


def test_unplugged_camera_is_lost_and_goes_on_when_it_is_back(plugged: Plugged) -> None:
    remote = plugged.remote
    remote.open.emit(CameraFeed(FRONT.id))
    remote.wait(lambda: len(remote.frames) > 2)
    plugged.plug.replug.emit([BACK])
    remote.wait_for(FeedState.LOST)
    failure = remote.wait_for_failure()
    assert failure.sentence == "“Front camera” was unplugged: plug it in again and it goes on."
    assert failure.source == CameraFeed(FRONT.id)
    number = remote.frames[-1].number
    plugged.plug.replug.emit([])
    plugged.plug.replug.emit([BACK, FRONT])
    remote.wait(lambda: remote.status.state is FeedState.PLAYING and remote.frames[-1].number > number + 2)
    assert is_coffee(remote.frames[-1])
    assert plugged.made[0].attached == [FRONT.id, FRONT.id]
    assert len(remote.failures) == 1


def test_error_of_a_camera_that_is_unplugged_a_moment_later_is_no_failure(plugged: Plugged) -> None:
    remote = plugged.remote
    remote.open.emit(CameraFeed(FRONT.id))
    remote.wait(lambda: bool(remote.frames))
    plugged.plug.broke.emit("No such device")
    plugged.plug.replug.emit([BACK])
    remote.wait_for(FeedState.LOST)
    assert remote.wait_for_failure().detail == "No such device"
    plugged.plug.replug.emit([FRONT])
    remote.wait_for(FeedState.PLAYING)


def test_camera_that_breaks_and_stays_plugged_in_fails(plugged: Plugged) -> None:
    remote = plugged.remote
    remote.open.emit(CameraFeed(FRONT.id))
    remote.wait(lambda: bool(remote.frames))
    plugged.plug.broke.emit("Device or resource busy")
    failure = remote.wait_for_failure()
    assert "“Front camera” gives no picture" in failure.sentence
    assert failure.detail == "Device or resource busy"
    assert remote.status == FeedStatus()


def test_another_camera_than_the_one_wanted_is_not_taken(plugged: Plugged) -> None:
    plugged.remote.open.emit(CameraFeed("/dev/gone"))
    assert "not plugged in" in plugged.remote.wait_for_failure().sentence


def test_refused_permission_says_what_to_do(plugged: Plugged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cameras, "is_permitted", lambda self: False)
    plugged.remote.open.emit(CameraFeed())
    assert "privacy settings" in plugged.remote.wait_for_failure().sentence


def test_machine_without_a_camera_says_what_to_do(make: Callable[..., Remote]) -> None:
    remote = make(cameras=lambda: MadeUpCameras([]))
    remote.open.emit(CameraFeed())
    assert remote.wait_for_failure().sentence.startswith("There is no camera here: plug one in")
    assert remote.status == FeedStatus()


def test_devices_are_told_again_when_cameras_come_and_go(plugged: Plugged) -> None:
    remote = plugged.remote
    remote.find_devices.emit()
    remote.wait(lambda: len(remote.devices) == 1)
    assert remote.devices[0].cameras == (FRONT, BACK)
    plugged.plug.replug.emit([BACK])
    remote.wait(lambda: len(remote.devices) == 2)
    assert remote.devices[1].cameras == (BACK,)


def test_devices_of_this_machine_are_found(remote: Remote) -> None:
    remote.find_devices.emit()
    remote.wait(lambda: bool(remote.devices))
    assert all(camera.id and camera.name for camera in remote.devices[0].cameras)
    assert remote.devices[0].screens == ()  # offscreen


@dataclass(frozen=True)
class MadeUpFormat:
    """A QCameraFormat cannot be made by hand."""

    width: int
    height: int
    rate: float
    kind: QVideoFrameFormat.PixelFormat = QVideoFrameFormat.PixelFormat.Format_YUYV

    def resolution(self) -> QSize:
        return QSize(self.width, self.height)

    def maxFrameRate(self) -> float:  # noqa: N802
        return self.rate

    def pixelFormat(self) -> QVideoFrameFormat.PixelFormat:  # noqa: N802
        return self.kind


def test_nearest_format_is_the_fastest_of_the_nearest_size() -> None:
    jpeg = QVideoFrameFormat.PixelFormat.Format_Jpeg
    small, slow, fast = MadeUpFormat(640, 480, 30), MadeUpFormat(1280, 720, 10), MadeUpFormat(1280, 720, 60, jpeg)
    same = MadeUpFormat(640, 480, 30, jpeg)
    formats = [same, small, slow, fast]
    assert nearest_format(formats, (1280, 720)) is fast
    assert nearest_format(formats, (1920, 1080)) is fast
    assert nearest_format(formats, (600, 400)) is small
    assert nearest_format([], (600, 400)) is None


# --- what cannot be captured


@pytest.mark.parametrize("source", [ScreenFeed(), WindowFeed("a window")])
def test_capture_without_a_screen_fails_with_a_sentence(remote: Remote, source: FeedSource) -> None:
    remote.open.emit(source)
    failure = remote.wait_for_failure()
    assert failure.source == source
    assert failure.sentence.startswith("There is no screen to capture here")
    assert remote.status == FeedStatus()
