"""What is on the screen as one HTML page that needs nothing else: no network, no other file, no script.

A page is gathered in the window's thread; `to_html` runs in the saver's. All text comes from outside and is escaped.
"""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QCoreApplication, QIODevice

from mixer_gui.gui.images import legend_colours
from mixer_gui.gui.report_style import STYLE
from mixer_gui.records import Edit, Erase, Fill, PatchGrid, Shift, Shuffle, Stamp, Swap, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtGui import QImage

    from mixer_gui.gui.heatmap_grid import LayerMap
    from mixer_gui.gui.maps import CaptionedMap
    from mixer_gui.records import Prediction

LISTED_PATCHES = 12
# What a name must not do to the page: C0 and C1 controls, and halves of surrogate pairs.
_REPLACED = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)), "\ufffd")

PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header><h1>$heading</h1><p class="muted">$subtitle</p>$notices</header>
<main>
<div class="columns"><section>$picture</section><section>$predictions</section></div>
$edits
<section>$layers</section>
$view
<div class="columns facts"><section>$model</section><section>$settings</section></div>
</main>
<footer class="muted">$footer</footer>
</body>
</html>
"""
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A part of a view: an SVG document with its size in pixels of the screen."""

    name: str
    svg: bytes
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class LayersPart:
    """All layers' maps as they are shown; `ends` are those of the common scale, or for each layer its own."""

    caption: str
    layers: tuple[LayerMap, ...]
    ends: tuple[tuple[str, str], ...]
    signed: bool
    per_layer: bool


