"""Checkpoints that mean harm: their pickles create a file, their names lead out of their folder. For tests only."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from checkpoints import random_mixer, spelled, tiny_config, write_hub_folder

UNSAFE = {
    ".pth": "import sys, torch; torch.load(sys.argv[1], weights_only=False)",
    ".npz": "import sys, numpy; dict(numpy.load(sys.argv[1], allow_pickle=True))",
}


class Payload:
    """Unpickling it creates the file `marker`."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self._marker), "w")


def write_pickle(path: Path, marker: Path) -> Path:
    """A complete Mixer in the format of the suffix (.pth, .npz) with a payload beside its tensors."""
    if path.suffix == ".pth":
        torch.save({**spelled(random_mixer(tiny_config()), "timm"), "extra": Payload(marker)}, path)
        return path
    arrays = {key: tensor.numpy() for key, tensor in spelled(random_mixer(tiny_config()), "google").items()}
    payload = np.empty(1, dtype=object)
    payload[0] = Payload(marker)
    np.savez(path, **arrays, extra=payload)
    return path


def detonate(path: Path) -> None:
    """Unpickle a file in a process of its own without any care: what a careless program would do."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", UNSAFE[path.suffix], str(path)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def write_climbing_config(folder: Path, name: str, where: str) -> Path:
    """A Hub folder, complete but for its config.json, which names the weights `name`.

    `where`: "top" or "model_args" or "pretrained_cfg", then the key.
    """
    part, _, key = where.partition(".")
    changes: dict[str, object] = {key: name} if part == "top" else {part: {key: name}}
    return write_hub_folder(random_mixer(tiny_config()), folder, **changes)


def write_climbing_index(folder: Path, shard: str) -> Path:
    """A Hub folder whose shards all are said to be `shard`."""
    model = random_mixer(tiny_config())
    write_hub_folder(model, folder)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": dict.fromkeys(spelled(model, "timm"), shard)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder
