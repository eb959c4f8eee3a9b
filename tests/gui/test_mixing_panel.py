"""The mixing explorer in the real window: what it shows is what the engine says, and everything can be pointed at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QLabel, QToolTip, QWidget

from mixer_gui.gui.images import high_end
from mixer_gui.gui.microscope.mixing_maps import MixingMap, choice_name, explanation
from mixer_gui.gui.microscope.mixing_panel import MixingPanel
from mixer_gui.records import (
    MixingRequest,
    PatchGrid,
    PatchRequest,
    Question,
    QuestionFailed,
    ReachRequest,
    RolloutRequest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]

TIMEOUT_MS = 30_000
LAYERS, GRID = 8, PatchGrid(8, 8)  # of the embedded model
PATCH = 27


@pytest.fixture
def application(start: Start, photographs: dict[str, Path]) -> Application:
    return start(photographs["chelsea"], photographs["coffee"])


def opened(qtbot: QtBot, application: Application, patch: int | None = PATCH, layer: int = 3) -> MixingPanel:
    """The panel, in the window, with all answers about a patch of a layer."""
    window = application.window
    panel = window.microscope.show_panel("mixing")
    assert isinstance(panel, MixingPanel)
    window.focus.want_layer(layer)
    window.focus.want_patch(patch)
    qtbot.waitUntil(lambda: is_settled(panel, patch, layer), timeout=TIMEOUT_MS)
    return panel


def is_settled(panel: MixingPanel, patch: int | None, layer: int) -> bool:
    """Everything that is shown is about this patch and this layer."""
    found = panel.arrays()
    about = panel._about
    if "layer" not in found or int(found["layer"]) != layer or panel.matrix.matrix is not found["mixing_matrix"]:
        return False
    if patch is None:
        return "patch" not in found
    return (
        about.patch is not None
        and about.rollout is not None
        and (about.patch.request.layer, about.patch.request.patch) == (layer, patch)
        and (about.rollout.request.layer, about.rollout.request.patch) == (layer, patch)
    )


def settle(qtbot: QtBot, panel: MixingPanel, patch: int | None, layer: int) -> None:
    qtbot.waitUntil(lambda: is_settled(panel, patch, layer), timeout=TIMEOUT_MS)


def hover(widget: QWidget, point: QPointF) -> None:
    """The pointer moves there."""
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        point,
        widget.mapToGlobal(point),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(widget, event)


def click(qtbot: QtBot, widget: QWidget, point: QPointF) -> None:
    qtbot.mouseClick(widget, Qt.MouseButton.LeftButton, pos=point.toPoint())


def values(panel: MixingPanel, kind: MixingMap) -> NDArray[np.float32]:
    shown = panel.maps[kind].shown
    assert shown is not None
    return shown.values


def choose(panel: MixingPanel, kind: MixingMap) -> None:
    panel.choice.setCurrentIndex(panel.choice.findData(kind))


def test_maps_are_row_and_column_of_the_matrix_that_is_shown(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    matrix = panel.matrix.matrix
    assert matrix is not None
    assert matrix.shape == (GRID.count, GRID.count)
    np.testing.assert_allclose(values(panel, MixingMap.READS), matrix[PATCH], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(values(panel, MixingMap.WRITES), matrix[:, PATCH], rtol=1e-4, atol=1e-5)
    assert np.abs(matrix[PATCH] - matrix[:, PATCH]).max() > 1e-2
    assert (values(panel, MixingMap.ENERGY) >= np.abs(matrix[PATCH]) - 1e-5).all()
    assert panel.diagonal.shown is not None
    np.testing.assert_array_equal(panel.diagonal.shown.values, matrix.diagonal())


def test_rollout_is_the_product_of_the_matrices_that_are_shown(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application, layer=0)
    product = np.eye(GRID.count)
    for layer in range(4):
        application.window.focus.want_layer(layer)
        settle(qtbot, panel, PATCH, layer)
        assert panel.matrix.matrix is not None
        product = (np.eye(GRID.count) + panel.matrix.matrix.astype(np.float64)) @ product
    np.testing.assert_allclose(values(panel, MixingMap.ROLLOUT_READS), product[PATCH], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(values(panel, MixingMap.ROLLOUT_WRITES), product[:, PATCH], rtol=1e-3, atol=1e-4)
    shown = panel.maps[MixingMap.ROLLOUT_READS].shown
    assert shown is not None
    others = np.delete(np.stack([product[PATCH], product[:, PATCH]]), PATCH, axis=1).astype(np.float32)
    assert shown.end == pytest.approx(high_end((others,)), rel=1e-3)


def test_chosen_map_lies_over_the_picture_and_says_how_exact_it_is(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    picture = application.window.picture
    for kind, badge in (
        (MixingMap.WRITES, "exact"),
        (MixingMap.ROLLOUT_READS, "approximate"),
        (MixingMap.ENERGY, "exact"),
        (MixingMap.READS, "exact"),
    ):
        choose(panel, kind)
        over = panel.overlay()
        assert over is not None
        assert over.shown.values is panel.maps[kind].shown.values  # type: ignore[union-attr]
        assert application.window.focus.shown_map == over
        assert picture.exactness.text() == over.exactness == badge
        assert explanation(kind) in picture.exactness.toolTip()
        assert picture.view.overlay is not None
    assert "row 4, column 4" in picture.exactness.toolTip()


def test_nothing_lies_over_the_picture_while_no_patch_is_pointed_at(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    assert panel.overlay() is not None
    application.window.focus.want_patch(None)
    settle(qtbot, panel, None, 3)
    assert panel.overlay() is None
    assert all(view.shown is None for view in panel.maps.values())
    assert not panel.reach_button.isEnabled()
    assert "Point at a patch" in panel.where.text()
    assert set(panel.arrays()) == {"layer", "mixing_matrix", "spread", "small_share", "weight_small_share"}


def test_chart_chooses_layers_by_click_and_arrow_keys(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    focus = application.window.focus
    click(qtbot, panel.chart, panel.chart.place_of(6))
    settle(qtbot, panel, PATCH, 6)
    assert (focus.layer, panel.chart.layer) == (6, 6)
    assert panel.matrix_heading.text() == "Mixing matrix of layer 7"
    assert panel.network_heading.text() == "Layers 1 to 7"
    for key, layer in ((Qt.Key.Key_Left, 5), (Qt.Key.Key_Right, 6), (Qt.Key.Key_Right, 7), (Qt.Key.Key_Right, 7)):
        qtbot.keyClick(panel.chart, key)
        settle(qtbot, panel, PATCH, layer)
        assert (focus.layer, panel.chart.layer) == (layer, layer)


@pytest.mark.qt_log_ignore("does not support raise")  # what the offscreen platform says of every tooltip
def test_chart_shows_the_spread_of_every_layer_in_patches(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    rows, columns = np.divmod(np.arange(GRID.count), GRID.columns)
    distances = np.hypot(rows[:, None] - rows, columns[:, None] - columns)
    for layer in range(LAYERS):
        application.window.focus.want_layer(layer)
        settle(qtbot, panel, PATCH, layer)
        magnitudes = np.abs(panel.matrix.matrix)  # type: ignore[arg-type]
        expected = float((magnitudes * distances).sum() / magnitudes.sum())
        assert f"{expected:.2f} patches" in panel.chart.words(layer)
    assert panel._uniform_spread() == pytest.approx(distances.mean())
    point = panel.chart.place_of(2).toPoint()
    QApplication.sendEvent(panel.chart, QHelpEvent(QEvent.Type.ToolTip, point, panel.chart.mapToGlobal(point)))
    assert QToolTip.text() == panel.chart.words(2)
    QToolTip.hideText()


def test_pointing_at_a_cell_of_the_matrix_says_who_reads_whom(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    matrix = panel.matrix
    for p, q, words in ((0, 63, "p (1, 1) reads q (8, 8)"), (42, 5, "p (6, 3) reads q (1, 6)")):
        assert matrix.cell_at(matrix.middle_of(p, q)) == (p, q)
        hover(matrix, matrix.middle_of(p, q))
        assert matrix.matrix is not None
        assert panel.cell_value.whole.startswith(f"{words}: {matrix.matrix[p, q]:+.3g}")
    hover(matrix, QPointF(1, 1))
    assert "Point at a cell" in panel.cell_value.whole
    hover(panel.diagonal, panel.diagonal.middle_of(9))
    assert panel.cell_value.whole.startswith(f"p (2, 2) reads q (2, 2): {matrix.matrix[9, 9]:+.3g}")  # type: ignore[index]


def test_row_of_the_matrix_pins_its_patch(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    panel.room.ensureWidgetVisible(panel.matrix)
    click(qtbot, panel.matrix, panel.matrix.middle_of(50, 12))
    settle(qtbot, panel, 50, 3)
    assert application.window.picture.view.patch == 50
    qtbot.keyClick(panel.matrix, Qt.Key.Key_Down)  # from the cell that the pointer left, or the marked one
    cell = panel.matrix._cell
    assert cell is not None
    assert cell[0] == 51
    assert panel.cell_value.whole.startswith("p (7, 4)")
    qtbot.keyClick(panel.matrix, Qt.Key.Key_Return)
    settle(qtbot, panel, 51, 3)
    assert application.window.focus.patch == 51


def test_small_maps_tell_values_and_pin_by_click_and_arrow_keys(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    view = panel.maps[MixingMap.WRITES]
    hover(view, view.middle_of(10))
    assert panel.value.whole == f"writes to: (2, 3) {values(panel, MixingMap.WRITES)[10]:+.3g}"
    click(qtbot, view, view.middle_of(10))
    settle(qtbot, panel, 10, 3)
    for key, patch in ((Qt.Key.Key_Down, 18), (Qt.Key.Key_Left, 17), (Qt.Key.Key_Left, 16), (Qt.Key.Key_Left, 16)):
        qtbot.keyClick(view, key)
        settle(qtbot, panel, patch, 3)
        assert application.window.picture.view.patch == patch
    assert "row 3, column 1" in panel.where.text()


def test_reach_comes_on_demand_and_is_kept_for_the_picture(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    focus = application.window.focus
    choose(panel, MixingMap.REACH)
    assert panel.overlay() is None
    assert "Compute reach" in panel.where.text()
    qtbot.mouseClick(panel.reach_button, Qt.MouseButton.LeftButton)
    assert not panel.reach_button.isEnabled()
    qtbot.waitUntil(lambda: panel.maps[MixingMap.REACH].shown is not None, timeout=TIMEOUT_MS)
    reach = values(panel, MixingMap.REACH)
    assert reach.shape == (GRID.count,)
    assert reach.argmax() == PATCH  # a patch is felt most where it is
    over = panel.overlay()
    assert over is not None
    assert (over.exactness, over.shown.signed) == ("exact", False)
    focus.want_patch(PATCH + 1)
    settle(qtbot, panel, PATCH + 1, 3)
    assert panel.maps[MixingMap.REACH].shown is None
    assert panel.overlay() is None
    assert panel.reach_button.isEnabled()
    focus.want_patch(PATCH)
    settle(qtbot, panel, PATCH, 3)
    assert values(panel, MixingMap.REACH) is reach
    assert not panel.reach_button.isEnabled()


def test_reach_that_was_left_behind_can_be_asked_for_again(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    qtbot.mouseClick(panel.reach_button, Qt.MouseButton.LeftButton)
    application.window.microscope.show_tab(0)  # before the answer is there
    qtbot.wait(300)
    application.window.microscope.show_tab(1)
    assert panel.maps[MixingMap.REACH].shown is None
    qtbot.mouseClick(panel.reach_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.maps[MixingMap.REACH].shown is not None, timeout=TIMEOUT_MS)


def test_nothing_is_asked_again_while_it_is_under_way(qtbot: QtBot, application: Application) -> None:
    window = application.window
    opened(qtbot, application)
    questions: list[Question] = []

    def note(question: Question) -> None:
        questions.append(question)

    window.focus.asked.connect(note)
    window.focus.want_layer(5)
    for index in range(3):  # each refreshes the view
        window.focus.want_class(index)
    report = window.focus.report
    assert report is not None
    expected = [MixingRequest(report.id, 5), PatchRequest(report.id, 5, PATCH), RolloutRequest(report.id, 5, PATCH)]
    assert [each for each in questions if isinstance(each, MixingRequest | PatchRequest | RolloutRequest)] == expected


def test_reach_that_failed_can_be_asked_for_again(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    report = application.window.focus.report
    assert report is not None
    panel.reach_button.click()
    assert not panel.reach_button.isEnabled()
    failed = QuestionFailed(ReachRequest(report.id, PATCH), "Not enough memory.")
    application.worker.question_failed.emit(failed)
    assert panel.reach_button.isEnabled()
    assert panel.reach_button.text() == "Compute reach"
    panel.reach_button.click()
    assert not panel.reach_button.isEnabled()
    qtbot.waitUntil(lambda: "reach" in panel.arrays(), timeout=TIMEOUT_MS)


def test_another_picture_clears_what_was_about_the_one_before(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    session = application.window.session
    qtbot.mouseClick(panel.reach_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.maps[MixingMap.REACH].shown is not None, timeout=TIMEOUT_MS)
    before = panel.arrays()
    other = next(each for each in session.gallery.pictures if each is not session.current)
    session.show_picture(other)
    qtbot.waitUntil(lambda: panel.report is not None and panel.report is other.report, timeout=TIMEOUT_MS)
    assert panel.maps[MixingMap.REACH].shown is None
    settle(qtbot, panel, PATCH, 3)
    after = panel.arrays()
    assert np.abs(after["mixing_matrix"] - before["mixing_matrix"]).max() > 1e-3
    assert np.abs(after["reads"] - before["reads"]).max() > 1e-4
    np.testing.assert_array_equal(after["weight_small_share"], before["weight_small_share"])


def test_sparsity_is_told_in_percent(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    matrix = panel.matrix.matrix
    assert matrix is not None
    share = float((np.abs(matrix) < 0.05 * np.abs(matrix).max()).mean())
    of_weights = float(panel.arrays()["weight_small_share"][3])
    assert f"{100 * share:.0f} % of the matrix" in panel.sparsity.text()
    assert f"{100 * of_weights:.0f} % of the layer's weights" in panel.sparsity.text()


def test_hidden_panel_asks_and_takes_nothing(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    asked: list[object] = []
    window = application.window
    window.microscope.show_tab(0)
    window.focus.asked.connect(asked.append)
    window.focus.want_patch(PATCH + 8)
    window.focus.want_layer(5)
    assert not asked
    assert window.focus.shown_map is not None
    assert window.focus.shown_map.caption.startswith("Layer 6")
    window.microscope.show_tab(1)
    settle(qtbot, panel, PATCH + 8, 5)


def test_numbers_and_parts_can_be_saved(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    found = panel.arrays()
    assert {name: array.shape for name, array in found.items()} == {
        "layer": (),
        "mixing_matrix": (64, 64),
        "spread": (8,),
        "small_share": (8,),
        "weight_small_share": (8,),
        "patch": (),
        "reads": (64,),
        "writes": (64,),
        "energy": (64,),
        "rollout_reads": (64,),
        "rollout_writes": (64,),
    }
    assert (int(found["layer"]), int(found["patch"])) == (3, PATCH)
    names = set(panel.views())
    assert {"Spread", "Mixing matrix", "Diagonal", choice_name(MixingMap.READS)} <= names
    assert choice_name(MixingMap.REACH) not in names  # not computed yet
    for name, view in panel.views().items():
        image = view.grab().toImage()
        corner = image.pixel(0, 0)
        middle = [image.pixel(x, image.height() // 2) for x in range(image.width())]
        assert any(pixel != corner for pixel in middle), name


@pytest.mark.parametrize(("width", "height"), [(380, 520), (640, 800)])
def test_nothing_is_cut_in_a_narrow_column(qtbot: QtBot, application: Application, width: int, height: int) -> None:
    panel = MixingPanel(application.window.focus, application.window)  # over the rest of it, with the size it is given
    panel.resize(width, height)
    panel.show()
    panel.set_shown(True)
    application.window.focus.want_layer(LAYERS - 1)
    application.window.focus.want_patch(PATCH)
    settle(qtbot, panel, PATCH, LAYERS - 1)
    content = panel.room.widget()
    qtbot.waitUntil(lambda: content.width() <= panel.room.viewport().width())
    assert content.minimumSizeHint().width() <= panel.room.viewport().width()
    for label in content.findChildren(QLabel):
        if label.isVisibleTo(panel) and not label.wordWrap() and label not in (panel.value, panel.cell_value):
            assert label.width() >= label.sizeHint().width(), label.text()
    panel._read_cell((63, 63))
    assert panel.cell_value.text() == panel.cell_value.whole  # not elided
    edges = [view.geometry() for view in panel.maps.values()]
    assert all(edge.right() <= content.width() for edge in edges)
    assert panel.matrix.height() >= 140
    assert panel.matrix.mapTo(content, QPoint(panel.matrix.width(), 0)).x() <= panel.diagonal.x()


def test_every_control_has_a_name_and_a_tooltip_and_takes_the_keyboard(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    for control in (*panel.maps.values(), panel.diagonal, panel.matrix, panel.choice, panel.reach_button):
        name = control.accessibleName() or getattr(control, "text", str)()
        assert name
        assert control.toolTip(), name
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, name
    assert panel.chart.accessibleName()
    assert panel.chart.focusPolicy() & Qt.FocusPolicy.TabFocus
