"""Open files of tensors without trusting them: names and shapes first, then one tensor at a time.

Formats: safetensors (also in shards), NumPy's npz, and by way of `pickles` PyTorch's own. Knows no network.
torch is imported where a tensor is read, so that looking at names and shapes needs none, but for pickles.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from safetensors import SafetensorError, safe_open

from mixer_gui.model.config import Shape
from mixer_gui.records import WEIGHT_SUFFIXES, MixerGuiError

if TYPE_CHECKING:
    from torch import Tensor

Framework = Literal["numpy", "pt"]

INDEX_NAME = "model.safetensors.index.json"
MAX_ELEMENTS = 2**31  # five times H/14; what claims more is broken or hostile
MAX_INDEX_BYTES = 2**24
MAPPED_BYTES = 2**25  # of a mapped file that may stay in memory while it is read
FLOATS = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8}  # safetensors' names, bytes per element


class Weights(ABC):
    """An open file: `shapes` is known, `read` fetches. A context manager; closes its file."""

    shapes: Mapping[str, Shape]

    @abstractmethod
    def read(self, key: str) -> Tensor:
        """One tensor of any float dtype on the CPU, possibly a view of the file. Raises MixerGuiError."""

    @abstractmethod
    def close(self) -> None:
        """Release the file; `read` is over."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def read_shapes(path: Path) -> Mapping[str, Shape]:
    """Names and shapes in a file of tensors or a shard index. Raises MixerGuiError as `open_weights` does."""
    with _open(path, "numpy") as weights:
        return weights.shapes


def open_weights(path: Path) -> Weights:
    """Open a file of tensors by its suffix, or a shard index.

    Raises MixerGuiError with the file's name: missing, incomplete, not what its suffix says, needs code
    to be run, tensors of no float type, more elements than any Mixer has.
    """
    return _open(path, "pt")


def _open(path: Path, framework: Framework) -> Weights:
    if path.name == INDEX_NAME:
        return _Shards(path, framework)
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise MixerGuiError(f"“{path.name}” cannot be read: {error.strerror or error}.", str(error)) from error
    if not start:
        raise MixerGuiError(f"“{path.name}” is empty. Download it again.")
    if start.startswith(b"version https://git-lfs"):
        raise MixerGuiError(
            f"“{path.name}” is only a pointer to the weights (Git LFS), not the weights. Run “git lfs pull” there, or "
            "download the file itself."
        )
    suffix = path.suffix.lower()
    if suffix not in WEIGHT_SUFFIXES:
        raise MixerGuiError(
            f"“{path.name}” is not a kind of weights that Mixer GUI reads. It reads {', '.join(WEIGHT_SUFFIXES)}."
        )
    if suffix == ".safetensors":
        return _Safetensors(path, framework)
    if suffix == ".npz":
        return _Npz(path)
    from mixer_gui.model.pickles import PickledWeights

    return PickledWeights(path)


def check_size(name: str, shapes: Mapping[str, Shape]) -> None:
    """Refuse absurd sizes before anything is allocated."""
    elements = sum(math.prod(shape) for shape in shapes.values())
    if elements > MAX_ELEMENTS:
        raise MixerGuiError(
            f"“{name}” claims {elements:,} numbers, more than any Mixer has ({MAX_ELEMENTS:,} are allowed), so it was "
            "not loaded."
        )


class _Safetensors(Weights):
    """`framework` is what `read` would need: "numpy" opens without torch and is for looking only."""

    def __init__(self, path: Path, framework: Framework) -> None:
        self._path, self._name, self._framework = path, path.name, framework
        self._stack = ExitStack()
        self._touched_bytes = 0  # of the mapping: it counts as memory of this process until the file is closed
        with self._told():
            self._file = self._stack.enter_context(safe_open(path, framework=framework, device="cpu"))
        try:
            with self._told():
                slices = {key: self._file.get_slice(key) for key in self._file.keys()}  # noqa: SIM118
                self.shapes = {key: tuple(part.get_shape()) for key, part in slices.items()}
                kinds = {key: part.get_dtype() for key, part in slices.items()}
            for key, kind in kinds.items():
                if kind not in FLOATS:
                    raise not_floats(self._name, key, kind)
            check_size(self._name, self.shapes)
        except MixerGuiError:
            self.close()
            raise

    def read(self, key: str) -> Tensor:
        with self._told():
            if self._touched_bytes > MAPPED_BYTES:
                self._stack.close()
                self._file = self._stack.enter_context(safe_open(self._path, framework=self._framework, device="cpu"))
                self._touched_bytes = 0
            tensor: Tensor = self._file.get_tensor(key)
        self._touched_bytes += tensor.nbytes
        return tensor

    def close(self) -> None:
        self._stack.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the library's errors into sentences."""
        try:
            yield
        except (SafetensorError, OSError, ValueError, RuntimeError) as error:
            short = any(
                words in str(error) for words in ("not fully covered", "header too small", "invalid header length")
            )
            reason = (
                "is incomplete: its length is not what its header says"
                if short
                else "is not a readable safetensors file"
            )
            raise MixerGuiError(f"“{self._name}” {reason}. Download it again.", str(error)) from error


