"""What the user did to the picture that the network sees, patch by patch: applied in order, before normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fill(StrEnum):
    """What an erased patch becomes."""

    MEAN = "mean"  # the mean colour of the checkpoint's preprocessing, which is 0 after it
    BLUR = "blur"  # the whole picture blurred by a Gaussian, seen through the patch


@dataclass(frozen=True, slots=True)
class Erase:
    """Fill patches."""

    patches: frozenset[int]
    fill: Fill = Fill.MEAN


@dataclass(frozen=True, slots=True)
class Stamp:
    """Put the same patches of another picture in: `data` is its network input, uint8 (H, W, 3), row by row."""

    patches: frozenset[int]
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Swap:
    """Exchange two patches."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Permute all patches by the permutation drawn from `seed`: the same seed, the same permutation, on any machine."""

    seed: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Rotate the whole picture counter-clockwise by quarter turns, 1 to 3; only square inputs turn by an odd number."""

    quarters: int


@dataclass(frozen=True, slots=True)
class Shift:
    """Move the whole picture by pixels, right and down; what leaves on one side comes in on the other."""

    right: int
    down: int


Edit = Erase | Stamp | Swap | Shuffle | Turn | Shift
