"""What an edit changed, painted: two pictures with their maps, rankings in paired bars or beside their pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mixer_gui.gui.prediction_list import percentage, short_label
from mixer_gui.gui.theme import colours

if TYPE_CHECKING:
    from mixer_gui.records import Prediction

LINE = 17
BAR = 7
PAIR = LINE + 2 * BAR + 9  # a class: its line, two bars, the gap below
HEAD = 20
BLOCK_GAP = 12
ROW = 20
SIDE_GAP = 8
MOST_EDGE = 280  # pixels of a picture beside another
MAP_OPACITY = 0.6


@dataclass(frozen=True, slots=True)
class Side:
    """What the network saw, and the map over it: one pixel a patch, or None."""

    title: str
    picture: QImage
    shown_map: QImage | None


class PicturePair(QWidget):
    """Two pictures beside each other, as large as fit, each with its map and its title below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sides: tuple[Side, ...] = ()
        self.setAccessibleName(self.tr("What the network saw before and after"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_sides(self, before: Side, after: Side) -> None:
        self.sides = (before, after)
        self._fit()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setFixedHeight(int(self._size(self.width()).height()) + LINE + 2)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        size = self._size(self.width())
        start = (self.width() - 2 * size.width() - SIDE_GAP) / 2
        for number, side in enumerate(self.sides):
            area = QRectF(round(start + number * (size.width() + SIDE_GAP)), 0, size.width(), size.height())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(area, side.picture)
            if side.shown_map is not None:
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, on=False)
                painter.setOpacity(MAP_OPACITY)
                painter.drawImage(area, side.shown_map)
                painter.setOpacity(1.0)
            painter.setPen(QColor(colours().muted))
            title = QRectF(area.left(), area.bottom() + 2, area.width(), LINE)
            painter.drawText(title, int(Qt.AlignmentFlag.AlignCenter), side.title)
        painter.end()

    def _size(self, width: int) -> QSizeF:
        """Of one picture."""
        edge = min((width - SIDE_GAP) // 2, MOST_EDGE)
        picture = self.sides[0].picture.size() if self.sides else QSize(1, 1)
        return QSizeF(edge, round(edge * picture.height() / picture.width()))


@dataclass(frozen=True, slots=True)
class Change:
    """A class's probability before and after; None: not known yet."""

    index: int
    label: str
    before: float | None
    after: float | None


class ChangedRanking(QWidget):
    """For each class two bars, hollow before and full after, with the numbers and their difference.

    A click or the arrow keys choose a class; the chosen one's name is bold.
    """

    class_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.changes: tuple[Change, ...] = ()
        self._chosen: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Rankings before and after"))
        self.setToolTip(
            self.tr("The first five classes of both. A click, or the arrow keys, choose one: see the evidence for it.")
        )

    def show_changes(self, changes: tuple[Change, ...]) -> None:
        if changes != self.changes:
            self.changes = changes
            self.setAccessibleDescription("; ".join(f"{each.label}: {_words(each)}" for each in changes))
            self.setFixedHeight(HEAD + PAIR * len(changes))
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(300, HEAD + PAIR * len(self.changes))

    def mark(self, index: int | None) -> None:
        """Which class is the chosen one; it need not be among these."""
        if index != self._chosen:
            self._chosen = index
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = int((event.position().y() - HEAD) // PAIR)
        if event.button() == Qt.MouseButton.LeftButton and 0 <= row < len(self.changes):
            self.class_chosen.emit(self.changes[row].index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if by is None or not self.changes:
            super().keyPressEvent(event)
            return
        rows = [row for row, each in enumerate(self.changes) if each.index == self._chosen]
        row = rows[0] + by if rows else 0
        self.class_chosen.emit(self.changes[min(max(row, 0), len(self.changes) - 1)].index)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        scheme, metrics = colours(), self.fontMetrics()
        middle = int(Qt.AlignmentFlag.AlignVCenter)
        left = 0.0
        for full, text in ((False, self.tr("before")), (True, self.tr("after"))):
            _paint_bar(painter, QRectF(left, (HEAD - BAR) / 2, 22, BAR), 1.0, full=full)
            painter.setPen(QColor(scheme.muted))
            width = metrics.horizontalAdvance(text) + 2
            painter.drawText(QRectF(left + 27, 0, width, HEAD), middle, text)
            left += 27 + width + 14
        for row, each in enumerate(self.changes):
            top = HEAD + row * PAIR
            line = QRectF(0, top, self.width(), LINE)
            numbers = _words(each)
            room = metrics.horizontalAdvance(numbers) + 8
            painter.setPen(QColor(scheme.text))
            painter.drawText(line, middle | int(Qt.AlignmentFlag.AlignRight), numbers)
            font = painter.font()
            font.setBold(each.index == self._chosen)
            painter.setFont(font)
            space = max(int(line.width() - room), 20)
            label = painter.fontMetrics().elidedText(each.label, Qt.TextElideMode.ElideRight, space)
            painter.drawText(line, middle | int(Qt.AlignmentFlag.AlignLeft), label)
            font.setBold(False)
            painter.setFont(font)
            for number, share in enumerate((each.before, each.after)):
                bar = QRectF(0, top + LINE + number * (BAR + 1), self.width(), BAR)
                _paint_bar(painter, bar, share or 0.0, full=number == 1)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(scheme.accent), 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()


@dataclass(frozen=True, slots=True)
class Block:
    """A ranking with its title and the picture that it is of."""

    title: str
    image: QImage
    predictions: tuple[Prediction, ...]


class RankingBlocks(QWidget):
    """Rankings one below the other, each beside its picture."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.blocks: tuple[Block, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)

    def show_blocks(self, blocks: tuple[Block, ...]) -> None:
        self.blocks = blocks
        said = (
            f"{block.title}: "
            + ", ".join(f"{short_label(each.label)} {percentage(each.probability)}" for each in block.predictions)
            for block in blocks
        )
        self.setAccessibleDescription("; ".join(said))
        self.setFixedHeight(sum(self._height(block) for block in blocks))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(300, sum(self._height(block) for block in self.blocks))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        scheme, metrics = colours(), self.fontMetrics()
        middle = int(Qt.AlignmentFlag.AlignVCenter)
        top = 0.0
        for block in self.blocks:
            painter.setPen(QColor(scheme.text))
            title = metrics.elidedText(block.title, Qt.TextElideMode.ElideRight, self.width())
            painter.drawText(QRectF(0, top, self.width(), HEAD), middle, title)
            edge = float(ROW * 5 - 2)
            scale = edge / max(block.image.width(), block.image.height(), 1)
            place = QRectF(0, top + HEAD, block.image.width() * scale, block.image.height() * scale)
            painter.drawImage(place, block.image)
            left = edge + 10
            for row, each in enumerate(block.predictions):
                bar = QRectF(left, top + HEAD + row * ROW, self.width() - left, ROW - 2)
                painter.fillRect(bar, QColor(scheme.field))
                painter.fillRect(
                    QRectF(bar.left(), bar.top(), bar.width() * each.probability, bar.height()), scheme.bar
                )
                number = percentage(each.probability)
                text = bar.adjusted(6, 0, -6, 0)
                painter.setPen(QColor(scheme.text))
                painter.drawText(text, middle | int(Qt.AlignmentFlag.AlignRight), number)
                room = int(text.width() - metrics.horizontalAdvance(number) - 8)
                label = metrics.elidedText(short_label(each.label), Qt.TextElideMode.ElideRight, room)
                painter.drawText(text, middle | int(Qt.AlignmentFlag.AlignLeft), label)
            top += self._height(block)
        painter.end()

    def _height(self, block: Block) -> int:
        return HEAD + ROW * max(len(block.predictions), 5) + BLOCK_GAP


def _paint_bar(painter: QPainter, room: QRectF, share: float, *, full: bool) -> None:
    scheme = colours()
    bar = QRectF(room.left(), room.top(), max(room.width() * share, 1.0), room.height())
    painter.setPen(Qt.PenStyle.NoPen)
    painter.fillRect(room, QColor(scheme.field))
    if full:
        painter.fillRect(bar, QColor(scheme.accent))
    else:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(scheme.muted), 1))
        painter.drawRect(bar.adjusted(0.5, 0.5, -0.5, -0.5))


def _words(change: Change) -> str:
    before, after = ("…" if each is None else percentage(each) for each in (change.before, change.after))
    if change.before is None or change.after is None:
        return f"{before} → {after}"
    difference = f"{(change.after - change.before) * 100.0:+.1f}"
    return f"{before} → {after}  ({'0.0' if float(difference) == 0.0 else difference.replace('-', '−')})"
