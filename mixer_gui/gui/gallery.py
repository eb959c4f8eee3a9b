"""The strip of pictures: what each is, what the network said of it, or why it could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QImage, QKeyEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from mixer_gui.gui.editing import Cut
from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.prediction_list import percentage, short_label
from mixer_gui.gui.theme import colours, paint_placeholder
from mixer_gui.records import (
    CheckpointInfo,
    ClassifyRequest,
    Edit,
    Failure,
    Frame,
    Framing,
    PictureSource,
    Prediction,
    Report,
)

Index = QModelIndex | QPersistentModelIndex
PICTURE_ROLE = Qt.ItemDataRole.UserRole
LABEL_ROLE = PICTURE_ROLE + 1  # of the first prediction
THUMBNAIL = 64
SHOWN_EDGE = 2048  # pixels of a picture that is shown
CELL = QSize(96, 88)
EDITED_MARK_RADIUS = 8.0
EDITED_MARK_PLACE = QPointF(-EDITED_MARK_RADIUS - 2, EDITED_MARK_RADIUS + 2)  # of its centre, from the upper right


@dataclass(slots=True, eq=False)  # itself, not one like it
class Picture:
    """One picture of the strip. Changed by the session only, in the window's thread."""

    view: str
    source: PictureSource
    framing: Framing = field(default_factory=Framing)
    request: ClassifyRequest | None = None  # the newest; answers to others are stale
    is_waiting: bool = False  # the newest request has neither a result nor a failure yet
    frame: Frame | None = None  # dropped again for all but the last few shown
    thumbnail: QImage | None = None
    report: Report | None = None
    failure: Failure | None = None
    edits: tuple[Edit, ...] = ()
    cut: Cut | None = None  # what `edits` were made to
    before: Report | None = None  # without its edits, where `report` has some

    @property
    def unedited(self) -> Report | None:
        """What the network said of the picture itself, whatever was tried on it since."""
        report = self.before if self.before is not None else self.report
        return None if report is None or report.edits else report

    @property
    def has_whole_frame(self) -> bool:
        """Whether its pixels are there as large as they are shown."""
        frame = self.frame
        return frame is not None and max(frame.pixels.shape[:2]) >= min(SHOWN_EDGE, max(frame.width, frame.height))

    def is_complete(self, model: CheckpointInfo) -> bool:
        """Whether all is there that the window shows of it with this model, as it is framed and edited now."""
        report = self.report
        return (
            not self.is_waiting
            and report is not None
            and report.pixels is not None
            and self.has_whole_frame
            and (report.model, report.framing, report.edits) == (model, self.framing, self.edits)
        )

    def knows_unedited(self, model: CheckpointInfo) -> bool:
        """Whether there is, to compare its edits with, what this model said of the picture itself."""
        report = self.unedited
        return report is not None and (report.model, report.framing) == (model, self.framing)

    def take_report(self, report: Report) -> None:
        """The answer to the newest request; of an edited picture, the one without edits is kept beside it."""
        self.before = self.unedited if report.edits else None
        self.report, self.failure, self.is_waiting = report, None, False

    def take_back_edits(self) -> None:
        """Go back to what the network said of the picture itself, which is known; what is under way is stale."""
        self.report, self.before, self.request, self.is_waiting = self.unedited, None, None, False


@dataclass(slots=True, eq=False)
class LivePicture(Picture):
    """A moving picture, which is in no strip; `report` and `ranking` are of the newest frame that was classified.

    Questions are answered along with each frame: `asked_class`, and `asked_patch` as (layer, patch).
    """

    ranking: tuple[Prediction, ...] = ()
    asked_class: int | None = None
    asked_patch: tuple[int, int] | None = None


