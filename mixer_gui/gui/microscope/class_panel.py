"""Why this class, and not another: evidence, each layer's direct contribution, and what the layer lens says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.images import high_end
from mixer_gui.gui.labels import FittingLabel, badge, scrolling, set_words, words_label
from mixer_gui.gui.maps import CaptionedMap, ShownMap
from mixer_gui.gui.microscope.class_chooser import ClassChooser
from mixer_gui.gui.microscope.contribution_chart import (
    ContributionChart,
    Half,
    Part,
    part_name,
    signed,
    sum_of,
    sum_sentence,
)
from mixer_gui.gui.microscope.lens_ribbon import LensRibbon
from mixer_gui.gui.microscope.panel import Panel
from mixer_gui.gui.prediction_list import percentage, short_label
from mixer_gui.records import Answer, CheckpointInfo, DifferenceReport, DifferenceRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.focus import Focus

END_LETTERS = 14  # of a class's name at the end of the colour scale
OFFER_LETTERS = 20


class ClassPanel(Panel):
    """The focus's class, alone or against another one."""

    topic = "class"

    def __init__(self, focus: Focus, parent: QWidget | None = None) -> None:
        super().__init__(focus, _tr("Why this class?"), parent)
        self._against: int | None = None
        self._part: Part | None = None  # whose contribution lies over the picture; None: the evidence
        self._answer: DifferenceReport | None = None
        self._model: CheckpointInfo | None = None  # whose class names the choosers know
        self._reveals = False
        self._told: tuple[DifferenceReport, bool] | None = None  # what the charts show, with which names
        self._overlay: CaptionedMap | None = None
        self._sentence = ""  # the sum written out
        self._mapped: tuple[object, ...] = ()  # what the overlay was made of
        self.chooser = ClassChooser(
            self.tr("Class"), self.tr("Type a part of a name, or a class's number, and press Return")
        )
        self.chooser.class_chosen.connect(self.focus.want_class)
        self.rival = ClassChooser(
            self.tr("Against"),
            self.tr("A second class: what speaks for the first and not for this one"),
            none=self.tr("nothing: this class alone"),
        )
        self.rival.class_chosen.connect(self.set_against)
        for chooser in (self.chooser, self.rival):
            chooser.not_found.connect(self._say_not_found)
        self.chooser.set_offers(self._ranked)
        self.rival.set_offers(lambda: [each for each in self._ranked() if each[0] != self.focus.class_index])
        self.swap_button = QToolButton()
        self.swap_button.setText("⇅")
        self.swap_button.setAccessibleName(self.tr("Swap the two classes"))
        self.swap_button.setToolTip(self.tr("Swap the two classes"))
        self.swap_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.swap_button.clicked.connect(self.swap)
        self.offer = QPushButton()
        self.offer.setToolTip(self.tr("Compare with the most probable other class"))
        self.offer.clicked.connect(self._take_offer)
        self.said = words_label()
        self.over_label = QLabel(self.tr("Over the picture:"))
        self.evidence_button = QToolButton()
        self.evidence_button.setText(self.tr("Evidence"))
        self.evidence_button.setCheckable(True)
        self.evidence_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.evidence_button.setToolTip(self.tr("Lay over the picture which patches speak for the class"))
        self.evidence_button.clicked.connect(lambda: self._show_part(None))
        self.raw = QCheckBox(self.tr("raw"))
        self.raw.setToolTip(
            self.tr("Without subtracting the evidence expected of all classes, by which the zero is arbitrary")
        )
        self.raw.toggled.connect(self._refresh_overlay)
        self.own_scale = QCheckBox(self.tr("own scale"))
        self.own_scale.setToolTip(self.tr("This map on a scale of its own, and not on one for all layers"))
        self.own_scale.toggled.connect(self._refresh_overlay)
        self.part_label = FittingLabel()
        self.chart = ContributionChart()
        self.chart.part_chosen.connect(self._show_part)
        self.sum = words_label()
        self.ribbon = LensRibbon()
        self.ribbon.layer_chosen.connect(self.focus.want_layer)
        self.reading = words_label("muted")
        self._build()

    # --- the panel ---

    def refresh(self) -> None:
        report, index = self.report, self.focus.class_index
        if report is None or index is None:
            return
        if report.model != self._model or self.focus.reveals_names != self._reveals:
            if report.model != self._model:  # a class number means nothing to another model
                self._against = None
            self._model, self._reveals = report.model, self.focus.reveals_names
            self._take_names()
        if self._against == index:
            self._against = None
        if self._answer is not None and self._answer.request.report_id != report.id:
            self._clear()
        self.chooser.show_class(index)
        self.rival.show_class(self._against)
        self._refresh_offer()
        wanted = self._wanted()
        if wanted is not None and (self._answer is None or self._answer.request != wanted):
            self.ask(wanted)
        if self._part is not None and self._part.half != Half.STEM and self._part.layer != self.focus.layer:
            self._part = self._part._replace(layer=self.focus.layer)
        self._show()

    def take(self, answer: Answer) -> None:
        if isinstance(answer, DifferenceReport) and answer.request == self._wanted():
            self._answer = answer
            self._show()
            self.overlay_changed.emit()

    def overlay(self) -> CaptionedMap | None:
        return self._overlay

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        answer = self._answer
        if answer is None:
            return {}
        import numpy as np

        request = answer.request
        return {
            "class_index": np.array([request.index], dtype=np.int64),
            "against_index": np.array([] if request.against is None else [request.against], dtype=np.int64),
            "logit": np.array([answer.logit]),
            "head_bias": np.array([answer.head_bias]),
            "evidence": answer.evidence,
            "centred_evidence": answer.centred_evidence,
            "stem": answer.stem,
            "token_mixing": answer.token_mixing,
            "channel_mixing": answer.channel_mixing,
            "constant": np.array([answer.constant]),
            "lens_classes": np.array([each.index for each in answer.lens], dtype=np.int64),
            "lens_probabilities": answer.lens_probabilities,
        }

    def views(self) -> dict[str, QWidget]:
        return {} if self._answer is None else {self.tr("Contributions"): self.chart, self.tr("Lens"): self.ribbon}

    # --- commands ---

    @Slot(object)
    def set_against(self, index: int | None) -> None:
        """Compare with a class, or with none."""
        if index == self.focus.class_index:
            index = None
        self._against = index
        self._follow()

    @Slot()
    def swap(self) -> None:
        index, against = self.focus.class_index, self._against
        if index is None or against is None:
            return
        self._against = index
        self.focus.want_class(against)

    @Slot()
    def _take_offer(self) -> None:
        self.set_against(self._runner_up())

    @Slot(object)
    def _show_part(self, part: Part | None) -> None:
        """A half-block's contribution over the picture, or the evidence again."""
        self._part = part
        if part is not None and part.half != Half.STEM and part.layer != self.focus.layer:
            self.focus.want_layer(part.layer)  # comes back by `refresh`
        self._refresh_overlay()
        self.overlay_wanted.emit()

    @Slot(str)
    def _say_not_found(self, text: str) -> None:
        self._told = None  # with the next refresh the answer's words come again
        set_words(self.said, self.tr("No class has “{0}” in its name.").format(text))

    # --- what is shown ---

    def _build(self) -> None:
        choosers = QGridLayout()
        choosers.setSpacing(4)
        for row, (chooser, text) in enumerate(((self.chooser, self.tr("&Class")), (self.rival, self.tr("&Against")))):
            label = QLabel(text)
            label.setBuddy(chooser.field)
            choosers.addWidget(label, row, 0)
            choosers.addWidget(chooser, row, 1)
        choosers.addWidget(self.swap_button, 0, 2, 2, 1)
        choosers.setColumnStretch(1, 1)
        over = QHBoxLayout()
        over.addWidget(self.over_label)
        over.addWidget(self.evidence_button)
        over.addWidget(self.raw)
        over.addWidget(self.part_label)
        over.addStretch(1)
        over.addWidget(self.own_scale)
        charts = QWidget()
        inside = QVBoxLayout(charts)
        inside.setContentsMargins(0, 0, 4, 0)
        inside.setSpacing(4)
        inside.addWidget(_part_heading(self.tr("Which layers speak for it"), _exact_badge(self.tr("exact"))))
        inside.addWidget(self.chart, 3)
        inside.addWidget(self.sum)
        lens_badge = badge(
            self.tr("a lens, not the truth"),
            self.tr(
                "The final norm and head on each layer's output: what the network would say if it stopped there. "
                "Computed exactly, but norm and head were trained for the last layer only."
            ),
        )
        inside.addWidget(_part_heading(self.tr("What it would say so far"), lens_badge))
        inside.addWidget(self.ribbon, 3)
        inside.addWidget(self.reading)
        self.body.addLayout(choosers)
        answer = QHBoxLayout()
        answer.addWidget(self.said, 1)
        answer.addWidget(self.offer)
        self.body.addLayout(answer)
        self.body.addLayout(over)
        self.body.addWidget(scrolling(charts), 1)

    def _wanted(self) -> DifferenceRequest | None:
        report, index = self.report, self.focus.class_index
        return None if report is None or index is None else DifferenceRequest(report.id, index, self._against)

    def _take_names(self) -> None:
        report = self.report
        if report is None:
            return
        names = report.model.names
        labels = list(names.labels[: report.model.classes])
        labels += [names.label(index) for index in range(len(labels), report.model.classes)]
        if not self.focus.reveals_names:
            for index in names.hidden:
                labels[index] = names.label(index)
        for chooser in (self.chooser, self.rival):
            chooser.set_names(tuple(labels))

    def _ranked(self) -> list[tuple[int, str]]:
        """The picture's most probable classes, for the choosers' lists."""
        predictions = () if self.report is None else self.focus.named(self.report.predictions)
        return [(each.index, f"{short_label(each.label)}   {percentage(each.probability)}") for each in predictions]

    def _runner_up(self) -> int | None:
        """The most probable class but the one that is asked about."""
        predictions = () if self.report is None else self.report.predictions
        return next((each.index for each in predictions if each.index != self.focus.class_index), None)

    def _refresh_offer(self) -> None:
        other = self._runner_up()
        self.offer.setVisible(self._against is None and other is not None)
        self.swap_button.setEnabled(self._against is not None)
        if other is not None:
            name = _shortened(self.focus.label(other), OFFER_LETTERS).replace("&", "&&")
            self.offer.setText(self.tr("Why not {0}?").format(name))

    def _clear(self) -> None:
        self._answer = self._overlay = self._told = None
        self.chart.clear()
        self.ribbon.clear()
        self._sentence = ""
        for label in (self.said, self.sum, self.reading):
            set_words(label, "")

    def _show(self) -> None:
        """All that the last answer says, in the words of the class that it is about."""
        answer = self._answer
        if answer is None or self.report is None:
            return
        if self._told is None or self._told[0] is not answer or self._told[1] != self.focus.reveals_names:
            self._told = (answer, self.focus.reveals_names)
            self._tell(answer)
        layer = min(self.focus.layer, len(answer.lens_probabilities) - 1)
        self.ribbon.mark(layer, answer.request.index, answer.request.against)
        reading = self.ribbon.told(layer)
        set_words(self.reading, reading)
        self.ribbon.setAccessibleDescription(reading)
        self._refresh_map()

    def _tell(self, answer: DifferenceReport) -> None:
        mine, theirs = self._answered_names(answer)
        if answer.rival is None:
            unit = self.tr("logit")
            said = self.tr("{0}: {1}, logit {2}").format(
                mine, percentage(answer.prediction.probability), signed(answer.logit)
            )
        else:
            unit = self.tr("logit difference")
            said = self.tr("{0} {1}, {2} {3}; the logits differ by {4}").format(
                mine,
                percentage(answer.prediction.probability),
                theirs,
                percentage(answer.rival.probability),
                signed(answer.logit),
            )
        set_words(self.said, said)
        shown = sum_of(answer)
        self.chart.show_sum(shown, unit)
        self._sentence = sum_sentence(shown, unit)
        named = self.focus.named(answer.lens)
        self.ribbon.show_lens({each.index: short_label(each.label) for each in named}, answer.lens_probabilities)

    @Slot()
    def _refresh_overlay(self) -> None:
        self._refresh_map()
        self.overlay_changed.emit()

    def _refresh_map(self) -> None:
        """What lies over the picture, and the controls that say what it is; the same map stays the same object."""
        self._refresh_part()
        answer = self._answer
        if answer is None or answer.request != self._wanted():
            self._overlay, self._mapped = None, ()
            return
        choice = (self._part, self.raw.isChecked(), self.own_scale.isChecked(), self.focus.reveals_names)
        if not self._mapped or self._mapped[0] is not answer or self._mapped[1:] != choice:
            self._mapped = (answer, *choice)
            self._overlay = self._map(answer)

    def _refresh_part(self) -> None:
        self.chart.choose(self._part)
        self.evidence_button.setChecked(self._part is None)
        self.raw.setVisible(self._part is None and self._against is None)
        self.own_scale.setVisible(self._part is not None)
        self.part_label.setVisible(self._part is not None)
        self.over_label.setVisible(self._part is None)  # a bar's name has its room
        self.part_label.set_text("" if self._part is None else part_name(self._part))
        lines = (self._sentence, "" if self._part is None else self.chart.told(self._part))
        set_words(self.sum, "\n".join(line for line in lines if line))
        self.chart.setAccessibleDescription(self.sum.text())

    def _answered_names(self, answer: DifferenceReport) -> tuple[str, str]:
        against = answer.request.against
        return self.focus.label(answer.request.index), "" if against is None else self.focus.label(against)

    def _map(self, answer: DifferenceReport) -> CaptionedMap:
        """The evidence, or a half-block's contribution."""
        mine, theirs = self._answered_names(answer)
        subject = mine if not theirs else self.tr("{0} and not {1}").format(mine, theirs)
        if self._part is None:
            values = answer.evidence if self.raw.isChecked() else answer.centred_evidence
            end = high_end((values,))
            caption = self.tr("Class view: {0}").format(subject)
            explanation = self._evidence_explained(answer)
        else:
            values = self._contribution(answer, self._part)
            alone = self.own_scale.isChecked() or self._part.half == Half.STEM
            end = high_end((values,) if alone else (answer.token_mixing, answer.channel_mixing))
            caption = self.tr("{0}: {1}").format(part_name(self._part), subject)
            explanation = self.tr(
                "What it added directly to each patch, in units of the logit; the mean over patches is its bar. "
                "Exact to the rounding of the pass (fp32)."
            )
        if theirs:
            ends = (
                f"{signed(-end)} {_shortened(theirs, END_LETTERS)}",
                f"+{signed(end)} {_shortened(mine, END_LETTERS)}",
            )
        else:
            ends = (self.tr("against {0}").format(signed(-end)), self.tr("+{0} for").format(signed(end)))
        return CaptionedMap(ShownMap(values, end, signed=True), caption, ends, self.tr("exact"), explanation)

    def _evidence_explained(self, answer: DifferenceReport) -> str:
        if answer.rival is not None:
            return self.tr(
                "Red speaks for the first class, blue for the second. The mean over patches plus {0} is the difference "
                "of the logits. Exact to the rounding of the pass (fp32)."
            ).format(signed(answer.head_bias))
        if self.raw.isChecked():
            return self.tr(
                "The mean over patches plus {0} is the logit; its zero is arbitrary. "
                "Exact to the rounding of the pass (fp32)."
            ).format(signed(answer.head_bias))
        return self.tr(
            "Less the evidence that is expected of all classes by their probabilities. "
            "Exact to the rounding of the pass (fp32)."
        )

    @staticmethod
    def _contribution(answer: DifferenceReport, part: Part) -> NDArray[np.float32]:
        if part.half == Half.STEM:
            return answer.stem
        halves = answer.token_mixing if part.half == Half.TOKEN else answer.channel_mixing
        values: NDArray[np.float32] = halves[part.layer]
        return values


def _exact_badge(text: str) -> QLabel:
    return badge(text, _tr("Computed, not estimated: exact to the rounding of the pass (fp32)."))


def _part_heading(text: str, beside: QLabel) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 4, 0, 0)
    label = QLabel(text)
    label.setObjectName("heading")
    layout.addWidget(label)
    layout.addStretch(1)
    layout.addWidget(beside)
    return row


def _shortened(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _tr(text: str) -> str:
    return QCoreApplication.translate("class_panel", text)
