"""The view that changes the picture: tools, what came of it beside what was before, and the paper's demonstration."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Signal, Slot
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QVBoxLayout, QWidget

from mixer_gui.gui.images import high_end, map_image, pixels_image
from mixer_gui.gui.labels import badge, heading, scrolling, set_words, words_label
from mixer_gui.gui.maps import MapKind, ShownMap, scale_ends
from mixer_gui.gui.microscope.before_after import Change, ChangedRanking, PicturePair, Side
from mixer_gui.gui.microscope.edit_tools import EditTools
from mixer_gui.gui.microscope.panel import Panel
from mixer_gui.gui.microscope.permutation_box import PermutationBox
from mixer_gui.gui.pairing import pair_rankings
from mixer_gui.gui.patch_panel import Legend
from mixer_gui.records import (
    Answer,
    DifferenceReport,
    DifferenceRequest,
    PermutationReport,
    PermutationRequest,
    QuestionFailed,
    Report,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PySide6.QtGui import QImage

    from mixer_gui.gui.focus import Focus


class SideMap(StrEnum):
    """What lies over the two pictures."""

    EVIDENCE = "evidence"
    RELATIVE_UPDATE = "relative_update"
    UPDATE = "update"
    NONE = "none"


class WhatIfPanel(Panel):
    """Asks for edits and shows two reports beside each other; makes no edit itself."""

    topic = "what_if"

    brush_wanted = Signal(bool)  # whether pressing on the picture paints

    def __init__(self, focus: Focus, parent: QWidget | None = None) -> None:
        super().__init__(focus, _tr("What if the picture were another?"), parent)
        self.tools = EditTools()
        self.tools.tool_changed.connect(self._set_brush)
        self.permutation = PermutationBox()
        self.permutation.asked.connect(self._ask_permutation)
        self._permuting: PermutationRequest | None = None  # what was asked last
        self._answers: dict[tuple[int, int], DifferenceReport] = {}  # by report and class
        self._maps: tuple[ShownMap, ShownMap] | None = None
        self._view = ""
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 8, 0)
        column.setSpacing(8)
        column.addWidget(self.tools)
        column.addWidget(_line())
        column.addWidget(self._build_comparison())
        column.addWidget(_line())
        column.addWidget(self.permutation)
        column.addStretch(1)
        self.scroller = scrolling(content)
        self.body.addWidget(self.scroller)
        focus.report_changed.connect(self._follow_picture)
        focus.before_answered.connect(self._take_before)
        self._follow_picture()

    def _build_comparison(self) -> QWidget:
        self.map = QComboBox()
        self.map.setAccessibleName(self.tr("Map over both pictures"))
        self.map.setToolTip(self.tr("The same map over both pictures, on one colour scale"))
        self.map.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.map.setMinimumContentsLength(14)
        for kind in SideMap:
            self.map.addItem("", kind)
        self.map.currentIndexChanged.connect(self._show_pictures)
        self.legend = Legend()
        self.ranking = ChangedRanking()
        self.ranking.class_chosen.connect(self.focus.want_class)
        self._unedited = words_label("muted")
        exact = badge(
            self.tr("exact"),
            self.tr("Both are whole forward passes of what the network sees; the maps are exact to their rounding."),
        )
        head = QHBoxLayout()
        head.addWidget(heading(self.tr("Before and after")))
        head.addWidget(exact)
        head.addStretch(1)
        self.pair = PicturePair()
        self._compared = QWidget()
        inner = QVBoxLayout(self._compared)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.map)
        inner.addWidget(self.pair)
        inner.addWidget(self.legend)
        inner.addWidget(self.ranking)
        whole = QWidget()
        layout = QVBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(head)
        layout.addWidget(self._unedited)
        layout.addWidget(self._compared)
        return whole

    # --- what the base asks for ---

    def set_shown(self, shown: bool) -> None:
        if not shown:
            self.tools.forget_stroke()
        super().set_shown(shown)
        self._set_brush()

    def refresh(self) -> None:
        report = self.report
        if report is None:
            return
        if report.pixels is not None:
            self.tools.set_input(report.model.grid, (report.pixels.shape[0], report.pixels.shape[1]))
        known = {each.id for each in (report, self.focus.before) if each is not None}
        self._answers = {key: answer for key, answer in self._answers.items() if key[0] in known}
        self._name_maps()
        self._show_comparison()
        self._show_permutation()

    def take(self, answer: Answer) -> None:
        match answer:
            case DifferenceReport() if answer.request.against is None:
                self._answers[answer.request.report_id, answer.request.index] = answer
                self._show_comparison()
            case PermutationReport() if answer.request == self._permuting:
                self.permutation.answer = answer
                self._show_permutation()

    def take_failed(self, failed: QuestionFailed) -> None:
        self._show_permutation()

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        import numpy as np

        before, report = self.focus.before, self.report
        arrays: dict[str, NDArray[np.generic]] = {}
        for name, each in (("before", before), ("after", report)):
            if each is not None and each.pixels is not None and before is not None:
                arrays[f"pixels_{name}"] = each.pixels
        if self._maps is not None:
            arrays["map_before"], arrays["map_after"] = (each.values for each in self._maps)
        changes = self.ranking.changes
        if before is not None and changes:
            arrays["classes"] = np.array([each.index for each in changes])
            arrays["probability_before"] = np.array([_number(each.before) for each in changes])
            arrays["probability_after"] = np.array([_number(each.after) for each in changes])
        answer = self.permutation.answer
        if answer is not None:
            arrays["permuted_pixels"] = answer.pixels
        return arrays

    def views(self) -> dict[str, QWidget]:
        views: dict[str, QWidget] = {}
        if self._is_comparable:
            views |= {self.tr("Pictures before and after"): self.pair, self.tr("Rankings"): self.ranking}
        if self.permutation.answer is not None:
            views[self.tr("All patches permuted")] = self.permutation.rankings
        return views

    # --- before and after ---

    @property
    def _is_comparable(self) -> bool:
        """Whether there are two pictures; what the network saw of one that was only in the strip comes later."""
        sides = (self.focus.before, self.report)
        return all(each is not None and each.pixels is not None for each in sides)

    def _show_comparison(self) -> None:
        self._compared.setVisible(self._is_comparable)
        if not self._is_comparable:
            self._maps = None
            self.ranking.show_changes(())
            is_edited = self.focus.before is not None
            words = self.tr("The picture is being prepared …") if is_edited else self.tr("Nothing is changed yet.")
            set_words(self._unedited, words)
            return
        set_words(self._unedited, "")
        self._show_pictures()
        self._show_rankings()

    def _name_maps(self) -> None:
        layer, label = self.focus.layer + 1, self._class_label()
        for kind, text in (
            (SideMap.EVIDENCE, self.tr("Evidence: {0}").format(label)),
            (SideMap.RELATIVE_UPDATE, self.tr("Layer {0}: update, relative").format(layer)),
            (SideMap.UPDATE, self.tr("Layer {0}: update, absolute").format(layer)),
            (SideMap.NONE, self.tr("No map")),
        ):
            self.map.setItemText(self.map.findData(kind), text)

    def _class_label(self) -> str:
        index = self.focus.class_index
        return "" if index is None else self.focus.label(index)

    @Slot()
    def _show_pictures(self) -> None:
        before, after = self.focus.before, self.report
        if before is None or after is None or before.pixels is None or after.pixels is None:
            return
        kind = SideMap(self.map.currentData())
        values = (self._values(before, kind), self._values(after, kind))
        self._maps = None
        self.legend.clear()
        if values[0] is not None and values[1] is not None:
            end, signed = high_end((values[0], values[1])), kind == SideMap.EVIDENCE
            self._maps = (ShownMap(values[0], end, signed), ShownMap(values[1], end, signed))
            map_kind = None if signed else MapKind(kind)
            self.legend.show_scale(*scale_ends(self._maps[0], map_kind), signed=signed)
        over: tuple[QImage | None, ...] = (None, None)
        if self._maps is not None:
            over = tuple(
                map_image(each.values, after.model.grid, each.end, signed=each.signed, fade=True) for each in self._maps
            )
        self.pair.setAccessibleDescription(self.map.currentText())
        self.pair.show_sides(
            Side(self.tr("before"), pixels_image(before.pixels), over[0]),
            Side(self.tr("after"), pixels_image(after.pixels), over[1]),
        )

    def _values(self, report: Report, kind: SideMap) -> NDArray[np.float32] | None:
        """The map, (N,); None where there is none, or an answer is awaited."""
        values: NDArray[np.float32] | None = None
        index = self.focus.class_index
        if kind in (SideMap.RELATIVE_UPDATE, SideMap.UPDATE):
            layers = report.update if kind == SideMap.UPDATE else report.relative_update
            values = layers[self.focus.layer]
        elif kind == SideMap.EVIDENCE and index is not None:
            rank = next((rank for rank, each in enumerate(report.predictions) if each.index == index), None)
            answer = None if rank is not None else self._about(report, index)
            if rank is not None:
                values = report.centred_evidence[rank]
            elif answer is not None:
                values = answer.centred_evidence
        return values

    def _show_rankings(self) -> None:
        before, after = self.focus.before, self.report
        if before is None or after is None:
            return
        pairs = pair_rankings(before, after, self._about)
        self.ranking.show_changes(
            tuple(Change(each.index, self.focus.label(each.index), each.a, each.b) for each in pairs)
        )
        self.ranking.mark(self.focus.class_index)

    def _about(self, report: Report, index: int) -> DifferenceReport | None:
        """What is known of a class outside the ranking; else it is asked for, one class of a report after the other."""
        answer, question = self._answers.get((report.id, index)), DifferenceRequest(report.id, index)
        if answer is None and self.is_shown and self.is_free(question):
            self.ask(question)
        return answer

    @Slot(object)
    def _take_before(self, answer: Answer) -> None:
        if self.is_shown:
            self._take_answer(answer)

    # --- the demonstration ---

    @property
    def _unedited_report(self) -> Report | None:
        return self.focus.before if self.focus.before is not None else self.report

    @Slot()
    def _ask_permutation(self) -> None:
        report = self._unedited_report
        if report is not None:
            self._permuting = PermutationRequest(report.id, self.permutation.seed.value())
            self.ask(self._permuting)
            if not self.is_asked(self._permuting):  # it failed before
                self.retry()
            self._show_permutation()

    def _show_permutation(self) -> None:
        """What is known of this picture, and that something is on its way only while it is."""
        report, answer = self._unedited_report, self.permutation.answer
        if report is None or answer is None or answer.request.report_id != report.id:
            self.permutation.clear()
        else:
            self.permutation.show_answer(answer, report, self.focus.named)
        if self._permuting is not None and self.is_asked(self._permuting):
            self.permutation.wait()

    # --- the brush ---

    @Slot()
    def _follow_picture(self) -> None:
        view = "" if self.report is None else self.report.view
        if view != self._view:
            self._view = view
            self.tools.forget_stroke()
        self._set_brush()

    @Slot()
    def _set_brush(self) -> None:
        self.brush_wanted.emit(self.is_shown and self.tools.paints and self.report is not None)


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    line.setFrameShadow(QFrame.Shadow.Plain)
    line.setForegroundRole(line.palette().ColorRole.Mid)
    return line


def _number(probability: float | None) -> float:
    return float("nan") if probability is None else probability


def _tr(text: str) -> str:
    return QCoreApplication.translate("WhatIfPanel", text)
