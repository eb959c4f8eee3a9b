"""The benchmark's panel: a real measurement in a process of its own, its chart and table, Cancel, the window's end."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from checkpoints import random_mixer, tiny_config, write_hub_folder
from PySide6.QtCore import Qt

from mixer_gui.gui.benchmark_chart import BenchmarkChart, Point, log_ticks
from mixer_gui.gui.benchmark_run import own_arguments
from mixer_gui.gui.rendering import to_svg, widget_drawing
from mixer_gui.hub.catalogue import RECOMMENDED
from mixer_gui.records import DevicePreference, Precision
from mixer_gui.records.benchmarks import Benchmark, Failure, Machine
from mixer_gui.settings import Settings, Theme
from tests.gui.conftest import TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application
    from mixer_gui.gui.benchmark_panel import BenchmarkPanel

    Start = Callable[..., Application]

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MEASURED_MS = 180_000


def download(cache: Path, repository: str) -> Path:
    """A tiny Mixer where a downloaded one would lie."""
    folder = cache / f"models--{repository.replace('/', '--')}" / "snapshots" / COMMIT
    return write_hub_folder(random_mixer(tiny_config()), folder)


def opened(application: Application, qtbot: QtBot) -> BenchmarkPanel:
    application.window.actions_.benchmark.trigger()
    panel = application.window.benchmark.panel
    assert panel is not None
    qtbot.waitUntil(lambda: application.window.model_commands.library.store is not None, timeout=TIMEOUT_MS)
    return panel


def test_nothing_downloaded_says_what_to_do(start: Start, qtbot: QtBot) -> None:
    application = start()
    panel = opened(application, qtbot)
    assert panel.chart.is_empty
    assert not panel.save.isEnabled()
    assert "Download a model to compare" in panel._empty_text()
    assert len(panel.candidates()) == 1
    panel.models.click()
    assert application.window.model_commands.manager.isVisible()


@pytest.mark.slow
def test_measured_models_are_in_table_and_chart(start: Start, qtbot: QtBot, hub_cache: Path) -> None:
    path = download(hub_cache, RECOMMENDED.repository)
    application = start(settings=Settings(theme=Theme.LIGHT))
    panel = opened(application, qtbot)
    assert panel.candidates()[1:] == (path,)
    qtbot.keyClick(panel.start, Qt.Key.Key_Space)
    assert panel.cancel.isVisible()
    qtbot.waitUntil(lambda: not panel.run.is_running, timeout=MEASURED_MS)
    assert panel.trouble.text() == ""
    assert panel.run.found.is_complete
    assert panel.start.isVisible()
    built_in, model = panel.run.found.models
    assert (built_in.top1, model.top1) == (None, RECOMMENDED.top1)
    assert panel.table.topLevelItemCount() == 4
    assert [panel.table.topLevelItem(row).text(2) for row in range(4)] == ["fp32", "bf16"] * 2
    for index, (figures, batch) in enumerate(
        (each, which)
        for which in ("best", "single")
        for each in model.precisions  # in the order of the choices
    ):
        panel.speed.setCurrentIndex(index)
        (point,) = panel.chart.points  # the built-in model has no published accuracy
        assert point.images_per_s == getattr(figures, batch).images_per_s
        assert (point.top1, point.parameters) == (RECOMMENDED.top1, model.parameters)
        assert figures.precision in (Precision.FP32, Precision.BF16)
    assert RECOMMENDED.title in panel.chart.accessibleDescription()
    assert panel.run.found.machine.device in panel.measured.text()
    assert panel.run.found.machine.device in panel.chart.x_axis.title
    assert panel.save.isEnabled()
    light = panel.chart.grab().toImage()
    application.window.set_theme(Theme.DARK)
    assert panel.chart.grab().toImage() != light


def test_cancel_ends_the_process_and_keeps_what_is_finished(start: Start, qtbot: QtBot) -> None:
    panel = opened(start(), qtbot)
    panel.start.click()
    panel.cancel.click()
    qtbot.waitUntil(lambda: not panel.run.is_running, timeout=TIMEOUT_MS)
    assert panel.trouble.text() == ""
    assert panel.start.isVisible()
    assert not panel.progress.isVisible()


def test_pictures_are_classified_while_it_measures(
    start: Start, qtbot: QtBot, photographs: dict[str, Path], hub_cache: Path
) -> None:
    download(hub_cache, RECOMMENDED.repository)
    application = start()
    panel = opened(application, qtbot)
    panel.start.click()
    application.window.files.open_paths([photographs["chelsea"]])
    session = application.window.session
    qtbot.waitUntil(lambda: session.current is not None and session.current.report is not None, timeout=TIMEOUT_MS)
    panel.cancel.click()
    qtbot.waitUntil(lambda: not panel.run.is_running, timeout=TIMEOUT_MS)


def test_model_that_is_gone_is_told(start: Start, qtbot: QtBot, tmp_path: Path) -> None:
    application = start()
    panel = opened(application, qtbot)
    panel.run.start([tmp_path / "gone"], application.window.session.device)
    qtbot.waitUntil(lambda: not panel.run.is_running, timeout=TIMEOUT_MS)
    assert "gone" in panel.trouble.text()
    assert "mixer-gui:" not in panel.trouble.text()


def test_broken_model_has_a_row_and_the_others_are_measured(start: Start, qtbot: QtBot, tmp_path: Path) -> None:
    application = start()
    panel = opened(application, qtbot)
    paths = [write_hub_folder(random_mixer(tiny_config()), tmp_path / name) for name in ("broken", "tiny")]
    (paths[0] / "model.safetensors").write_bytes(b"nothing")
    panel.run.start(paths, DevicePreference.CPU)
    qtbot.waitUntil(lambda: not panel.run.is_running, timeout=MEASURED_MS)
    assert panel.trouble.text() == ""
    first, single, half = (panel.table.topLevelItem(row) for row in range(panel.table.topLevelItemCount()))
    assert first.text(0).startswith("broken: “model.safetensors” is incomplete")
    assert first.isFirstColumnSpanned()
    assert str(paths[0]) in first.toolTip(0)
    assert [(each.text(0), each.text(2)) for each in (single, half)] == [("tiny", "fp32"), ("tiny", "bf16")]
    assert not single.isFirstColumnSpanned()

    found = panel.run.found
    assert found is not None
    threads = "In one thread, as the program runs small models: tiny."
    assert (threads in panel.measured.text()) == (found.machine.threads > 1)

    model = found.models[-1]
    failure = Failure(name="tiny", path=None, precision=Precision.BF16, error="It cannot run here.")
    panel.run.found = replace(found, models=(replace(model, precisions=(model.precisions[0], failure)),))
    panel.run.changed.emit()
    assert [panel.table.topLevelItem(row).text(0) for row in range(panel.table.topLevelItemCount())] == [
        "tiny",
        "tiny, bf16: It cannot run here.",
    ]


def test_busy_computer_is_told(start: Start, qtbot: QtBot) -> None:
    panel = opened(start(), qtbot)
    panel.run.found = figures_of_nothing(load=4.01)
    panel.run.changed.emit()
    assert panel.busy.isVisible()
    assert "load 4.01 on 8 cores" in panel.busy.text()
    for load in (3.99, None):
        panel.run.found = figures_of_nothing(load=load)
        panel.run.changed.emit()
        assert not panel.busy.isVisible()


def test_chart_offers_the_precisions_of_the_device(start: Start, qtbot: QtBot) -> None:
    panel = opened(start(), qtbot)
    assert [panel.speed.itemText(index) for index in range(panel.speed.count())] == [
        "fp32, best batch",
        "fp32, one picture at a time",
    ]
    panel.speed.setCurrentIndex(1)
    panel.run.found = figures_of_nothing(precisions=(Precision.FP32, Precision.FP16, Precision.BF16))
    panel.run.changed.emit()
    texts = [panel.speed.itemText(index) for index in range(panel.speed.count())]
    assert texts[:3] == ["fp32, best batch", "fp16, best batch", "bf16, best batch"]
    assert texts[4] == "fp16, one picture at a time"
    assert panel.speed.currentText() == "fp32, one picture at a time"


def figures_of_nothing(
    *, load: float | None = None, precisions: tuple[Precision, ...] = (Precision.FP32, Precision.BF16)
) -> Benchmark:
    machine = Machine(
        device="GPU", processor="CPU", cores=8, threads=8, system="Linux", python="3.11", torch="2.13", load=load
    )
    return Benchmark(machine=machine, rounds=20, precisions=precisions)


def test_closing_the_window_ends_a_measurement(start: Start, qtbot: QtBot) -> None:
    application = start()
    panel = opened(application, qtbot)
    panel.start.click()
    qtbot.waitUntil(lambda: panel.run.is_running, timeout=TIMEOUT_MS)
    application.window.close()
    assert not panel.run.is_running
    assert not panel.isVisible()


def test_packaged_executable_is_started_as_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_arguments() == ["-m", "mixer_gui"]
    monkeypatch.setattr("sys.frozen", True, raising=False)
    assert own_arguments() == []


def test_equal_steps_of_the_axis_are_equal_factors(qtbot: QtBot) -> None:
    chart = BenchmarkChart()
    qtbot.addWidget(chart)
    chart.resize(600, 400)
    chart.show_points([Point("a", 10.0, 70.0, 10**6), Point("b", 100.0, 80.0, 4 * 10**6)], "images/s")
    tens, hundreds = (chart.to_screen(math.log10(value), 75.0).x() for value in (10.0, 100.0))
    middle = chart.to_screen(math.log10(math.sqrt(1000.0)), 75.0).x()
    assert middle == pytest.approx((tens + hundreds) / 2)
    small, large = chart.points
    assert large.radius**2 == pytest.approx(4 * small.radius**2)
    assert b"<svg" in to_svg(widget_drawing("chart", chart), chart.size())
    chart.show_points([], "")
    assert chart.is_empty


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (3.0, 60.0, (5, 10, 20, 50)),
        (0.3, 1.1, (0.5, 1)),
        (1.0, 1e6, (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: tuple[float, ...]) -> None:
    assert log_ticks(low, high) == pytest.approx(ticks)
