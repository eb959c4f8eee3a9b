"""Deletion and insertion curves as charts, and the table of their areas, which is their legend, too.

A line is told by its colour, its dashes and its marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from mixer_gui.gui.labels import ElidedLabel, set_text
from mixer_gui.gui.microscope.charts import Axis, Chart, series_colours
from mixer_gui.gui.theme import colours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mixer_gui.records import Curves, FaithfulnessReport

LINES = 4  # at most: the map and three references
DASHES = ((), (6.0, 3.0), (1.5, 2.5), (8.0, 3.0, 1.5, 3.0))  # in widths of the pen
MARKS_PER_LINE = 6
MARK = 3.5  # half of one, in pixels
SAMPLE = QSize(32, 16)
HEIGHTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # where a vertical axis may end
MARGIN = 0.02  # beyond the ends of an axis, so that lines at 0 and 1 are seen


@dataclass(frozen=True, slots=True)
class Line:
    """A curve as far as it is known."""

    slot: int  # 0…3: which line of the chart it is
    shares: tuple[float, ...]
    values: tuple[float, ...]


def lines_of(report: FaithfulnessReport, slots: Sequence[int], *, inserts: bool) -> tuple[Line, ...]:
    """The curves of one kind, in the order of the report's maps."""
    share = report.share.tolist()
    found = []
    for slot, curves in zip(slots, report.curves, strict=True):
        values = (curves.insertion if inserts else curves.deletion).tolist()
        found.append(Line(slot, tuple(share[: len(values)]), tuple(values)))
    return tuple(found)


def common_height(*groups: Sequence[Line]) -> float:
    """Where the vertical axis of these charts ends, so that they can be compared."""
    highest = max((max(line.values) for group in groups for line in group if line.values), default=1.0)
    return next((height for height in HEIGHTS if height >= highest), 1.0)


class CurvesChart(Chart):
    """The probability of a class over the share of patches that were changed."""

    def __init__(self, name: str, across: str, parent: QWidget | None = None) -> None:
        super().__init__(name, "", parent)
        self._name, self._across = name, across
        self._lines: tuple[Line, ...] = ()
        self.setMinimumSize(200, 150)

    def show_lines(self, lines: tuple[Line, ...], height: float) -> None:
        self._lines = lines
        quarters = tuple((share / 4, f"{share * 25} %") for share in range(5))
        levels = tuple((height * level / 2, f"{height * level * 50:g} %") for level in range(3))
        self.set_axes(
            Axis(-MARGIN, 1.0 + MARGIN, quarters, self._across),
            Axis(-MARGIN * height, height * (1.0 + MARGIN), levels, self._name),
        )

    def paint_chart(self, painter: QPainter, area: QRectF) -> None:
        for line in reversed(self._lines):  # the map itself on top
            points = [self.to_screen(share, value) for share, value in zip(line.shares, line.values, strict=True)]
            if points:
                painter.setPen(line_pen(line.slot))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawPolyline(QPolygonF(points))
                every = 1.0 / MARKS_PER_LINE
                due = every * (0.25 + 0.2 * line.slot)  # not all at the same places
                for share, point in zip(line.shares, points, strict=True):
                    if share >= due:
                        paint_mark(painter, line.slot, point)
                        due += every
                paint_mark(painter, line.slot, points[-1])


def line_pen(slot: int) -> QPen:
    pen = QPen(series_colours(LINES)[slot], 2.4 if slot == 0 else 1.6)
    if DASHES[slot]:
        pen.setDashPattern(list(DASHES[slot]))
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    return pen


def paint_mark(painter: QPainter, slot: int, at: QPointF) -> None:
    """A disc, a square, a triangle or a diamond, hollow but for the first."""
    painter.save()
    painter.setPen(QPen(series_colours(LINES)[slot], 1.5))
    painter.setBrush(series_colours(LINES)[slot] if slot == 0 else QColor(colours().card))
    if slot == 0:
        painter.drawEllipse(at, MARK, MARK)
    elif slot == 1:
        painter.drawRect(QRectF(at.x() - MARK, at.y() - MARK, 2 * MARK, 2 * MARK))
    else:
        corners = ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)) if slot == 2 else ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0))
        painter.drawPolygon(QPolygonF([at + QPointF(MARK * x, MARK * y) for x, y in corners]))
    painter.restore()


class LineSample(QWidget):
    """What a line looks like."""

    def __init__(self, slot: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slot = slot
        self.setFixedSize(SAMPLE)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = QPointF(self.width() / 2, self.height() / 2)
        painter.setPen(line_pen(self._slot))
        painter.drawLine(QPointF(0, middle.y()), QPointF(self.width(), middle.y()))
        paint_mark(painter, self._slot, middle)
        painter.end()


class AreasTable(QWidget):
    """One row for each map: its line, its name, and both areas; the better ends are in bold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Areas below the curves"))
        self._rows: list[tuple[LineSample, ElidedLabel, QLabel, QLabel]] = []
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        for column, (text, tip) in enumerate(
            (
                (self.tr("area below"), ""),
                (self.tr("deletion ↓"), self.tr("Smaller is better: the class is lost early")),
                (self.tr("insertion ↑"), self.tr("Larger is better: the class is found early")),
            ),
            start=1,
        ):
            head = QLabel(text)
            head.setObjectName("muted")
            head.setToolTip(tip)
            grid.addWidget(head, 0, column, Qt.AlignmentFlag.AlignLeft if column == 1 else Qt.AlignmentFlag.AlignRight)
        for slot in range(LINES):
            name = ElidedLabel()
            name.setMinimumWidth(60)
            row = (LineSample(slot), name, QLabel(), QLabel())
            for column, part in enumerate(row):
                align = Qt.AlignmentFlag.AlignRight if column > 1 else Qt.AlignmentFlag(0)
                grid.addWidget(part, slot + 1, column, align)
            self._rows.append(row)
        grid.setColumnStretch(1, 1)
        note = QLabel(self.tr("↓ smaller is better   ↑ larger is better   best in bold"))
        note.setObjectName("muted")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(grid)
        layout.addWidget(note)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_curves(self, slots: Sequence[int], names: Sequence[str], curves: Sequence[Curves], unknown: str) -> None:
        """`unknown` stands for an area that is not known."""
        by_slot = {slot: (name, each) for slot, name, each in zip(slots, names, curves, strict=True)}
        deletions = [each.deletion_area for each in curves if each.deletion_area is not None]
        insertions = [each.insertion_area for each in curves if each.insertion_area is not None]
        is_whole = len(deletions) == len(insertions) == len(curves)
        for slot, (sample, title, deletion, insertion) in enumerate(self._rows):
            name, each = by_slot.get(slot, ("", None))
            for part in (sample, title, deletion, insertion):
                part.setVisible(each is not None)
            if each is not None:
                title.set_text(name)
                _show_area(deletion, each.deletion_area, unknown, is_whole and each.deletion_area == min(deletions))
                _show_area(insertion, each.insertion_area, unknown, is_whole and each.insertion_area == max(insertions))
                deletion.setAccessibleName(self.tr("{0}, area below deletion").format(name))
                insertion.setAccessibleName(self.tr("{0}, area below insertion").format(name))


def _show_area(label: QLabel, value: float | None, unknown: str, is_best: bool) -> None:
    set_text(label, unknown if value is None else f"{value:.3f}")
    font = label.font()
    if font.bold() != is_best:
        font.setBold(is_best)
        label.setFont(font)
