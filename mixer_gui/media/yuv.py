"""YUV samples to RGB in fixed point, by numpy, which releases the GIL. No Qt: `convert` finds the samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.uint8] | NDArray[np.uint16]

FRACTION_BITS = 5  # of a colour before it is rounded: luma plus chroma stays within int16
CHROMA_BITS = 14  # more of them in chroma's coefficients, whose products stay within int32
BLOCK_ROWS = 128  # rows at a time, even: they stay in the cache, and the GIL changes hands in few places


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Integers with which a colour is luma * Y + offset + u * (U - middle) + v * (V - middle).

    `offset` has FRACTION_BITS fraction bits, `luma` has `luma_bits` more, (u, v) of red, green and blue CHROMA_BITS
    more. `offset` also rounds.
    """

    luma: int
    luma_bits: int
    offset: int
    middle: int
    red: tuple[int, int]
    green: tuple[int, int]
    blue: tuple[int, int]


@cache
def coefficients(red: float, blue: float, *, full: bool, bits: int, empty_bits: int = 0) -> Coefficients:
    """`red` and `blue` are their weights in luma (ITU-T H.273, equations 38 to 40, and 20 to 25 for the ranges)."""
    levels = 1 << bits
    luma_scale, chroma_scale, black = 255 / (levels - (1 << empty_bits)), 255 / (levels - (1 << empty_bits)), 0.0
    if not full:
        luma_scale, chroma_scale, black = 255 / 219 * 256 / levels, 255 / 224 * 256 / levels, 255 / 219 * 16
    green = 1 - red - blue
    luma_bits = 2 if bits == 8 else 16  # products within uint16 and uint32
    unit = 1 << FRACTION_BITS

    def fixed(factor: float) -> int:
        return round(factor * chroma_scale * unit * (1 << CHROMA_BITS))

    return Coefficients(
        luma=round(luma_scale * unit * (1 << luma_bits)),
        luma_bits=luma_bits,
        offset=round(unit / 2 + 1 - black * unit),  # 1 for what luma and chroma lose where their own bits are cut off
        middle=levels // 2,
        red=(0, fixed(2 * (1 - red))),
        green=(fixed(-2 * (1 - blue) * blue / green), fixed(-2 * (1 - red) * red / green)),
        blue=(fixed(2 * (1 - blue)), 0),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """A YUV picture: `y` (height, width), `chroma` U and V with half its columns, or nothing for a grey picture."""

    y: Samples
    chroma: tuple[Samples, ...]
    rows_a_chroma_row: int
    coefficients: Coefficients

    @property
    def size(self) -> tuple[int, int]:
        return self.y.shape[1], self.y.shape[0]

    def write(self, left: int, top: int, into: NDArray[np.uint8]) -> None:
        """Fill `into` (rows, columns, 3) with the part that begins at (left, top)."""
        rows, columns = into.shape[:2]
        if left % 2 or top % 2:  # chroma belongs to pairs: begin with the pair
            pixels = np.empty((rows + top % 2, columns + left % 2, 3), np.uint8)
            self.write(left - left % 2, top - top % 2, pixels)
            into[...] = pixels[top % 2 :, left % 2 :]
            return
        y = self.y[top : top + rows, left : left + columns]
        chroma = [
            plane[top // self.rows_a_chroma_row :, left // 2 : (left + columns + 1) // 2] for plane in self.chroma
        ]
        block = Block(columns, self.coefficients, wide=y.dtype.itemsize > 1)
        for first in range(0, rows, BLOCK_ROWS):
            end = min(first + BLOCK_ROWS, rows)
            chroma_rows = slice(first // self.rows_a_chroma_row, -(-end // self.rows_a_chroma_row))
            block.write(y[first:end], [plane[chroma_rows] for plane in chroma], into[first:end])


class Block:
    """Converts a few rows at a time, in memory that is used again for each."""

    def __init__(self, width: int, coefficients: Coefficients, *, wide: bool) -> None:
        self.coefficients = coefficients
        self.product = np.empty((BLOCK_ROWS, width), np.uint32 if wide else np.uint16)
        self.luma = np.empty((BLOCK_ROWS, width), np.int16)
        self.colour = np.empty((BLOCK_ROWS, width), np.int16)
        self.repeated = np.empty((BLOCK_ROWS, width + width % 2), np.int16)
        self.u, self.v, self.sum = np.empty((3, BLOCK_ROWS, self.repeated.shape[1] // 2), np.int32)

    def write(self, y: Samples, chroma: list[Samples], into: NDArray[np.uint8]) -> None:
        """`y` (rows, width), U and V with as many rows or half of them, `into` (rows, width, 3)."""
        known, rows = self.coefficients, len(y)
        product, luma, colour = self.product[:rows], self.luma[:rows], self.colour[:rows]
        product[...] = y
        product *= known.luma
        product >>= known.luma_bits
        np.copyto(luma, product, casting="unsafe")
        luma += known.offset
        for plane, samples_ in zip((self.u, self.v), chroma, strict=False):
            np.subtract(samples_, known.middle, out=plane[: len(samples_)], dtype=np.int32)
        for channel, factors in enumerate((known.red, known.green, known.blue)):
            if chroma:
                repeated = self._chroma(factors, len(chroma[0]))[:, : luma.shape[1]]
                step = 1 if len(repeated) == rows else 2
                for first in range(step):
                    part = luma[first::step]
                    np.add(part, repeated[: len(part)], out=colour[first::step])
            else:
                colour[...] = luma
            colour >>= FRACTION_BITS
            np.clip(colour, 0, 255, out=colour)
            np.copyto(into[..., channel], colour, casting="unsafe")

    def _chroma(self, factors: tuple[int, int], rows: int) -> NDArray[np.int16]:
        """What U and V add to a colour, each value twice: (rows, width rounded up to even)."""
        total, other = self.sum[:rows], self.v[:rows]
        if factors[0] == 0:
            np.multiply(other, factors[1], out=total)
        else:
            np.multiply(self.u[:rows], factors[0], out=total)
        if all(factors):
            total += other * factors[1]
        total >>= CHROMA_BITS
        repeated = self.repeated[:rows]
        for first in range(2):
            np.copyto(repeated[:, first::2], total, casting="unsafe")
        return repeated
