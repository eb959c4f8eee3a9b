"""Which torch is installed and whether an NVIDIA driver is, told from files alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from mixer_gui.flavour import TorchBuild, has_nvidia_driver, torch_build

CUDA_VERSION = """
from typing import Optional
__version__ = '2.13.0+cu128'
cuda: Optional[str] = '12.8'
hip: Optional[str] = None
"""


def test_the_installed_torch_is_told_without_importing_it() -> None:
    code = (
        "import sys\nfrom mixer_gui.flavour import torch_build\nbuild = torch_build()\n"
        "assert not {'torch', 'numpy', 'PySide6'} & set(sys.modules)\n"
        "import torch\nassert build.version == torch.__version__, build\nassert build.cuda == torch.version.cuda"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_cuda_build_is_told_by_its_version_file(tmp_path: Path) -> None:
    (tmp_path / "version.py").write_text(CUDA_VERSION, encoding="utf-8")
    build = torch_build([str(tmp_path)])
    assert build == TorchBuild("2.13.0+cu128", cuda="12.8")
    assert build.flavour == "CUDA 12.8"


@pytest.mark.parametrize(
    ("build", "flavour"),
    [(TorchBuild("2.13.0+cpu"), "CPU"), (TorchBuild("2.13.0+rocm6.4", hip="6.4.1"), "ROCm 6.4.1")],
)
def test_other_builds_are_named(build: TorchBuild, flavour: str) -> None:
    assert build.flavour == flavour


def test_no_torch_is_no_build(tmp_path: Path) -> None:
    assert torch_build([str(tmp_path)]) is None


def test_linux_driver_is_told_by_its_own_file_or_its_program(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    assert not has_nvidia_driver(tmp_path, "linux", str(programs))
    (programs / "nvidia-smi").write_text("#!/bin/sh\nexit 1\n")
    (programs / "nvidia-smi").chmod(0o755)
    assert has_nvidia_driver(tmp_path, "linux", str(programs)), "what it says is not asked"
    (programs / "nvidia-smi").unlink()
    (tmp_path / "proc" / "driver" / "nvidia").mkdir(parents=True)
    (tmp_path / "proc" / "driver" / "nvidia" / "version").write_text("NVRM version: 570.86.15\n")
    assert has_nvidia_driver(tmp_path, "linux", str(programs))


def test_windows_driver_is_told_by_its_library(tmp_path: Path) -> None:
    assert not has_nvidia_driver(tmp_path, "win32")
    (tmp_path / "System32").mkdir()
    (tmp_path / "System32" / "nvcuda.dll").write_bytes(b"MZ")
    assert has_nvidia_driver(tmp_path, "win32")


def test_macos_has_no_driver_of_nvidias(tmp_path: Path) -> None:
    assert not has_nvidia_driver(tmp_path, "darwin", str(tmp_path))
