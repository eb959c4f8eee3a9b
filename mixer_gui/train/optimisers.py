"""How gradients become steps: Muon for the matrices inside the blocks, AdamW for the rest, one schedule for both.

Muon (Jordan et al. 2024, `torch.optim.Muon`) makes the step of a matrix orthogonal; stem, head, norms and biases are
not of that kind and take AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101).
"""

from __future__ import annotations

from torch.nn import Parameter
from torch.optim import AdamW, Muon, Optimizer

from mixer_gui.model.mixer import MlpMixer
from mixer_gui.train.recipe import Recipe

MUON_MOMENTUM = 0.95
ADAMW_BETAS = (0.9, 0.98)


def optimisers(model: MlpMixer, recipe: Recipe) -> tuple[Optimizer, ...]:
    """Of all parameters of `model`, each in one of them; they may step side by side."""
    named = list(model.named_parameters())
    inner = [weight for name, weight in named if recipe.muon and _is_inner_matrix(name, weight.ndim)]
    others = [weight for name, weight in named if not (recipe.muon and _is_inner_matrix(name, weight.ndim))]
    groups = [
        {"params": [weight for weight in others if weight.ndim > 1], "weight_decay": recipe.other_decay},
        {"params": [weight for weight in others if weight.ndim < 2], "weight_decay": 0.0},
    ]
    rest = AdamW(groups, lr=recipe.other_rate, betas=ADAMW_BETAS)
    if not recipe.muon:
        return (rest,)
    return (rest, *(_muon(half, recipe) for half in (inner[::2], inner[1::2])))


def _muon(matrices: list[Parameter], recipe: Recipe) -> Muon:
    return Muon(matrices, lr=recipe.matrix_rate, momentum=MUON_MOMENTUM, weight_decay=recipe.matrix_decay)


def set_rates(all_optimisers: tuple[Optimizer, ...], recipe: Recipe, progress: float) -> None:
    """Learning rates for the step at `progress`, a share of the whole training."""
    for optimiser in all_optimisers:
        full = recipe.matrix_rate if isinstance(optimiser, Muon) else recipe.other_rate
        for group in optimiser.param_groups:
            group["lr"] = full * schedule(progress, recipe)


def schedule(progress: float, recipe: Recipe) -> float:
    """Share of the full learning rate: up over `warmup`, then constant, down to 0 over `decay`."""
    rising = progress / recipe.warmup if recipe.warmup else 1.0
    falling = (1.0 - progress) / recipe.decay if recipe.decay else 1.0
    return max(0.0, min(1.0, rising, falling))


def _is_inner_matrix(name: str, dimensions: int) -> bool:
    return name.startswith("blocks.") and dimensions == 2
