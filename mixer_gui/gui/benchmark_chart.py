"""Accuracy against throughput, as the paper draws it: a disc for each model, as large as it has parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from mixer_gui.gui.microscope.charts import Axis, Chart, nice_ticks, series_colours
from mixer_gui.gui.theme import colours

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOM = 1.7  # times beyond the slowest and the fastest
ROOM_BESIDE_PERCENT = 2.0
LEAST_SPAN_PERCENT = 8.0
RADIUS_OF_A_MILLION = 1.1  # pixels
CENTRE = 2.0
LABEL_GAP = 4


@dataclass(frozen=True, slots=True)
class Point:
    """A model in the chart; top-1 in percent."""

    label: str
    images_per_s: float
    top1: float
    parameters: int

    @property
    def radius(self) -> float:
        """In pixels, so that the area grows as the parameters do."""
        return RADIUS_OF_A_MILLION * math.sqrt(self.parameters / 1e6)


class BenchmarkChart(Chart):
    """Images per second on a logarithmic axis; the horizontal axis holds their decimal logarithms."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", "", parent)
        self.setAccessibleName(self.tr("Accuracy and speed of each model"))
        self.points: tuple[Point, ...] = ()
        self.setMinimumSize(320, 200)

    def show_points(self, points: Sequence[Point], across: str) -> None:
        """`across` says what the images per second were measured on. Without points the empty message is shown."""
        self.points = tuple(points)
        self.setAccessibleDescription("; ".join(map(self._words, points)))
        if not points:
            self.clear()
            return
        rates, accuracies = [each.images_per_s for each in points], [each.top1 for each in points]
        low, high = min(rates) / ROOM, max(rates) * ROOM
        span = max(LEAST_SPAN_PERCENT - (max(accuracies) - min(accuracies)), 0.0) / 2 + ROOM_BESIDE_PERCENT
        bottom, top = max(min(accuracies) - span, 0.0), min(max(accuracies) + span, 100.0)
        ticks = tuple((math.log10(value), f"{value:g}") for value in log_ticks(low, high))
        self.set_axes(
            Axis(math.log10(low), math.log10(high), ticks, across),
            Axis(bottom, top, nice_ticks(bottom, top), self.tr("ImageNet top-1 as published, %")),
        )

    def paint_chart(self, painter: QPainter, area: QRectF) -> None:
        metrics, taken = self.fontMetrics(), list[QRectF]()
        for value, _ in self.x_axis.ticks:
            painter.setPen(QColor(colours().edge))
            x = self.to_screen(value, self.y_axis.low).x()
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        for point, colour in zip(self.points, series_colours(len(self.points)), strict=True):
            at = self.to_screen(math.log10(point.images_per_s), point.top1)
            painter.setPen(QPen(colour, 1.5))
            faint = QColor(colour)
            faint.setAlphaF(0.3)
            painter.setBrush(faint)
            painter.drawEllipse(at, point.radius, point.radius)
            painter.setBrush(colour)
            painter.drawEllipse(at, CENTRE, CENTRE)
        painter.setPen(QColor(colours().text))
        for point in self.points:
            at = self.to_screen(math.log10(point.images_per_s), point.top1)
            beside = max(point.radius, CENTRE) + LABEL_GAP
            place = QRectF(0, 0, metrics.horizontalAdvance(point.label) + 2, metrics.height())
            place.moveTopLeft(QPointF(at.x() + beside, at.y() - place.height() / 2))
            if place.right() > area.right():
                place.moveRight(at.x() - beside)
            while any(place.intersects(other) for other in taken) and place.bottom() < area.bottom():
                place.translate(0, place.height())
            taken.append(place)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), point.label)

    def _words(self, point: Point) -> str:
        return self.tr("{0}: {1:.4g} images per second, top-1 {2:.1f} %").format(
            point.label, point.images_per_s, point.top1
        )


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Ones, twos and fives of all powers of ten from low to high, both above 0; over four decades powers alone."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    digits = (1, 2, 5) if last - first <= 4 else (1,)
    ticks = (digit * 10.0**power for power in range(first, last + 1) for digit in digits)
    return tuple(each for each in ticks if low <= each <= high)
