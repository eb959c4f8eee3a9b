"""What the engine answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mixer_gui.records.edits import Edit
from mixer_gui.records.models import CheckpointInfo, ClassNames, DeviceInfo
from mixer_gui.records.pictures import FileSource, Frame, Framing, PictureSource, Rect
from mixer_gui.records.questions import ClassReport, PatchReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Prediction:
    """One class of a ranking. `logit` is raw; `probability` is softmax(logit / temperature).

    As the engine makes it, `label` stands for a hidden name where there is one: see `revealed`.
    """

    index: int
    wnid: str | None
    label: str
    probability: float
    logit: float


def revealed(predictions: tuple[Prediction, ...], names: ClassNames) -> tuple[Prediction, ...]:
    """The same predictions with the names that are shown on request only."""
    return tuple(
        replace(each, label=names.label(each.index, reveal=True)) if each.index in names.hidden else each
        for each in predictions
    )


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds of each stage."""

    decode: float
    preprocess: float
    forward: float
    explain: float


@dataclass(frozen=True, slots=True)
class Report:
    """What the network said of one picture, and where its layers mixed tokens.

    With L layers, N patches and k ranked classes, all arrays float32 and read-only:
    `update` and `relative_update` (L, N): norm of each token-mixing update, and the same over the norm
    of the token it was added to. `evidence` and `centred_evidence` (k, N), in the order of
    `predictions`: raw class evidence, and the same less the probability-weighted mean over classes.
    `lens`: for each layer the five classes the head would name if the network stopped there. `pixels`: what the
    network saw, uint8 (height, width, 3), with `edits` made to it; None where nothing is kept for questions.
    """

    id: int
    view: str
    source: PictureSource
    predictions: tuple[Prediction, ...]
    update: NDArray[np.float32]
    relative_update: NDArray[np.float32]
    evidence: NDArray[np.float32]
    centred_evidence: NDArray[np.float32]
    lens: tuple[tuple[Prediction, ...], ...]
    seen: Rect
    picture_width: int
    picture_height: int
    framing: Framing
    model: CheckpointInfo
    device: DeviceInfo
    timings_ms: Timings
    notices: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    pixels: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class FrameReport:
    """What the network said of one frame of a moving picture.

    `predictions` are ranked by the average over frames that was asked for, and their probabilities are its;
    `momentary` are the same classes' probabilities in this frame alone. `report` is this frame's own, not averaged;
    None where no maps were wanted.
    """

    id: int
    view: str
    time_s: float
    predictions: tuple[Prediction, ...]
    momentary: tuple[float, ...]
    model: CheckpointInfo
    device: DeviceInfo
    timings_ms: Timings
    report: Report | None = None
    about_class: ClassReport | None = None
    about_patch: PatchReport | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrameReady:
    """The picture of a request was decoded; its report follows when the model has run."""

    request_id: int
    view: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class SourcesFound:
    """The pictures behind dropped or opened paths; `left_out` counts those beyond the limit."""

    sources: tuple[FileSource, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage of a request is; `total_bytes` is None where unknown."""

    request_id: int
    stage: str
    done_bytes: int = 0
    total_bytes: int | None = None
