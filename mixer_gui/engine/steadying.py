"""Exponential averages of class probabilities over the frames of a moving picture. Knows no model and no request."""

import math

from torch import Tensor


class RunningAverage:
    """p̄ ← p̄ + (1 - exp(-Δt/τ)) (p - p̄), so that what it shows does not depend on the frame rate.

    It begins anew where time runs backwards and where `key` changes: what the classes and the frames belong to.
    """

    def __init__(self) -> None:
        self._key: object = None
        self._time_s = 0.0
        self._value: Tensor | None = None

    def add(self, key: object, time_s: float, probabilities: Tensor, constant_s: float) -> Tensor:
        """The average with one more frame, (classes,); `probabilities` themselves where `constant_s` is 0."""
        elapsed_s = time_s - self._time_s
        before = self._value if key == self._key and elapsed_s >= 0.0 and constant_s > 0.0 else None
        if before is None:
            value = probabilities
        else:
            value = before + (1.0 - math.exp(-elapsed_s / constant_s)) * (probabilities - before)
        self._key, self._time_s, self._value = key, time_s, value
        return value
