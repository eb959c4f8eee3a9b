"""Kernels of a convolution as pictures, side by side: in colour where they see colours, else on a signed scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mixer_gui.gui.images import map_images
from mixer_gui.records import PatchGrid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CELL = 36  # pixels, about
GAP = 4


class KernelGrid(QWidget):
    """Kernels row by row; as high as its width asks for."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: tuple[QImage, ...] = ()
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(name)

    @property
    def count(self) -> int:
        return len(self._images)

    def show_kernels(self, images: tuple[QImage, ...]) -> None:
        """All of one shape."""
        self._images = images
        self.setAccessibleDescription(self.tr("{0} kernels").format(len(images)))
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        columns, pitch = self._fit(width)
        return max(-(-self.count // columns), 1) * (self._height(pitch - GAP) + GAP)

    def sizeHint(self) -> QSize:
        return QSize(320, self.heightForWidth(320))

    def minimumSizeHint(self) -> QSize:
        return QSize(CELL, CELL)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        for number, image in enumerate(self._images):
            painter.drawImage(self.rect_of(number), image)
        painter.end()

    def rect_of(self, number: int) -> QRectF:
        """Where a kernel is painted, in the widget: its weights are square."""
        columns, pitch = self._fit(self.width())
        row, column = divmod(number, columns)
        width, height = pitch - GAP, self._height(pitch - GAP)
        return QRectF(column * pitch, row * (height + GAP), width, height)

    def _height(self, width: int) -> int:
        """Of a kernel that is so wide."""
        return round(width * self._images[0].height() / self._images[0].width()) if self._images else width

    def _fit(self, width: int) -> tuple[int, int]:
        """Columns, and pixels from one kernel to the next."""
        columns = max((width + GAP) // (CELL + GAP), 1)
        return columns, (width + GAP) // columns


def colour_kernels(kernels: NDArray[np.float32]) -> tuple[QImage, ...]:
    """(K, 3, P, P) -> images: grey is 0, each kernel's largest weight is full red, green or blue more or less."""
    import numpy as np

    ends = np.maximum(np.abs(kernels).reshape(len(kernels), -1).max(1), 1e-12)
    shown = (127.5 * (kernels / ends[:, None, None, None] + 1.0) + 0.5).astype(np.uint8).transpose(0, 2, 3, 1)
    return tuple(
        QImage(each.tobytes(), each.shape[1], each.shape[0], 3 * each.shape[1], QImage.Format.Format_RGB888).copy()
        for each in shown
    )


def signed_kernels(kernels: NDArray[np.float32]) -> tuple[QImage, ...]:
    """(K, rows, columns) -> images: red above 0, blue below, each kernel on its own scale."""
    import numpy as np

    grid = PatchGrid(*kernels.shape[1:])
    rows = kernels.reshape(len(kernels), -1)
    ends = np.maximum(np.abs(rows).max(1), 1e-12)
    return tuple(map_images(tuple(rows), grid, ends.tolist(), signed=True))
