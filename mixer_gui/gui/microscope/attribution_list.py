"""Small maps of all attributions with their names and badges; those that take long are computed on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.images import map_image
from mixer_gui.gui.labels import badge, plain_tip, set_text
from mixer_gui.gui.microscope.attributions import (
    METHODS,
    Answers,
    Attribution,
    attribution_name,
    exactness,
    explanation,
    shown_map,
)
from mixer_gui.gui.theme import colours

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.records import JobProgress, PatchGrid

EDGE = 96  # pixels of a map
TILE = 100  # pixels that a tile is at least wide
FRAME = 4
TICK = (QPointF(3.5, 7.5), QPointF(6.0, 10.0), QPointF(10.5, 4.5))  # in a disc of 14 pixels


class MapButton(QAbstractButton):
    """A map to choose; the chosen one has a frame and a tick."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self.setCheckable(True)
        self.setEnabled(False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_image(self, image: QImage | None) -> None:
        self._image = image
        self.setEnabled(image is not None)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(EDGE + 2 * FRAME, EDGE + 2 * FRAME)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, scheme = QPainter(self), colours()
        room = QRectF(self.rect()).adjusted(FRAME, FRAME, -FRAME, -FRAME)
        columns, rows = (1, 1) if self._image is None else (self._image.width(), self._image.height())
        cell = min(room.width() / columns, room.height() / rows)
        width, height = round(cell * columns), round(cell * rows)
        area = QRectF(round(room.center().x() - width / 2), round(room.center().y() - height / 2), width, height)
        if self._image is None:
            painter.setPen(QPen(QColor(scheme.edge), 1, Qt.PenStyle.DashLine))
            painter.drawRect(area.adjusted(0.5, 0.5, -0.5, -0.5))
            painter.end()
            return
        painter.drawImage(area, self._image)
        if self.isChecked() or self.hasFocus() or self.underMouse():
            painter.setPen(QPen(QColor(scheme.accent), 3 if self.isChecked() else 1.5))
            painter.drawRect(area.adjusted(-2, -2, 2, 2))
        if self.isChecked():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            tick = QRectF(area.right() - 17, area.top() + 3, 14, 14)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(scheme.card))
            painter.drawEllipse(tick)
            painter.setPen(QPen(QColor(scheme.accent), 2))
            painter.drawPolyline([tick.topLeft() + each for each in TICK])
        painter.end()


class Tile(QWidget):
    """One attribution: its map, or the button that has it computed, or how far that is."""

    chosen = Signal(object)  # Attribution, or None: no longer
    compute_asked = Signal(object)  # Attribution
    cancel_asked = Signal(object)  # Attribution

    def __init__(self, kind: Attribution, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = kind
        self._values: NDArray[np.float32] | None = None
        name, tip = attribution_name(kind), explanation(kind)
        self.map = MapButton()
        self.map.setAccessibleName(name)
        self.map.setToolTip(plain_tip(tip))
        self.map.clicked.connect(lambda checked: self.chosen.emit(kind if checked else None))
        self.compute = QPushButton(self.tr("Compute"))
        self.compute.setAccessibleName(self.tr("Compute: {0}").format(name))
        self.compute.setToolTip(plain_tip(tip))
        self.compute.clicked.connect(lambda: self.compute_asked.emit(kind))
        self.cost = QLabel()
        self.cost.setObjectName("muted")
        self.cost.setWordWrap(True)
        self.cost.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setAccessibleName(self.tr("Progress: {0}").format(name))
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setAccessibleName(self.tr("Cancel: {0}").format(name))
        self.cancel.setToolTip(self.tr("Stop computing this map"))
        self.cancel.clicked.connect(lambda: self.cancel_asked.emit(kind))
        self.pages = QStackedWidget()
        self.pages.setFixedHeight(EDGE + 2 * FRAME)
        self.pages.addWidget(self.map)
        for parts in ((self.compute, self.cost), (self.bar, self.cancel)):
            page = QWidget()
            column = QVBoxLayout(page)
            column.setContentsMargins(2, 0, 2, 0)
            column.addStretch(1)
            for part in parts:
                column.addWidget(part)
            column.addStretch(1)
            self.pages.addWidget(page)
        self.name = QLabel(name)
        self.name.setWordWrap(True)
        self.name.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.badge = badge(exactness(kind), plain_tip(tip))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.pages)
        layout.addWidget(self.name)
        layout.addWidget(self.badge, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)

    def show_map(self, answers: Answers, grid: PatchGrid, *, is_chosen: bool) -> None:
        values = answers.maps.get(self.kind)
        if values is not self._values:
            self._values = values
            if values is None:
                self.map.show_image(None)
            else:
                shown = shown_map(values, self.kind)
                self.map.show_image(map_image(values, grid, shown.end, signed=shown.signed))
        self.map.setChecked(is_chosen and values is not None)
        self.pages.setCurrentIndex(1 if values is None and self.kind in METHODS else 0)

    def show_progress(self, progress: JobProgress | None) -> None:
        """None: nothing came yet."""
        self.bar.setRange(0, 0 if progress is None else progress.total)
        if progress is not None:
            self.bar.setValue(progress.done)
        self.pages.setCurrentIndex(2)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Its name chooses it, too."""
        if self.pages.currentIndex() == 0 and self.rect().contains(event.position().toPoint()):
            self.map.click()
        super().mouseReleaseEvent(event)


class AttributionList(QWidget):
    """Three maps beside one another, or all six where there is room."""

    chosen = Signal(object)  # Attribution, or None
    compute_asked = Signal(object)  # Attribution
    cancel_asked = Signal(object)  # Attribution

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tiles = {kind: Tile(kind) for kind in Attribution}
        self._columns = 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(4)
        self._grid.setVerticalSpacing(8)
        for tile in self.tiles.values():
            tile.chosen.connect(self.chosen)
            tile.compute_asked.connect(self.compute_asked)
            tile.cancel_asked.connect(self.cancel_asked)
        self._arrange(3)

    def show_answers(
        self,
        answers: Answers,
        grid: PatchGrid,
        chosen: Attribution | None,
        running: Mapping[Attribution, JobProgress | None],
        costs: Mapping[Attribution, str],
    ) -> None:
        """Maps that are known, progress of those in `running`, and what the others would cost."""
        for kind, tile in self.tiles.items():
            tile.show_map(answers, grid, is_chosen=kind == chosen)
            set_text(tile.cost, costs.get(kind, ""))
            if kind in running:
                tile.show_progress(running[kind])

    def fit(self, width: int) -> None:
        """Arrange the maps for this many pixels: all beside one another only where that needs no more."""
        tile = max(each.minimumSizeHint().width() for each in self.tiles.values())
        spacing = self._grid.horizontalSpacing()
        all_of_them = len(self.tiles) * (max(tile, TILE) + spacing) - spacing
        columns = len(self.tiles) if width >= all_of_them else 3
        self._arrange(columns)
        for each in self.tiles.values():  # a label that may wrap asks for the height of one that does
            room = (width + spacing) // columns - spacing
            each.name.setWordWrap(each.name.fontMetrics().horizontalAdvance(each.name.text()) > room - 4)

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for place, tile in enumerate(self.tiles.values()):
            self._grid.removeWidget(tile)
            self._grid.addWidget(tile, place // columns, place % columns)
        for column in range(len(self.tiles)):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
