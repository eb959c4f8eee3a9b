"""Repositories for the tests' Hub: a real-sized Mixer that timm made, with its answers, and a tiny one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CARD = """\
---
license: apache-2.0
library_name: timm
tags:
- image-classification
---
# A random Mixer

Every tensor was drawn at random; it knows nothing.
"""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of the tests' Hub; `files` is the folder that it was made from."""

    name: str
    commit: str
    files: Path

    @property
    def weights(self) -> Path:
        return self.files / "model.safetensors"


@dataclass(frozen=True, slots=True)
class Reference:
    """What timm says (images, classes) of normalised `images` (images, 3, 224, 224), both fp32."""

    images: NDArray
    logits: NDArray


def write_timm_mixer(folder: Path, name: str = "mixer_s32_224", seed: int = 0) -> Reference:
    """A Mixer as timm saves it for the Hub, 76 MB for S/32, with every tensor drawn at random."""
    import torch
    from references import import_timm

    timm = import_timm()
    generator = torch.Generator().manual_seed(seed)
    model = timm.create_model(name).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            # The width keeps the variance, so that logits are neither all alike nor huge.
            width = math.sqrt(3 / parameter[0].numel()) if parameter.ndim > 1 else 0.2
            parameter.uniform_(-width, width, generator=generator)
            if "norm" in key and key.endswith("weight"):
                parameter.add_(1)
        model.head.weight.mul_(2)
        images = torch.randn((2, 3, 224, 224), generator=generator)
        logits = model(images)
    folder.mkdir(parents=True, exist_ok=True)
    timm.models.save_for_hf(model, str(folder), safe_serialization=True)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    return Reference(images.numpy(), logits.numpy())


def write_tiny_mixer(folder: Path, seed: int = 0) -> Path:
    """24 kB of weights, 16 patches, 5 classes; returns the folder."""
    from checkpoints import random_mixer, tiny_config, write_hub_folder

    write_hub_folder(random_mixer(tiny_config(), seed), folder)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    return folder
