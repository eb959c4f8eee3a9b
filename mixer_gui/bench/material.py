"""What the benchmarks run on: checkpoints with random weights and large pictures, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

from mixer_gui.model.variants import variant

MEGAPIXELS = {"large.jpg": 50, "large.webp": 24, "large.jp2": 24}
PICTURES = (*MEGAPIXELS, *(f"photo-{number}.jpg" for number in range(7)))


def random_checkpoint(name: str, folder: Path, *, seed: int = 0) -> Path:
    """A folder in Hub format with a variant of the paper and weights drawn at random."""
    import torch
    from safetensors.torch import save_file

    from mixer_gui.model.mixer import MlpMixer

    config = variant(name)
    target = folder / f"mixer-{name.replace('/', '').lower()}"
    target.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    save_file(MlpMixer(config).state_dict(), target / "model.safetensors")
    height, width = config.image_size
    preprocessing = {
        "input_size": [3, height, width],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "crop_pct": 0.875,
    }
    said = {"architecture": target.name, "num_classes": config.num_classes, "pretrained_cfg": preprocessing}
    (target / "config.json").write_text(json.dumps(said))
    return target


def pictures(folder: Path, names: tuple[str, ...] = PICTURES) -> list[Path]:
    """Pictures by name: a JPEG of 50 megapixels, a WebP and a JPEG 2000 of 24, any others of 12."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    made = []
    for name in names:
        height = round((MEGAPIXELS.get(name, 12) * 1e6 * 3 / 4) ** 0.5)
        path = folder / name
        if not path.exists():
            coarse.resize((height * 4 // 3, height), Image.Resampling.BICUBIC).save(path)
        made.append(path)
    return made
