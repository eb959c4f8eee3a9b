"""The weights that a training begins with."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mixer_gui.model.mixer import MlpMixer, TokenMixing
from mixer_gui.train.recipe import Recipe

WIDTHS = (0.75, 3.7)  # of a unit's bell, in patches on a grid of 8×8: from a patch's own neighbours to half the grid
FREQUENCY = 2.4  # of a unit's wave, radians per bell width at most


def initialised(recipe: Recipe) -> MlpMixer:
    """A network with drawn weights, a head of zeros and, if so chosen, token mixing that sees neighbourhoods."""
    generator = torch.Generator().manual_seed(recipe.seed)
    model = MlpMixer(recipe.network)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1), generator=generator)
            nn.init.constant_(module.bias, 0.0)  # type: ignore[arg-type]
    nn.init.zeros_(model.head.weight)
    for layer in range(recipe.network.num_blocks if recipe.neighbourhoods else 0):
        _look_at_neighbourhoods(model.token_mixing(layer), recipe, generator)
    return model


@torch.no_grad()
def _look_at_neighbourhoods(mixing: TokenMixing, recipe: Recipe, generator: torch.Generator) -> None:
    """Each unit reads a wave under a bell somewhere on the grid and writes where it reads, as a Gabor filter would.

    Token mixing has no idea of what lies beside what, and much data would go into learning it. The size of the
    weights is that of the drawn ones.
    """
    units = mixing.fc1.out_features
    patterns = _waves(units, recipe.network.grid.rows, recipe.network.grid.columns, generator)
    reading, writing = mixing.fc1.weight, mixing.fc2.weight
    reading.copy_(patterns * (reading.norm(dim=1) / patterns.norm(dim=1))[:, None])
    signs = torch.randint(0, 2, (units,), generator=generator) * 2.0 - 1.0
    signed = reading.T * signs
    writing.copy_(signed * (writing.norm() / signed.norm()))


def _waves(units: int, rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """(units, rows · columns): cosines of drawn direction, frequency and phase under bells of drawn place and width."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(units, 1, generator=generator)

    edge = max(rows, columns)
    down = torch.arange(rows).repeat_interleave(columns) - uniform(-0.5, rows - 0.5)
    across = torch.arange(columns).repeat(rows) - uniform(-0.5, columns - 0.5)
    low, high = (math.log(width * edge / 8) for width in WIDTHS)
    width = torch.exp(uniform(low, high))
    bell = torch.exp(-(down**2 + across**2) / (2 * width**2))
    direction, phase = uniform(0, 2 * math.pi), uniform(0, 2 * math.pi)
    frequency = uniform(0, FREQUENCY) / width
    return bell * torch.cos((down * torch.cos(direction) + across * torch.sin(direction)) * frequency + phase)
