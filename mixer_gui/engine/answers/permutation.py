"""The paper's demonstration: all patches permuted, and the weights along with them."""

import time

import torch

from mixer_gui.engine.detail import Detail
from mixer_gui.explain.permutation import logits_with_permuted_weights
from mixer_gui.model.mixer import Record
from mixer_gui.pictures.edits import edited, mean_colour, permutation
from mixer_gui.records import PermutationReport, PermutationRequest, Shuffle

CLASSES = 5


@torch.inference_mode()
def answer_permutation(request: PermutationRequest, detail: Detail) -> PermutationReport:
    """Two more passes over the permuted picture: by the weights as they are, and by permuted ones."""
    started = time.perf_counter()
    classifier = detail.classifier
    grid, mean = classifier.info.grid, mean_colour(classifier.info.preprocessing)
    pixels = edited(detail.pixels, grid, (Shuffle(request.seed),), mean)
    images = classifier.normalised(pixels[None])
    order = torch.from_numpy(permutation(request.seed, grid.count)).to(images.device)
    permuted = classifier.model(images, Record.NONE)[0][0]
    restored = logits_with_permuted_weights(classifier.model, images, order)[0]
    return PermutationReport(
        request,
        pixels,
        classifier.rank(detail.logits, CLASSES).predictions,
        classifier.rank(permuted, CLASSES).predictions,
        classifier.rank(restored, CLASSES).predictions,
        float((restored - detail.logits).abs().max()),
        float((permuted - detail.logits).abs().max()),
        (time.perf_counter() - started) * 1e3,
    )
