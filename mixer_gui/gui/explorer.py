"""What of the current report is on screen: layer, map, class, patch. Fills the cards, listens to them.

Knows the session and the cards; no layout, menus or files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSignalBlocker, Slot

from mixer_gui.gui.actions import button_text
from mixer_gui.gui.framing import FramingControl
from mixer_gui.gui.gallery import LivePicture
from mixer_gui.gui.heatmap_grid import LayerMap
from mixer_gui.gui.images import map_image, map_images, picture_image
from mixer_gui.gui.labels import plain_tip, shortened
from mixer_gui.gui.maps import (
    CaptionedMap,
    MapKind,
    ShownMap,
    captioned_evidence,
    captioned_layer,
    evidence_map,
    layer_maps,
)
from mixer_gui.gui.picture_painting import Overlay
from mixer_gui.gui.prediction_list import percentage, short_label, steady_order
from mixer_gui.records import (
    Answer,
    ClassReport,
    ClassRequest,
    FrameReport,
    PatchReport,
    Prediction,
    Report,
    revealed,
)

if TYPE_CHECKING:
    from mixer_gui.gui.cards import LayersCard, PatchCard, PictureCard, PredictionCard
    from mixer_gui.gui.focus import Focus
    from mixer_gui.gui.microscope.panel import Panel
    from mixer_gui.gui.session import Session


class Explorer(QObject):
    """Applies what the user points at to what the cards show. Lives in the window's thread."""

    def __init__(
        self,
        session: Session,
        picture: PictureCard,
        predictions: PredictionCard,
        layers: LayersCard,
        patch: PatchCard,
        focus: Focus,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.framing = FramingControl(session, picture, self)
        self._session = session
        self._focus = focus
        self._panel: Panel | None = None  # of the microscope, on the screen
        self._shows_before = False  # the map of the picture without its edits, where it has some
        self._shows_panel = False  # its map, in place of a layer's or the evidence
        self._picture, self._predictions, self._layers, self._patch = picture, predictions, layers, patch
        self._layer = 0
        self._class: int | None = None
        self._about: ClassReport | None = None
        self._asked_before: ClassRequest | None = None  # about the picture without its edits
        self._about_before: ClassReport | None = None  # the answer
        self._shows_evidence = False
        self._raw_evidence = False
        self._model_path = ""
        self._order: tuple[int, ...] = ()  # classes, as the list shows them
        self._kept: tuple[Report, ClassReport | None, tuple[MapKind, bool], tuple[ShownMap, ...]] | None = None
        session.current_changed.connect(self._refresh_picture)
        session.frame_changed.connect(self._refresh_picture)
        session.report_changed.connect(self._refresh_report)
        session.questions.patch_answered.connect(self._show_patch)
        session.questions.class_answered.connect(self._show_class)
        session.questions.before_answered.connect(self._take_before)
        session.names_changed.connect(self._refresh_names)
        session.model_changed.connect(self._refresh_picture)
        picture.view.patch_pointed.connect(self._ask_patch)
        picture.view.patch_pinned.connect(self._ask_patch)
        picture.overlay_chosen.connect(self.show_evidence)
        picture.opacity.valueChanged.connect(self._set_opacity)
        predictions.list.class_chosen.connect(self._choose_listed)
        predictions.top_k_chosen.connect(self._refresh_predictions)
        layers.grid.layer_chosen.connect(self._choose_layer)
        layers.kind_chosen.connect(self._choose_kind)
        layers.scale_chosen.connect(self._refresh_maps)
        picture.panel_map_chosen.connect(self._show_panel_map)
        focus.layer_wanted.connect(self._go_to_layer)
        focus.patch_wanted.connect(picture.view.pin)
        focus.class_wanted.connect(self.choose_class)
        self._refresh_picture()

    @property
    def report(self) -> Report | None:
        current = self._session.current
        return current.report if current is not None else None

    @property
    def ranking(self) -> tuple[Prediction, ...]:
        """What the list shows the first of: of a moving picture, the ranking steadied over its frames."""
        if isinstance(self._session.current, LivePicture):
            return self._session.current.ranking
        return () if self.report is None else self.report.predictions

    @property
    def shown_class(self) -> int | None:
        """The class that class-dependent maps are about: the chosen one, else the first of the ranking."""
        if self._class is not None or self.report is None:
            return self._class
        return self.ranking[0].index if self.ranking else None

    # --- commands ---

    def step_layer(self, by: int) -> None:
        """The next or previous layer; stays at the ends."""
        if self.report is not None:
            self._go_to_layer(min(max(self._layer + by, 0), len(self.report.lens) - 1))

    @Slot(object)
    def choose_class(self, index: int | None) -> None:
        """Show a class's evidence, or the layers again for None."""
        self._class = index
        self._about = None
        self._predictions.list.set_chosen(index)
        self._shows_evidence = index is not None
        self._focus.set_class(self.shown_class)
        self._session.questions.ask_class(None)  # what was answered is let go: a frame that stands still is asked again
        self._ask_class_if_shown()
        self._refresh_maps()

    @Slot(bool)
    def use_raw_evidence(self, raw: bool) -> None:
        """Whether evidence is shown as it is, or less what is expected of all classes (its zero is arbitrary)."""
        self._raw_evidence = raw
        self._refresh_overlay()

    @Slot(bool)
    def show_evidence(self, evidence: bool) -> None:
        self._shows_evidence, self._shows_panel = evidence, False
        self._refresh_overlay()

    @Slot(object)
    def set_panel(self, panel: Panel | None) -> None:
        """A view of the microscope came to the screen, or none is there any more; its map comes over the picture."""
        if self._panel is not None:
            self._panel.overlay_changed.disconnect(self._refresh_overlay)
            self._panel.overlay_wanted.disconnect(self._show_panel_map)
        self._panel, self._shows_panel = panel, panel is not None
        if panel is not None:
            panel.overlay_changed.connect(self._refresh_overlay)
            panel.overlay_wanted.connect(self._show_panel_map)
        self._refresh_overlay()

    def show_before(self, wanted: bool) -> None:
        self._shows_before = wanted
        self._refresh_overlay()

    @Slot()
    def _show_panel_map(self) -> None:
        self._shows_panel = True
        self._refresh_overlay()

    # --- refreshing ---

    @Slot()
    def _refresh_picture(self) -> None:
        current = self._session.current
        view = self._picture.view
        if current is None:
            view.set_picture(None, 0, 0)
            self._picture.name.set_text("")
            self._refresh_report()
            return
        if current.frame is not None:
            view.set_picture(picture_image(current.frame), current.frame.width, current.frame.height)
        else:  # not the one before: what is shown over it would be another picture's
            view.set_picture(None, 0, 0)
            view.set_message(self.tr("Reading …"))
        self._refresh_report()

    @Slot()
    def _refresh_report(self) -> None:
        current, report = self._session.current, self.report
        if current is not None:
            self._picture.name.set_text(current.source.name)  # an address has become a file by now
        if current is not None and current.failure is not None and current.frame is None:
            self._picture.view.set_picture(None, 0, 0)
            self._picture.view.set_message(current.failure.sentence)
        elif current is None:
            self._picture.view.set_message(
                self.tr(
                    "Drop a picture or a video here, paste a picture, or press Ctrl+O to open one.\n"
                    "Cameras and the screen are under Live."
                )
            )
        self._about = None
        if report is not None:
            self._take_model(report)
        self._refresh_predictions()
        self.framing.refresh()
        self._refresh_focus()
        self._refresh_maps()
        self._patch.panel.clear()
        self._ask_patch(self._picture.view.patch)
        self._ask_class_if_shown()

    def _refresh_focus(self) -> None:
        current, is_live = self._session.current, isinstance(self._session.current, LivePicture)
        shown = None if current is None or is_live or current.frame is None else current
        index = None if shown is None else self.shown_class
        patch = self._picture.view.patch
        self._focus.look_at(shown, is_live=is_live, layer=self._layer, patch=patch, class_index=index)

    def show_frame_report(self, answer: FrameReport, *, moves: bool) -> None:
        """The newest of a moving picture that is current, whose `report` and `ranking` were set already.

        While it `moves`, the list keeps its order where classes are about as probable.
        """
        if answer.report is not None:
            self._take_model(answer.report)
            self._about = answer.about_class
        rows = self._predictions.top_k.value()
        shown = steady_order(self._order, self.ranking, rows) if moves else self.ranking[:rows]
        self._order = tuple(each.index for each in shown)
        named = revealed(shown, answer.model.names) if self._session.reveals_names else shown
        self._predictions.list.show_predictions(named)
        self._ask_class_if_shown()
        if answer.report is not None:
            view = self._picture.view
            if not view.is_dragged and not view.shows(answer.report.seen, answer.report.model.grid):
                self.framing.refresh()
            self._refresh_maps()
            if answer.about_patch is not None:
                self._show_patch(answer.about_patch)

    def _take_model(self, report: Report) -> None:
        """The layer that is shown has to be there; and a class number means nothing to another model."""
        self._layer = min(self._layer, len(report.lens) - 1)
        if report.model.path.as_posix() != self._model_path:
            self._model_path, self._class, self._shows_evidence = report.model.path.as_posix(), None, False
            self._predictions.list.set_chosen(None)

    @Slot()
    def _refresh_predictions(self) -> None:
        report = self.report
        rows = self._predictions.top_k.value()
        shown = self.ranking[:rows]
        self._order = tuple(each.index for each in shown)
        self._predictions.list.show_predictions(() if report is None else self._named(shown, report))
        self._predictions.list.set_chosen(self._class)

    @Slot()
    def _refresh_names(self) -> None:
        self._focus.set_names(reveals=self._session.reveals_names)
        self._refresh_predictions()
        self._refresh_maps()

    @Slot()
    def _refresh_maps(self) -> None:
        report = self.report
        label = self._class_label()
        self._layers.set_class(label)
        self._picture.evidence_button.setText(
            self.tr("Evidence: {0}").format(button_text(shortened(label, 22))) if label else self.tr("Evidence")
        )
        self._picture.evidence_button.setEnabled(report is not None)
        self._picture.layer_button.setEnabled(report is not None)
        if report is None:
            self._layers.grid.layers.set_layers(())
        else:
            maps = self._layer_maps(report, self._about)
            images = map_images(
                [each.values for each in maps],
                report.model.grid,
                [each.end for each in maps],
                signed=maps[0].signed,
            )
            self._layers.grid.layers.set_layers(
                tuple(
                    LayerMap(layer + 1, image, self._named(lens, report))
                    for layer, (image, lens) in enumerate(zip(images, report.lens, strict=True))
                )
            )
            with QSignalBlocker(self._layers.grid):  # nobody chose it just now: evidence stays where it is shown
                self._layers.grid.select_layer(self._layer)
        self._refresh_overlay()

    def _refresh_overlay(self) -> None:
        """The map over the picture and its legend."""
        report = self.report
        self._picture.layer_button.setText(self.tr("Layer {0}").format(self._layer + 1))
        ranking = () if report is None else self._named(report.lens[self._layer][:2], report)
        said = ", ".join(f"{short_label(each.label)} {percentage(each.probability)}" for each in ranking)
        self._layers.set_lens(self._layer + 1, said)
        panel_map = None if self._focus.report is None or self._panel is None else self._panel.overlay()
        self._picture.set_panel_map("" if panel_map is None else panel_map.caption)
        current = self._session.current
        before = current.before if self._shows_before and current is not None else None
        over: CaptionedMap | None = None
        if report is not None and before is not None:
            over = self._own_map(before, self._known_before(before)) or self._layer_map(before, None)
        elif report is not None:
            over = panel_map if self._shows_panel and panel_map is not None else self._own_map(report, self._about)
        shows_panel = over is not None and over is panel_map
        shows_evidence = self._shows_evidence and (over is None or over.is_evidence)
        self._picture.panel_button.setChecked(shows_panel)
        self._picture.layer_button.setChecked(not shows_panel and not shows_evidence)
        self._picture.evidence_button.setChecked(not shows_panel and shows_evidence)
        self._picture.exactness.setVisible(over is not None)
        self._focus.set_map(None if self._focus.report is None else over)
        if report is None or over is None:
            self._picture.view.set_overlay(None)
            self._picture.legend.clear()
            return
        self._picture.exactness.setText(over.exactness)
        self._picture.exactness.setToolTip(plain_tip(over.explanation))
        shown = over.shown
        image = map_image(shown.values, report.model.grid, shown.end, signed=shown.signed, fade=True)
        self._picture.view.set_overlay(Overlay(image, report.seen, report.model.grid))
        self._picture.legend.show_scale(*over.ends, signed=shown.signed)

    def _own_map(self, report: Report, about: ClassReport | None) -> CaptionedMap | None:
        """The selected layer's map, or the class's evidence: None until it is known."""
        if self._shows_evidence and self.shown_class is not None:
            shown = evidence_map(report, self.shown_class, about, raw=self._raw_evidence)
            return None if shown is None else captioned_evidence(shown, self._class_label())
        return self._layer_map(report, about)

    def _layer_map(self, report: Report, about: ClassReport | None) -> CaptionedMap:
        kind = MapKind(self._layers.kind.currentData())
        if kind == MapKind.CONTRIBUTION and about is None:
            kind = MapKind.RELATIVE_UPDATE
        return captioned_layer(self._layer_maps(report, about)[self._layer], kind, self._layer, self._class_label())

    def _known_before(self, before: Report) -> ClassReport | None:
        """What speaks for the class in the picture without its edits; asked for once where it is not known."""
        index = self.shown_class
        question = None if index is None else ClassRequest(before.id, index)
        if question is not None and question != self._asked_before:
            self._asked_before, self._about_before = question, None
            self._session.questions.ask(question)
        return self._about_before

    @Slot(object)
    def _take_before(self, answer: Answer) -> None:
        if isinstance(answer, ClassReport) and answer.request == self._asked_before:
            self._about_before = answer
            self._refresh_overlay()

    def _layer_maps(self, report: Report, about: ClassReport | None) -> tuple[ShownMap, ...]:
        """Asked for by the grid and by the overlay, and of a moving picture thirty times a second: kept."""
        kind, per_layer = MapKind(self._layers.kind.currentData()), self._layers.per_layer.isChecked()
        kept = self._kept
        if kept is None or kept[0] is not report or kept[1] is not about or kept[2] != (kind, per_layer):
            maps = layer_maps(report, about, kind, per_layer=per_layer)
            self._kept = kept = (report, about, (kind, per_layer), maps)
        return kept[3]

    def _class_label(self) -> str:
        report, index = self.report, self.shown_class
        if report is None or index is None:
            return ""
        return short_label(report.model.names.label(index, reveal=self._session.reveals_names))

    def _named(self, predictions: tuple[Prediction, ...], report: Report) -> tuple[Prediction, ...]:
        """As they may be shown: with all names where they were asked for."""
        return revealed(predictions, report.model.names) if self._session.reveals_names else predictions

    # --- what the user points at ---

    @Slot(int)
    def _choose_layer(self, layer: int) -> None:
        """A layer's cell was chosen: its map comes over the picture, whatever lay there."""
        if layer != self._layer or self._layers.grid.hasFocus():
            self._shows_panel = self._shows_evidence = False
        self._set_layer(layer)

    @Slot(int)
    def _go_to_layer(self, layer: int) -> None:
        """By a key, or from a view: its map stays over the picture."""
        with QSignalBlocker(self._layers.grid):
            self._layers.grid.select_layer(layer)
        if layer != self._layer:
            self._shows_evidence = False
        self._set_layer(layer)

    def _set_layer(self, layer: int) -> None:
        if layer != self._layer:
            self._layer = layer
            self._focus.set_layer(layer)
            self._ask_patch(self._picture.view.patch)
        self._refresh_overlay()

    @Slot(object)
    def _choose_listed(self, index: int | None) -> None:
        """A class of the predictions was chosen: its evidence comes over the picture, whatever lay there."""
        self._shows_panel = False
        self.choose_class(index)

    @Slot(object)
    def _choose_kind(self, kind: MapKind) -> None:
        if kind != MapKind.CONTRIBUTION or self._about is None:
            self._ask_class_if_shown()
        self._refresh_maps()

    @Slot(int)
    def _set_opacity(self, percent: int) -> None:
        self._picture.opacity_value.setText(f"{percent} %")
        self._picture.view.set_opacity(percent / 100.0)

    @Slot(object)
    def _ask_patch(self, patch: int | None) -> None:
        patch = self._picture.view.patch
        report = self.report
        self._focus.set_patch(patch)
        if patch is None or report is None:
            self._session.questions.ask_patch(self._layer, None)
            self._patch.title.setText(self.tr("Patch"))
            self._patch.panel.clear()
            return
        row, column = divmod(patch, report.model.grid.columns)
        self._patch.title.setText(self.tr("Layer {0}, patch ({1}, {2})").format(self._layer + 1, row + 1, column + 1))
        self._session.questions.ask_patch(self._layer, patch)

    def _ask_class_if_shown(self) -> None:
        """The maps of the ranked classes come with the report; others, and contributions, have to be asked for."""
        is_shown = self._class is not None or self._layers.kind.currentData() == MapKind.CONTRIBUTION
        self._session.questions.ask_class(self.shown_class if is_shown else None)

    @Slot(object)
    def _show_patch(self, answer: PatchReport) -> None:
        report = self.report
        asked = answer.request
        if report is not None and asked.patch == self._picture.view.patch and asked.layer == self._layer:
            self._patch.panel.show_report(answer, report.model.grid)

    @Slot(object)
    def _show_class(self, answer: ClassReport) -> None:
        if answer.prediction.index == self.shown_class:
            self._about = answer
            self._refresh_maps()
