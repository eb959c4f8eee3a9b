"""Token mixing of one layer for one picture: which patches a patch reads from and writes to, how far, how sparsely.

Functions over weights and recorded tensors; no model, no device choice, no numpy.
"""

import torch
from torch import Tensor

from mixer_gui.model.mixer import TokenMixing, gelu_slope
from mixer_gui.records import PatchGrid

SMALL = 0.05  # of the largest magnitude: the limit of the ResMLP paper


def mixing_matrix(mixing: TokenMixing, slope: Tensor) -> Tensor:
    """M = W2 · diag(mean over channels of GELU'(h)) · W1, (N, N): who reads from whom.

    The Jacobian of token mixing with respect to LN(x), averaged over channels; exact as that mean.
    Row p: what patch p reads from; column q: where patch q writes to. `slope`: (T,).
    """
    return (mixing.fc2.weight.float() * slope.float()) @ mixing.fc1.weight.float()


def reads(mixing: TokenMixing, slope: Tensor, patch: int) -> Tensor:
    """Row `patch` of the mixing matrix, (N,), without the rest of it."""
    return (mixing.fc2.weight[patch].float() * slope.float()) @ mixing.fc1.weight.float()


def writes(mixing: TokenMixing, slope: Tensor, patch: int) -> Tensor:
    """Column `patch` of the mixing matrix, (N,), without the rest of it."""
    return mixing.fc2.weight.float() @ (slope.float() * mixing.fc1.weight[:, patch].float())


def reading_energy(mixing: TokenMixing, hidden: Tensor, patch: int) -> Tensor:
    """Root mean square over channels c of (W2[patch, :] * GELU'(h[:, c])) · W1, (N,).

    Unlike the row of the mixing matrix it does not let opposite signs in different channels cancel.
    `hidden`: (T, C), before its GELU.
    """
    per_channel = (mixing.fc2.weight[patch].float()[:, None] * gelu_slope(hidden.float(), mixing.gelu)).mT
    energy: Tensor = torch.linalg.vector_norm(per_channel @ mixing.fc1.weight.float(), dim=0)
    return energy.div(hidden.shape[1] ** 0.5)


def patch_distances(grid: PatchGrid, device: torch.device | str = "cpu") -> Tensor:
    """Euclidean distance between the middles of each two patches, in patches, (N, N)."""
    places = torch.arange(grid.count, device=device)
    rows, columns = (places // grid.columns).float(), (places % grid.columns).float()
    return torch.hypot(rows[:, None] - rows, columns[:, None] - columns)


def spread(matrices: Tensor, distances: Tensor) -> Tensor:
    """How far information travels on average: Σ|M[p, q]|·distance(p, q) / Σ|M[p, q]|, in patches.

    `matrices`: (..., N, N), one number for each. 0 where every patch reads itself alone, or nothing.
    """
    total = torch.linalg.vector_norm(matrices, ord=1, dim=(-2, -1))
    weighted = torch.linalg.vector_norm(matrices * distances, ord=1, dim=(-2, -1))  # distances are not below 0
    mean: Tensor = weighted / total.clamp_min(torch.finfo(total.dtype).tiny)
    return mean


def small_share(*matrices: Tensor) -> Tensor:
    """The share of entries whose magnitude is below 5 % of the largest one of their own matrix, a scalar, 0…1.

    Of several matrices: of the entries of all. ResMLP's measure of sparsity (Touvron et al. 2021,
    arXiv 2105.03404). In a matrix of zeros none is below.
    """
    small = torch.stack([(each.abs() < SMALL * each.abs().amax()).sum() for each in matrices]).sum()
    return small / sum(each.numel() for each in matrices)
