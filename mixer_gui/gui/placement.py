"""Where picture pixels are on the screen, and the handles of the rectangle that the network sees.

Functions over numbers; no widget, no painting.
"""

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QPointF, QRectF, Qt

from mixer_gui.records import PatchGrid, Rect

HANDLE_REACH = 9.0  # screen pixels around an edge or corner that take hold of it
MIN_EDGE = 8.0  # picture pixels


@dataclass(frozen=True, slots=True)
class Placement:
    """screen = offset + scale * picture pixel."""

    scale: float
    left: float
    top: float

    def to_screen(self, rect: Rect) -> QRectF:
        return QRectF(
            self.left + rect.left * self.scale,
            self.top + rect.top * self.scale,
            rect.width * self.scale,
            rect.height * self.scale,
        )

    def to_picture(self, point: QPointF) -> tuple[float, float]:
        return (point.x() - self.left) / self.scale, (point.y() - self.top) / self.scale


def place(width: int, height: int, seen: Rect | None, area: QRectF) -> Placement:
    """Fit a picture, together with what the network saw beyond its edges, centred into `area`."""
    left = min(0.0, seen.left) if seen else 0.0
    top = min(0.0, seen.top) if seen else 0.0
    right = max(float(width), seen.right) if seen else float(width)
    bottom = max(float(height), seen.bottom) if seen else float(height)
    scale = max(min(area.width() / (right - left), area.height() / (bottom - top)), 1e-6)
    return Placement(
        scale,
        area.center().x() - scale * (left + right) / 2.0,
        area.center().y() - scale * (top + bottom) / 2.0,
    )


class Grip(Enum):
    """What a drag takes hold of, as the signs by which it moves (left, top, right, bottom)."""

    MOVE = (1, 1, 1, 1)
    TOP_LEFT = (1, 1, 0, 0)
    TOP_RIGHT = (0, 1, 1, 0)
    BOTTOM_LEFT = (1, 0, 0, 1)
    BOTTOM_RIGHT = (0, 0, 1, 1)


GRIP_CURSORS = {
    Grip.TOP_LEFT: Qt.CursorShape.SizeFDiagCursor,
    Grip.BOTTOM_RIGHT: Qt.CursorShape.SizeFDiagCursor,
    Grip.TOP_RIGHT: Qt.CursorShape.SizeBDiagCursor,
    Grip.BOTTOM_LEFT: Qt.CursorShape.SizeBDiagCursor,
    Grip.MOVE: Qt.CursorShape.OpenHandCursor,
    None: Qt.CursorShape.ArrowCursor,
}


def grip_at(point: QPointF, rect: QRectF) -> Grip | None:
    """The corner within reach of a point, the rectangle itself inside it, or None."""
    for grip, corner in (
        (Grip.TOP_LEFT, rect.topLeft()),
        (Grip.TOP_RIGHT, rect.topRight()),
        (Grip.BOTTOM_LEFT, rect.bottomLeft()),
        (Grip.BOTTOM_RIGHT, rect.bottomRight()),
    ):
        if (point - corner).manhattanLength() <= 2.0 * HANDLE_REACH:
            return grip
    return Grip.MOVE if rect.contains(point) else None


def drag_rect(rect: Rect, grip: Grip, dx: float, dy: float, width: int, height: int, *, keep_aspect: bool) -> Rect:
    """`rect` after a drag by (dx, dy) picture pixels; it stays inside the picture of width × height."""
    if grip is Grip.MOVE:
        left = min(max(rect.left + dx, 0.0), width - rect.width)
        top = min(max(rect.top + dy, 0.0), height - rect.height)
        return Rect(left, top, rect.width, rect.height)
    at_left, at_top, _, _ = grip.value
    anchor_x, anchor_y = (rect.right if at_left else rect.left), (rect.bottom if at_top else rect.top)
    room_x = anchor_x if at_left else width - anchor_x
    room_y = anchor_y if at_top else height - anchor_y
    new_width = min(max(rect.width + (-dx if at_left else dx), MIN_EDGE), room_x)
    new_height = min(max(rect.height + (-dy if at_top else dy), MIN_EDGE), room_y)
    if keep_aspect:
        aspect = rect.width / rect.height
        new_width = min(max(new_width, new_height * aspect), room_x, room_y * aspect)
        new_height = new_width / aspect
    return Rect(
        anchor_x - new_width if at_left else anchor_x,
        anchor_y - new_height if at_top else anchor_y,
        new_width,
        new_height,
    )


def largest_rectangle(width: int, height: int, input_size: tuple[int, int]) -> Rect:
    """The largest centred rectangle of the input's aspect ratio, a little inside so that its corners show."""
    aspect = input_size[1] / input_size[0]
    rect_width = min(width, height * aspect) * 0.9
    rect_height = rect_width / aspect
    return Rect((width - rect_width) / 2.0, (height - rect_height) / 2.0, rect_width, rect_height)


def stepped(patch: int | None, grid: PatchGrid, rows: int, columns: int) -> int:
    """The patch so many rows down and columns right, not beyond the grid's edge; from none, the one in the middle."""
    if patch is None:
        row, column = grid.rows // 2, grid.columns // 2
    else:
        row = min(max(patch // grid.columns + rows, 0), grid.rows - 1)
        column = min(max(patch % grid.columns + columns, 0), grid.columns - 1)
    return row * grid.columns + column
