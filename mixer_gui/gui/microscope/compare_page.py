"""The two sides of a comparison on one page: maps, difference, rankings, facts, all layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from mixer_gui.gui.images import high_end, map_image, map_images
from mixer_gui.gui.labels import badge, heading, set_words, words_label
from mixer_gui.gui.maps import MapKind, ShownMap, kind_name, scale_ends
from mixer_gui.gui.microscope.compare_views import Triptych, seen_image
from mixer_gui.gui.microscope.layer_rows import LayerRows
from mixer_gui.gui.microscope.ranking_table import RankingTable, Row
from mixer_gui.gui.pairing import (
    TOP,
    MapPair,
    class_beside,
    correlation,
    have_same_classes,
    layers_of,
    pair_rankings,
    patch_beside,
)
from mixer_gui.gui.patch_panel import Legend
from mixer_gui.gui.prediction_list import short_label
from mixer_gui.records import ModelRef, Prediction, Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.comparison import Comparison
    from mixer_gui.gui.focus import Focus


class ComparePage(QScrollArea):
    """Shows two reports, A on the left and B on the right; what is chosen in it goes to the focus."""

    def __init__(self, focus: Focus, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.focus = focus
        self.layers_of_a: tuple[NDArray[np.float32], ...] = ()
        self.layers_of_b: tuple[NDArray[np.float32], ...] = ()
        self._sides: tuple[Report, Report, MapPair, Comparison] | None = None
        self._pointed: int | None = None  # patch of A, by the pointer on this page
        self.content = QWidget()
        self.map_name = heading("")
        self.map_name.setWordWrap(True)
        exact = badge(
            self.tr("exact"),
            self.tr("Both maps, their difference and all probabilities are computed, exact to rounding (fp32)."),
        )
        head = QHBoxLayout()
        head.addWidget(self.map_name, 1)
        head.addWidget(exact, 0, Qt.AlignmentFlag.AlignTop)
        self.pictures = Triptych()
        self.pictures.a.patch_pointed.connect(self._point_in_a)
        self.pictures.difference.patch_pointed.connect(self._point_in_a)
        self.pictures.b.patch_pointed.connect(self._point_in_b)
        for view in (self.pictures.a, self.pictures.difference):
            view.patch_clicked.connect(self.focus.want_patch)
        self.legend = Legend()
        self.scale_words = words_label("muted")
        self.patch_words = words_label()
        self.notes = words_label("muted")
        self.paired = RankingTable([self.tr("Class"), "A", "B"], self.tr("Predictions of A and of B"))
        self.only_a = RankingTable([self.tr("A: class"), ""], self.tr("Predictions of A"))
        self.only_b = RankingTable([self.tr("B: class"), ""], self.tr("Predictions of B"))
        self.paired.class_chosen.connect(self.focus.want_class)
        self.only_a.class_chosen.connect(self.focus.want_class)
        self.only_b.class_chosen.connect(self._choose_class_of_b)
        self.ranking_words = words_label("muted")
        lists = QHBoxLayout()
        lists.setSpacing(10)
        lists.addWidget(self.only_a, 1, Qt.AlignmentFlag.AlignTop)
        lists.addWidget(self.only_b, 1, Qt.AlignmentFlag.AlignTop)
        self.facts = QWidget()
        self._facts = QGridLayout(self.facts)
        self._facts.setContentsMargins(0, 0, 0, 0)
        self._facts.setVerticalSpacing(2)
        self.layer_name = heading("")
        self.layer_name.setWordWrap(True)
        self.layers = LayerRows()
        self.layers.layer_chosen.connect(self.focus.want_layer)
        self.layer_legend = Legend()
        layout = QVBoxLayout(self.content)
        layout.setContentsMargins(0, 0, 6, 0)
        layout.setSpacing(6)
        layout.addLayout(head)
        layout.addWidget(self.legend)
        layout.addWidget(self.scale_words)
        layout.addWidget(self.pictures)
        layout.addWidget(self.patch_words)
        layout.addWidget(self.notes)
        layout.addWidget(heading(self.tr("Predictions")))
        layout.addWidget(self.paired)
        layout.addLayout(lists)
        layout.addWidget(self.ranking_words)
        layout.addWidget(self.facts)
        layout.addWidget(self.layer_name)
        layout.addWidget(self.layers)
        layout.addWidget(self.layer_legend)
        layout.addStretch(1)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(self.content)
        for each in (self.viewport(), self.content):
            each.setAutoFillBackground(False)

    def views(self) -> dict[str, QWidget]:
        """What can be saved alone, by a human name."""
        rankings: dict[str, QWidget] = {self.tr("Predictions"): self.paired}
        if not self.paired.isVisibleTo(self):
            rankings = {self.tr("Predictions of A"): self.only_a, self.tr("Predictions of B"): self.only_b}
        return {
            self.tr("Whole comparison"): self.content,
            self.tr("Pictures with maps"): self.pictures,
            **rankings,
            self.tr("All layers"): self.layers,
        }

    def show_pair(self, a: Report, b: Report, pair: MapPair, comparison: Comparison) -> None:
        """Show all of both; probabilities and contributions that are not known yet are asked for."""
        self._sides = (a, b, pair, comparison)
        self._draw_pictures(a, b, pair, comparison)
        self._draw_rankings(a, b, comparison)
        self._draw_layers(a, b, pair, comparison)
        self._draw_facts(a, b)
        self._draw_notes(a, b, pair, comparison)

    def _draw_pictures(self, a: Report, b: Report, pair: MapPair, comparison: Comparison) -> None:
        pictures, kind = self.pictures, pair.choice.kind
        label = self.focus.label(pair.class_index) if pair.class_index is not None else ""
        name = self.tr("Evidence: {0}").format(label) if kind is None else kind_name(kind, label)
        self.map_name.setText(name)
        for number, (side, report, shown) in enumerate((("A", a, pair.a), ("B", b, pair.b))):
            view = pictures.b if number else pictures.a
            view.show_map(
                self._seen(report, comparison.image if number and comparison.is_of_pictures else self.focus.image),
                map_image(shown.values, report.model.grid, shown.end, signed=shown.signed, fade=True),
                report.model.grid,
            )
            title = comparison.model_title(ModelRef(report.model.path))
            if comparison.is_of_pictures:
                title = report.source.name
            pictures.titles[number].set_text(f"{side}  {title}")
            view.setAccessibleDescription(f"{title}. {name}")
            layer = pair.layer_b if number else pair.layer_a
            pictures.captions[number].set_text(
                self.tr("after the last layer")
                if kind is None
                else self.tr("layer {0} of {1}").format(layer + 1, len(report.lens))
            )
        low, high = scale_ends(pair.a, kind)
        self.legend.show_scale(low, high, signed=pair.a.signed)
        pictures.set_difference_shown(pair.difference is not None)
        if pair.difference is None:
            grids = [f"{each.rows} × {each.columns}" for each in (a.model.grid, b.model.grid)]
            words = self.tr("No difference map: A has {0} patches, B {1}.").format(*grids)
        else:
            end = pair.difference.end
            image = map_image(pair.difference.values, a.model.grid, end, signed=True)
            pictures.difference.show_map(None, image, a.model.grid)
            pictures.legend.show_scale(f"{-end:.2g}", f"+{end:.2g}", signed=True)
            words = self.tr("Red where A is higher, blue where B is, on a scale of its own.")
            words += " " + self.tr("The two maps correlate by {0:+.2f}.").format(
                correlation(pair.a.values, pair.b.values)
            )
        pictures.words.setText(words)
        pictures.difference.setAccessibleDescription(words)
        pictures.fit()

    @staticmethod
    def _seen(report: Report, image: QImage | None) -> QImage | None:
        """What the network saw, as sharp as it is there; with edits made to it, as the network got it."""
        if image is not None and not report.edits:
            return seen_image(image, report.picture_width, report.picture_height, report.seen)
        if report.pixels is None:
            return None
        height, width = report.pixels.shape[:2]
        stride = report.pixels.strides[0]
        return QImage(report.pixels.tobytes(), width, height, stride, QImage.Format.Format_RGB888).copy()

    def _draw_rankings(self, a: Report, b: Report, comparison: Comparison) -> None:
        chosen = self.focus.class_index
        is_paired, words = have_same_classes(a.model, b.model), ""
        self.paired.setVisible(is_paired)
        self.only_a.setVisible(not is_paired)
        self.only_b.setVisible(not is_paired)
        if is_paired:
            rows = pair_rankings(a, b, comparison.about)
            self.paired.show_rows(
                [(each.index, self.focus.label(each.index), (each.a, each.b)) for each in rows], chosen
            )
        else:
            beside = None if chosen is None else class_beside(chosen, a.model, b.model)
            self.only_a.show_rows([self._row(each, a) for each in a.predictions[:TOP]], chosen)
            of_b = [self._row(each, b) for each in b.predictions[:TOP]]
            unknown = frozenset(index for index, _, _ in of_b if class_beside(index, b.model, a.model) is None)
            self.only_b.show_rows(of_b, beside, unknown)
            words = self.tr(
                "The two models know different classes: their probabilities cannot be set against each other."
            )
            if unknown:
                words += " " + self.tr("Those of B that A does not know are greyed and cannot be chosen.")
        set_words(self.ranking_words, words)

    def _row(self, prediction: Prediction, report: Report) -> Row:
        label = report.model.names.label(prediction.index, reveal=self.focus.reveals_names)
        return prediction.index, short_label(label), (prediction.probability,)

    def _draw_layers(self, a: Report, b: Report, pair: MapPair, comparison: Comparison) -> None:
        """Every layer of both on one scale; evidence has no layers: the update stands in for it."""
        about_a, about_b = None, None
        is_signed = pair.choice.kind == MapKind.CONTRIBUTION
        if is_signed and pair.class_index is not None:
            beside = class_beside(pair.class_index, a.model, b.model)
            about_a = comparison.about(a, pair.class_index)
            about_b = None if beside is None else comparison.about(b, beside)
        self.layers_of_a = layers_of(a, pair.choice.kind, about_a)
        self.layers_of_b = layers_of(b, pair.choice.kind, about_b)
        kind = pair.choice.kind or MapKind.RELATIVE_UPDATE
        end = high_end((*self.layers_of_a, *self.layers_of_b))
        of_a, of_b = (
            map_images(maps, report.model.grid, [end] * len(maps), signed=is_signed)
            for maps, report in ((self.layers_of_a, a), (self.layers_of_b, b))
        )
        self.layers.show_layers(of_a, of_b, (pair.layer_a, pair.layer_b))
        label = self.focus.label(pair.class_index) if pair.class_index is not None else ""
        self.layer_name.setText(self.tr("All layers of both, one scale: {0}").format(kind_name(kind, label)))
        low, high = scale_ends(ShownMap(self.layers_of_a[0], end, is_signed), kind)
        self.layer_legend.show_scale(low, high, signed=is_signed)

    def _draw_facts(self, a: Report, b: Report) -> None:
        self.facts.setVisible(a.model != b.model)
        if a.model == b.model:
            return
        rows = [(self.tr("Model"), "A", "B")]
        for name, fact in (
            (self.tr("Parameters"), lambda each: f"{each.model.parameters:,}"),
            (self.tr("Layers"), lambda each: str(each.model.layers)),
            (self.tr("Input"), _input_size),
            (self.tr("Patches"), lambda each: f"{each.model.grid.rows} × {each.model.grid.columns}"),
            (self.tr("Classes"), lambda each: f"{each.model.classes:,}"),
            (self.tr("This forward pass"), lambda each: self.tr("{0:.1f} ms").format(each.timings_ms.forward)),
        ):
            rows.append((name, fact(a), fact(b)))
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = self._facts.itemAtPosition(row, column)
                label = item.widget() if item is not None else None
                if not isinstance(label, QLabel):
                    label = QLabel()
                    label.setObjectName("heading" if row == 0 else "muted" if column == 0 else "")
                    side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
                    label.setAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                    self._facts.addWidget(label, row, column)
                label.setText(text)
        self.facts.setToolTip(self.tr("Times are of this one pass; the first one after loading takes longer."))

    def facts_shown(self) -> dict[str, tuple[str, str]]:
        """What the table of the two models says: by the fact's name, of A and of B."""
        rows = []
        for row in range(self._facts.rowCount()):
            items = (self._facts.itemAtPosition(row, column) for column in range(3))
            labels = [None if item is None else item.widget() for item in items]
            rows.append([each.text() for each in labels if isinstance(each, QLabel)])
        return {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}

    def _draw_notes(self, a: Report, b: Report, pair: MapPair, comparison: Comparison) -> None:
        notes: list[str] = []
        is_of_pictures = comparison.is_of_pictures
        shown = self.focus.shown_map
        if shown is not None and shown.shown.signed and pair.class_index is None and self.focus.class_index is not None:
            notes.append(
                self.tr("B does not know the class “{0}”: both show the update of token mixing instead.").format(
                    self.focus.label(self.focus.class_index)
                )
            )
        if pair.choice.kind is not None and len(a.lens) != len(b.lens):
            notes.append(self.tr("Layers stand beside those at the same relative depth."))
        if is_of_pictures:
            notes.append(self.tr("Two pictures: a patch stands beside the one at the same place, whatever is there."))
        elif a.seen != b.seen:
            notes.append(self.tr("The two networks crop the picture differently."))
        if not is_of_pictures and a.edits and not b.edits:
            notes.append(self.tr("The changes made to A are not made to B, whose patches are others."))
        set_words(self.notes, " ".join((*notes, *b.notices)))
        self.scale_words.setText(self.tr("One colour scale for A and B, apart from the window's."))

    # --- one patch ---

    @Slot(object)
    def _point_in_a(self, patch: int | None) -> None:
        self._pointed = patch
        self.mark()

    @Slot(object)
    def _point_in_b(self, patch: int | None) -> None:
        if self._sides is not None:
            a, b, _, _ = self._sides
            self._point_in_a(None if patch is None else patch_beside(patch, b.model.grid, a.model.grid))

    def mark(self) -> None:
        """The patch that is pointed at here, else in the window's picture, and B's at the same place."""
        if self._sides is None:
            return
        a, b, pair, _ = self._sides
        patch = self._pointed if self._pointed is not None else self.focus.patch
        if patch is not None and patch >= a.model.grid.count:
            patch = None
        beside = None if patch is None else patch_beside(patch, a.model.grid, b.model.grid)
        self.pictures.a.mark(patch)
        self.pictures.b.mark(beside)
        self.pictures.difference.mark(patch if pair.difference is not None else None)
        if patch is None or beside is None:
            self.patch_words.setText(self.tr("Point at a patch to read its numbers in both."))
            return
        row, column = (part + 1 for part in divmod(patch, a.model.grid.columns))
        words = self.tr("Patch ({0}, {1}): A {2:.3g}").format(row, column, pair.a.values[patch])
        if a.model.grid == b.model.grid:
            words += self.tr(" · B {0:.3g}").format(pair.b.values[beside])
        else:
            row, column = (part + 1 for part in divmod(beside, b.model.grid.columns))
            words += self.tr(" · patch ({0}, {1}) of B: {2:.3g}").format(row, column, pair.b.values[beside])
        if pair.difference is not None:
            words += self.tr(" · A − B {0:+.3g}").format(pair.difference.values[patch])
        self.patch_words.setText(words)

    @Slot(int)
    def _choose_class_of_b(self, index: int) -> None:
        beside = None if self._sides is None else class_beside(index, self._sides[1].model, self._sides[0].model)
        if beside is not None:
            self.focus.want_class(beside)


def _input_size(report: Report) -> str:
    height, width = report.model.preprocessing.input_size
    return QCoreApplication.translate("compare", "{0} × {1} px").format(width, height)
