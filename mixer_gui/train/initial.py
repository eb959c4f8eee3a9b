"""The weights that a training begins with, and those with which it goes on when its patches become finer."""

from __future__ import annotations

from dataclasses import replace

import torch
from einops import repeat
from torch import Tensor, nn

from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer

COARSER = 2  # how many fine patches lie along the edge of a coarse one


def initialised(config: MixerConfig, seed: int) -> MlpMixer:
    """A network with drawn weights (Glorot and Bengio 2010), biases of zero and a head of zeros."""
    generator = torch.Generator().manual_seed(seed)
    model = MlpMixer(config)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1), generator=generator)
            nn.init.constant_(module.bias, 0.0)  # type: ignore[arg-type]
    nn.init.zeros_(model.head.weight)
    return model


@torch.no_grad()
def begun(origin: MlpMixer, classes: int, *, same_classes: bool) -> MlpMixer:
    """A copy of `origin` for so many classes; where they are not its own, the head begins with zeros."""
    config = replace(origin.config, num_classes=classes)
    tensors = dict(origin.state_dict())
    if not same_classes:
        tensors["head.weight"] = torch.zeros(classes, config.hidden_dim)
        tensors["head.bias"] = torch.zeros(classes)
    model = MlpMixer(config)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return model


def coarse(config: MixerConfig) -> MixerConfig:
    """The same network for pictures of half the edge: a quarter of the patches, and of the work."""
    height, width = config.image_size
    return replace(config, image_size=(height // COARSER, width // COARSER))


@torch.no_grad()
def refined(model: MlpMixer, config: MixerConfig) -> MlpMixer:
    """The network `config` from its `coarse` one: each patch becomes four, which begin by mixing as the one did.

    Where the four show the same, the hidden layer of token mixing is that of the coarse network, and so is what the
    four are given. All other weights are the same.
    """
    rows, columns = model.config.grid.rows, model.config.grid.columns

    def four(weight: Tensor, pattern: str) -> Tensor:
        spread = f"{pattern.replace('n', '(r c)')} -> {pattern.replace('n', '(r a c b)')}"
        return repeat(weight, spread, r=rows, c=columns, a=COARSER, b=COARSER)

    tensors = dict(model.state_dict())
    for layer in range(config.num_blocks):
        name = f"blocks.{layer}.mlp_tokens"
        tensors[f"{name}.fc1.weight"] = four(tensors[f"{name}.fc1.weight"], "t n") / COARSER**2
        tensors[f"{name}.fc2.weight"] = four(tensors[f"{name}.fc2.weight"], "n t")
        tensors[f"{name}.fc2.bias"] = four(tensors[f"{name}.fc2.bias"], "n")
    finer = MlpMixer(config)
    finer.load_state_dict(tensors)
    return finer.to(model.head.weight.device)
