"""What the window asks the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from mixer_gui.records.edits import Edit
from mixer_gui.records.media import LiveFrame
from mixer_gui.records.models import DevicePreference, ModelRef, PrecisionPreference
from mixer_gui.records.pictures import Framing, PictureSource


class Priority(IntEnum):
    """Which request the engine serves first; lower is sooner."""

    POINTER = 0
    LIVE = 1
    DROPPED = 2
    FOLDER = 3
    BACKGROUND = 4


@dataclass(frozen=True, slots=True)
class ClassifyRequest:
    """Classify one picture; everything it needs was captured when it was made.

    `id` is unique in the process; `view` is the place that asked and judges staleness by id. `edits` are made, in
    order, to what the network sees of the picture. With `display_edge` 0 the picture is on the screen already:
    no frame is wanted, and what was decoded of it lately is taken again.
    """

    id: int
    view: str
    priority: Priority
    source: PictureSource
    model: ModelRef
    framing: Framing = field(default_factory=Framing)
    device: DevicePreference = DevicePreference.AUTO
    precision: PrecisionPreference = PrecisionPreference.AUTO
    top_k: int = 20
    display_edge: int = 2048
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FrameRequest:
    """Classify one frame of a moving picture. Nothing is kept of it but its share in the view's average.

    `steady_s`: time constant of the exponential average that the ranking goes by, 0 for none. Without `maps`, only
    the ranking is computed. What the user points at is answered along: `about_class`, and `about_patch` as (layer,
    patch), both from 0.
    """

    id: int
    view: str
    name: str  # of the moving picture
    frame: LiveFrame
    model: ModelRef
    framing: Framing = field(default_factory=Framing)
    device: DevicePreference = DevicePreference.AUTO
    precision: PrecisionPreference = PrecisionPreference.AUTO
    top_k: int = 20
    steady_s: float = 0.0
    maps: bool = True
    about_class: int | None = None
    about_patch: tuple[int, int] | None = None
