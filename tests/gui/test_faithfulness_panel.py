"""The view of faithfulness in the real window: measured, cancelled, interrupted, and what may be compared with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import Qt, QTimer

from mixer_gui.explain import faithfulness
from mixer_gui.gui.microscope.attributions import Attribution
from mixer_gui.gui.microscope.faithfulness_panel import FaithfulnessPanel
from mixer_gui.gui.microscope.measurement import (
    MAP,
    RANDOM,
    Measurement,
    forward_passes,
    ranked_maps,
    sensible_size,
    step_sizes,
    steps,
    verdict,
)
from mixer_gui.gui.microscope.reference_maps import centred_gaussian, random_map
from mixer_gui.records import (
    Curves,
    FaithfulnessJob,
    FaithfulnessReport,
    GradientRequest,
    JobEnded,
    JobProgress,
    PatchGrid,
    QuestionFailed,
    RankedMap,
)
from tests.gui.conftest import TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.window import MainWindow

    Start = Callable[..., Application]
    RecordProperty = Callable[[str, object], None]

GRIDS = (PatchGrid(1, 1), PatchGrid(3, 4), PatchGrid(7, 9), PatchGrid(8, 8), PatchGrid(14, 14), PatchGrid(16, 16))
TICK_MS = 2


def panel_of(window: MainWindow) -> FaithfulnessPanel:
    panel = window.microscope.show_panel("faithfulness")
    assert isinstance(panel, FaithfulnessPanel)
    return panel


def opened(start: Start, qtbot: QtBot, *pictures: Path) -> tuple[MainWindow, FaithfulnessPanel]:
    """The view, with the gradients' maps there."""
    window = start(*pictures).window
    panel = panel_of(window)
    qtbot.waitUntil(lambda: panel.list.tiles[Attribution.SALIENCY].map.isEnabled(), timeout=TIMEOUT_MS)
    return window, panel


def choose_size(panel: FaithfulnessPanel, size: int) -> None:
    row = panel.box.fineness.findData(size)
    panel.box.fineness.setCurrentIndex(row)
    panel.box.fineness.activated.emit(row)


def measured(panel: FaithfulnessPanel) -> Measurement:
    key = panel._key()
    assert key is not None
    found = panel._known[key].measurement
    assert found is not None
    return found


def wait_for_curves(qtbot: QtBot, panel: FaithfulnessPanel) -> None:
    """Until some of a measurement is there, but not all."""
    qtbot.waitUntil(
        lambda: panel._run is not None and panel._run.progress is not None and not panel.results.isHidden(),
        timeout=TIMEOUT_MS,
    )
    assert not measured(panel).report.is_complete


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("grid", GRIDS)
def test_random_map_is_the_one_of_the_engine(grid: PatchGrid, seed: int) -> None:
    theirs = faithfulness.random_map(grid, seed).numpy()
    assert np.array_equal(random_map(grid.count, seed), theirs)


@pytest.mark.parametrize("grid", GRIDS)
def test_centred_gaussian_is_the_one_of_the_engine(grid: PatchGrid, record_property: RecordProperty) -> None:
    ours, theirs = centred_gaussian(grid), faithfulness.centred_gaussian(grid).numpy()
    largest = float(np.abs(ours - theirs).max() / theirs.max())
    record_property("relative_difference", largest)
    print(f"centred Gaussian {grid.rows} × {grid.columns}: {largest:.1e}")  # noqa: T201
    assert largest <= 1.2e-7  # a unit in the last place
    picture = ours.reshape(grid.rows, grid.columns)
    assert np.array_equal(picture, picture[::-1, ::-1])  # equally far from the middle: equal


def test_steps_fit_the_picture_and_end_soon() -> None:
    assert step_sizes(196) == (1, 6, 12)
    assert [steps(196, size) for size in step_sizes(196)] == [196, 33, 17]
    assert step_sizes(4) == (1,)
    assert forward_passes(64, 1) == 2 * 4 * 65
    assert sensible_size(64, 3.0) == 1
    assert sensible_size(196, 177.0) == 6
    assert sensible_size(196, 3000.0) == 12


def test_saliency_on_screen_is_not_measured_twice() -> None:
    grid, values = PatchGrid(2, 3), np.arange(6, dtype=np.float32)
    slots, maps = ranked_maps(values, "Saliency", values, grid)
    assert len(slots) == len(maps) == 3
    slots, maps = ranked_maps(values.copy(), "Evidence", values, grid)
    assert len(slots) == len(maps) == 4
    assert all(each.values.shape == (6,) for each in maps)


