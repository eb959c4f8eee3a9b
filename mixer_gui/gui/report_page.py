"""Gathers what is on the screen for a report, in the window's thread and in the window's words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QImage

from mixer_gui import __version__
from mixer_gui.gui.heatmap_grid import LAYER_ROLE, LayerMap
from mixer_gui.gui.maps import MapKind, kind_name, layer_maps, scale_ends
from mixer_gui.gui.prediction_list import short_label
from mixer_gui.gui.rendering import to_svg, widget_drawing
from mixer_gui.gui.report import EditsPart, Figure, LayersPart, ReportPage, edit_words
from mixer_gui.gui.theme import painted_light
from mixer_gui.records import FrameSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PySide6.QtWidgets import QWidget

    from mixer_gui.gui.focus import Focus
    from mixer_gui.gui.report_commands import Screen
    from mixer_gui.records import ClassReport, Prediction, Report

CHANGED_CLASSES = 5  # of each ranking


def gather(screen: Screen, about: ClassReport | None) -> ReportPage | None:
    """The page; None where there is nothing to report. `about`: the newest answer about a class, of any report."""
    focus, report = screen.focus, screen.focus.report
    picture = screen.picture.view.picture_with_map()
    if report is None or picture is None:
        return None
    shows_before = bool(report.edits) and screen.picture.edits_bar.before.isChecked()
    title, figures = _figures(screen)
    return ReportPage(
        name=_source_name(report),
        subtitle=_tr("{0} × {1} pixels · {2}").format(report.picture_width, report.picture_height, report.model.name),
        picture=picture,
        picture_caption=_picture_caption(report, shows_before=shows_before),
        shown=focus.shown_map,
        network_input=pixels_image(report.pixels),
        input_caption=_input_caption(report),
        predictions=focus.named(report.predictions[: screen.predictions.top_k.value()]),
        chosen=focus.class_index,
        layers=_layers(screen, report, about),
        edits=_edits(focus, report),
        view_title=title,
        figures=figures,
        model=_model_facts(report),
        settings=_settings(screen, report),
        notices=report.notices,
        footer=_tr("Made with Mixer GUI {0} on {1}. Nothing in this page was fetched from anywhere.").format(
            __version__, datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        ),
    )


def pixels_image(pixels: NDArray[np.uint8] | None) -> QImage | None:
    """A copy of uint8 (height, width, 3) as an image."""
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def _source_name(report: Report) -> str:
    source = report.source
    return f"{source.name}, {source.time_s:.3f} s" if isinstance(source, FrameSource) else source.name


def _picture_caption(report: Report, *, shows_before: bool) -> str:
    seen = report.seen
    caption = _tr("The network saw {0:.0f} × {1:.0f} pixels of it, from ({2:.0f}, {3:.0f}).").format(
        seen.width, seen.height, seen.left, seen.top
    )
    return caption + " " + _tr("Shown as it was before the edits.") if shows_before else caption


def _input_caption(report: Report) -> str:
    height, width = report.model.preprocessing.input_size
    grid = report.model.grid
    caption = _tr("{0} × {1} pixels in {2} × {3} patches").format(width, height, grid.columns, grid.rows)
    return caption + ", " + _tr("with the edits") if report.edits else caption


def _layers(screen: Screen, report: Report, about: ClassReport | None) -> LayersPart:
    card, kind = screen.layers, MapKind(screen.layers.kind.currentData())
    model = card.grid.layers
    shown = tuple(model.index(row).data(LAYER_ROLE) for row in range(model.rowCount()))
    if about is not None and (about.request.report_id, about.request.index) != (report.id, screen.focus.class_index):
        about = None
    per_layer = card.per_layer.isChecked()
    maps = layer_maps(report, about, kind, per_layer=per_layer)
    signed = maps[0].signed
    if kind == MapKind.CONTRIBUTION and not signed:  # not answered yet: the relative update is shown
        kind = MapKind.RELATIVE_UPDATE
    label = "" if screen.focus.class_index is None else screen.focus.label(screen.focus.class_index)
    return LayersPart(
        kind_name(kind, label),
        tuple(each for each in shown if isinstance(each, LayerMap)),
        tuple(scale_ends(each, kind) for each in maps),
        signed,
        per_layer,
    )


def _edits(focus: Focus, report: Report) -> EditsPart | None:
    if not report.edits:
        return None
    words = tuple(edit_words(each, report.model.grid) for each in report.edits)
    before = focus.before
    after_image = pixels_image(report.pixels)
    if before is None:
        return EditsPart(words, None, after_image, ())
    old, new = ({each.index: each.probability for each in one.predictions} for one in (before, report))
    named: dict[int, Prediction] = {}
    for each in focus.named((*report.predictions[:CHANGED_CLASSES], *before.predictions[:CHANGED_CLASSES])):
        named.setdefault(each.index, each)
    changes = tuple((short_label(each.label), old.get(index), new.get(index)) for index, each in named.items())
    return EditsPart(words, pixels_image(before.pixels), after_image, changes)


def _figures(screen: Screen) -> tuple[str, tuple[Figure, ...]]:
    """What the microscope's view shows, and its title; of the overview, the patch that is looked at."""
    panel = screen.microscope.panel
    if panel is not None:
        return panel.title.text(), tuple(_figure(*each) for each in outermost(panel.views()).items())
    if screen.focus.patch is None:
        return "", ()
    return _tr("Patch"), (_figure(screen.patch.title.text(), screen.patch.panel),)


