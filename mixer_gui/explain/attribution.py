"""Attributions that need many forward passes: integrated gradients and occlusion, by patches.

The baseline is the mean colour, which is 0 after normalisation. Functions do one batch each, so that a caller may stop
between them.
"""

import torch
from torch import Tensor

from mixer_gui.explain.gradients import input_gradient, logit_gradients
from mixer_gui.model.mixer import MlpMixer, Record
from mixer_gui.records import PatchGrid


def integrated_gradients(model: MlpMixer, image: Tensor, index: int, steps: int, points: range) -> Tensor:
    """The part of integrated gradients (Sundararajan et al. 2017) that comes from `points` of `steps`, (N,).

    Midpoint rule: image · mean over i of the gradient at (i + ½)/steps · image, summed over each patch's pixels. The
    sum over all points approximates the logit less the baseline's. `image`: (3, H, W), normalised.
    """
    shares = (torch.tensor(list(points), device=image.device, dtype=image.dtype) + 0.5) / steps
    images = shares[:, None, None, None] * image
    _, recording = model(images, Record.FULL)
    classes = torch.full((len(points),), index, device=image.device)
    gradients = logit_gradients(model, recording, classes)
    return input_gradient(gradients, image[None], model.config).sum(0) / steps


def occlusion(model: MlpMixer, image: Tensor, index: int, logit: float, patches: range) -> Tensor:
    """The logit less the one without each of `patches`, (len(patches),): exact as an ablation (Zeiler & Fergus 2014).

    `logit` is that of class `index` for the whole `image` (3, H, W).
    """
    logits, _ = model(without_patches(image, patches, model.config.grid))
    drops: Tensor = logit - logits[:, index].float()
    return drops


def without_patches(image: Tensor, patches: range, grid: PatchGrid) -> Tensor:
    """The picture without each of `patches`, one at a time: (3, H, W) -> (len(patches), 3, H, W)."""
    wanted = torch.tensor(list(patches), device=image.device)
    mask = (torch.arange(grid.count, device=image.device) == wanted[:, None]).view(-1, 1, grid.rows, grid.columns)
    height, width = image.shape[-2] // grid.rows, image.shape[-1] // grid.columns
    return image.masked_fill(mask.repeat_interleave(height, 2).repeat_interleave(width, 3), 0.0)


def baseline_logit(model: MlpMixer, image: Tensor, index: int) -> float:
    """The logit of class `index` for a picture of nothing but the mean colour."""
    logits, _ = model(torch.zeros_like(image)[None])
    return float(logits[0, index])
