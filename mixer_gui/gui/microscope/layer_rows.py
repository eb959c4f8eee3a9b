"""All layers of the two sides of a comparison as rows of small maps."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mixer_gui.gui.theme import colours

LEAST_CELL = 30  # pixels of a small map, below which a row goes on in a second line
LARGEST_CELL = 72
GAP = 4


class LayerRows(QWidget):
    """All layers of A and of B as small maps, one above the other; a click or the arrow keys choose a layer of A."""

    layer_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sides: tuple[tuple[QImage, ...], tuple[QImage, ...]] = ((), ())
        self._marked = (0, 0)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("All layers of A and of B"))
        self.setAccessibleDescription(self.tr("The left and right arrow keys choose a layer."))

    def show_layers(self, a: Sequence[QImage], b: Sequence[QImage], marked: tuple[int, int]) -> None:
        """`marked`: the layer of each that stands above, from 0."""
        self._sides, self._marked = (tuple(a), tuple(b)), marked
        self._fit()
        self.update()

    def cells(self) -> list[tuple[int, int, QRectF]]:
        """(side, layer, place) of every map. Lines of both sides take turns, so that pairs stand together."""
        per_line, cell = self._measures()
        placed = []
        lines = [-(-len(each) // per_line) for each in self._sides]
        top = 2.0  # the mark of the first ones
        for number in range(max(lines)):
            for side in range(2):
                layers = range(number * per_line, min((number + 1) * per_line, len(self._sides[side])))
                if not layers:
                    continue
                for layer in layers:
                    left = self._margin() + (layer - layers.start) * (cell + GAP)
                    placed.append((side, layer, QRectF(left, top, cell, self._height(side, cell))))
                top += self._height(side, cell) + self.fontMetrics().height() + 2
            top += GAP
        return placed

    def layer_at(self, place: QPointF) -> int | None:
        """A's layer, also where B's beside it is pointed at."""
        for side, layer, cell in self.cells():
            if cell.contains(place):
                a, b = len(self._sides[0]), len(self._sides[1])
                return layer if side == 0 or a == b else round(layer * (a - 1) / max(b - 1, 1))
        return None

    def _margin(self) -> int:
        return self.fontMetrics().horizontalAdvance("W") + GAP

    def _height(self, side: int, width: int) -> int:
        """Of a side's maps that are so wide: their patches are square."""
        image = self._sides[side][0]
        return round(width * image.height() / image.width())

    def _measures(self) -> tuple[int, int]:
        """Maps in a line, and the width of one."""
        most = max(len(self._sides[0]), len(self._sides[1]), 1)
        room = max(self.width() - self._margin() - 2, LEAST_CELL)
        lines = 1
        while lines < most and room / -(-most // lines) - GAP < LEAST_CELL:
            lines += 1
        per_line = -(-most // lines)
        return per_line, int(min(room / per_line - GAP, LARGEST_CELL))

    def _fit(self) -> None:
        bottom = max((cell.bottom() for _, _, cell in self.cells()), default=0.0)
        self.setFixedHeight(int(bottom + self.fontMetrics().height() + 4))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        scheme, metrics = colours(), self.fontMetrics()
        for side, layer, cell in self.cells():
            painter.drawImage(cell, self._sides[side][layer])
            is_marked = layer == self._marked[side]
            painter.setPen(QPen(QColor(scheme.accent), 2) if is_marked else QPen(QColor(scheme.edge), 1))
            painter.drawRect(cell.adjusted(-1, -1, 1, 1) if is_marked else cell)
            painter.setPen(QColor(scheme.text if is_marked else scheme.muted))
            number = QRectF(cell.left() - GAP, cell.bottom() + 1, cell.width() + 2 * GAP, metrics.height())
            painter.drawText(number, int(Qt.AlignmentFlag.AlignHCenter), str(layer + 1))
            if cell.left() == self._margin():
                painter.setPen(QColor(scheme.text))
                label = QRectF(0, cell.top(), self._margin(), cell.height())
                painter.drawText(label, int(Qt.AlignmentFlag.AlignVCenter), "AB"[side])
        if self.hasFocus():
            painter.setPen(QPen(QColor(scheme.accent), 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        layer = self.layer_at(event.position())
        if layer is not None and event.button() == Qt.MouseButton.LeftButton:
            self.layer_chosen.emit(layer)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {int(Qt.Key.Key_Left): -1, int(Qt.Key.Key_Right): 1}.get(event.key())
        if by is None or not self._sides[0]:
            super().keyPressEvent(event)
            return
        self.layer_chosen.emit(min(max(self._marked[0] + by, 0), len(self._sides[0]) - 1))
