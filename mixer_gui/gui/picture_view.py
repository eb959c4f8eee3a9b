"""The picture, as large as it fits, with a map on the rectangle the network saw and the patch under the pointer.

Shows what it is told to show and says where the pointer is; knows no model, request or report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from mixer_gui.gui.placement import Grip, Placement, drag_rect, grip_at, place
from mixer_gui.pictures.geometry import patch_at, patch_rectangle
from mixer_gui.records import PatchGrid, Rect

STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


@dataclass(frozen=True, slots=True)
class Overlay:
    """A map to draw over the picture: one pixel a patch, on the rectangle that the network saw."""

    image: QImage
    seen: Rect
    grid: PatchGrid


@dataclass(frozen=True, slots=True)
class Drag:
    """What the pointer took hold of, where, and what was shown then."""

    grip: Grip
    start: QPointF
    seen: Rect
    overlay: Overlay | None


class PictureView(QWidget):
    """Paints the picture; the pointer or the arrow keys choose a patch, a click or Return pins it."""

    first_painted = Signal()  # once: the window has been on the screen
    painted = Signal()  # each time
    resized = Signal()  # what is shown may have another size on the screen now
    patch_pointed = Signal(object)  # int, or None when the pointer left the patches
    patch_pinned = Signal(object)  # int, or None when unpinned
    rectangle_changed = Signal(object)  # Rect: the user moved or resized what the network sees

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._size = (0, 0)
        self._overlay: Overlay | None = None
        self._seen: Rect | None = None
        self._grid: PatchGrid | None = None
        self._opacity = 0.5
        self._message = ""
        self._pointed: int | None = None
        self._pinned: int | None = None
        self._adjustable = False
        self._drag: Drag | None = None
        self._pressed_at: QPointF | None = None
        self._scaled: QPixmap | None = None
        self._painted = False
        self._smooth = QTimer(self, singleShot=True, interval=120)
        self._smooth.timeout.connect(self._rescale)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(200, 160)
        self.setAccessibleName(self.tr("Picture"))
        self.setAccessibleDescription(
            self.tr("Arrow keys walk over the patches, Return pins one, Escape lets it go, [ and ] change the layer.")
        )

    # --- what to show ---

    def set_message(self, message: str) -> None:
        """What an empty view says; shown only where there is no picture."""
        self._message = message
        self.update()

    def set_picture(self, image: QImage | None, width: int, height: int) -> None:
        """Show a picture whose upright full resolution is width × height; `image` may be smaller."""
        self._image, self._size = image, (width, height)
        self._scaled = None
        self.update()

    def set_moving_picture(self, image: QImage, width: int, height: int) -> None:
        """Show a frame of full resolution width × height, fitted to `screen_size` elsewhere: it is painted as it is."""
        self._image, self._size = image, (width, height)
        target = self.screen_size()
        if abs(image.width() - target.width()) <= 1 and abs(image.height() - target.height()) <= 1:
            self._scaled = QPixmap.fromImage(image)
            self._scaled.setDevicePixelRatio(self.devicePixelRatioF())
        else:  # the window was resized meanwhile
            self._scaled = None
        self.update()

    def screen_size(self, width: int = 0, height: int = 0) -> QSize:
        """Pixels of the screen that the picture, or one of another full resolution, covers."""
        size = (width, height) if width and height else self._size
        placed = place(max(size[0], 1), max(size[1], 1), self._seen, QRectF(self.rect()))
        whole, ratio = placed.to_screen(Rect(0, 0, *size)).toRect(), self.devicePixelRatioF()
        return QSize(max(round(whole.width() * ratio), 1), max(round(whole.height() * ratio), 1))

    def set_seen(self, seen: Rect | None, grid: PatchGrid | None) -> None:
        """What the network sees and how it cuts it; a patch outside the grid is let go."""
        if (seen, grid) == (self._seen, self._grid):
            return
        if grid != self._grid:
            self._pointed = self._pinned = None
        before = self.placement()
        self._seen, self._grid = seen, grid
        if self.placement() != before:
            self._scaled = None
            self.resized.emit()
        self.update()

    def shows(self, seen: Rect, grid: PatchGrid) -> bool:
        return (seen, grid) == (self._seen, self._grid)

    @property
    def is_dragged(self) -> bool:
        """Whether the user is moving the rectangle just now."""
        return self._drag is not None

    def set_overlay(self, overlay: Overlay | None) -> None:
        """What is drawn over the picture; while the rectangle is dragged, what comes back if that is given up."""
        if self._drag is not None:
            self._drag = replace(self._drag, overlay=overlay)
        else:
            self._overlay = overlay
        self.update()

    def set_opacity(self, opacity: float) -> None:
        """0 shows the picture alone, 1 the map as strong as it gets."""
        self._opacity = opacity
        self.update()

    def set_adjustable(self, adjustable: bool) -> None:
        """Whether the rectangle can be dragged."""
        self._adjustable = adjustable
        if not adjustable:
            self._drag = None
            self.unsetCursor()
        self.update()

    @property
    def overlay(self) -> Overlay | None:
        return self._overlay

    @property
    def opacity(self) -> float:
        return self._opacity

    @property
    def patch(self) -> int | None:
        """The patch that is highlighted: the pinned one, else the one under the pointer."""
        return self._pinned if self._pinned is not None else self._pointed

    def patch_screen_rectangle(self, patch: int) -> QRectF | None:
        """Where a patch is highlighted, in the widget's own coordinates."""
        if self._seen is None or self._grid is None:
            return None
        return self.placement().to_screen(patch_rectangle(self._seen, self._grid, patch))

    def placement(self) -> Placement:
        return place(max(self._size[0], 1), max(self._size[1], 1), self._seen, QRectF(self.rect()))

    def picture_with_map(self) -> QImage | None:
        """The picture at its display resolution with map and rectangle, as `paintEvent` draws them."""
        if self._image is None:
            return None
        width, height = self._size
        scale = self._image.width() / width
        seen = self._seen or Rect(0, 0, width, height)
        left, top = min(0.0, seen.left), min(0.0, seen.top)
        canvas = QSize(round((max(width, seen.right) - left) * scale), round((max(height, seen.bottom) - top) * scale))
        drawn = QImage(canvas, QImage.Format.Format_RGB32)
        drawn.fill(QColor("#808080"))
        painter = QPainter(drawn)
        self._paint_content(painter, Placement(scale, -left * scale, -top * scale), None)
        painter.end()
        return drawn

    # --- painting ---

    def sizeHint(self) -> QSize:
        return QSize(640, 520)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._image is None:
            self._paint_message(painter)
        else:
            moved_to_another_screen = (
                self._scaled is not None and self._scaled.devicePixelRatio() != self.devicePixelRatioF()
            )
            if (self._scaled is None or moved_to_another_screen) and not self._smooth.isActive():
                self._smooth.start()  # until then the painter scales, fast and less well
            self._paint_content(painter, self.placement(), self._scaled)
            self._paint_patch(painter)
            if self._adjustable:
                self._paint_handles(painter)
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()
        self.painted.emit()
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self.first_painted.emit)

    def _paint_message(self, painter: QPainter) -> None:
        pen = QPen(self.palette().color(QPalette.ColorRole.Mid), 2, Qt.PenStyle.DashLine)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(pen)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(8, 8, -8, -8), 12, 12)
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 1.15)
        painter.setFont(font)
        area = self.rect().adjusted(24, 24, -24, -24)
        painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self._message)

    def _paint_content(self, painter: QPainter, placement: Placement, scaled: QPixmap | None) -> None:
        """Picture, dimmed surroundings and map."""
        if self._image is None:
            return
        whole = placement.to_screen(Rect(0, 0, *self._size))
        if scaled is not None:
            painter.drawPixmap(whole.toRect().topLeft(), scaled)
        else:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(whole, self._image)
        if self._seen is None:
            return
        seen = placement.to_screen(self._seen)
        if not seen.contains(whole.adjusted(1, 1, -1, -1)):
            for part in _difference(whole, seen):
                painter.fillRect(part, QColor(0, 0, 0, 130))
        for part in _difference(seen, whole):
            painter.fillRect(part, QColor(128, 128, 128, 110))
        if self._overlay is not None and self._opacity > 0.0:
            painter.setOpacity(self._opacity)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.drawImage(placement.to_screen(self._overlay.seen), self._overlay.image)
            painter.setOpacity(1.0)

    def _paint_patch(self, painter: QPainter) -> None:
        patch = self.patch
        rect = None if patch is None else self.patch_screen_rectangle(patch)
        if rect is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for width, colour in ((4, QColor(0, 0, 0)), (2, QColor(255, 255, 255))):
            style = Qt.PenStyle.SolidLine if self._pinned is not None or width == 4 else Qt.PenStyle.DotLine
            painter.setPen(QPen(colour, width, style, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.MiterJoin))
            painter.drawRect(rect)

    def _paint_handles(self, painter: QPainter) -> None:
        if self._seen is None:
            return
        rect = self.placement().to_screen(self._seen)
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        painter.setPen(QPen(accent, 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(rect)
        painter.setBrush(accent)
        for corner in (rect.topLeft(), rect.topRight(), rect.bottomLeft(), rect.bottomRight()):
            painter.drawRect(QRectF(corner.x() - 5, corner.y() - 5, 10, 10))

    def _rescale(self) -> None:
        """Scale the picture once for this size of the widget, smoothly, so that a repaint only copies it."""
        if self._image is None:
            return
        scaled = self._image.scaled(
            self.screen_size(), Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        self._scaled = QPixmap.fromImage(scaled)
        self._scaled.setDevicePixelRatio(self.devicePixelRatioF())
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._scaled = None
        self._smooth.start()
        self.resized.emit()

    # --- pointer and keys ---

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is not None:
            self._drag_to(event)
            return
        if self._adjustable and self._seen is not None:
            self._show_grip(grip_at(event.position(), self.placement().to_screen(self._seen)))
        self._point_at(event.position())

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._set_pointed(None)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._point_at(event.position())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._pressed_at = event.position()
        if self._adjustable and self._seen is not None:
            grip = grip_at(event.position(), self.placement().to_screen(self._seen))
            if grip is not None:
                self._drag = Drag(grip, event.position(), self._seen, self._overlay)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._pressed_at is None:
            return
        moved = self._has_moved(event)
        drag, self._drag, self._pressed_at = self._drag, None, None
        if drag is not None and self._seen is not None and self._seen != drag.seen:
            self.rectangle_changed.emit(self._seen)
        elif not moved:
            self._pin(self._patch_under(event.position()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in STEPS and self._grid is not None:
            self._walk(*STEPS[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._pin(self.patch)
        elif key == Qt.Key.Key_Escape and self._drag is not None:
            self._end_drag()
        elif key == Qt.Key.Key_Escape and self._pinned is not None:
            self._pin(None)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def _patch_under(self, point: QPointF) -> int | None:
        if self._seen is None or self._grid is None or self._image is None:
            return None
        return patch_at(self._seen, self._grid, *self.placement().to_picture(point))

    def _point_at(self, point: QPointF) -> None:
        self._set_pointed(self._patch_under(point))

    def _set_pointed(self, patch: int | None) -> None:
        if patch != self._pointed:
            self._pointed = patch
            self.update()
            self.patch_pointed.emit(patch)

    def _pin(self, patch: int | None) -> None:
        self._pinned = None if patch == self._pinned else patch
        self.update()
        self.patch_pinned.emit(self._pinned)

    def _walk(self, rows: int, columns: int) -> None:
        """Move the pinned patch by one; from nothing, start in the middle."""
        if self._grid is None:
            return
        patch = self.patch
        if patch is None:
            row, column = self._grid.rows // 2, self._grid.columns // 2
        else:
            row = min(max(patch // self._grid.columns + rows, 0), self._grid.rows - 1)
            column = min(max(patch % self._grid.columns + columns, 0), self._grid.columns - 1)
        self._pinned = row * self._grid.columns + column
        self.update()
        self.patch_pinned.emit(self._pinned)

    def _drag_to(self, event: QMouseEvent) -> None:
        drag = self._drag
        if drag is None or (self._seen == drag.seen and not self._has_moved(event)):
            return  # a click that trembles is no drag
        offset = (event.position() - drag.start) / self.placement().scale
        free = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self._seen = drag_rect(drag.seen, drag.grip, offset.x(), offset.y(), *self._size, keep_aspect=not free)
        self._overlay = drag.overlay if self._seen == drag.seen else None
        self.update()

    def _has_moved(self, event: QMouseEvent) -> bool:
        """Whether the pointer is further from where it was pressed than a click's tremble."""
        return self._pressed_at is not None and (event.position() - self._pressed_at).manhattanLength() > 4.0

    def _end_drag(self) -> None:
        """Leave the rectangle where it was before the drag."""
        if self._drag is not None:
            self._seen, self._overlay = self._drag.seen, self._drag.overlay
            self._drag = self._pressed_at = None
            self.update()

    def _show_grip(self, grip: Grip | None) -> None:
        shapes = {
            Grip.TOP_LEFT: Qt.CursorShape.SizeFDiagCursor,
            Grip.BOTTOM_RIGHT: Qt.CursorShape.SizeFDiagCursor,
            Grip.TOP_RIGHT: Qt.CursorShape.SizeBDiagCursor,
            Grip.BOTTOM_LEFT: Qt.CursorShape.SizeBDiagCursor,
            Grip.MOVE: Qt.CursorShape.OpenHandCursor,
            None: Qt.CursorShape.ArrowCursor,
        }
        self.setCursor(shapes[grip])


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
