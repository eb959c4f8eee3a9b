"""Choosing a part of the screen: a still of it, on which a rectangle is drawn."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QCloseEvent, QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QScreen
from PySide6.QtWidgets import QWidget

from mixer_gui.records import Rect

LEAST_EDGE = 16  # pixels of the screen


class ScreenPicker(QWidget):
    """Covers one screen; dragging draws the rectangle, Return takes the whole screen, Escape gives up."""

    picked = Signal(object)  # Rect in pixels of the screen, or None where the user gave up

    def __init__(self, screen: QScreen, still: QPixmap) -> None:
        super().__init__(None, Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint)
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        self.setAccessibleName(self.tr("Part of the screen"))
        self.setCursor(Qt.CursorShape.CrossCursor)
        self._still = still
        self._from: QPointF | None = None
        self._to = QPointF()
        self.setGeometry(screen.geometry())

    @property
    def rectangle(self) -> Rect | None:
        """What is drawn, in pixels of the screen; None where it is too small to be meant."""
        if self._from is None:
            return None
        ratio = self._still.width() / max(self.width(), 1)
        drawn = QRectF(self._from, self._to).normalized().intersected(QRectF(self.rect()))
        if min(drawn.width(), drawn.height()) * ratio < LEAST_EDGE:
            return None
        return Rect(
            float(round(drawn.left() * ratio)),
            float(round(drawn.top() * ratio)),
            float(round(drawn.width() * ratio)),
            float(round(drawn.height() * ratio)),
        )

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.drawPixmap(self.rect(), self._still)
        painter.fillRect(self.rect(), QColor(0, 0, 0, 110))
        if self._from is not None:
            drawn = QRectF(self._from, self._to).normalized()
            ratio = self._still.width() / max(self.width(), 1)
            part = QRectF(drawn.topLeft() * ratio, drawn.bottomRight() * ratio)
            painter.drawPixmap(drawn, self._still, part)
            for width, colour in ((3, QColor("black")), (1, QColor("white"))):
                painter.setPen(QPen(colour, width))
                painter.drawRect(drawn)
        hint = self.tr("Drag over the part to look at. Return: the whole screen. Escape: none.")
        area = painter.fontMetrics().boundingRect(hint).adjusted(-14, -9, 14, 9)
        area.moveCenter(self.rect().center())
        area.moveTop(24)
        painter.fillRect(area, QColor(0, 0, 0, 190))
        painter.setPen(QColor("white"))
        painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter), hint)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._from = self._to = event.position()
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._from is not None:
            self._to = event.position()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._from is not None:
            self._to = event.position()
            rectangle = self.rectangle
            if rectangle is None:  # a click
                self._from = None
                self.update()
            else:
                self.picked.emit(rectangle)

    def closeEvent(self, event: QCloseEvent) -> None:
        """However it is closed, somebody waits for an answer; after another one this one says nothing new."""
        super().closeEvent(event)
        self.picked.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.picked.emit(None)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.picked.emit(Rect(0.0, 0.0, float(self._still.width()), float(self._still.height())))
        else:
            super().keyPressEvent(event)
