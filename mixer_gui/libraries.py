"""Shared libraries loaded without the GIL, ahead of the import that needs them. Imports nothing of the project.

`import` loads libraries inside dlopen, which CPython calls with the GIL held: torch's froze the window for 150 to
300 ms, FFmpeg's for 100. Called through ctypes as a foreign function, dlopen runs without the GIL, and the import
that follows finds the libraries loaded.
"""

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

SUFFIX = {"win32": "dll", "darwin": "dylib"}.get(sys.platform, "so")


def load_libraries(package: str, folder: str, patterns: tuple[str, ...]) -> None:
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