def outermost(views: dict[str, QWidget]) -> dict[str, QWidget]:
    """Views that are no part of another, and that there is something to see of."""
    return {
        name: each
        for name, each in views.items()
        if not each.size().isEmpty()
        and not any(other is not each and other.isAncestorOf(each) for other in views.values())
    }


def _figure(name: str, widget: QWidget) -> Figure:
    with painted_light(widget):
        drawing = widget_drawing(name, widget)
        return Figure(name, to_svg(drawing, drawing.size), drawing.size.width())


def _model_facts(report: Report) -> tuple[tuple[str, str], ...]:
    model, way, device = report.model, report.model.preprocessing, report.device
    height, width = way.input_size
    facts = [
        (_tr("Name"), model.name),
        (_tr("Revision"), model.revision or _tr("none: a file or folder")),
        (_tr("Parameters"), f"{model.parameters:,}"),
        (
            _tr("Shape"),
            _tr("{0} layers, {1} × {2} patches of {3} px, {4} channels, {5:,} classes").format(
                model.layers, model.grid.columns, model.grid.rows, model.patch_size, model.channels, model.classes
            ),
        ),
        (_tr("Device"), device.name),
        (_tr("Precision"), device.precision),
        (
            _tr("Preprocessing"),
            _tr("{0} × {1} px, {2}, crop {3:g} ({4})").format(
                width, height, way.interpolation.value, way.crop_pct, way.crop_mode.value
            ),
        ),
        (_tr("Mean, std"), f"({_numbers(way.mean)}), ({_numbers(way.std)})"),
        (_tr("GELU"), _tr("exact") if model.gelu.value == "none" else model.gelu.value),
        (_tr("Temperature"), f"{model.temperature:g}"),
    ]
    if model.assumed:
        facts.append((_tr("Assumed"), _tr("preprocessing: the file does not say it")))
    return tuple(facts)


def _settings(screen: Screen, report: Report) -> tuple[tuple[str, str], ...]:
    shown, times = screen.focus.shown_map, report.timings_ms
    scale = _tr("each layer on its own") if screen.layers.per_layer.isChecked() else _tr("one for all layers")
    return (
        (_tr("Map"), _tr("none") if shown is None else shown.caption),
        (_tr("Selected layer"), str(screen.focus.layer + 1)),
        (_tr("Maps are about"), _class_name(screen)),
        (_tr("Opacity"), f"{screen.picture.opacity.value()} %"),
        (_tr("Scale of layers"), scale),
        (_tr("Framing"), screen.picture.framing.currentText()),
        (_tr("Decoding"), _ms(times.decode)),
        (_tr("Preprocessing"), _ms(times.preprocess)),
        (_tr("Forward pass"), _ms(times.forward)),
        (_tr("Explaining"), _ms(times.explain)),
    )


def _class_name(screen: Screen) -> str:
    index = screen.focus.class_index
    return _tr("no class") if index is None else screen.focus.label(index)


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{each:g}" for each in values)


def _ms(value: float) -> str:
    return f"{value:.1f} ms"


def _tr(text: str) -> str:
    return QCoreApplication.translate("report", text)
