"""The legend of the timeline: which line is which class, how probable it is, and the colours of the lines."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.prediction_list import short_label
from mixer_gui.gui.theme import DARK, colours

# Okabe and Ito's colours, lighter or darker where they would be faint on the card: at least 3:1 on it.
ON_DARK = ("#56b4e9", "#e69f00", "#1fc796", "#e8a0cc", "#f0e442")
ON_LIGHT = ("#0072b2", "#c65300", "#008a64", "#a8407f", "#1b2026")
LINES = len(ON_DARK)
ROW_HEIGHT = 19


def line_colours() -> tuple[str, ...]:
    """A colour for each line, for the theme in use."""
    return ON_DARK if colours() is DARK else ON_LIGHT


class TimelineLegend(QWidget):
    """Which line is which class, and how probable each is at one time."""

    row_pointed = Signal(object)  # int, or None when the pointer left the rows

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[tuple[int, str, str]] = []  # line, class, percentage
        self._pointed: int | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)

    @property
    def rows(self) -> tuple[tuple[int, str, str], ...]:
        """Line, class name and percentage of each row."""
        return tuple(self._rows)

    def show_rows(self, rows: list[tuple[int, str, str]]) -> None:
        if rows != self._rows:
            self._rows = rows
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, LINES * ROW_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(100, LINES * 15)

    def paintEvent(self, _event: QPaintEvent) -> None:
        scheme = colours()
        palette = line_colours()
        painter = QPainter(self)
        number_width = painter.fontMetrics().horizontalAdvance("100.0 %") + 6
        for place, (line, label, number) in enumerate(self._rows):
            area = self._area(place)
            if line == self._pointed:
                painter.fillRect(area, QColor(scheme.field))
            painter.fillRect(QRectF(2, area.center().y() - 1.5, 12, 4), QColor(palette[line]))
            painter.setPen(QColor(scheme.text))
            name_area = area.adjusted(20, 0, -number_width, 0)
            name = painter.fontMetrics().elidedText(short_label(label), Qt.TextElideMode.ElideRight, name_area.width())
            painter.drawText(name_area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), name)
            right = area.adjusted(0, 0, -2, 0)
            painter.drawText(right, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), number)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = self._place(event.position().toPoint().y())
        self.setToolTip("" if place is None else plain_tip(self._rows[place][1]))
        self._point(None if place is None else self._rows[place][0])

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._point(None)

    def _area(self, place: int) -> QRect:
        height = min(ROW_HEIGHT, max(self.height() // LINES, 1))
        return QRect(0, place * height, self.width(), height)

    def _place(self, y: int) -> int | None:
        return next((place for place in range(len(self._rows)) if self._area(place).contains(0, y)), None)

    def _point(self, line: int | None) -> None:
        if line != self._pointed:
            self._pointed = line
            self.update()
            self.row_pointed.emit(line)
