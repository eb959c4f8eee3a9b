"""Importing torch in a thread without freezing the window. Must not import torch at module level."""

import ctypes
import gc
import importlib.util
import os
import sys
import threading
from pathlib import Path

NICENESS = 10


def import_torch() -> None:
    """Import torch, holding the GIL as little as can be; call it in the engine thread.

    `import torch` loads its shared libraries inside dlopen, which CPython calls with the GIL held: the
    window froze for 150-300 ms. Called through ctypes as a foreign function dlopen runs without the GIL,
    and the import that follows finds the libraries loaded. A collection over the objects that importing
    makes would hold the GIL too, and finds nothing to free.
    """
    if "torch" in sys.modules:
        return
    switch_interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    collecting = gc.isenabled()
    gc.disable()
    try:
        # Whole, before torch's C code asks for a part of it: the decoder's thread, which imports numpy when the
        # first pixels come, then met a half-imported one, and no picture could be decoded any more.
        import numpy  # noqa: F401

        _load_libraries()
        import torch  # noqa: F401
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
        sys.setswitchinterval(switch_interval)


def give_way() -> None:
    """Let the window's thread go first where there are not cores enough for both; call it in the engine thread.

    On Linux a thread has a niceness of its own, and the threads that torch starts from it inherit it: as
    many as there are cores, spinning between two matrix products. An otherwise idle machine loses nothing.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))  # going below it takes a privilege
        os.setpriority(os.PRIO_PROCESS, thread, niceness)


def _load_libraries() -> None:
    """Load torch's libraries, each after what it needs; one that is missing is torch's to complain of."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent / "lib"
    for name in ("c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch", "torch_python"):
        if sys.platform == "win32":
            library = folder / f"{name}.dll"
            if library.exists():
                load = ctypes.windll.kernel32.LoadLibraryW
                load.argtypes, load.restype = [ctypes.c_wchar_p], ctypes.c_void_p
                load(str(library))
        else:
            suffix = "dylib" if sys.platform == "darwin" else "so"
            library = folder / f"lib{name}.{suffix}"
            if library.exists():
                dlopen = ctypes.CDLL(None).dlopen
                dlopen.argtypes, dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
                dlopen(os.fsencode(library), os.RTLD_NOW | os.RTLD_LOCAL)
