"""The report and the arrays, made in the real window and read back by parsers of their own."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree import ElementTree

import numpy as np
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel

from mixer_gui import __version__
from mixer_gui.gui.maps import MapKind
from mixer_gui.gui.microscope import microscope
from mixer_gui.gui.microscope.panel import Panel
from mixer_gui.gui.report import edit_words, escaped
from mixer_gui.gui.theme import DARK, LIGHT
from mixer_gui.records import Erase, Fill, PatchGrid, Shift, Shuffle, Stamp, Swap, Turn
from mixer_gui.settings import Theme
from tests.gui.conftest import TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from numpy.typing import NDArray
    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.focus import Focus
    from mixer_gui.gui.window import MainWindow

    Start = Callable[..., Application]

HOSTILE = '<img src=x onerror=alert(1)> "&amp;\u202e\x07'
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Every tag with its attributes, the text, and whether what was opened is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.style = ""
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def images(self, kind: str | None = None) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag == "img" and (kind is None or attrs.get("class") == kind)]


def decoded(image: dict[str, str | None]) -> QImage:
    address = image["src"] or ""
    assert address.startswith("data:image/png;base64,")
    made = QImage.fromData(base64.b64decode(address.partition(",")[2], validate=True))
    assert not made.isNull()
    return made


def equal(first: QImage, second: QImage) -> bool:
    form = QImage.Format.Format_RGBA8888
    return first.convertToFormat(form) == second.convertToFormat(form)


def report_of(qtbot: QtBot, window: MainWindow, path: Path) -> Page:
    window.report_commands.write_report(path)
    qtbot.waitUntil(path.exists, timeout=TIMEOUT_MS)
    return Page(path.read_text(encoding="utf-8"))


def loads_nothing(page: Page) -> bool:
    """No attribute and no style leads out of the page; a link would, but only when it is clicked."""
    for tag, attrs in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "link", "base", "form"}
        for name, value in attrs.items():
            assert not name.startswith("on"), f"{tag} has {name}"
            if name in {"src", "srcset", "data", "poster", "background", "style"}:
                assert name == "style" or urlsplit(value or "").scheme == "data"
                assert "url(" not in (value or "")
    assert "url(" not in page.style
    assert "@import" not in page.style
    return True


def test_report_shows_what_is_on_the_screen(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["chelsea"]).window
    report = window.session.current.report
    page = report_of(qtbot, window, tmp_path / "report.html")
    assert loads_nothing(page)
    photo, *_ = page.images("photo")
    assert equal(decoded(photo), window.picture.view.picture_with_map())
    pixels = decoded(page.images("input")[0]).convertToFormat(QImage.Format.Format_RGB888)
    height, width = report.pixels.shape[:2]
    rows = np.frombuffer(pixels.constBits(), np.uint8).reshape(height, pixels.bytesPerLine())[:, : 3 * width]
    np.testing.assert_array_equal(rows.reshape(height, width, 3), report.pixels)
    layers = page.images("map")
    shown = [window.layers.grid.layers.index(row).data(0x100).image for row in range(8)]
    assert [equal(decoded(each), image) for each, image in zip(layers, shown, strict=True)] == [True] * 8
    for each in report.predictions[:5]:
        assert each.label in page.text
        assert f"{each.probability * 100:.2f} %" in page.text
        assert f"{each.logit:.4f}" in page.text
    assert report.predictions[5].label not in page.text.partition("Layers")[0]
    model = report.model
    for text in (
        "chelsea.png",
        model.name,
        f"{model.parameters:,}",
        report.device.name,
        report.device.precision,
        __version__,
        window.focus.shown_map.caption,
        *window.focus.shown_map.ends,
        window.picture.framing.currentText(),
        f"{window.picture.opacity.value()} %",
        f"{report.timings_ms.forward:.1f} ms",
    ):
        assert text in page.text
    assert "prefers-color-scheme: dark" in page.style
    assert "@media print" in page.style


def test_report_follows_layers_kind_and_scale(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["coffee"]).window
    before = report_of(qtbot, window, tmp_path / "before.html")
    window.layers.kind.setCurrentIndex(window.layers.kind.findData(MapKind.CONTRIBUTION))
    qtbot.waitUntil(lambda: "Contribution" in (window.focus.shown_map.caption), timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: window.focus.shown_map.shown.signed, timeout=TIMEOUT_MS)
    window.layers.per_layer.setChecked(True)
    after = report_of(qtbot, window, tmp_path / "after.html")
    assert "Contribution to espresso" in after.text
    assert "each on its own scale" in after.text
    assert after.text.count("against") > before.text.count("against") + 7
    assert [each["src"] for each in after.images("map")] != [each["src"] for each in before.images("map")]


def test_shown_view_is_in_the_report_as_vectors(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["chelsea"]).window
    panel = window.microscope.show_panel("mixing")
    window.focus.want_patch(27)
    wanted = {"mixing_matrix", "reads", "rollout_reads"}
    qtbot.waitUntil(lambda: wanted <= set(panel.arrays()), timeout=TIMEOUT_MS)
    page = report_of(qtbot, window, tmp_path / "report.html")
    views = [each for each in page.images() if (each["src"] or "").startswith("data:image/svg+xml")]
    names = [name for name, each in panel.views().items() if not each.size().isEmpty()]
    assert [each["alt"] for each in views] == names
    assert panel.title.text() in page.text
    for each in views:
        drawing = ElementTree.fromstring(base64.b64decode((each["src"] or "").partition(",")[2]))
        assert drawing.tag == "{http://www.w3.org/2000/svg}svg"


class HostilePanel(Panel):
    """A view whose names are markup."""

    topic = "mixing"

    def __init__(self, focus: Focus) -> None:
        super().__init__(focus, f"Title {HOSTILE}")
        self.label = QLabel(HOSTILE.replace("\x07", ""))
        self.body.addWidget(self.label)

    def views(self) -> dict[str, QWidget]:
        return {f"View {HOSTILE}": self.label}

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {"evidence": np.arange(6.0).reshape(2, 3)}


def test_names_cannot_become_markup(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = microscope.Entry("mixing", "Hostile", "", lambda: HostilePanel)
    monkeypatch.setattr(microscope, "PANELS", (entry,))
    path = tmp_path / HOSTILE.replace("/", "").replace("\x07", "\udcff")  # a name that is no UTF-8, too
    path.write_bytes(photographs["coffee"].read_bytes())
    window = start(path).window
    window.microscope.show_panel("mixing")
    page = report_of(qtbot, window, tmp_path / "report.html")
    assert loads_nothing(page)
    assert '<img src=x onerror=alert(1)> "&amp;' in page.text  # as words, in name, title and caption
    assert page.text.count("onerror") >= 3
    assert all("onerror" not in attrs for _, attrs in page.tags)
    assert "\x07" not in page.text
    assert "\udcff" not in page.text
    arrays = tmp_path / "arrays.npz"
    window.report_commands.write_arrays(arrays)
    qtbot.waitUntil(arrays.exists, timeout=TIMEOUT_MS)
    with np.load(arrays, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["mixing.evidence"], np.arange(6.0).reshape(2, 3))
        assert archive["evidence"].shape != (2, 3)  # the report's own is not lost
        assert json.loads(str(archive["meta"]))["picture"] == path.name


def test_edits_are_told_with_before_and_after(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["coffee"]).window
    before = window.session.current.report
    window.session.set_edits(window.session.current, (Erase(frozenset(range(20))), Shift(8, 0)))
    qtbot.waitUntil(lambda: window.focus.before is not None and bool(window.focus.report.edits), timeout=TIMEOUT_MS)
    after = window.focus.report
    page = report_of(qtbot, window, tmp_path / "report.html")
    assert "set to the mean colour: 20 patches (1, 1), (1, 2)" in page.text
    assert "and 8 more" in page.text
    assert "shifted by 8 px" in page.text
    first = before.predictions[0]
    now = {each.index: each.probability for each in after.predictions}
    assert f"{first.probability * 100:.2f} %" in page.text
    if first.index in now:
        assert f"{now[first.index] * 100:.2f} %" in page.text
    images = [decoded(each) for each in page.images("input")]
    assert len(images) == 3
    assert equal(images[0], images[2])
    assert not equal(images[1], images[2])


def test_every_edit_has_its_words() -> None:
    grid = PatchGrid(4, 4)
    edits = (
        Erase(frozenset({0}), Fill.BLUR),
        Stamp(frozenset({5, 6}), "a<b", b""),
        Swap(0, 15),
        Shuffle(7),
        Turn(1),
        Shift(-3, 2),
    )
    assert [edit_words(each, grid) for each in edits] == [
        "blurred: 1 patch (1, 1)",
        "from “a<b”: 2 patches (2, 2), (2, 3)",
        "swapped: 2 patches (1, 1), (4, 4)",
        "all patches shuffled by the permutation of seed 7",
        "turned counter-clockwise by 90°",
        "shifted by -3 px to the right and 2 px down, round the edges",
    ]
    assert escaped("a<b\x00\udc80") == "a&lt;b��"


def test_arrays_equal_the_report(start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path) -> None:
    window = start(photographs["chelsea"]).window
    panel = window.microscope.show_panel("mixing")
    window.focus.want_patch(27)
    wanted = {"mixing_matrix", "reads", "rollout_reads"}
    qtbot.waitUntil(lambda: wanted <= set(panel.arrays()), timeout=TIMEOUT_MS)
    report, path = window.focus.report, tmp_path / "arrays.npz"
    window.report_commands.write_arrays(path)
    qtbot.waitUntil(path.exists, timeout=TIMEOUT_MS)
    with np.load(path, allow_pickle=False) as archive:
        assert archive["update"].dtype == np.float32
        for name in ("update", "relative_update", "evidence", "centred_evidence", "pixels"):
            np.testing.assert_array_equal(archive[name], getattr(report, name))
        for name, field in (("indices", "index"), ("probabilities", "probability"), ("logits", "logit")):
            np.testing.assert_array_equal(archive[name], [getattr(each, field) for each in report.predictions])
        for name, field in (("lens_indices", "index"), ("lens_probabilities", "probability")):
            expected = [[getattr(each, field) for each in layer] for layer in report.lens]
            np.testing.assert_array_equal(archive[name], expected)
        for name, values in panel.arrays().items():
            np.testing.assert_array_equal(archive[f"mixing.{name}"], values)
        meta = json.loads(str(archive["meta"]))
    assert meta["version"] == __version__
    assert meta["model"] == report.model.name
    assert meta["grid"] == {"rows": 8, "columns": 8}
    assert meta["seen"]["width"] == report.seen.width
    assert [each["index"] for each in meta["evidence_classes"]] == [each.index for each in report.predictions]


def test_without_a_picture_there_is_nothing_to_save(start: Start, tmp_path: Path) -> None:
    window = start().window
    actions = window.actions_
    assert not any(each.isEnabled() for each in (actions.save_report, actions.save_arrays, actions.save_sized))
    window.report_commands.write_report(tmp_path / "report.html")
    window.report_commands.write_arrays(tmp_path / "arrays.npz")
    assert "no numbers" in window._message.whole
    assert not list(tmp_path.glob("report*"))


def test_report_that_cannot_be_written_is_said(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["coffee"]).window
    window.report_commands.write_report(tmp_path / "missing" / "report.html")
    qtbot.waitUntil(lambda: "could not be written" in window._message.whole, timeout=TIMEOUT_MS)


def difference(one: QImage, other: QImage) -> float:
    """The share of pixels that differ: Qt draws the outlines of a few letters otherwise once an SVG was made."""
    pixels = [
        np.frombuffer(each.convertToFormat(QImage.Format.Format_RGB32).constBits(), np.uint32) for each in (one, other)
    ]
    return float(np.mean(pixels[0] != pixels[1]))


def test_figures_are_light_whatever_the_theme_is(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], tmp_path: Path
) -> None:
    window = start(photographs["chelsea"]).window
    window.set_theme(Theme.DARK)
    panel = window.microscope.show_panel("class")
    qtbot.waitUntil(lambda: bool(panel.views()) and not panel._asked, timeout=TIMEOUT_MS)
    qtbot.wait(300)  # the last answer is laid out
    dark = panel.grab().toImage()
    page = report_of(qtbot, window, tmp_path / "report.html")
    figures = [each["src"] for each in page.images() if (each["src"] or "").startswith("data:image/svg+xml;base64,")]
    assert figures
    for each in figures:
        svg = base64.b64decode(each.partition(",")[2]).decode()
        assert LIGHT.card in svg
        assert LIGHT.text in svg or LIGHT.muted in svg
        for colour in (DARK.card, DARK.text, DARK.muted):
            assert colour not in svg
    assert difference(panel.grab().toImage(), dark) < 0.01, "the window stays as it is"
