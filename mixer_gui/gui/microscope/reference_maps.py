"""Maps that know nothing of the picture, which a map has to beat: noise, and a Gaussian around the middle.

The same numbers as `explain.faithfulness` makes, to the last bit or the one before it, without torch.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.records import PatchGrid

WORDS = 624  # of the state of MT19937
MANTISSA_BITS = 24


def random_map(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Uniform noise in 0…1, float32 (count,), read-only: equal to torch.rand of a generator with that seed.

    `seed` is from 0 to 2^32 - 1. MT19937 with Knuth's initialisation, of each 32-bit number the lower 24 bits.
    """
    import numpy as np

    state = [seed]
    for word in range(1, WORDS):
        state.append((1812433253 * (state[-1] ^ (state[-1] >> 30)) + word) & 0xFFFFFFFF)
    generator = random.Random()
    generator.setstate((3, (*state, WORDS), None))
    lower = (1 << MANTISSA_BITS) - 1
    drawn = [generator.getrandbits(32) & lower for _ in range(count)]
    values = (np.array(drawn, np.float64) / (lower + 1)).astype(np.float32)
    values.setflags(write=False)
    return values


def centred_gaussian(grid: PatchGrid) -> NDArray[np.float32]:
    """A Gaussian around the middle, float32 (N,), read-only; its standard deviation is a quarter of each edge."""
    import numpy as np

    rows = (np.arange(grid.rows) + 0.5) / grid.rows - 0.5
    columns = (np.arange(grid.columns) + 0.5) / grid.columns - 0.5
    # Rounded at the end: patches that are equally far from the middle get equal values.
    values = np.exp(-8.0 * (rows[:, None] ** 2 + columns**2)).ravel().astype(np.float32)
    values.setflags(write=False)
    return values