def measurement(areas: list[tuple[float, float]], first: float = 0.9) -> Measurement:
    """A whole one with these areas of deletion and insertion, of the map and two references."""
    curve = np.array([first, 0.1], np.float32)
    curves = tuple(Curves("", curve, curve, *each) for each in areas)
    maps = tuple(RankedMap("", curve) for _ in areas)
    job = FaithfulnessJob(1, 1, 0, maps)
    report = FaithfulnessReport(job, np.array([0, 1], np.float32), curves, True, 1.0)
    return Measurement(report, tuple(range(len(areas))), "Evidence: cat", "cat")


def test_verdict_says_what_the_areas_say() -> None:
    good = verdict(measurement([(0.1, 0.9), (0.5, 0.5), (0.3, 0.6)]))
    assert good.startswith("It does well here: better than a random map and a centred Gaussian in both curves.")
    assert "One picture proves little" in good
    mixed = verdict(measurement([(0.1, 0.6), (0.5, 0.5), (0.3, 0.7)]))
    assert "better than a random map in both curves, better than a centred Gaussian in deletion only" in mixed
    assert mixed.startswith("A mixed result")
    near = verdict(measurement([(0.495, 0.505), (0.5, 0.5), (0.1, 0.9)]))
    assert near.startswith("No better than chance here: not better than a random map and a centred Gaussian in either")
    assert "has only 2.0 % here" in verdict(measurement([(0.1, 0.9), (0.5, 0.5)], first=0.02))


def test_name_of_a_class_is_hidden_again_in_what_was_measured() -> None:
    assert measurement([(0.1, 0.9), (0.5, 0.5)]).names("person (name hidden)")[0] == "Evidence: person (name hidden)"


def test_whole_measurement_of_the_map_on_screen(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], record_property: RecordProperty
) -> None:
    window, panel = opened(start, qtbot, photographs["coffee"])
    window.explorer.show_evidence(True)
    caption, label = window.focus.shown_map.caption, window.focus.label(window.focus.class_index)
    assert panel.results.isHidden()
    assert not panel.purpose.isHidden()
    assert caption in panel.box.subject.text()
    choose_size(panel, 2)
    assert f"{forward_passes(64, 2)} forward passes" in panel.box.cost.text()
    qtbot.mouseClick(panel.box.measure, Qt.MouseButton.LeftButton)
    assert panel.box.measure.isHidden()
    wait_for_curves(qtbot, panel)
    assert "forward passes" in panel.box.cost.text()
    qtbot.waitUntil(lambda: panel._run is None, timeout=TIMEOUT_MS)
    found = measured(panel).report
    assert found.is_complete
    assert found.job.patches_per_step == 2
    assert np.array_equal(found.job.maps[MAP].values, window.focus.shown_map.shown.values)
    largest = 0.0
    for curves in found.curves:
        assert len(curves.deletion) == len(curves.insertion) == len(found.share) == 33
        for curve, area in ((curves.deletion, curves.deletion_area), (curves.insertion, curves.insertion_area)):
            trapezia = sum(
                (float(curve[step]) + float(curve[step + 1])) / 2 * float(found.share[step + 1] - found.share[step])
                for step in range(len(curve) - 1)
            )
            largest = max(largest, abs(area - trapezia) / trapezia)
    record_property("relative_difference_of_areas", largest)
    print(f"areas and trapezia: largest relative difference {largest:.1e}")  # noqa: T201
    assert largest < 1e-6
    first = window.session.current.report.predictions[0]
    for curves in found.curves:  # the whole picture at one end, whatever the map
        assert curves.deletion[0] == pytest.approx(first.probability, abs=1e-5)
        assert curves.insertion[-1] == pytest.approx(first.probability, abs=1e-5)
    assert panel.results.verdict.text() == verdict(measured(panel))
    assert caption == measured(panel).names(label)[0]
    assert panel.results.table._rows[RANDOM][2].text() == f"{found.curves[RANDOM].deletion_area:.3f}"
    assert not panel.box.measure.isHidden()
    arrays = panel.arrays()
    assert {"share", "measured_map", "deletion_map", "insertion_random", "saliency", "grad_cam"} <= set(arrays)
    assert {"Deletion curves", "Insertion curves", "Areas", "Maps to compare with"} == set(panel.views())


