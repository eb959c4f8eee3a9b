"""The picture, as large as it fits, with a map on the rectangle the network saw and the patch under the pointer.

Shows what it is told to show and says where the pointer is; knows no model, request or report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
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

from mixer_gui.gui.brush import Brush
from mixer_gui.gui.picture_painting import (
    Content,
    Edited,
    Overlay,
    drawn,
    paint_content,
    paint_handles,
    paint_marked,
    paint_message,
    paint_patch,
)
from mixer_gui.gui.placement import GRIP_CURSORS, Grip, Placement, drag_rect, grip_at, place, stepped
from mixer_gui.pictures.geometry import patch_at, patch_rectangle
from mixer_gui.records import PatchGrid, Rect

STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


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
    patches_painted = Signal(object)  # frozenset[int]: the brush met others; all of the stroke that goes on
    stroke_ended = Signal()

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
        self._edited: Edited | None = None
        self._marked: frozenset[int] = frozenset()
        self._brush = Brush(self._patch_under)
        self._brush_is_on = False
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
            self._marked = frozenset()
            self._end_stroke()
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
            if not self._brush_is_on:
                self.unsetCursor()
        self.update()

    def set_edited(self, edited: Edited | None) -> None:
        """What was changed in the picture."""
        self._edited = edited
        self.update()

    def set_brush(self, on: bool) -> None:
        """Whether pressing and dragging paints over patches, in place of pinning one or moving the rectangle."""
        if on == self._brush_is_on:
            return
        self._brush_is_on = on
        self._end_drag()
        self._end_stroke()
        if on:
            self.setCursor(Qt.CursorShape.CrossCursor)
        else:
            self.unsetCursor()

    def mark_patches(self, patches: frozenset[int]) -> None:
        """Patches that are shown as chosen."""
        self._marked = patches
        self.update()

    @property
    def brush_is_on(self) -> bool:
        return self._brush_is_on

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
        content = self._content()
        return None if content is None else drawn(content)

    # --- painting ---

    def sizeHint(self) -> QSize:
        return QSize(640, 520)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        content = self._content()
        if content is None:
            paint_message(painter, self.rect(), self.palette(), self._message)
        else:
            moved_to_another_screen = (
                self._scaled is not None and self._scaled.devicePixelRatio() != self.devicePixelRatioF()
            )
            if (self._scaled is None or moved_to_another_screen) and not self._smooth.isActive():
                self._smooth.start()  # until then the painter scales, fast and less well
            paint_content(painter, content, self.placement(), self._scaled)
            self._paint_patches(painter)
            if self._adjustable and self._seen is not None:
                accent = self.palette().color(QPalette.ColorRole.Highlight)
                paint_handles(painter, self.placement().to_screen(self._seen), accent)
        if self.hasFocus():
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        painter.end()
        self.painted.emit()
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self.first_painted.emit)

    def _content(self) -> Content | None:
        if self._image is None:
            return None
        return Content(self._image, self._size, self._seen, self._edited, self._overlay, self._opacity)

    def _paint_patches(self, painter: QPainter) -> None:
        marked = (self.patch_screen_rectangle(patch) for patch in sorted(self._marked | self._brush.patches))
        paint_marked(painter, (rect for rect in marked if rect is not None))
        rect = None if self.patch is None else self.patch_screen_rectangle(self.patch)
        if rect is not None:
            paint_patch(painter, rect, pinned=self._pinned is not None)

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
        if self._brush.is_down:
            if self._brush.move(event.position(), self._half_patch()):
                self._tell_stroke()
        elif self._adjustable and self._seen is not None and not self._brush_is_on:
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
        if self._brush_is_on:
            if self._brush.press(event.position()):
                self._tell_stroke()
            return
        self._pressed_at = event.position()
        if self._adjustable and self._seen is not None:
            grip = grip_at(event.position(), self.placement().to_screen(self._seen))
            if grip is not None:
                self._drag = Drag(grip, event.position(), self._seen, self._overlay)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._end_stroke()
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
        elif self._brush_is_on and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            if self.patch is not None and not event.isAutoRepeat():
                self.patches_painted.emit(frozenset({self.patch}))
                self.stroke_ended.emit()
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

    def _tell_stroke(self) -> None:
        self.update()
        self.patches_painted.emit(self._brush.patches)

    def _end_stroke(self) -> None:
        if self._brush.lift():
            self.update()
            self.stroke_ended.emit()

    def _half_patch(self) -> float:
        """Half the shorter edge of a patch, in pixels of the screen."""
        first = self.patch_screen_rectangle(0)
        return 1.0 if first is None else min(first.width(), first.height()) / 2.0

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

    def pin(self, patch: int | None) -> None:
        """Pin a patch, or let the pinned one go; not a toggle."""
        if patch != self._pinned:
            self._pinned = patch
            self.update()
            self.patch_pinned.emit(patch)

    def _pin(self, patch: int | None) -> None:
        self._pinned = None if patch == self._pinned else patch
        self.update()
        self.patch_pinned.emit(self._pinned)

    def _walk(self, rows: int, columns: int) -> None:
        """Move the pinned patch by one; from nothing, start in the middle."""
        if self._grid is None:
            return
        self._pinned = stepped(self.patch, self._grid, rows, columns)
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
        self.setCursor(GRIP_CURSORS[grip])
