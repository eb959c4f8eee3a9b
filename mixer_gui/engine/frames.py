"""Frames of moving pictures to what the network sees: they are decoded already, so no process has to do it."""

import time
from typing import TYPE_CHECKING

from mixer_gui.engine.device_frames import cut_on_device
from mixer_gui.pictures.preprocess import prepare
from mixer_gui.records import DecodedPicture, Frame, Framing, LiveFrame, NetworkInput, Preprocessing, Rect

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

CUTTING_DEVICES = {"cuda"}  # by the names of torch; a CPU takes three to four times as long as with Pillow


def decoded_frame(frame: LiveFrame, preprocessing: Preprocessing, framing: Framing) -> DecodedPicture:
    """The same as the decoder's process makes of a file with these pixels, without its display copy."""
    started = time.perf_counter()
    network_input = prepare(frame.pixels, preprocessing, framing)
    return as_decoded(frame, network_input, (time.perf_counter() - started) * 1e3)


def as_decoded(frame: LiveFrame, network_input: NetworkInput, preprocess_ms: float) -> DecodedPicture:
    """A frame and what was made of it, as the decoder's process would give them."""
    height, width = frame.pixels.shape[:2]
    picture = Frame(frame.pixels[:0], width, height, format="frame")
    return DecodedPicture(picture, network_input, decode_ms=0.0, preprocess_ms=preprocess_ms)


def cut_out(
    frame: LiveFrame, preprocessing: Preprocessing, framing: Framing, device: "torch.device"
) -> "tuple[NDArray[np.uint8] | torch.Tensor, Rect]":
    """What the network sees of a frame, uint8 (h, w, 3), and where that lies; made on the device where that is faster.

    Then it is a tensor there, and the device may not have begun with it.
    """
    if device.type in CUTTING_DEVICES:
        on_device = cut_on_device(frame.pixels, preprocessing, framing, device)
        if on_device is not None:
            return on_device.pixels, on_device.seen
    network_input = prepare(frame.pixels, preprocessing, framing)
    return network_input.pixels, network_input.seen
