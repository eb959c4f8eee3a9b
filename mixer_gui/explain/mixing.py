"""Token mixing of one layer for one picture: which patches a patch reads from and writes to.

Functions over weights and recorded tensors; no model, no device choice, no numpy.
"""

import torch
from torch import Tensor

from mixer_gui.model.mixer import TokenMixing, gelu_slope


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
