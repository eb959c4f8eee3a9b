"""Whole-picture attributions to compare a map with: their words, and the maps made of what the network answered.

Functions over records; no widget.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from mixer_gui.gui.images import high_end
from mixer_gui.gui.maps import CaptionedMap, ShownMap
from mixer_gui.gui.microscope.measurement import duration_text
from mixer_gui.records import AttributionMethod, GradientReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INTEGRATION_STEPS = 64
GRADIENT_COST = 2.4  # forward passes that a pass with its gradient takes


class Attribution(StrEnum):
    """In the order in which they are shown."""

    SALIENCY = "saliency"
    INPUT_GRADIENT = "input_gradient"
    UPDATE_GRADIENT = "update_gradient"
    GRAD_CAM = "grad_cam"
    INTEGRATED_GRADIENTS = "integrated_gradients"
    OCCLUSION = "occlusion"


METHODS = {
    Attribution.INTEGRATED_GRADIENTS: AttributionMethod.INTEGRATED_GRADIENTS,
    Attribution.OCCLUSION: AttributionMethod.OCCLUSION,
}
UNSIGNED = frozenset((Attribution.SALIENCY, Attribution.GRAD_CAM))


@dataclass(slots=True)
class Answers:
    """What the network has answered about one class of one report."""

    gradient: GradientReport | None = None
    maps: dict[Attribution, NDArray[np.float32]] = field(default_factory=dict)  # (N,) each

    def take_gradient(self, answer: GradientReport) -> None:
        """It brings four of the maps."""
        self.gradient = answer
        self.maps[Attribution.SALIENCY] = answer.saliency
        self.maps[Attribution.INPUT_GRADIENT] = answer.input_gradient
        self.maps[Attribution.UPDATE_GRADIENT] = answer.token_mixing.sum(0)
        self.maps[Attribution.GRAD_CAM] = answer.grad_cam


def passes(kind: Attribution, patches: int) -> int:
    """Forward passes that an attribution on demand takes, the baseline's among them."""
    return 1 + (INTEGRATION_STEPS if kind == Attribution.INTEGRATED_GRADIENTS else patches)


def cost_text(kind: Attribution, patches: int, pass_ms: float) -> str:
    """What an attribution on demand takes, in two lines."""
    count = passes(kind, patches)
    milliseconds = count * pass_ms * (GRADIENT_COST if kind == Attribution.INTEGRATED_GRADIENTS else 1.0)
    return _tr("{0:,} passes").format(count) + "\n" + duration_text(milliseconds)


def attribution_name(kind: Attribution) -> str:
    return {
        Attribution.SALIENCY: _tr("Saliency"),
        Attribution.INPUT_GRADIENT: _tr("Input × gradient"),
        Attribution.UPDATE_GRADIENT: _tr("Update × gradient"),
        Attribution.GRAD_CAM: _tr("Grad-CAM"),
        Attribution.INTEGRATED_GRADIENTS: _tr("Integrated gradients"),
        Attribution.OCCLUSION: _tr("Occlusion"),
    }[kind]


def exactness(kind: Attribution) -> str:
    """The badge."""
    return _tr("exact") if kind in (Attribution.SALIENCY, Attribution.OCCLUSION) else _tr("approximate")


def explanation(kind: Attribution) -> str:
    """What it shows and how exact it is, for the badge's tooltip."""
    return {
        Attribution.SALIENCY: _tr(
            "The norm of the logit's gradient over each patch's pixels: where a tiny change matters most, whichever "
            "way. Exact as a gradient; it says nothing of larger changes."
        ),
        Attribution.INPUT_GRADIENT: _tr(
            "The gradient times the pixels' distance from the mean colour, summed over each patch: what fading the "
            "patch would cost the logit. Approximate: to first order."
        ),
        Attribution.UPDATE_GRADIENT: _tr(
            "Token mixing's update of each patch times the logit's gradient there, summed over all layers: what mixing "
            "gave to the class by all ways through the network. Approximate: to first order."
        ),
        Attribution.GRAD_CAM: _tr(
            "Grad-CAM on the last block's output: channels weighted by their mean gradient, the positive part. "
            "Approximate: the gradient is exact, the weighting is a rule of thumb."
        ),
        Attribution.INTEGRATED_GRADIENTS: _tr(
            "Input times gradient, averaged on the straight way from the mean colour to the picture. Approximate: a "
            "sum of {0} steps in place of an integral."
        ).format(INTEGRATION_STEPS),
        Attribution.OCCLUSION: _tr(
            "How much the logit falls when one patch is set to the mean colour, each patch in turn. Exact as an "
            "ablation."
        ),
    }[kind]


def shown_map(values: NDArray[np.float32], kind: Attribution) -> ShownMap:
    return ShownMap(values, high_end((values,)), signed=kind not in UNSIGNED)


def captioned_attribution(values: NDArray[np.float32], kind: Attribution, class_label: str) -> CaptionedMap:
    shown = shown_map(values, kind)
    if shown.signed:
        ends = _tr("against {0:.2g}").format(-shown.end), _tr("+{0:.2g} for").format(shown.end)
    else:
        ends = "0", f"{shown.end:.2g}"
    caption = _tr("{0}: {1}").format(attribution_name(kind), class_label)
    return CaptionedMap(shown, caption, ends, exactness(kind), explanation(kind))


def _tr(text: str) -> str:
    return QCoreApplication.translate("attributions", text)
