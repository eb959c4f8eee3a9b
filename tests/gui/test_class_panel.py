"""The class view of the microscope in the real application: what it shows is what the engine answered."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QBuffer, QIODevice, QPoint, Qt
from PySide6.QtGui import QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtTest import QTest

from mixer_gui.gui.microscope.class_chooser import ClassChooser
from mixer_gui.gui.microscope.class_panel import ClassPanel
from mixer_gui.gui.microscope.contribution_chart import ContributionChart, Half, Part, Sum, layer_step, sum_of
from mixer_gui.gui.microscope.lens_ribbon import RANKS, LensRibbon, runs_of
from mixer_gui.gui.prediction_list import short_label
from mixer_gui.gui.theme import colours
from mixer_gui.records import DifferenceReport, DifferenceRequest, FileSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

TIMEOUT_MS = 10_000
lists = pytest.mark.qt_log_ignore("This plugin does not support")  # what the offscreen platform says of every popup
NARROW = 380


@pytest.fixture
def application(start: Callable[..., Application], photographs: dict[str, Path]) -> Application:
    return start(photographs["chelsea"])


@pytest.fixture
def panel(application: Application, qtbot: QtBot) -> ClassPanel:
    made = application.window.microscope.show_panel("class")
    assert isinstance(made, ClassPanel)
    wait_for_answer(qtbot, made)
    return made


def wait_for_answer(qtbot: QtBot, panel: ClassPanel) -> None:
    """Until what is asked is answered."""

    def answered() -> bool:
        answer = panel._answer
        wanted = (panel.focus.class_index, panel._against)
        return answer is not None and (answer.request.index, answer.request.against) == wanted

    qtbot.waitUntil(answered, timeout=TIMEOUT_MS)


def answer_of(panel: ClassPanel) -> DifferenceReport:
    assert panel._answer is not None
    return panel._answer


def test_first_class_is_shown_with_its_evidence_and_a_sum_that_is_its_logit(panel: ClassPanel) -> None:
    report = panel.report
    assert report is not None
    first = report.predictions[0]
    assert panel.focus.class_index == first.index
    assert panel.chooser.field.text() == short_label(first.label)
    shown = panel.overlay()
    assert shown is not None
    np.testing.assert_allclose(shown.shown.values, report.centred_evidence[0], rtol=1e-4, atol=1e-4)
    assert shown.exactness == "exact"
    total = sum_of(answer_of(panel))
    assert total.running[-1] == pytest.approx(first.logit, abs=1e-4)
    assert f"= logit {first.logit:.2f}" in panel.sum.text()
    assert panel.chart.accessibleDescription() == panel.sum.text()


def test_map_on_the_picture_is_the_panels(application: Application, panel: ClassPanel) -> None:
    assert application.window.focus.shown_map is panel.overlay()
    panel.raw.setChecked(True)
    report = panel.report
    assert report is not None
    shown = application.window.focus.shown_map
    assert shown is panel.overlay()
    assert shown is not None
    np.testing.assert_allclose(shown.shown.values, report.evidence[0], rtol=1e-4, atol=1e-4)


def test_offer_compares_with_the_runner_up(panel: ClassPanel, qtbot: QtBot) -> None:
    report = panel.report
    assert report is not None
    first, second = report.predictions[:2]
    assert short_label(second.label) in panel.offer.text()
    panel.offer.click()
    wait_for_answer(qtbot, panel)
    assert answer_of(panel).logit == pytest.approx(first.logit - second.logit, abs=1e-4)
    assert sum_of(answer_of(panel)).running[-1] == pytest.approx(first.logit - second.logit, abs=1e-4)
    shown = panel.overlay()
    assert shown is not None
    np.testing.assert_allclose(shown.shown.values, report.evidence[0] - report.evidence[1], rtol=1e-3, atol=1e-3)
    assert short_label(first.label) in shown.caption
    assert short_label(second.label) in shown.caption
    assert not panel.offer.isVisible()
    assert not panel.raw.isVisible()


def test_swapping_turns_the_difference_around(panel: ClassPanel, qtbot: QtBot) -> None:
    assert not panel.swap_button.isEnabled()
    panel.offer.click()
    wait_for_answer(qtbot, panel)
    before = answer_of(panel)
    panel.swap_button.click()
    wait_for_answer(qtbot, panel)
    after = answer_of(panel)
    assert (after.request.index, after.request.against) == (before.request.against, before.request.index)
    assert after.logit == pytest.approx(-before.logit)
    np.testing.assert_allclose(after.evidence, -before.evidence, atol=1e-6)
    assert panel.focus.class_index == before.request.against


def test_emptied_field_goes_back_to_one_class(panel: ClassPanel, qtbot: QtBot) -> None:
    panel.offer.click()
    wait_for_answer(qtbot, panel)
    panel.rival.field.setFocus()
    panel.rival.field.selectAll()
    qtbot.keyClick(panel.rival.field, Qt.Key.Key_Backspace)
    wait_for_answer(qtbot, panel)
    assert answer_of(panel).request.against is None
    assert panel.offer.isVisible()


def test_arrow_keys_choose_contributions_and_escape_the_evidence(
    application: Application, panel: ClassPanel, qtbot: QtBot
) -> None:
    answer = answer_of(panel)
    layers = len(answer.token_mixing)
    qtbot.keyClick(panel.chart, Qt.Key.Key_Left)  # from none: the last half-block
    expected = [Part(Half.CHANNEL, layers - 1), Part(Half.TOKEN, layers - 1), Part(Half.CHANNEL, layers - 2)]
    for part in expected:
        assert panel._part == part
        assert application.window.focus.layer == part.layer
        shown = application.window.focus.shown_map
        assert shown is panel.overlay()
        assert shown is not None
        halves = answer.token_mixing if part.half == Half.TOKEN else answer.channel_mixing
        np.testing.assert_array_equal(shown.shown.values, halves[part.layer])
        assert not panel.evidence_button.isChecked()
        assert panel.chart.told(part) in panel.sum.text()
        qtbot.keyClick(panel.chart, Qt.Key.Key_Left)
    qtbot.keyClick(panel.chart, Qt.Key.Key_Home)
    shown = panel.overlay()
    assert shown is not None
    np.testing.assert_array_equal(shown.shown.values, answer.stem)
    qtbot.keyClick(panel.chart, Qt.Key.Key_Escape)
    shown = panel.overlay()
    assert shown is not None
    np.testing.assert_array_equal(shown.shown.values, answer.centred_evidence)
    assert panel.evidence_button.isChecked()


def test_clicked_bar_is_chosen_and_another_click_lets_it_go(panel: ClassPanel, qtbot: QtBot) -> None:
    for part in (Part(Half.TOKEN, 2), Part(Half.CHANNEL, 5), Part(Half.STEM)):
        at = panel.chart.bar_rectangle(part).center().toPoint()
        qtbot.mouseClick(panel.chart, Qt.MouseButton.LeftButton, pos=at)
        assert panel._part == part
    qtbot.mouseClick(panel.chart, Qt.MouseButton.LeftButton, pos=at)
    assert panel._part is None


def test_chosen_contribution_follows_the_layer(application: Application, panel: ClassPanel, qtbot: QtBot) -> None:
    qtbot.keyClick(panel.chart, Qt.Key.Key_Right)
    qtbot.keyClick(panel.chart, Qt.Key.Key_Right)
    assert panel._part == Part(Half.TOKEN, 0)
    application.window.explorer.step_layer(1)
    assert panel._part == Part(Half.TOKEN, 1)
    shown = panel.overlay()
    assert shown is not None
    np.testing.assert_array_equal(shown.shown.values, answer_of(panel).token_mixing[1])


def test_own_scale_ends_at_the_maps_own_magnitude(panel: ClassPanel, qtbot: QtBot) -> None:
    qtbot.keyClick(panel.chart, Qt.Key.Key_Right)
    qtbot.keyClick(panel.chart, Qt.Key.Key_Right)
    common = panel.overlay()
    panel.own_scale.setChecked(True)
    own = panel.overlay()
    assert common is not None
    assert own is not None
    assert own.shown.end < common.shown.end
    np.testing.assert_array_equal(own.shown.values, common.shown.values)


def test_pointing_at_patches_makes_no_new_map(application: Application, panel: ClassPanel, qtbot: QtBot) -> None:
    before, asked = panel.overlay(), []
    application.window.focus.asked.connect(asked.append)
    application.window.focus.set_patch(3)
    application.window.focus.set_patch(4)
    assert panel.overlay() is before
    assert not any(isinstance(each, DifferenceRequest) for each in asked)


def typed(qtbot: QtBot, chooser: ClassChooser, text: str) -> None:
    chooser.field.setFocus()
    chooser.field.selectAll()
    qtbot.keyClicks(chooser.field, text)
    qtbot.keyClick(chooser.field, Qt.Key.Key_Return)


@lists
def test_any_class_is_chosen_by_a_part_of_its_name_or_its_number(panel: ClassPanel, qtbot: QtBot) -> None:
    report = panel.report
    assert report is not None
    cat = next(index for index, label in enumerate(report.model.names.labels) if "Egyptian cat" in label)
    assert cat != panel.focus.class_index
    typed(qtbot, panel.chooser, "egyptian c")
    wait_for_answer(qtbot, panel)
    assert answer_of(panel).request.index == panel.focus.class_index == cat
    assert panel.chooser.field.text() == "Egyptian cat"
    typed(qtbot, panel.rival, "17")
    wait_for_answer(qtbot, panel)
    assert answer_of(panel).request.against == 17
    assert panel.rival.field.text() == panel.focus.label(17)


@lists
def test_unknown_name_is_said_and_changes_nothing(panel: ClassPanel, qtbot: QtBot) -> None:
    before = panel.focus.class_index
    typed(qtbot, panel.chooser, "flying teacup of mars")
    assert "flying teacup of mars" in panel.said.text()
    assert panel.focus.class_index == before
    qtbot.waitUntil(lambda: panel.chooser.field.text() == panel.focus.label(before or 0), timeout=TIMEOUT_MS)


def test_the_class_against_itself_is_the_class_alone(panel: ClassPanel, qtbot: QtBot) -> None:
    panel.offer.click()
    wait_for_answer(qtbot, panel)
    rival = panel._against
    panel.focus.want_class(rival)
    wait_for_answer(qtbot, panel)
    assert panel._against is None
    assert answer_of(panel).rival is None


def test_many_classes_in_a_row_end_with_the_last(panel: ClassPanel, qtbot: QtBot) -> None:
    for index in range(30):
        panel.focus.want_class(index)
    wait_for_answer(qtbot, panel)
    qtbot.wait(100)
    assert answer_of(panel).request.index == 29
    assert panel.focus.label(29) in panel.said.text()


def test_another_picture_is_asked_about_anew(
    application: Application, panel: ClassPanel, photographs: dict[str, Path], qtbot: QtBot
) -> None:
    before = answer_of(panel)
    application.window.session.add([FileSource(photographs["coffee"])])
    qtbot.waitUntil(
        lambda: panel._answer is not None and panel._answer.request.report_id != before.request.report_id,
        timeout=TIMEOUT_MS,
    )
    report = panel.report
    assert report is not None
    assert answer_of(panel).request.report_id == report.id
    assert answer_of(panel).request.index == report.predictions[0].index


def test_ribbon_ranks_what_the_reports_lens_ranks(panel: ClassPanel) -> None:
    report = panel.report
    assert report is not None
    for layer, ranking in enumerate(report.lens):
        shown = panel.ribbon.ranking_at(layer)
        assert [name for name, _ in shown] == [short_label(each.label) for each in ranking]
        assert [probability for _, probability in shown] == pytest.approx(
            [each.probability for each in ranking], rel=1e-4
        )


def test_layer_of_the_ribbon_is_chosen_by_click_and_arrow(
    application: Application, panel: ClassPanel, qtbot: QtBot
) -> None:
    ribbon = panel.ribbon
    at = ribbon.to_screen(4.0, -2.0).toPoint()
    QTest.mouseClick(ribbon, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(at))
    assert application.window.focus.layer == 3
    qtbot.keyClick(ribbon, Qt.Key.Key_Right)
    assert application.window.focus.layer == 4
    assert panel.reading.text() == ribbon.told(4)
    assert "layer 5" in panel.reading.text()


def test_numbers_are_those_of_the_answer(panel: ClassPanel, qtbot: QtBot) -> None:
    panel.offer.click()
    wait_for_answer(qtbot, panel)
    arrays, answer = panel.arrays(), answer_of(panel)
    total = arrays["stem"].mean() + arrays["token_mixing"].mean(1).sum() + arrays["channel_mixing"].mean(1).sum()
    assert float(total + arrays["constant"][0]) == pytest.approx(answer.logit, abs=1e-4)
    assert float(arrays["evidence"].mean() + arrays["head_bias"][0]) == pytest.approx(answer.logit, abs=1e-4)
    assert arrays["against_index"].tolist() == [answer.request.against]
    assert arrays["lens_classes"].tolist() == [each.index for each in answer.lens]
    assert arrays["lens_probabilities"].shape == (len(answer.token_mixing), len(answer.lens))


def test_views_can_be_saved_as_vectors(panel: ClassPanel) -> None:
    for name, view in panel.views().items():
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        generator = QSvgGenerator()
        generator.setOutputDevice(buffer)
        generator.setSize(view.size())
        painter = QPainter(generator)
        view.render(painter, QPoint())
        painter.end()
        text = bytes(buffer.data().data()).decode()
        assert text.count("<path") + text.count("<rect") > 15, name
        assert "</text>" in text, name
        assert "<image" not in text, name


def test_panel_fits_into_a_narrow_column(panel: ClassPanel) -> None:
    assert panel.minimumSizeHint().width() <= NARROW


# --- parts, without an application ---


def test_parts_run_in_the_order_of_the_network() -> None:
    shown = Sum(1.0, (2.0, -3.0), (0.5, 0.25), -0.5, 0.25)
    assert [part for part, _ in shown.parts] == [
        Part(Half.STEM),
        Part(Half.TOKEN, 0),
        Part(Half.CHANNEL, 0),
        Part(Half.TOKEN, 1),
        Part(Half.CHANNEL, 1),
        Part(Half.CONSTANT),
    ]
    assert shown.running == (1.0, 3.0, 3.5, 0.5, 0.75, 0.25)


@pytest.mark.parametrize("layers", [1, 8, 12, 24, 32])
@pytest.mark.parametrize("width", [340, 600])
def test_bars_stand_side_by_side_and_each_begins_where_the_last_ended(qtbot: QtBot, layers: int, width: int) -> None:
    random = np.random.default_rng(layers)
    halves = random.normal(size=(2, layers))
    shown = Sum(0.3, tuple(halves[0]), tuple(halves[1]), -0.2, 0.1 + float(halves.sum()))
    chart = ContributionChart()
    qtbot.addWidget(chart)
    chart.resize(width, 180)
    chart.show_sum(shown, "logit")
    bars = [chart.bar_rectangle(part) for part, _ in shown.parts]
    level = chart.to_screen(0.0, 0.0).y()
    for (part, value), bar, after in zip(shown.parts, bars, shown.running, strict=True):
        ends = sorted((level, chart.to_screen(0.0, after).y()))
        assert (bar.top(), bar.bottom()) == pytest.approx(ends, abs=1e-6)
        assert (chart.to_screen(0.0, after).y() < level) == (value > 0.0)
        level = chart.to_screen(0.0, after).y()
        assert bar.width() >= 2.0
        assert chart.bar_at(bar.center().x()) == part
    for left, right in pairwise(bars):
        assert left.right() <= right.left()
    assert bars[-1].right() < chart.area().right()
    assert chart.bar_at(chart.area().right() - 3) is None


def test_numbers_of_layers_have_room() -> None:
    assert layer_step(8, 24.0, 7) == 1
    assert layer_step(12, 16.0, 14) == 2
    assert layer_step(32, 6.0, 14) == 4


def test_runs_hold_the_first_five_of_every_layer() -> None:
    random = np.random.default_rng(3)
    probabilities = random.dirichlet(np.ones(11), size=9).astype(np.float32)
    runs = runs_of(tuple(range(100, 111)), probabilities)
    seen: dict[int, dict[int, tuple[int, float]]] = {}
    for run in runs:
        for at, (rank, probability) in enumerate(zip(run.ranks, run.probabilities, strict=True)):
            assert rank not in seen.setdefault(run.first + at, {})
            seen[run.first + at][rank] = (run.index, probability)
    for layer, row in enumerate(probabilities):
        order = np.argsort(-row)[:RANKS]
        assert seen[layer] == {rank: (100 + int(each), float(row[each])) for rank, each in enumerate(order)}
    for one in runs:  # neighbours in time are one run
        assert not any(other.index == one.index and other.first == one.last + 1 for other in runs)


def test_chosen_class_stands_out_in_the_ribbon(qtbot: QtBot) -> None:
    ribbon = LensRibbon()
    qtbot.addWidget(ribbon)
    ribbon.resize(340, 200)
    probabilities = np.tile(np.array([0.5, 0.2, 0.1, 0.08, 0.07], dtype=np.float32), (6, 1))
    ribbon.show_lens({index: f"name {index}" for index in range(5)}, probabilities)
    edge = ribbon.to_screen(3.0, -1.0).toPoint()
    plain = [ribbon.grab().toImage().pixelColor(edge.x(), y).name() for y in range(ribbon.height())]
    ribbon.mark(0, 0, None)
    marked = [ribbon.grab().toImage().pixelColor(edge.x(), y).name() for y in range(ribbon.height())]
    assert colours().text not in plain
    assert colours().text in marked


@lists
def test_namesakes_are_told_apart_by_the_row_of_the_list(qtbot: QtBot) -> None:
    chooser = ClassChooser("Class", "")
    qtbot.addWidget(chooser)
    chooser.show()
    chooser.set_names(("crane", "heron", "crane"))
    chooser.show_class(1)
    chosen: list[object] = []
    chooser.class_chosen.connect(chosen.append)
    chooser.field.setFocus()
    chooser.field.selectAll()
    qtbot.keyClicks(chooser.field, "cra")
    popup = chooser._completer.popup()
    assert popup is not None
    qtbot.waitUntil(popup.isVisible, timeout=TIMEOUT_MS)
    qtbot.keyClick(popup, Qt.Key.Key_Down)
    qtbot.keyClick(popup, Qt.Key.Key_Down)
    qtbot.keyClick(popup, Qt.Key.Key_Return)
    assert chosen == [2]
    qtbot.waitUntil(lambda: chooser.field.text() == "heron", timeout=TIMEOUT_MS)  # its owner has not said otherwise


def test_names_with_synonyms_match_whole_names_first(qtbot: QtBot) -> None:
    chooser = ClassChooser("Class", "")
    qtbot.addWidget(chooser)
    chooser.set_names(("tabby cat and dog", "cat's cradle, string game", "dog, cat", "concatenation"))
    assert [chooser.matching(text) for text in ("cat", "CAT'S", "string game", "conc", "3", "9", "", "zebra")] == [
        2,
        1,
        1,
        3,
        3,
        None,
        None,
        None,
    ]


def test_keys_of_the_class_field_are_not_the_windows(
    start: Callable[..., Application], qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["chelsea"], photographs["coffee"]).window
    made = window.microscope.show_panel("class")
    assert isinstance(made, ClassPanel)
    field, current = made.chooser.field, window.session.current
    field.setFocus()
    field.setText("qqq zzz")
    for key in (Qt.Key.Key_PageDown, Qt.Key.Key_PageUp, Qt.Key.Key_Home):
        qtbot.keyClick(field, key)
        assert window.session.current is current
    qtbot.keyClick(field, Qt.Key.Key_End)
    qtbot.keyClick(field, Qt.Key.Key_Backspace, Qt.KeyboardModifier.ControlModifier)
    assert field.text() == "qqq "
    assert window.session.gallery.rowCount() == 2


def test_escape_takes_back_what_was_typed_and_then_the_class(panel: ClassPanel, qtbot: QtBot) -> None:
    report = panel.report
    assert report is not None
    second, field = report.predictions[1], panel.chooser.field
    panel.focus.want_class(second.index)
    field.setFocus()
    field.setText("qqq")
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == short_label(second.label)
    assert panel.focus.class_index == second.index
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert panel.focus.class_index == report.predictions[0].index
