"""From a folder in Hub format or a bare file to a Mixer that is ready to run, or a sentence that says why not.

What a checkpoint is, is decided in `description`; here its tensors are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mixer_gui.model.description import locate, understand
from mixer_gui.model.dialects import Fit
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.model.weight_files import Weights, open_weights
from mixer_gui.records import Cancelled, CheckpointInfo, MixerGuiError, ModelRef


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A Mixer ready to run: fp32, in eval mode, without gradients."""

    model: MlpMixer
    info: CheckpointInfo


def load_checkpoint(
    ref: ModelRef, *, device: torch.device | str = "cpu", cancelled: Callable[[], bool] = lambda: False
) -> Checkpoint:
    """Read the weights, one tensor at a time, and build the model around them.

    Works in any thread; no call inside holds the GIL for long. `cancelled` is asked before each tensor.
    Raises Cancelled, or MixerGuiError with a sentence about what does not fit. Nothing in the files is run.
    """
    place = locate(ref)
    with open_weights(place.weights) as weights:
        found = understand(place, weights.shapes)
        tensors = _read_tensors(weights, found.fit, found.info.name, torch.device(device), cancelled)
    with torch.device("meta"):  # weights are assigned below: initialising them would take longer than reading
        model = MlpMixer(found.config)
    model.load_state_dict(tensors, strict=True, assign=True)
    return Checkpoint(model.requires_grad_(requires_grad=False).eval(), found.info)


def _read_tensors(
    weights: Weights, fitted: Fit, name: str, device: torch.device, cancelled: Callable[[], bool]
) -> dict[str, Tensor]:
    """Every tensor under our name in fp32 on `device`, copied out of the file: a mapped file may vanish later."""
    tensors = {}
    try:
        for ours, theirs in fitted.entries.items():
            if cancelled():
                raise Cancelled(f"Loading “{name}” was cancelled.")
            tensor = fitted.dialect.to_ours(ours, weights.read(theirs))
            tensor = tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
            low, high = torch.aminmax(tensor)  # both are NaN where any number is
            if not (torch.isfinite(low) and torch.isfinite(high)):
                raise MixerGuiError(
                    f"“{name}” is damaged: its weights “{theirs}” hold numbers that are infinite or not numbers at all."
                )
            tensors[ours] = tensor.to(device)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "DefaultCPUAllocator" not in str(error):
            raise
        megabytes = 4 * fitted.parameters / 1e6
        raise MixerGuiError(
            f"There is not enough memory for “{name}” ({megabytes:,.0f} MB). Close other programs or choose a "
            "smaller model.",
            str(error),
        ) from error
    return tensors
