"""The view that compares, in the running application: two photographs, two models, and what may go wrong.

What it shows is checked against the same pictures classified one by one, by an engine and a decoder of the test's own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from checkpoints import random_mixer, tiny_config, write_hub_folder
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage

from mixer_gui.engine.engine import Engine
from mixer_gui.gui.comparison import Comparison
from mixer_gui.gui.images import high_end
from mixer_gui.gui.maps import MapKind
from mixer_gui.gui.microscope.layer_rows import LayerRows
from mixer_gui.gui.pairing import class_beside, correlation, layer_beside, patch_beside
from mixer_gui.model.mixer import Record
from mixer_gui.pictures.limits import Limits
from mixer_gui.pictures.worker import Session as Decoding
from mixer_gui.records import (
    ClassifyRequest,
    ClassReport,
    ClassRequest,
    DecodeJob,
    DevicePreference,
    Erase,
    FileSource,
    ModelRef,
    PatchGrid,
    Priority,
    Report,
)
from mixer_gui.resources import default_model
from tests.engine.inputs import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.microscope.compare_panel import ComparePanel
    from mixer_gui.records import Edit

    Record_ = Callable[[str, object], None]

TIMEOUT_MS = 30_000


def open_panel(application: Application) -> tuple[ComparePanel, Comparison]:
    """The view on the screen, with what owns its second side."""
    window = application.window
    comparison = getattr(window, "comparison", None)
    if comparison is None:
        comparison = Comparison(application.worker, window.session, window.model_commands.library, window)
        window.microscope.panel_made.connect(comparison.connect_panel)
    panel = window.microscope.show_panel("compare")
    assert panel is not None
    return panel, comparison


def wait_for_pair(qtbot: QtBot, panel: ComparePanel) -> None:
    """Until both sides are shown and nothing is awaited any more."""

    def done() -> bool:
        rows = panel.page.paired.rows() if panel.page.paired.isVisibleTo(panel) else ()
        return panel.shown is not None and all(None not in shares for _, _, shares in rows)

    qtbot.waitUntil(done, timeout=TIMEOUT_MS)


class Reference:
    """Classifies one picture after another, apart from the application."""

    def __init__(self) -> None:
        self._engine = Engine()
        self._decoding = Decoding(Limits())
        self._count = 0

    def report(self, path: Path, model: ModelRef, edits: tuple[Edit, ...] = ()) -> Report:
        self._count += 1
        info = self._engine.load(model, DevicePreference.AUTO).info
        source = FileSource(path)
        request = ClassifyRequest(
            self._count, "reference", Priority.DROPPED, source, model, top_k=info.classes, edits=edits
        )
        decoded = self._decoding.run(DecodeJob(source, info.preprocessing))
        return self._engine.classify(request, decoded, Record.FULL)

    def about(self, report: Report, index: int) -> ClassReport:
        answer = ask(self._engine, ClassRequest(report.id, index))
        assert isinstance(answer, ClassReport)
        return answer


@pytest.fixture
def reference() -> Reference:
    return Reference()


@pytest.fixture
def second_model(tmp_path: Path) -> ModelRef:
    """The embedded model's patches and classes, six layers, random weights."""
    config = tiny_config(image_size=(64, 64), num_blocks=6, num_classes=200)
    folder = write_hub_folder(random_mixer(config, seed=3), tmp_path / "second")
    embedded = json.loads((default_model().path / "config.json").read_text(encoding="utf-8"))
    own = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    own |= {key: value for key, value in embedded.items() if key.startswith("label_")}
    (folder / "config.json").write_text(json.dumps(own), encoding="utf-8")
    return ModelRef(folder)


