"""Several decoders behind the interface of one: a folder's pictures are decoded side by side, on every core."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING

from mixer_gui.pictures.decoder import Decoder

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mixer_gui.records import DecodedPicture, DecodeJob

MOST_DECODERS = 8  # each may take its limit of memory


def decoders_here() -> int:
    """One for each core this process may use, within reason."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_DECODERS)


class DecoderPool:
    """Methods and futures are those of Decoder; who submits one picture at a time uses one child process."""

    def __init__(self, count: int | None = None) -> None:
        """`count`: how many pictures are decoded at a time at most; one a core where nothing is said."""
        self._decoders = [Decoder() for _ in range(decoders_here() if count is None else count)]
        self._under_way = [0] * len(self._decoders)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._decoders)

    def start(self) -> None:
        """Begin to start the first child; the others start when there is work for them."""
        self._decoders[0].start()

    def submit(self, job: DecodeJob) -> Future[DecodedPicture]:
        """As Decoder's; the decoder with the least to do takes it, of equals the first."""
        with self._lock:
            index = min(range(len(self._decoders)), key=self._under_way.__getitem__)
            self._under_way[index] += 1
        future = self._decoders[index].submit(job)
        future.add_done_callback(partial(self._count_down, index))
        return future

    def close(self) -> None:
        for decoder in self._decoders:
            decoder.close()

    def _count_down(self, index: int, _future: Future[DecodedPicture]) -> None:
        with self._lock:
            self._under_way[index] -= 1
