"""Draws assets/icon/mixer-gui.svg in every size that the packages need: `python .ci/package/icons.py FOLDER`.

Writes `mixer-gui-SIZE.png`, `mixer-gui.ico` (Windows) and `mixer-gui.icns` (macOS).
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PIL import Image
from PySide6.QtCore import QRectF
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

DRAWING = Path(__file__).resolve().parents[2] / "assets" / "icon" / "mixer-gui.svg"
SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512, 1024)
IN_ICO = (16, 24, 32, 48, 64, 128, 256)


def draw(folder: Path) -> None:
    """Make `folder` and all files in it. Raises ValueError where the drawing cannot be read."""
    folder.mkdir(parents=True, exist_ok=True)
    application = QGuiApplication.instance() or QGuiApplication(sys.argv[:1])
    renderer = QSvgRenderer(str(DRAWING))
    if not renderer.isValid():
        raise ValueError(f"{DRAWING} is no SVG")
    for size in SIZES:
        image = QImage(size, size, QImage.Format.Format_ARGB32)
        image.fill(0)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        renderer.render(painter, QRectF(0, 0, size, size))
        painter.end()
        image.save(str(folder / f"mixer-gui-{size}.png"))
    del application
    drawn = {size: Image.open(folder / f"mixer-gui-{size}.png") for size in SIZES}
    small = [drawn[size] for size in IN_ICO]
    small[-1].save(folder / "mixer-gui.ico", sizes=[(size, size) for size in IN_ICO], append_images=small[:-1])
    drawn[1024].save(folder / "mixer-gui.icns", append_images=[drawn[size] for size in (512, 256, 128, 64, 32, 16)])


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
