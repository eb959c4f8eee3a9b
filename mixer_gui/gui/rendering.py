"""What is on the screen as a picture of any size: widgets, and the picture with its map and legend; PNG or SVG.

Widgets are painted again through a scaled painter, so that lines and words are vectors in an SVG and sharp in a PNG.
Runs in the window's thread, as all painting of widgets must.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QGuiApplication, QImage, QLinearGradient, QPainter, QRegion
from PySide6.QtWidgets import QWidget

from mixer_gui.gui.images import legend_colours
from mixer_gui.gui.theme import colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from mixer_gui.gui.maps import CaptionedMap

GREATEST_EDGE = 8192  # pixels of what is saved
GAP = 8


@dataclass(frozen=True, slots=True)
class Drawing:
    """Something that can be painted at its own `size`, in pixels of the screen, with the origin at its top left."""

    name: str
    size: QSize
    paint: Callable[[QPainter], None]


def widget_drawing(name: str, widget: QWidget) -> Drawing:
    """A widget as it is on the screen, without what lies behind it."""

    def paint(painter: QPainter) -> None:
        widget.render(painter, QPoint(), QRegion(), QWidget.RenderFlag.DrawChildren)

    return Drawing(name, widget.size(), paint)


def picture_drawing(name: str, image: QImage, width: int, shown: CaptionedMap | None) -> Drawing:
    """A picture, `width` pixels wide, and below it its map's caption, exactness and colour scale."""
    height = max(round(width * image.height() / image.width()), 1)
    metrics = QFontMetrics(QGuiApplication.font())
    line = metrics.height() + 4

    def paint(painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(0, 0, width, height), image)
        if shown is not None:
            painter.setFont(QGuiApplication.font())
            _paint_legend(painter, QRect(GAP, height + GAP, width - 2 * GAP, 2 * line), shown, metrics)

    return Drawing(name, QSize(width, height + (0 if shown is None else 2 * line + 2 * GAP)), paint)


def to_image(drawing: Drawing, size: QSize) -> QImage:
    """Painted anew at `size`, on the colour of a card."""
    image = QImage(size, QImage.Format.Format_RGB32)
    image.fill(QColor(colours().card))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size.width() / drawing.size.width(), size.height() / drawing.size.height())
    drawing.paint(painter)
    painter.end()
    return image


def to_svg(drawing: Drawing, size: QSize) -> bytes:
    """An SVG document, `size` pixels large where nobody scales it, on the colour of a card."""
    from PySide6.QtSvg import QSvgGenerator

    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator(QSvgGenerator.SvgVersion.Svg11)  # which clips: SVG Tiny does not
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(QRectF(0, 0, drawing.size.width(), drawing.size.height()))
    generator.setResolution(_dots_per_inch())  # else words are set smaller or larger than their room
    generator.setTitle(drawing.name)
    painter = QPainter(generator)
    painter.fillRect(QRect(QPoint(), drawing.size), QColor(colours().card))
    drawing.paint(painter)
    painter.end()
    return _for_browsers(bytes(buffer.data().data()), size)


def _dots_per_inch() -> int:
    screen = QGuiApplication.primaryScreen()
    return 96 if screen is None else round(screen.logicalDotsPerInch())


def _for_browsers(svg: bytes, size: QSize) -> bytes:
    """Qt's SVG as browsers are to show it: its size in pixels, patches with sharp edges, a font that there is."""
    text = svg.decode("utf-8")
    text = re.sub(
        r'<svg width="[^"]*" height="[^"]*"', f'<svg width="{size.width()}" height="{size.height()}"', text, count=1
    )
    text = text.replace('image-rendering="optimizeSpeed"', 'style="image-rendering:pixelated"')
    return re.sub(r'font-family="([^"]*)"', r'font-family="\1, sans-serif"', text).encode("utf-8")


def _paint_legend(painter: QPainter, room: QRect, shown: CaptionedMap, metrics: QFontMetrics) -> None:
    """Caption and exactness in one line, the colour scale between its ends in the next."""
    half = room.height() // 2
    first, second = QRect(room.topLeft(), QSize(room.width(), half)), QRect(room.left(), room.top() + half, 0, half)
    second.setWidth(room.width())
    middle = int(Qt.AlignmentFlag.AlignVCenter)
    badge = metrics.horizontalAdvance(shown.exactness)
    painter.setPen(QColor(colours().text))
    caption = metrics.elidedText(shown.caption, Qt.TextElideMode.ElideRight, room.width() - badge - GAP)
    painter.drawText(first, middle | int(Qt.AlignmentFlag.AlignLeft), caption)
    painter.setPen(QColor(colours().muted))
    painter.drawText(first, middle | int(Qt.AlignmentFlag.AlignRight), shown.exactness)
    low, high = shown.ends
    painter.drawText(second, middle | int(Qt.AlignmentFlag.AlignLeft), low)
    painter.drawText(second, middle | int(Qt.AlignmentFlag.AlignRight), high)
    left, right = metrics.horizontalAdvance(low) + GAP, metrics.horizontalAdvance(high) + GAP
    bar = QRectF(second.left() + left, second.center().y() - 4, max(second.width() - left - right, 10), 9)
    gradient = QLinearGradient(bar.topLeft(), bar.topRight())
    scale = legend_colours(signed=shown.shown.signed)
    for step, colour in enumerate(scale):
        gradient.setColorAt(step / (len(scale) - 1), colour)
    painter.fillRect(bar, gradient)
