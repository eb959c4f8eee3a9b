"""What a measurement of faithfulness found: its verdict, its areas and its curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QBoxLayout, QVBoxLayout, QWidget

from mixer_gui.gui.labels import set_words, words_label
from mixer_gui.gui.microscope.curves_chart import AreasTable, CurvesChart, common_height, lines_of
from mixer_gui.gui.microscope.measurement import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mixer_gui.gui.microscope.measurement import Measurement

SIDE_BY_SIDE = 460  # pixels from which two charts stand beside one another


class MeasurementView(QWidget):
    """Shows one measurement, also while it grows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.verdict = words_label()
        self.verdict.setAccessibleName(self.tr("Verdict"))
        self.table = AreasTable()
        self.deletion = CurvesChart(self.tr("Deletion: probability left"), self.tr("patches removed"))
        self.insertion = CurvesChart(self.tr("Insertion: probability found"), self.tr("patches put back"))
        self._charts = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._charts.setSpacing(8)
        for chart in (self.deletion, self.insertion):
            self._charts.addWidget(chart)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.verdict)
        layout.addWidget(self.table)
        layout.addLayout(self._charts, 1)

    def fit(self, width: int) -> None:
        """The charts beside one another where there is room."""
        wide = width >= SIDE_BY_SIDE
        self._charts.setDirection(QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom)

    def show_measurement(self, found: Measurement, names: Sequence[str], *, is_running: bool) -> None:
        """`names` are those of the maps, as they may be shown."""
        curves = found.report.curves
        deletion = lines_of(found.report, found.slots, inserts=False)
        insertion = lines_of(found.report, found.slots, inserts=True)
        height = common_height(deletion, insertion)
        self.deletion.show_lines(deletion, height)
        self.insertion.show_lines(insertion, height)
        self.table.show_curves(found.slots, names, curves, "…" if is_running else "–")
        self.deletion.setAccessibleDescription(self._said(names, [each.deletion_area for each in curves]))
        self.insertion.setAccessibleDescription(self._said(names, [each.insertion_area for each in curves]))
        set_words(self.verdict, verdict(found))

    def views(self) -> dict[str, QWidget]:
        """What can be saved as a picture."""
        return {
            self.tr("Deletion curves"): self.deletion,
            self.tr("Insertion curves"): self.insertion,
            self.tr("Areas"): self.table,
        }

    def _said(self, names: Sequence[str], areas: Sequence[float | None]) -> str:
        known = [(name, area) for name, area in zip(names, areas, strict=True) if area is not None]
        return "; ".join(self.tr("{0}: area {1:.3f}").format(*each) for each in known)
