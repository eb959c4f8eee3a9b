"""Being a good neighbour to the window: importing torch, priority, memory. Must not import torch at module level."""

import contextlib
import ctypes
import gc
import importlib.util
import os
import sys
import threading
from pathlib import Path

NICENESS = 10
SUFFIX = {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")
TORCH_LIBRARIES = ("c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch", "torch_python")


def import_torch() -> None:
    """Import torch, holding the GIL as little as can be; call it in the engine thread.

    `import torch` loads its shared libraries inside dlopen, which CPython calls with the GIL held: the
    window froze for 150-300 ms, and for 40 ms by numpy's. Called through ctypes as a foreign function dlopen
    runs without the GIL, and the import that follows finds the libraries loaded. A collection over the objects
    that importing makes would hold the GIL too, and finds nothing to free.
    """
    if "torch" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        # Whole, before torch's C code asks for a part of it: the decoder's thread, which imports numpy when the
        # first pixels come, then met a half-imported one, and no picture could be decoded any more.
        _load_libraries("numpy", "_core", ("_multiarray_umath.*",))
        import numpy  # noqa: F401

        _load_libraries("torch", "lib", tuple(f"*{name}.{SUFFIX}" for name in TORCH_LIBRARIES))
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


def _load_libraries(package: str, folder: str, patterns: tuple[str, ...]) -> None:
    """Load the libraries of a package, each after what it needs; one that is missing is its import's to complain of."""
    spec = importlib.util.find_spec(package)  # finds without importing
    if spec is None or spec.origin is None:
        return
    for pattern in patterns:
        for library in sorted((Path(spec.origin).parent / folder).glob(pattern)):
            _load(library)


def _load(library: Path) -> None:
    if sys.platform == "win32":
        load = ctypes.windll.kernel32.LoadLibraryW
        load.argtypes, load.restype = [ctypes.c_wchar_p], ctypes.c_void_p
        load(str(library))
    else:
        dlopen = ctypes.CDLL(None).dlopen
        dlopen.argtypes, dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
        dlopen(os.fsencode(library), os.RTLD_NOW | os.RTLD_LOCAL)
