"""How the picture is painted: its pixels, what was edited in it, the map, a patch, a stroke, the handles.

Functions over a painter, for the screen and for a saved picture alike; no widget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPalette, QPen, QPixmap

from mixer_gui.gui.placement import Placement
from mixer_gui.records import PatchGrid, Rect

if TYPE_CHECKING:
    from collections.abc import Iterable

BLACK, WHITE = QColor(0, 0, 0), QColor(255, 255, 255)


@dataclass(frozen=True, slots=True)
class Overlay:
    """A map to draw over the picture: one pixel a patch, on the rectangle that the network saw."""

    image: QImage
    seen: Rect
    grid: PatchGrid


@dataclass(frozen=True, slots=True)
class Edited:
    """What was changed in the picture, on the rectangle that the network saw then; transparent elsewhere."""

    image: QImage
    seen: Rect


@dataclass(frozen=True, slots=True)
class Content:
    """All that is in the picture: `size` is its upright full resolution, of which `image` may be a smaller copy.

    `seen` is what the network sees from now on: edits and map may be of another rectangle still.
    """

    image: QImage
    size: tuple[int, int]
    seen: Rect | None
    edited: Edited | None
    overlay: Overlay | None
    opacity: float


def paint_content(painter: QPainter, content: Content, placement: Placement, scaled: QPixmap | None) -> None:
    """Picture, dimmed surroundings, edits and map; `scaled` is the picture as large as it is on this screen."""
    whole = placement.to_screen(Rect(0, 0, *content.size))
    if scaled is not None:
        painter.drawPixmap(whole.toRect().topLeft(), scaled)
    else:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(whole, content.image)
    if content.seen is None:
        return
    seen = placement.to_screen(content.seen)
    if not seen.contains(whole.adjusted(1, 1, -1, -1)):
        for part in _difference(whole, seen):
            painter.fillRect(part, QColor(0, 0, 0, 130))
    for part in _difference(seen, whole):
        painter.fillRect(part, QColor(128, 128, 128, 110))
    if content.edited is not None:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(placement.to_screen(content.edited.seen), content.edited.image)
    if content.overlay is not None and content.opacity > 0.0:
        painter.setOpacity(content.opacity)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, on=False)
        painter.drawImage(placement.to_screen(content.overlay.seen), content.overlay.image)
        painter.setOpacity(1.0)


def drawn(content: Content) -> QImage:
    """The same as a picture of its own, at the resolution of `content.image`, with what the network saw beyond it."""
    width, height = content.size
    scale = content.image.width() / width
    seen = content.seen or Rect(0, 0, width, height)
    left, top = min(0.0, seen.left), min(0.0, seen.top)
    canvas = QSize(round((max(width, seen.right) - left) * scale), round((max(height, seen.bottom) - top) * scale))
    image = QImage(canvas, QImage.Format.Format_RGB32)
    image.fill(QColor("#808080"))
    painter = QPainter(image)
    paint_content(painter, content, Placement(scale, -left * scale, -top * scale), None)
    painter.end()
    return image


def paint_message(painter: QPainter, area: QRect, palette: QPalette, message: str) -> None:
    """What an empty view says, in a dashed frame."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid), 2, Qt.PenStyle.DashLine))
    painter.drawRoundedRect(QRectF(area).adjusted(8, 8, -8, -8), 12, 12)
    painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
    font = painter.font()
    font.setPointSizeF(font.pointSizeF() * 1.15)
    painter.setFont(font)
    flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
    painter.drawText(area.adjusted(24, 24, -24, -24), flags, message)


def paint_patch(painter: QPainter, patch: QRectF, *, pinned: bool) -> None:
    """An outline that is seen on any picture, dotted while the patch is only pointed at."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for width, colour in ((4, BLACK), (2, WHITE)):
        style = Qt.PenStyle.SolidLine if pinned or width == 4 else Qt.PenStyle.DotLine
        painter.setPen(QPen(colour, width, style, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.MiterJoin))
        painter.drawRect(patch)


def paint_marked(painter: QPainter, patches: Iterable[QRectF]) -> None:
    """Patches that are being painted over or were chosen: hatched, dark and light, so that it shows on any picture."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
    for patch in patches:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(patch, QColor(0, 0, 0, 70))
        painter.fillRect(patch, QBrush(WHITE, Qt.BrushStyle.BDiagPattern))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for width, colour in ((3, BLACK), (1, WHITE)):
            painter.setPen(QPen(colour, width, j=Qt.PenJoinStyle.MiterJoin))
            painter.drawRect(patch)


def paint_handles(painter: QPainter, rect: QRectF, accent: QColor) -> None:
    """The rectangle that the network sees, to be moved and resized."""
    painter.setPen(QPen(accent, 2))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(rect)
    painter.setBrush(accent)
    for corner in (rect.topLeft(), rect.topRight(), rect.bottomLeft(), rect.bottomRight()):
        painter.drawRect(QRectF(corner.x() - 5, corner.y() - 5, 10, 10))


def _difference(outer: QRectF, inner: QRectF) -> list[QRectF]:
    """`outer` without `inner`, as up to four rectangles that do not overlap."""
    inner = inner.intersected(outer)
    if inner.isEmpty():
        return [outer]
    parts = [
        QRectF(outer.left(), outer.top(), outer.width(), inner.top() - outer.top()),
        QRectF(outer.left(), inner.bottom(), outer.width(), outer.bottom() - inner.bottom()),
        QRectF(outer.left(), inner.top(), inner.left() - outer.left(), inner.height()),
        QRectF(inner.right(), inner.top(), outer.right() - inner.right(), inner.height()),
    ]
    return [part for part in parts if part.width() > 0.0 and part.height() > 0.0]
