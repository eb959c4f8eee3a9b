"""Tiny random Mixers and the files they come in: every dialect, every format. For tests only.

The spellings are written out again here, so that a slip in `mixer_gui.model.dialects` is seen.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer

TUTORIAL = (
    ("stem.proj.", "patch_embedding.0."),
    (".norm1.", ".token_mix.0."),
    (".mlp_tokens.fc1.", ".token_mix.2.net.0."),
    (".mlp_tokens.fc2.", ".token_mix.2.net.3."),
    (".norm2.", ".channel_mix.0."),
    (".mlp_channels.fc1.", ".channel_mix.1.net.0."),
    (".mlp_channels.fc2.", ".channel_mix.1.net.3."),
    ("blocks.", "mixer_blocks."),
    ("norm.", "layer_norm."),
    ("head.", "mlp_head."),
)
GOOGLE = (
    ("norm1.weight", "norm1.scale"),
    ("norm2.weight", "norm2.scale"),
    ("norm.weight", "norm.scale"),
    ("weight", "kernel"),
    ("stem.proj.", "stem."),
    ("norm1", "LayerNorm_0"),
    ("norm2", "LayerNorm_1"),
    ("mlp_tokens", "token_mixing"),
    ("mlp_channels", "channel_mixing"),
    ("fc1", "Dense_0"),
    ("fc2", "Dense_1"),
    ("blocks.", "MixerBlock_"),
    ("norm.", "pre_head_layer_norm."),
    (".", "/"),
)


def tiny_config(**changes: object) -> MixerConfig:
    """16 patches of 8×8, 12 channels, 3 blocks, 5 classes."""
    config = MixerConfig(
        image_size=(32, 32),
        patch_size=8,
        num_blocks=3,
        hidden_dim=12,
        tokens_mlp_dim=10,
        channels_mlp_dim=20,
        num_classes=5,
    )
    return replace(config, **changes)


def draw_everything(module: nn.Module, seed: int = 0) -> None:
    """Move EVERY parameter: on fresh weights (norms 1, head 0) wrong networks agree with right ones."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            scale = 0.2 if name.startswith("head.") else 0.02 if parameter.numel() > 10_000 else 0.2
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator))


def random_mixer(config: MixerConfig, seed: int = 0) -> MlpMixer:
    model = MlpMixer(config)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
    draw_everything(model, seed)
    return model.requires_grad_(requires_grad=False).eval()


def spelled(model: MlpMixer, dialect: str) -> dict[str, Tensor]:
    """The model's tensors as `dialect` ("timm", "tutorial", "google") names and lays them out."""
    tensors = {}
    for name, tensor in model.state_dict().items():
        if dialect == "google":
            tensor = tensor.permute(2, 3, 1, 0) if tensor.ndim == 4 else tensor.t() if tensor.ndim == 2 else tensor
        tensors[_rename(name, {"tutorial": TUTORIAL, "google": GOOGLE}.get(dialect, ()))] = tensor.contiguous()
    return tensors


def _rename(name: str, table: tuple[tuple[str, str], ...]) -> str:
    for ours, theirs in table:
        name = name.replace(ours, theirs)
    return name


def write_tensors(tensors: dict[str, Tensor], path: Path) -> Path:
    """In the format of the path's suffix."""
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    elif path.suffix == ".npz":
        np.savez(path, **{key: tensor.numpy() for key, tensor in tensors.items()})
    else:
        torch.save(tensors, path)
    return path


def write_hub_folder(
    model: MlpMixer, folder: Path, dialect: str = "timm", weights_name: str = "", **changes: object
) -> Path:
    """A folder as on the Hub; `changes` replace values of `config.json`, inside `pretrained_cfg` one by one."""
    folder.mkdir(parents=True, exist_ok=True)
    inner = {
        "input_size": [3, *model.config.image_size],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "crop_pct": 0.875,
        "crop_mode": "center",
    }
    inner |= changes.pop("pretrained_cfg", {})
    config = {"architecture": "mixer_tiny", "num_classes": model.config.num_classes, "pretrained_cfg": inner} | changes
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights_name = weights_name or {"google": "weights.npz", "tutorial": "pytorch_model.bin"}.get(
        dialect, "model.safetensors"
    )
    write_tensors(spelled(model, dialect), folder / weights_name)
    return folder