class GalleryModel(QAbstractListModel):
    """The pictures in the order they came."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pictures: list[Picture] = []
        self._reveals_names = False

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(self._pictures)

    def picture(self, row: int) -> Picture:
        return self._pictures[row]

    def find(self, view: str) -> Picture | None:
        return next((each for each in self._pictures if each.view == view), None)

    def row(self, picture: Picture) -> int:
        """-1 where the picture is not in the strip."""
        return next((row for row, each in enumerate(self._pictures) if each is picture), -1)

    def insert(self, row: int, pictures: list[Picture]) -> None:
        if pictures:
            self.beginInsertRows(QModelIndex(), row, row + len(pictures) - 1)
            self._pictures[row:row] = pictures
            self.endInsertRows()

    def remove(self, rows: list[int]) -> None:
        """Take out the pictures of these rows."""
        if len(rows) == len(self._pictures):  # row by row, the view would make each of the rest current in turn
            self.beginResetModel()
            self._pictures.clear()
            self.endResetModel()
            return
        for row in sorted(rows, reverse=True):
            self.beginRemoveRows(QModelIndex(), row, row)
            del self._pictures[row]
            self.endRemoveRows()

    def changed(self, picture: Picture) -> None:
        row = self.row(picture)
        if row >= 0:
            self.dataChanged.emit(self.index(row), self.index(row))

    def reveal_names(self, wanted: bool) -> None:
        """Whether names that are shown on request only are shown."""
        self._reveals_names = wanted
        if self._pictures:
            self.dataChanged.emit(self.index(0), self.index(len(self._pictures) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._pictures)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid() or index.row() >= len(self._pictures):
            return None
        picture = self._pictures[index.row()]
        if role == PICTURE_ROLE:
            return picture
        if role == LABEL_ROLE:
            return "" if picture.report is None else self._label(picture.report)
        if role == Qt.ItemDataRole.DisplayRole:
            return picture.source.name
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._words(picture)
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(self._words(picture))
        return None

    def _words(self, picture: Picture) -> str:
        """Its name, what it is, and how often it was edited: a line each."""
        lines = [picture.source.name, self._state(picture)]
        if picture.edits:
            one, more = self.tr("edited: one change"), self.tr("edited: {0} changes")
            lines.append(one if len(picture.edits) == 1 else more.format(len(picture.edits)))
        return "\n".join(lines)

    def _state(self, picture: Picture) -> str:
        if picture.failure is not None:
            return picture.failure.sentence
        if picture.report is not None:
            return f"{self._label(picture.report)}, {percentage(picture.report.predictions[0].probability)}"
        return self.tr("waiting …")

    def _label(self, report: Report) -> str:
        return report.model.names.label(report.predictions[0].index, reveal=self._reveals_names)


class GalleryDelegate(QStyledItemDelegate):
    """Paints a thumbnail and, below it, the first prediction or the word for a failure."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return CELL

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        picture = index.data(PICTURE_ROLE)
        if not isinstance(picture, Picture):
            return
        scheme = colours()
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        cell = QRectF(option.rect)
        image = QRectF(cell.center().x() - THUMBNAIL / 2, cell.top() + 5, THUMBNAIL, THUMBNAIL)
        rounded = QPainterPath()
        rounded.addRoundedRect(image, 5, 5)
        painter.fillPath(rounded, QColor(scheme.field))
        if picture.thumbnail is not None:
            painter.setClipPath(rounded)
            painter.drawImage(image, picture.thumbnail)
            painter.setClipping(False)
        if picture.failure is not None:
            painter.setPen(QPen(QColor(scheme.warning), 2))
            painter.drawText(image, int(Qt.AlignmentFlag.AlignCenter), "⚠")
        if picture.edits:
            paint_edited_mark(painter, image.topRight() + EDITED_MARK_PLACE)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.setPen(QPen(QColor(scheme.accent if selected else scheme.edge), 2 if selected else 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(image.adjusted(-1, -1, 1, 1), 6, 6)
        caption = self._caption(picture, index.data(LABEL_ROLE))
        colour = scheme.warning if picture.failure is not None else scheme.muted
        small = painter.font()
        small.setPointSizeF(small.pointSizeF() * 0.82)
        painter.setFont(small)
        painter.setPen(QColor(colour))
        text = QRectF(cell.left() + 3, image.bottom() + 3, cell.width() - 6, cell.bottom() - image.bottom() - 4)
        elided = painter.fontMetrics().elidedText(caption, Qt.TextElideMode.ElideRight, int(text.width()))
        painter.drawText(text, int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop), elided)
        painter.restore()

    def _caption(self, picture: Picture, label: str) -> str:
        if picture.failure is not None:
            return self.tr("not readable") if picture.frame is None else self.tr("failed")
        if picture.report is None:
            return "…"
        return f"{picture.report.predictions[0].probability * 100.0:.0f} % {short_label(label)}"


def paint_edited_mark(painter: QPainter, centre: QPointF) -> None:
    """A pencil on a disc, which shows on any picture."""
    scheme = colours()
    painter.save()
    painter.translate(centre)
    painter.setPen(QPen(QColor(scheme.text), 1))
    painter.setBrush(QColor(scheme.card))
    painter.drawEllipse(QPointF(), EDITED_MARK_RADIUS, EDITED_MARK_RADIUS)
    painter.rotate(45.0)
    painter.setBrush(QColor(scheme.text))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawRect(QRectF(-1.5, -5.0, 3.0, 7.0))
    painter.drawPolygon([QPointF(-1.5, 2.8), QPointF(1.5, 2.8), QPointF(0.0, 6.0)])
    painter.restore()


class GalleryStrip(QListView):
    """The view; the arrow keys go through the pictures, Delete takes one out."""

    removal_asked = Signal()  # of the current picture

    def __init__(self, model: GalleryModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setModel(model)
        self.setItemDelegate(GalleryDelegate(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(CELL.height() + 10)
        self.setAccessibleName(self.tr("Pictures"))
        self.setAccessibleDescription(self.tr("The arrow keys choose a picture, Delete takes it out of the strip."))

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.model().rowCount() == 0:
            paint_placeholder(
                QPainter(self.viewport()), self.viewport().rect(), self.tr("Pictures that you open line up here.")
            )

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.removal_asked.emit()
        else:
            super().keyPressEvent(event)


def thumbnail(image: QImage) -> QImage:
    """The middle square of a picture, larger than it is drawn for sharp high-density screens."""
    edge = min(image.width(), image.height())
    middle = QRect((image.width() - edge) // 2, (image.height() - edge) // 2, edge, edge)
    size = min(edge, 6 * THUMBNAIL)
    square = QImage(size, size, QImage.Format.Format_RGB888)
    painter = QPainter(square)  # ten times as fast as a smooth copy from full size, and what follows hides it
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(square.rect(), image, middle)
    painter.end()
    return square.scaled(
        THUMBNAIL * 3 // 2,
        THUMBNAIL * 3 // 2,
        Qt.AspectRatioMode.IgnoreAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
