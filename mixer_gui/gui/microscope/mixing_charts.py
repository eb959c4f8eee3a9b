"""Charts of the mixing view: how far each layer carries information, and a whole mixing matrix as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from mixer_gui.gui.images import high_end, map_image
from mixer_gui.gui.microscope.charts import Axis, Chart, nice_ticks
from mixer_gui.gui.theme import colours
from mixer_gui.records import PatchGrid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

MARK = 7  # length of a mark beside the matrix, in pixels


class SpreadChart(Chart):
    """Spread over layers; a click or the arrow keys choose a layer."""

    layer_chosen = Signal(int)  # from 0

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", "", parent)
        self.setAccessibleName(self.tr("Spread of each layer"))
        self.setAccessibleDescription(self.tr("The arrow keys choose a layer."))
        self._spread: tuple[float, ...] = ()
        self._uniform = 0.0
        self._layer = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setSizePolicy(policy)

    def sizeHint(self) -> QSize:
        return QSize(320, 128)

    def minimumSizeHint(self) -> QSize:
        return QSize(160, 128)

    def show_spread(self, spread: tuple[float, ...], uniform: float, layer: int) -> None:
        """In patches, by layer; `uniform` is that of a layer that reads from all patches alike."""
        self._spread, self._uniform, self._layer = spread, uniform, layer
        high = max(*spread, uniform, 1e-6) * 1.15
        layers = tuple((index + 1.0, str(index + 1)) for index in range(len(spread)))
        self.set_axes(
            Axis(0.5, len(spread) + 0.5, layers, self.tr("layer")),
            Axis(0.0, high, nice_ticks(0.0, high, 3), self.tr("in patches; dashed: if all were read alike")),
        )

    @property
    def layer(self) -> int:
        """The layer that is marked, from 0."""
        return self._layer

    def mark(self, layer: int) -> None:
        self._layer = layer
        self.update()

    def place_of(self, layer: int) -> QPointF:
        """Where a layer's point is, in the widget."""
        return self.to_screen(layer + 1.0, self._spread[layer])

    def words(self, layer: int) -> str:
        return self.tr("Layer {0}: information travels {1:.2f} patches on average").format(
            layer + 1, self._spread[layer]
        )

    def paint_chart(self, painter: QPainter, area: QRectF) -> None:
        scheme = colours()
        width = area.width() / max(len(self._spread), 1)
        if 0 <= self._layer < len(self._spread):
            middle = self.to_screen(self._layer + 1.0, 0.0).x()
            painter.fillRect(QRectF(middle - width / 2, area.top(), width, area.height()), QColor(scheme.bar))
        level = self.to_screen(0.5, self._uniform).y()
        painter.setPen(QPen(QColor(scheme.muted), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(area.left(), level), QPointF(area.right(), level))
        points = [self.place_of(layer) for layer in range(len(self._spread))]
        painter.setPen(QPen(QColor(scheme.accent), 2))
        painter.drawPolyline(QPolygonF(points))
        painter.setBrush(QColor(scheme.accent))
        for layer, point in enumerate(points):
            radius = 5.0 if layer == self._layer else 3.0
            painter.drawEllipse(point, radius, radius)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self._spread:
            self.layer_chosen.emit(self._layer_at(event.position().x()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Down: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: 1,
        }.get(Qt.Key(event.key()))
        if step is None or not self._spread:
            super().keyPressEvent(event)
            return
        self.layer_chosen.emit(min(max(self._layer + step, 0), len(self._spread) - 1))

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and self._spread:
            QToolTip.showText(event.globalPos(), self.words(self._layer_at(event.pos().x())), self)
            return True
        return super().event(event)

    def _layer_at(self, pixel: float) -> int:
        return min(max(round(self.x_at(pixel)) - 1, 0), len(self._spread) - 1)


class MatrixView(QWidget):
    """A mixing matrix M as a picture: row p reads, column q is read. Points at cells, pins rows.

    The marked patch has marks beside its row and above its column. With the keyboard, the arrow keys move a cell and
    Return pins its row.
    """

    cell_pointed = Signal(object)  # (p, q), or None when the pointer left
    row_pinned = Signal(object)  # int

    def __init__(self, greatest: int = 360, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._greatest = greatest
        self._image: QImage | None = None
        self._matrix: Matrix | None = None
        self._marked: int | None = None
        self._cell: tuple[int, int] | None = None
        self.end = 1.0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(self.tr("Mixing matrix"))
        self.setAccessibleDescription(self.tr("The arrow keys move over its cells, Return pins the patch of a row."))

    def show_matrix(self, matrix: Matrix | None) -> None:
        if matrix is self._matrix:
            return
        self._matrix = matrix
        if matrix is None:
            self._image = self._cell = None
        else:
            self.end = high_end((matrix,))
            self._image = map_image(matrix.ravel(), PatchGrid(*matrix.shape), self.end, signed=True)
            if self._cell is not None and max(self._cell) >= len(matrix):
                self._cell = None
        self.update()

    def mark(self, patch: int | None) -> None:
        self._marked = patch
        self.update()

    @property
    def matrix(self) -> Matrix | None:
        return self._matrix

    def value(self, cell: tuple[int, int]) -> float:
        return float(self._matrix[cell]) if self._matrix is not None else 0.0

    def cell_at(self, point: QPointF) -> tuple[int, int] | None:
        """(p, q) under a point of the widget."""
        area = self._area()
        if self._matrix is None or not area.contains(point):
            return None
        count = len(self._matrix)
        p = min(int((point.y() - area.top()) / area.height() * count), count - 1)
        q = min(int((point.x() - area.left()) / area.width() * count), count - 1)
        return p, q

    def middle_of(self, p: int, q: int) -> QPointF:
        """Where a cell is, in the widget."""
        area = self._area()
        count = len(self._matrix) if self._matrix is not None else 1
        return QPointF(area.left() + (q + 0.5) / count * area.width(), area.top() + (p + 0.5) / count * area.height())

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return min(width, self._greatest + self._margin())

    def sizeHint(self) -> QSize:
        return QSize(220, self.heightForWidth(220))

    def minimumSizeHint(self) -> QSize:
        return QSize(140, self.heightForWidth(140))

    # --- pointer and keys ---

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point_at(self.cell_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        self._point_at(None)
        super().leaveEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        cell = self.cell_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and cell is not None:
            self.row_pinned.emit(cell[0])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        step = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }.get(key)
        if self._matrix is None:
            super().keyPressEvent(event)
        elif step is not None:
            last = len(self._matrix) - 1
            p, q = self._cell if self._cell is not None else (self._marked or 0, self._marked or 0)
            self._point_at((min(max(p + step[0], 0), last), min(max(q + step[1], 0), last)))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._cell is not None:
            self.row_pinned.emit(self._cell[0])
        else:
            super().keyPressEvent(event)

    def _point_at(self, cell: tuple[int, int] | None) -> None:
        if cell != self._cell:
            self._cell = cell
            self.cell_pointed.emit(cell)
            self.update()

    # --- painting ---

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        scheme, area, margin = colours(), self._area(), self._margin()
        painter.setPen(QColor(scheme.muted))
        middle = int(Qt.AlignmentFlag.AlignCenter)
        painter.drawText(QRectF(area.left(), 0, area.width(), margin - MARK), middle, self.tr("q: is read"))
        painter.save()
        painter.translate(area.left() - margin, area.bottom())
        painter.rotate(-90)
        painter.drawText(QRectF(0, 0, area.height(), margin - MARK), middle, self.tr("p: reads"))
        painter.restore()
        if self._image is None:
            painter.setPen(QPen(QColor(scheme.edge), 1, Qt.PenStyle.DashLine))
            painter.drawRect(area.adjusted(0.5, 0.5, -0.5, -0.5))
        else:
            is_reduced = self._image.width() > area.width() * self.devicePixelRatioF()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, is_reduced)
            painter.drawImage(area, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._marked is not None and self._matrix is not None and self._marked < len(self._matrix):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(scheme.accent))
            place = self.middle_of(self._marked, self._marked)
            x, y, left, top = place.x(), place.y(), area.left() - 1, area.top() - 1
            painter.drawPolygon([QPointF(left, y), QPointF(left - MARK, y - 4), QPointF(left - MARK, y + 4)])
            painter.drawPolygon([QPointF(x, top), QPointF(x - 4, top - MARK), QPointF(x + 4, top - MARK)])
        if self._cell is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            for width, colour in ((3, QColor(0, 0, 0)), (1, QColor(255, 255, 255))):
                painter.setPen(QPen(colour, width))
                painter.drawEllipse(self.middle_of(*self._cell), 5.0, 5.0)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(scheme.accent), 2))
            painter.drawRect(area.adjusted(-1, -1, 1, 1))
        painter.end()

    def _margin(self) -> int:
        """On the left and above: a line of text and the marks."""
        return self.fontMetrics().height() + MARK + 2

    def _area(self) -> QRectF:
        margin = self._margin()
        room = QRectF(self.rect()).adjusted(margin, margin, -3, -3)
        edge = max(round(min(room.width(), room.height())), 1)
        return QRectF(room.left(), room.top(), edge, edge)
