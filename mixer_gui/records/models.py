"""Checkpoints and devices as the window describes them; tensors stay in the engine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mixer_gui.records.pictures import Interpolation, PatchGrid, Preprocessing

HIDDEN_NAME = "person (name hidden)"

# Files of weights that are read, the preferred first.
WEIGHT_SUFFIXES = (".safetensors", ".npz", ".pth", ".pt", ".bin")


@dataclass(frozen=True, slots=True)
class ClassNames:
    """Names of a head's outputs; both tuples are empty where nobody knows them.

    `title` says which well-known set they were taken from; empty for a checkpoint's own. `hidden` are the
    classes whose names are shown on request only; their WNIDs are no secret.
    """

    wnids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    title: str = ""
    hidden: frozenset[int] = frozenset()

    def wnid(self, index: int) -> str | None:
        return self.wnids[index] if index < len(self.wnids) else None

    def label(self, index: int, *, reveal: bool = False) -> str:
        if index in self.hidden and not reveal:
            return HIDDEN_NAME
        return self.labels[index] if index < len(self.labels) else f"class {index}"


class Gelu(StrEnum):
    """The two GELUs in use: the exact one (PyTorch's default) and the tanh form (Flax's default)."""

    EXACT = "none"
    TANH = "tanh"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a bare file does not say, given by the user or by a flag; None is 'not given'."""

    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    crop_pct: float | None = None
    interpolation: Interpolation | None = None
    gelu: Gelu | None = None


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which checkpoint to run: a folder in Hub format or a bare file, with what the user assumed."""

    path: Path
    revision: str | None = None
    assumptions: Assumptions | None = None


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """A checkpoint as the window describes it; tensors stay in the engine.

    `assumed` says that preprocessing was not in the checkpoint but assumed by the user or by default.
    `temperature`: probability = softmax(logit / temperature).
    """

    name: str
    path: Path
    revision: str | None
    parameters: int
    layers: int
    grid: PatchGrid
    patch_size: int
    channels: int
    classes: int
    gelu: Gelu
    layer_norm_eps: float
    preprocessing: Preprocessing
    temperature: float
    names: ClassNames
    assumed: bool


class DevicePreference(StrEnum):
    """What the user asks for; AUTO takes the fastest that is there."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


class Precision(StrEnum):
    """Of a pass but for its final norm, pooling and head, which are fp32 everywhere."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class PrecisionPreference(StrEnum):
    """What the user asks for. AUTO: what is studied in fp32, all else in half precision where that has proved good."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Where the model runs, in which precision, and why: `reason` is one sentence or more for the tooltip."""

    kind: DevicePreference  # never AUTO
    name: str
    precision: Precision
    reason: str


@dataclass(frozen=True, slots=True)
class ModelReady:
    """A model was loaded and is the one that the next requests run on."""

    ref: ModelRef
    info: CheckpointInfo
    device: DeviceInfo
    load_ms: float
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InspectRequest:
    """Look at what the user wants to open as a model, before it is loaded."""

    path: Path


@dataclass(frozen=True, slots=True)
class ModelInspected:
    """What was found: `digest` (sha256 of the content) and `likely` are set for a bare file only.

    A bare file carries no preprocessing: the user is asked once, with `likely` filled in.
    """

    path: Path
    digest: str | None = None
    likely: Assumptions | None = None
