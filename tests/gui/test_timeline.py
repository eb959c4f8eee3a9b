"""What the timeline keeps, what it draws of it, and how it is sought in."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.samples import KEPT, MOST_SAMPLES, Samples, steps
from mixer_gui.gui.theme import DARK, LIGHT, apply_theme
from mixer_gui.gui.timeline import TimelineCard, clock, tick_times
from mixer_gui.gui.timeline_legend import LINES, ON_DARK, ON_LIGHT
from mixer_gui.records import Prediction
from mixer_gui.settings import Theme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot


def said(*values: float, first: int = 0) -> tuple[Prediction, ...]:
    """Class `first` + i has the i-th probability; most probable first."""
    predictions = [
        Prediction(first + index, f"n{first + index}", f"class {first + index}, synonym", value, value * 10.0)
        for index, value in enumerate(values)
    ]
    return tuple(sorted(predictions, key=lambda each: -each.probability))


def times(samples: Samples) -> list[float]:
    return [each.time_s for each in samples.all()]


# --- what is kept ---


def test_samples_come_back_as_they_were() -> None:
    samples = Samples(6.0, 2.0)
    samples.add(1.0, said(0.1, 0.7))
    samples.add(0.5, said(0.6, 0.2))
    first, second = samples.all()
    assert (first.time_s, first.predictions) == (0.5, said(0.6, 0.2))
    assert (second.time_s, second.predictions) == (1.0, said(0.1, 0.7))


def test_playing_again_replaces_that_stretch_only() -> None:
    samples = Samples(6.0, 2.0)
    for number in range(60):
        samples.add(number / 10, said(0.9))
    samples.jump()
    for number in range(10):
        samples.add(2.03 + number / 5, said(0.1))
    found = times(samples)
    assert found == sorted(found)
    assert [each for each in found if 2.03 < each < 3.83] == pytest.approx([2.03 + n / 5 for n in range(1, 9)])
    assert [each for each in found if each < 2.03] == pytest.approx([n / 10 for n in range(21)])
    assert [each for each in found if each > 3.84] == pytest.approx([n / 10 for n in range(39, 60)])


@pytest.mark.parametrize("told", [True, False], ids=["told", "far"])
def test_jump_leaves_what_lies_between(told: bool) -> None:
    samples = Samples(6.0, 2.0)
    for number in range(60):
        samples.add(number / 10, said(0.9))
    before = len(times(samples))
    samples.add(1.0, said(0.5))
    if told:
        samples.jump()
    samples.add(1.8 if told else 2.5, said(0.5))
    assert len(times(samples)) == before


@given(st.lists(st.floats(0.0, 30.0), max_size=60))
def test_samples_are_sorted_and_bounded_however_they_come(positions: list[float]) -> None:
    samples = Samples(30.0, 2.0)
    for position in positions:
        samples.add(position, said(0.5))
    found = times(samples)
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    if positions:
        assert positions[-1] in found


@pytest.mark.parametrize("duration_s", [None, 2.0, 10_000.0])
def test_memory_does_not_grow(duration_s: float | None) -> None:
    samples = Samples(duration_s, 2.0)
    for number in range(3 * MOST_SAMPLES):
        samples.add(number / 60, said(0.5))
    assert len(samples.all()) <= MOST_SAMPLES + 1
    if duration_s is None:
        found = times(samples)
        assert found[-1] - found[0] <= 60.0
        assert len(found) > 3000, "60 a second are all kept"


def test_live_clock_that_starts_again_starts_again() -> None:
    samples = Samples(None, 2.0)
    for number in range(10):
        samples.add(100.0 + number, said(0.5))
    samples.add(0.1, said(0.4))
    assert times(samples) == [0.1]


def test_odd_values_do_no_harm() -> None:
    samples = Samples(6.0, 2.0)
    for time_s in (float("nan"), float("inf"), -1.0, 9.0):
        samples.add(time_s, ())
    assert times(samples) == [-1.0, 9.0]
    samples.add(3.0, said(*[0.01] * (KEPT + 5)))
    assert len(samples.all()[1].predictions) == KEPT


def test_means_count_nothing_where_a_class_was_not_among_the_kept() -> None:
    samples = Samples(6.0, 2.0)
    samples.add(0.0, said(0.8, 0.2))
    samples.add(1.0, said(0.4, first=5))
    assert samples.series().means(2) == pytest.approx({0: 0.4, 5: 0.2})
    assert samples.series().of_class(5).tolist() == [0.0, 0.4]


# --- what is drawn of it ---


def test_steps_hold_a_value_and_break_at_a_gap() -> None:
    x, y = steps(np.array([0.0, 1.0, 5.0]), np.array([0.1, 0.9, 0.5]), column_s=0.1, gap_s=2.0)
    assert x == pytest.approx([0.0, 1.0, 1.0, 1.3, 1.3, 5.0, 5.3])
    assert y == pytest.approx([0.1, 0.1, 0.9, 0.9, np.nan, 0.5, 0.5], nan_ok=True)


@given(st.integers(500, 3000), st.integers(20, 200))
def test_steps_are_few_and_keep_the_extremes(count: int, columns: int) -> None:
    moments = np.linspace(0.0, 60.0, count)
    values = np.abs(np.sin(moments * 37.0))
    x, y = steps(moments, values, column_s=60.0 / columns, gap_s=2.0)
    assert len(x) == len(y) <= 4 * (columns + 2) or count < 2 * columns + 2
    assert np.all(np.diff(x) >= 0.0)
    assert np.nanmin(y) == values.min()
    assert np.nanmax(y) == values.max()


def test_long_video_that_was_played_through_is_one_line() -> None:
    samples = Samples(4 * 3600.0, 2.0)
    for number in range(4 * 3600):
        samples.add(float(number), said(0.5))
    series = samples.series()
    _x, y = steps(series.times, series.of_class(0), column_s=4 * 3600.0 / 300, gap_s=samples.gap_s)
    assert not np.isnan(y).any()
    samples = Samples(2 * 3600.0, 2.0)
    for number in [*range(600), *range(3000, 3600)]:
        samples.add(float(number), said(0.5))
    series = samples.series()
    _x, y = steps(series.times, series.of_class(0), column_s=2 * 3600.0 / 300, gap_s=samples.gap_s)
    assert np.count_nonzero(np.isnan(y)) == 1


@pytest.mark.parametrize(
    ("seconds", "whole", "tenths"),
    [(0, "0:00", "0:00.0"), (3.59, "0:03", "0:03.5"), (0.3, "0:00", "0:00.3"), (3723, "1:02:03", "1:02:03.0")],
)
def test_clock(seconds: float, whole: str, tenths: str) -> None:
    assert (clock(seconds), clock(seconds, tenths=True)) == (whole, tenths)


@given(st.floats(0.05, 90_000.0), st.integers(1, 2000))
def test_ticks_have_room(duration_s: float, width: int) -> None:
    found = tick_times(duration_s, width)
    assert found[0] == 0.0
    assert found[-1] <= duration_s + 1e-6
    assert len(found) <= max(width // 64, 1) + 1 or duration_s > 14_400


@pytest.mark.parametrize(("palette", "scheme"), [(ON_DARK, DARK), (ON_LIGHT, LIGHT)], ids=["dark", "light"])
def test_lines_stand_out_from_the_card(palette: tuple[str, ...], scheme: object) -> None:
    assert len(set(palette)) == LINES
    for colour in palette:
        assert contrast(colour, scheme.card) >= 3.0  # type: ignore[attr-defined]


def contrast(first: str, second: str) -> float:
    """WCAG's contrast ratio of two colours."""

    def luminance(name: str) -> float:
        parts = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in rgb(name)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    def rgb(name: str) -> tuple[float, float, float]:
        colour = QColor(name)
        return colour.redF(), colour.greenF(), colour.blueF()

    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


