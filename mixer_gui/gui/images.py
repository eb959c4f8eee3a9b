"""Arrays to Qt images: pictures, and maps through perceptual, colour-blind-safe colour maps.

numpy and cmap are imported inside the functions: the window is on screen before either is.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QImage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.records import Frame, PatchGrid

SEQUENTIAL = "bids:magma"
DIVERGING = "colorbrewer:RdBu_r"
HIGH_PERCENTILE = 99.0  # one patch can dominate a common scale; the few above it are drawn at its end


def picture_image(frame: Frame) -> QImage:
    """The frame's pixels without a copy; the QImage is valid as long as the frame is kept."""
    pixels = frame.pixels
    height, width = pixels.shape[:2]
    return QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB888)


def pixels_image(pixels: NDArray[np.uint8]) -> QImage:
    """uint8 (H, W, 3) as a picture that owns its pixels."""
    height, width, _ = pixels.shape
    return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).convertToFormat(
        QImage.Format.Format_RGB32
    )


def edited_image(after: NDArray[np.uint8], before: NDArray[np.uint8] | None, grid: PatchGrid) -> QImage:
    """What the network saw, uint8 (H, W, 3), transparent where a whole patch is as in `before`; None: nowhere."""
    import numpy as np

    height, width, _ = after.shape
    rgba = np.empty((height, width, 4), np.uint8)
    rgba[..., :3] = after
    rgba[..., 3] = 255
    if before is not None:
        parts = (after != before).reshape(grid.rows, height // grid.rows, grid.columns, width // grid.columns, 3)
        is_other = parts.any((1, 3, 4)).repeat(height // grid.rows, 0).repeat(width // grid.columns, 1)
        rgba[~is_other] = 0
    return QImage(rgba.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888).convertToFormat(
        QImage.Format.Format_ARGB32_Premultiplied
    )


@cache
def colour_table(name: str) -> NDArray[np.uint8]:
    """256 colours of a colour map, uint8 (256, 3)."""
    import numpy as np
    from cmap import Colormap

    colours = Colormap(name)(np.linspace(0.0, 1.0, 256))
    return (np.asarray(colours)[:, :3] * 255.0 + 0.5).astype(np.uint8)


def load_colour_maps() -> None:
    """Import numpy and cmap and build both tables; called in the worker thread so that no paint waits for it."""
    colour_table(SEQUENTIAL)
    colour_table(DIVERGING)


def high_end(maps: Iterable[NDArray[np.float32]]) -> float:
    """The upper end of a colour scale for these maps: a high percentile of their magnitudes, above 0."""
    import numpy as np

    magnitudes = np.abs(np.concatenate([each.ravel() for each in maps]))
    end = float(np.percentile(magnitudes, HIGH_PERCENTILE)) if magnitudes.size else 0.0
    return end if end > 0.0 else 1.0


def map_image(values: NDArray[np.float32], grid: PatchGrid, end: float, *, signed: bool, fade: bool = False) -> QImage:
    """One pixel a patch, (rows, columns): values 0…end, or -end…end if `signed`, through the colour map.

    With `fade`, small magnitudes are more transparent, so that the picture shines through where little
    happened.
    """
    return map_images((values,), grid, (end,), signed=signed, fade=fade)[0]


def map_images(
    maps: Sequence[NDArray[np.float32]],
    grid: PatchGrid,
    ends: Sequence[float],
    *,
    signed: bool,
    fade: bool = False,
) -> list[QImage]:
    """The same for several maps, each with its own end, in one go: of a moving picture there are hundreds a second."""
    import numpy as np

    if any(each.shape != (grid.count,) for each in maps):
        raise ValueError("a map has as many values as its grid has patches")  # else Qt would read beyond them
    scaled = np.clip(np.stack(maps) / np.asarray(ends, np.float32)[:, None], -1.0 if signed else 0.0, 1.0)
    position = (scaled + 1.0) / 2.0 if signed else scaled
    rgba = np.empty((*scaled.shape, 4), np.uint8)
    rgba[..., :3] = colour_table(DIVERGING if signed else SEQUENTIAL)[(position * 255.0 + 0.5).astype(np.intp)]
    rgba[..., 3] = (255.0 * (0.45 + 0.55 * np.abs(scaled)) + 0.5).astype(np.uint8) if fade else 255
    return [
        # The conversion makes an image that owns its pixels.
        QImage(
            each.tobytes(), grid.columns, grid.rows, grid.columns * 4, QImage.Format.Format_RGBA8888
        ).convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        for each in rgba
    ]


@cache
def legend_colours(*, signed: bool, steps: int = 24) -> tuple[QColor, ...]:
    """Colours from the low to the high end, for a legend."""
    table = colour_table(DIVERGING if signed else SEQUENTIAL)
    return tuple(QColor(*(int(part) for part in table[index * 255 // (steps - 1)])) for index in range(steps))
