"""Jobs: attributions and faithfulness curves, as generators that yield after each batch.

They keep pixels and hold no tensor of the device between batches, so that a model that moves to the CPU takes its
jobs along.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.detail import Detail, read_only
from mixer_gui.engine.device import ran_out_of_gpu_memory, release_gpu_memory
from mixer_gui.explain.attribution import baseline_logit, integrated_gradients, occlusion
from mixer_gui.explain.faithfulness import (
    area,
    changed_share,
    class_probability,
    patch_order,
    pictures_on_the_way,
    point_count,
)
from mixer_gui.pictures.edits import blurred
from mixer_gui.records import (
    AttributionJob,
    AttributionMethod,
    AttributionReport,
    Curves,
    FaithfulnessJob,
    FaithfulnessReport,
    JobProgress,
    MixerGuiError,
    RankedMap,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP_MS = 50.0  # what waits for the engine waits this long for a job, or for one picture of it
MOST_PICTURES = 32
MOST_RECORDED = 8  # a full recording of L/16 is about 100 MB


class Pace:
    """How many pictures a batch may have, as measured by the batches before it; the first has one."""

    def __init__(self, most: int = MOST_PICTURES) -> None:
        self.pictures = 1
        self._most = most

    def took(self, pictures: int, elapsed_ms: float) -> None:
        """A batch took `elapsed_ms`; the next is at most twice as large, since few pictures foretell many badly."""
        fitting = int(STEP_MS * pictures / max(elapsed_ms, 1e-3))
        self.pictures = max(1, min(fitting, 2 * pictures, self._most))

    def batches(self, count: int) -> Iterator[range]:
        """All of `count` pictures, batch by batch, each as large as `pictures` says when it is asked for."""
        done = 0
        while done < count:
            batch = range(done, min(done + self.pictures, count))
            yield batch
            done = batch.stop


def run_attribution(job: AttributionJob, detail: Detail) -> Iterator[JobProgress | AttributionReport]:
    """Integrated gradients (midpoint rule) or occlusion; the result comes last.

    One pass more than steps or patches is for the baseline.
    """
    spent_ms = 0.0
    classifier = detail.classifier
    logit = float(detail.logits[job.index])
    is_occlusion = job.method == AttributionMethod.OCCLUSION
    pace = Pace(MOST_PICTURES if is_occlusion else MOST_RECORDED)
    patches = classifier.info.grid.count
    count = patches if is_occlusion else job.steps
    values = torch.zeros(patches)

    started = time.perf_counter()
    with _on_device(classifier):
        baseline = baseline_logit(classifier.model, detail.images()[0], job.index)
    spent_ms += (time.perf_counter() - started) * 1e3
    yield JobProgress(job.id, 1, count + 1)
    for batch in pace.batches(count):
        started = time.perf_counter()
        with _on_device(classifier):
            model, image = classifier.model, detail.images()[0]
            if is_occlusion:
                values[batch.start : batch.stop] = occlusion(model, image, job.index, logit, batch).cpu()
            else:
                values += integrated_gradients(model, image, job.index, job.steps, batch).cpu()
        elapsed_ms = (time.perf_counter() - started) * 1e3
        pace.took(len(batch), elapsed_ms)
        spent_ms += elapsed_ms
        yield JobProgress(job.id, 1 + batch.stop, count + 1)
    remainder = logit - baseline - float(values.double().sum())
    yield AttributionReport(job, read_only(values), remainder, spent_ms)


class _Found:
    """The curves of one map as far as they are known."""

    def __init__(self, ranked: RankedMap) -> None:
        self.name = ranked.name
        self.order = patch_order(torch.from_numpy(np.array(ranked.values, np.float32)))
        self.deletion: list[float] = []
        self.insertion: list[float] = []

    def curves(self, share: Tensor) -> Curves:
        return Curves(
            self.name,
            _array(self.deletion),
            _array(self.insertion),
            _area(self.deletion, share),
            _area(self.insertion, share),
        )


def run_faithfulness(job: FaithfulnessJob, detail: Detail) -> Iterator[JobProgress | FaithfulnessReport]:
    """Deletion, then insertion, of one map after the other; a partial report after each batch, the whole one last."""
    spent_ms = 0.0
    classifier, pace = detail.classifier, Pace()
    grid, temperature, size = classifier.info.grid, classifier.info.temperature, job.patches_per_step
    share = changed_share(grid.count, size)
    points = point_count(grid.count, size)
    found = [_Found(ranked) for ranked in job.maps]
    blurry = blurred(detail.pixels)
    done, total = 0, 2 * points * len(found)

    def told() -> FaithfulnessReport:
        curves = tuple(each.curves(share) for each in found)
        return FaithfulnessReport(job, read_only(share), curves, done == total, spent_ms)

    for each, inserts in product(found, (False, True)):
        curve = each.insertion if inserts else each.deletion
        for batch in pace.batches(points):
            started = time.perf_counter()
            with _on_device(classifier):
                picture = detail.images()[0]
                start = classifier.normalised(blurry[None])[0] if inserts else picture
                end = picture if inserts else torch.zeros_like(picture)
                images = pictures_on_the_way(start, end, each.order, batch, size, grid)
                curve.extend(class_probability(classifier.model, images, job.index, temperature).tolist())
            elapsed_ms = (time.perf_counter() - started) * 1e3
            pace.took(len(batch), elapsed_ms)
            spent_ms += elapsed_ms
            done += len(batch)
            yield JobProgress(job.id, done, total)
            if done < total:
                yield told()
    yield told()


@contextmanager
def _on_device(classifier: Classifier) -> Iterator[None]:
    """Inference mode; raises MixerGuiError where the GPU's memory is full."""
    failure = ""
    try:
        with torch.inference_mode():
            yield
    except RuntimeError as error:
        if not ran_out_of_gpu_memory(error):
            raise
        failure = str(error)
    if failure:
        release_gpu_memory()
        raise MixerGuiError(
            f"There was not enough memory on the GPU to go on with {classifier.info.name}. Close other programs, "
            "choose a smaller model, or run it on the CPU.",
            failure,
        )


def _area(curve: list[float], share: Tensor) -> float | None:
    return area(torch.tensor(curve), share) if len(curve) == len(share) else None


def _array(values: list[float]) -> "NDArray[np.float32]":
    return read_only(torch.tensor(values, dtype=torch.float32))