def difference_of(shown: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The largest difference over the largest value."""
    return float(np.abs(shown - expected).max() / np.abs(expected).max())


def probability(report: Report, index: int) -> float:
    return next(each.probability for each in report.predictions if each.index == index)


def state_of(application: Application) -> tuple[object, ...]:
    """What of the window a comparison must leave alone."""
    window = application.window
    session, listed = window.session, window.predictions.list.predictions
    return (
        session.model,
        session.ready,
        session.model_has_failed,
        session.waiting,
        [listed.index(row).data() for row in range(listed.rowCount())],
        window.model_commands.button.text(),
        window.predictions.knows.text(),
        window.windowTitle(),
        window._message.whole,
        [each.report.id for each in session.gallery.pictures],
    )


def test_without_a_choice_it_says_what_to_do(start: Callable[..., Application], photographs: dict[str, Path]) -> None:
    panel, _ = open_panel(start(photographs["chelsea"]))
    assert "no other picture" in panel.message.text()
    assert not panel.which.isEnabled()
    assert not panel.swap_button.isEnabled()
    panel.how.setCurrentIndex(1)
    panel.how.activated.emit(1)
    assert "Choose a model above" in panel.message.text()
    assert [panel.which.itemText(row) for row in range(panel.which.count())] == ["Open model folder…"]
    assert panel.arrays() == {}
    assert panel.views() == {}


def test_two_photographs_show_what_each_gives_alone(
    qtbot: QtBot,
    start: Callable[..., Application],
    photographs: dict[str, Path],
    reference: Reference,
    record_property: Record_,
) -> None:
    application = start(photographs["chelsea"], photographs["coffee"])
    panel, _comparison = open_panel(application)
    before = state_of(application)
    panel.which.setCurrentIndex(0)
    panel.which.activated.emit(0)
    wait_for_pair(qtbot, panel)
    assert panel.which.currentText() == "coffee.png"
    a, b = (reference.report(photographs[name], default_model()) for name in ("chelsea", "coffee"))
    layer, shown = application.window.focus.layer, panel.shown
    largest = max(
        difference_of(shown.a.values, a.relative_update[layer]),
        difference_of(shown.b.values, b.relative_update[layer]),
        difference_of(shown.difference.values, a.relative_update[layer] - b.relative_update[layer]),
        difference_of(panel.arrays()["layers_a"], a.relative_update),
        difference_of(panel.arrays()["layers_b"], b.relative_update),
    )
    first = [each.index for each in a.predictions[:5]]
    expected = first + [each.index for each in b.predictions[:5] if each.index not in first]
    rows = panel.page.paired.rows()
    assert [index for index, _, _ in rows] == expected
    probabilities = max(
        abs(share - probability(report, index)) / probability(report, index)
        for index, _, shares in rows
        for share, report in zip(shares, (a, b), strict=True)
    )
    print(f"largest relative difference: maps {largest:.2e}, probabilities {probabilities:.2e}")  # noqa: T201
    record_property("maps", largest)
    record_property("probabilities", probabilities)
    assert largest < 1e-5
    assert probabilities < 1e-4
    assert shown.a.end == shown.b.end == high_end((shown.a.values, shown.b.values))
    assert correlation(shown.a.values, shown.b.values) == pytest.approx(
        np.corrcoef(shown.a.values, shown.b.values)[0, 1], abs=1e-6
    )
    assert not panel.page.facts.isVisibleTo(panel)
    assert state_of(application) == before


def test_map_on_the_screen_stands_in_both(
    qtbot: QtBot,
    start: Callable[..., Application],
    photographs: dict[str, Path],
    reference: Reference,
    record_property: Record_,
) -> None:
    application = start(photographs["chelsea"], photographs["coffee"])
    window = application.window
    panel, comparison = open_panel(application)
    comparison.choose(comparison.pictures()[0])
    wait_for_pair(qtbot, panel)
    a, b = (reference.report(photographs[name], default_model()) for name in ("chelsea", "coffee"))
    largest = 0.0
    for index in (a.predictions[0].index, a.predictions[150].index):  # of the ranking, and one that is asked for
        window.focus.want_class(index)
        qtbot.waitUntil(
            lambda index=index: panel.shown.class_index == index and panel.shown.choice.kind is None, timeout=TIMEOUT_MS
        )
        for shown, report in ((panel.shown.a, a), (panel.shown.b, b)):
            assert shown.signed
            largest = max(largest, difference_of(shown.values, reference.about(report, index).centred_evidence))
        assert panel.shown.a.end == panel.shown.b.end
    window.actions_.raw_evidence.setChecked(True)
    qtbot.waitUntil(lambda: panel.shown.choice.is_raw, timeout=TIMEOUT_MS)
    largest = max(largest, difference_of(panel.shown.b.values, reference.about(b, index).evidence))
    window.layers.kind.setCurrentIndex(window.layers.kind.findData(MapKind.CONTRIBUTION))
    window.explorer.show_evidence(False)
    window.focus.want_layer(4)
    qtbot.waitUntil(
        lambda: panel.shown.choice.kind == MapKind.CONTRIBUTION and panel.shown.layer_b == 4, timeout=TIMEOUT_MS
    )
    for shown, report in ((panel.shown.a, a), (panel.shown.b, b)):
        largest = max(largest, difference_of(shown.values, reference.about(report, index).token_mixing[4]))
    window.layers.kind.setCurrentIndex(window.layers.kind.findData(MapKind.UPDATE))
    qtbot.waitUntil(lambda: panel.shown.choice.kind == MapKind.UPDATE, timeout=TIMEOUT_MS)
    largest = max(largest, difference_of(panel.shown.b.values, b.update[4]))
    print(f"largest relative difference: {largest:.2e}")  # noqa: T201
    record_property("relative_difference", largest)
    assert largest < 1e-4


def test_two_models_leave_the_window_alone(
    qtbot: QtBot,
    start: Callable[..., Application],
    photographs: dict[str, Path],
    reference: Reference,
    second_model: ModelRef,
    record_property: Record_,
) -> None:
    application = start(photographs["chelsea"])
    window = application.window
    panel, comparison = open_panel(application)
    heard: list[object] = []
    window.session.model_changed.connect(heard.append)
    window.session.report_changed.connect(lambda: heard.append("report"))
    before = state_of(application)
    comparison.choose(second_model)
    wait_for_pair(qtbot, panel)
    a = reference.report(photographs["chelsea"], default_model())
    b = reference.report(photographs["chelsea"], second_model)
    layer, shown = window.focus.layer, panel.shown
    beside = layer_beside(layer, 8, 6)
    largest = max(
        difference_of(shown.a.values, a.relative_update[layer]),
        difference_of(shown.b.values, b.relative_update[beside]),
    )
    rows = panel.page.paired.rows()
    probabilities = max(
        abs(share - probability(report, index)) / probability(report, index)
        for index, _, shares in rows
        for share, report in zip(shares, (a, b), strict=True)
    )
    print(f"largest relative difference: maps {largest:.2e}, probabilities {probabilities:.2e}")  # noqa: T201
    record_property("maps", largest)
    record_property("probabilities", probabilities)
    assert largest < 1e-5
    assert probabilities < 1e-4
    assert shown.a.end == shown.b.end
    facts = panel.page.facts_shown()
    assert facts["Parameters"] == (f"{a.model.parameters:,}", f"{b.model.parameters:,}")
    assert facts["Input"] == ("64 × 64 px", "64 × 64 px")
    assert "same relative depth" in panel.page.notes.text()
    window.focus.want_layer(7)
    qtbot.waitUntil(lambda: panel.shown.layer_a == 7, timeout=TIMEOUT_MS)
    assert panel.shown.layer_b == 5
    window.focus.want_layer(0)
    assert not heard
    assert state_of(application) == before


def test_evicted_model_comes_back_and_the_window_stays(
    qtbot: QtBot, start: Callable[..., Application], photographs: dict[str, Path], second_model: ModelRef
) -> None:
    """A budget for one model: each pass of one side drops the other side's model."""
    application = start(photographs["chelsea"], photographs["coffee"])
    engine = application.worker._pipeline._engine
    engine._model_budget_bytes = 1
    panel, comparison = open_panel(application)
    before = state_of(application)
    comparison.choose(second_model)
    wait_for_pair(qtbot, panel)
    assert len(engine._classifiers) == 1
    index = panel.report.predictions[0].index
    application.window.focus.want_class(index)
    qtbot.waitUntil(lambda: panel.shown.choice.kind is None, timeout=TIMEOUT_MS)
    application.window.explorer.choose_class(None)
    assert state_of(application) == before


def test_model_that_cannot_be_loaded_is_a_sentence_here_only(
    qtbot: QtBot, start: Callable[..., Application], photographs: dict[str, Path], tmp_path: Path
) -> None:
    application = start(photographs["chelsea"])
    window = application.window
    panel, comparison = open_panel(application)
    heard: list[object] = []
    window.session.model_failed.connect(heard.append)
    before = state_of(application)
    (tmp_path / "empty").mkdir()
    comparison.choose(ModelRef(tmp_path / "empty"))
    qtbot.waitUntil(lambda: comparison.failure is not None, timeout=TIMEOUT_MS)
    assert comparison.failure.sentence in panel.message.text()
    assert panel.retry_button.isVisibleTo(panel)
    assert not panel.swap_button.isEnabled()
    assert panel.shown is None
    assert not heard
    assert state_of(application) == before
    panel.retry_button.click()
    assert comparison.failure is None
    qtbot.waitUntil(lambda: comparison.failure is not None, timeout=TIMEOUT_MS)


def test_other_classes_stand_in_two_lists(
    qtbot: QtBot,
    start: Callable[..., Application],
    photographs: dict[str, Path],
    tiny_checkpoint: Callable[..., Path],
) -> None:
    """A class that B does not know has no evidence there: both show the update, and the view says so."""
    application = start(photographs["chelsea"])
    panel, comparison = open_panel(application)
    comparison.choose(ModelRef(tiny_checkpoint()))
    wait_for_pair(qtbot, panel)
    page = panel.page
    assert not page.paired.isVisibleTo(panel)
    assert [len(each.rows()) for each in (page.only_a, page.only_b)] == [5, 5]
    assert panel.shown.difference is None
    assert "8 × 8" in page.pictures.words.text()
    assert "4 × 4" in page.pictures.words.text()
    application.window.focus.want_class(panel.report.predictions[0].index)
    qtbot.waitUntil(lambda: "does not know" in page.notes.text(), timeout=TIMEOUT_MS)
    assert panel.shown.choice.kind == MapKind.RELATIVE_UPDATE
    assert panel.shown.class_index is None
    before, table = application.window.focus.class_index, page.only_b
    unknown = table.topLevelItem(0)
    assert unknown.isDisabled(), "A knows none of them"
    assert "cannot be chosen" in page.ranking_words.text()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualItemRect(unknown).center())
    assert application.window.focus.class_index == before


