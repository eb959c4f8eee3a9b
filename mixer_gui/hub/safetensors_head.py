"""Names and shapes of the tensors in a safetensors file, from the JSON at its head: the numbers are not read."""

from __future__ import annotations

import json
from typing import BinaryIO

from mixer_gui.hub.pickled import Shapes
from mixer_gui.records import MixerGuiError

LENGTH_BYTES = 8  # the head begins with its length
MAX_HEAD_BYTES = 2**24
METADATA = "__metadata__"


def read_safetensors_shapes(file: BinaryIO, name: str) -> Shapes:
    """The shapes in a file from its beginning on; what its reading raises is passed on. Raises MixerGuiError."""
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    head = file.read(length) if length <= MAX_HEAD_BYTES else b""
    if len(head) != length:
        raise _unreadable(name, f"a head of {length} bytes")
    try:
        listed = json.loads(head)
        return {
            key: tuple(_size(size) for size in tensor["shape"]) for key, tensor in listed.items() if key != METADATA
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(name, f"{type(error).__name__}: {error}") from error


def _size(size: object) -> int:
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"{size!r} is no size")
    return size


def _unreadable(name: str, detail: str) -> MixerGuiError:
    return MixerGuiError(f"“{name}” is not a readable safetensors file. Tell its authors.", detail)
