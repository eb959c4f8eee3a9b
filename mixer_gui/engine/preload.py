"""Being a good neighbour to the window: importing torch, priority, memory. Must not import torch at module level."""

import contextlib
import ctypes
import gc
import os
import sys
import threading

from mixer_gui.libraries import SUFFIX, load_libraries

NICENESS = 10
TORCH_LIBRARIES = ("c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch", "torch_python")


def import_torch() -> None:
    """Import torch, holding the GIL as little as can be; call it in the engine thread.

    Its libraries come first, without the GIL (see libraries). A collection over the objects that importing makes
    would hold the GIL too, and finds nothing to free.
    """
    if "torch" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        # Whole, before torch's C code asks for a part of it: the decoder's thread, which imports numpy when the
        # first pixels come, then met a half-imported one, and no picture could be decoded any more.
        load_libraries("numpy", "_core", ("_multiarray_umath.*",))
        import numpy  # noqa: F401

        load_libraries("torch", "lib", tuple(f"*{name}.{SUFFIX}" for name in TORCH_LIBRARIES))
        import torch  # noqa: F401
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


def give_way() -> None:
    """Let the window's thread go first where there are not cores enough for both; call it in the engine thread.

    On Linux a thread has a niceness of its own, and the threads that torch starts from it inherit it: as
    many as there are cores, spinning between two matrix products. An otherwise idle machine loses nothing.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))  # going below it takes a privilege
        os.setpriority(os.PRIO_PROCESS, thread, niceness)


def give_back_memory() -> None:
    """Return what was freed to the system; for after a burst of pictures, when nothing waits.

    glibc keeps freed blocks of up to 32 MB in its arenas, where the pixels of a hundred pictures left 50 MB
    of holes. Other systems' allocators see to it themselves.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # musl has none
            ctypes.CDLL(None).malloc_trim(0)
