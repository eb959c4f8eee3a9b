"""The window "Benchmark": the models on this computer measured on this device, as a chart and a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.amounts import size_text
from mixer_gui.gui.benchmark_chart import BenchmarkChart, Point
from mixer_gui.gui.benchmark_run import BenchmarkRun
from mixer_gui.gui.labels import heading, plain_tip, set_words, words_label
from mixer_gui.gui.model_items import Place
from mixer_gui.records import Precision
from mixer_gui.records.benchmarks import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mixer_gui.gui.library import Library
    from mixer_gui.gui.session import Session
    from mixer_gui.records.benchmarks import Benchmark, Machine, ModelFigures, PrecisionFigures


class BenchmarkPanel(QDialog):
    """Not modal. The measurement goes on while it is closed, behind what the window is asked for."""

    models_asked = Signal()  # show the list of models
    save_asked = Signal()  # write the chart to a file

    def __init__(self, library: Library, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Benchmark"))
        self._library, self._session = library, session
        self.run = BenchmarkRun(self)
        self.chart = BenchmarkChart()
        self.speed = QComboBox()
        self._offer_speeds((Precision.FP32,))
        self.speed.setToolTip(self.tr("Which images per second the chart shows"))
        speed_label = QLabel(self.tr("&Speed"))
        speed_label.setBuddy(self.speed)
        self.table = self._built_table()
        self.measured = words_label("muted")
        self.busy = words_label("warning")
        self.trouble = words_label("warning")
        self.doing = words_label("muted")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.progress.setAccessibleName(self.tr("Progress of the measurement"))
        self.models = QPushButton(self.tr("Mo&dels…"))
        self.models.setToolTip(self.tr("The list of models, with those that can be downloaded"))
        self.save = QPushButton(self.tr("Sa&ve Chart…"))
        self.save.setToolTip(self.tr("As PNG or SVG"))
        self.start = QPushButton(self.tr("&Measure"))
        self.start.setObjectName("primary")
        self.cancel = QPushButton(self.tr("&Cancel"))
        self.cancel.setToolTip(self.tr("What is finished is kept"))
        for button in (self.models, self.save, self.start, self.cancel):
            button.setAutoDefault(False)

        head, foot = QHBoxLayout(), QHBoxLayout()
        head.addWidget(heading(self.tr("Accuracy and speed on this device")))
        head.addStretch(1)
        head.addWidget(speed_label)
        head.addWidget(self.speed)
        foot.addWidget(self.doing, 1)
        for button in (self.models, self.save, self.cancel, self.start):
            foot.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 10)
        layout.setSpacing(8)
        layout.addLayout(head)
        layout.addWidget(self.chart, 3)
        layout.addWidget(self.table, 2)
        layout.addWidget(self.measured)
        layout.addWidget(self.busy)
        layout.addWidget(self.trouble)
        layout.addWidget(self.progress)
        layout.addLayout(foot)
        self.setMinimumSize(760, 480)
        self.resize(860, 700)

        self.start.clicked.connect(self._start)
        self.cancel.clicked.connect(self.run.cancel)
        self.models.clicked.connect(self.models_asked)
        self.save.clicked.connect(self.save_asked)
        self.speed.currentIndexChanged.connect(self._refresh)
        self.run.changed.connect(self._refresh)
        self.run.ended.connect(self._end)
        library.changed.connect(self._refresh_if_visible)
        self._refresh()

    def show_up(self) -> None:
        """Show it, in front; what is on disk is looked at again."""
        self._library.refresh()
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self._refresh()
        self.activateWindow()
        (self.cancel if self.run.is_running else self.start).setFocus()

    def candidates(self) -> tuple[Path, ...]:
        """What Measure measures: the built-in model, the downloaded ones, and a folder that is in use."""
        paths = [each.path for each in self._library.items() if each.path is not None]
        in_use = self._session.model.path
        return tuple(dict.fromkeys((*paths, *((in_use,) if in_use.is_dir() else ()))))

    # --- inside ---

    @Slot()
    def _start(self) -> None:
        self.trouble.clear()
        self.run.start(self.candidates(), self._session.device)
        self._refresh()
        self.cancel.setFocus()

    @Slot(str)
    def _end(self, trouble: str) -> None:
        set_words(self.trouble, trouble)
        had_focus = self.cancel.hasFocus()
        self._refresh()
        if had_focus:
            self.start.setFocus()

    @Slot()
    def _refresh_if_visible(self) -> None:
        """A download under way changes the library ten times a second."""
        if self.isVisible():
            self._refresh()

    @Slot()
    def _refresh(self) -> None:
        found, is_running = self.run.found, self.run.is_running
        self.start.setVisible(not is_running)
        self.cancel.setVisible(is_running)
        self.progress.setVisible(is_running)
        self.progress.setMaximum(0 if found is None else found.steps)
        self.progress.setValue(0 if found is None else found.steps_done)
        set_words(self.trouble, self.trouble.text())
        self.doing.setText(self._doing_text(found, is_running))
        if found is not None:
            self._offer_speeds(found.precisions)
        self.chart.set_empty_message(self._empty_text())
        self.chart.show_points(self._points(), self._across())
        self.save.setEnabled(not self.chart.is_empty)
        self._fill_table()
        set_words(self.measured, "" if found is None else self._measured_text(found))
        set_words(self.busy, "" if found is None else self._busy_text(found.machine))

    def _offer_speeds(self, precisions: Sequence[Precision]) -> None:
        """Those in which this device measures; what is chosen stays so."""
        choices = [(precision.value, is_single) for is_single in (False, True) for precision in precisions]
        if choices == [self.speed.itemData(index) for index in range(self.speed.count())]:
            return
        chosen = self.speed.currentData()
        with QSignalBlocker(self.speed):
            self.speed.clear()
            for precision, is_single in choices:
                text = self.tr("{0}, one picture at a time") if is_single else self.tr("{0}, best batch")
                self.speed.addItem(text.format(precision), (precision, is_single))
            self.speed.setCurrentIndex(choices.index(chosen) if chosen in choices else 0)

    def _points(self) -> list[Point]:
        precision, is_single = self.speed.currentData()
        points = []
        for model, figures in self.run.found.measured if self.run.found is not None else ():
            if model.top1 is not None and figures.precision == precision:
                batch = figures.single if is_single else figures.best
                label = f"{model.name} · {model.parameters / 1e6:.0f}M"
                points.append(Point(label, batch.images_per_s, model.top1, model.parameters))
        return points

    def _across(self) -> str:
        device = "" if self.run.found is None else self.run.found.machine.device
        return self.tr("images/s on {0} ({1}), logarithmic; area: parameters").format(device, self.speed.currentText())

    def _empty_text(self) -> str:
        known = (each.entry for each in self._library.items() if each.place == Place.DISK)
        if not any(entry is not None and entry.top1 is not None for entry in known):
            return self.tr(
                "Download a model to compare.\nThe chart shows models with a published ImageNet accuracy: “Models…” "
                "lists them. The built-in one has none; its speed goes into the table."
            )
        return self.tr("“Measure” runs each model on this device: about a minute for each, longer for the largest.")

    def _doing_text(self, found: Benchmark | None, is_running: bool) -> str:
        if not is_running:
            return ""
        if found is None:
            return self.tr("Starting …")
        return self.tr("{0} of {1}: {2}. Other work on this computer makes the figures lower.").format(
            found.steps_done + 1, found.steps, found.doing
        )

    def _measured_text(self, found: Benchmark) -> str:
        machine = found.machine
        said = self.tr(
            "Measured: forward passes with random pixels, median of {0} at batch 1 and fewer at larger ones, on {1} "
            "({2} cores, {3} threads, torch {4}). GFLOP/s and their share of large matrix products alone: best batch."
        ).format(found.rounds, machine.device, machine.cores, machine.threads, machine.torch)
        alone = dict.fromkeys(model.name for model, _ in found.measured if model.threads == 1 < machine.threads)
        if not alone:
            return said
        return said + " " + self.tr("In one thread, as the program runs small models: {0}.").format(", ".join(alone))

    def _busy_text(self, machine: Machine) -> str:
        if not machine.is_busy:
            return ""
        return self.tr(
            "This computer was busy when the measurement began (load {0:.2f} on {1} cores): the figures are too low."
        ).format(machine.load, machine.cores)

    def _built_table(self) -> QTreeWidget:
        table = QTreeWidget()
        table.setAccessibleName(self.tr("Figures"))
        titles = (
            (self.tr("Model"), ""),
            (self.tr("Top-1"), self.tr("ImageNet accuracy as published")),
            (self.tr("In"), self.tr("Precision")),
            (self.tr("Latency"), self.tr("One picture: median; in its tip the 95th percentile")),
            (self.tr("Images/s"), self.tr("One picture at a time")),
            (self.tr("Best"), self.tr("Images/s at the best batch size")),
            (self.tr("GFLOP/s"), self.tr("Two for each multiply-accumulate, at the best batch size")),
            (self.tr("Of peak"), self.tr("Share of what large matrix products alone reach")),
            (self.tr("Weights"), ""),
            (
                self.tr("Memory"),
                self.tr("The most that weights and passes took; in half precision beside the weights in fp32"),
            ),
        )
        table.setColumnCount(len(titles))
        table.setHeaderLabels([title for title, _ in titles])
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for column, (_, tip) in enumerate(titles):
            table.headerItem().setToolTip(column, tip)
            if column:
                table.headerItem().setTextAlignment(column, right)
        table.setRootIsDecorated(False)
        table.setAllColumnsShowFocus(True)
        table.setUniformRowHeights(True)
        header = table.header()
        header.setStretchLastSection(False)
        header.setSectionsMovable(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(44)
        table.setMinimumHeight(110)
        return table

    def _fill_table(self) -> None:
        rows = [] if self.run.found is None else list(self.run.found.rows)
        if len(rows) < self.table.topLevelItemCount():
            self.table.clear()
        for row in rows[self.table.topLevelItemCount() :]:  # rows only come, and keep their figures
            if isinstance(row, Failure):
                self._add_failure(row)
            else:
                self._add_figures(*row)

    def _add_figures(self, model: ModelFigures, figures: PrecisionFigures) -> None:
        item = QTreeWidgetItem(_cells(model, figures))
        for column in range(1, item.columnCount()):
            item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        item.setToolTip(0, plain_tip(f"{model.name}\n{model.path or ''}"))
        item.setToolTip(3, self.tr("95th percentile: {0:.1f} ms").format(figures.single.p95_ms))
        self.table.addTopLevelItem(item)

    def _add_failure(self, failure: Failure) -> None:
        what = failure.name if failure.precision is None else f"{failure.name}, {failure.precision}"
        item = QTreeWidgetItem([self.tr("{0}: {1}").format(what, failure.error)])
        item.setToolTip(0, plain_tip(f"{what}\n{failure.path or ''}\n{failure.error}"))
        self.table.addTopLevelItem(item)
        item.setFirstColumnSpanned(True)


def _cells(model: ModelFigures, figures: PrecisionFigures) -> list[str]:
    best = figures.best
    return [
        model.name,
        "–" if model.top1 is None else f"{model.top1:.1f} %",
        figures.precision.value,
        f"{figures.single.median_ms:.1f} ms",
        f"{figures.single.images_per_s:.1f}",
        f"{best.images_per_s:.1f} ({best.batch})",
        f"{best.gflop_per_s:.0f}",
        f"{figures.gemm_share:.0%}",
        size_text(figures.weights_bytes),
        "–" if figures.peak_bytes is None else size_text(figures.peak_bytes),
    ]
