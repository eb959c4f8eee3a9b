"""The row below a moving picture: what it shows of a source, what it asks, and what gives way where it is narrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolButton, QWidget

from mixer_gui.gui.live_bar import SPEEDS, LiveBar
from mixer_gui.gui.theme import DARK, LIGHT, apply_theme
from mixer_gui.records import CameraFeed, FeedState, FeedStatus, ScreenFeed, VideoFeed, WindowFeed
from mixer_gui.settings import Theme

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

CLIP = VideoFeed(Path("/videos/two cats.mp4"))


def video(state: FeedState = FeedState.PLAYING, duration_s: float | None = 6.0, *, can_seek: bool = True) -> FeedStatus:
    return FeedStatus(CLIP, state, duration_s, can_seek, 25.0, (600, 400))


@pytest.fixture
def bar(qtbot: QtBot) -> LiveBar:
    shown = LiveBar()
    qtbot.addWidget(shown)
    shown.resize(900, shown.sizeHint().height())
    return shown


def heard(bar: LiveBar) -> list[tuple[object, ...]]:
    """What the bar asks from now on, in order."""
    asked: list[tuple[object, ...]] = []
    for name in (
        "play_asked",
        "pause_asked",
        "seek_asked",
        "step_asked",
        "speed_chosen",
        "loop_chosen",
        "freeze_asked",
        "stop_asked",
        "record_predictions_asked",
        "record_video_asked",
    ):
        getattr(bar, name).connect(lambda *values, name=name: asked.append((name, *values)))
    return asked


def shown(bar: LiveBar) -> set[QWidget]:
    parts = (bar.play, bar.back, bar.on, bar.slider, bar.name, bar.time, bar.speed, bar.loop, bar.freeze, bar.record)
    return {each for each in (*parts, bar.stop) if each.isVisible()}


def test_nothing_open_shows_nothing(bar: LiveBar) -> None:
    bar.show_status(video())
    assert bar.isVisible()
    bar.show_status(FeedStatus())
    assert not bar.isVisible()


def test_playing_video_can_be_paused_and_a_paused_one_played_and_stepped(bar: LiveBar) -> None:
    asked = heard(bar)
    bar.show_status(video())
    assert (bar.play.accessibleName(), bar.on.isEnabled(), bar.back.isEnabled()) == ("Pause", False, False)
    bar.play.click()
    bar.show_status(video(FeedState.PAUSED))
    assert bar.play.accessibleName() == "Play"
    for button in (bar.play, bar.on, bar.back):
        button.click()
    assert asked == [("pause_asked",), ("play_asked",), ("step_asked", 1), ("step_asked", -1)]


def test_video_at_its_end_can_be_played_again_and_stepped_back(bar: LiveBar) -> None:
    asked = heard(bar)
    bar.show_status(video())
    bar.show_status(video(FeedState.ENDED))
    assert bar.time.text() == "0:06.0 / 0:06.0"
    assert (bar.on.isEnabled(), bar.back.isEnabled()) == (False, True)
    bar.play.click()
    assert asked == [("play_asked",)]


@pytest.mark.parametrize(
    ("duration_s", "position_s", "text"),
    [(6.0, 3.59, "0:03.5 / 0:06.0"), (3725.0, 61.7, "1:01 / 1:02:05"), (None, 61.7, "1:01")],
)
def test_time_is_said(bar: LiveBar, duration_s: float | None, position_s: float, text: str) -> None:
    bar.show_status(video(duration_s=duration_s))
    bar.show_position(position_s)
    assert bar.time.text() == text


def test_position_is_shown_without_asking_for_it(bar: LiveBar) -> None:
    asked = heard(bar)
    bar.show_status(video())
    bar.show_position(3.5)
    assert bar.slider.value() == 3500
    assert not asked


def test_drag_asks_all_along_and_positions_do_not_move_what_is_held(bar: LiveBar) -> None:
    asked = heard(bar)
    bar.show_status(video())
    middle = bar.slider.rect().center()
    QTest.mousePress(bar.slider, Qt.MouseButton.LeftButton, pos=middle)
    held = bar.slider.sliderPosition()
    assert held == pytest.approx(3000, abs=60), "it goes where it is pressed"
    bar.show_position(0.5)
    assert bar.slider.sliderPosition() == held
    assert bar.time.text().startswith("0:03.0") or bar.time.text().startswith("0:02.9")
    QTest.mouseMove(bar.slider, middle + QPoint(60, 0))
    QTest.mouseMove(bar.slider, QPoint(10_000, middle.y()))
    QTest.mouseRelease(bar.slider, Qt.MouseButton.LeftButton, pos=QPoint(10_000, middle.y()))
    positions = [float(str(values[0])) for name, *values in asked]
    assert {name for name, *_values in asked} == {"seek_asked"}
    assert positions == sorted(positions)
    assert (len(positions), positions[-1]) == (3, 6.0)
    bar.show_position(0.5)
    assert bar.slider.value() == 500


def test_keys_move_the_slider_by_a_second(bar: LiveBar) -> None:
    asked = heard(bar)
    bar.show_status(video(FeedState.PAUSED))
    bar.show_position(2.0)
    QTest.keyClick(bar.slider, Qt.Key.Key_Right)
    QTest.keyClick(bar.slider, Qt.Key.Key_Left)
    assert asked == [("seek_asked", 3.0), ("seek_asked", 2.0)]


def test_drag_ends_with_its_source(bar: LiveBar) -> None:
    bar.show_status(video())
    QTest.mousePress(bar.slider, Qt.MouseButton.LeftButton, pos=bar.slider.rect().center())
    bar.show_status(FeedStatus(VideoFeed(Path("/videos/other.mp4")), FeedState.PLAYING, 4.0, True))
    assert bar.slider.value() == 0
    bar.show_position(1.0)
    assert bar.slider.value() == 1000


def test_speed_loop_freeze_and_stop_are_asked(bar: LiveBar) -> None:
    asked = heard(bar)
    bar.show_status(video())
    assert bar.speed.currentText() == "1×"
    assert [bar.speed.itemData(row) for row in range(bar.speed.count())] == list(SPEEDS)
    QTest.keyClick(bar.speed, Qt.Key.Key_Down)
    for button in (bar.loop, bar.loop, bar.freeze, bar.stop):
        button.click()
    expected = [("speed_chosen", 2.0), ("loop_chosen", True), ("loop_chosen", False), ("freeze_asked",)]
    assert asked == [*expected, ("stop_asked",)]


def test_frozen_bar_offers_to_resume(bar: LiveBar) -> None:
    bar.show_status(video())
    bar.set_frozen(True)
    assert (bar.freeze.text(), bar.freeze.isChecked()) == ("Resume (Space)", True)
    bar.set_frozen(False)
    assert (bar.freeze.text(), bar.freeze.isChecked()) == ("Freeze", False)


def test_recording_is_asked_for_and_shown_only_once_it_is_told(bar: LiveBar) -> None:
    asked = heard(bar)
    bar.show_status(video())
    bar.record_predictions.trigger()
    assert bar.record.accessibleName() == "Record", "the user may have closed the question for a file"
    bar.set_recording(predictions=True, video=False)
    assert bar.record.accessibleName() == "Recording"
    assert bar.record.toolTip() == "Predictions are being recorded"
    bar.record_predictions.trigger()
    bar.record_video.trigger()
    bar.set_recording(predictions=False, video=True)
    bar.record_video.trigger()
    assert asked == [
        ("record_predictions_asked", True),
        ("record_predictions_asked", False),
        ("record_video_asked", True),
        ("record_video_asked", False),
    ]


@pytest.mark.parametrize(
    ("source", "name", "text"),
    [
        (CameraFeed("usb-1"), "HD Webcam", "HD Webcam"),
        (CameraFeed(), "", "Camera"),
        (ScreenFeed(), "", "Screen"),
        (ScreenFeed("HDMI-1"), "", "HDMI-1"),
        (WindowFeed("Terminal <b>"), "", "Terminal <b>"),
    ],
)
def test_live_source_says_its_name_and_how_long_it_runs(
    bar: LiveBar, source: CameraFeed | ScreenFeed | WindowFeed, name: str, text: str
) -> None:
    bar.show_status(FeedStatus(source, FeedState.PLAYING, rate=30.0), name)
    bar.show_position(75.4)
    assert bar.name.whole == text
    assert bar.time.text() == "1:15"
    assert shown(bar) == {bar.name, bar.time, bar.freeze, bar.record, bar.stop}


def test_opening_and_lost_sources_can_only_be_stopped(bar: LiveBar) -> None:
    bar.show_status(video(FeedState.OPENING))
    assert bar.name.whole == "Opening two cats.mp4 …"
    assert shown(bar) == {bar.name, bar.stop}
    bar.show_status(FeedStatus(CameraFeed(), FeedState.LOST), "HD Webcam")
    assert bar.name.whole == "HD Webcam was unplugged. Plug it in again to go on."
    assert shown(bar) == {bar.name, bar.stop}


def test_video_that_cannot_be_sought_in_has_no_slider_and_no_steps(bar: LiveBar) -> None:
    bar.show_status(video(FeedState.PAUSED, can_seek=False))
    assert shown(bar) == {bar.play, bar.name, bar.time, bar.speed, bar.loop, bar.freeze, bar.record, bar.stop}


@pytest.mark.parametrize("width", [340, 420, 620, 900])
@pytest.mark.parametrize("frozen", [False, True])
def test_everything_shown_has_room(bar: LiveBar, width: int, frozen: bool) -> None:
    bar.show_status(video(FeedState.PAUSED))
    bar.set_frozen(frozen)
    bar.resize(width, bar.height())
    bar.layout().activate()  # type: ignore[union-attr]
    parts = shown(bar)
    assert {bar.play, bar.slider, bar.freeze, bar.record, bar.stop} <= parts
    for part in parts - {bar.slider}:
        assert part.width() >= part.sizeHint().width()
        assert bar.rect().contains(part.geometry())
    assert bar.slider.width() >= 60
    if width >= 420:
        assert bar.freeze.text() in ("Freeze", "Resume (Space)")
        assert frozen or {bar.time, bar.speed} <= parts
    if width == 900:
        assert {bar.back, bar.on, bar.loop} <= parts
    bar.resize(900, bar.height())
    assert {bar.back, bar.on, bar.loop, bar.speed, bar.time} <= shown(bar), "and comes back"


def test_every_control_says_what_it_is(bar: LiveBar) -> None:
    bar.show_status(video(FeedState.PAUSED))
    bar.resize(340, bar.height())
    for button in bar.findChildren(QToolButton):
        assert button.accessibleName()
        assert button.toolTip()
    for widget in (bar.slider, bar.speed, bar.time):
        assert widget.accessibleName()


def test_icons_take_the_colours_of_the_theme(bar: LiveBar) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    bar.show_status(video())
    try:
        for theme, scheme in ((Theme.DARK, DARK), (Theme.LIGHT, LIGHT)):
            apply_theme(application, theme)
            image = bar.stop.icon().pixmap(16, 16).toImage()
            assert image.pixelColor(8, 8).name() == scheme.text
    finally:
        apply_theme(application, Theme.SYSTEM)
