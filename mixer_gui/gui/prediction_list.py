"""The ranking: class name, probability bar, percentage. Model and delegate; the view only shows."""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractListModel,
    QCoreApplication,
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

from mixer_gui.gui.theme import colours, paint_placeholder
from mixer_gui.records import HIDDEN_NAME, Prediction

Index = QModelIndex | QPersistentModelIndex
PREDICTION_ROLE = Qt.ItemDataRole.UserRole
ROW_HEIGHT = 25


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


class PredictionModel(QAbstractListModel):
    """The first `top_k` predictions of a report."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._predictions: tuple[Prediction, ...] = ()

    def set_predictions(self, predictions: tuple[Prediction, ...]) -> None:
        self.beginResetModel()
        self._predictions = predictions
        self.endResetModel()

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
            return (
                f"{prediction.label}\n"
                + self.tr("class {0}{1} · probability {2:.4f} · logit {3:.3f}").format(
                    prediction.index, wnid, prediction.probability, prediction.logit
                )
                + "\n"
                + (f"{hidden_names_explained()}\n" if prediction.label == HIDDEN_NAME else "")
                + self.tr("Click to see which patches speak for it.")
            )
        return None


class PredictionDelegate(QStyledItemDelegate):
    """Paints a row: the bar's length is the probability, so the eye compares before it reads."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        prediction = index.data(PREDICTION_ROLE)
        if not isinstance(prediction, Prediction):
            return
        scheme = colours()
        row = QRectF(option.rect).adjusted(2, 1.5, -2, -1.5)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rounded = QPainterPath()
        rounded.addRoundedRect(row, 5, 5)
        painter.setClipPath(rounded)
        painter.fillRect(row, QColor(scheme.field))
        painter.fillRect(
            QRectF(row.left(), row.top(), row.width() * prediction.probability, row.height()), QColor(scheme.bar)
        )
        painter.setClipping(False)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(QColor(scheme.accent), 2))
            painter.drawRoundedRect(row.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(QColor(scheme.edge), 1))
            painter.drawRoundedRect(row, 5, 5)
        text = row.adjusted(9, 0, -9, 0)
        number = percentage(prediction.probability)
        number_width = painter.fontMetrics().horizontalAdvance(number) + 10
        painter.setPen(QColor(scheme.text))
        painter.drawText(text, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), number)
        name_area = text.adjusted(0, 0, -number_width, 0)
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
        self.predictions.set_predictions(predictions)
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
        else:
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
