"""How good a network's answers are, and how honest: accuracy, cross-entropy, calibration error; and the temperature.

Knows logits and labels only, no pictures and no files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mixer_gui.records import MixerGuiError

BINS = 15  # of the calibration error, equally wide
COLDEST, HOTTEST = 1e-3, 1e3  # temperatures that `model.hub_config` accepts
HALVINGS = 40  # of the interval between them: 14 nats, to 1e-11


@dataclass(frozen=True, slots=True)
class Figures:
    """Of `count` pictures. Shares lie in 0…1, `loss` is the mean cross-entropy in nats."""

    count: int
    top1: float
    top5: float
    loss: float
    calibration_error: float  # expected calibration error in 15 bins


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of a training's history. `training_loss` is of varied pictures and smoothed labels."""

    number: int  # from 1
    seconds: float
    pictures_per_s: float
    training_loss: float
    held_out: Figures | None  # None where no pictures were held out


def figures(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> Figures:
    """Measure softmax(logits / temperature): logits (n, classes) of any float type and device, labels (n,).

    With fewer than five classes top-5 is 1. Raises MixerGuiError where there is no picture or a logit is no number.
    """
    logits, labels = _checked(logits, labels)
    log_probabilities = torch.log_softmax(logits / temperature, -1)
    best = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
    hits = best[:, 0]
    return Figures(
        count=len(labels),
        top1=hits.double().mean().item(),
        top5=best.any(1).double().mean().item(),
        loss=functional.nll_loss(log_probabilities, labels).item(),
        calibration_error=calibration_error(log_probabilities.amax(1).exp(), hits),
    )


def calibration_error(confidences: Tensor, hits: Tensor) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv 1706.04599): |accuracy − mean confidence| of each bin,
    weighted by its share of the pictures.

    `confidences` (n,): probability of each picture's first answer, in 0…1; `hits` (n,): whether that was right. Bins
    are half open, (0, 1/15] to (14/15, 1].
    """
    edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]
    confidences = confidences.double().cpu()
    bins = torch.bucketize(confidences, edges)
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, hits.double().cpu() - confidences)
    return gaps.abs().sum().item() / len(confidences)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The T at which softmax(logits / T) has the least cross-entropy (Guo et al. 2017), from 0.001 to 1000.

    Cross-entropy is convex in 1/T, so its slope there changes sign once: the place is found by halving. Where all
    pictures are answered right it has no least value, as ever lower temperatures make it smaller, and 1 is returned.
    Raises MixerGuiError as `figures` does.
    """
    logits, labels = _checked(logits, labels)
    right = logits.gather(1, labels[:, None])[:, 0]

    def slope(inverse: float) -> float:
        """Of the cross-entropy by 1/T: mean expected logit less mean logit of the right class."""
        return ((torch.softmax(logits * inverse, -1) * logits).sum(1) - right).mean().item()

    if slope(1 / COLDEST) <= 0:
        return 1.0
    cold, hot = math.log(COLDEST), math.log(HOTTEST)
    for _ in range(HALVINGS):
        middle = (cold + hot) / 2
        if slope(math.exp(-middle)) > 0:  # too sure of itself: the least lies at a higher temperature
            cold = middle
        else:
            hot = middle
    return min(max(math.exp((cold + hot) / 2), COLDEST), HOTTEST)


def _checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Both on the CPU, logits in float64."""
    if not len(labels):
        raise MixerGuiError("There are no pictures to measure on: hold some out of the training.")
    logits, labels = logits.detach().double().cpu(), labels.detach().long().cpu()
    if not logits.isfinite().all():
        raise MixerGuiError(
            "The network answers with numbers that are infinite or not numbers at all: its training came apart. Train "
            "again with lower learning rates."
        )
    return logits, labels
