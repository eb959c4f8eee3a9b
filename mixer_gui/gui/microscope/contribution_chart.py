"""How a logit comes about: the direct contribution of stem, each layer's two halves and a constant, bar after bar."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QCoreApplication, QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QToolTip, QWidget

from mixer_gui.gui.microscope.charts import GAP, Axis, Chart, nice_ticks, series_colours
from mixer_gui.gui.theme import colours

if TYPE_CHECKING:
    from mixer_gui.records import DifferenceReport

END_BARS = 3  # stem, constant, sum
END_WIDTH = 40.0  # pixels for each of them where a layer's bars are narrower


class Half(StrEnum):
    """What adds to the logit."""

    STEM = "stem"
    TOKEN = "token"
    CHANNEL = "channel"
    CONSTANT = "constant"


class Part(NamedTuple):
    """One bar: of a layer, from 0, where it is a half of one."""

    half: Half
    layer: int = 0


@dataclass(frozen=True, slots=True)
class Sum:
    """The mean over patches of every contribution; together they are `total`."""

    stem: float
    token_mixing: tuple[float, ...]  # by layer
    channel_mixing: tuple[float, ...]
    constant: float
    total: float

    @property
    def parts(self) -> tuple[tuple[Part, float], ...]:
        """In the order in which the network adds them."""
        halves: list[tuple[Part, float]] = []
        for layer, (token, channel) in enumerate(zip(self.token_mixing, self.channel_mixing, strict=True)):
            halves += [(Part(Half.TOKEN, layer), token), (Part(Half.CHANNEL, layer), channel)]
        return ((Part(Half.STEM), self.stem), *halves, (Part(Half.CONSTANT), self.constant))

    @property
    def running(self) -> tuple[float, ...]:
        """The sum after each part; the last is `total` to rounding."""
        sums, so_far = [], 0.0
        for _, value in self.parts:
            so_far += value
            sums.append(so_far)
        return tuple(sums)


def sum_of(report: DifferenceReport) -> Sum:
    """The contributions of one answer, averaged over patches in float64."""
    return Sum(
        float(report.stem.mean(dtype="float64")),
        tuple(report.token_mixing.mean(axis=1, dtype="float64").tolist()),
        tuple(report.channel_mixing.mean(axis=1, dtype="float64").tolist()),
        report.constant,
        report.logit,
    )


def signed(value: float) -> str:
    """Two digits behind the point, with a proper minus sign."""
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text.replace("-", "−")


def sum_sentence(shown: Sum, total: str) -> str:
    """The sum written out; `total` is what it makes."""
    return _tr("stem {0} + token mixing {1} + channel mixing {2} + constant {3} = {4} {5}").format(
        signed(shown.stem),
        signed(sum(shown.token_mixing)),
        signed(sum(shown.channel_mixing)),
        signed(shown.constant),
        total,
        signed(shown.total),
    )


def layer_step(layers: int, width: float, text_width: int) -> int:
    """Which layers have their number below a chart: every one, or each second, fourth, … so that they have room.

    `width`: of one layer; `text_width`: of the widest number; both in pixels.
    """
    step = 1
    while step < layers and step * width < text_width + GAP:
        step *= 2
    return step


def part_name(part: Part) -> str:
    names = {
        Half.STEM: _tr("Stem"),
        Half.TOKEN: _tr("Layer {0}, token mixing").format(part.layer + 1),
        Half.CHANNEL: _tr("Layer {0}, channel mixing").format(part.layer + 1),
        Half.CONSTANT: _tr("Constant"),
    }
    return names[part.half]


class ContributionChart(Chart):
    """A waterfall: each bar begins where the one before ended, the last one is the sum.

    A click or the arrow keys choose a bar, Escape none.
    """

    part_chosen = Signal(object)  # Part with a map, or None

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_tr("Direct contributions by layer"), parent=parent)
        self._sum: Sum | None = None
        self._chosen: Part | None = None
        self._title, self._vertical = "", Axis(0.0, 1.0)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(150)

    def show_sum(self, shown: Sum, title: str) -> None:
        """`title`: what the vertical axis measures."""
        self._sum = shown
        levels = (0.0, shown.total, *shown.running)
        low, high = min(levels), max(levels)
        room = max(high - low, 1e-6) * 0.14  # for the figure at the end of the last bar
        low, high = low - (room if low < 0.0 else 0.0), high + (room if high > 0.0 else 0.0)
        self._title, self._vertical = title, Axis(low, high, nice_ticks(low, high, 4))
        self._lay_out()

    def clear(self) -> None:
        self._sum = None
        super().clear()

    def choose(self, part: Part | None) -> None:
        """Mark a bar without telling anybody."""
        if part != self._chosen:
            self._chosen = part
            self.update()

    def bar_at(self, pixel: float) -> Part | None:
        """The bar nearest to a horizontal place; None at the sum."""
        if self._sum is None:
            return None
        at = self.x_at(pixel)
        for place, (part, _) in enumerate(self._sum.parts):
            left, width = self._slot(place)
            if left <= at < left + width:
                return part
        return None

    def bar_rectangle(self, part: Part) -> QRectF:
        """Where a bar is in the widget; empty where there is none."""
        if self._sum is None:
            return QRectF()
        parts, running = self._sum.parts, (0.0, *self._sum.running)
        place = next((place for place, (each, _) in enumerate(parts) if each == part), None)
        return QRectF() if place is None else self._rectangle(place, running[place], running[place + 1])

    def sizeHint(self) -> QSize:
        return QSize(340, 180)

    def measure_area(self) -> QRectF:
        whole = super().measure_area()
        top = self.fontMetrics().height() + 4.0  # for the legend
        return QRectF(whole.left(), top, whole.width(), max(whole.bottom() - top, 1.0))

    # --- geometry: the horizontal axis counts half-blocks; stem, constant and sum are as wide as their names need ---

    def _lay_out(self) -> None:
        self.set_axes(Axis(0.0, self._units(), self._ticks()), self._vertical)

    def _units(self) -> float:
        halves = 0 if self._sum is None else 2 * len(self._sum.token_mixing)
        return halves + END_BARS * self._end_units()

    def _end_units(self) -> float:
        """The width of stem, constant and sum, in half-blocks."""
        halves = 0 if self._sum is None else 2 * len(self._sum.token_mixing)
        width = self.area().width()
        free = max(width - END_BARS * END_WIDTH, width * 0.4)
        half = free / max(halves, 1)
        return max((width - free) / END_BARS / half, 1.0)

    def _slot(self, place: int) -> tuple[float, float]:
        """Left edge and width of the bar at a place, in half-blocks; the sum comes after the last part."""
        end, halves = self._end_units(), 0 if self._sum is None else 2 * len(self._sum.token_mixing)
        if place == 0:
            return 0.0, end
        if place <= halves:
            return end + place - 1.0, 1.0
        return end + halves + (place - halves - 1) * end, end

    def _rectangle(self, place: int, low: float, high: float) -> QRectF:
        left, width = self._slot(place)
        gap = 0.12 if width == 1.0 else 0.12 * width
        return QRectF(self.to_screen(left + gap, high), self.to_screen(left + width - gap, low)).normalized()

    def _ticks(self) -> tuple[tuple[float, str], ...]:
        if self._sum is None:
            return ()
        layers = len(self._sum.token_mixing)
        metrics, end = self.fontMetrics(), self._end_units()
        half_block = self.area().width() / self._units()
        step = layer_step(layers, 2.0 * half_block, metrics.horizontalAdvance(str(layers)))
        # The last number gives way to the constant's name where both have no room.
        room = (metrics.horizontalAdvance(_tr("const.")) + metrics.horizontalAdvance(str(layers))) / 2.0 + GAP
        numbers = [
            (end + 2.0 * layer + 1.0, str(layer + 1))
            for layer in range(layers)
            if (layer == 0 or (layer + 1) % step == 0)
            and (2.0 * (layers - layer) - 1.0 + end / 2.0) * half_block >= room
        ]
        after = end + 2.0 * layers
        return (
            (end / 2.0, _tr("stem")),
            *numbers,
            (after + end / 2.0, _tr("const.")),
            (after + 1.5 * end, _tr("sum")),
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._sum is not None:
            self._lay_out()

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.is_empty:
            painter = QPainter(self)
            self._paint_legend(painter)
            painter.end()

    def _paint_legend(self, painter: QPainter) -> None:
        """What the height means; a filled square for token mixing, a hollow one for channel mixing."""
        metrics = self.fontMetrics()
        baseline, right = metrics.ascent() + 2.0, self.width() - 2.0 * GAP
        painter.setPen(QColor(colours().muted))
        painter.drawText(QPointF(4.0, baseline), self._title)
        for half, text in ((Half.CHANNEL, _tr("channel mixing")), (Half.TOKEN, _tr("token mixing"))):
            width = metrics.horizontalAdvance(text)
            painter.setPen(QColor(colours().muted))
            painter.drawText(QPointF(right - width, baseline), text)
            side = metrics.ascent() - 3.0
            self._paint_bar(painter, QRectF(right - width - side - 4.0, baseline - side, side, side), half)
            right -= width + side + 14.0

    def _paint_bar(self, painter: QPainter, bar: QRectF, half: Half) -> None:
        blue, orange = series_colours(2)
        colour = {Half.TOKEN: blue, Half.CHANNEL: orange}.get(half, QColor(colours().muted))
        fill = QColor(colour)
        if half == Half.CHANNEL:
            fill.setAlpha(60)
        painter.setBrush(fill)
        painter.setPen(QPen(colour, 1.0))
        painter.drawRect(bar)

    def paint_chart(self, painter: QPainter, area: QRectF) -> None:
        if self._sum is None:
            return
        scheme = colours()
        zero = round(self.to_screen(0.0, 0.0).y()) + 0.5
        painter.setPen(QPen(QColor(scheme.muted), 1))
        painter.drawLine(QPointF(area.left(), zero), QPointF(area.right(), zero))
        before = 0.0
        for place, ((part, _), after) in enumerate(zip(self._sum.parts, self._sum.running, strict=True)):
            bar = self._rectangle(place, before, after)
            if part == self._chosen:
                left, width = self._slot(place)
                column = QRectF(
                    self.to_screen(left, self._vertical.high), self.to_screen(left + width, self._vertical.low)
                )
                mark = QColor(scheme.accent)
                mark.setAlpha(70)
                painter.fillRect(column, mark)
                painter.setPen(QPen(QColor(scheme.accent), 1.5))
                painter.drawLine(column.topLeft(), column.bottomLeft())
                painter.drawLine(column.topRight(), column.bottomRight())
            if bar.height() < 1.0:  # a contribution of next to nothing is still there
                bar = QRectF(bar.left(), bar.center().y() - 0.5, bar.width(), 1.0)
            self._paint_bar(painter, bar, part.half)
            before = after
        self._paint_running_total(painter)
        self._paint_total(painter, area)

    def _paint_running_total(self, painter: QPainter) -> None:
        """A line from the end of each bar to the beginning of the next."""
        if self._sum is None:
            return
        painter.setPen(QPen(QColor(colours().text), 1.2))
        for place, after in enumerate(self._sum.running):
            start = self._rectangle(place, after, after).left()
            end = self._rectangle(place + 1, after, after).right()
            y = self.to_screen(0.0, after).y()
            painter.drawLine(QPointF(start, y), QPointF(end, y))

    def _paint_total(self, painter: QPainter, area: QRectF) -> None:
        if self._sum is None:
            return
        place, total = len(self._sum.parts), self._sum.total
        bar = self._rectangle(place, 0.0, total)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours().text))
        painter.drawRect(bar)
        bold = painter.font()
        bold.setBold(True)
        painter.setFont(bold)
        painter.setPen(QColor(colours().text))
        metrics, text = painter.fontMetrics(), signed(total)
        width = metrics.horizontalAdvance(text)
        left = min(bar.center().x() - width / 2.0, area.right() - width)
        baseline = bar.top() - 3.0 if total >= 0.0 else bar.bottom() + metrics.ascent() + 1.0
        painter.drawText(QPointF(left, baseline), text)

    # --- what the user points at ---

    def event(self, event: QEvent) -> bool:
        """A tooltip says a bar's number."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.told_at(event.pos().x()), self)
            return True
        return super().event(event)

    def told_at(self, pixel: float) -> str:
        """What the tooltip at a horizontal place says."""
        if self._sum is None:
            return ""
        part = self.bar_at(pixel)
        if part is None:
            return _tr("Sum: {0}").format(signed(self._sum.total))
        return self.told(part)

    def told(self, part: Part) -> str:
        """One bar in words."""
        if self._sum is None:
            return ""
        for (each, value), after in zip(self._sum.parts, self._sum.running, strict=True):
            if each == part:
                plus = "+" if value >= 0.0 else ""
                return _tr("{0}: {1}{2}, together {3}").format(part_name(part), plus, signed(value), signed(after))
        return ""

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._sum is None:
            super().mousePressEvent(event)
            return
        part = self.bar_at(event.position().x())
        if part is not None and part.half != Half.CONSTANT:
            self._tell(None if part == self._chosen else part)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        parts = [] if self._sum is None else [part for part, _ in self._sum.parts if part.half != Half.CONSTANT]
        at = parts.index(self._chosen) if self._chosen in parts else None
        key = event.key()
        if not parts:
            super().keyPressEvent(event)
        elif key == Qt.Key.Key_Right:
            self._tell(parts[0 if at is None else min(at + 1, len(parts) - 1)])
        elif key == Qt.Key.Key_Left:
            self._tell(parts[-1 if at is None else max(at - 1, 0)])
        elif key == Qt.Key.Key_Home:
            self._tell(parts[0])
        elif key == Qt.Key.Key_End:
            self._tell(parts[-1])
        elif key == Qt.Key.Key_Escape and at is not None:
            self._tell(None)
        else:
            super().keyPressEvent(event)

    def _tell(self, part: Part | None) -> None:
        self.choose(part)
        self.part_chosen.emit(part)


def _tr(text: str) -> str:
    return QCoreApplication.translate("contributions", text)