def test_pointing_marks_the_same_place_in_both(
    qtbot: QtBot,
    start: Callable[..., Application],
    photographs: dict[str, Path],
    tiny_checkpoint: Callable[..., Path],
) -> None:
    application = start(photographs["chelsea"])
    panel, comparison = open_panel(application)
    comparison.choose(ModelRef(tiny_checkpoint()))
    wait_for_pair(qtbot, panel)
    pictures = panel.page.pictures
    application.window.focus.want_patch(8 * 5 + 2)  # row 5, column 2 of 8 × 8
    qtbot.waitUntil(lambda: pictures.a.marked == 42, timeout=TIMEOUT_MS)
    assert pictures.b.marked == 4 * 2 + 1
    area = pictures.a.area()
    corner = QPoint(int(area.right()) - 3, int(area.bottom()) - 3)
    qtbot.mouseMove(pictures.a, corner)
    qtbot.waitUntil(lambda: pictures.a.marked == 63, timeout=TIMEOUT_MS)
    assert pictures.b.marked == 15
    assert "(8, 8)" in panel.page.patch_words.text()
    assert "(4, 4) of B" in panel.page.patch_words.text()
    qtbot.mouseClick(pictures.a, Qt.MouseButton.LeftButton, pos=corner)
    assert application.window.focus.patch == 63
    qtbot.keyClick(pictures.a, Qt.Key.Key_Up)
    assert application.window.focus.patch == 55


