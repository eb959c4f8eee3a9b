"""The learned units of a layer, and what one of them does in a picture."""

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mixer_gui.engine.detail import Detail, read_only
from mixer_gui.explain.units import (
    display_order,
    opposite_pairs,
    strongest_channels,
    unit_frequency,
    unit_reads,
    unit_writes,
)
from mixer_gui.records import UnitReport, UnitRequest, UnitsReport, UnitsRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STRONGEST = 8


@torch.inference_mode()
def answer_units(request: UnitsRequest, detail: Detail) -> UnitsReport:
    """All units of one layer, which are the same for every picture."""
    started = time.perf_counter()
    model = detail.classifier.model
    weights = model.token_mixing(request.layer).fc1.weight
    frequency = unit_frequency(weights, model.config.grid)
    pairing = opposite_pairs(weights)
    return UnitsReport(
        request,
        read_only(weights),
        _integers(display_order(frequency, pairing.partner)),
        read_only(frequency),
        _integers(pairing.partner),
        read_only(pairing.likeness),
        (time.perf_counter() - started) * 1e3,
    )


@torch.inference_mode()
def answer_unit(request: UnitRequest, detail: Detail) -> UnitReport:
    """What one unit does in this picture. Raises ValueError without a FULL recording."""
    started = time.perf_counter()
    model, recording, layer, unit = detail.classifier.model, detail.recording, request.layer, request.unit
    if not recording.hidden:
        raise ValueError("a unit query needs a FULL recording")
    hidden = recording.hidden[layer][0, unit]
    channels = strongest_channels(hidden, model.config.gelu, STRONGEST)
    channel = int(channels[0]) if request.channel is None else request.channel
    return UnitReport(
        request,
        read_only(hidden),
        _integers(channels),
        channel,
        read_only(unit_reads(model, recording, layer, unit, channel)),
        read_only(unit_writes(model, recording, layer, unit, channel)),
        float(model.token_mixing(layer).fc1.bias[unit]),
        (time.perf_counter() - started) * 1e3,
    )


def _integers(tensor: Tensor) -> "NDArray[np.int64]":
    """An int64 array of its own memory, which nobody can write to."""
    array: NDArray[np.int64] = tensor.to(torch.int64).cpu().numpy().copy()
    array.setflags(write=False)
    return array
