"""The mixing explorer: where the selected layer moves information, from patch to patch, and all layers together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Slot
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from mixer_gui.gui.images import high_end
from mixer_gui.gui.labels import ElidedLabel, badge, heading, scrolling, set_text, set_words, words_label
from mixer_gui.gui.maps import CaptionedMap, ShownMap
from mixer_gui.gui.microscope.mixing_charts import MatrixView, SpreadChart
from mixer_gui.gui.microscope.mixing_maps import (
    AboutPatch,
    MixingMap,
    captioned,
    choice_name,
    explanation,
    map_name,
    marked_patch,
    place,
    short_scale,
    shown_map,
)
from mixer_gui.gui.microscope.panel import Panel
from mixer_gui.gui.microscope.patch_map import PatchMap
from mixer_gui.gui.patch_panel import Legend
from mixer_gui.records import (
    Answer,
    MixingReport,
    MixingRequest,
    PatchReport,
    PatchRequest,
    QuestionFailed,
    ReachReport,
    ReachRequest,
    RolloutReport,
    RolloutRequest,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.focus import Focus

OF_LAYER = (MixingMap.READS, MixingMap.WRITES, MixingMap.ENERGY)
OF_NETWORK = (MixingMap.ROLLOUT_READS, MixingMap.ROLLOUT_WRITES, MixingMap.REACH)


class MixingPanel(Panel):
    """Spread of all layers, six maps of a patch, the mixing matrix of the layer and how sparse it is."""

    topic = "mixing"

    def __init__(self, focus: Focus, parent: QWidget | None = None) -> None:
        super().__init__(focus, QCoreApplication.translate("MixingPanel", "Mixing"), parent)
        self._report_id: int | None = None
        self._mixing: MixingReport | None = None
        self._about = AboutPatch()
        self._reached: dict[int, ReachReport] = {}  # by patch, of the current report
        self._uniform: tuple[object, float] = (None, 0.0)
        self._make_widgets()
        self._lay_out()

    def _make_widgets(self) -> None:
        self.chart = SpreadChart()
        self.chart.layer_chosen.connect(self.focus.want_layer)
        self.choice = QComboBox()
        self.choice.setAccessibleName(self.tr("Map over the picture"))
        self.choice.setToolTip(self.tr("Which of the six maps below lies over the picture"))
        for kind in MixingMap:
            self.choice.addItem(choice_name(kind), kind)
        self.choice.currentIndexChanged.connect(self._choose)
        self.where = words_label("muted")
        self.maps = {kind: PatchMap(map_name(kind)) for kind in MixingMap}
        for kind, view in self.maps.items():
            view.setToolTip(explanation(kind))
            view.patch_pinned.connect(self.focus.want_patch)
            view.patch_pointed.connect(lambda patch, kind=kind: self._read_map(kind, patch))
        self.legend = Legend()
        self.legend.show_scale(self.tr("lowers"), self.tr("raises"), signed=True)
        self.reach_button = QPushButton(self.tr("Compute reach"))
        self.reach_button.setToolTip(explanation(MixingMap.REACH))
        self.reach_button.clicked.connect(self._ask_reach)
        self.network_heading = heading("")
        self.layer_heading = heading("")
        self.matrix_heading = heading("")
        self.matrix = MatrixView()
        self.matrix.setToolTip(
            self.tr("Row p: what patch p reads. Column q: who reads patch q. A click pins the patch of the row.")
        )
        self.matrix.row_pinned.connect(self.focus.want_patch)
        self.matrix.cell_pointed.connect(self._read_cell)
        self.diagonal = PatchMap(self.tr("keeps of itself"))
        self.diagonal.setToolTip(
            self.tr("The matrix's diagonal: how much of itself each patch reads again in this layer. Exact.")
        )
        self.diagonal.patch_pinned.connect(self.focus.want_patch)
        self.diagonal.patch_pointed.connect(self._read_diagonal)
        self.value = ElidedLabel("muted")
        self.cell_value = ElidedLabel("muted")
        self.sparsity = words_label()

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(6)
        column.addLayout(_headed(heading(self.tr("Spread: how far each layer carries")), self._exact()))
        column.addWidget(self.chart)
        chooser = QHBoxLayout()
        label = QLabel(self.tr("&Over the picture"))
        label.setBuddy(self.choice)
        chooser.addWidget(label)
        chooser.addWidget(self.choice, 1)
        column.addSpacing(4)
        column.addLayout(chooser)
        column.addWidget(self.where)
        column.addLayout(_headed(self.layer_heading, self._exact()))
        column.addLayout(_side_by_side([self.maps[kind] for kind in OF_LAYER]))
        column.addWidget(self.legend)
        self.rollout_badge = badge(self.tr("rollout approximate, reach exact"), explanation(MixingMap.ROLLOUT_READS))
        column.addLayout(_headed(self.network_heading, self.rollout_badge))
        column.addLayout(_side_by_side([self.maps[kind] for kind in OF_NETWORK]))
        below = QHBoxLayout()
        below.addWidget(self.value, 1)
        below.addWidget(self.reach_button)
        column.addLayout(below)
        column.addLayout(_headed(self.matrix_heading, self._exact()))
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.matrix, 2, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.diagonal, 1, Qt.AlignmentFlag.AlignTop)
        column.addLayout(row)
        column.addWidget(self.cell_value)
        column.addWidget(self.sparsity)
        column.addStretch(1)
        self.room = scrolling(content)
        self.body.addWidget(self.room)

    def _exact(self) -> QLabel:
        return badge(self.tr("exact"), self.tr("Computed, not estimated: exact to the rounding of the pass (fp32)."))

    # --- what the window tells ---

    def refresh(self) -> None:
        report = self.report
        if report is None:
            return
        if report.id != self._report_id:
            self._report_id = report.id
            self._mixing, self._about = None, AboutPatch()
            self._reached.clear()
        layer, patch = self.focus.layer, self.focus.patch
        if self._mixing is None or self._mixing.request.layer != layer:
            self.ask(MixingRequest(report.id, layer))
        if patch is None:
            self._about = AboutPatch()
        else:  # answers about the patch before stay until the new ones come, so that the maps do not flicker
            wanted = PatchRequest(report.id, layer, patch)
            if self._about.patch is None or self._about.patch.request != wanted:
                self.ask(wanted)
            through = RolloutRequest(report.id, layer, patch)
            if self._about.rollout is None or self._about.rollout.request != through:
                self.ask(through)
            self._about = AboutPatch(self._about.patch, self._about.rollout, self._reached.get(patch))
        self._show_mixing()
        self._show_maps()

    def take(self, answer: Answer) -> None:
        report = self.report
        if report is None:
            return
        layer, patch = self.focus.layer, self.focus.patch
        if isinstance(answer, MixingReport) and answer.request == MixingRequest(report.id, layer):
            self._mixing = answer
            self._show_mixing()
            return
        if isinstance(answer, ReachReport):
            self._reached[answer.request.patch] = answer
            if answer.request.patch != patch:
                return
            self._about = AboutPatch(self._about.patch, self._about.rollout, answer)
        elif patch is not None and isinstance(answer, PatchReport):
            if answer.request != PatchRequest(report.id, layer, patch):
                return
            self._about = AboutPatch(answer, self._about.rollout, self._about.reach)
        elif patch is not None and isinstance(answer, RolloutReport):
            if answer.request != RolloutRequest(report.id, layer, patch):
                return
            self._about = AboutPatch(self._about.patch, answer, self._about.reach)
        else:
            return
        self._show_maps()
        self.overlay_changed.emit()

    def take_failed(self, failed: QuestionFailed) -> None:
        self._show_maps()

    def overlay(self) -> CaptionedMap | None:
        return None if self.report is None else captioned(self.chosen, self._about, self.report.model.grid)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        import numpy as np

        found: dict[str, NDArray[np.generic]] = {}
        if self._mixing is not None:
            found["layer"] = np.array(self._mixing.request.layer)
            found["mixing_matrix"] = self._mixing.matrix
            found["spread"] = self._mixing.spread
            found["small_share"] = self._mixing.small_share
            found["weight_small_share"] = self._mixing.weight_small_share
        for kind in MixingMap:
            shown, patch = shown_map(kind, self._about), marked_patch(kind, self._about)
            if shown is not None and patch is not None:
                found["patch"] = np.array(patch)
                found[kind.value] = shown.values
        return found

    def views(self) -> dict[str, QWidget]:
        named: dict[str, QWidget] = {self.tr("Spread"): self.chart, self.tr("Mixing matrix"): self.matrix}
        named[self.tr("Diagonal")] = self.diagonal
        named |= {choice_name(kind): view for kind, view in self.maps.items() if view.shown is not None}
        return named

    @property
    def chosen(self) -> MixingMap:
        """The map that lies over the picture."""
        return MixingMap(self.choice.currentData())

    # --- commands ---

    @Slot()
    def _choose(self) -> None:
        self._show_where()
        self.overlay_changed.emit()
        self.overlay_wanted.emit()

    @Slot()
    def _ask_reach(self) -> None:
        report, patch = self.report, self.focus.patch
        if report is not None and patch is not None:
            wanted = ReachRequest(report.id, patch)
            self.ask(wanted)
            if not self.is_asked(wanted):  # it failed before
                self.retry()
            self._show_maps()

    # --- showing ---

    def _show_mixing(self) -> None:
        """The chart, the matrix and what is read off it; the layer that is marked is the one that is chosen."""
        report, mixing = self.report, self._mixing
        layer = self.focus.layer
        set_text(self.layer_heading, self.tr("Layer {0} alone").format(layer + 1))
        through = self.tr("Layers 1 to {0}").format(layer + 1) if layer else self.tr("Layer 1")
        set_text(self.network_heading, through)
        set_text(self.matrix_heading, self.tr("Mixing matrix of layer {0}").format(layer + 1))
        if report is None or mixing is None:
            self.chart.clear()
            self.matrix.show_matrix(None)
            if report is not None:
                self.diagonal.show_map(None, report.model.grid, self.focus.patch)
            set_words(self.sparsity, "")
            return
        if self.chart.is_empty or mixing.request.layer == layer:
            self.chart.show_spread(tuple(mixing.spread.tolist()), self._uniform_spread(), layer)
        self.chart.mark(layer)
        if mixing.request.layer != layer:  # its own is on the way
            return
        self.matrix.show_matrix(mixing.matrix)
        diagonal = mixing.matrix.diagonal()
        shown = ShownMap(diagonal, high_end((diagonal,)), signed=True)
        self.diagonal.show_map(shown, report.model.grid, self.focus.patch, short_scale(shown))
        set_words(
            self.sparsity,
            self.tr(
                "Under 5 % of the largest: {0:.0f} % of the matrix in this picture, {1:.0f} % of the layer's weights "
                "in any picture. The more there are, the fewer patches a patch really reads from (ResMLP's measure of "
                "sparsity)."
            ).format(100.0 * float(mixing.small_share[layer]), 100.0 * float(mixing.weight_small_share[layer])),
        )
        self._read_cell(None)

    def _show_maps(self) -> None:
        report, patch = self.report, self.focus.patch
        if report is None:
            return
        grid = report.model.grid
        for kind, view in self.maps.items():
            shown = shown_map(kind, self._about)
            view.show_map(shown, grid, marked_patch(kind, self._about), short_scale(shown))
        self.maps[MixingMap.REACH].set_empty_message("" if patch is None else self.tr("on demand"))
        self.matrix.mark(patch)
        if self.diagonal.shown is not None:
            self.diagonal.show_map(self.diagonal.shown, grid, patch, short_scale(self.diagonal.shown))
        is_known = patch in self._reached
        is_asked = patch is not None and self.is_asked(ReachRequest(report.id, patch))
        self.reach_button.setText(self.tr("Computing …") if is_asked else self.tr("Compute reach"))
        self.reach_button.setEnabled(patch is not None and not is_known and not is_asked)
        self._read_map(MixingMap.READS, None)
        self._show_where()

    def _show_where(self) -> None:
        """What the maps are about, and what is missing for the one that was chosen."""
        report, patch = self.report, self.focus.patch
        if report is None:
            return
        if patch is None:
            words = self.tr("Point at a patch of the picture, or click a row of the matrix below. A click pins.")
        else:
            row, column = divmod(patch, report.model.grid.columns)
            words = self.tr("Patch in row {0}, column {1}. Arrow keys walk over patches, on the picture or on a map.")
            if self.chosen == MixingMap.REACH and patch not in self._reached:
                words = self.tr(
                    "Patch in row {0}, column {1}: its reach takes more than a forward pass. Press “Compute reach”."
                )
            words = words.format(row + 1, column + 1)
        set_text(self.where, words)

    def _read_map(self, kind: MixingMap, patch: int | None) -> None:
        """The pointer is over a patch of a small map: its value."""
        view, about = self.maps[kind], marked_patch(kind, self._about)
        if self.report is None or patch is None or view.shown is None or about is None:
            self.value.set_text("" if self._about.patch is None else self.tr("Point at a map to read its values."))
            return
        grid = self.report.model.grid
        pattern = "{0}: {1} {2:+.3g}" if view.shown.signed else "{0}: {1} {2:.3g}"
        self.value.set_text(pattern.format(map_name(kind), place(patch, grid), float(view.shown.values[patch])))

    @Slot(object)
    def _read_diagonal(self, patch: int | None) -> None:
        self._read_cell(None if patch is None else (patch, patch))

    @Slot(object)
    def _read_cell(self, cell: tuple[int, int] | None) -> None:
        """The pointer is over a cell of the matrix: who reads whom, and how much."""
        report = self.report
        if report is None or cell is None or self.matrix.matrix is None:
            self.cell_value.set_text(self.tr("Point at a cell: patches are named by (row, column)."))
            return
        p, q = (place(patch, report.model.grid) for patch in cell)
        self.cell_value.set_text(
            self.tr("p {0} reads q {1}: {2:+.3g}").format(p, q, self.matrix.value(cell))
            + self.tr(", scale ±{0:.2g}").format(self.matrix.end)
        )

    def _uniform_spread(self) -> float:
        """The spread of a layer whose patches read from all alike: the mean distance between two patches."""
        import numpy as np

        grid = None if self.report is None else self.report.model.grid
        if grid is not None and self._uniform[0] != grid:
            rows, columns = np.divmod(np.arange(grid.count), grid.columns)
            distances = np.hypot(rows[:, None] - rows, columns[:, None] - columns)
            self._uniform = (grid, float(distances.mean()))
        return self._uniform[1]


def _headed(title: QLabel, mark: QLabel) -> QHBoxLayout:
    row = QHBoxLayout()
    row.addWidget(title)
    row.addStretch(1)
    row.addWidget(mark)
    return row


def _side_by_side(views: list[PatchMap]) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    for view in views:
        row.addWidget(view, 1, Qt.AlignmentFlag.AlignTop)
    return row
