"""One small heatmap for each layer, beside it what the layer lens says. Model, delegate, view."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.prediction_list import percentage, short_label
from mixer_gui.gui.theme import colours, paint_placeholder
from mixer_gui.records import Prediction

Index = QModelIndex | QPersistentModelIndex
LAYER_ROLE = Qt.ItemDataRole.UserRole
GREATEST_HEIGHT = 104  # of a cell; its map is a little lower
WITH_LENS = (37, 72)  # least height of a cell, and the width of the text beside its map
WITH_NUMBER = (24, 22)  # likewise where the lens's text has no room


@dataclass(frozen=True, slots=True)
class LayerMap:
    """One layer's map as an image of one pixel a patch, and its lens's ranking."""

    number: int  # from 1, as shown
    image: QImage
    lens: tuple[Prediction, ...]


class LayerModel(QAbstractListModel):
    """The layers of one report."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._layers: tuple[LayerMap, ...] = ()

    def set_layers(self, layers: tuple[LayerMap, ...]) -> None:
        """Replace all; where their number stays the same, selection and scroll position stay too."""
        if len(layers) == len(self._layers):
            self._layers = layers
            if layers:
                self.dataChanged.emit(self.index(0), self.index(len(layers) - 1))
            return
        self.beginResetModel()
        self._layers = layers
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._layers)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self._layers):
            return None
        layer = self._layers[index.row()]
        if role == LAYER_ROLE:
            return layer
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            first = layer.lens[0]
            return self.tr("Layer {0}: lens says {1}, {2}").format(
                layer.number, short_label(first.label), percentage(first.probability)
            )
        if role == Qt.ItemDataRole.ToolTipRole:
            lines = [self.tr("Layer {0}. If the network stopped here, its head would say:").format(layer.number)]
            lines += [f"{percentage(each.probability):>8}  {short_label(each.label)}" for each in layer.lens]
            lines.append(self.tr("(a lens, not the truth: the head was trained for the last layer only)"))
            return plain_tip("\n".join(lines))
        return None


def largest_cells(layers: int, width: int, height: int, least: int, text: int) -> QSize | None:
    """The largest cells with which all layers fit into width × height; None where they would be lower than `least`.

    A cell is as wide as its map, which is about as wide as the cell is high, and `text` pixels beside it.
    """
    best: QSize | None = None
    for columns in range(1, layers + 1):
        cell = min(height // -(-layers // columns), width // columns - text, GREATEST_HEIGHT)
        if cell >= least and (best is None or cell > best.height()):
            best = QSize(width // columns, cell)
    return best


class LayerDelegate(QStyledItemDelegate):
    """Paints a cell: map on the left, number and lens on the right."""

    def __init__(self, view: HeatmapGrid) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return self._view.gridSize()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        layer = index.data(LAYER_ROLE)
        if not isinstance(layer, LayerMap):
            return
        scheme = colours()
        cell = QRectF(option.rect).adjusted(2, 2, -2, -2)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.setPen(QPen(QColor(scheme.accent if selected else scheme.edge), 2 if selected else 1))
        painter.setBrush(QColor(scheme.field))
        painter.drawRoundedRect(cell.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        height = cell.height() - (8 if cell.height() > WITH_LENS[0] else 4)
        width = height * layer.image.width() / layer.image.height()
        image = QRectF(cell.left() + 4, cell.center().y() - height / 2, width, height)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(image, layer.image)
        text = QRectF(image.right() + 6, cell.top() + 2, cell.right() - image.right() - 10, cell.height() - 4)
        small = painter.font()
        small.setPointSizeF(small.pointSizeF() * 0.88)
        bold = painter.font()
        bold.setPointSizeF(bold.pointSizeF() * 0.88)
        bold.setBold(True)
        if text.width() < WITH_LENS[1] / 2:
            painter.setFont(bold)
            painter.setPen(QColor(scheme.text))
            painter.drawText(text.adjusted(-3, 0, 6, 0), int(Qt.AlignmentFlag.AlignVCenter), str(layer.number))
            painter.restore()
            return
        first = layer.lens[0]
        half = min(text.height() / 2.0, 22.0)
        upper = QRectF(text.left(), text.top(), text.width(), half)
        lower = QRectF(text.left(), text.top() + half, text.width(), half)
        painter.setPen(QColor(scheme.text))
        painter.setFont(bold)
        painter.drawText(upper, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), str(layer.number))
        painter.setFont(small)
        painter.setPen(QColor(scheme.muted))
        painter.drawText(
            upper,
            int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter),
            f"{first.probability * 100.0:.0f} %",
        )
        name = painter.fontMetrics().elidedText(
            short_label(first.label), Qt.TextElideMode.ElideRight, int(lower.width())
        )
        painter.drawText(lower, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), name)
        painter.restore()


class HeatmapGrid(QListView):
    """Choosing a cell shows its layer's map over the picture."""

    layer_chosen = Signal(int)  # from 0

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.layers = LayerModel(self)
        self.setModel(self.layers)
        self.setItemDelegate(LayerDelegate(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setSpacing(0)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Layers"))
        self.setAccessibleDescription(self.tr("One map a layer; the arrow keys choose the one shown over the picture."))
        self.layers.modelReset.connect(self.fit_cells)
        self.selectionModel().currentChanged.connect(self._announce)
        self.clicked.connect(self._announce)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.layers.rowCount() == 0:
            paint_placeholder(
                QPainter(self.viewport()),
                self.viewport().rect(),
                self.tr("One map for each layer of the network appears here."),
            )

    def fit_cells(self) -> None:
        """The largest cells with which all layers are seen together; where none are large enough, it scrolls."""
        frame = 2 * self.frameWidth()
        width = self.width() - frame - self.verticalScrollBar().sizeHint().width() - 8  # what Qt keeps free
        height = self.height() - frame - 4
        layers = max(self.layers.rowCount(), 1)
        size = largest_cells(layers, width, height, *WITH_LENS) or largest_cells(layers, width, height, *WITH_NUMBER)
        if size is None:
            least, text = WITH_LENS
            size = QSize(width // max(width // (least + text), 1), least)
        self.setGridSize(size)

    def select_layer(self, layer: int) -> None:
        """Mark a layer; tells `layer_chosen` if it was another."""
        self.setCurrentIndex(self.layers.index(layer))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit_cells()

    def _announce(self, index: QModelIndex) -> None:
        if index.isValid():
            self.layer_chosen.emit(index.row())
