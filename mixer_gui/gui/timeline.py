"""The card that shows how probable the top classes were over the last minute or over a video, and seeks in it.

Nothing here loads numpy before there is something to draw: it would delay the first window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from mixer_gui.gui.labels import card, heading
from mixer_gui.gui.prediction_list import percentage, steady_places
from mixer_gui.gui.theme import colours, paint_placeholder
from mixer_gui.gui.timeline_legend import LINES, TimelineLegend, line_colours

if TYPE_CHECKING:
    from mixer_gui.gui.samples import Sample, Samples, Series
    from mixer_gui.gui.timeline_plot import TimelinePlot
    from mixer_gui.records import Prediction

GAP_S = 2.0
REDRAW_MS = 200
MOVE_MS = 50
LIVE_SPAN_S = 60.0
KEY_STEP_S = 1.0
LEGEND_SHARE, LEGEND_WIDTHS = 0.4, (110, 220)
TICK_WIDTH = 64  # pixels that a label of the time axis needs
TICK_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


def clock(seconds: float, *, tenths: bool = False) -> str:
    """1:02:03, 0:03 or, with tenths, 0:03.5; cut, not rounded, as clocks do."""
    count = int(max(seconds, 0.0) * 10.0 + 1e-6)
    minutes, rest = divmod(count // 10, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{text}.{count % 10}" if tenths else text


def tick_times(duration_s: float, width: int) -> list[float]:
    """Round times from 0 on, as many as have room."""
    room = max(width // TICK_WIDTH, 1)
    step = next((each for each in TICK_STEPS_S if duration_s / each <= room), TICK_STEPS_S[-1])
    return [number * step for number in range(int(duration_s / step + 1e-9) + 1)]


class Placeholder(QWidget):
    """What stands where there is nothing to draw yet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def paintEvent(self, _event: QPaintEvent) -> None:
        paint_placeholder(QPainter(self), self.rect(), self._text)


