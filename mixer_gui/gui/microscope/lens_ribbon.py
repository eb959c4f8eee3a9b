"""How the layer lens's ranking changes from layer to layer: one band for each class, as thick as it is probable."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.microscope.charts import GAP, Axis, Chart, series_colours
from mixer_gui.gui.microscope.contribution_chart import layer_step
from mixer_gui.gui.prediction_list import percentage
from mixer_gui.gui.theme import colours

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RANKS = 5
NAMED_SHARE = 0.36  # of the width, at most, for the names at the right end
THINNEST, THICKEST = 2.0, 0.86  # of a band: pixels, and the share of a row at 100 %
COLOURED = 8


@dataclass(frozen=True, slots=True)
class Run:
    """A class among the first five of consecutive layers."""

    index: int  # of the class
    first: int  # layer, from 0
    ranks: tuple[int, ...]  # from 0, by layer
    probabilities: tuple[float, ...]

    @property
    def last(self) -> int:
        return self.first + len(self.ranks) - 1


def runs_of(indices: tuple[int, ...], probabilities: NDArray[np.float32]) -> tuple[Run, ...]:
    """All runs of the classes `indices` (K,), whose `probabilities` (L, K) hold the first five of every layer."""
    rows = probabilities.tolist()
    places: list[dict[int, int]] = []  # for each layer: column -> rank
    for row in rows:
        ranked = sorted((-probability, column) for column, probability in enumerate(row))[:RANKS]
        places.append({column: rank for rank, (_, column) in enumerate(ranked)})
    found = []
    for column, index in enumerate(indices):
        layer = 0
        while layer < len(rows):
            if column not in places[layer]:
                layer += 1
                continue
            first = layer
            while layer < len(rows) and column in places[layer]:
                layer += 1
            among = range(first, layer)
            found.append(
                Run(
                    index,
                    first,
                    tuple(places[each][column] for each in among),
                    tuple(rows[each][column] for each in among),
                )
            )
    return tuple(found)


class LensRibbon(Chart):
    """Ranks 1 to 5 downwards, layers to the right; names at the right end, and in bands that are long enough.

    A click or the arrow keys choose a layer.
    """

    layer_chosen = Signal(int)  # from 0

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_tr("The lens's first five, layer by layer"), parent=parent)
        self._runs: tuple[Run, ...] = ()
        self._names: dict[int, str] = {}
        self._order: tuple[int, ...] = ()  # classes, the coloured ones first
        self._layers = 0
        self._layer = 0
        self._chosen: int | None = None
        self._rival: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(160)

    def show_lens(self, names: dict[int, str], probabilities: NDArray[np.float32]) -> None:
        """`names`: by class index, in the order of the columns of `probabilities` (L, K)."""
        indices = tuple(names)
        self._runs, self._names, self._layers = runs_of(indices, probabilities), names, len(probabilities)
        self._layer = min(self._layer, self._layers - 1)
        self._area = None  # the names beside it are others
        last = self._last_ranking()
        weight = dict.fromkeys(indices, 0.0)
        for run in self._runs:
            weight[run.index] += len(run.ranks) + sum(run.probabilities)
        others = sorted((index for index in indices if index not in last), key=lambda index: -weight[index])
        self._order = (*last, *others)
        self._lay_out()

    def _lay_out(self) -> None:
        span = self.area().width() / max(self._layers, 1)
        step = layer_step(self._layers, span, self.fontMetrics().horizontalAdvance(str(self._layers)))
        ticks = tuple(
            (float(layer + 1), str(layer + 1)) for layer in range(self._layers) if layer == 0 or (layer + 1) % step == 0
        )
        ranks = tuple((-float(rank), str(rank)) for rank in range(1, RANKS + 1))
        self.set_axes(Axis(0.5, self._layers + 0.5, ticks, _tr("layer")), Axis(-RANKS - 0.5, -0.5, ranks))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self.is_empty:
            self._lay_out()

    def mark(self, layer: int, chosen: int | None, rival: int | None) -> None:
        """The layer that is looked at, and the classes that are asked about."""
        if (layer, chosen, rival) != (self._layer, self._chosen, self._rival):
            self._layer, self._chosen, self._rival = layer, chosen, rival
            self.update()

    def ranking_at(self, layer: int) -> tuple[tuple[str, float], ...]:
        """The first five of a layer: names and probabilities."""
        found = []
        for run in self._runs:
            if run.first <= layer <= run.last:
                at = layer - run.first
                found.append((run.ranks[at], self._names[run.index], run.probabilities[at]))
        return tuple((name, probability) for _, name, probability in sorted(found))

    def told(self, layer: int) -> str:
        """One layer in words."""
        said = ", ".join(f"{name} {percentage(probability)}" for name, probability in self.ranking_at(layer))
        return _tr("After layer {0} of {1}: {2}").format(layer + 1, self._layers, said)

    def sizeHint(self) -> QSize:
        return QSize(340, 200)

    def measure_area(self) -> QRectF:
        whole = super().measure_area()
        return QRectF(whole.left(), whole.top(), max(whole.width() - self._names_width(), 1.0), whole.height())

    def _names_width(self) -> float:
        bold = self.font()
        bold.setBold(True)
        metrics = QFontMetricsF(bold)
        widest = max((metrics.horizontalAdvance(self._names[each]) for each in self._last_ranking()), default=0.0)
        return float(min(widest + GAP + 2.0, self.width() * NAMED_SHARE))

    def _last_ranking(self) -> tuple[int, ...]:
        at_end = [run for run in self._runs if run.last == self._layers - 1]
        return tuple(run.index for run in sorted(at_end, key=lambda run: run.ranks[-1]))

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.is_empty:
            painter = QPainter(self)
            self._paint_last_names(painter)
            painter.end()

    def _colour(self, index: int) -> QColor:
        place = self._order.index(index)
        return series_colours(COLOURED)[place] if place < COLOURED else QColor(colours().muted)

    def _paint_last_names(self, painter: QPainter) -> None:
        area, metrics = self.area(), self.fontMetrics()
        for rank, index in enumerate(self._last_ranking()):
            middle = self.to_screen(self._layers + 0.5, -rank - 1.0).y()
            place = QRectF(area.right() + GAP, middle - metrics.height() / 2.0, self._names_width(), metrics.height())
            font = painter.font()
            font.setBold(index == self._chosen)
            painter.setFont(font)
            painter.setPen(QColor(colours().text))
            name = painter.fontMetrics().elidedText(self._names[index], Qt.TextElideMode.ElideRight, int(place.width()))
            painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), name)

    def paint_chart(self, painter: QPainter, area: QRectF) -> None:
        x = self.to_screen(self._layer + 1.0, -1.0).x()
        half = area.width() / max(self._layers, 1) / 2.0
        mark = QColor(colours().accent)
        mark.setAlpha(60)
        painter.fillRect(QRectF(x - half, area.top(), 2.0 * half, area.height()), mark)
        outline = 1.6 if half > 8.0 else 1.0
        ordered = sorted(self._runs, key=lambda run: -self._order.index(run.index))
        ordered.sort(key=lambda run: run.index in (self._chosen, self._rival))
        for run in ordered:
            band = self._band(run)
            colour = self._colour(run.index)
            fill = QColor(colour)
            fill.setAlpha(190 if self._order.index(run.index) < COLOURED else 90)
            painter.setBrush(fill)
            if run.index == self._chosen:
                painter.setPen(QPen(QColor(colours().text), outline))
            elif run.index == self._rival:
                painter.setPen(QPen(QColor(colours().text), outline, Qt.PenStyle.DashLine))
            else:
                painter.setPen(QPen(colour, 0.8))
            painter.drawPath(band)
        self._paint_names(painter, area)

    def _band(self, run: Run) -> QPainterPath:
        """From layer to layer by a smooth curve; where the class comes and goes, to a point."""
        row = self.area().height() / RANKS
        span = self.area().width() / max(self._layers, 1)
        points = []
        for at, (rank, probability) in enumerate(zip(run.ranks, run.probabilities, strict=True)):
            centre = self.to_screen(run.first + at + 1.0, -rank - 1.0)
            points.append((centre, (THINNEST + (row * THICKEST - THINNEST) * probability) / 2.0))
        begin = points[0] if run.first == 0 else (points[0][0], 0.0)
        end = points[-1] if run.last == self._layers - 1 else (points[-1][0], 0.0)
        knots = [
            (begin[0] - QPointF(span / 2.0, 0.0), begin[1]),
            *points,
            (end[0] + QPointF(span / 2.0, 0.0), end[1]),
        ]
        upper = [QPointF(centre.x(), centre.y() - thick) for centre, thick in knots]
        lower = [QPointF(centre.x(), centre.y() + thick) for centre, thick in reversed(knots)]
        path = QPainterPath(upper[0])
        for edge in (upper, lower):
            path.lineTo(edge[0])
            for start, stop in pairwise(edge):
                middle = (start.x() + stop.x()) / 2.0
                path.cubicTo(QPointF(middle, start.y()), QPointF(middle, stop.y()), stop)
        path.closeSubpath()
        return path

    def _paint_names(self, painter: QPainter, area: QRectF) -> None:
        """Classes that do not reach the last layer are named in their band where there is room, longest first."""
        metrics = QFontMetricsF(painter.font())
        span = area.width() / max(self._layers, 1)
        at_end = self._last_ranking()
        taken: list[QRectF] = []
        for run in sorted(self._runs, key=lambda run: (run.index != self._chosen, -len(run.ranks))):
            text = self._names[run.index]
            width = metrics.horizontalAdvance(text)
            if run.index in at_end or width > span * (len(run.ranks) + 1.0):
                continue
            best = len(run.ranks) // 2
            centre = self.to_screen(run.first + best + 1.0, -run.ranks[best] - 1.0)
            left = min(max(centre.x() - width / 2.0, area.left() + 1.0), area.right() - width - 1.0)
            place = QRectF(left, centre.y() - metrics.height() / 2.0, width, metrics.height())
            if any(place.intersects(each) for each in taken):
                continue
            taken.append(place.adjusted(-6.0, 0.0, 6.0, 0.0))
            letters = QPainterPath()
            letters.addText(QPointF(place.left(), place.top() + metrics.ascent()), painter.font(), text)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours().card), 3.0, j=Qt.PenJoinStyle.RoundJoin))
            painter.drawPath(letters)
            painter.fillPath(letters, QColor(colours().text))

    # --- what the user points at ---

    def event(self, event: QEvent) -> bool:
        """A tooltip says a layer's first five."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            lines = [] if self.is_empty else self.told(self._layer_at(event.pos().x())).split(", ")
            text = "<br>".join(plain_tip(line) for line in lines)
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self.is_empty:
            super().mousePressEvent(event)
            return
        self.layer_chosen.emit(self._layer_at(event.position().x()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if step == 0 or self.is_empty:
            super().keyPressEvent(event)
        elif 0 <= self._layer + step < self._layers:
            self.layer_chosen.emit(self._layer + step)

    def _layer_at(self, pixel: float) -> int:
        return min(max(round(self.x_at(pixel)) - 1, 0), self._layers - 1)


def _tr(text: str) -> str:
    return QCoreApplication.translate("lens", text)
