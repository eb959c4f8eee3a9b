"""Learned units in the real window: pairs are seen as pairs, and what is shown of a unit is what the engine says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QKeySequence, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel

from mixer_gui.gui.microscope.kernel_grid import KernelGrid, signed_kernels
from mixer_gui.gui.microscope.unit_views import GAP, SEAM, UnitGrid
from mixer_gui.gui.microscope.units_panel import UnitMap, UnitsPanel
from mixer_gui.records import PatchGrid, UnitsReport, UnitsRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]

TIMEOUT_MS = 30_000
LAYER = 7  # of the embedded model: it has both pairs and units alone
UNITS = 96


@pytest.fixture
def application(start: Start, photographs: dict[str, Path]) -> Application:
    return start(photographs["chelsea"], photographs["coffee"])


def opened(qtbot: QtBot, application: Application) -> UnitsPanel:
    window = application.window
    panel = window.microscope.show_panel("units")
    assert isinstance(panel, UnitsPanel)
    window.focus.want_layer(LAYER)
    settle(qtbot, panel)
    return panel


def settle(qtbot: QtBot, panel: UnitsPanel, unit: int | None = None, channel: int | None = None) -> None:
    """Until what is shown is about the layer, the unit and the channel."""

    def is_settled() -> bool:
        found = panel.arrays()
        return (
            {"layer", "unit"} <= found.keys()
            and int(found["layer"]) == panel.focus.layer
            and panel._unit is not None
            and panel._unit.request == panel._wanted()
            and unit in (None, int(found["unit"]))
            and channel in (None, int(found["channel"]))
        )

    qtbot.waitUntil(is_settled, timeout=TIMEOUT_MS)


def hover(grid: UnitGrid, unit: int) -> None:
    point = grid.rect_of(unit).center()
    buttons = Qt.MouseButton.NoButton
    QApplication.sendEvent(
        grid,
        QMouseEvent(
            QEvent.Type.MouseMove, point, grid.mapToGlobal(point), buttons, buttons, Qt.KeyboardModifier.NoModifier
        ),
    )


def click(qtbot: QtBot, grid: UnitGrid, unit: int) -> None:
    qtbot.mouseClick(grid, Qt.MouseButton.LeftButton, pos=grid.rect_of(unit).center().toPoint())


def order(panel: UnitsPanel) -> list[int]:
    return panel.arrays()["order"].tolist()


def test_all_units_are_there_and_pairs_touch(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    found, grid = panel.arrays(), panel.grid
    assert sorted(order(panel)) == list(range(UNITS))
    paired = [unit for unit in range(UNITS) if found["partner"][unit] != unit]
    assert 0 < len(paired) < UNITS
    for unit in range(UNITS):
        area = grid.rect_of(unit)
        assert grid.unit_at(area.center()) == unit
        others = [grid.rect_of(other) for other in range(UNITS) if other != unit]
        assert not any(area.intersects(other) for other in others)
        near = [other for other in others if other.top() == area.top()]
        distance = min(max(other.left() - area.right(), area.left() - other.right()) for other in near)
        partner = int(found["partner"][unit])
        if partner != unit:
            assert grid.rect_of(partner).top() == area.top()
            assert distance == SEAM
        else:
            assert distance > SEAM + 2
    assert str(len(paired)) in panel.intro.text()


def test_a_unit_is_painted_in_its_own_colours(qtbot: QtBot, application: Application) -> None:
    """The middle of a cell of the picture is red where the weight is positive and blue where it is negative."""
    panel = opened(qtbot, application)
    grid, weights = panel.grid, panel.arrays()["w1"]
    image = grid.grab().toImage()
    scale = image.width() / grid.width()
    unit = order(panel)[20]
    area, row = grid.rect_of(unit), weights[unit].reshape(8, 8)
    strong = np.argwhere(np.abs(row) > 0.6 * np.abs(row).max())
    assert len(strong) > 1
    for y, x in strong:
        colour = image.pixelColor(
            int((area.left() + (x + 0.5) * area.width() / 8) * scale),
            int((area.top() + (y + 0.5) * area.height() / 8) * scale),
        )
        assert (colour.red() > colour.blue()) == (row[y, x] > 0)


def test_pointing_shows_a_unit_and_a_click_keeps_it(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    units = order(panel)
    hover(panel.grid, units[3])
    settle(qtbot, panel, units[3])
    assert f"Unit {units[3]} " in panel.facts.text()
    assert panel.grid.accessibleDescription() == panel.facts.text()
    found = panel.arrays()
    assert f"{float(found['frequency'][units[3]]):.2f} cycles per patch" in panel.facts.text()
    click(qtbot, panel.grid, units[5])
    hover(panel.grid, units[9])
    settle(qtbot, panel, units[5])
    click(qtbot, panel.grid, units[5])  # lets go
    hover(panel.grid, units[9])
    settle(qtbot, panel, units[9])


def test_arrow_keys_walk_and_escape_lets_go(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    units, grid = order(panel), panel.grid
    click(qtbot, grid, units[0])
    QTest.keyClick(grid, Qt.Key.Key_Right)
    settle(qtbot, panel, units[1])
    QTest.keyClick(grid, Qt.Key.Key_Down)
    below = panel._shown
    assert below is not None
    settle(qtbot, panel, below)
    assert grid.rect_of(below).top() > grid.rect_of(units[1]).top()
    assert abs(grid.rect_of(below).left() - grid.rect_of(units[1]).left()) <= GAP
    QTest.keyClick(grid, Qt.Key.Key_Escape)
    hover(grid, units[30])
    settle(qtbot, panel, units[30])


def test_maps_are_the_engines_and_add_up(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    click(qtbot, panel.grid, 11)
    settle(qtbot, panel, 11)
    found = panel.arrays()
    for kind, values in (
        (UnitMap.WEIGHTS, found["w1"][11]),
        (UnitMap.READS, found["reads"]),
        (UnitMap.WRITES, found["writes"]),
    ):
        shown = panel.maps[kind].shown
        assert shown is not None
        assert shown.signed
        np.testing.assert_array_equal(shown.values, values)
    channel = int(found["channel"])
    assert found["reads"].sum() + found["bias"] == pytest.approx(float(found["hidden"][channel]), abs=1e-4)
    assert sum(panel.histogram._counts) == len(found["hidden"])


def test_a_channel_button_chooses_the_channel(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    click(qtbot, panel.grid, 11)
    settle(qtbot, panel, 11)
    before = panel.arrays()
    third = panel._buttons.button(2)
    channel = int(third.text().split(":")[0])
    assert channel != int(before["channel"])
    assert third.accessibleName()
    qtbot.mouseClick(third, Qt.MouseButton.LeftButton)
    settle(qtbot, panel, 11, channel)
    assert third.isChecked()
    assert not np.array_equal(panel.arrays()["reads"], before["reads"])
    np.testing.assert_array_equal(panel.arrays()["hidden"], before["hidden"])


def test_the_map_over_the_picture_is_the_chosen_one(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    for row in range(panel.choice.count()):
        panel.choice.setCurrentIndex(row)
        over, shown = panel.overlay(), panel.maps[panel.chosen].shown
        assert over is not None
        assert shown is not None
        np.testing.assert_array_equal(over.shown.values, shown.values)
        assert over.exactness == "exact"
        assert str(panel._shown) in over.caption


def test_another_picture_keeps_the_unit_and_changes_what_it_does(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    click(qtbot, panel.grid, 11)
    settle(qtbot, panel, 11)
    before = panel.arrays()
    session = application.window.session
    current = session.current
    application.window.picture.strip.setCurrentIndex(session.gallery.index(1))
    qtbot.waitUntil(lambda: panel.report is not None and session.current is not current, timeout=TIMEOUT_MS)
    settle(qtbot, panel, 11)
    qtbot.waitUntil(lambda: not np.array_equal(panel.arrays()["hidden"], before["hidden"]), timeout=TIMEOUT_MS)
    np.testing.assert_array_equal(panel.arrays()["w1"], before["w1"])


def test_another_layer_has_other_units(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    click(qtbot, panel.grid, 11)
    settle(qtbot, panel, 11)
    before = panel.arrays()
    application.window.focus.want_layer(2)
    settle(qtbot, panel)
    assert int(panel.arrays()["layer"]) == 2
    assert not np.array_equal(panel.arrays()["w1"], before["w1"])
    assert panel._shown == order(panel)[0]
    assert "Layer 3" in panel.intro.text()


def test_views_can_be_saved(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    assert len(panel.views()) == 5
    assert all(view.grab().width() > 10 for view in panel.views().values())


def test_nothing_is_wider_than_a_narrow_column(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    assert panel.minimumSizeHint().width() <= 370
    assert panel.minimumSizeHint().height() <= 520


def test_a_grid_of_many_units_is_scrolled_and_breaks_no_pair(qtbot: QtBot) -> None:
    count, side = 640, 16
    weights = np.random.default_rng(0).normal(size=(count, side * side)).astype(np.float32)
    numbers = np.arange(count)
    report = UnitsReport(
        UnitsRequest(1, 0),
        weights,
        numbers,
        np.zeros(count, np.float32),
        numbers ^ 1,
        np.full(count, -1, np.float32),
        0.0,
    )
    grid = UnitGrid()
    qtbot.addWidget(grid)
    grid.show_units(report, PatchGrid(side, side))
    grid.set_room(200)
    grid.resize(340, grid.heightForWidth(340))
    assert grid.height() > 200
    for unit in range(0, count, 2):
        first, second = grid.rect_of(unit), grid.rect_of(unit + 1)
        assert second.left() - first.right() == SEAM
        assert first.left() >= 0
        assert second.right() <= 340
        assert second.bottom() <= grid.height()
    assert grid.unit_at(QPointF(1.0, grid.height() + 50.0)) is None
    assert not grid.grab().isNull()


def test_a_channel_that_is_not_among_the_strongest_marks_no_button(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    unit = panel._unit
    assert unit is not None
    assert panel._buttons.checkedButton() is not None
    panel._channel = next(each for each in range(len(unit.hidden)) if each not in unit.channels)
    panel.refresh()
    settle(qtbot, panel, channel=panel._channel)
    assert panel._buttons.checkedButton() is None
    panel._buttons.button(0).click()
    settle(qtbot, panel, channel=int(unit.channels[0]))
    assert panel._buttons.checkedButton() is panel._buttons.button(0)


def test_patches_of_units_are_square_where_the_grid_is_not(qtbot: QtBot) -> None:
    numbers = np.arange(6)
    weights = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    spare = np.zeros(6, np.float32)
    report = UnitsReport(UnitsRequest(1, 0), weights, numbers, spare, numbers ^ 1, spare, 0.0)
    grid = UnitGrid()
    qtbot.addWidget(grid)
    grid.show_units(report, PatchGrid(rows=2, columns=4))
    grid.resize(340, grid.heightForWidth(340))
    for unit in range(6):
        area = grid.rect_of(unit)
        assert area.width() == 2 * area.height()
        assert grid.unit_at(area.center()) == unit
        assert grid.rect().contains(area.toRect())
    kernels = KernelGrid("kernels")
    qtbot.addWidget(kernels)
    kernels.resize(90, 200)
    kernels.show_kernels(signed_kernels(weights.reshape(6, 2, 4)))
    ratios = [kernels.rect_of(number).width() / kernels.rect_of(number).height() for number in range(6)]
    np.testing.assert_allclose(ratios, 2.0, rtol=0.05)
    assert kernels.rect_of(5).bottom() <= kernels.heightForWidth(90)


def test_no_shortcut_of_the_view_is_a_menus(application: Application) -> None:
    window = application.window
    panel = window.microscope.show_panel("units")
    menus = {_mnemonic(action.text()) for action in window.menuBar().actions()}
    labels = [each for each in panel.findChildren(QLabel) if each.buddy() is not None]
    assert labels
    assert menus.isdisjoint(_mnemonic(each.text()) for each in labels)


def _mnemonic(text: str) -> str:
    return QKeySequence.mnemonic(text).toString()
