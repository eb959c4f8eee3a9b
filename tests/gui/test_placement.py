"""Where picture pixels are on the screen, and how the rectangle follows a drag."""

import pytest
from PySide6.QtCore import QPointF, QRectF

from mixer_gui.gui.placement import Grip, drag_rect, grip_at, place
from mixer_gui.records import Rect


@pytest.mark.parametrize(("width", "height"), [(300, 200), (200, 300), (1, 1), (5000, 10)])
def test_picture_fits_into_its_area_and_touches_two_edges(width: int, height: int) -> None:
    area = QRectF(10, 20, 400, 300)
    shown = place(width, height, None, area).to_screen(Rect(0, 0, width, height))
    assert area.adjusted(-1e-6, -1e-6, 1e-6, 1e-6).contains(shown)
    assert min(abs(shown.width() - area.width()), abs(shown.height() - area.height())) < 1e-6
    assert abs((shown.center() - area.center()).manhattanLength()) < 1e-6


def test_padding_that_the_network_saw_fits_too() -> None:
    area = QRectF(0, 0, 400, 300)
    seen = Rect(0, -50, 200, 200)
    placement = place(200, 100, seen, area)
    assert area.adjusted(-1e-6, -1e-6, 1e-6, 1e-6).contains(placement.to_screen(seen))


def test_screen_and_picture_are_inverse() -> None:
    placement = place(640, 480, None, QRectF(3, 7, 500, 400))
    on_screen = placement.to_screen(Rect(123.0, 45.0, 0.0, 0.0)).topLeft()
    assert placement.to_picture(on_screen) == pytest.approx((123.0, 45.0))


def test_corners_are_taken_before_the_inside() -> None:
    rect = QRectF(100, 100, 200, 100)
    assert grip_at(QPointF(104, 97), rect) is Grip.TOP_LEFT
    assert grip_at(QPointF(296, 203), rect) is Grip.BOTTOM_RIGHT
    assert grip_at(QPointF(200, 150), rect) is Grip.MOVE
    assert grip_at(QPointF(50, 50), rect) is None


@pytest.mark.parametrize("grip", list(Grip))
@pytest.mark.parametrize("offset", [(15, 5), (-400, -400), (400, 400), (-30, 80)])
@pytest.mark.parametrize("keep_aspect", [True, False])
def test_dragged_rectangle_stays_inside_the_picture(grip: Grip, offset: tuple[int, int], keep_aspect: bool) -> None:
    dragged = drag_rect(Rect(50, 40, 80, 60), grip, *offset, 300, 200, keep_aspect=keep_aspect)
    assert dragged.left >= -1e-9
    assert dragged.top >= -1e-9
    assert dragged.right <= 300 + 1e-9
    assert dragged.bottom <= 200 + 1e-9
    assert dragged.width > 0
    assert dragged.height > 0
    if keep_aspect:
        assert dragged.width / dragged.height == pytest.approx(80 / 60)


def test_opposite_corner_stays_where_it_is() -> None:
    dragged = drag_rect(Rect(50, 40, 80, 60), Grip.TOP_LEFT, 10, 10, 300, 200, keep_aspect=False)
    assert (dragged.right, dragged.bottom) == (130, 100)
    assert (dragged.left, dragged.top) == (60, 50)