def test_measurement_is_cancelled_and_begun_again(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window, panel = opened(start, qtbot, photographs["coffee"])
    choose_size(panel, 1)
    panel.box.measure.click()
    wait_for_curves(qtbot, panel)
    panel.box.cancel.click()
    window.focus.set_patch(3)  # pointing at the picture changes nothing here
    assert panel._run is None
    assert panel.box.note.text() == "Cancelled."
    assert panel.box.measure.isEnabled()
    points = len(measured(panel).report.curves[MAP].deletion)
    assert panel.results.table._rows[RANDOM][3].text() == "–"
    assert panel.results.verdict.text() == ""
    qtbot.wait(150)
    assert len(measured(panel).report.curves[MAP].deletion) == points  # nothing came after it
    choose_size(panel, 4)
    panel.box.measure.click()
    assert panel.box.note.text() == ""
    qtbot.waitUntil(lambda: panel._run is None, timeout=TIMEOUT_MS)
    assert measured(panel).report.is_complete
    assert panel.results.verdict.text()


def test_another_class_or_picture_ends_the_measurement_and_says_so(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window, panel = opened(start, qtbot, photographs["coffee"], photographs["chelsea"])
    told: list[object] = []
    window.focus.job_told.connect(told.append)
    first, second = window.session.gallery.pictures
    window.session.show_picture(first)
    qtbot.waitUntil(lambda: window.focus.report is not None and panel.box.measure.isEnabled(), timeout=TIMEOUT_MS)
    own_class = window.focus.class_index
    choose_size(panel, 1)
    panel.box.measure.click()
    wait_for_curves(qtbot, panel)
    window.explorer.choose_class(first.report.predictions[1].index)
    assert panel._run is None
    assert "another class was chosen" in panel.box.note.text()
    assert panel.results.isHidden()
    window.explorer.choose_class(own_class)
    assert not panel.results.isHidden()  # what was measured of it is kept
    panel.box.measure.click()
    wait_for_curves(qtbot, panel)
    window.session.show_picture(second)
    qtbot.waitUntil(lambda: window.focus.report is not None and panel._run is None, timeout=TIMEOUT_MS)
    assert "another picture" in panel.box.note.text()
    assert panel.results.isHidden()
    qtbot.waitUntil(
        lambda: sum(isinstance(each, JobEnded) and each.cancelled for each in told) == 2, timeout=TIMEOUT_MS
    )


def test_measurement_goes_on_while_the_view_is_left(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window, panel = opened(start, qtbot, photographs["coffee"])
    choose_size(panel, 2)
    panel.box.measure.click()
    wait_for_curves(qtbot, panel)
    window.microscope.show_tab(0)
    before = panel._run.progress.done
    qtbot.waitUntil(lambda: panel._run is None or panel._run.progress.done > before + 20, timeout=TIMEOUT_MS)
    panel_of(window)
    if panel._run is not None:
        assert not panel.box.cancel.isHidden()
        assert panel.box.bar.value() > before
    qtbot.waitUntil(lambda: panel._run is None, timeout=TIMEOUT_MS)
    assert panel.results.verdict.text()


def test_failure_is_said_in_its_sentence(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window, panel = opened(start, qtbot, photographs["coffee"])
    choose_size(panel, 1)
    panel.box.measure.click()
    wait_for_curves(qtbot, panel)
    job_id = panel._run.job_id
    window.focus.job_told.emit(JobEnded(job_id, failure="The graphics card is full."))
    assert panel.box.note.text() == "The graphics card is full."
    assert not panel.box.measure.isHidden()
    window.focus.cancel_job(job_id)


def test_chosen_attribution_lies_over_the_picture_and_follows_the_class(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window, panel = opened(start, qtbot, photographs["coffee"])
    assert panel.overlay() is None
    tile = panel.list.tiles[Attribution.INPUT_GRADIENT]
    tile.map.click()
    shown = window.focus.shown_map
    assert shown is panel.overlay()
    assert shown.caption == f"Input × gradient: {window.focus.label(window.focus.class_index)}"
    assert tile.map.isChecked()
    window.focus.want_class(window.session.current.report.predictions[1].index)
    assert panel.overlay() is None  # not the other class's
    qtbot.waitUntil(lambda: panel.overlay() is not None, timeout=TIMEOUT_MS)
    assert panel.overlay().caption == f"Input × gradient: {window.focus.label(window.focus.class_index)}"
    assert not np.array_equal(panel.overlay().shown.values, shown.shown.values)
    window.explorer.show_evidence(True)
    assert not tile.map.isChecked()  # it is not on the screen
    window.microscope.show_tab(0)
    assert window.focus.shown_map is not panel.overlay()


def test_attributions_on_demand_are_computed_shown_and_kept(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window, panel = opened(start, qtbot, photographs["coffee"], photographs["chelsea"])
    window.session.show_picture(window.session.gallery.picture(0))
    tile = panel.list.tiles[Attribution.OCCLUSION]
    qtbot.waitUntil(lambda: tile.pages.currentIndex() == 1, timeout=TIMEOUT_MS)
    assert "65 passes" in tile.cost.text()
    tile.compute.click()
    assert tile.pages.currentIndex() == 2
    tile.cancel.click()
    assert tile.pages.currentIndex() == 1
    assert not panel._computations
    tile.compute.click()
    qtbot.waitUntil(lambda: tile.map.isChecked(), timeout=TIMEOUT_MS)
    assert window.focus.shown_map is panel.overlay()
    values = panel.overlay().shown.values
    qtbot.waitUntil(lambda: not panel._computations, timeout=TIMEOUT_MS)
    window.session.show_picture(window.session.gallery.picture(1))
    qtbot.waitUntil(lambda: tile.pages.currentIndex() == 1, timeout=TIMEOUT_MS)
    window.session.show_picture(window.session.gallery.picture(0))
    qtbot.waitUntil(lambda: panel.overlay() is not None, timeout=TIMEOUT_MS)
    assert panel.overlay().shown.values is values  # not computed again


def test_window_does_not_stand_still_while_curves_are_drawn(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], record_property: RecordProperty
) -> None:
    """A figure, not a limit: the longest gap between ticks of a 2 ms timer in the window's thread."""
    _window, panel = opened(start, qtbot, photographs["coffee"])
    choose_size(panel, 1)
    gaps: list[float] = []
    busy: list[float] = []  # of each gap, how long this thread itself computed
    last = time.monotonic(), time.thread_time()

    def tick() -> None:
        nonlocal last
        now = time.monotonic(), time.thread_time()
        gaps.append((now[0] - last[0]) * 1e3)
        busy.append((now[1] - last[1]) * 1e3)
        last = now

    timer = QTimer(interval=TICK_MS, timerType=Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start()
    panel.box.measure.click()
    waited = time.monotonic()
    while panel._run is not None and time.monotonic() - waited < TIMEOUT_MS / 1e3:
        qtbot.wait(20)
    timer.stop()
    assert panel._run is None
    assert measured(panel).report.is_complete
    passes = forward_passes(64, 1)
    longest = sorted(zip(gaps, busy, strict=True), reverse=True)[:5]
    said = ", ".join(f"{gap:.0f} ms ({own:.0f} ms of its own)" for gap, own in longest)
    print(f"longest gaps in {passes} forward passes: {said}")  # noqa: T201
    record_property("longest_gap_ms", max(gaps))
    record_property("longest_computation_ms", max(busy))


def test_gradient_is_asked_for_once_however_often_the_pointer_moves(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    asked: list[object] = []
    window.focus.asked.connect(asked.append)
    panel = panel_of(window)
    for patch in range(5):
        window.focus.set_patch(patch)
    assert sum(isinstance(each, GradientRequest) for each in asked) == 1
    window.microscope.show_tab(0)  # the answer comes while it is not shown
    qtbot.wait(100)
    panel_of(window)
    qtbot.waitUntil(lambda: panel.list.tiles[Attribution.SALIENCY].map.isEnabled(), timeout=TIMEOUT_MS)


def test_progress_of_other_views_is_not_its_own(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window, panel = opened(start, qtbot, photographs["coffee"])
    window.focus.job_told.emit(JobProgress(10**6, 1, 2))
    window.focus.job_told.emit(JobEnded(10**6, failure="Somebody else's."))
    assert panel.box.note.text() == ""
    assert panel.list_note.text() == ""
    assert panel.box.bar.isHidden()


def test_a_measurement_whose_gradient_failed_ends_with_a_sentence(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window, panel = opened(start, qtbot, photographs["coffee"])
    assert panel.report is not None
    window.focus.want_class(panel.report.predictions[1].index)
    key = panel._key()
    assert key is not None
    panel.box.measure.click()
    assert panel.box.cancel.isVisible()
    window.focus.question_failed.emit(QuestionFailed(GradientRequest(*key), "No memory is left."))
    assert panel.box.measure.isVisible()
    assert "No memory is left." in panel.failure_bar.words.text()
    panel.box.measure.click()
    assert panel.is_asked(GradientRequest(*key)), "Measure is another try"
    assert not panel.failure_bar.isVisible()
    qtbot.waitUntil(lambda: panel._known[key].measurement is not None, timeout=TIMEOUT_MS)
