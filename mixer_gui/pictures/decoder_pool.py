"""Several decoders behind the interface of one: a folder's pictures are decoded side by side, on every core."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from mixer_gui.pictures.decoder import Decoder

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mixer_gui.records import DecodedPicture, DecodeJob

MOST_DECODERS = 8  # each may take its limit of memory


def cores_here() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoders_here() -> int:
    """One for each core this process may use, within reason."""
    return min(cores_here(), MOST_DECODERS)


class DecoderPool:
    """Methods and futures are those of Decoder; who submits one picture at a time uses one child process.

    None of them keeps its last picture: the next crop of it would hardly come to the same one.
    """

    def __init__(self, count: int | None = None, *, niceness: int) -> None:
        """`count`: how many pictures are decoded at a time at most; one a core where nothing is said."""
        count = decoders_here() if count is None else count
        self._decoders = [Decoder(keeps_last=False, niceness=niceness) for _ in range(count)]
        self._under_way: list[list[Future[DecodedPicture]]] = [[] for _ in self._decoders]
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._decoders)

    def start(self, *, children: int = 1) -> None:
        """Begin to start the first `children`; the others start when there is work for them."""
        for number, decoder in enumerate(self._decoders):
            decoder.start(child=number < children)

    def submit(self, job: DecodeJob) -> Future[DecodedPicture]:
        """As Decoder's; the decoder with the least to do takes it, of equals the first."""
        with self._lock:
            self._under_way = [[each for each in futures if not each.done()] for futures in self._under_way]
            index = min(range(len(self._decoders)), key=lambda number: len(self._under_way[number]))
            future = self._decoders[index].submit(job)
            self._under_way[index].append(future)
        return future

    def close(self) -> None:
        for decoder in self._decoders:
            decoder.close()
