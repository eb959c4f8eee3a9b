"""What is kept of a picture that was run, so that questions about it need no second pass."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from mixer_gui.model.mixer import Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mixer_gui.engine.classifier import Classifier


@dataclass(frozen=True, slots=True)
class Detail:
    """What questions about one report need; its tensors stay on the device."""

    recording: Recording
    probabilities: Tensor  # (classes,)
    logits: Tensor  # (classes,)
    pixels: "NDArray[np.uint8]"  # (H, W, 3): what the network saw, edits made
    classifier: "Classifier"

    @property
    def size_bytes(self) -> int:
        tensors = [self.probabilities, self.logits]
        for field in self.recording:
            tensors.extend(field if isinstance(field, tuple) else () if field is None else (field,))
        return sum(tensor.nbytes for tensor in tensors) + self.pixels.nbytes

    def images(self) -> Tensor:
        """The picture as the network takes it, (1, 3, H, W), normalised; a fresh tensor, of which gradients may be
        taken outside inference mode.
        """
        return self.classifier.normalised(self.pixels[None])


# Looks a report's detail up: an answer in several steps asks for it in each and keeps nothing of it between them.
Recall = Callable[[], Detail]


def read_only(tensor: Tensor) -> "NDArray[np.float32]":
    """A float32 array of its own memory, which nobody can write to."""
    array: NDArray[np.float32] = tensor.detach().float().cpu().numpy().copy()
    array.setflags(write=False)
    return array