def test_swap_of_pictures_and_of_models(
    qtbot: QtBot, start: Callable[..., Application], photographs: dict[str, Path], second_model: ModelRef
) -> None:
    application = start(photographs["chelsea"], photographs["coffee"])
    session = application.window.session
    panel, comparison = open_panel(application)
    chelsea, coffee = session.gallery.pictures
    comparison.choose(coffee)
    wait_for_pair(qtbot, panel)
    panel.swap_button.click()
    qtbot.waitUntil(lambda: panel.shown is not None and session.current is coffee, timeout=TIMEOUT_MS)
    assert comparison.chosen is chelsea
    assert panel.which.currentText() == "chelsea.png"
    wait_for_pair(qtbot, panel)
    comparison.choose(second_model)
    wait_for_pair(qtbot, panel)
    panel.swap_button.click()
    qtbot.waitUntil(
        lambda: session.model == second_model and panel.shown is not None and session.waiting == 0, timeout=TIMEOUT_MS
    )
    assert comparison.chosen == default_model()
    assert panel.report.model.path == second_model.path
    assert comparison.report.model.path == default_model().path


def test_removed_picture_leaves_an_empty_view(
    qtbot: QtBot, start: Callable[..., Application], photographs: dict[str, Path]
) -> None:
    application = start(photographs["chelsea"], photographs["coffee"])
    session = application.window.session
    panel, comparison = open_panel(application)
    comparison.choose(session.gallery.picture(1))
    wait_for_pair(qtbot, panel)
    session.show_picture(session.gallery.picture(1))
    qtbot.waitUntil(lambda: "the same picture" in panel.message.text(), timeout=TIMEOUT_MS)
    session.show_picture(session.gallery.picture(0))
    wait_for_pair(qtbot, panel)
    session.remove([session.gallery.picture(1)])
    assert comparison.chosen is None
    assert panel.shown is None
    assert "no other picture" in panel.message.text()


