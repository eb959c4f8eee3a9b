"""The icons of the row below a moving picture, drawn in the colours of the theme."""

from __future__ import annotations

from enum import Enum, auto

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap

ICON = 16
PIXEL_RATIOS = (1, 2, 3)


class Drawing(Enum):
    """What a button shows."""

    PLAY = auto()
    PAUSE = auto()
    BACK = auto()
    ON = auto()
    LOOP = auto()
    FREEZE = auto()
    RECORD = auto()
    STOP = auto()


def paint_drawing(painter: QPainter, drawing: Drawing, colour: QColor) -> None:
    """Paint it into the square from 0 to 16."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(colour, 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    if drawing is Drawing.PLAY:
        painter.drawPolygon([QPointF(4, 2), QPointF(14, 8), QPointF(4, 14)])
    elif drawing is Drawing.PAUSE:
        painter.drawRect(QRectF(3.5, 2.5, 3, 11))
        painter.drawRect(QRectF(9.5, 2.5, 3, 11))
    elif drawing in (Drawing.BACK, Drawing.ON):
        if drawing is Drawing.BACK:
            painter.translate(16, 0)
            painter.scale(-1, 1)
        painter.drawRect(QRectF(2.5, 3, 2, 10))
        painter.drawPolygon([QPointF(6.5, 3), QPointF(14, 8), QPointF(6.5, 13)])
    elif drawing is Drawing.LOOP:
        path = QPainterPath()
        path.arcMoveTo(QRectF(2.5, 2.5, 11, 11), 30)
        path.arcTo(QRectF(2.5, 2.5, 11, 11), 30, 290)
        painter.strokePath(path, pen)
        painter.drawPolygon([QPointF(9.2, 8.6), QPointF(15.6, 8.6), QPointF(13.6, 3.2)])
    elif drawing is Drawing.FREEZE:
        painter.setPen(pen)
        for _ in range(3):  # a snowflake
            painter.drawLine(QPointF(8, 1.5), QPointF(8, 14.5))
            for side, y, tip in ((-1, 4, 2), (1, 4, 2), (-1, 12, 14), (1, 12, 14)):
                painter.drawLine(QPointF(8, y), QPointF(8 + side * 2, tip))
            painter.translate(8, 8)
            painter.rotate(60)
            painter.translate(-8, -8)
    elif drawing is Drawing.RECORD:
        painter.drawEllipse(QRectF(3, 3, 10, 10))
    else:
        painter.drawRoundedRect(QRectF(3, 3, 10, 10), 1, 1)


def drawn_icon(drawing: Drawing, colour: str, disabled: str) -> QIcon:
    """An icon in the colours of a theme, sharp on every screen."""
    icon = QIcon()
    for mode, which in ((QIcon.Mode.Normal, colour), (QIcon.Mode.Disabled, disabled)):
        for ratio in PIXEL_RATIOS:
            pixmap = QPixmap(ICON * ratio, ICON * ratio)
            pixmap.setDevicePixelRatio(ratio)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            paint_drawing(painter, drawing, QColor(which))
            painter.end()
            icon.addPixmap(pixmap, mode)
    return icon
