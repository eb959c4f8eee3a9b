"""A small map on its patch grid that can be pointed at: the pointer reads values, a click or the arrow keys pin."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from mixer_gui.gui.images import map_image
from mixer_gui.gui.maps import ShownMap
from mixer_gui.gui.theme import colours
from mixer_gui.records import PatchGrid

STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
EDGE = 3  # around the map, for the mark of keyboard focus


class PatchMap(QWidget):
    """A map with a caption and its scale below; as high as its width asks for, up to `greatest` pixels of map."""

    patch_pinned = Signal(object)  # int
    patch_pointed = Signal(object)  # int, or None when the pointer left the map

    def __init__(self, caption: str, greatest: int = 150, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._caption, self._scale, self._empty = caption, "", ""
        self._greatest = greatest
        self._image: QImage | None = None
        self._grid: PatchGrid | None = None
        self._marked: int | None = None
        self.shown: ShownMap | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMinimumWidth(72)
        self.setAccessibleName(caption)

    def show_map(self, shown: ShownMap | None, grid: PatchGrid, marked: int | None, scale: str = "") -> None:
        """None leaves an empty frame, where the map will be. `scale`: what its ends are, in a few characters."""
        self.shown, self._marked, self._scale = shown, marked, scale
        self._image = None if shown is None else map_image(shown.values, grid, shown.end, signed=shown.signed)
        if grid != self._grid:
            self._grid = grid
            self.updateGeometry()
        self.setAccessibleDescription(scale)
        self.update()

    def set_empty_message(self, text: str) -> None:
        """What stands in the frame while there is no map."""
        self._empty = text
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        rows, columns = (self._grid.rows, self._grid.columns) if self._grid is not None else (1, 1)
        cell = min((width - 2 * EDGE) / columns, self._greatest / max(rows, columns))
        return round(cell * rows) + 2 * EDGE + self._caption_height()

    def sizeHint(self) -> QSize:
        return QSize(112, self.heightForWidth(112))

    def minimumSizeHint(self) -> QSize:
        return QSize(72, self.heightForWidth(72))

    def patch_at(self, point: QPointF) -> int | None:
        """The patch under a point of the widget."""
        area = self._area()
        if self._grid is None or self._image is None or not area.contains(point):
            return None
        row = min(int((point.y() - area.top()) / area.height() * self._grid.rows), self._grid.rows - 1)
        column = min(int((point.x() - area.left()) / area.width() * self._grid.columns), self._grid.columns - 1)
        return row * self._grid.columns + column

    def middle_of(self, patch: int) -> QPointF:
        """Where a patch is, in the widget."""
        return self._cell(patch).center()

    # --- pointer and keys ---

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.patch_pointed.emit(self.patch_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        self.patch_pointed.emit(None)
        super().leaveEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        patch = self.patch_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and patch is not None:
            self.patch_pinned.emit(patch)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = STEPS.get(Qt.Key(event.key()))
        if step is None or self._grid is None or self._marked is None:
            super().keyPressEvent(event)
            return
        row, column = divmod(self._marked, self._grid.columns)
        row = min(max(row + step[0], 0), self._grid.rows - 1)
        column = min(max(column + step[1], 0), self._grid.columns - 1)
        self.patch_pinned.emit(row * self._grid.columns + column)

    # --- painting ---

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        scheme, area = colours(), self._area()
        if self._image is None:
            painter.setPen(QPen(QColor(scheme.edge), 1, Qt.PenStyle.DashLine))
            painter.drawRect(area.adjusted(0.5, 0.5, -0.5, -0.5))
            painter.setPen(QColor(scheme.muted))
            flags = int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap)
            painter.drawText(area.adjusted(4, 4, -4, -4), flags, self._empty)
        else:
            painter.drawImage(area, self._image)
            if self._marked is not None:
                for pen_width, colour in ((3, QColor(0, 0, 0)), (1, QColor(255, 255, 255))):
                    painter.setPen(QPen(colour, pen_width, j=Qt.PenJoinStyle.MiterJoin))
                    painter.drawRect(self._cell(self._marked))
        if self.hasFocus():
            painter.setPen(QPen(QColor(scheme.accent), 2))
            painter.drawRect(area.adjusted(-2, -2, 2, 2))
        line = painter.fontMetrics().height()
        flags = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        painter.setPen(QColor(scheme.text))
        painter.drawText(QRectF(0, area.bottom() + EDGE, self.width(), line), flags, self._caption)
        painter.setPen(QColor(scheme.muted))
        painter.drawText(QRectF(0, area.bottom() + EDGE + line, self.width(), line), flags, self._scale)
        painter.end()

    def _caption_height(self) -> int:
        return 2 * self.fontMetrics().height() + 2

    def _area(self) -> QRectF:
        rows, columns = (self._grid.rows, self._grid.columns) if self._grid is not None else (1, 1)
        room = QRectF(self.rect()).adjusted(EDGE, EDGE, -EDGE, -EDGE - self._caption_height())
        cell = min(room.width() / columns, room.height() / rows)
        width, height = round(cell * columns), round(cell * rows)
        return QRectF(round(room.center().x() - width / 2), round(room.top()), width, height)

    def _cell(self, patch: int) -> QRectF:
        area = self._area()
        rows, columns = (self._grid.rows, self._grid.columns) if self._grid is not None else (1, 1)
        row, column = divmod(patch, columns)
        width, height = area.width() / columns, area.height() / rows
        return QRectF(area.left() + column * width, area.top() + row * height, width, height)