def test_edits_are_made_to_both_where_the_patches_are_the_same(
    qtbot: QtBot,
    start: Callable[..., Application],
    photographs: dict[str, Path],
    reference: Reference,
    second_model: ModelRef,
) -> None:
    application = start(photographs["chelsea"])
    session = application.window.session
    edits = (Erase(frozenset(range(20))),)
    session.set_edits(session.current, edits)
    qtbot.waitUntil(lambda: session.current.report.edits == edits, timeout=TIMEOUT_MS)
    _panel, comparison = open_panel(application)
    comparison.choose(second_model)
    qtbot.waitUntil(lambda: comparison.report is not None and comparison.report.edits == edits, timeout=TIMEOUT_MS)
    alone = reference.report(photographs["chelsea"], second_model, edits)
    assert difference_of(comparison.report.relative_update, alone.relative_update) < 1e-5


def test_patches_and_layers_are_paired_by_place_and_depth() -> None:
    fine, coarse = PatchGrid(8, 8), PatchGrid(4, 2)
    for patch in range(fine.count):
        row, column = divmod(patch, 8)
        assert patch_beside(patch, fine, coarse) == (row // 2) * 2 + column // 4
    assert [layer_beside(layer, 8, 12) for layer in (0, 7)] == [0, 11]
    assert [layer_beside(layer, 12, 12) for layer in range(12)] == list(range(12))


def test_classes_are_paired_by_their_identity(reference: Reference, second_model: ModelRef, tmp_path: Path) -> None:
    engine = Engine()
    embedded = engine.load(default_model(), DevicePreference.CPU).info
    large = write_hub_folder(random_mixer(tiny_config(num_classes=1000)), tmp_path / "thousand")
    thousand = engine.load(ModelRef(large), DevicePreference.CPU).info
    for index in (0, 17, 199):
        beside = class_beside(index, embedded, thousand)
        assert beside is not None
        assert thousand.names.wnid(beside) == embedded.names.wnid(index)
        assert class_beside(beside, thousand, embedded) == index
    strange = next(index for index in range(1000) if thousand.names.wnid(index) not in embedded.names.wnids)
    assert class_beside(strange, thousand, embedded) is None


def test_letters_in_a_ranking_are_the_windows(
    qtbot: QtBot, start: Callable[..., Application], photographs: dict[str, Path]
) -> None:
    """Held M hides the map, as it does wherever the focus is."""
    application = start(photographs["chelsea"], photographs["coffee"])
    panel, comparison = open_panel(application)
    comparison.choose(comparison.pictures()[0])
    wait_for_pair(qtbot, panel)
    view = application.window.picture.view
    qtbot.keyPress(panel.page.paired, Qt.Key.Key_M)
    assert view.opacity == 0.0
    qtbot.keyRelease(panel.page.paired, Qt.Key.Key_M)
    assert view.opacity > 0.0


def test_a_question_without_an_answer_is_told_and_can_be_asked_again(
    qtbot: QtBot, start: Callable[..., Application], photographs: dict[str, Path]
) -> None:
    application = start(photographs["chelsea"], photographs["coffee"])
    panel, comparison = open_panel(application)
    comparison.choose(comparison.pictures()[0])
    wait_for_pair(qtbot, panel)
    assert panel.report is not None
    comparison.about(panel.report, 10**6)
    qtbot.waitUntil(panel.failure_bar.isVisible, timeout=TIMEOUT_MS)
    assert comparison.failed in panel.failure_bar.words.text()
    panel.failure_bar.retry.click()
    assert not panel.failure_bar.isVisible()
    wait_for_pair(qtbot, panel)


def test_layers_of_a_grid_that_is_not_square_keep_square_patches(qtbot: QtBot) -> None:
    """Both sides have shapes of their own; only the left button chooses."""
    rows = LayerRows()
    qtbot.addWidget(rows)
    rows.resize(300, 200)
    wide, square = QImage(8, 4, QImage.Format.Format_RGB32), QImage(8, 8, QImage.Format.Format_RGB32)
    rows.show_layers([wide] * 3, [square] * 3, (0, 0))
    for side, _, cell in rows.cells():
        assert cell.width() == cell.height() * (1 if side else 2)
    tops = {side: cell.top() for side, _, cell in rows.cells()}
    assert tops[1] > tops[0]
    chosen: list[int] = []
    rows.layer_chosen.connect(chosen.append)
    place = rows.cells()[2][2].center().toPoint()
    qtbot.mouseClick(rows, Qt.MouseButton.RightButton, pos=place)
    qtbot.mouseClick(rows, Qt.MouseButton.LeftButton, pos=place)
    assert chosen == [2]
