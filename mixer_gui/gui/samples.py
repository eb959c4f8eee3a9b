"""What a network said at which time of a video or a camera: kept in bounded memory, and as steps to draw.

Imports numpy, so the window imports this module on first use only. No Qt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mixer_gui.records import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT = 20  # predictions of a sample, the longest list that the window shows
LIVE_S = 60.0  # what is kept of a source without an end
MOST_SAMPLES = 4000
SHORTEST_BIN_S = 1 / 120  # no frame rate in use is higher
NOBODY = -1  # in place of a class, where a sample has fewer predictions


@dataclass(frozen=True, slots=True)
class Sample:
    """The most probable classes at one time, in seconds."""

    time_s: float
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Samples by time. `times` (n,) seconds ascending; `classes` (n, KEPT) indices; `probabilities` (n, KEPT)."""

    times: NDArray[np.float64]
    classes: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    def means(self, most: int) -> dict[int, float]:
        """The `most` classes with the largest mean probability; where a class is not among those kept, 0 counts."""
        if not len(self.times):
            return {}
        sums = np.bincount(self.classes.ravel() + 1, self.probabilities.ravel())[1:]
        largest = np.argsort(-sums, kind="stable")[:most]
        return {int(each): float(sums[each]) / len(self.times) for each in largest if sums[each] > 0.0}

    def of_class(self, index: int) -> NDArray[np.float64]:
        """(n,) probabilities of a class; 0 where it is not among those kept."""
        found: NDArray[np.float64] = (self.probabilities * (self.classes == index)).sum(axis=1)
        return found

    def at(self, time_s: float, gap_s: float) -> int | None:
        """The sample that holds at a time: the last one before it, no older than `gap_s`."""
        found = int(np.searchsorted(self.times, time_s + 1e-6, side="right")) - 1
        return found if found >= 0 and time_s - self.times[found] <= gap_s else None


class Samples:
    """One sample for each bin of time. Live, the bins of the last minute are used again and again."""

    def __init__(self, duration_s: float | None, gap_s: float) -> None:
        self.duration_s = duration_s
        self._bin_s = max((duration_s or LIVE_S) / MOST_SAMPLES, SHORTEST_BIN_S)
        self.gap_s = max(gap_s, 2 * self._bin_s)  # samples further apart than this have nothing between them
        self._bins = math.ceil((duration_s or LIVE_S) / self._bin_s) + 1
        self._times = np.full(self._bins, np.nan)
        self._classes = np.full((self._bins, KEPT), NOBODY, np.int64)
        self._probabilities = np.zeros((self._bins, KEPT))
        self._logits = np.zeros((self._bins, KEPT))
        self._names: dict[int, tuple[str | None, str]] = {}
        self._last: tuple[int, float] | None = None  # bin and time of the sample before, unless a jump came between
        self.newest_s: float | None = None

    def add(self, time_s: float, predictions: tuple[Prediction, ...]) -> None:
        """Keep a sample; played on from the one before, it takes the place of all that was known in between."""
        if not math.isfinite(time_s):
            return
        number = int(max(time_s, 0.0) / self._bin_s)
        if self.duration_s is None:
            if self.newest_s is not None and time_s < self.newest_s - self.gap_s:
                self._times[:] = np.nan  # another clock: the source was opened again
            number %= self._bins
        else:
            number = min(number, self._bins - 1)
            if self._last is not None and 0.0 < time_s - self._last[1] < self.gap_s / 2:
                self._times[self._last[0] + 1 : number] = np.nan
        kept = predictions[:KEPT]
        self._times[number] = time_s
        for row, values in (
            (self._classes[number], [each.index for each in kept]),
            (self._probabilities[number], [each.probability for each in kept]),
            (self._logits[number], [each.logit for each in kept]),
        ):
            row[: len(kept)] = values
        self._classes[number, len(kept) :] = NOBODY
        self._probabilities[number, len(kept) :] = 0.0
        self._names.update((each.index, (each.wnid, each.label)) for each in kept)
        self._last = (number, time_s)
        self.newest_s = time_s

    def jump(self) -> None:
        """What is added next does not continue what was added last."""
        self._last = None

    def label(self, index: int) -> str:
        """The name that came last with a class."""
        return self._names[index][1]

    def series(self) -> Series:
        """What there is now, a copy; live, of the last minute."""
        times = self._times
        if self.duration_s is None and self.newest_s is not None:
            times = np.where(times < self.newest_s - LIVE_S, np.nan, times)
        order = np.argsort(times, kind="stable")[: np.count_nonzero(~np.isnan(times))]
        return Series(times[order], self._classes[order], self._probabilities[order])

    def all(self) -> tuple[Sample, ...]:
        """Every sample by time, with the names that came last."""
        series = self.series()
        order = np.argsort(self._times, kind="stable")
        order = order[np.isin(self._times[order], series.times)]
        return tuple(
            Sample(
                float(self._times[number]),
                tuple(
                    Prediction(index, *self._names[index], probability=probability, logit=logit)
                    for index, probability, logit in zip(
                        self._classes[number].tolist(),
                        self._probabilities[number].tolist(),
                        self._logits[number].tolist(),
                        strict=True,
                    )
                    if index != NOBODY
                ),
            )
            for number in order.tolist()
        )


def steps(
    times: NDArray[np.float64], values: NDArray[np.float64], *, column_s: float, gap_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of a line that holds each value until the next time; NaN breaks it where that is over `gap_s` away.

    A pixel column, `column_s` wide, that has several samples shows the smallest and the largest of them only. The last
    sample before a gap is three columns long, so that one that stands alone can be seen.
    """
    if not len(times):
        return times, values
    gaps = np.append(np.diff(times) > gap_s, True)
    columns = np.floor(times / column_s)
    starts = np.flatnonzero(np.diff(columns, prepend=columns[0] - 1))
    if len(starts) < len(times) / 2:
        lowest, highest = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        gaps = gaps[np.append(starts[1:], len(times)) - 1]
        gaps = np.stack([np.zeros_like(gaps), gaps], axis=1).ravel()
        times = np.repeat(columns[starts] * column_s, 2)
        values = np.stack([lowest, highest], axis=1).ravel()
    following = np.append(times[1:], np.inf)
    alone = times + 3 * column_s
    breaks = gaps & (following > alone)
    ends = np.where(breaks, alone, following)
    breaks[-1] = False
    x = np.stack([times, ends, ends], axis=1)
    y = np.stack([values, values, np.where(breaks, np.nan, values)], axis=1)
    wanted = np.stack([np.full(len(times), True), np.full(len(times), True), breaks], axis=1)
    return x[wanted], y[wanted]