class TimelineCard(QWidget):
    """Lives in the window's thread. Redraws at most five times a second, and not while it is hidden."""

    seek_asked = Signal(float)  # seconds: the user clicked, dragged, or pressed an arrow key; only while seekable

    def __init__(self, parent: QWidget | None = None, *, gap_s: float = GAP_S) -> None:
        super().__init__(parent)
        self._gap_s = gap_s
        self._samples: Samples | None = None
        self._plot: TimelinePlot | None = None
        self._series: Series | None = None  # what is drawn
        self._duration_s: float | None = None
        self._is_seekable = False
        self._position_s: float | None = None
        self._pointed_s: float | None = None
        self._strong: int | None = None
        self._classes: list[int | None] = []
        self._is_stale = False
        self._redraw = QTimer(self, singleShot=True, interval=REDRAW_MS)
        self._redraw.timeout.connect(self._draw)
        self._move = QTimer(self, singleShot=True, interval=MOVE_MS)
        self._move.timeout.connect(self._draw_position)
        frame, layout = card()
        self.readout = QLabel()
        self.readout.setObjectName("muted")
        self.legend = TimelineLegend()
        self.legend.row_pointed.connect(self._bring_out)
        self.legend.hide()
        self._placeholder = Placeholder(self.tr("Predictions over time appear here."))
        top = QHBoxLayout()
        top.addWidget(heading(self.tr("Over time")))
        self.to_patch = QToolButton()
        self.to_patch.setText(self.tr("Patch"))
        self.to_patch.setToolTip(self.tr("Show what the patch under the pointer reads and writes"))
        top.addWidget(self.to_patch)
        top.addStretch(1)
        top.addWidget(self.readout)
        self._body = QHBoxLayout()
        self._body.setSpacing(4)
        self._body.addWidget(self._placeholder, 1)
        self._body.addWidget(self.legend)
        layout.addLayout(top)
        layout.addLayout(self._body, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        self.setMinimumSize(220, 120)
        self.setAccessibleName(self.tr("Predictions over time"))

    # --- what to show ---

    def begin(self, duration_s: float | None, *, seekable: bool) -> None:
        """Forget what was, and show a source of this length in seconds; None shows the last minute."""
        from mixer_gui.gui.samples import Samples

        self.clear()
        self._duration_s = duration_s if duration_s is not None and duration_s > 0.0 else None
        self._samples = Samples(self._duration_s, self._gap_s)
        self._is_seekable = seekable
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if seekable else Qt.FocusPolicy.NoFocus)
        self.setAccessibleDescription(
            self.tr("The arrow keys move by a second, Home and End to the ends.") if seekable else ""
        )
        if self._plot is not None:
            self._dress_viewport(self._plot)

    def add(self, time_s: float, predictions: tuple[Prediction, ...]) -> None:
        """What the network said of the frame at this time, the most probable class first; drawn soon."""
        if self._samples is not None:
            self._samples.add(time_s, predictions)
            self._ask_redraw()

    def jump(self) -> None:
        """Somebody else sought: the next sample does not replace what is between it and the last."""
        if self._samples is not None:
            self._samples.jump()

    def set_position(self, time_s: float) -> None:
        """Where the playhead is; drawn soon. Without a length, it is how far the clock of the source has come."""
        self._position_s = time_s
        if self.isVisible() and not self._move.isActive():
            self._move.start()

    def clear(self) -> None:
        """As it was before the first source."""
        self._samples = self._series = self._position_s = self._pointed_s = self._duration_s = None
        self._classes = []
        self._is_seekable = self._is_stale = False
        self._redraw.stop()
        self._move.stop()
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.readout.clear()
        self.legend.show_rows([])
        self.legend.hide()
        if self._plot is not None:
            self._plot.hide()
        self._placeholder.show()

    def samples(self) -> tuple[Sample, ...]:
        """All that is kept, by time: of a video one for each bin, else of the last minute."""
        return () if self._samples is None else self._samples.all()

    # --- drawing ---

    def _ask_redraw(self) -> None:
        self._is_stale = True
        if self.isVisible() and not self._redraw.isActive():
            self._redraw.start()

    def _draw(self) -> None:
        """Draw all anew: the lines, the axis, the legend."""
        if self._samples is None or self._samples.newest_s is None or not self.isVisible():
            return
        if self._plot is None:  # making it and drawing in it hold the window for 20 ms each
            self._make_plot()
            self._redraw.start()
            return
        from mixer_gui.gui.samples import steps

        self._is_stale = False
        series = self._series = self._samples.series()
        means = series.means(4 * LINES)
        self._classes = steady_places(self._classes, means, LINES)
        plot = self._plot
        self._show_plot(plot)
        origin, span = self._origin_s(), self._duration_s or LIVE_SPAN_S
        columns = plot.columns()
        plot.set_span(0.0 if self._duration_s else -span, span if self._duration_s else 0.0)
        if self._duration_s:
            plot.set_ticks([(each, clock(each, tenths=bool(each % 1))) for each in tick_times(span, columns)])
        else:
            plot.set_ticks(
                [(-each, f"−{each:.0f} s" if each else self.tr("now")) for each in tick_times(span, columns)]
            )
        for row, index in enumerate(self._classes):
            values = series.of_class(-2 if index is None else index)
            x, y = steps(series.times, values, column_s=span / columns, gap_s=self._samples.gap_s)
            plot.set_line(row, x[:0] if index is None else x - origin, y[:0] if index is None else y)
        self._draw_position()

    def _make_plot(self) -> None:
        from mixer_gui.gui.timeline_plot import TimelinePlot

        plot = self._plot = TimelinePlot(LINES)
        plot.hide()
        self._body.insertWidget(0, plot, 1)
        plot.setMouseTracking(True)
        plot.installEventFilter(self)
        self._dress_viewport(plot)
        self._recolour()

    def _show_plot(self, plot: TimelinePlot) -> None:
        if self.legend.isHidden():
            self._placeholder.hide()
            plot.show()
            self.legend.show()
            self._body.activate()

    def _draw_position(self) -> None:
        """The playhead, and what the legend says of the time that is pointed at, else of the playhead's."""
        if self._plot is None or self._series is None or self._samples is None:
            return
        newest = float(self._series.times[-1])
        self._plot.set_playhead(self._position_s if self._duration_s else None)
        self._plot.set_pointer(None if self._pointed_s is None else self._pointed_s - self._origin_s())
        if self._pointed_s is not None:
            shown = self._pointed_s
        else:
            shown = newest if self._duration_s is None or self._position_s is None else self._position_s
        found = self._series.at(shown, self._samples.gap_s)
        self.readout.setText(self._time_text(shown, is_known=found is not None))
        rows = []
        for line, index in enumerate(self._classes):
            if index is not None:
                rows.append((line, self._samples.label(index), self._percentage(index, found)))
        self.legend.show_rows(rows)

    def _percentage(self, index: int, sample: int | None) -> str:
        """How probable a class is in a sample; where only more probable ones were kept, less than those."""
        if sample is None or self._series is None:
            return "–"
        classes, probabilities = self._series.classes[sample], self._series.probabilities[sample]
        found = probabilities[classes == index]
        if len(found):
            return percentage(float(found[0]))
        kept = probabilities[classes >= 0]
        return "< " + percentage(max(float(kept.min()), 0.001)) if len(kept) else "–"

    def _time_text(self, time_s: float, *, is_known: bool) -> str:
        if self._duration_s is not None:
            text = self.tr("at {0}").format(clock(time_s, tenths=True))
        else:
            ago = max(self._origin_s() - time_s, 0.0)
            text = self.tr("now") if self._pointed_s is None else self.tr("{0:.0f} s ago").format(ago)
        return text if is_known else self.tr("{0}: not classified").format(text)

    def _origin_s(self) -> float:
        """The time that is 0 on the axis: live, the newest."""
        if self._duration_s is not None or self._series is None:
            return 0.0
        return float(self._series.times[-1])

    def _recolour(self) -> None:
        if self._plot is not None:
            self._plot.recolour(colours(), line_colours(), strong=self._strong, focused=self.hasFocus())

    def _bring_out(self, line: int | None) -> None:
        self._strong = line
        self._recolour()

    def _dress_viewport(self, plot: TimelinePlot) -> None:
        plot.setCursor(Qt.CursorShape.PointingHandCursor if self._is_seekable else Qt.CursorShape.ArrowCursor)

    # --- events ---

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._point(None)
        elif event.type() == QEvent.Type.Resize:
            self._ask_redraw()
        elif isinstance(event, QMouseEvent) and self._plot is not None:
            time_s = self._plot.x_at(event.position().x()) + self._origin_s()
            pressed = bool(event.buttons() & Qt.MouseButton.LeftButton)
            if pressed and event.type() in (QEvent.Type.MouseButtonPress, QEvent.Type.MouseMove):
                self.setFocus(Qt.FocusReason.MouseFocusReason)
                self._seek(time_s)
            self._point(time_s)
            return True
        return event.type() == QEvent.Type.Wheel

    def keyPressEvent(self, event: QKeyEvent) -> None:
        position = self._position_s or 0.0
        targets = {
            Qt.Key.Key_Left: position - KEY_STEP_S,
            Qt.Key.Key_Right: position + KEY_STEP_S,
            Qt.Key.Key_Home: 0.0,
            Qt.Key.Key_End: self._duration_s,
        }
        target = targets.get(Qt.Key(event.key()))
        if self._is_seekable and target is not None:
            self._seek(target)
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrowest, widest = LEGEND_WIDTHS
        self.legend.setFixedWidth(min(max(round(self.width() * LEGEND_SHARE), narrowest), widest))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._is_stale:
            self._redraw.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._redraw.stop()
        self._move.stop()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._recolour()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._recolour()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._recolour()

    def _seek(self, time_s: float) -> None:
        if not self._is_seekable:
            return
        end = self._duration_s if self._duration_s is not None else max(time_s, 0.0)
        time_s = min(max(time_s, 0.0), end)
        if time_s != self._position_s:
            self.jump()
            self._position_s = time_s
            self._draw_position()
            self.seek_asked.emit(time_s)

    def _point(self, time_s: float | None) -> None:
        if time_s is not None:
            first = 0.0 if self._duration_s is not None else self._origin_s() - LIVE_SPAN_S
            time_s = min(max(time_s, first), self._duration_s or self._origin_s())
        self._pointed_s = time_s
        self._draw_position()
