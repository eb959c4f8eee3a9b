"""Long computations about a report: asked for, told of as they go on, cancelled.

A job runs one forward pass at a time behind everything else, so that no question waits for it. N patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class AttributionMethod(StrEnum):
    """Whole-picture attributions, one number a patch, signed."""

    INTEGRATED_GRADIENTS = "integrated_gradients"  # approximate: a sum in place of an integral
    OCCLUSION = "occlusion"  # exact as an ablation


@dataclass(frozen=True, slots=True)
class AttributionJob:
    """Attribute the logit of class `index` to patches; the baseline is the mean colour."""

    id: int
    report_id: int
    index: int
    method: AttributionMethod
    steps: int = 64  # of integrated gradients


@dataclass(frozen=True, slots=True)
class AttributionReport:
    """`values` (N,): what each patch gives to the logit. `remainder`: what their sum lacks of the difference between
    the picture's logit and the baseline's, which is 0 for exact integrated gradients and means nothing of occlusion.
    """

    job: AttributionJob
    values: NDArray[np.float32]
    remainder: float
    elapsed_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class RankedMap:
    """A map whose faithfulness is measured: patches of larger values count as more important."""

    name: str
    values: NDArray[np.float32]  # (N,)


@dataclass(frozen=True, slots=True, eq=False)
class FaithfulnessJob:
    """Deletion and insertion curves (RISE, Petsiuk et al. 2018) of maps, for class `index`.

    Deletion sets patches to the mean colour, the most important first; insertion puts them back into a blurred
    picture. `patches_per_step` patches a step; the curve has a point before the first step and one after each.
    """

    id: int
    report_id: int
    index: int
    maps: tuple[RankedMap, ...]
    patches_per_step: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Of one map, the class's probability over the share of patches changed, float32 (points,) as far as it is known.

    `deletion_area` (smaller is better) and `insertion_area` (larger is better) are the areas below whole curves, by
    trapezia over 0…1; None until then.
    """

    name: str
    deletion: NDArray[np.float32]
    insertion: NDArray[np.float32]
    deletion_area: float | None = None
    insertion_area: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FaithfulnessReport:
    """What a faithfulness job found so far, Curves for each of its maps; `share` (points,) is the horizontal axis."""

    job: FaithfulnessJob
    share: NDArray[np.float32]
    curves: tuple[Curves, ...]
    is_complete: bool
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is, in forward passes."""

    job_id: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class JobEnded:
    """A job is done, was cancelled, or failed with a sentence."""

    job_id: int
    cancelled: bool = False
    failure: str = ""


Job = AttributionJob | FaithfulnessJob
JobResult = AttributionReport | FaithfulnessReport
