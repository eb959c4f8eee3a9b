"""What of two reports stands side by side: classes, layers, patches, maps. Functions over records; no widget.

A is the report that the window shows, B the one that it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixer_gui.gui.images import high_end
from mixer_gui.gui.maps import MapKind, ShownMap

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.records import CheckpointInfo, DifferenceReport, PatchGrid, Report

    About = Callable[[Report, int], DifferenceReport | None]

TOP = 5  # of each ranking
CLOSE = 1e-4  # relative: two passes over the same recording may differ in their last bits


@dataclass(frozen=True, slots=True)
class MapChoice:
    """Which of a report's maps: of a kind and a layer, or, where `kind` is None, a class's evidence."""

    kind: MapKind | None = MapKind.RELATIVE_UPDATE
    is_raw: bool = False  # evidence as it is, not less what is expected of all classes


@dataclass(frozen=True, slots=True)
class MapPair:
    """A map of A and one of B on one colour scale, and what they are.

    Layers are from 0. `class_index` is A's number of the class that the maps are about, None where they are about none.
    `difference` is A - B with its own scale; None where the patches are not the same.
    """

    choice: MapChoice
    a: ShownMap
    b: ShownMap
    layer_a: int
    layer_b: int
    class_index: int | None
    difference: ShownMap | None


@dataclass(frozen=True, slots=True)
class RankedPair:
    """A class with its probabilities in A and in B; None: not known yet."""

    index: int  # A's number
    a: float | None
    b: float | None


def have_same_classes(a: CheckpointInfo, b: CheckpointInfo) -> bool:
    """Whether class numbers and probabilities of both mean the same things.

    Two heads without names are only the same where they are the same checkpoint's.
    """
    if a.classes != b.classes:
        return False
    has_names = bool(a.names.wnids or a.names.labels)
    return (a.path, a.revision) == (b.path, b.revision) or (
        has_names and (a.names.wnids, a.names.labels) == (b.names.wnids, b.names.labels)
    )


def class_beside(index: int, a: CheckpointInfo, b: CheckpointInfo) -> int | None:
    """The number that class `index` of A has in B; None where B does not know it.

    The same class is one of the same WordNet id, else one of the same name that is no other class's, too.
    """
    if have_same_classes(a, b):
        return index
    wnid = a.names.wnid(index)
    if wnid is not None and b.names.wnids:
        return _only(b.names.wnids, wnid)
    label = a.names.labels[index] if index < len(a.names.labels) else ""
    if not label or a.names.labels.count(label) != 1:
        return None
    return _only(b.names.labels, label)


def _only(names: tuple[str, ...], name: str) -> int | None:
    return names.index(name) if names.count(name) == 1 else None


def layer_beside(layer: int, layers_a: int, layers_b: int) -> int:
    """The layer of B at the same relative depth: the same where there are as many, the last beside the last."""
    return layer if layers_a == layers_b else round(layer * (layers_b - 1) / max(layers_a - 1, 1))


def patch_beside(patch: int, a: PatchGrid, b: PatchGrid) -> int:
    """The patch of B that holds the centre of a patch of A, as places of the rectangles that the networks see."""
    row, column = divmod(patch, a.columns)
    return int((row + 0.5) / a.rows * b.rows) * b.columns + int((column + 0.5) / a.columns * b.columns)


def recognised(
    values: NDArray[np.float32], report: Report, about: DifferenceReport | None, layer: int, *, signed: bool
) -> MapChoice | None:
    """Which of the report's maps `values` are; None where that is not to be said before `about` is there.

    A map that is none of them counts as the relative update.
    """
    if not signed:
        return MapChoice(MapKind.UPDATE if _is(values, report.update[layer]) else MapKind.RELATIVE_UPDATE)
    for rank in range(len(report.predictions)):
        if _is(values, report.centred_evidence[rank]):
            return MapChoice(None)
        if _is(values, report.evidence[rank]):
            return MapChoice(None, is_raw=True)
    if about is None:
        return None
    if _is(values, about.centred_evidence):
        return MapChoice(None)
    if _is(values, about.evidence):
        return MapChoice(None, is_raw=True)
    return MapChoice(MapKind.CONTRIBUTION if _is(values, about.token_mixing[layer]) else MapKind.RELATIVE_UPDATE)


def _is(values: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    import numpy as np

    return values.shape == other.shape and bool(
        np.abs(values - other).max() <= CLOSE * max(float(np.abs(other).max()), 1e-12)
    )


def layers_of(report: Report, kind: MapKind | None, about: DifferenceReport | None) -> tuple[NDArray[np.float32], ...]:
    """A map for each layer; contributions need `about`, and evidence has none: the relative update stands in."""
    if kind == MapKind.CONTRIBUTION and about is not None:
        return tuple(about.token_mixing)
    return tuple(report.update if kind == MapKind.UPDATE else report.relative_update)


def pair_maps(
    a: Report, b: Report, choice: MapChoice, layer: int, class_index: int | None, about: About
) -> MapPair | None:
    """The map of `choice` in both; None while an answer that it needs is awaited.

    A class that B does not know has no map there: then both show the relative update.
    """
    is_about_class = choice.kind in (None, MapKind.CONTRIBUTION)
    beside = None if class_index is None else class_beside(class_index, a.model, b.model)
    if is_about_class and (class_index is None or beside is None):
        choice, is_about_class = MapChoice(), False
    layer_b = layer_beside(layer, len(a.lens), len(b.lens))
    if is_about_class and class_index is not None and beside is not None:
        of_a, of_b = about(a, class_index), about(b, beside)
        if of_a is None or of_b is None:
            return None
        if choice.kind is None:
            values_a, values_b = (each.evidence if choice.is_raw else each.centred_evidence for each in (of_a, of_b))
        else:
            values_a, values_b = of_a.token_mixing[layer], of_b.token_mixing[layer_b]
    else:
        values_a = layers_of(a, choice.kind, None)[layer]
        values_b = layers_of(b, choice.kind, None)[layer_b]
    end = high_end((values_a, values_b))
    difference = None
    if a.model.grid == b.model.grid:
        values = values_a - values_b
        difference = ShownMap(values, high_end((values,)), signed=True)
    return MapPair(
        choice,
        ShownMap(values_a, end, is_about_class),
        ShownMap(values_b, end, is_about_class),
        layer,
        layer_b,
        class_index if is_about_class else None,
        difference,
    )


def pair_rankings(a: Report, b: Report, about: About) -> tuple[RankedPair, ...]:
    """The classes among the first five of either, A's first, for two reports with the same classes."""
    order = [each.index for each in a.predictions[:TOP]]
    order += [each.index for each in b.predictions[:TOP] if each.index not in order]
    return tuple(RankedPair(index, _probability(a, index, about), _probability(b, index, about)) for index in order)


def _probability(report: Report, index: int, about: About) -> float | None:
    for each in report.predictions:
        if each.index == index:
            return each.probability
    answer = about(report, index)
    return None if answer is None else answer.prediction.probability


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Pearson's, of two maps over the same number of patches; 0 where one of them is flat."""
    import numpy as np

    first, second = (each.astype(np.float64) - float(each.mean(dtype=np.float64)) for each in (a, b))
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0.0 else 0.0
