"""Which build of torch is installed, and whether another one would serve this machine better. Never imports torch."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path

# Where PyTorch says how its CUDA builds are installed.
CUDA_ADDRESS = "https://pytorch.org/get-started/locally/"


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """What torch says of itself; `cuda` and `hip` are versions, None where it was built without."""

    version: str
    cuda: str | None = None
    hip: str | None = None

    @property
    def flavour(self) -> str:
        """As people say it: “CPU”, “CUDA 12.8”, “ROCm 6.4”."""
        if self.cuda is not None:
            return f"CUDA {self.cuda}"
        return "CPU" if self.hip is None else f"ROCm {self.hip}"


def torch_build(folders: Sequence[str] | None = None) -> TorchBuild | None:
    """The torch that an import would give, from its module `version` alone; None where there is none.

    `folders`: where the package's modules lie; None: where Python, or the frozen bundle, finds them.
    """
    if folders is None:
        package = find_spec("torch")  # finds without importing
        if package is None:
            return None
        folders = package.submodule_search_locations
    spec = PathFinder.find_spec("torch.version", folders)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return TorchBuild(module.__version__, getattr(module, "cuda", None), getattr(module, "hip", None))


def has_nvidia_driver(root: Path | None = None, platform: str = sys.platform, path: str | None = None) -> bool:
    """Whether NVIDIA's driver is installed, as files tell; runs nothing.

    `root`: of the file system, on Windows its own folder; `path`: where programs are looked for, None: PATH.
    """
    if platform == "win32":
        folder = root or Path(os.environ.get("SYSTEMROOT", r"C:\Windows"))
        return (folder / "System32" / "nvcuda.dll").is_file()
    if not platform.startswith("linux"):
        return False
    driver = (root or Path("/")) / "proc" / "driver" / "nvidia" / "version"
    return driver.is_file() or shutil.which("nvidia-smi", path=path) is not None


def lacks_cuda(build: TorchBuild | None) -> bool:
    """Whether this machine has an NVIDIA driver that the installed torch cannot use."""
    return build is not None and build.flavour == "CPU" and has_nvidia_driver()
