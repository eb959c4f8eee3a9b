"""The paper's demonstration: all patches permuted, and the weights along with them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mixer_gui.engine.answers.stopwatch import Stopwatch
from mixer_gui.engine.detail import Detail, Recall
from mixer_gui.explain.permutation import logits_with_permuted_weights
from mixer_gui.model.mixer import Record
from mixer_gui.pictures.edits import edited, mean_colour, permutation
from mixer_gui.records import PermutationReport, PermutationRequest, Shuffle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES = 5


def answer_permutation(request: PermutationRequest, recall: Recall) -> Iterator[PermutationReport | None]:
    """Two more passes over the permuted picture, in a step each: by the weights as they are, and by permuted ones."""
    watch = Stopwatch()
    with watch, torch.inference_mode():
        pixels = _permuted_pixels(recall(), request.seed)
        permuted = _logits(recall(), pixels)
    yield None
    with watch, torch.inference_mode():
        restored = _restored_logits(recall(), pixels, request.seed)
        original = recall().logits.cpu()
        rank = recall().classifier.rank
    yield PermutationReport(
        request,
        pixels,
        rank(original, CLASSES).predictions,
        rank(permuted, CLASSES).predictions,
        rank(restored, CLASSES).predictions,
        float((restored - original).abs().max()),
        float((permuted - original).abs().max()),
        watch.total_ms,
    )


def _permuted_pixels(detail: Detail, seed: int) -> "NDArray[np.uint8]":
    info = detail.classifier.info
    return edited(detail.pixels, info.grid, (Shuffle(seed),), mean_colour(info.preprocessing))


def _logits(detail: Detail, pixels: "NDArray[np.uint8]") -> Tensor:
    """(classes,), on the host, as all logits here."""
    return detail.classifier.forward(pixels[None], Record.NONE)[0][0].cpu()


def _restored_logits(detail: Detail, pixels: "NDArray[np.uint8]", seed: int) -> Tensor:
    classifier = detail.classifier
    images = classifier.normalised(pixels[None])
    order = torch.from_numpy(permutation(seed, classifier.info.grid.count)).to(images.device)
    return logits_with_permuted_weights(classifier.model, images, order)[0].cpu()
