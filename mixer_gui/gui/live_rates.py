"""What the status bar tells of a moving picture. No Qt."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """Of the last half second; `latency_ms` from a frame's arrival to the end of the paint that shows its result.

    `lag_ms`: how much older than the picture on screen the frame is that its map was computed from. Counts are since
    the source was opened.
    """

    shown_per_s: float
    classified_per_s: float
    latency_ms: float | None
    lag_ms: float
    seen: int
    classified: int
    skipped: int
