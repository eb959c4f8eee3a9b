"""The main job, through the real window: drop, read, look, correct, save."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtWidgets import QApplication

from mixer_gui.gui.maps import MapKind
from mixer_gui.gui.prediction_list import PREDICTION_ROLE
from mixer_gui.gui.theme import DARK, LIGHT, colours
from mixer_gui.pictures.geometry import patch_rectangle
from mixer_gui.records import Framing, FramingKind, ModelRef, Rect
from mixer_gui.settings import Settings, SettingsFile, Theme
from tests.gui.conftest import TIMEOUT_MS, wait_for_results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]


def drop(application: Application, mime: QMimeData) -> None:
    """What Qt does when another program's drag ends over the window."""
    window = application.window
    centre = QPoint(window.width() // 2, window.height() // 2)
    modifiers, buttons = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(centre, Qt.DropAction.CopyAction, mime, buttons, modifiers)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    event = QDropEvent(QPointF(centre), Qt.DropAction.CopyAction, mime, buttons, modifiers)
    QApplication.sendEvent(window, event)
    assert event.isAccepted()


def files_mime(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def test_empty_window_says_what_to_do(start: Start) -> None:
    window = start().window
    assert "Drop" in window.picture.view._message
    assert window.windowTitle() == "Mixer GUI"
    assert not window.actions_.copy.isEnabled()


def test_dropped_photograph_is_explained(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start()
    drop(application, files_mime(photographs["coffee"]))
    wait_for_results(qtbot, application, 1)
    window = application.window
    assert window.windowTitle() == "coffee.png — Mixer GUI"
    first = window.predictions.list.model().index(0, 0).data(PREDICTION_ROLE)
    assert first.label == "espresso"
    assert window.predictions.list.model().rowCount() == 5
    assert window.layers.grid.layers.rowCount() == 8
    assert window.status._timings.text().count("ms") == 4
    report = window.session.current.report
    assert report.relative_update.shape == (8, 64)


def test_several_dropped_files_go_to_the_strip_and_the_first_is_shown(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start()
    drop(application, files_mime(*photographs.values()))
    wait_for_results(qtbot, application, 4)
    session = application.window.session
    assert session.current.source.path == photographs["chelsea"]
    assert [each.report.predictions[0].label for each in session.gallery.pictures if each.report] != []
    assert all(each.report is not None and each.thumbnail is not None for each in session.gallery.pictures)


def test_command_line_files_are_opened(start: Start, photographs: dict[str, Path]) -> None:
    application = start(photographs["rocket"], photographs["coffee"])
    assert application.window.session.gallery.rowCount() == 2
    assert application.window.session.current.source.path == photographs["rocket"]


def test_same_file_dropped_again_is_shown_again_not_listed_twice(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["rocket"], photographs["coffee"])
    drop(application, files_mime(photographs["coffee"]))
    qtbot.waitUntil(lambda: application.window.session.current.source.path == photographs["coffee"], timeout=TIMEOUT_MS)
    assert application.window.session.gallery.rowCount() == 2


def test_selected_strip_picture_is_shown_with_its_own_result(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["rocket"], photographs["coffee"])
    window = application.window
    window.picture.strip.setCurrentIndex(window.session.gallery.index(1))
    wait_for_results(qtbot, application, 2)
    assert window.windowTitle().startswith("coffee.png")
    assert window.predictions.list.model().index(0, 0).data(PREDICTION_ROLE).label == "espresso"
    frame = window.session.current.frame
    qtbot.waitUntil(lambda: window.session.current.frame.pixels.shape[1] == 600, timeout=TIMEOUT_MS)
    assert frame is not None


def test_class_click_shows_its_evidence_and_a_second_one_the_layer(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    row = window.predictions.list.model().index(1, 0)
    position = window.predictions.list.visualRect(row).center()
    viewport = window.predictions.list.viewport()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=position)
    assert window.picture.evidence_button.isChecked()
    label = row.data(PREDICTION_ROLE).label.split(",")[0]
    assert label in window.picture.evidence_button.text()
    evidence = window.picture.view._overlay.image.copy()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=position)
    assert window.picture.layer_button.isChecked()
    assert window.picture.view._overlay.image != evidence


def test_contribution_maps_follow_the_chosen_class(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    window.layers.kind.setCurrentIndex(window.layers.kind.findData(MapKind.CONTRIBUTION))
    qtbot.waitUntil(lambda: window.explorer._about is not None, timeout=TIMEOUT_MS)
    first = window.explorer._about
    index = window.session.current.report.predictions[1].index
    window.explorer.choose_class(index)
    qtbot.waitUntil(
        lambda: window.explorer._about is not None and window.explorer._about.prediction.index == index,
        timeout=TIMEOUT_MS,
    )
    assert not np.array_equal(first.token_mixing, window.explorer._about.token_mixing)
    answer = window.explorer._about
    total = (answer.token_mixing.sum(0) + answer.channel_mixing.sum(0) + answer.stem).mean() + answer.constant
    assert total == pytest.approx(answer.prediction.logit, rel=1e-4)


def test_pointing_at_a_patch_shows_what_it_reads_and_writes(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    view = window.picture.view
    with qtbot.waitSignal(window.session.questions.patch_answered, timeout=TIMEOUT_MS) as answered:
        qtbot.mouseMove(view, view.patch_screen_rectangle(27).center().toPoint())
    assert answered.args[0].request.patch == 27
    assert "patch (4, 4)" in window.patch.title.text()
    with qtbot.waitSignal(window.session.questions.patch_answered, timeout=TIMEOUT_MS) as answered:
        window.actions_.next_layer.trigger()
    assert answered.args[0].request.layer == 1


def test_patch_is_pinned_by_click_and_walked_by_arrow_keys(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    view = window.picture.view
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.patch_screen_rectangle(9).center().toPoint())
    assert view.patch == 9
    qtbot.keyClick(view, Qt.Key.Key_Right)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert view.patch == 18
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view._pinned is None


def test_broken_file_is_named_and_the_others_are_fine(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photographs["coffee"].read_bytes()[:2000])
    application = start()
    drop(application, files_mime(broken, photographs["coffee"]))
    wait_for_results(qtbot, application, 2)
    window = application.window
    assert "broken.jpg" in window.picture.view._message
    assert window.predictions.list.model().rowCount() == 0
    window.actions_.next_picture.trigger()
    wait_for_results(qtbot, application, 2)
    assert window.picture.notice.isHidden()
    assert window.predictions.list.model().rowCount() == 5


def test_two_hundred_drops_leave_no_memory_behind(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    """Every fifth file is broken: no crash, each broken one named, memory as it was after the first forty."""
    application = start()
    session = application.window.session
    paths = []
    with Image.open(photographs["coffee"]) as picture:
        for number in range(200):
            path = tmp_path / f"picture-{number}.jpg"
            picture.convert("RGB").resize((300 + number, 200)).save(path)
            if number % 5 == 4:
                path.write_bytes(path.read_bytes()[: 40 + number])
            paths.append(path)
    before = 0
    for number, path in enumerate(paths):
        drop(application, files_mime(path))
        if number == 39:
            wait_for_results(qtbot, application, 40)
            before = resident_bytes()
    wait_for_results(qtbot, application, 200)

    def has_given_back() -> bool:
        return resident_bytes() - before < 50e6

    qtbot.waitUntil(has_given_back, timeout=TIMEOUT_MS)  # freed memory goes back a moment after the last picture
    grown = resident_bytes() - before
    failed = {each.source.name: each.failure.sentence for each in session.gallery.pictures if each.failure}
    assert sorted(failed) == sorted(path.name for path in paths[4::5])
    assert all(name in sentence for name, sentence in failed.items())
    for each in session.gallery.pictures:
        assert each.report is None or each.report.source.path == each.source.path
    print(f"\nresident memory grew by {grown / 1e6:.1f} MB from drop 40 to drop 200")  # noqa: T201 - a figure to report


def resident_bytes() -> int:
    """Resident memory of this process; Linux only."""
    import os
    from pathlib import Path

    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("resident memory is read from /proc")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("width", "height"), [(300, 200), (200, 300)])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_highlight_covers_a_marker_painted_into_its_patch(
    start: Start, qtbot: QtBot, tmp_path: Path, width: int, height: int, orientation: int
) -> None:
    """A magenta marker fills one patch of the network's rectangle; on screen it lies inside the highlight."""
    patch, edge = 8 * 2 + 5, min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    cell = edge / 8
    upright = np.full((height, width, 3), 40, np.uint8)
    y, x = round(top + 2 * cell), round(left + 5 * cell)
    upright[y : round(top + 3 * cell), x : round(left + 6 * cell)] = (255, 0, 255)
    image = Image.fromarray(upright)
    turns = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turn = turns[orientation]
    stored = image if turn is None else image.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "marker.png"
    stored.save(path, exif=exif)

    window = start(path).window
    view = window.picture.view
    view.set_opacity(0.0)
    highlight = view.patch_screen_rectangle(patch)
    shown = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    pixels = np.frombuffer(shown.constBits(), np.uint8).reshape(shown.height(), shown.bytesPerLine())
    pixels = pixels[:, : shown.width() * 3].reshape(shown.height(), shown.width(), 3).astype(int)
    marked = np.argwhere((pixels[..., 0] > 150) & (pixels[..., 1] < 90) & (pixels[..., 2] > 150))
    (y0, x0), (y1, x1) = marked.min(0), marked.max(0) + 1
    assert abs(x0 - highlight.left()) <= 1
    assert abs(y0 - highlight.top()) <= 1
    assert abs(x1 - highlight.right()) <= 1
    assert abs(y1 - highlight.bottom()) <= 1
    qtbot.mouseMove(view, highlight.center().toPoint())
    assert view.patch == patch


def test_rectangle_of_ones_own_changes_the_result_says_so_and_can_be_undone(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    before = window.session.current.report
    with qtbot.waitSignal(window.session.report_changed, timeout=TIMEOUT_MS):
        window.explorer.framing.use_rectangle(Rect(0, 0, 100, 100))
    after = window.session.current.report
    assert after.seen == Rect(0, 0, 100, 100)
    assert after.predictions != before.predictions
    assert "another part" in window.picture.notice.text()
    with qtbot.waitSignal(window.session.report_changed, timeout=TIMEOUT_MS):
        window.actions_.undo.trigger()
    assert window.session.current.report.seen == before.seen
    assert window.session.current.framing == Framing()


def test_dragged_corner_moves_what_is_seen(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    with qtbot.waitSignal(window.session.report_changed, timeout=TIMEOUT_MS):
        window.explorer.framing.use(FramingKind.RECTANGLE)
    view = window.picture.view
    seen = window.session.current.report.seen
    corner = view.placement().to_screen(seen).bottomRight().toPoint()
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=corner)
    qtbot.mouseMove(view, corner - QPoint(60, 60))
    with qtbot.waitSignal(window.session.report_changed, timeout=TIMEOUT_MS):
        qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=corner - QPoint(60, 60))
    smaller = window.session.current.report.seen
    assert (smaller.left, smaller.top) == pytest.approx((seen.left, seen.top))
    assert smaller.width < seen.width


@pytest.mark.parametrize("kind", [FramingKind.SQUASH, FramingKind.PAD])
def test_whole_picture_can_be_seen(start: Start, qtbot: QtBot, photographs: dict[str, Path], kind: FramingKind) -> None:
    window = start(photographs["coffee"]).window
    with qtbot.waitSignal(window.session.report_changed, timeout=TIMEOUT_MS):
        window.explorer.framing.use(kind)
    seen = window.session.current.report.seen
    assert seen.left <= 0
    assert seen.right >= 600
    grid = window.session.current.report.model.grid
    assert patch_rectangle(seen, grid, 0).left == pytest.approx(seen.left)


def test_removed_picture_comes_back_by_undo(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start(photographs["rocket"], photographs["coffee"])
    window = application.window
    window.actions_.remove.trigger()
    assert [each.source.path for each in window.session.gallery.pictures] == [photographs["coffee"]]
    assert window.windowTitle().startswith("coffee")
    window.actions_.undo.trigger()
    assert [each.source.path for each in window.session.gallery.pictures] == [
        photographs["rocket"],
        photographs["coffee"],
    ]
    wait_for_results(qtbot, application, 2)
    assert window.windowTitle().startswith("rocket")


def test_clearing_all_leaves_an_empty_window_and_undo_brings_all_back(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(*photographs.values())
    window = application.window
    window.actions_.clear.trigger()
    assert window.session.gallery.rowCount() == 0
    assert window.windowTitle() == "Mixer GUI"
    assert window.predictions.list.model().rowCount() == 0
    window.actions_.undo.trigger()
    wait_for_results(qtbot, application, 4)
    assert [each.source.path for each in window.session.gallery.pictures] == list(photographs.values())


def test_pasted_image_data_is_classified(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start()
    mime = QMimeData()
    mime.setData("image/png", photographs["coffee"].read_bytes())
    QGuiApplication.clipboard().setMimeData(mime)
    application.window.actions_.paste.trigger()
    wait_for_results(qtbot, application, 1)
    assert application.window.session.current.report.predictions[0].label == "espresso"


def test_dropped_data_address_is_classified(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    import base64

    application = start()
    encoded = base64.b64encode(photographs["coffee"].read_bytes()).decode()
    mime = QMimeData()
    mime.setText(f"data:image/png;base64,{encoded}")
    mime.setUrls([QUrl(f"data:image/png;base64,{encoded}")])
    drop(application, mime)
    wait_for_results(qtbot, application, 1)
    assert application.window.session.current.report.predictions[0].label == "espresso"


def test_drop_without_a_picture_says_so(start: Start) -> None:
    application = start()
    mime = QMimeData()
    mime.setUrls([QUrl("mailto:nobody@example.org")])
    drop(application, mime)
    assert "no picture" in application.window._message.text()


def test_folder_drop_adds_its_pictures(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start()
    drop(application, files_mime(photographs["coffee"].parent))
    wait_for_results(qtbot, application, 4)
    assert application.window.session.gallery.rowCount() == 4


def test_results_are_copied_as_text(start: Start, photographs: dict[str, Path]) -> None:
    window = start(photographs["coffee"]).window
    window.actions_.copy.trigger()
    text = QGuiApplication.clipboard().text()
    assert "espresso" in text
    assert str(photographs["coffee"]) in text


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv"])
def test_results_are_exported(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    window = start(photographs["coffee"], photographs["rocket"]).window
    path = tmp_path / f"results{suffix}"
    with qtbot.waitSignal(window.files.saver.saved, timeout=TIMEOUT_MS):
        window.files.saver.save_results(window.files.results(3), path)
    text = path.read_text(encoding="utf-8")
    if suffix == ".csv":
        assert text.count("\n") == 1 + 2 * 3
    elif suffix == ".jsonl":
        assert [len(json.loads(line)["predictions"]) for line in text.splitlines()] == [3, 3]
    else:
        assert [len(each["predictions"]) for each in json.loads(text)] == [3, 3]


def test_export_to_a_place_that_cannot_be_written_is_told(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["coffee"]).window
    with qtbot.waitSignal(window.files.saver.failed, timeout=TIMEOUT_MS) as told:
        window.files.saver.save_results(window.files.results(3), tmp_path / "missing" / "results.csv")
    assert "could not be written" in told.args[0]


def test_saved_picture_has_its_map(start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path) -> None:
    window = start(photographs["coffee"]).window
    image = window.picture.view.picture_with_map()
    assert (image.width(), image.height()) == (600, 400)
    path = tmp_path / "map.png"
    with qtbot.waitSignal(window.files.saver.saved, timeout=TIMEOUT_MS):
        window.files.saver.save_image(lambda: image, path)
    with Image.open(path) as saved, Image.open(photographs["coffee"]) as original:
        difference = np.abs(np.asarray(saved.convert("RGB"), int) - np.asarray(original.convert("RGB"), int))
    assert difference.mean() > 2


def test_what_was_set_is_remembered(start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path) -> None:
    application = start(photographs["coffee"])
    window = application.window
    window.predictions.top_k.setValue(9)
    window.picture.opacity.setValue(25)
    window.layers.per_layer.setChecked(True)
    window.layers.kind.setCurrentIndex(window.layers.kind.findData(MapKind.UPDATE))
    window.set_theme(Theme.DARK)
    application.shut_down()
    stored = SettingsFile(tmp_path / "settings" / "settings.json").load()
    assert stored.top_k == 9
    assert stored.opacity == 0.25
    assert stored.scale_per_layer
    assert stored.map_kind == "update"
    assert stored.theme == Theme.DARK
    assert stored.recent == (str(photographs["coffee"]),)


def test_remembered_model_that_is_gone_gives_way_to_the_embedded_one(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    settings = Settings(model_path=str(tmp_path / "gone"))
    application = start(photographs["coffee"], settings=settings)
    window = application.window
    assert window.session.ready.info.classes == 200
    assert "gone" in window._message.text()
    assert window.session.current.report.predictions[0].label == "espresso"


def test_model_that_does_not_load_leaves_the_one_in_use(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["coffee"]).window
    before = window.session.current.report
    with qtbot.waitSignal(window.session.model_failed, timeout=TIMEOUT_MS):
        window.session.set_model(ModelRef(tmp_path), window.session.device)
    assert window.session.current.report is before
    assert window._message.text()


@pytest.mark.parametrize(("theme", "expected"), [(Theme.DARK, DARK), (Theme.LIGHT, LIGHT)])
def test_theme_is_switched_while_running(start: Start, theme: Theme, expected: object) -> None:
    window = start().window
    window.actions_.themes[theme].trigger()
    assert colours() is expected


def test_closing_while_everything_is_under_way_is_orderly(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(*photographs.values(), wait=False)
    qtbot.wait(30)
    application.window.close()
    application.shut_down()
    assert application._thread.isFinished() or not application._thread.isRunning()


def test_every_control_has_an_accessible_name(start: Start, photographs: dict[str, Path]) -> None:
    from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QSlider

    window = start(photographs["coffee"]).window
    nameless = [
        type(each).__name__
        for kind in (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QSlider)
        for each in window.findChildren(kind)
        if each.isVisible() and not (each.accessibleName() or (isinstance(each, QAbstractButton) and each.text()))
    ]
    assert nameless == []
