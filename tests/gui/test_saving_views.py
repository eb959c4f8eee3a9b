"""Single views saved at a chosen size, through the real window and its dialogs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QVBoxLayout, QWidget

from mixer_gui.gui.microscope.charts import Axis, Chart, nice_ticks
from mixer_gui.gui.rendering import GREATEST_EDGE, to_image, to_svg, widget_drawing
from mixer_gui.gui.report_commands import view_drawing
from mixer_gui.gui.size_dialog import ImageFormat, SizeDialog
from tests.gui.conftest import TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]

# What the offscreen platform says of every dialog.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")
SVG = "{http://www.w3.org/2000/svg}"


class LineChart(Chart):
    """A line that leaves the area, and four sharp patches."""

    def paint_chart(self, painter: QPainter, area: QRectF) -> None:
        painter.setPen(QPen(QColor("#00ff00"), 2))
        painter.drawPolyline([self.to_screen(0.0, 0.0), self.to_screen(0.5, 3.0), self.to_screen(1.0, 1.0)])
        patches = QImage(2, 2, QImage.Format.Format_RGB32)
        patches.fill(QColor("red"))
        patches.setPixelColor(1, 0, QColor("blue"))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, on=False)
        painter.drawImage(QRectF(self.to_screen(0.1, 0.5), QPointF(area.left() + 60, area.bottom())), patches)


@pytest.fixture
def view(qtbot: QtBot) -> QWidget:
    whole = QWidget()
    qtbot.addWidget(whole)
    layout = QVBoxLayout(whole)
    chart = LineChart("chart")
    chart.set_axes(Axis(0.0, 1.0, nice_ticks(0.0, 1.0), "share <x>"), Axis(0.0, 1.0, nice_ticks(0.0, 1.0), "p"))
    layout.addWidget(chart)
    layout.addWidget(QLabel("words & more"))
    whole.resize(300, 240)
    whole.show()
    return whole


def test_svg_has_lines_and_words_as_vectors(view: QWidget) -> None:
    root = ElementTree.fromstring(to_svg(widget_drawing("a<b", view), QSize(600, 480)))
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("600", "480", "0 0 300 240")
    words = {each.text for each in root.iter(f"{SVG}text")}
    assert {"0.5", "share <x>", "p", "words & more"} <= words
    assert any("#00ff00" in (each.get("stroke") or "") for each in root.iter(f"{SVG}g"))
    assert list(root.iter(f"{SVG}polyline"))
    assert list(root.iter(f"{SVG}clipPath")), "a line that leaves the chart is not clipped"
    (image,) = root.iter(f"{SVG}image")
    assert image.get("style") == "image-rendering:pixelated"
    assert all((each.get("font-family") or "").endswith(", sans-serif") for each in root.iter(f"{SVG}text"))


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_svg_is_well_formed_whatever_characters_names_have(qtbot: QtBot, character: str) -> None:
    label = QLabel(f"cat{character}dog")
    qtbot.addWidget(label)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.resize(200, 40)
    root = ElementTree.fromstring(to_svg(widget_drawing(f"a{character}b", label), QSize(200, 40)))
    words = "".join(each.text or "" for each in root.iter(f"{SVG}text"))
    assert character not in words
    assert words.startswith("cat")
    assert words.endswith("dog")
    assert root.find(f"{SVG}title").text == "a\ufffdb"


def test_words_keep_their_room(view: QWidget) -> None:
    """A font in points is as large in the drawing as on the screen, whatever the resolution."""
    root = ElementTree.fromstring(to_svg(widget_drawing("", view), QSize(600, 480)))
    sizes = {float(each.get("font-size") or 0) for each in root.iter(f"{SVG}text")}
    assert max(sizes) - min(sizes) < 1
    assert max(sizes) == pytest.approx(view.fontInfo().pixelSize(), abs=1)


def test_png_is_painted_anew_not_enlarged(view: QWidget) -> None:
    once = to_image(widget_drawing("", view), view.size())
    image = to_image(widget_drawing("", view), view.size() * 3)
    assert image.size() == QSize(900, 720)
    assert image != once.scaled(image.size())
    smaller = image.scaled(once.size(), mode=Qt.TransformationMode.SmoothTransformation)
    differences = [
        abs(smaller.pixelColor(x, y).lightness() - once.pixelColor(x, y).lightness())
        for x in range(0, 300, 7)
        for y in range(0, 240, 7)
    ]
    assert sum(differences) / len(differences) < 6  # the same picture in the same place
    lower_right = image.copy(QRect(450, 360, 450, 360))
    assert len({lower_right.pixel(x, y) for x in range(0, 450, 5) for y in range(0, 360, 5)}) > 2  # not cut off


def test_dialog_keeps_the_ratio_and_starts_at_twice_the_screen(qtbot: QtBot) -> None:
    dialog = SizeDialog("Chart", QSize(300, 200))
    qtbot.addWidget(dialog)
    assert dialog.chosen_size == QSize(600, 400)
    assert dialog.chosen_format == ImageFormat.PNG
    dialog.width_box.setValue(900)
    assert dialog.chosen_size == QSize(900, 600)
    dialog.height_box.setValue(100)
    assert dialog.chosen_size == QSize(150, 100)
    dialog.height_box.setValue(10**6)
    assert max(dialog.chosen_size.width(), dialog.chosen_size.height()) == GREATEST_EDGE
    assert dialog.chosen_size == QSize(GREATEST_EDGE, GREATEST_EDGE * 2 // 3)


def test_picture_is_saved_at_the_chosen_size_through_the_dialogs(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["coffee"]).window
    path = tmp_path / "picture.png"
    seen: list[str] = []

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, SizeDialog):
            seen.append("size")
            dialog.width_box.setValue(777)
            QTimer.singleShot(0, answer)
            dialog.accept()
        elif isinstance(dialog, QFileDialog):
            seen.append("file")
            dialog.selectFile(str(path))
            dialog.accept()
        else:
            QTimer.singleShot(20, answer)

    QTimer.singleShot(0, answer)
    window.actions_.save_sized.trigger()
    qtbot.waitUntil(path.exists, timeout=TIMEOUT_MS)
    assert seen == ["size", "file"]
    saved = QImage(str(path))
    drawing = window.report_commands.picture_drawing()
    assert saved.width() == 777
    assert saved.height() == pytest.approx(777 * drawing.size.height() / drawing.size.width(), abs=1)


def test_picture_as_svg_carries_its_legend_in_words(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["coffee"]).window
    path = tmp_path / "picture.svg"
    window.report_commands.write_drawing(window.report_commands.picture_drawing(), QSize(800, 700), path)
    qtbot.waitUntil(path.exists, timeout=TIMEOUT_MS)
    root = ElementTree.parse(path).getroot()
    words = "".join(each.text or "" for each in root.iter(f"{SVG}text")).replace(" ", "")  # one for each font
    shown = window.focus.shown_map
    assert not window.report_commands.picture_drawing().is_of_widgets, "it is painted in the saver's thread"
    for text in (shown.caption, shown.exactness, *shown.ends):
        assert text.replace(" ", "") in words
    assert len(list(root.iter(f"{SVG}image"))) == 1
    assert list(root.iter(f"{SVG}linearGradient"))


def test_every_view_of_a_panel_can_be_saved_in_both_formats(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["chelsea"]).window
    panel = window.microscope.show_panel("mixing")
    qtbot.waitUntil(lambda: bool(panel.arrays()), timeout=TIMEOUT_MS)
    assert panel.views()
    for row, name in enumerate(panel.views()):
        drawing = view_drawing(panel, name)
        for suffix in ("png", "svg"):
            path = tmp_path / f"{row}.{suffix}"
            window.report_commands.write_drawing(drawing, drawing.size * 2, path)
            qtbot.waitUntil(path.exists, timeout=TIMEOUT_MS)
        assert QImage(str(tmp_path / f"{row}.png")).size() == drawing.size * 2
        root = ElementTree.parse(tmp_path / f"{row}.svg").getroot()
        assert list(root.iter(f"{SVG}text")), f"{name} has no words in its SVG"
    assert view_drawing(panel, "no such view") is None


@pytest.mark.parametrize("topic", ["mixing", "class", "units", "convolution"])
def test_svg_shows_what_the_png_shows(
    start: Start,
    qtbot: QtBot,
    photographs: dict[str, Path],
    topic: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Read by Qt's own renderer: its generator leaves out the part of an image that `drawImage` is given."""
    window = start(photographs["chelsea"]).window
    panel = window.microscope.show_panel(topic)
    qtbot.waitUntil(lambda: bool(panel.arrays()) and bool(panel.views()), timeout=TIMEOUT_MS)
    for name in panel.views():
        drawing = view_drawing(panel, name)
        painted = QImage(drawing.size, QImage.Format.Format_RGB32)
        painter = QPainter(painted)
        for_qt = to_svg(drawing, drawing.size).replace(
            b'style="image-rendering:pixelated"', b'image-rendering="optimizeSpeed"'
        )
        QSvgRenderer(for_qt).render(painter)
        painter.end()
        expected = to_image(drawing, drawing.size).convertToFormat(QImage.Format.Format_RGB888)
        first, second = (
            np.frombuffer(each.constBits(), np.uint8).reshape(each.height(), -1)[:, : 3 * each.width()].astype(float)
            for each in (expected, painted.convertToFormat(QImage.Format.Format_RGB888))
        )
        difference = float(np.abs(first - second).mean() / 255)
        print(f"{topic}, {name}: mean difference {difference:.4f} of the range")  # noqa: T201
        record_property(name, difference)
        assert difference < 0.04, name
