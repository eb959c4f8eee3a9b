"""Learned units of token mixing: rows of W1 as grids, as in the paper's Figure 5, and what one unit does in a picture.

T units, N patches, C channels. Functions over weights and a FULL recording of one picture; no numpy.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mixer_gui.explain.recorded import token_mixing_input
from mixer_gui.model.mixer import MlpMixer, Recording
from mixer_gui.records import Gelu, PatchGrid

# Rows whose angle is more than 120° are opposite phases of each other. Of random rows, the most opposite among
# 384 of 196 numbers are at -0.34.
OPPOSITE_BELOW = -0.5
FLAT = 1e-10  # of a row's power: what rounding leaves of a constant row without its mean


class Pairing(NamedTuple):
    """Which units are opposite phases of each other."""

    partner: Tensor  # (T,) integers; a unit without partner has itself
    likeness: Tensor  # (T,) cosine with the partner; 1 where that is the unit itself


def unit_frequency(weights: Tensor, grid: PatchGrid) -> Tensor:
    """The mean radial frequency of each row as a grid, (T,), in cycles per patch: 0 to 0.71, 0 for a constant row.

    Weighted by the power spectrum of the two-dimensional Fourier transform without the mean:
    Σ |F[u, v]|² · sqrt(u² + v²) / Σ |F[u, v]|². `weights`: (T, N).
    """
    rows = weights.double()
    centred: Tensor = (rows - rows.mean(-1, keepdim=True)).reshape(-1, grid.rows, grid.columns)
    power = torch.fft.fft2(centred).abs().square()
    power[:, 0, 0] = 0.0
    down = torch.fft.fftfreq(grid.rows, dtype=power.dtype, device=power.device)
    right = torch.fft.fftfreq(grid.columns, dtype=power.dtype, device=power.device)
    total = power.sum((-2, -1))
    mean = (power * torch.hypot(down[:, None], right)).sum((-2, -1)) / total.clamp_min(torch.finfo(power.dtype).tiny)
    is_flat = total <= FLAT * grid.count * rows.square().sum(-1)
    frequency: Tensor = mean.masked_fill(is_flat, 0.0).float()
    return frequency


def opposite_pairs(weights: Tensor, below: float = OPPOSITE_BELOW) -> Pairing:
    """Pair units greedily: always the two of the most negative cosine that are left, while it is under `below`.

    In rounds: whoever are each other's most opposite are what the greedy choice comes to sooner or later, so all of
    them are paired at once. `weights`: (T, N).
    """
    directions = functional.normalize(weights.float(), dim=-1)
    cosines = directions @ directions.mT
    cosines = (cosines + cosines.mT) / 2.0  # the same both ways, whatever the matrix product did
    count = len(cosines)
    units = torch.arange(count, device=weights.device)
    partner, likeness = units.clone(), torch.ones_like(cosines[0])
    open_cosines = cosines.masked_fill(cosines >= below, torch.inf)
    while True:
        lowest, best = open_cosines.min(-1)
        is_mutual = (best[best] == units) & (lowest < below)
        if not bool(is_mutual.any()):
            if not bool((lowest < below).any()):
                return Pairing(partner, likeness)
            first = int(lowest.argmin())  # equal cosines can lead round in a circle: any of the lowest will do
            is_mutual[[first, int(best[first])]] = True
            best[best[first]] = first
        partner[is_mutual] = best[is_mutual]
        likeness[is_mutual] = cosines[units[is_mutual], best[is_mutual]]
        open_cosines[is_mutual] = torch.inf
        open_cosines[:, is_mutual] = torch.inf


def display_order(frequency: Tensor, partner: Tensor) -> Tensor:
    """Units by rising frequency, pairs side by side, (T,): every pair begins at an even place.

    Units without partner are taken two by two in the order of their frequency, and twos are sorted by their mean
    frequency; so a grid with an even number of columns breaks no pair. One that is left over comes last.
    """
    values, partners = frequency.tolist(), partner.tolist()
    twos = [(unit, other) for unit, other in enumerate(partners) if unit < other]
    alone = sorted((unit for unit, other in enumerate(partners) if unit == other), key=lambda unit: values[unit])
    last = alone[-1:] if len(alone) % 2 else []
    twos += list(zip(alone[0::2], alone[1::2], strict=False))
    twos.sort(key=lambda two: values[two[0]] + values[two[1]])
    return torch.tensor([unit for two in twos for unit in two] + last, dtype=torch.int64)


def strongest_channels(hidden: Tensor, gelu: Gelu, count: int) -> Tensor:
    """The channels of largest |GELU(h)|, strongest first. `hidden`: (C,), before its GELU."""
    activation = functional.gelu(hidden.float(), approximate=gelu.value)
    return activation.abs().topk(min(count, len(hidden))).indices


def unit_reads(model: MlpMixer, recording: Recording, layer: int, unit: int, channel: int) -> Tensor:
    """W1[unit, :] * LN(x)[:, channel], (N,): what each patch adds to h[unit, channel]; the rest of it is b1[unit]."""
    return (
        model.token_mixing(layer).fc1.weight[unit].float() * token_mixing_input(model, recording, layer)[0, :, channel]
    )


def unit_writes(model: MlpMixer, recording: Recording, layer: int, unit: int, channel: int) -> Tensor:
    """W2[:, unit] · GELU(h[unit, channel]), (N,): what the unit adds to each patch's update in this channel.

    Summed over units, plus b2, it is the channel's update.
    """
    mixing = model.token_mixing(layer)
    hidden = recording.hidden[layer][0, unit, channel].float()
    return mixing.fc2.weight[:, unit].float() * functional.gelu(hidden, approximate=mixing.gelu.value)
