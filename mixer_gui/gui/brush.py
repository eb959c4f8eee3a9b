"""The brush: which patches a stroke over the picture has met so far. No widget, no painting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF

if TYPE_CHECKING:
    from collections.abc import Callable


class Brush:
    """Collects patches from points; between two points it goes straight, so that a fast stroke has no holes."""

    def __init__(self, patch_at: Callable[[QPointF], int | None]) -> None:
        """`patch_at`: the patch under a point of the screen; None where there is none."""
        self._patch_at = patch_at
        self._last: QPointF | None = None
        self.patches: frozenset[int] = frozenset()

    @property
    def is_down(self) -> bool:
        return self._last is not None

    def press(self, point: QPointF) -> bool:
        """Begin a stroke; returns whether it met a patch."""
        self.patches, self._last = frozenset(), point
        return self._meet({self._patch_at(point)})

    def move(self, point: QPointF, step: float) -> bool:
        """Go on to a point, looking every `step` pixels on the way; returns whether it met other patches."""
        start = self._last
        if start is None:
            return False
        way = point - start
        stops = max(math.ceil(math.hypot(way.x(), way.y()) / max(step, 1.0)), 1)
        self._last = point
        return self._meet({self._patch_at(start + way * (stop / stops)) for stop in range(1, stops + 1)})

    def lift(self) -> frozenset[int]:
        """End the stroke; returns its patches."""
        met, self.patches, self._last = self.patches, frozenset(), None
        return met

    def _meet(self, found: set[int | None]) -> bool:
        new = frozenset(patch for patch in found if patch is not None) - self.patches
        self.patches |= new
        return bool(new)
