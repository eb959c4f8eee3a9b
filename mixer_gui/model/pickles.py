"""PyTorch's own format, which is a pickle: read with `weights_only` and never otherwise."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from torch import Tensor

from mixer_gui.model.weight_files import Weights, check_size, not_floats
from mixer_gui.records import MixerGuiError

WRAPPERS = ("state_dict", "model_state_dict", "model")


class PickledWeights(Weights):
    """An open file, mapped or in memory. `weights_only` builds tensors and plain containers and runs no code."""

    def __init__(self, path: Path) -> None:
        self._tensors = _state_dict(_unpickle(path), path.name)
        self.shapes = {key: tuple(tensor.shape) for key, tensor in self._tensors.items()}
        check_size(path.name, self.shapes)
        for key, tensor in self._tensors.items():
            if tensor.layout != torch.strided or tensor.device.type != "cpu" or not tensor.is_floating_point():
                raise not_floats(path.name, key, f"{tensor.dtype}, {tensor.layout}, {tensor.device}")

    def read(self, key: str) -> Tensor:
        return self._tensors[key].detach()

    def close(self) -> None:
        self._tensors = {}


def _unpickle(path: Path) -> object:
    try:
        zipped = zipfile.is_zipfile(path)
        # Pickles older than PyTorch 1.6 are not zip archives and cannot be mapped into memory.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # a broken pickle can raise anything while it is read
        # `weights_only` answers with the same class for code and for noise; its words tell them apart.
        if any(
            words in str(error) for words in ("GLOBAL", "Unsupported class", "unrecognized function", "TorchScript")
        ):
            raise MixerGuiError(
                f"“{path.name}” was refused: it holds more than tensors and could run code when it is read. Ask its "
                "author for a safetensors file.",
                str(error),
            ) from error
        raise MixerGuiError(
            f"“{path.name}” is not a readable PyTorch file, or is incomplete. Download it again.",
            f"{type(error).__name__}: {error}",
        ) from error


def _state_dict(content: object, name: str) -> dict[str, Tensor]:
    """Unwrap training checkpoints, such as {"state_dict": …, "epoch": 3}."""
    for _ in range(3):
        wrapped = next(
            (key for key in WRAPPERS if isinstance(content, dict) and isinstance(content.get(key), dict)), None
        )
        if wrapped is None or not isinstance(content, dict):
            break
        content = content[wrapped]
    if not isinstance(content, dict):
        raise MixerGuiError(f"“{name}” holds a {type(content).__name__}, not a dictionary of tensors (a state dict).")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise MixerGuiError(
                f"“{name}” is not a dictionary of tensors (a state dict): {key!r} is a {type(value).__name__}."
            )
    return dict(content)
