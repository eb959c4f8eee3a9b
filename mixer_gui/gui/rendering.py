"""What is on the screen as a picture of any size: widgets, and the picture with its map and legend; PNG or SVG.

Widgets are painted again through a scaled painter, so that lines and words are vectors in an SVG and sharp in a PNG.
Drawings are made in the window's thread, and painted there where they are of widgets; others can be painted anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QIODevice, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QGuiApplication, QImage, QLinearGradient, QPainter, QRegion
from PySide6.QtWidgets import QWidget

from mixer_gui.gui.images import legend_colours
from mixer_gui.gui.theme import colours

if TYPE_CHECKING:
    from collections.abc import Callable

    from mixer_gui.gui.maps import CaptionedMap
    from mixer_gui.gui.theme import Colours

GREATEST_EDGE = 8192  # pixels of what is saved
GAP = 8
# What XML 1.0 does not allow in a document.
FORBIDDEN = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Drawing:
    """Something that can be painted at its own `size`, in pixels of the screen, with the origin at its top left."""

    name: str
    size: QSize
    paint: Callable[[QPainter], None]
    ground: str  # the colour below it
    dots_per_inch: int
    is_of_widgets: bool  # to be painted in the window's thread


def widget_drawing(name: str, widget: QWidget) -> Drawing:
    """A widget as it is on the screen, without what lies behind it."""

    def paint(painter: QPainter) -> None:
        widget.render(painter, QPoint(), QRegion(), QWidget.RenderFlag.DrawChildren)

    return Drawing(name, widget.size(), paint, colours().card, _dots_per_inch(), is_of_widgets=True)


def picture_drawing(name: str, image: QImage, width: int, shown: CaptionedMap | None) -> Drawing:
    """A picture, `width` pixels wide, and below it its map's caption, exactness and colour scale."""
    height = max(round(width * image.height() / image.width()), 1)
    line = QFontMetrics(QGuiApplication.font()).height() + 4
    scheme, font_text = colours(), QGuiApplication.font().toString()

    def paint(painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(0, 0, width, height), image)
        if shown is not None:
            font = QFont()  # of the thread that paints: a copy would share what the window's has cached
            font.fromString(font_text)
            painter.setFont(font)
            room = QRect(GAP, height + GAP, width - 2 * GAP, 2 * line)
            _paint_legend(painter, room, shown, QFontMetrics(font), scheme)

    size = QSize(width, height + (0 if shown is None else 2 * line + 2 * GAP))
    return Drawing(name, size, paint, scheme.card, _dots_per_inch(), is_of_widgets=False)


def to_image(drawing: Drawing, size: QSize) -> QImage:
    """Painted anew at `size`, on the colour of a card."""
    image = QImage(size, QImage.Format.Format_RGB32)
    image.fill(QColor(drawing.ground))
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
    generator.setResolution(drawing.dots_per_inch)  # else words are set smaller or larger than their room
    generator.setTitle(drawing.name)
    painter = QPainter(generator)
    painter.fillRect(QRect(QPoint(), drawing.size), QColor(drawing.ground))
    drawing.paint(painter)
    painter.end()
    return _for_browsers(bytes(buffer.data().data()), size)


def _dots_per_inch() -> int:
    screen = QGuiApplication.primaryScreen()
    return 96 if screen is None else round(screen.logicalDotsPerInch())


def _for_browsers(svg: bytes, size: QSize) -> bytes:
    """Qt's SVG as browsers are to show it: its size in pixels, patches with sharp edges, a font that there is.

    Characters that no XML document may contain are replaced: names of files and classes can have any.
    """
    text = FORBIDDEN.sub("\ufffd", svg.decode("utf-8"))
    text = re.sub(
        r'<svg width="[^"]*" height="[^"]*"', f'<svg width="{size.width()}" height="{size.height()}"', text, count=1
    )
    text = text.replace('image-rendering="optimizeSpeed"', 'style="image-rendering:pixelated"')
    return re.sub(r'font-family="([^"]*)"', r'font-family="\1, sans-serif"', text).encode("utf-8")


def _paint_legend(painter: QPainter, room: QRect, shown: CaptionedMap, metrics: QFontMetrics, scheme: Colours) -> None:
    """Caption and exactness in one line, the colour scale between its ends in the next."""
    half = room.height() // 2
    first, second = QRect(room.topLeft(), QSize(room.width(), half)), QRect(room.left(), room.top() + half, 0, half)
    second.setWidth(room.width())
    middle = int(Qt.AlignmentFlag.AlignVCenter)
    badge = metrics.horizontalAdvance(shown.exactness)
    painter.setPen(QColor(scheme.text))
    caption = metrics.elidedText(shown.caption, Qt.TextElideMode.ElideRight, room.width() - badge - GAP)
    painter.drawText(first, middle | int(Qt.AlignmentFlag.AlignLeft), caption)
    painter.setPen(QColor(scheme.muted))
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
