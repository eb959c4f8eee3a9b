"""What the microscope's charts are painted on: axes, ticks, colours, the way from values to pixels.

Painted here with QPainter alone, so that a chart can be saved as vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mixer_gui.gui.theme import DARK, colours, paint_placeholder

GAP = 5
# Okabe and Ito's palette, told apart by colour-blind people; its black and yellow are replaced for either theme.
SERIES_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8a6d00", "#5a5a5a", "#7b3fa0")
SERIES_DARK = ("#56b4e9", "#ff8c42", "#2fc79a", "#e59fc6", "#8fb8ff", "#e5c94b", "#b9b9b9", "#c39be0")


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis covers, where it says what, and what it measures."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    title: str = ""


class Chart(QWidget):
    """A chart with a left and a bottom axis; subclasses paint into its area."""

    def __init__(self, name: str, empty: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.x_axis = Axis(0.0, 1.0)
        self.y_axis = Axis(0.0, 1.0)
        self.is_empty = True
        self._empty = empty
        self._area: QRectF | None = None  # until size, axes or font change
        self.setAccessibleName(name)
        self.setMinimumSize(160, 90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def set_axes(self, x: Axis, y: Axis) -> None:
        """Also says that there is something to show."""
        self.x_axis, self.y_axis, self.is_empty, self._area = x, y, False, None
        self.update()

    def clear(self) -> None:
        self.is_empty = True
        self.update()

    def set_empty_message(self, text: str) -> None:
        self._empty = text
        self.update()

    def paint_chart(self, painter: QPainter, area: QRectF) -> None:
        """Paint the data; clipped to the area and a pixel around it."""

    def to_screen(self, x: float, y: float) -> QPointF:
        area = self.area()
        return QPointF(
            area.left() + (x - self.x_axis.low) / (self.x_axis.high - self.x_axis.low) * area.width(),
            area.bottom() - (y - self.y_axis.low) / (self.y_axis.high - self.y_axis.low) * area.height(),
        )

    def x_at(self, pixel: float) -> float:
        """Where the horizontal axis is at a pixel of the widget, not beyond its ends."""
        area = self.area()
        share = min(max((pixel - area.left()) / area.width(), 0.0), 1.0)
        return self.x_axis.low + share * (self.x_axis.high - self.x_axis.low)

    def area(self) -> QRectF:
        """Where the data are, without axes."""
        if self._area is None:
            self._area = self.measure_area()
        return self._area

    def measure_area(self) -> QRectF:
        """The same, taken anew; for subclasses that need more room beside the data."""
        metrics = self.fontMetrics()
        widest = max((metrics.horizontalAdvance(text) for _, text in self.y_axis.ticks), default=0)
        left = widest + GAP + (2 if self.y_axis.ticks else 0)
        top = metrics.height() + 2 if self.y_axis.title else metrics.height() / 2
        bottom = (metrics.height() + 2 if self.x_axis.ticks else 0) + (metrics.height() if self.x_axis.title else 0) + 2
        return QRectF(left, top, max(self.width() - left - 2 * GAP, 1), max(self.height() - top - bottom, 1))

    def sizeHint(self) -> QSize:
        return QSize(320, 160)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._area = None
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        self._area = None
        super().changeEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self.is_empty:
            paint_placeholder(painter, self.rect(), self._empty)
            painter.end()
            return
        area = self.area()
        self._paint_axes(painter, area)
        painter.save()
        painter.setClipRect(area.adjusted(-1, -1, 1, 1))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.paint_chart(painter, area)
        painter.restore()
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours().accent), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def _paint_axes(self, painter: QPainter, area: QRectF) -> None:
        scheme, metrics = colours(), self.fontMetrics()
        for value, text in self.y_axis.ticks:
            y = round(self.to_screen(self.x_axis.low, value).y())
            painter.setPen(QColor(scheme.edge))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(scheme.muted))
            place = QRectF(0, y - metrics.height() / 2, area.left() - GAP, metrics.height())
            painter.drawText(place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), text)
        painter.setPen(QColor(scheme.muted))
        free = -1.0
        for value, text in self.x_axis.ticks:
            width = metrics.horizontalAdvance(text)
            start = min(max(self.to_screen(value, self.y_axis.low).x() - width / 2, 0.0), self.width() - width)
            if start > free:
                painter.drawText(QPointF(start, area.bottom() + metrics.ascent() + 2), text)
                free = start + width + GAP
        if self.y_axis.title:
            painter.drawText(QPointF(0, metrics.ascent()), self.y_axis.title)
        if self.x_axis.title:
            place = QRectF(area.left(), self.height() - metrics.height(), area.width(), metrics.height())
            painter.drawText(
                place, int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter), self.x_axis.title
            )


def nice_ticks(low: float, high: float, count: int = 4) -> tuple[tuple[float, str], ...]:
    """About `count` round values from low to high, with their text."""
    if not high > low:
        return ((low, f"{low:g}"),)
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    values = [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]
    return tuple((value, f"{value:.6g}") for value in values)


def series_colours(count: int) -> tuple[QColor, ...]:
    """Colours for lines or bands of one chart in the theme in use; they come again after eight."""
    palette = SERIES_DARK if colours() is DARK else SERIES_LIGHT
    return tuple(QColor(palette[index % len(palette)]) for index in range(count))
