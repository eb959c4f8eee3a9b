"""The six maps of the mixing view: from answers about a patch to values, colour scale and words. No widget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from mixer_gui.gui.images import high_end
from mixer_gui.gui.maps import CaptionedMap, ShownMap
from mixer_gui.records import PatchGrid, PatchReport, ReachReport, RolloutReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MixingMap(StrEnum):
    """What is shown of a patch."""

    READS = "reads"
    WRITES = "writes"
    ENERGY = "energy"
    ROLLOUT_READS = "rollout_reads"
    ROLLOUT_WRITES = "rollout_writes"
    REACH = "reach"


@dataclass(frozen=True, slots=True)
class AboutPatch:
    """What is known of one patch; each part may be missing, or be of a patch that was pointed at just before."""

    patch: PatchReport | None = None
    rollout: RolloutReport | None = None
    reach: ReachReport | None = None


def shown_map(kind: MixingMap, about: AboutPatch) -> ShownMap | None:
    """The map, None where its answer is missing.

    Reads and writes share a scale, so do both rollouts. A rollout's and the reach's scale leave the patch itself
    out, which outweighs all others.
    """
    if kind in (MixingMap.READS, MixingMap.WRITES) and about.patch is not None:
        values = about.patch.reads if kind == MixingMap.READS else about.patch.writes
        return ShownMap(values, high_end((about.patch.reads, about.patch.writes)), signed=True)
    if kind == MixingMap.ENERGY and about.patch is not None:
        return ShownMap(about.patch.energy, high_end((about.patch.energy,)), signed=False)
    if kind in (MixingMap.ROLLOUT_READS, MixingMap.ROLLOUT_WRITES) and about.rollout is not None:
        rollout = about.rollout
        values = rollout.reads if kind == MixingMap.ROLLOUT_READS else rollout.writes
        return ShownMap(values, _end_without(rollout.request.patch, rollout.reads, rollout.writes), signed=True)
    if kind == MixingMap.REACH and about.reach is not None:
        reach = about.reach.reach
        return ShownMap(reach, _end_without(about.reach.request.patch, reach), signed=False)
    return None


def marked_patch(kind: MixingMap, about: AboutPatch) -> int | None:
    """The patch that the map is about."""
    if kind in (MixingMap.READS, MixingMap.WRITES, MixingMap.ENERGY):
        return None if about.patch is None else about.patch.request.patch
    if kind == MixingMap.REACH:
        return None if about.reach is None else about.reach.request.patch
    return None if about.rollout is None else about.rollout.request.patch


def captioned(kind: MixingMap, about: AboutPatch, grid: PatchGrid) -> CaptionedMap | None:
    """The map as it lies over the picture, with its words."""
    shown, patch = shown_map(kind, about), marked_patch(kind, about)
    if shown is None or patch is None:
        return None
    what = {
        MixingMap.READS: _tr("Layer {0}: reads"),
        MixingMap.WRITES: _tr("Layer {0}: writes"),
        MixingMap.ENERGY: _tr("Layer {0}: energy"),
        MixingMap.ROLLOUT_READS: _tr("Rollout 1–{0}: reads"),
        MixingMap.ROLLOUT_WRITES: _tr("Rollout 1–{0}: writes"),
        MixingMap.REACH: _tr("Reach to the end"),
    }
    row, column = divmod(patch, grid.columns)
    return CaptionedMap(
        shown,
        what[kind].format(_layer(kind, about) + 1),
        scale_words(kind, shown),
        _tr("approximate") if is_approximate(kind) else _tr("exact"),
        _tr("Patch in row {0}, column {1}. {2}").format(row + 1, column + 1, explanation(kind)),
    )


def is_approximate(kind: MixingMap) -> bool:
    return kind in (MixingMap.ROLLOUT_READS, MixingMap.ROLLOUT_WRITES)


def scale_words(kind: MixingMap, shown: ShownMap) -> tuple[str, str]:
    """The words at the ends of the legend."""
    if shown.signed:
        return _tr("lowers {0:.2g}").format(-shown.end), _tr("+{0:.2g} raises").format(shown.end)
    return "0", _tr("{0:.2g} changes").format(shown.end) if kind == MixingMap.REACH else f"{shown.end:.2g}"


def short_scale(shown: ShownMap | None) -> str:
    """The colour scale in a few characters."""
    if shown is None:
        return ""
    return f"±{shown.end:.2g}" if shown.signed else f"0 … {shown.end:.2g}"


def map_name(kind: MixingMap) -> str:
    """Below a small map."""
    names = {
        MixingMap.READS: _tr("reads from"),
        MixingMap.WRITES: _tr("writes to"),
        MixingMap.ENERGY: _tr("reading energy"),
        MixingMap.ROLLOUT_READS: _tr("rollout: reads"),
        MixingMap.ROLLOUT_WRITES: _tr("rollout: writes"),
        MixingMap.REACH: _tr("reach to the end"),
    }
    return names[kind]


def choice_name(kind: MixingMap) -> str:
    """What the chooser calls it."""
    names = {
        MixingMap.READS: _tr("Reads: this layer"),
        MixingMap.WRITES: _tr("Writes: this layer"),
        MixingMap.ENERGY: _tr("Reading energy: this layer"),
        MixingMap.ROLLOUT_READS: _tr("Rollout to here: reads"),
        MixingMap.ROLLOUT_WRITES: _tr("Rollout to here: writes"),
        MixingMap.REACH: _tr("Reach: all layers"),
    }
    return names[kind]


def explanation(kind: MixingMap) -> str:
    """For the tooltip, with how exact it is."""
    explanations = {
        MixingMap.READS: _tr(
            "Where the patch reads from in this layer: its row of the mixing matrix, averaged over channels. Red "
            "raises the patch, blue lowers it. Exact as that mean."
        ),
        MixingMap.WRITES: _tr(
            "Where the patch writes to in this layer: its column of the mixing matrix, averaged over channels. Red: "
            "raised by the patch, blue: lowered. Exact as that mean."
        ),
        MixingMap.ENERGY: _tr(
            "How strongly the patch reads in this layer: root mean square over channels, in which opposite signs do "
            "not cancel. Exact."
        ),
        MixingMap.ROLLOUT_READS: _tr(
            "What the patch has gathered from each patch through all layers up to this one: its row of "
            "(I + M)···(I + M). Approximate: LayerNorm and channel mixing are left out."
        ),
        MixingMap.ROLLOUT_WRITES: _tr(
            "Where the patch has gone through all layers up to this one: its column of (I + M)···(I + M). "
            "Approximate: LayerNorm and channel mixing are left out."
        ),
        MixingMap.REACH: _tr(
            "How fast each token at the end of the network changes as this patch of the picture begins to fade to the "
            "mean colour: the norm of the Jacobian times the patch's pixels, through every layer. Exact; it takes "
            "about one and a half forward passes."
        ),
    }
    return explanations[kind]


def place(patch: int, grid: PatchGrid) -> str:
    """(row, column), from 1."""
    row, column = divmod(patch, grid.columns)
    return f"({row + 1}, {column + 1})"


def _layer(kind: MixingMap, about: AboutPatch) -> int:
    """The layer that the map is about; of the reach, none: 0."""
    if kind == MixingMap.REACH:
        return 0
    if is_approximate(kind):
        return 0 if about.rollout is None else about.rollout.request.layer
    return 0 if about.patch is None else about.patch.request.layer


def _end_without(patch: int, *maps: NDArray[np.float32]) -> float:
    import numpy as np

    return high_end(np.delete(each, patch) for each in maps)


def _tr(text: str) -> str:
    return QCoreApplication.translate("mixing_maps", text)
