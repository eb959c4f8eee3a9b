"""What the window shows and keeps when things change, fail or come in an unlucky order."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QToolButton, QWidget

from mixer_gui.app import remembered_model
from mixer_gui.gui.actions import menu_text
from mixer_gui.gui.drop_area import is_model
from mixer_gui.gui.file_commands import IMAGE_FILTER, save_dialog
from mixer_gui.gui.heatmap_grid import WITH_LENS, WITH_NUMBER, largest_cells
from mixer_gui.gui.labels import ElidedLabel
from mixer_gui.gui.maps import evidence_map
from mixer_gui.gui.theme import DARK, colours
from mixer_gui.records import Assumptions, DevicePreference, FramingKind, ModelInspected, ModelRef, Priority
from mixer_gui.resources import default_model
from mixer_gui.settings import Settings, Theme
from tests.gui.conftest import TIMEOUT_MS, wait_for_results

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.records import ClassifyRequest

    Start = Callable[..., Application]

MISSING_DEVICE = DevicePreference.CUDA if sys.platform == "darwin" else DevicePreference.MPS


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    folder = tmp_path / "other-model"
    shutil.copytree(default_model().path, folder)
    return folder


def record_requests(application: Application, monkeypatch: pytest.MonkeyPatch) -> list[ClassifyRequest]:
    """What the session asks from now on."""
    asked: list[ClassifyRequest] = []
    classify = application.worker.classify

    def record(request: ClassifyRequest) -> None:
        asked.append(request)
        classify(request)

    monkeypatch.setattr(application.worker, "classify", record)
    return asked


def test_device_that_is_not_there_leaves_the_one_in_use(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["coffee"])
    window = application.window
    with qtbot.waitSignal(window.session.model_failed, timeout=TIMEOUT_MS):
        window.actions_.devices[MISSING_DEVICE].trigger()
    assert window.actions_.devices[DevicePreference.AUTO].isChecked()
    assert window.settings().device == DevicePreference.AUTO
    window.files.open_paths([photographs["rocket"]])
    wait_for_results(qtbot, application, 2)
    assert window.session.current.failure is None


def test_device_that_is_there_is_taken_and_remembered(start: Start, qtbot: QtBot) -> None:
    window = start().window
    with qtbot.waitSignal(window.session.model_changed, timeout=TIMEOUT_MS):
        window.actions_.devices[DevicePreference.CPU].trigger()
    assert window.settings().device == DevicePreference.CPU


def test_remembered_model_is_kept_where_only_its_device_is_gone(start: Start, other_model: Path) -> None:
    window = start(settings=Settings(model_path=str(other_model), device=MISSING_DEVICE)).window
    assert window.session.ready.ref.path == other_model
    assert window.actions_.devices[DevicePreference.AUTO].isChecked()


def test_file_that_is_no_model_does_not_count_as_a_failed_model(start: Start, qtbot: QtBot, tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    window = start().window
    with qtbot.waitSignal(window.session.model_failed, timeout=TIMEOUT_MS):
        window.models.open(broken)
    assert not window.session.model_has_failed


def test_pictures_that_wait_while_the_model_changes_are_classified_by_the_new_one(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], other_model: Path
) -> None:
    application = start()
    session = application.window.session
    with qtbot.waitSignal(session.model_changed, timeout=TIMEOUT_MS):
        application.window.files.open_paths(list(photographs.values()))
        session.set_model(ModelRef(other_model), session.device)
    wait_for_results(qtbot, application, 4)
    assert {each.report.model.path for each in session.gallery.pictures} == {other_model}


def test_picture_whose_pixels_were_dropped_is_not_shown_with_another_ones(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["rocket"], photographs["coffee"])
    window = application.window
    window.session.show_picture(window.session.gallery.picture(1))
    assert window.picture.view._image is None
    assert "Reading" in window.picture.view._message
    wait_for_results(qtbot, application, 2)
    assert window.picture.view._size == (600, 400)


def test_frame_that_comes_after_another_picture_was_chosen_is_kept(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start(photographs["rocket"], photographs["coffee"])
    session = application.window.session
    rocket, coffee = session.gallery.pictures
    session.show_picture(coffee)
    session.show_picture(rocket)
    qtbot.waitUntil(lambda: coffee.frame is not None and not coffee.is_waiting, timeout=TIMEOUT_MS)
    asked = record_requests(application, monkeypatch)
    session.show_picture(coffee)
    assert asked == []


def test_another_framing_counts_as_waiting_until_its_result_is_there(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["coffee"])
    window = application.window
    window.explorer.framing.use(FramingKind.SQUASH)
    assert window.session.waiting == 1
    assert "Classifying" in window.status._activity.text()
    wait_for_results(qtbot, application, 1)
    assert window.session.current.report.framing.kind == FramingKind.SQUASH


def test_undone_framing_shows_the_picture_it_is_about(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start(photographs["rocket"], photographs["coffee"])
    window = application.window
    window.explorer.framing.use(FramingKind.SQUASH)
    window.actions_.next_picture.trigger()
    window.actions_.undo.trigger()
    wait_for_results(qtbot, application, 2)
    assert window.windowTitle().startswith("rocket")
    assert window.session.current.report.framing.kind == FramingKind.CHECKPOINT


def test_removed_pictures_hold_no_pixels_and_undo_asks_for_the_shown_one_only(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start(*photographs.values())
    window = application.window
    pictures = window.session.gallery.pictures
    window.session.show_picture(pictures[2])
    wait_for_results(qtbot, application, 4)
    asked = record_requests(application, monkeypatch)
    window.actions_.clear.trigger()
    assert all(each.frame is None for each in pictures)
    window.actions_.undo.trigger()
    assert window.session.current is pictures[2]
    assert window.session.gallery.pictures == pictures
    assert [(each.view, each.priority) for each in asked] == [(pictures[2].view, Priority.DROPPED)]


def test_picture_after_a_removed_one_is_shown(start: Start, photographs: dict[str, Path]) -> None:
    window = start(*photographs.values()).window
    pictures = window.session.gallery.pictures
    window.actions_.next_picture.trigger()
    window.actions_.remove.trigger()
    assert window.session.current is pictures[2]
    assert window.picture.strip.currentIndex().row() == 1


def test_repaired_file_dropped_again_is_read_again(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(photographs["coffee"].read_bytes()[:2000])
    application = start(path)
    assert application.window.session.current.failure is not None
    shutil.copy(photographs["coffee"], path)
    with qtbot.waitSignal(application.window.session.report_changed, timeout=TIMEOUT_MS):
        application.window.files.open_paths([path])
    assert application.window.session.current.report.predictions[0].label == "espresso"


def test_file_named_twice_in_one_drop_is_listed_once(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start()
    application.window.files.open_paths([photographs["coffee"], photographs["coffee"].parent])
    wait_for_results(qtbot, application, 4)
    assert application.window.session.gallery.rowCount() == 4


def test_reloaded_file_has_a_new_thumbnail(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    shutil.copy(photographs["coffee"], path)
    application = start(path)
    session = application.window.session
    before = session.current.thumbnail.copy()
    Image.new("RGB", (64, 64), "green").save(path)
    application.window.actions_.reload.trigger()
    wait_for_results(qtbot, application, 1)
    assert session.current.thumbnail != before


def test_click_that_trembles_neither_moves_the_rectangle_nor_hides_the_map(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["coffee"])
    window = application.window
    window.explorer.framing.use(FramingKind.RECTANGLE)
    wait_for_results(qtbot, application, 1)
    view = window.picture.view
    seen, overlay = view._seen, view._overlay
    centre = view.rect().center()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=centre)
    qtbot.mouseMove(view, centre + QPoint(2, 1))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=centre + QPoint(2, 1))
    assert (view._seen, view._overlay) == (seen, overlay)
    assert view._pinned is not None


def test_escape_puts_a_dragged_rectangle_back(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start(photographs["coffee"])
    window = application.window
    window.explorer.framing.use(FramingKind.RECTANGLE)
    wait_for_results(qtbot, application, 1)
    view = window.picture.view
    seen, overlay = view._seen, view._overlay
    centre = view.rect().center()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=centre)
    qtbot.mouseMove(view, centre + QPoint(20, 10))
    assert view._seen != seen
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=centre + QPoint(20, 10))
    assert (view._seen, view._overlay) == (seen, overlay)
    assert window.session.waiting == 0


def test_cursor_is_an_arrow_again_where_nothing_can_be_dragged(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["coffee"])
    window = application.window
    window.explorer.framing.use(FramingKind.RECTANGLE)
    wait_for_results(qtbot, application, 1)
    view = window.picture.view
    qtbot.mouseMove(view, view.rect().center())
    assert view.cursor().shape() == Qt.CursorShape.OpenHandCursor
    window.explorer.framing.use(FramingKind.SQUASH)
    assert view.cursor().shape() == Qt.CursorShape.ArrowCursor


@pytest.mark.parametrize("name", ["list", "grid", "strip"])
def test_map_is_hidden_while_m_is_held_in_a_list(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], name: str
) -> None:
    window = start(photographs["coffee"]).window
    view = {"list": window.predictions.list, "grid": window.layers.grid, "strip": window.picture.strip}[name]
    qtbot.keyPress(view, Qt.Key.Key_M)
    assert window.picture.view._opacity == 0.0
    qtbot.keyRelease(view, Qt.Key.Key_M)
    assert window.picture.view._opacity == 0.5


def test_buttons_of_commands_that_make_no_sense_are_disabled(start: Start) -> None:
    window = start().window
    buttons = {each.text(): each.isEnabled() for each in window.findChildren(QToolButton)}
    assert not buttons["Save map…"]
    assert not buttons["Export…"]
    assert buttons["Open…"]
    assert not window.actions_.undo.isEnabled()


def test_engine_that_cannot_start_is_told(start: Start, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_pipeline: object) -> None:
        raise ImportError("no module named torch")

    monkeypatch.setattr("mixer_gui.engine.pipeline.Pipeline.start", fail)
    application = start(wait=False)
    window = application.window
    qtbot.waitUntil(lambda: "torch" in window._message.toolTip(), timeout=TIMEOUT_MS)


def test_bare_file_keeps_its_assumptions_for_the_next_start(start: Start, qtbot: QtBot, tmp_path: Path) -> None:
    application = start()
    window = application.window
    bare = tmp_path / "bare.safetensors"
    shutil.copy(default_model().path / "model.safetensors", bare)
    known = {"mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 1.0, "interpolation": "bicubic", "gelu": "none"}
    window.models.remembered["digest"] = known
    window.models._inspected = bare
    with qtbot.waitSignal(window.session.model_changed, timeout=TIMEOUT_MS):
        window.models._take_inspected(ModelInspected(bare, "digest", Assumptions()))
    again = remembered_model(window.settings())
    assert again.path == bare
    assert again.assumptions is not None
    assert again.assumptions.mean == (0.5, 0.5, 0.5)


def test_weights_beside_their_config_are_opened_as_a_folder(start: Start, qtbot: QtBot, other_model: Path) -> None:
    window = start().window
    with qtbot.waitSignal(window.session.model_changed, timeout=TIMEOUT_MS):
        window.models.open(other_model / "model.safetensors")
    assert window.session.model.path == other_model
    assert not window.session.ready.info.assumed


def test_system_theme_is_followed_only_where_it_was_chosen(start: Start) -> None:
    window = start().window
    window.set_theme(Theme.DARK)
    window.follow_system_theme()
    assert colours() is DARK


def test_heights_of_the_cards_are_remembered(start: Start) -> None:
    application = start()
    application.window._rows.setSizes([260, 260, 180])
    sizes = application.window._rows.sizes()
    again = start(settings=application.window.settings())
    assert again.window._rows.sizes() == sizes


def test_path_that_cannot_be_looked_at_is_no_model() -> None:
    assert not is_model(Path("/" + "long" * 100))
    assert not is_model(Path("picture.png"))
    assert is_model(Path("weights.npz"))


def test_save_dialog_adds_the_suffix_itself_so_that_it_asks_before_replacing(qtbot: QtBot, tmp_path: Path) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = save_dialog(parent, "Save", tmp_path / "coffee", IMAGE_FILTER)
    assert dialog.selectedFiles() == [str(tmp_path / "coffee.png")]
    dialog.filterSelected.emit("JPEG (*.jpg)")
    assert dialog.defaultSuffix() == "jpg"


def test_name_of_a_file_is_no_markup(qtbot: QtBot) -> None:
    label = ElidedLabel()
    qtbot.addWidget(label)
    label.resize(600, 20)
    label.set_text("<b>bold</b>.png")
    assert label.textFormat() == Qt.TextFormat.PlainText
    assert label.text() == "<b>bold</b>.png"
    label.resize(60, 20)
    label.set_text("a-rather-long-name-of-a-picture.png")
    assert label.text().endswith("…")


def test_name_of_a_file_in_a_menu_has_no_mnemonic_and_a_bounded_width() -> None:
    assert menu_text("salt & pepper.png") == "salt && pepper.png"
    assert len(menu_text("x" * 300)) < 70


def test_evidence_stays_when_another_picture_comes_while_the_layers_have_the_focus(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    application = start(photographs["coffee"])
    window = application.window
    monkeypatch.setattr(window.layers.grid, "hasFocus", lambda: True)
    window.actions_.show_evidence.trigger()
    window.files.open_paths([photographs["rocket"]])
    wait_for_results(qtbot, application, 2)
    assert window.picture.evidence_button.isChecked()


def test_class_that_an_arrow_key_marks_is_the_one_shown(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    ranking = window.predictions.list
    ranking.setCurrentIndex(ranking.predictions.index(0))
    qtbot.keyClick(ranking, Qt.Key.Key_Down)
    assert window.explorer.shown_class == window.session.current.report.predictions[1].index
    assert window.picture.evidence_button.isChecked()


def test_picture_whose_frame_came_while_many_others_were_shown_gets_it_again(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["coffee"])
    session = application.window.session
    session.retry()
    coffee = session.current
    session._shown.clear()  # six others were shown meanwhile
    qtbot.waitUntil(lambda: coffee.thumbnail is not None, timeout=TIMEOUT_MS)
    assert coffee.frame is None
    session.show_picture(coffee)  # it is still under way: nothing more is asked
    qtbot.waitUntil(lambda: session.current.frame is not None and session.waiting == 0, timeout=TIMEOUT_MS)


@pytest.mark.parametrize("layers", [1, 8, 12, 24, 32])
@pytest.mark.parametrize(("width", "height"), [(340, 110), (355, 127), (600, 300), (900, 90)])
def test_cells_of_all_layers_fit_or_none_are_offered(layers: int, width: int, height: int) -> None:
    for least, text in (WITH_LENS, WITH_NUMBER):
        size = largest_cells(layers, width, height, least, text)
        if size is not None:
            columns = width // size.width()
            assert columns * (height // size.height()) >= layers
            assert size.height() >= least
            assert size.width() >= size.height() + text


def test_layers_of_the_largest_models_are_seen_together_in_the_smallest_window() -> None:
    assert largest_cells(8, 355, 127, *WITH_LENS) is not None
    for layers in (24, 32):
        assert largest_cells(layers, 355, 127, *WITH_LENS) is None
        assert largest_cells(layers, 355, 127, *WITH_NUMBER) is not None


def test_lens_of_the_selected_layer_is_told_in_words(start: Start, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    window.layers.grid.select_layer(7)
    assert "espresso" in window.layers._lens.text()
    assert "not the truth" in window.layers._lens.text()


def test_raw_evidence_is_shown_on_request(start: Start, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    report = window.session.current.report
    window.explorer.choose_class(report.predictions[0].index)
    centred = window.picture.view._overlay.image.copy()
    window.actions_.raw_evidence.trigger()
    assert window.picture.view._overlay.image != centred
    raw = evidence_map(report, report.predictions[0].index, None, raw=True)
    assert (raw.values == report.evidence[0]).all()
    window.actions_.raw_evidence.trigger()
    assert window.picture.view._overlay.image == centred
