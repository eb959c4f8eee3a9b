"""The learned units of a layer as one picture that can be pointed at, and what one unit does over channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from mixer_gui.gui.images import map_image
from mixer_gui.gui.microscope.charts import Axis, Chart, nice_ticks
from mixer_gui.gui.theme import colours
from mixer_gui.records import PatchGrid, UnitsReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_CELL = 20  # pixels: smaller ones would only be specks
LARGEST_CELL = 40
GAP = 7  # between units
SEAM = 1  # between the two of a pair
BINS = 32
STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class UnitGrid(QWidget):
    """All units of a layer in the order of the report, two by two; a frame joins opposite phases.

    Every unit is on a colour scale of its own. As high as its width asks for; it lives in a scroll area.
    """

    unit_pointed = Signal(object)  # int, or None when the pointer left
    unit_pinned = Signal(object)  # int: a click or a key chose it
    unit_released = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report: UnitsReport | None = None
        self._atlas: QImage | None = None  # one pixel a weight, one row of units
        self._enlarged = QImage()  # the same with units as large as they are painted: copying is fast, scaling is not
        self._grid = PatchGrid(1, 1)
        self._places: dict[int, int] = {}  # unit -> where it is in the order
        self._marked: int | None = None
        self._pinned = False
        self._room = 0  # pixels of height that it may fill
        self._fitted: tuple[tuple[object, ...], tuple[int, int]] = (), (LEAST_CELL, 1)  # for what; what fits
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(self.tr("Units"))

    def show_units(self, report: UnitsReport | None, grid: PatchGrid) -> None:
        self._report, self._grid = report, grid
        self._atlas = None if report is None else atlas(report, grid)
        self._enlarged = QImage()
        self._places = {} if report is None else {int(unit): place for place, unit in enumerate(report.order)}
        self._marked = None
        self.updateGeometry()
        self.update()

    def mark(self, unit: int | None, *, pinned: bool, words: str) -> None:
        """Which unit is looked at. `words` are for who cannot see the picture."""
        self._marked, self._pinned = unit, pinned
        self.setAccessibleDescription(words)
        self.update()

    def set_room(self, height: int) -> None:
        """How high it may be without being scrolled: cells grow as far as that allows."""
        if height != self._room:
            self._room = height
            self.updateGeometry()
            self.update()

    @property
    def count(self) -> int:
        return 0 if self._report is None else len(self._report.order)

    def unit_at(self, point: QPointF) -> int | None:
        if self._report is None:
            return None
        columns, cell = 2 * self._twos(), self._cell()
        row = int(point.y() // (self._tall(cell) + GAP))
        column = int((point.x() - self._left()) // (cell + GAP))
        place = row * columns + column
        if not (0 <= column < columns and 0 <= place < self.count):
            return None
        unit = int(self._report.order[place])
        return unit if self.rect_of(unit).contains(point) else None

    def rect_of(self, unit: int) -> QRectF:
        """Where a unit is painted, in the widget; the two of a pair are moved together."""
        cell, place = self._cell(), self._places[unit]
        row, column = divmod(place, 2 * self._twos())
        left = self._left() + column * (cell + GAP) + GAP // 2
        if self._report is not None and int(self._report.partner[unit]) != unit:
            left += (GAP - SEAM) // 2 * (1 if place % 2 == 0 else -1)
        tall = self._tall(cell)
        return QRectF(left, GAP // 2 + row * (tall + GAP), cell, tall)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        cell, twos = self._fit(width)
        return self._height(cell, twos)

    def sizeHint(self) -> QSize:
        return QSize(320, self.heightForWidth(320))

    def minimumSizeHint(self) -> QSize:
        return QSize(2 * (LEAST_CELL + GAP), self.heightForWidth(self.width()))  # all of it, in a scroll area

    # --- pointer and keys ---

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        unit = self.unit_at(event.position())
        if unit is not None:  # between units the last one stays
            self.unit_pointed.emit(unit)

    def leaveEvent(self, event: QEvent) -> None:
        self.unit_pointed.emit(None)
        super().leaveEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        unit = self.unit_at(event.position())
        if event.button() != Qt.MouseButton.LeftButton or unit is None:
            return
        if self._pinned and unit == self._marked:
            self.unit_released.emit()
        else:
            self.unit_pinned.emit(unit)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, columns = Qt.Key(event.key()), 2 * self._twos()
        steps = STEPS | {Qt.Key.Key_Up: -columns, Qt.Key.Key_Down: columns}
        if key in steps and self._report is not None and self._marked is not None:
            place = self._places[self._marked] + steps[key]
            if 0 <= place < self.count:
                self.unit_pinned.emit(int(self._report.order[place]))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._marked is not None:
            self.unit_pinned.emit(self._marked)
        elif key == Qt.Key.Key_Escape and self._pinned:
            self.unit_released.emit()
        else:
            super().keyPressEvent(event)

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        report = self._report
        if report is None:
            return
        painter = QPainter(self)
        scheme = colours()
        ratio = painter.device().devicePixelRatioF()
        wide, tall = round(self._cell() * ratio), round(self._tall(self._cell()) * ratio)
        picture = self._at_size(wide, tall)
        dirty = QRectF(event.rect()).adjusted(-GAP, -GAP, GAP, GAP)
        for place, unit in enumerate(report.order.tolist()):
            area = self.rect_of(unit)
            if not area.intersects(dirty):
                continue
            # A copy of the part: Qt's SVG generator takes the whole, whatever part is named.
            painter.drawImage(area, picture.copy(place * wide, 0, wide, tall))
            partner = int(report.partner[unit])
            if partner != unit and place % 2 == 0:
                painter.setPen(QPen(QColor(scheme.muted), 1))
                painter.drawRect(area.united(self.rect_of(partner)).adjusted(-1.5, -1.5, 1.5, 1.5))
        if self._marked in self._places:
            painter.setPen(QPen(QColor(scheme.accent), 3, j=Qt.PenJoinStyle.MiterJoin))
            painter.drawRect(self.rect_of(self._marked).adjusted(-1, -1, 1, 1))
            if self._pinned:
                area = self.rect_of(self._marked)
                self._paint_pin(painter, QPointF(area.center().x(), area.top()))
        if self.hasFocus():
            painter.setPen(QPen(QColor(scheme.accent), 2))
            painter.drawRect(QRectF(self.rect()).adjusted(1, 1, -1, -1))
        painter.end()

    def _paint_pin(self, painter: QPainter, at: QPointF) -> None:
        """A dot with a rim: this unit stays."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colours().card), 1.5))
        painter.setBrush(QColor(colours().accent))
        painter.drawEllipse(at, 4.5, 4.5)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)

    def _at_size(self, wide: int, tall: int) -> QImage:
        """All units side by side, each so many pixels wide and high."""
        size = QSize(wide * self.count, tall)
        if self._atlas is not None and self._enlarged.size() != size:
            self._enlarged = self._atlas.scaled(size)
        return self._enlarged

    # --- geometry ---

    def _cell(self) -> int:
        return self._fit(self.width())[0]

    def _twos(self) -> int:
        return self._fit(self.width())[1]

    def _left(self) -> int:
        cell, twos = self._fit(self.width())
        return (self.width() - 2 * twos * (cell + GAP)) // 2

    def _tall(self, cell: int) -> int:
        """Height of a unit that is so wide: its patches are square."""
        return max(round(cell * self._grid.rows / self._grid.columns), 1)

    def _fit(self, width: int) -> tuple[int, int]:
        """Width of a cell and twos in a row: the largest cells with which all units can be seen at once."""
        key = width, self._room, self.count, self._grid
        if key != self._fitted[0]:  # asked for each unit that is painted
            sizes = range(LARGEST_CELL, LEAST_CELL - 1, -1)
            fits = ((cell, max(width // (2 * (cell + GAP)), 1)) for cell in sizes)
            fitting = (each for each in fits if self._height(*each) <= self._room)
            self._fitted = key, next(fitting, (LEAST_CELL, max(width // (2 * (LEAST_CELL + GAP)), 1)))
        return self._fitted[1]

    def _height(self, cell: int, twos: int) -> int:
        return -(-max(self.count, 1) // (2 * twos)) * (self._tall(cell) + GAP)


class ChannelHistogram(Chart):
    """How a unit's hidden value is spread over channels, before GELU, and where the chosen channel is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", "", parent)
        self.setAccessibleName(self.tr("The unit over all channels"))
        self.setMinimumSize(120, 90)
        self._counts: tuple[int, ...] = ()
        self._edges: tuple[float, ...] = ()
        self._chosen = 0.0

    def show_hidden(self, hidden: NDArray[np.float32], channel: int) -> None:
        """`hidden` (C,): h of the unit, before GELU."""
        import numpy as np

        low, high = min(float(hidden.min()), 0.0), max(float(hidden.max()), 0.0)
        margin = max((high - low) * 0.04, 1e-6)
        counts, edges = np.histogram(hidden, BINS, (low - margin, high + margin))
        self._counts, self._edges = tuple(counts.tolist()), tuple(edges.tolist())
        self._chosen = float(hidden[channel])
        self.setAccessibleDescription(
            self.tr("{0} channels from {1:.2g} to {2:.2g}; channel {3} at {4:.2g}").format(
                len(hidden), float(hidden.min()), float(hidden.max()), channel, self._chosen
            )
        )
        self.set_axes(
            Axis(self._edges[0], self._edges[-1], nice_ticks(low, high, 5), self.tr("h, before GELU")),
            Axis(0.0, max(self._counts) * 1.1, nice_ticks(0.0, max(self._counts), 2), self.tr("channels")),
        )

    def paint_chart(self, painter: QPainter, area: QRectF) -> None:
        scheme = colours()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        bar = QColor(scheme.muted)
        for number, low, high in zip(self._counts, self._edges, self._edges[1:], strict=False):
            top = self.to_screen(low, number)
            painter.fillRect(QRectF(top, QPointF(self.to_screen(high, 0.0).x() - 1, area.bottom())), bar)
        zero = round(self.to_screen(0.0, 0.0).x())
        painter.setPen(QPen(QColor(scheme.text), 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(zero, area.top()), QPointF(zero, area.bottom()))
        at = round(self.to_screen(self._chosen, 0.0).x())
        painter.setPen(QPen(QColor(scheme.accent), 3))
        painter.drawLine(QPointF(at, area.top()), QPointF(at, area.bottom()))


def atlas(report: UnitsReport, grid: PatchGrid) -> QImage:
    """All units side by side in the order of the report, one pixel a weight, each on its own scale."""
    import numpy as np

    rows = report.weights[report.order]
    scaled = rows / np.maximum(np.abs(rows).max(1, keepdims=True), 1e-12)
    laid = scaled.reshape(-1, grid.rows, grid.columns).transpose(1, 0, 2)
    return map_image(laid.ravel(), PatchGrid(grid.rows, grid.columns * len(rows)), 1.0, signed=True)
