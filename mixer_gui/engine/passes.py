"""Threads in which forward passes of many pictures run side by side."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from mixer_gui.records import DevicePreference

# Each pass needs Python's lock for a few milliseconds: of more at a time, most would wait for it.
MOST_PASSES = 8


@contextmanager
def side_by_side(device: DevicePreference, pictures: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that share the cores of a CPU, for `pictures` pictures; on a GPU one.

    Each pass on cores of its own: all cores on one pass wait for each other at each of hundreds of products, and where
    decoders or other programs want a core too, the others spin until it is back, which took ten times as long.
    """
    cores = torch.get_num_threads()
    passes = max(1, min(pictures, cores, MOST_PASSES)) if device == DevicePreference.CPU else 1
    # The number holds for the thread that sets it, and for those that begin later: it is set in this one at the end.
    with ThreadPoolExecutor(
        passes, thread_name_prefix="pass", initializer=torch.set_num_threads, initargs=(cores // passes,)
    ) as threads:
        try:
            yield threads
        finally:
            threads.shutdown(cancel_futures=True)
            torch.set_num_threads(cores)
