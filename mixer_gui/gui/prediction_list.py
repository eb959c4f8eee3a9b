"""The ranking: class name, probability bar, percentage. Model and delegate; the view only shows.

Also in which order a ranking that changes many times a second is shown, so that it can be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import (
    QAbstractListModel,
    QCoreApplication,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.theme import colours, paint_placeholder
from mixer_gui.records import HIDDEN_NAME, Prediction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Index = QModelIndex | QPersistentModelIndex
PREDICTION_ROLE = Qt.ItemDataRole.UserRole
ROW_HEIGHT = 25
CELL_RADIUS = 5
CELL_MARGIN = 7  # between a cell's edge and its words
MARGIN_RATIO = 1.1  # what is shown gives way to what is better by both
MARGIN = 0.005
CLEAR_RATIO = 2.0


def short_label(label: str) -> str:
    """The first of WordNet's synonyms: "goldfish" of "goldfish, Carassius auratus"."""
    return label.split(",", 1)[0]


def percentage(probability: float) -> str:
    return f"{probability * 100.0:.1f} %"


def hidden_names_explained() -> str:
    """Why a name is hidden, and how it is shown."""
    return QCoreApplication.translate(
        "names",
        "Names of kinds of people are hidden: WordNet has slurs among them. View → Show Names of Person Classes shows "
        "them.",
    )


def is_better(probability: float, other: float) -> bool:
    """Whether by so much that a live list shows it: 10 % and half a percentage point."""
    return probability > other * MARGIN_RATIO and probability > other + MARGIN


def steady_places(before: Sequence[int | None], values: Mapping[int, float], places: int) -> list[int | None]:
    """Which classes have the `places` places, None where there are too few; a class that stays keeps its own.

    Those are chosen whose values are largest, but one that had a place loses it only to one that is better by a
    margin, which then takes that place.
    """
    ranked = sorted(values, key=lambda each: (-values[each], each))
    kept: list[int | None] = [each if each in values else None for each in before]
    if len(kept) > places:  # fewer places than before: the best of them stay, in their order
        staying = set([each for each in ranked if each in kept][:places])
        kept = [each for each in kept if each in staying]
    kept += [None] * (places - len(kept))
    for outsider in [each for each in ranked if each not in kept]:
        if None in kept:
            kept[kept.index(None)] = outsider
            continue
        worst = min((each for each in kept if each is not None), key=lambda each: (values[each], -each), default=None)
        if worst is None or not is_better(values[outsider], values[worst]):
            break
        kept[kept.index(worst)] = outsider
    return kept


def steady_order(before: tuple[int, ...], predictions: tuple[Prediction, ...], rows: int) -> tuple[Prediction, ...]:
    """The `rows` most probable of a ranking, ordered so that a list of many a second does not jump about.

    `before`: the class indices in the order that is shown. A class changes places, with its neighbour or with one that
    is not shown, only when it is better by a margin; what is twice as probable as the first takes its place at once.
    """
    by_index = {each.index: each for each in predictions}
    values = {each.index: each.probability for each in predictions}
    order = [each for each in steady_places(before, values, rows) if each is not None]
    if not before:
        order.sort(key=lambda each: (-values[each], each))
    if order:
        best = max(order, key=lambda each: values[each])
        if values[best] > CLEAR_RATIO * values[order[0]] and is_better(values[best], values[order[0]]):
            order.remove(best)
            order.insert(0, best)
    moved = True
    while moved:
        moved = False
        for row in range(len(order) - 1):
            if is_better(values[order[row + 1]], values[order[row]]):
                order[row], order[row + 1] = order[row + 1], order[row]
                moved = True
    return tuple(by_index[each] for each in order)


