"""Frames of moving pictures cut out and scaled on the device, for GPUs, which take less time for it than Pillow.

Scaling is one product for each axis, with a table of Pillow's own weights: so a cut may begin between two pixels, no
scale is too large, of the frame only what is seen is uploaded, and the pixels are the same to the last bit.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixer_gui.pictures.edits import mean_colour
from mixer_gui.pictures.geometry import plan
from mixer_gui.records import Framing, Interpolation, Preprocessing, Rect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]

KEPT_TABLES = 4  # frames of one source need the same ones; each has a few megabytes
# Pillow's weights are whole multiples of 2^-22, and sums of pixels by such are too long for fp32. Each weight parted
# into a coarse and a fine number of 11 bits, both sums are whole numbers below 2^24 unless pixels become more than
# 16 times as few: so they come out exactly, whatever the order of their terms.
WEIGHT_BITS, FINE_BITS = 22, 11


class FrameOnDevice(NamedTuple):
    """What the network sees of a frame: uint8 (h, w, 3) on the device, channel by channel in memory; and where."""

    pixels: Tensor
    seen: Rect


def cut_on_device(
    pixels: "NDArray[np.uint8]", preprocessing: Preprocessing, framing: Framing, device: torch.device
) -> FrameOnDevice | None:
    """The pixels that `prepare` makes of a frame, uint8 (H, W, 3); None where only `prepare` has the filter.

    On CUDA it returns before the device has begun.
    """
    if preprocessing.interpolation not in _FILTERS:
        return None
    height, width = pixels.shape[:2]
    tables = _tables(width, height, preprocessing, framing, device)
    rows, columns = tables.rows, tables.columns
    part = uploaded(pixels[rows.read, columns.read], device).permute(2, 0, 1)
    channels = part.to(torch.float32, memory_format=torch.contiguous_format)
    if tables.is_vertical_first:
        scaled = _scaled_across(_scaled_down(channels, rows.weights), columns.weights)
    else:
        scaled = _scaled_down(_scaled_across(channels, columns.weights), rows.weights)
    window = tables.background.clone()
    window[:, rows.shown, columns.shown] = scaled
    return FrameOnDevice(window.permute(1, 2, 0), tables.seen)


def uploaded(pixels: "NDArray[np.uint8]", device: torch.device) -> Tensor:
    """A copy on the device; to CUDA from pinned memory, so that it goes on while this thread queues kernels."""
    # torch has no read-only tensors and warns of read-only arrays; the copy also is what is uploaded.
    is_cuda = device.type == "cuda"
    host = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=is_cuda)
    np.copyto(host.numpy(), pixels)
    return host.to(device, non_blocking=is_cuda)


class _Axis(NamedTuple):
    """Pixels `read` of the frame become pixels `shown` of the window by a product with `weights`."""

    read: slice
    shown: slice
    weights: Tensor  # (2 · shown, read): the coarse parts, and below them the fine ones


class _Tables(NamedTuple):
    """What all frames of one size have in common."""

    rows: _Axis
    columns: _Axis
    is_vertical_first: bool
    background: Tensor  # uint8 (3, h, w), of the padding's colour
    seen: Rect


@lru_cache(KEPT_TABLES)
def _tables(width: int, height: int, preprocessing: Preprocessing, framing: Framing, device: torch.device) -> _Tables:
    steps = plan(width, height, preprocessing, framing)
    source, (across, down), (left, top) = steps.source, steps.resized, steps.offset
    window_width, window_height = steps.window
    rows = _axis(height, source.top, source.bottom, down, (top, window_height), preprocessing.interpolation)
    columns = _axis(width, source.left, source.right, across, (left, window_width), preprocessing.interpolation)
    fill = mean_colour(preprocessing) if steps.pads_with_mean else (0, 0, 0)
    colour = torch.tensor(fill, dtype=torch.uint8, device=device)[:, None, None]
    return _Tables(
        rows._replace(weights=rows.weights.to(device)),
        columns._replace(weights=columns.weights.to(device)),
        # Levels are rounded and clipped after each pass, so the order matters: this is Pillow's since 13.0.
        height - down > 2 * max(width - across, 0),
        colour.repeat(1, window_height, window_width),
        steps.seen,
    )


def _axis(
    length: int, first: float, last: float, resized: int, window: tuple[int, int], interpolation: Interpolation
) -> _Axis:
    """Scale what lies from `first` to `last` on an axis of `length` pixels to `resized` ones, of which `window`, given
    by its offset and length, is shown.

    Antialiased: where pixels become fewer, the filter becomes as much wider.
    """
    support, curve = _FILTERS[interpolation]
    start, extent = float(np.float32(first)), float(np.float32(last) - np.float32(first))  # Pillow takes them so
    scale = extent / resized
    stretch = max(scale, 1.0)
    offset, shown = window[0], slice(max(window[0], 0), min(sum(window), resized))
    centres = start + (np.arange(shown.start, shown.stop) + 0.5) * scale
    reach = support * stretch
    read = slice(max(int(centres[0] - reach), 0), min(int(centres[-1] + reach) + 1, length))
    weights = curve(np.abs(np.arange(read.start, read.stop) + 0.5 - centres[:, None]) / stretch)
    whole = np.rint(weights / weights.sum(1, keepdims=True) * 2**WEIGHT_BITS)
    coarse = np.rint(whole / 2**FINE_BITS)
    halves = np.concatenate((coarse, whole - coarse * 2**FINE_BITS)).astype(np.float32)
    return _Axis(read, slice(shown.start - offset, shown.stop - offset), torch.from_numpy(halves))


def _scaled_across(channels: Tensor, weights: Tensor) -> Tensor:
    return _levels(*(channels @ weights.T).chunk(2, dim=-1))


def _scaled_down(channels: Tensor, weights: Tensor) -> Tensor:
    return _levels(*(weights @ channels).chunk(2, dim=-2))


def _levels(coarse: Tensor, fine: Tensor) -> Tensor:
    """Both parts of a sum as levels 0…255: rounded, halves up, and clipped."""
    total = (coarse.int() << FINE_BITS) + fine.int() + (1 << (WEIGHT_BITS - 1))
    return (total >> WEIGHT_BITS).clamp_(0, 255).float()


def _linear(distance: "NDArray[np.float64]") -> "NDArray[np.float64]":
    return np.maximum(1.0 - distance, 0.0)


def _cubic(distance: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Keys's convolution with a = -1/2."""
    near = (1.5 * distance - 2.5) * distance**2 + 1.0
    far = ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return np.where(distance < 1.0, near, np.where(distance < 2.0, far, 0.0))


_FILTERS: "dict[Interpolation, tuple[float, Curve]]" = {
    Interpolation.BILINEAR: (1.0, _linear),
    Interpolation.BICUBIC: (2.0, _cubic),
}
