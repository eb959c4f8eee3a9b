"""Jobs: attributions and faithfulness curves, as generators that yield after each batch.

They take pixels and the classifier from a detail and let go of it at once: between batches they hold no tensor of the
device, so that what fills a GPU can be freed, and a model that moves to the CPU takes its jobs along.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mixer_gui.engine.answers.stopwatch import Stopwatch
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
    return _attribution(job, detail.classifier, detail.pixels, float(detail.logits[job.index]))


def _attribution(
    job: AttributionJob, classifier: Classifier, pixels: "NDArray[np.uint8]", logit: float
) -> Iterator[JobProgress | AttributionReport]:
    watch = Stopwatch()
    is_occlusion = job.method == AttributionMethod.OCCLUSION
    pace = Pace(MOST_PICTURES if is_occlusion else MOST_RECORDED)
    patches = classifier.info.grid.count
    count = patches if is_occlusion else job.steps
    values = torch.zeros(patches)

    with watch, _on_device(classifier):
        baseline = baseline_logit(classifier.model, _image(classifier, pixels), job.index)
    yield JobProgress(job.id, 1, count + 1)
    for batch in pace.batches(count):
        with watch, _on_device(classifier):
            if is_occlusion:
                values[batch.start : batch.stop] = occlusion(
                    classifier.model, _image(classifier, pixels), job.index, logit, batch
                ).cpu()
            else:
                values += integrated_gradients(
                    classifier.model, _image(classifier, pixels), job.index, job.steps, batch
                ).cpu()
        pace.took(len(batch), watch.last_ms)
        yield JobProgress(job.id, 1 + batch.stop, count + 1)
    remainder = logit - baseline - float(values.double().sum())
    yield AttributionReport(job, read_only(values), remainder, watch.total_ms)


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
    return _faithfulness(job, detail.classifier, detail.pixels)


def _faithfulness(
    job: FaithfulnessJob, classifier: Classifier, pixels: "NDArray[np.uint8]"
) -> Iterator[JobProgress | FaithfulnessReport]:
    watch, pace = Stopwatch(), Pace()
    patches, size = classifier.info.grid.count, job.patches_per_step
    share = changed_share(patches, size)
    points = point_count(patches, size)
    found = [_Found(ranked) for ranked in job.maps]
    blurry = blurred(pixels)
    done, total = 0, 2 * points * len(found)

    def told() -> FaithfulnessReport:
        curves = tuple(each.curves(share) for each in found)
        return FaithfulnessReport(job, read_only(share), curves, done == total, watch.total_ms)

    for each, inserts in product(found, (False, True)):
        curve = each.insertion if inserts else each.deletion
        for batch in pace.batches(points):
            with watch, _on_device(classifier):
                ends = (blurry, pixels) if inserts else (pixels, None)
                curve.extend(_probabilities(job, classifier, ends, each.order, batch))
            pace.took(len(batch), watch.last_ms)
            done += len(batch)
            yield JobProgress(job.id, done, total)
            if done < total:
                yield told()
    yield told()


def _probabilities(
    job: FaithfulnessJob,
    classifier: Classifier,
    ends: "tuple[NDArray[np.uint8], NDArray[np.uint8] | None]",
    order: Tensor,
    batch: range,
) -> list[float]:
    """The class's probability at the points `batch` on the way from one picture to another; None: the mean colour."""
    start = _image(classifier, ends[0])
    end = torch.zeros_like(start) if ends[1] is None else _image(classifier, ends[1])
    images = pictures_on_the_way(start, end, order, batch, job.patches_per_step, classifier.info.grid)
    return class_probability(classifier.model, images, job.index, classifier.info.temperature).tolist()


def _image(classifier: Classifier, pixels: "NDArray[np.uint8]") -> Tensor:
    """The picture as the network takes it, (3, H, W)."""
    return classifier.normalised(pixels[None])[0]


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
