"""Which map is shown: from a report, and what the user chose, to values, colour scale and words.

Functions over records; no widget.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from mixer_gui.gui.images import high_end

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.records import ClassReport, Report


class MapKind(StrEnum):
    """What the layers' maps show; stored in the settings by value."""

    RELATIVE_UPDATE = "relative_update"
    UPDATE = "update"
    CONTRIBUTION = "contribution"


@dataclass(frozen=True, slots=True)
class ShownMap:
    """One map with the end of its colour scale."""

    values: NDArray[np.float32]  # (N,)
    end: float
    signed: bool


@dataclass(frozen=True, slots=True)
class CaptionedMap:
    """A map as it lies over the picture, with the words around it."""

    shown: ShownMap
    caption: str  # what it is, in a few words
    ends: tuple[str, str]  # of the colour scale
    exactness: str  # the badge: exact, approximate, …
    explanation: str  # the badge's tooltip
    is_evidence: bool = False  # of a class, and not a layer's or a view's


def layer_maps(report: Report, about: ClassReport | None, kind: MapKind, *, per_layer: bool) -> tuple[ShownMap, ...]:
    """A map for each layer, on one colour scale or each on its own.

    CONTRIBUTION needs `about`, a class report of the same picture; without it the relative update is shown.
    """
    signed = kind == MapKind.CONTRIBUTION and about is not None
    if signed and about is not None:
        layers = tuple(about.token_mixing)
    else:
        layers = tuple(report.update if kind == MapKind.UPDATE else report.relative_update)
    common = high_end(layers)
    return tuple(ShownMap(each, high_end((each,)) if per_layer else common, signed) for each in layers)


def evidence_map(report: Report, class_index: int, about: ClassReport | None, *, raw: bool) -> ShownMap | None:
    """Evidence for a class, `raw` or less the expected evidence; None until a class outside the top-k is answered."""
    rank = next((rank for rank, each in enumerate(report.predictions) if each.index == class_index), None)
    if rank is not None:
        values = (report.evidence if raw else report.centred_evidence)[rank]
    elif about is not None and about.prediction.index == class_index:
        values = about.evidence if raw else about.centred_evidence
    else:
        return None
    return ShownMap(values, high_end((values,)), signed=True)


def kind_name(kind: MapKind, class_label: str) -> str:
    """What the chooser calls a kind."""
    names = {
        MapKind.RELATIVE_UPDATE: _tr("Update, relative"),
        MapKind.UPDATE: _tr("Update, absolute"),
        MapKind.CONTRIBUTION: _tr("Contribution to {0}").format(class_label or _tr("the class")),
    }
    return names[kind]


def kind_explanation(kind: MapKind) -> str:
    """One sentence for the tooltip, with how exact it is."""
    explanations = {
        MapKind.RELATIVE_UPDATE: _tr(
            "How strongly token mixing rewrote each patch: the norm of its update over the norm of what was there. "
            "Exact."
        ),
        MapKind.UPDATE: _tr("The norm of token mixing's update to each patch. Exact."),
        MapKind.CONTRIBUTION: _tr(
            "What each layer's token mixing added directly to the class's logit, patch by patch. Red adds, blue "
            "takes away. With channel mixing, the stem and a constant it sums to the logit. Exact."
        ),
    }
    return explanations[kind]


def captioned_layer(shown: ShownMap, kind: MapKind, layer: int, class_label: str) -> CaptionedMap:
    """A layer's map, of `layer` from 0, with its words."""
    caption = _tr("Layer {0}: {1}").format(layer + 1, kind_name(kind, class_label))
    return CaptionedMap(shown, caption, scale_ends(shown, kind), _tr("exact"), _exact())


def captioned_evidence(shown: ShownMap, class_label: str) -> CaptionedMap:
    """A class's evidence with its words."""
    caption = _tr("Evidence: {0}").format(class_label)
    return CaptionedMap(shown, caption, scale_ends(shown, None), _tr("exact"), _exact(), is_evidence=True)


def _exact() -> str:
    return _tr("Computed, not estimated: exact to the rounding of the pass (fp32).")


def scale_ends(shown: ShownMap, kind: MapKind | None) -> tuple[str, str]:
    """The words at the ends of the legend; `kind` None stands for class evidence."""
    if shown.signed:
        return _tr("against {0:.2g}").format(-shown.end), _tr("+{0:.2g} for").format(shown.end)
    unit = " ‖Δ‖/‖x‖" if kind == MapKind.RELATIVE_UPDATE else " ‖Δ‖"
    return "0", f"{shown.end:.2g}{unit}"


def _tr(text: str) -> str:
    return QCoreApplication.translate("maps", text)
