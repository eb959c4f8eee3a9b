"""How faithful a map is: what happens to a class when patches go or come in the map's order.

Deletion and insertion (RISE, Petsiuk et al. 2018), by patches. Deletion starts from the picture and sets patches to the
mean colour, which is 0 after normalisation, the most important first; insertion starts from the blurred picture and
puts patches back. What is blurred, and how, is the caller's: it passes both pictures as normalised tensors.
"""

import torch
from torch import Tensor

from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import PatchGrid


def patch_order(values: Tensor) -> Tensor:
    """Patches from the most to the least important, (N,); of equal values the first in reading order goes first."""
    return torch.sort(values.flatten(), descending=True, stable=True).indices


def point_count(patches: int, patches_per_step: int) -> int:
    """Points of a curve: one before the first step and one after each; the last step may be a shorter one."""
    return -(-patches // patches_per_step) + 1


def changed_share(patches: int, patches_per_step: int) -> Tensor:
    """The horizontal axis, (points,), 0…1: the share of patches that were changed at each point."""
    steps = torch.arange(point_count(patches, patches_per_step))
    return (steps * patches_per_step).clamp_max(patches).float() / patches


def pictures_on_the_way(
    start: Tensor, end: Tensor, order: Tensor, points: range, patches_per_step: int, grid: PatchGrid
) -> Tensor:
    """The pictures at `points` of the way from `start` to `end`, both (3, H, W): (len(points), 3, H, W).

    At point i the first i · patches_per_step patches of `order` (N,) come from `end`.
    """
    order = order.to(start.device)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    changed = torch.tensor(list(points), device=order.device) * patches_per_step
    mask = (rank < changed[:, None]).view(-1, 1, grid.rows, grid.columns)
    height, width = start.shape[-2] // grid.rows, start.shape[-1] // grid.columns
    return torch.where(mask.repeat_interleave(height, 2).repeat_interleave(width, 3), end, start)


def class_probability(model: MlpMixer, images: Tensor, index: int, temperature: float) -> Tensor:
    """softmax(logits / temperature) of class `index` for each picture, (B,)."""
    logits, _ = model(images)
    return torch.softmax(logits.float() / temperature, -1)[:, index]


def area(curve: Tensor, share: Tensor) -> float:
    """The area below a whole curve by trapezia; both (points,). The mean height, as `share` runs over 0…1."""
    return float(torch.trapezoid(curve.double(), share.double()))


def random_map(grid: PatchGrid, seed: int = 0) -> Tensor:
    """Uniform noise, (N,): the order that knows nothing. The same for a seed on every machine."""
    return torch.rand(grid.count, generator=torch.Generator().manual_seed(seed))


def centred_gaussian(grid: PatchGrid) -> Tensor:
    """A Gaussian around the middle, (N,), a quarter of each edge wide: photographers centre what they show."""
    rows = (torch.arange(grid.rows, dtype=torch.float64) + 0.5) / grid.rows - 0.5
    columns = (torch.arange(grid.columns, dtype=torch.float64) + 0.5) / grid.columns - 0.5
    # Rounded at the end: else patches equally far from the middle would be told apart by rounding.
    return torch.exp(-8 * (rows[:, None].square() + columns.square())).float().flatten()