# --- the card ---


@pytest.fixture
def card(qtbot: QtBot) -> Iterator[TimelineCard]:
    shown = TimelineCard()
    qtbot.addWidget(shown)
    shown.resize(700, 220)
    shown.show()
    yield shown
    shown.hide()


def viewport_event(card: TimelineCard, kind: QEvent.Type, x: float, *, pressed: bool = False) -> None:
    assert card._plot is not None
    viewport = card._plot
    button = Qt.MouseButton.LeftButton if pressed else Qt.MouseButton.NoButton
    at = QPointF(x, viewport.height() / 2)
    event = QMouseEvent(kind, at, viewport.mapToGlobal(at), button, button, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(viewport, event)


def pixel_of(card: TimelineCard, x: float) -> float:
    """Where the horizontal axis shows a value."""
    assert card._plot is not None
    plot = card._plot
    return min(range(plot.width()), key=lambda pixel: abs(plot.x_at(pixel) - x))


def filled(qtbot: QtBot, card: TimelineCard, *, seekable: bool = True) -> TimelineCard:
    """Six seconds of video with a cut in the middle."""
    card.begin(6.0, seekable=seekable)
    for number in range(60):
        card.add(number / 10, said(0.7, 0.2) if number < 30 else said(0.6, 0.3, first=2))
    qtbot.waitUntil(lambda: bool(card.legend.rows))
    return card


def test_nothing_heavy_is_loaded_before_there_is_something_to_draw() -> None:
    code = (
        "from PySide6.QtWidgets import QApplication\n"
        "application = QApplication(['-platform', 'offscreen'])\n"
        "from mixer_gui.gui.timeline import TimelineCard\n"
        "card = TimelineCard()\ncard.show()\ncard.grab()\n"
        "import sys\nprint({'numpy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_legend_names_the_classes_and_says_what_the_playhead_shows(qtbot: QtBot, card: TimelineCard) -> None:
    filled(qtbot, card)
    card.set_position(1.0)
    qtbot.waitUntil(lambda: card.readout.text() == "at 0:01.0")
    rows = {label.split(",")[0]: number for _line, label, number in card.legend.rows}
    assert rows == {"class 0": "70.0 %", "class 1": "20.0 %", "class 2": "< 20.0 %", "class 3": "< 20.0 %"}


def test_pointer_reads_off_the_time_it_is_at(qtbot: QtBot, card: TimelineCard) -> None:
    filled(qtbot, card)
    card.set_position(1.0)
    viewport_event(card, QEvent.Type.MouseMove, pixel_of(card, 4.05))
    assert card.readout.text() == "at 0:04.0"
    assert "60.0 %" in {number for _line, _label, number in card.legend.rows}
    assert card._plot is not None
    QApplication.sendEvent(card._plot, QEvent(QEvent.Type.Leave))
    assert card.readout.text() == "at 0:01.0"


def test_click_and_drag_seek_within_the_video(qtbot: QtBot, card: TimelineCard) -> None:
    filled(qtbot, card)
    asked: list[float] = []
    card.seek_asked.connect(asked.append)
    viewport_event(card, QEvent.Type.MouseButtonPress, pixel_of(card, 2.0), pressed=True)
    viewport_event(card, QEvent.Type.MouseMove, pixel_of(card, 3.0), pressed=True)
    viewport_event(card, QEvent.Type.MouseMove, 10_000, pressed=True)
    viewport_event(card, QEvent.Type.MouseMove, -10_000, pressed=True)
    assert asked == [pytest.approx(2.0, abs=0.03), pytest.approx(3.0, abs=0.03), 6.0, 0.0]


def test_keys_move_by_a_second_and_to_the_ends(qtbot: QtBot, card: TimelineCard) -> None:
    filled(qtbot, card)
    asked: list[float] = []
    card.seek_asked.connect(asked.append)
    card.set_position(4.5)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Left, Qt.Key.Key_Home, Qt.Key.Key_Left, Qt.Key.Key_End):
        QTest.keyClick(card, key)
    assert asked == [5.5, 6.0, 5.0, 0.0, 6.0], "at an end there is nowhere to go"


def test_what_cannot_be_sought_in_is_not(qtbot: QtBot, card: TimelineCard) -> None:
    filled(qtbot, card, seekable=False)
    asked: list[float] = []
    card.seek_asked.connect(asked.append)
    viewport_event(card, QEvent.Type.MouseButtonPress, 200, pressed=True)
    QTest.keyClick(card, Qt.Key.Key_Right)
    assert not asked
    assert card.focusPolicy() == Qt.FocusPolicy.NoFocus


def test_class_keeps_its_line_while_others_come_and_go(qtbot: QtBot, card: TimelineCard) -> None:
    card.begin(None, seekable=False)
    lines: dict[str, int] = {}
    for second in range(70):
        card.add(float(second), said(0.3, 0.25, 0.2) + said(0.1, 0.08, 0.02, first=10 + second // 10 * 10))
        card._draw()
        now = {label: line for line, label, _number in card.legend.rows}
        assert all(lines.get(label, line) == line for label, line in now.items() if label in lines)
        lines = now
    assert {"class 0, synonym", "class 1, synonym", "class 2, synonym"} <= set(lines)
    assert len(lines) == LINES
    assert card.readout.text() == "now"


def test_hidden_card_draws_nothing_until_it_is_shown(qtbot: QtBot) -> None:
    card = TimelineCard()
    qtbot.addWidget(card)
    card.begin(6.0, seekable=True)
    card.add(1.0, said(0.9))
    card.set_position(1.0)
    assert not card._redraw.isActive()
    assert not card._move.isActive()
    assert card._plot is None
    card.show()
    qtbot.waitUntil(lambda: bool(card.legend.rows))
    card.hide()
    assert not card._redraw.isActive()


def test_many_samples_are_one_redraw(qtbot: QtBot, card: TimelineCard) -> None:
    filled(qtbot, card)
    qtbot.waitUntil(lambda: not card._redraw.isActive())
    for number in range(100):
        card.add(number / 20, said(0.5))
    assert card._redraw.isActive()
    assert card._redraw.interval() == 200
    assert len(card.samples()) <= 100 + 60


def test_begin_and_clear_forget(qtbot: QtBot, card: TimelineCard) -> None:
    filled(qtbot, card)
    card.clear()
    assert card.samples() == ()
    assert card.legend.rows == ()
    assert card.readout.text() == ""
    card.add(1.0, said(0.5))
    assert card.samples() == (), "no source has begun"
    filled(qtbot, card)
    card.begin(None, seekable=False)
    assert card.samples() == ()
    assert card.legend.isHidden()


def test_one_class_alone_and_no_predictions_at_all_are_drawn(qtbot: QtBot, card: TimelineCard) -> None:
    card.begin(0.0, seekable=False)
    card.add(0.0, ())
    card._draw()
    assert card.legend.rows == ()
    card.add(0.1, said(1.0))
    card._draw()
    assert [number for _line, _label, number in card.legend.rows] == ["100.0 %"]
    card.grab()


def test_theme_changes_the_lines(qtbot: QtBot, card: TimelineCard) -> None:
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    filled(qtbot, card)
    try:
        for theme, palette, scheme in ((Theme.DARK, ON_DARK, DARK), (Theme.LIGHT, ON_LIGHT, LIGHT)):
            apply_theme(application, theme)
            image = card.grab().toImage()
            seen = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
            assert {palette[0], palette[1], scheme.card} <= seen
    finally:
        apply_theme(application, Theme.SYSTEM)


def test_pointing_at_a_row_of_the_legend_brings_its_line_out(qtbot: QtBot, card: TimelineCard) -> None:
    filled(qtbot, card)
    pointed: list[object] = []
    card.legend.row_pointed.connect(pointed.append)
    at, none = QPointF(5, 25), Qt.MouseButton.NoButton
    move = QMouseEvent(
        QEvent.Type.MouseMove, at, card.legend.mapToGlobal(at), none, none, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(card.legend, move)
    assert card.legend.toolTip() == plain_tip(card.legend.rows[1][1])
    QApplication.sendEvent(card.legend, QEvent(QEvent.Type.Leave))
    assert pointed == [card.legend.rows[1][0], None]
