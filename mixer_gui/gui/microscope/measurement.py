"""A measurement of faithfulness: which maps go in, how finely, what came out, and what it means in words.

Functions over records; no widget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from mixer_gui.gui.microscope.reference_maps import centred_gaussian, random_map
from mixer_gui.records import Curves, FaithfulnessReport, RankedMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.records import PatchGrid

MAP, RANDOM, GAUSSIAN, SALIENCY = range(4)  # slots: lines of the charts, rows of the table
KEYS = ("map", "random", "gaussian", "saliency")  # of the slots, in saved numbers
COARSE_STEPS = (32, 16)
MARGIN = 0.01  # areas that are nearer to each other count as equal
IMPROBABLE = 0.05
TOLERABLE_MS = 60_000.0


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """What a job found so far. `caption` may hold the class's name, which may have to be hidden later."""

    report: FaithfulnessReport
    slots: tuple[int, ...]  # of the job's maps, in their order
    caption: str
    class_label: str

    def names(self, class_label: str) -> tuple[str, ...]:
        """Names of the maps, with the class's name as it may be shown now."""
        own = self.caption
        if self.class_label and class_label:
            own = own.replace(self.class_label, class_label)
        return tuple(own if slot == MAP else reference_name(slot) for slot in self.slots)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The maps, their curves as far as they are known, and the share of patches that goes with them."""
        found: dict[str, NDArray[np.generic]] = {"share": self.report.share}
        for slot, ranked, curves in zip(self.slots, self.report.job.maps, self.report.curves, strict=True):
            found[f"measured_{KEYS[slot]}"] = ranked.values
            found[f"deletion_{KEYS[slot]}"] = curves.deletion
            found[f"insertion_{KEYS[slot]}"] = curves.insertion
        return found


def reference_name(slot: int) -> str:
    return {RANDOM: _tr("Random map"), GAUSSIAN: _tr("Centred Gaussian"), SALIENCY: _tr("Gradient saliency")}[slot]


def ranked_maps(
    values: NDArray[np.float32], caption: str, saliency: NDArray[np.float32], grid: PatchGrid
) -> tuple[tuple[int, ...], tuple[RankedMap, ...]]:
    """Slots and maps of a job: the map, noise, a Gaussian, and saliency unless that is the map itself."""
    maps = {
        MAP: RankedMap(caption, values),
        RANDOM: RankedMap(reference_name(RANDOM), random_map(grid.count)),
        GAUSSIAN: RankedMap(reference_name(GAUSSIAN), centred_gaussian(grid)),
    }
    if values is not saliency:
        maps[SALIENCY] = RankedMap(reference_name(SALIENCY), saliency)
    return tuple(maps), tuple(maps.values())


def step_sizes(patches: int) -> tuple[int, ...]:
    """Patches a step that one can choose from, the finest first."""
    return tuple(dict.fromkeys((1, *(max(round(patches / steps), 1) for steps in COARSE_STEPS))))


def steps(patches: int, patches_per_step: int) -> int:
    return -(-patches // patches_per_step)


def forward_passes(patches: int, patches_per_step: int, maps: int = 4) -> int:
    """Of both curves of all maps, each with a point before its first step."""
    return 2 * maps * (steps(patches, patches_per_step) + 1)


def sensible_size(patches: int, forward_ms: float) -> int:
    """The finest steps that end within a minute, else the coarsest."""
    sizes = step_sizes(patches)
    fitting = (size for size in sizes if forward_passes(patches, size) * forward_ms <= TOLERABLE_MS)
    return next(fitting, sizes[-1])


def duration_text(milliseconds: float) -> str:
    """How long something will take, roughly."""
    seconds = milliseconds / 1e3
    if seconds < 1.5:
        return _tr("about a second")
    if seconds < 55:
        return _tr("about {0} s").format(round(seconds) if seconds < 10 else round(seconds / 5) * 5)
    return _tr("about {0} min").format(max(round(seconds / 60), 1))


def verdict(found: Measurement) -> str:
    """What both areas say of the map, beside each reference; empty while they are not all known."""
    report = found.report
    if not report.is_complete:
        return ""
    by_slot = dict(zip(found.slots, report.curves, strict=True))
    own = by_slot.pop(MAP)
    against = {slot: _won(own, other) for slot, other in by_slot.items()}
    ignorant = [won for slot, won in against.items() if slot != SALIENCY]
    if all(all(won) for won in ignorant):
        opening = _tr("It does well here: ")
    elif not any(against[RANDOM]):
        opening = _tr("No better than chance here: ")
    else:
        opening = _tr("A mixed result: ")
    sentence = opening + _tr("{0}. One picture proves little.").format(", ".join(_standings(against)))
    if float(own.deletion[0]) < IMPROBABLE:
        sentence += " " + _tr("The class has only {0:.1f} % here, so there is little to lose.").format(
            float(own.deletion[0]) * 100.0
        )
    return sentence


def _won(own: Curves, other: Curves) -> tuple[bool, bool]:
    """Whether it is better in deletion, and in insertion, by more than the margin."""
    deletions, insertions = (own.deletion_area, other.deletion_area), (own.insertion_area, other.insertion_area)
    return (
        deletions[0] is not None and deletions[1] is not None and deletions[0] < deletions[1] - MARGIN,
        insertions[0] is not None and insertions[1] is not None and insertions[0] > insertions[1] + MARGIN,
    )


def _standings(against: dict[int, tuple[bool, bool]]) -> list[str]:
    """What it is better than, in which curves; references with the same outcome together."""
    phrases = {
        (True, True): _tr("better than {0} in both curves"),
        (True, False): _tr("better than {0} in deletion only"),
        (False, True): _tr("better than {0} in insertion only"),
        (False, False): _tr("not better than {0} in either"),
    }
    found = []
    for outcome, phrase in phrases.items():
        names = [_in_a_sentence(slot) for slot, won in against.items() if won == outcome]
        if names:
            last = _tr("{0} and {1}").format(", ".join(names[:-1]), names[-1]) if len(names) > 1 else names[0]
            found.append(phrase.format(last))
    return found


def _in_a_sentence(slot: int) -> str:
    return {
        RANDOM: _tr("a random map"),
        GAUSSIAN: _tr("a centred Gaussian"),
        SALIENCY: _tr("the gradient's saliency"),
    }[slot]


def _tr(text: str) -> str:
    return QCoreApplication.translate("measurement", text)
