"""Frames of moving pictures to what the network sees: they are decoded already, so no process has to do it."""

import time

from mixer_gui.pictures.preprocess import prepare
from mixer_gui.records import DecodedPicture, Frame, Framing, LiveFrame, Preprocessing


def decoded_frame(frame: LiveFrame, preprocessing: Preprocessing, framing: Framing) -> DecodedPicture:
    """The same as the decoder's process makes of a file with these pixels, without its display copy."""
    started = time.perf_counter()
    network_input = prepare(frame.pixels, preprocessing, framing)
    height, width = frame.pixels.shape[:2]
    return DecodedPicture(
        Frame(frame.pixels[:0], width, height, format="frame"),
        network_input,
        decode_ms=0.0,
        preprocess_ms=(time.perf_counter() - started) * 1e3,
    )