class _Shards(Weights):
    """Several safetensors files beside an index that says which tensor is where."""

    def __init__(self, index: Path, framework: Framework) -> None:
        self._files: dict[str, _Safetensors] = {}
        self._places = _weight_map(index)
        try:
            for shard in sorted(set(self._places.values())):
                path = index.with_name(shard)
                if not path.is_file():
                    raise MixerGuiError(
                        f"The checkpoint is incomplete: “{shard}”, which “{index.name}” names, is missing."
                    )
                self._files[shard] = _Safetensors(path, framework)
            for key, shard in self._places.items():
                if key not in self._files[shard].shapes:
                    raise MixerGuiError(f"“{index.name}” says that “{shard}” holds {key}, but it does not.")
            self.shapes = {key: self._files[shard].shapes[key] for key, shard in self._places.items()}
            check_size(index.name, self.shapes)
        except MixerGuiError:
            self.close()
            raise

    def read(self, key: str) -> Tensor:
        return self._files[self._places[key]].read(key)

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def _weight_map(index: Path) -> dict[str, str]:
    content = read_json(index, MAX_INDEX_BYTES)
    places = content.get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(shard, str) for shard in places.values()):
        raise MixerGuiError(f"“{index.name}” has no “weight_map” that says which file holds which tensor.")
    for shard in places.values():
        # The names, not where links lead: files in the Hub's cache are links out of the folder.
        if not shard.endswith(".safetensors") or any(sign in shard for sign in "/\\:\0"):
            raise MixerGuiError(
                f"“{index.name}” names the file {shard!r}, which is no safetensors file in its own folder; "
                "it was refused."
            )
    return places


class _Npz(Weights):
    """NumPy's archive: one .npy member per tensor, compressed or not."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        with self._told():
            self._zip = zipfile.ZipFile(path)
        try:
            self._members = {
                info.filename.removesuffix(".npy"): info for info in self._zip.infolist() if not info.is_dir()
            }
            with self._told():
                self.shapes = {key: self._shape(key, info) for key, info in self._members.items()}
            check_size(self._name, self.shapes)
        except MixerGuiError:
            self.close()
            raise

    def _shape(self, key: str, info: zipfile.ZipInfo) -> Shape:
        with self._zip.open(info) as member:
            version = np.lib.format.read_magic(member)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(member)
            if dtype.hasobject:
                raise MixerGuiError(
                    f"“{self._name}” holds Python objects ({key}), which can run code when they are read; it "
                    "was refused."
                )
            if dtype.kind != "f" and dtype.str != "|V2":  # jax saves bfloat16 as two raw bytes
                raise not_floats(self._name, key, str(dtype))
            if math.prod(shape) * dtype.itemsize != info.file_size - member.tell() or min(shape, default=0) < 0:
                raise ValueError(f"{key}: {shape} of {dtype} does not fit the member's {info.file_size} bytes")
        return tuple(int(size) for size in shape)

    def read(self, key: str) -> Tensor:
        import torch

        with self._told(), self._zip.open(self._members[key]) as member:
            array = np.lib.format.read_array(member, allow_pickle=False)
            if array.dtype.kind == "V":
                return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
            return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))

    def close(self) -> None:
        self._zip.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            ValueError,
            SyntaxError,
            RuntimeError,
            NotImplementedError,
            TypeError,
            AttributeError,
        ) as error:
            raise MixerGuiError(
                f"“{self._name}” is not a readable npz archive, or is incomplete. Download it again.", str(error)
            ) from error


def not_floats(name: str, key: str, kind: str) -> MixerGuiError:
    return MixerGuiError(
        f"“{name}” holds numbers that are not plain floats ({key}: {kind}). Quantised and integer weights are not "
        "supported."
    )


def read_json(path: Path, max_bytes: int) -> dict[str, object]:
    """A JSON object from a file; raises MixerGuiError where it is missing, too large or no such thing."""
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise MixerGuiError(f"“{path.name}” is missing in the folder “{path.parent.name}”.", str(path)) from error
    except OSError as error:
        raise MixerGuiError(f"“{path.name}” cannot be read: {error.strerror or error}.", str(error)) from error
    return parse_json(raw, path.name, max_bytes)


def parse_json(raw: bytes, name: str, max_bytes: int) -> dict[str, object]:
    """A JSON object from the bytes of a file; raises MixerGuiError where they are too many or no such thing."""
    if len(raw) > max_bytes:
        raise MixerGuiError(f"“{name}” is larger than {max_bytes:,} bytes, so it was not read.")
    try:
        content = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise MixerGuiError(f"“{name}” is not text in UTF-8.", str(error)) from error
    except (ValueError, RecursionError) as error:
        raise MixerGuiError(f"“{name}” is not valid JSON: {error}.", str(error)) from error
    if not isinstance(content, dict):
        raise MixerGuiError(f"“{name}” holds a {type(content).__name__}, not an object with named values.")
    return content
