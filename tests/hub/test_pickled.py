"""Shapes from PyTorch files: as torch itself sees them, and nothing in them is run."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from checkpoints import random_mixer, tiny_config

from mixer_gui.hub.pickled import read_pickled_shapes
from mixer_gui.records import MixerGuiError


def saved(content: object, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(content, file, **options)
    file.seek(0)
    return file


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_shapes_are_torchs(dtype: torch.dtype, wrapper: str | None) -> None:
    state = random_mixer(tiny_config()).to(dtype).state_dict()
    content = state if wrapper is None else {wrapper: state, "epoch": 3}
    assert read_pickled_shapes(saved(content), "x") == {key: tuple(tensor.shape) for key, tensor in state.items()}


def test_parameters_are_tensors_too() -> None:
    content = {"w": torch.nn.Parameter(torch.zeros(2, 3)), "shared": torch.zeros(4)[1:3]}
    assert read_pickled_shapes(saved(content), "x") == {"w": (2, 3), "shared": (2,)}


class Creates:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "created"
    hostile = {"w": torch.zeros(1), "x": Creates(marker)}
    with pytest.raises(MixerGuiError, match="could run code"):
        read_pickled_shapes(saved(hostile), "x")
    assert not marker.exists()
    torch.load(saved(hostile), weights_only=False)  # it would have been
    assert marker.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        pickle.dumps({"w": 1}),
        saved({"w": 1}).getvalue(),
        saved([torch.zeros(1)]).getvalue(),
        saved({"w": torch.zeros(1)}, _use_new_zipfile_serialization=False).getvalue(),
        saved({"w": torch.zeros(1)}).getvalue()[:-30],
    ],
    ids=["empty", "text", "pickle", "numbers", "list", "old format", "cut"],
)
def test_what_is_no_state_dict_is_told(content: bytes) -> None:
    with pytest.raises(MixerGuiError, match="“weights”"):
        read_pickled_shapes(io.BytesIO(content), "weights")


def test_an_archive_that_claims_too_much_is_not_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(2**24 + 1))
    file.seek(0)
    with pytest.raises(MixerGuiError, match="not one of tensors"):
        read_pickled_shapes(file, "x")


def zipped(pickled: bytes, compression: int = zipfile.ZIP_STORED) -> bytearray:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("x/data.pkl", pickled)
    return bytearray(file.getvalue())


def test_an_archive_with_a_password_is_told() -> None:
    data = zipped(b"N.")
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + place] |= 1
    with pytest.raises(MixerGuiError, match="not a PyTorch file"):
        read_pickled_shapes(io.BytesIO(data), "x")


KEY_OF_TUPLES = b")" + b"\x85" * 500_000  # ((((…)))): hashing it overflows the stack
STEPS = {
    "key of a dictionary": b"\x80\x02}" + KEY_OF_TUPLES + b"K\x01s.",
    "keys of a dictionary": b"\x80\x02}(" + KEY_OF_TUPLES + b"K\x01u.",
    "dictionary made at once": b"\x80\x02(" + KEY_OF_TUPLES + b"K\x01d.",
    "member of a set": b"\x80\x04\x8f(" + KEY_OF_TUPLES + b"\x90.",
    "member of a frozen set": b"\x80\x04(" + KEY_OF_TUPLES + b"\x91.",
    "argument of an OrderedDict": b"\x80\x02ccollections\nOrderedDict\n]" + KEY_OF_TUPLES + b"K\x01\x86a\x85R.",
    "state of an OrderedDict": b"\x80\x02ccollections\nOrderedDict\n)R}X\x06\0\0\0valuesK\x01sb.",
    "name of a value": b"\x80\x02}r\xff\xff\xff\x7fK\x01K\x01s.",
    "number": b"\x80\x02}\x8b\x00\x00\x10\x00" + b"\x7f" * 2**20 + b"K\x01s.",
}
READ = r"""
import re, sys
from mixer_gui.hub.pickled import read_pickled_shapes
from mixer_gui.records import MixerGuiError
try:
    print(read_pickled_shapes(open(sys.argv[1], "rb"), "x"))
except MixerGuiError as error:
    print(error)
assert int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1]) < 500_000  # kB at most, ever
"""


@pytest.mark.parametrize("step", STEPS)
def test_what_would_kill_a_process_is_told(tmp_path: Path, step: str) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(zipped(STEPS[step]))
    run = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr[-1000:]
    assert run.stdout.startswith(("“x” is not", "{}"))