class PredictionModel(QAbstractListModel):
    """The first `top_k` predictions of a report."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._predictions: tuple[Prediction, ...] = ()

    def set_predictions(self, predictions: tuple[Prediction, ...]) -> None:
        """Rows are kept, added or taken away at the end, so that a view keeps what is under the pointer and marked."""
        before, after = len(self._predictions), len(predictions)
        changed = [
            row for row, (old, new) in enumerate(zip(self._predictions, predictions, strict=False)) if old != new
        ]
        if after > before:
            self.beginInsertRows(QModelIndex(), before, after - 1)
            self._predictions = predictions
            self.endInsertRows()
        elif after < before:
            self.beginRemoveRows(QModelIndex(), after, before - 1)
            self._predictions = predictions
            self.endRemoveRows()
        else:
            self._predictions = predictions
        if changed:
            self.dataChanged.emit(self.index(changed[0]), self.index(changed[-1]))

    def row_of(self, class_index: int) -> int | None:
        """Where a class stands in the ranking; None where it is not shown."""
        return next((row for row, each in enumerate(self._predictions) if each.index == class_index), None)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._predictions)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self._predictions):
            return None
        prediction = self._predictions[index.row()]
        if role == PREDICTION_ROLE:
            return prediction
        if role == Qt.ItemDataRole.DisplayRole:
            return short_label(prediction.label)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{prediction.label}, {percentage(prediction.probability)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            wnid = f" · {prediction.wnid}" if prediction.wnid else ""
            return plain_tip(
                f"{prediction.label}\n"
                + self.tr("class {0}{1} · probability {2:.4f} · logit {3:.3f}").format(
                    prediction.index, wnid, prediction.probability, prediction.logit
                )
                + "\n"
                + (f"{hidden_names_explained()}\n" if prediction.label == HIDDEN_NAME else "")
                + self.tr("Click to see which patches speak for it.")
            )
        return None


def paint_share(painter: QPainter, cell: QRectF, share: float, state: QStyle.StateFlag) -> QRectF:
    """A probability as a bar, from 0 to 1 as wide as `cell`, with its number at the right; framed where it is chosen.

    Returns the room that is left of the number; the pen is the text's afterwards. Anything else of the painter that
    changes is for the caller to save.
    """
    scheme = colours()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    rounded = QPainterPath()
    rounded.addRoundedRect(cell, CELL_RADIUS, CELL_RADIUS)
    painter.setClipPath(rounded)
    painter.fillRect(cell, QColor(scheme.field))
    painter.fillRect(QRectF(cell.left(), cell.top(), cell.width() * share, cell.height()), QColor(scheme.bar))
    painter.setClipping(False)
    if state & QStyle.StateFlag.State_Selected:
        painter.setPen(QPen(QColor(scheme.accent), 2))
        painter.drawRoundedRect(cell.adjusted(0.5, 0.5, -0.5, -0.5), CELL_RADIUS, CELL_RADIUS)
    elif state & QStyle.StateFlag.State_MouseOver:
        painter.setPen(QPen(QColor(scheme.edge), 1))
        painter.drawRoundedRect(cell, CELL_RADIUS, CELL_RADIUS)
    room = cell.adjusted(CELL_MARGIN, 0, -CELL_MARGIN, 0)
    number = percentage(share)
    painter.setPen(QColor(scheme.text))
    painter.drawText(room, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), number)
    return room.adjusted(0, 0, -painter.fontMetrics().horizontalAdvance(number) - 10, 0)


class PredictionDelegate(QStyledItemDelegate):
    """Paints a row: the bar's length is the probability, so the eye compares before it reads."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        prediction = index.data(PREDICTION_ROLE)
        if not isinstance(prediction, Prediction):
            return
        painter.save()
        cell = QRectF(option.rect).adjusted(2, 1.5, -2, -1.5)
        name_area = paint_share(painter, cell, prediction.probability, option.state)
        name = painter.fontMetrics().elidedText(
            short_label(prediction.label), Qt.TextElideMode.ElideRight, int(name_area.width())
        )
        painter.drawText(name_area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), name)
        painter.restore()


class PredictionList(QListView):
    """Choosing a class asks for its evidence; choosing it again goes back to the layers."""

    class_chosen = Signal(object)  # int: class index, or None

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.predictions = PredictionModel(self)
        self.setModel(self.predictions)
        self.setItemDelegate(PredictionDelegate(self))
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Predictions"))
        self.setAccessibleDescription(
            self.tr("The arrow keys and Return show which patches speak for a class, Escape goes back.")
        )
        self.setMinimumHeight(3 * ROW_HEIGHT + 4)
        self._chosen: int | None = None
        self.clicked.connect(self._toggle)
        self.activated.connect(self._choose)

    def sizeHint(self) -> QSize:
        """Room for what is shown, so that the usual five need no scrolling."""
        return QSize(200, max(self.predictions.rowCount(), 5) * ROW_HEIGHT + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.predictions.rowCount() == 0:
            paint_placeholder(
                QPainter(self.viewport()), self.viewport().rect(), self.tr("The most probable classes appear here.")
            )

    def show_predictions(self, predictions: tuple[Prediction, ...]) -> None:
        """Show them; the current row goes where its class goes, and is none where that is no longer shown."""
        current = self.currentIndex().data(PREDICTION_ROLE)
        self.predictions.set_predictions(predictions)
        row = self.predictions.row_of(current.index) if isinstance(current, Prediction) else None
        if row is None:
            self.selectionModel().clear()
        elif row != self.currentIndex().row():
            self.selectionModel().setCurrentIndex(
                self.predictions.index(row), QItemSelectionModel.SelectionFlag.NoUpdate
            )
        self._select_chosen()

    def set_chosen(self, class_index: int | None) -> None:
        """Mark a class without telling anybody."""
        self._chosen = class_index
        self._select_chosen()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The class that a key moved to is the chosen one: what is marked is what the picture shows."""
        before = self.currentIndex().row()
        super().keyPressEvent(event)
        if self.currentIndex().row() != before:
            self._choose(self.currentIndex())

    def _select_chosen(self) -> None:
        row = None if self._chosen is None else self.predictions.row_of(self._chosen)
        if row is None:
            self.clearSelection()
        elif row != self.currentIndex().row() or not self.selectionModel().isRowSelected(row):
            self.setCurrentIndex(self.predictions.index(row))

    def _toggle(self, index: QModelIndex) -> None:
        prediction = index.data(PREDICTION_ROLE)
        if isinstance(prediction, Prediction):
            self._chosen = None if prediction.index == self._chosen else prediction.index
            self._select_chosen()
            self.class_chosen.emit(self._chosen)

    def _choose(self, index: QModelIndex) -> None:
        """A key; a double click arrives here too, after `clicked` has toggled once: it always chooses."""
        prediction = index.data(PREDICTION_ROLE)
        if isinstance(prediction, Prediction) and prediction.index != self._chosen:
            self._chosen = prediction.index
            self._select_chosen()
            self.class_chosen.emit(self._chosen)
