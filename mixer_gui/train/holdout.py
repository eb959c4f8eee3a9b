"""What is kept from the training: a fixed list of held-out pictures, and what a reserved set holds too. No torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from mixer_gui.records import MixerGuiError
from mixer_gui.train.reading import PictureSet

_PAIRS_TOLD = 3


def hold_out(pictures: PictureSet, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the pictures to learn from and of `count` that are held out, both ascending.

    Which they are hangs on the contents alone: of each class those with the smallest digests, as many of each as can
    be with one left to learn from. Of equal pictures only the first can be held out, and if it is, the others are in
    neither list. Raises MixerGuiError where the classes are too small.
    """
    candidates = _candidates(pictures)
    most = spare(pictures)
    if count > most:
        raise MixerGuiError(
            f"{count:,} pictures cannot be held out: of these {len(pictures.names):,} at most {most:,} can, with one "
            "left to learn from in each class. Hold out fewer, or add pictures."
        )
    held: list[int] = []
    smallest_first = sorted(candidates, key=lambda each: (len(each), pictures.digests[each[0]] if each else b""))
    for number, each in enumerate(smallest_first):
        share = (count - len(held)) // (len(smallest_first) - number)
        held += each[: min(share, max(len(each) - 1, 0))]
    kept_away = {pictures.digests[index] for index in held}
    learned = [index for index, digest in enumerate(pictures.digests) if digest not in kept_away]
    _need_every_class(pictures, learned, "all its pictures are held out, or lie in another class as well")
    return np.array(learned, np.int64), np.array(sorted(held), np.int64)


def spare(pictures: PictureSet) -> int:
    """How many pictures can be held out at most."""
    return sum(max(len(each) - 1, 0) for each in _candidates(pictures))


def _candidates(pictures: PictureSet) -> list[list[int]]:
    """Of each class, the indices of its pictures by digest; of equal pictures the first."""
    first: dict[bytes, int] = {}
    for index, digest in enumerate(pictures.digests):
        first.setdefault(digest, index)
    candidates: list[list[int]] = [[] for _ in pictures.classes]
    for digest in sorted(first):
        candidates[pictures.labels[first[digest]]].append(first[digest])
    return candidates


def shared_with(pictures: PictureSet, reserved: Mapping[bytes, str]) -> list[tuple[int, str]]:
    """Index of each picture that has the very pixels of a reserved one, and that one's name.

    `reserved` is `reading.contents` under the same preprocessing.
    """
    return [(index, reserved[digest]) for index, digest in enumerate(pictures.digests) if digest in reserved]


def refuse_shared(pictures: PictureSet, reserved: Mapping[bytes, str]) -> None:
    """MixerGuiError where a reserved picture is among these: a figure measured on it would be no figure."""
    shared = shared_with(pictures, reserved)
    if not shared:
        return
    pairs = [f"“{pictures.names[index]}” is “{name}”" for index, name in shared[:_PAIRS_TOLD]]
    more = f", and {len(shared) - len(pairs):,} more" if len(shared) > len(pairs) else ""
    amount = "1 picture has" if len(shared) == 1 else f"{len(shared):,} pictures have"
    raise MixerGuiError(
        f"{amount} the very content of a reserved picture: {', '.join(pairs)}{more}. "
        "With --leave-out-shared they are left out of the training; or remove them."
    )


def without(pictures: PictureSet, indices: Collection[int]) -> PictureSet:
    """The same set less the pictures at `indices`; MixerGuiError where a class would be left with none."""
    left_out = {int(index) for index in indices}
    if not left_out:
        return pictures
    kept = [index for index in range(len(pictures.names)) if index not in left_out]
    _need_every_class(pictures, kept, "all its pictures are left out")
    return PictureSet(
        pictures.pixels[kept],
        pictures.labels[kept],
        pictures.classes,
        tuple(pictures.names[index] for index in kept),
        tuple(pictures.digests[index] for index in kept),
        pictures.skipped,
    )


def _need_every_class(pictures: PictureSet, indices: Collection[int], reason: str) -> None:
    there = np.bincount(pictures.labels[list(indices)], minlength=len(pictures.classes))
    for name, count in zip(pictures.classes, there, strict=True):
        if count == 0:
            raise MixerGuiError(
                f"Of the class “{name}” no picture is left to learn from: {reason}. Add other pictures."
            )
