"""A frame with its map and ranking drawn on it, for the annotated video. Functions over records; any thread."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter

from mixer_gui.gui.picture_painting import Overlay
from mixer_gui.gui.placement import Placement
from mixer_gui.gui.prediction_list import percentage, short_label
from mixer_gui.records import LiveFrame, Prediction

LONGEST_EDGE = 1280  # pixels of the video
LINES = 3


@dataclass(frozen=True, slots=True)
class Annotation:
    """All that is drawn, captured when the frame was shown."""

    frame: LiveFrame
    overlay: Overlay | None
    opacity: float
    predictions: tuple[Prediction, ...]


def annotated_size(frame: LiveFrame) -> QSize:
    """Even numbers of pixels, which video formats ask for."""
    height, width = frame.pixels.shape[:2]
    scale = min(LONGEST_EDGE / max(width, height), 1.0)
    return QSize(max(int(width * scale) // 2 * 2, 2), max(int(height * scale) // 2 * 2, 2))


def annotated(annotation: Annotation, size: QSize) -> QImage:
    """The frame scaled to `size`, the map on the rectangle that the network saw, the ranking at the lower left."""
    height, width = annotation.frame.pixels.shape[:2]
    source = QImage(annotation.frame.pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    drawn = QImage(size, QImage.Format.Format_RGB32)
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(QRectF(0, 0, size.width(), size.height()), source)
    overlay = annotation.overlay
    if overlay is not None:
        painter.setOpacity(annotation.opacity)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(Placement(size.width() / width, 0.0, 0.0).to_screen(overlay.seen), overlay.image)
        painter.setOpacity(1.0)
    _draw_ranking(painter, size, annotation.predictions[:LINES])
    painter.end()
    return drawn


def _draw_ranking(painter: QPainter, size: QSize, predictions: tuple[Prediction, ...]) -> None:
    if not predictions:
        return
    font = QFont()
    font.setPixelSize(max(round(size.height() / 24), 9))
    painter.setFont(font)
    line = painter.fontMetrics().height()
    box = QRectF(0, size.height() - line * (len(predictions) + 0.6), size.width(), line * (len(predictions) + 0.6))
    painter.fillRect(box, QColor(0, 0, 0, 150))
    painter.setPen(QColor("white"))
    for row, each in enumerate(predictions):
        area = QRectF(line * 0.5, box.top() + line * (row + 0.3), size.width() - line, line)
        text = f"{percentage(each.probability):>7}  {short_label(each.label)}"
        painter.drawText(area, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), text)
