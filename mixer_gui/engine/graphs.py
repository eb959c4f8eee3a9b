"""Forward passes of one picture as CUDA graphs: hundreds of small kernels take longer to start than to run.

Captured once for each kind of recording and replayed ever after. Where capturing fails, the model runs as it is.
"""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mixer_gui.model.mixer import MlpMixer, Record, Recording

WARM_UP_PASSES = 3  # in which libraries choose their kernels and allocate what they keep

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Captured:
    """A graph with its buffers: `replay` reads `images` and writes all others."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    logits: Tensor
    recording: Recording


class Graphs:
    """Runs a model that is on a CUDA device, in inference mode; its weights must not move."""

    def __init__(self, model: MlpMixer) -> None:
        self._model = model
        self._captured: dict[Record, _Captured] = {}
        self._can_capture = True

    def __call__(self, images: Tensor, record: Record) -> tuple[Tensor, Recording]:
        """As the model itself: (B, 3, H, W) -> logits (B, classes) and the recording, in memory of their own."""
        captured = self._graph_for(images, record) if len(images) == 1 else None
        if captured is None:
            logits, recording = self._model(images, record)
            return logits, recording
        captured.images.copy_(images)
        captured.graph.replay()
        return captured.logits.clone(), cloned(captured.recording)

    def _graph_for(self, images: Tensor, record: Record) -> _Captured | None:
        if self._can_capture and record not in self._captured:
            try:
                self._captured[record] = self._capture(images, record)
            except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
                log.warning("runs without CUDA graphs: %s", error)
                self._can_capture = False
                self._captured.clear()
        return self._captured.get(record)

    def _capture(self, images: Tensor, record: Record) -> _Captured:
        """One pool of memory serves all graphs: none is replayed before what the last one wrote was copied."""
        buffer = images.clone()
        for _ in range(WARM_UP_PASSES):
            self._model(buffer, record)
        pool: Any = next((each.graph.pool() for each in self._captured.values()), None)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            logits, recording = self._model(buffer, record)
        return _Captured(graph, buffer, logits, recording)


def cloned(recording: Recording) -> Recording:
    """The same in memory of its own."""
    copies: dict[str, Any] = {}
    for name, field in recording._asdict().items():
        if isinstance(field, tuple):
            copies[name] = tuple(each.clone() for each in field)
        elif field is not None:
            copies[name] = field.clone()
    return Recording(**copies)
