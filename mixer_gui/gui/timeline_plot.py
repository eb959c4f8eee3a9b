"""The plot of the timeline: lines, playhead, pointer, axes. It draws what it is given; the card decides what.

Imports pyqtgraph, which takes 0.4 s: the window imports this module on first use only.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import pyqtgraph as pg  # type: ignore[import-untyped]
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.theme import Colours

STRONG_WIDTH = 3
EDGE = 0.002  # left of the first tick, which pyqtgraph would leave out
PADDING = 0.03  # above 100 % and below 0 %, so that a line there is seen


class TimelinePlot:
    """Probabilities, 0 to 1, over time. `widget` is what is shown; it takes neither focus nor mouse."""

    def __init__(self, lines: int) -> None:
        widget = pg.PlotWidget()
        self.widget: QWidget = widget
        self.viewport: QWidget = widget.viewport()
        self._item = widget.getPlotItem()
        self._view = self._item.getViewBox()
        self._view.setMouseEnabled(x=False, y=False)
        self._view.setDefaultPadding(0.0)
        self._view.disableAutoRange()
        self._view.setYRange(-PADDING, 1.0 + PADDING)
        self._item.setMenuEnabled(False)
        self._item.hideButtons()
        self._item.layout.setContentsMargins(0, 2, 14, 0)
        widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        widget.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        widget.setMinimumSize(80, 50)
        self._left, self._bottom = self._item.getAxis("left"), self._item.getAxis("bottom")
        for axis in (self._left, self._bottom):
            axis.setStyle(tickLength=0, tickAlpha=0, tickTextOffset=4, hideOverlappingLabels=40)
        self._bottom.setHeight(18)
        self._grid = [pg.InfiniteLine(pos=level, angle=0) for level in (0.0, 0.5, 1.0)]
        # Each line is two of one pixel, side by side: Qt paints a pen of two pixels six times slower.
        self._curves = [
            tuple(pg.PlotCurveItem(connect="finite", antialias=False) for _ in range(2)) for _ in range(lines)
        ]
        self._playhead = pg.InfiniteLine(angle=90)
        self._pointer = pg.InfiniteLine(angle=90)
        for item in (*self._grid, *chain.from_iterable(self._curves), self._pointer, self._playhead):
            self._view.addItem(item, ignoreBounds=True)
        self._playhead.addMarker("v", position=1.0, size=9)  # as no line of a class has
        self._playhead.hide()
        self._pointer.hide()
        self._ticks: list[tuple[float, str]] = []

    def recolour(self, scheme: Colours, lines: tuple[str, ...], *, strong: int | None, focused: bool) -> None:
        """Colours of the theme; `strong` is a line to bring out."""
        self.widget.setBackground(scheme.card)  # type: ignore[attr-defined]
        for axis in (self._left, self._bottom):
            axis.setPen(QPen(Qt.PenStyle.NoPen))
            axis.setTextPen(scheme.muted)
        for line in self._grid:
            line.setPen(_pen(scheme.edge, 1))
        for row, (curves, colour) in enumerate(zip(self._curves, lines, strict=True)):
            for curve in curves:
                curve.setPen(_pen(colour, STRONG_WIDTH if row == strong else 1))
                curve.setZValue(2 if row == strong else 1)
        self._playhead.setPen(_pen(scheme.muted, 2))
        self._playhead.setZValue(4)
        self._pointer.setPen(_pen(scheme.muted, 1, Qt.PenStyle.DashLine))
        self._pointer.setZValue(3)
        self._view.setBorder(_pen(scheme.accent, 2) if focused else None)

    def set_span(self, left: float, right: float) -> None:
        """What the horizontal axis covers."""
        self._view.setXRange(left - EDGE * (right - left), right)

    def set_ticks(self, ticks: list[tuple[float, str]]) -> None:
        """Where the horizontal axis says what."""
        if ticks != self._ticks:
            self._ticks = ticks
            self._bottom.setTicks([ticks])
        self._left.setTicks([[(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")]])

    def set_line(self, row: int, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        """Points of a line; NaN breaks it."""
        first, second = self._curves[row]
        first.setData(x, y)
        second.setData(x, y)
        width, height = self._view.viewPixelSize()
        second.setPos(width, height)

    def set_playhead(self, x: float | None) -> None:
        _place(self._playhead, x)

    def set_pointer(self, x: float | None) -> None:
        _place(self._pointer, x)

    def columns(self) -> int:
        """How many pixels wide the lines' area is."""
        return max(int(self._view.width()), 1)

    def x_at(self, pixel: float) -> float:
        """Where the horizontal axis is at a pixel of the viewport; beyond its ends where the pixel is."""
        scene = self.widget.mapToScene(int(pixel), 0)  # type: ignore[attr-defined]
        return float(self._view.mapSceneToView(scene).x())


def _pen(colour: str, width: int, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    pen = QPen(QColor(colour), width, style, Qt.PenCapStyle.FlatCap)
    pen.setCosmetic(True)
    return pen


def _place(line: pg.InfiniteLine, x: float | None) -> None:
    line.setVisible(x is not None)
    if x is not None:
        line.setValue(x)
