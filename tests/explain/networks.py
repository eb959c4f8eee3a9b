"""Random networks whose every tensor was drawn, wide enough that GELU' varies. For these tests only."""

from __future__ import annotations

import torch
from checkpoints import draw_everything
from torch import Tensor, nn

from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer, Record, Recording
from mixer_gui.model.variants import variant
from mixer_gui.records import Gelu

SMALL = MixerConfig(
    image_size=(24, 32),
    patch_size=8,
    num_blocks=3,
    hidden_dim=10,
    tokens_mlp_dim=14,
    channels_mlp_dim=24,
    num_classes=7,
)
B16 = variant("B/16")
GELUS = list(Gelu)


def drawn(config: MixerConfig, seed: int = 0) -> MlpMixer:
    """Every tensor is moved; weights are large enough that hidden layers spread over GELU's bend."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MlpMixer(config)
    draw_everything(model, seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.mul_(2.0)
    return model.requires_grad_(requires_grad=False).eval()


def in_bf16(model: MlpMixer) -> MlpMixer:
    """All but the final norm and the head, which run in fp32 on every path."""
    model.to(torch.bfloat16)
    model.norm.float()
    model.head.float()
    return model


def pictures(config: MixerConfig, count: int = 1, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, *config.image_size, generator=torch.Generator().manual_seed(seed))


def recorded(model: MlpMixer, images: Tensor) -> tuple[Tensor, Recording]:
    with torch.inference_mode():
        return model(images, Record.FULL)


def difference(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference over the largest value."""
    return float((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max())