@dataclass(frozen=True, slots=True, eq=False)
class EditsPart:
    """What was changed, in words, and what it changed: classes with their probabilities before and after."""

    words: tuple[str, ...]
    before: QImage | None  # what the network saw
    after: QImage | None
    changes: tuple[tuple[str, float | None, float | None], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ReportPage:
    """All that a page shows, in the words that the window uses; `facts` are names with their values."""

    name: str
    subtitle: str
    picture: QImage
    picture_caption: str
    shown: CaptionedMap | None
    network_input: QImage | None
    input_caption: str
    predictions: tuple[Prediction, ...]
    chosen: int | None  # the class that maps are about
    layers: LayersPart
    edits: EditsPart | None
    view_title: str
    figures: tuple[Figure, ...]
    model: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    notices: tuple[str, ...]
    footer: str


def to_html(page: ReportPage) -> str:
    """The whole page. Encodes its pictures: some 100 ms for a large one."""
    return PAGE.substitute(
        title=escaped(f"{page.name} — Mixer GUI"),
        style=STYLE,
        heading=_name(page.name),
        subtitle=escaped(page.subtitle),
        notices="".join(f'<p class="notice">{escaped(each)}</p>' for each in page.notices),
        picture=_picture(page),
        predictions=_predictions(page),
        edits="" if page.edits is None else f"<section>{_edits(page.edits)}</section>",
        layers=_layers(page.layers),
        view=_view(page),
        model=f"<h2>{_tr('Model')}</h2>{_facts(page.model)}",
        settings=f"<h2>{_tr('Settings and times')}</h2>{_facts(page.settings)}",
        footer=escaped(page.footer),
    )


def escaped(text: str) -> str:
    """Fit for text and for attributes in double quotes; control characters show as one that stands for them."""
    return html.escape(text.translate(_REPLACED), quote=True)


def edit_words(edit: Edit, grid: PatchGrid) -> str:
    """What was done, in a sentence without a full stop; patches by row and column from 1."""
    match edit:
        case Erase():
            fill = _tr("blurred") if edit.fill == Fill.BLUR else _tr("set to the mean colour")
            return _tr("{0}: {1}").format(fill, _patches(edit.patches, grid))
        case Stamp():
            return _tr("from “{0}”: {1}").format(edit.name, _patches(edit.patches, grid))
        case Swap():
            return _tr("swapped: {0}").format(_patches((edit.first, edit.second), grid))
        case Shuffle():
            return _tr("all patches shuffled by the permutation of seed {0}").format(edit.seed)
        case Turn():
            return _tr("turned counter-clockwise by {0}°").format(edit.quarters * 90)
        case Shift():
            return _tr("shifted by {0} px to the right and {1} px down, round the edges").format(edit.right, edit.down)


def _patches(patches: Iterable[int], grid: PatchGrid) -> str:
    chosen = sorted(patches)
    places = ", ".join(
        "({}, {})".format(*(part + 1 for part in divmod(each, grid.columns))) for each in chosen[:LISTED_PATCHES]
    )
    more = _tr(" and {0} more").format(len(chosen) - LISTED_PATCHES) if len(chosen) > LISTED_PATCHES else ""
    count = _tr("1 patch") if len(chosen) == 1 else _tr("{0} patches").format(len(chosen))
    return f"{count} {places}{more}"


# --- parts ---


def _picture(page: ReportPage) -> str:
    parts = [f"<h2>{_tr('Picture')}</h2>", _figure(_png(page.picture), page.picture, page.picture_caption, "photo")]
    if page.shown is not None:
        shown = page.shown
        parts.append(f'<p class="caption">{escaped(shown.caption)} {_badge(shown.exactness, shown.explanation)}</p>')
        parts.append(_legend(shown.ends, signed=shown.shown.signed))
    if page.network_input is not None:
        image = page.network_input
        parts.append(f"<h3>{_tr('What the network saw')}</h3>")
        parts.append(_figure(_png(image), image, page.input_caption, "input"))
    return "".join(parts)


def _predictions(page: ReportPage) -> str:
    rows = []
    for rank, each in enumerate(page.predictions, 1):
        chosen = each.index == page.chosen
        mark = f' <span class="badge">{_tr("maps are about it")}</span>' if chosen else ""
        wnid = "" if each.wnid is None else f' <span class="muted">{escaped(each.wnid)}</span>'
        rows.append(
            f'<tr{" class=chosen" if chosen else ""}><td>{rank}</td><th scope="row">{_name(each.label)}{wnid}{mark}'
            f'<span class="bar" style="width:{each.probability * 100:.2f}%"></span></th>'
            f"<td>{_percentage(each.probability)}</td><td>{each.logit:.4f}</td></tr>"
        )
    head = f"<th>#</th><th>{_tr('Class')}</th><th>{_tr('Probability')}</th><th>{_tr('Logit')}</th>"
    return (
        f"<h2>{_tr('Predictions')}</h2><table class=ranking><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _layers(part: LayersPart) -> str:
    cells = []
    for row, layer in enumerate(part.layers):
        lens = "".join(
            f"<li>{_name(each.label)} <span class=muted>{_percentage(each.probability)}</span></li>"
            for each in layer.lens
        )
        name = _tr("Layer {0}").format(layer.number)
        own = "" if not part.per_layer else f"<p class=muted>{escaped(' … '.join(part.ends[row]))}</p>"
        image = f'<img class=map src="{_png(layer.image)}" alt="{escaped(f"{part.caption}, {name}")}">'
        cells.append(f"<figure>{image}<figcaption><b>{escaped(name)}</b>{own}<ol>{lens}</ol></figcaption></figure>")
    scale = "" if part.per_layer else _legend(part.ends[0], signed=part.signed)
    note = _tr(
        "Below each map: what the final norm and the head would say if the network stopped there. A lens, not the "
        "truth: they were trained for the last layer only."
    )
    how = _tr("each on its own scale") if part.per_layer else _tr("all on one scale")
    return (
        f"<h2>{_tr('Layers')}</h2><p class=caption>{escaped(part.caption)}, {escaped(how)} "
        f"{_badge(_tr('exact'), _tr('Exact to the rounding of the pass.'))}</p>{scale}"
        f'<div class="layers">{"".join(cells)}</div><p class=muted>{escaped(note)}</p>'
    )


def _edits(part: EditsPart) -> str:
    words = "".join(f"<li>{escaped(each)}</li>" for each in part.words)
    images = "".join(
        _figure(_png(image), image, caption, "input")
        for image, caption in ((part.before, _tr("before")), (part.after, _tr("after")))
        if image is not None
    )
    rows = "".join(
        f'<tr><th scope="row">{_name(label)}</th><td>{_maybe(before)}</td><td>{_maybe(after)}</td></tr>'
        for label, before, after in part.changes
    )
    note = _tr("–: not among the classes that were ranked.") if any(None in each for each in part.changes) else ""
    table = (
        f"<table class=changes><thead><tr><th>{_tr('Class')}</th><th>{_tr('Before')}</th><th>{_tr('After')}</th></tr>"
        f"</thead><tbody>{rows}</tbody></table><p class=muted>{escaped(note)}</p>"
        if rows
        else ""
    )
    return f'<h2>{_tr("Edits")}</h2><ol>{words}</ol><div class="pair">{images}</div>{table}'


def _view(page: ReportPage) -> str:
    if not page.figures:
        return ""
    figures = "".join(
        f'<figure><figcaption>{escaped(each.name)}</figcaption><img src="{_data("image/svg+xml", each.svg)}" '
        f'style="width:{each.width}px" alt="{escaped(each.name)}"></figure>'
        for each in page.figures
    )
    return f'<section><h2>{escaped(page.view_title)}</h2><div class="views">{figures}</div></section>'


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escaped(name)}</dt><dd>{_name(value)}</dd>" for name, value in facts)
    return f"<dl>{rows}</dl>"


# --- pieces ---


def _name(text: str) -> str:
    """Text that may run from right to left, and must not turn its surroundings."""
    return f"<bdi>{escaped(text)}</bdi>"


def _badge(text: str, explanation: str) -> str:
    return f'<span class="badge" title="{escaped(explanation)}">{escaped(text)}</span>'


def _legend(ends: tuple[str, str], *, signed: bool) -> str:
    colours = ", ".join(each.name() for each in legend_colours(signed=signed))
    return (
        f'<p class="legend"><span>{escaped(ends[0])}</span>'
        f'<span class="scale" style="background:linear-gradient(to right, {colours})"></span>'
        f"<span>{escaped(ends[1])}</span></p>"
    )


def _figure(address: str, image: QImage, caption: str, kind: str) -> str:
    return (
        f'<figure><img class="{kind}" src="{address}" width="{image.width()}" height="{image.height()}" '
        f'alt="{escaped(caption)}"><figcaption class=muted>{escaped(caption)}</figcaption></figure>'
    )


def _png(image: QImage) -> str:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # the stub wants bytes, Qt's binding takes str alone
    return _data("image/png", bytes(buffer.data().data()))


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _percentage(probability: float) -> str:
    return f"{probability * 100.0:.2f} %"


def _maybe(probability: float | None) -> str:
    return "–" if probability is None else _percentage(probability)


def _tr(text: str) -> str:
    return QCoreApplication.translate("report", text)
