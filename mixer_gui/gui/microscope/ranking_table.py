"""The rankings of a comparison: classes in rows, their probabilities in a column for each side."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.prediction_list import paint_share, percentage

Index = QModelIndex | QPersistentModelIndex
Row = tuple[int, str, tuple[float | None, ...]]  # class index, label, probabilities (None: not known yet)

SHARE_ROLE = Qt.ItemDataRole.UserRole
CLASS_ROLE = SHARE_ROLE + 1
ROW_HEIGHT = 24


class ShareDelegate(QStyledItemDelegate):
    """Paints a probability as a bar behind its number, and the rest as text: bold where the class is chosen."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(super().sizeHint(option, index).width(), ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        share = index.data(SHARE_ROLE)
        if not isinstance(share, float):
            plain, font = QStyleOptionViewItem(option), option.font
            font.setBold(bool(option.state & QStyle.StateFlag.State_Selected))
            plain.font = font
            plain.state &= ~QStyle.StateFlag.State_Selected
            super().paint(painter, plain, index)
            return
        painter.save()
        paint_share(painter, QRectF(option.rect).adjusted(2, 1.5, -2, -1.5), share, option.state)
        painter.restore()


class RankingTable(QTreeWidget):
    """Classes and their probabilities in one column or two, as high as its rows. Choosing a row chooses its class."""

    class_chosen = Signal(int)

    def __init__(self, titles: Sequence[str], name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setColumnCount(len(titles))
        self.setHeaderLabels(list(titles))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setItemDelegate(ShareDelegate(self))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setAccessibleName(name)
        header = self.header()
        header.setSectionsMovable(False)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(40)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, len(titles)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.headerItem().setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.itemActivated.connect(self._choose)
        self.itemClicked.connect(self._choose)
        self._rows: tuple[Row, ...] = ()
        self._inert: frozenset[int] = frozenset()

    def show_rows(self, rows: Sequence[Row], chosen: int | None, inert: frozenset[int] = frozenset()) -> None:
        """`chosen`: the class that is marked; `inert`: classes that cannot be chosen."""
        rows = tuple(rows)
        if (rows, inert) != (self._rows, self._inert):
            self._rows, self._inert = rows, inert
            self.clear()
            for index, label, shares in rows:
                item = QTreeWidgetItem([label, *("…" if each is None else percentage(each) for each in shares)])
                item.setData(0, CLASS_ROLE, index)
                item.setToolTip(0, plain_tip(label))
                item.setDisabled(index in inert)
                item.setSizeHint(0, QSize(40, ROW_HEIGHT))
                for column, share in enumerate(shares, start=1):
                    item.setData(column, SHARE_ROLE, share)
                    item.setToolTip(column, "" if share is None else plain_tip(f"{label}: {share:.6f}"))
                    item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.addTopLevelItem(item)
        for row, (index, _, _) in enumerate(rows):
            shown = self.topLevelItem(row)
            if shown is not None:
                shown.setSelected(index == chosen)
        self.setFixedHeight(self.header().sizeHint().height() + len(rows) * ROW_HEIGHT + 2 * self.frameWidth())

    def rows(self) -> tuple[Row, ...]:
        return self._rows

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        width = min(max(self.viewport().width() // (self.columnCount() + 1), 64), 160)
        for column in range(1, self.columnCount()):
            self.header().resizeSection(column, width)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Another button would mark a row and not choose its class."""
        if event.button() == Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Letters are the window's, which hides the map while M is held; there is nothing to search in so few rows."""
        if event.text().isalpha():
            event.ignore()
        else:
            super().keyPressEvent(event)

    @Slot(QTreeWidgetItem)
    def _choose(self, item: QTreeWidgetItem) -> None:
        if not item.isDisabled():
            self.class_chosen.emit(int(item.data(0, CLASS_ROLE)))
