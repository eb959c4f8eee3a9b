"""What a picture may cost: limits that the decoder process keeps. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one picture, checked before its pixels are decoded.

    `max_pixels` is where Pillow, too, calls a picture a decompression bomb (twice its warning level):
    half a gigabyte at 24 bits. `max_edge` is in pixels.
    """

    max_pixels: int = 178_956_970
    max_edge: int = 100_000
    max_file_bytes: int = 1 << 30


DEFAULT_LIMITS = Limits()
