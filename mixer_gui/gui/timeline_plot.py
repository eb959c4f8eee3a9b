"""The plot of the timeline: lines, playhead, pointer, axes. It draws what it is given; the card decides what.

Painted here and not by pyqtgraph: importing that takes 0.4 s, which the window's thread has not, and in another thread
it crashed the program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QDataStream, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.theme import Colours

PADDING = 0.03  # above 100 % and below 0 %, so that a line there is seen
LEVELS = ((0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %"))
RIGHT = 14  # pixels beside the last tick, whose text is centred under it
MARKER = 5  # half the playhead's head
TEXT_GAP = 5


class TimelinePlot(QWidget):
    """Probabilities, 0 to 1, over time; takes neither focus nor mouse for itself."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._lines: list[tuple[QPolygonF, ...]] = [()] * lines
        self._pens: list[QPen] = [QPen()] * lines
        self._strong: int | None = None
        self._span = (0.0, 1.0)
        self._ticks: list[tuple[float, str]] = []
        self._playhead: float | None = None
        self._pointer: float | None = None
        self._edge, self._text, self._focus = QColor(), QColor(), QColor()
        self.setMinimumSize(80, 50)

    def recolour(self, scheme: Colours, lines: tuple[str, ...], *, strong: int | None, focused: bool) -> None:
        """Colours of the theme; `strong` is a line to bring out."""
        self._edge, self._text = QColor(scheme.edge), QColor(scheme.muted)
        self._focus = QColor(scheme.accent) if focused else QColor()
        self._pens = [_pen(colour) for colour in lines]
        self._strong = strong
        self.update()

    def set_span(self, left: float, right: float) -> None:
        """What the horizontal axis covers."""
        self._span = (left, max(right, left + 1e-6))
        self.update()

    def set_ticks(self, ticks: list[tuple[float, str]]) -> None:
        """Where the horizontal axis says what."""
        self._ticks = ticks
        self.update()

    def set_line(self, row: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        """Points of a line; NaN breaks it."""
        self._lines[row] = tuple(_polygons(x, y))
        self.update()

    def set_playhead(self, x: float | None) -> None:
        if x != self._playhead:
            self._playhead = x
            self.update()

    def set_pointer(self, x: float | None) -> None:
        if x != self._pointer:
            self._pointer = x
            self.update()

    def columns(self) -> int:
        """How many pixels wide the lines' area is."""
        return max(int(self._area().width()), 1)

    def x_at(self, pixel: float) -> float:
        """Where the horizontal axis is at a pixel of the widget; beyond its ends where the pixel is."""
        area, (left, right) = self._area(), self._span
        return left + (pixel - area.left()) / area.width() * (right - left)

    def sizeHint(self) -> QSize:
        return QSize(260, 120)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        area = self._area()
        self._paint_axes(painter, area)
        # From probabilities over time to pixels; the pens are cosmetic.
        left, right = self._span
        painter.save()
        painter.setClipRect(area.adjusted(0, -1, 1, 1))
        painter.translate(area.left(), self._y(area, 0.0))
        painter.scale(area.width() / (right - left), self._y(area, 1.0) - self._y(area, 0.0))
        painter.translate(-left, 0.0)
        order = sorted(range(len(self._lines)), key=lambda row: row == self._strong)
        for row in order:
            painter.setPen(self._pens[row])
            for polygon in self._lines[row]:
                painter.drawPolyline(polygon)
        painter.restore()
        # A pen of two pixels is painted six times slower than two of one: the same again, a pixel lower and further.
        painter.save()
        painter.setClipRect(area.adjusted(0, -1, 1, 1))
        painter.translate(area.left() + 1.0, self._y(area, 0.0) + 1.0)
        painter.scale(area.width() / (right - left), self._y(area, 1.0) - self._y(area, 0.0))
        painter.translate(-left, 0.0)
        for row in order:
            pen = QPen(self._pens[row])
            if row == self._strong:
                pen.setWidth(3)
            painter.setPen(pen)
            for polygon in self._lines[row]:
                painter.drawPolyline(polygon)
        painter.restore()
        self._paint_marks(painter, area)
        if self._focus.isValid():
            painter.setPen(QPen(self._focus, 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(area.adjusted(-1, -1, 1, 1))
        painter.end()

    def _area(self) -> QRectF:
        """Where the lines are."""
        metrics = self.fontMetrics()
        left = metrics.horizontalAdvance(LEVELS[-1][1]) + TEXT_GAP
        bottom = metrics.height() + 2
        return QRectF(left, MARKER, max(self.width() - left - RIGHT, 1), max(self.height() - bottom - MARKER, 1))

    def _x(self, area: QRectF, time: float) -> float:
        left, right = self._span
        return area.left() + (time - left) / (right - left) * area.width()

    def _y(self, area: QRectF, level: float) -> float:
        return area.bottom() - (level + PADDING) / (1.0 + 2.0 * PADDING) * area.height()

    def _paint_axes(self, painter: QPainter, area: QRectF) -> None:
        metrics = self.fontMetrics()
        for level, text in LEVELS:
            y = round(self._y(area, level))
            painter.setPen(self._edge)
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(self._text)
            place = QRectF(0, y - metrics.height() / 2, area.left() - TEXT_GAP, metrics.height())
            place.moveTop(min(max(place.top(), 0.0), area.bottom() - metrics.height() / 2))
            painter.drawText(place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), text)
        free = -1.0
        for time, text in self._ticks:
            width = metrics.horizontalAdvance(text)
            start = min(max(self._x(area, time) - width / 2, 0.0), self.width() - width)
            if start > free:
                painter.drawText(QPointF(start, self.height() - metrics.descent() - 1), text)
                free = start + width + 2 * TEXT_GAP

    def _paint_marks(self, painter: QPainter, area: QRectF) -> None:
        """The pointer, and the playhead with a head, as no line of a class has."""
        if self._pointer is not None:
            x = round(self._x(area, self._pointer))
            painter.setPen(QPen(self._text, 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        if self._playhead is not None:
            x = round(min(max(self._x(area, self._playhead), area.left()), area.right()))
            painter.setPen(QPen(self._text, 2))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._text)
            head = [QPointF(x - MARKER, 0), QPointF(x + MARKER, 0), QPointF(x, 2 * MARKER)]
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.drawPolygon(QPolygonF(head))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _pen(colour: str) -> QPen:
    pen = QPen(QColor(colour), 1)
    pen.setCosmetic(True)
    return pen


def _polygons(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[QPolygonF]:
    """The unbroken stretches of a line, by way of Qt's stream of bytes: an object a point takes five times as long."""
    import numpy as np

    breaks = np.flatnonzero(np.isnan(x) | np.isnan(y))
    made = []
    for start, end in zip((0, *(breaks + 1)), (*breaks, len(x)), strict=True):
        if end > start:
            points = np.column_stack((x[start:end], y[start:end])).astype(">f8").tobytes()
            polygon = QPolygonF()
            QDataStream(QByteArray(int(end - start).to_bytes(4, "big") + points)) >> polygon
            made.append(polygon)
    return made
