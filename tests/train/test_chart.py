"""A training's history drawn, tabled and listed: what is drawn is read off the SVG, and Qt renders it."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

import pytest
from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

from mixer_gui.train.chart import DASHED, SOLID, chart, heading, history_csv, row
from mixer_gui.train.measure import Epoch, Figures

SVG = "{http://www.w3.org/2000/svg}"


def history(epochs: int, *, held_out: bool = True) -> tuple[Epoch, ...]:
    """Losses that fall, shares that rise."""
    return tuple(
        Epoch(
            number,
            90.0 + number,
            1234.5,
            5.3 - 3 * number / epochs,
            Figures(500, 0.6 * number / epochs, 0.8 * number / epochs, 5.1 - 3.5 * number / epochs, 0.02)
            if held_out
            else None,
        )
        for number in range(1, epochs + 1)
    )


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg.encode()).iter(f"{SVG}text")]


@pytest.mark.parametrize("epochs", [1, 2, 7, 300])
def test_every_line_has_a_point_for_each_epoch_inside_the_drawing(epochs: int) -> None:
    root = ElementTree.fromstring(chart(history(epochs)).encode())
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    lines = list(root.iter(f"{SVG}polyline"))
    assert len(lines) == 4
    for line in lines:
        points = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
        assert len(points) == epochs
        assert all(0 < x < width and 0 < y < height for x, y in points)
        assert points == sorted(points)


def test_lines_are_told_apart_without_colour() -> None:
    lines = list(ElementTree.fromstring(chart(history(5)).encode()).iter(f"{SVG}polyline"))
    assert [("stroke-dasharray" in line.attrib) for line in lines] == [False, True, False, True]


def test_names_last_values_and_units_are_written() -> None:
    written = texts(chart(history(4)))
    for text in ("training 2.300", "held out 1.600", "top-1 60.0 %", "top-5 80.0 %", "cross-entropy, nats", "epoch"):
        assert text in written
    assert any("%" in text and "held-out" in text for text in written)


@pytest.mark.parametrize("epochs", [1, 3, 10, 30, 100, 300, 999])
def test_epochs_on_the_axis_are_few_and_whole(epochs: int) -> None:
    root = ElementTree.fromstring(chart(history(epochs)).encode())
    below = [
        each
        for each in root.iter(f"{SVG}text")
        if each.get("text-anchor") == "middle" and "transform" not in each.attrib
    ]
    ticks = [int(each.text or "") for each in below if each.text != "epoch"]
    ticks = ticks[: len(ticks) // 2]  # of the upper panel
    assert ticks[0] == 1
    assert ticks == sorted(set(ticks))
    assert epochs / 2 <= ticks[-1] <= epochs
    assert len(ticks) <= 11


def test_labels_of_lines_that_end_together_do_not_cover_each_other() -> None:
    epoch = Epoch(1, 1.0, 1.0, 2.0, Figures(10, 0.5, 0.5, 2.0, 0.1))
    root = ElementTree.fromstring(chart([epoch]).encode())
    heights = [float(each.attrib["y"]) for each in root.iter(f"{SVG}text") if each.get("fill") in (SOLID, DASHED)]
    assert len(heights) == 4
    assert abs(heights[0] - heights[1]) >= 16
    assert abs(heights[2] - heights[3]) >= 16


def test_without_held_out_pictures_their_panel_says_so() -> None:
    written = texts(chart(history(3, held_out=False)))
    assert "not measured" in written
    assert "training 2.300" in written


def test_a_loss_that_is_no_number_is_left_out() -> None:
    epochs = (*history(3), Epoch(4, 1.0, 1.0, float("nan"), None))
    root = ElementTree.fromstring(chart(epochs).encode())
    assert [len(line.attrib["points"].split()) for line in root.iter(f"{SVG}polyline")] == [3, 3, 3, 3]


def test_qt_draws_it_on_a_light_background_of_its_own(qapp: QGuiApplication) -> None:
    renderer = QSvgRenderer(QByteArray(chart(history(20)).encode()))
    assert renderer.isValid()
    image = QImage(renderer.defaultSize(), QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.black)
    painter = QPainter(image)
    renderer.render(painter, QRectF(image.rect()))
    painter.end()
    colours = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert image.pixelColor(1, 1) == QColor("white")
    assert {SOLID, DASHED} <= colours


def test_table_lines_are_as_wide_as_its_heading() -> None:
    lines = [heading(), *map(row, history(12))]
    assert lines[0] == heading()
    assert {len(line) for line in lines} == {len(heading())}
    assert lines[12].split() == ["12", "1:42", "1,234", "2.3000", "1.6000", "60.00", "%", "80.00", "%", "2.00", "%"]


def test_an_epoch_without_held_out_pictures_has_a_row() -> None:
    assert row(Epoch(3, 3723.0, 10.0, 1.5, None)).split() == ["3", "1:02:03", "10", "1.5000", "–", "–", "–", "–"]


def test_csv_holds_the_unrounded_figures() -> None:
    made = (*history(2), Epoch(3, 0.1 + 0.2, 10.0, 1 / 3, None))
    rows = list(csv.DictReader(io.StringIO(history_csv(made), newline="")))
    assert [int(each["epoch"]) for each in rows] == [1, 2, 3]
    assert float(rows[2]["seconds"]) == 0.1 + 0.2
    assert float(rows[2]["training_loss"]) == 1 / 3
    assert rows[2]["held_out_top1"] == ""
    assert float(rows[1]["held_out_loss"]) == 5.1 - 3.5
    assert rows[1]["held_out_pictures"] == "500"
