"""The controls of a measurement: how finely, Measure, Cancel, how far it is."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from mixer_gui.gui.labels import set_words, words_label
from mixer_gui.gui.microscope.measurement import duration_text, forward_passes, sensible_size, step_sizes, steps


class MeasureBox(QWidget):
    """Asks for a measurement and shows how far it is; knows neither map nor network."""

    measure_asked = Signal()
    cancel_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = (0, 0.0)  # patches, and milliseconds of a forward pass
        self._wanted_row: int | None = None  # what the user chose
        self.subject = words_label()
        self.fineness = QComboBox()
        self.fineness.setAccessibleName(self.tr("Patches a step"))
        self.fineness.setToolTip(self.tr("How many patches are removed or put back between two points of a curve"))
        self.fineness.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.fineness.setMinimumContentsLength(12)
        self.fineness.activated.connect(self._choose)
        self.measure = QPushButton(self.tr("Measure"))
        self.measure.setObjectName("primary")
        self.measure.setToolTip(self.tr("Draw the deletion and insertion curves of the map on screen"))
        self.measure.clicked.connect(self.measure_asked)
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setAccessibleName(self.tr("Cancel the measurement"))
        self.cancel.setToolTip(self.tr("Stop; the curves so far stay"))
        self.cancel.clicked.connect(self.cancel_asked)
        self.cost = words_label("muted")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setAccessibleName(self.tr("Progress of the measurement"))
        self.note = words_label("warning")
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.fineness, 1)
        row.addWidget(self.measure)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        for part in (self.subject, row, self.bar, self.cost, self.note):
            if isinstance(part, QHBoxLayout):
                layout.addLayout(part)
            else:
                layout.addWidget(part)
        self.show_idle("", can_start=False)

    @property
    def patches_per_step(self) -> int:
        size = self.fineness.currentData()
        return size if isinstance(size, int) else 1

    def set_picture(self, patches: int, forward_ms: float) -> None:
        """Offer the steps that fit this many patches; choose those that end soon, unless the user chose."""
        if patches != self._grid[0]:
            self.fineness.clear()
            for size in step_sizes(patches):
                text = self.tr("every patch ({0} steps)") if size == 1 else self.tr("{1} patches at a time ({0} steps)")
                self.fineness.addItem(text.format(steps(patches, size), size), size)
            self._wanted_row = None
        self._grid = (patches, forward_ms)
        if self._wanted_row is None:
            self.fineness.setCurrentIndex(self.fineness.findData(sensible_size(patches, forward_ms)))
        if self.fineness.isEnabled():
            self._show_cost()

    def show_idle(self, note: str, *, can_start: bool) -> None:
        """`note`: what has to be said of the last measurement."""
        self._show_running(False)
        self.measure.setEnabled(can_start)
        set_words(self.note, note)
        self._show_cost()

    def show_waiting(self, words: str) -> None:
        self._show_running(True)
        self.bar.setRange(0, 0)
        set_words(self.cost, words)

    def show_progress(self, done: int, total: int, words: str) -> None:
        self._show_running(True)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        set_words(self.cost, words)
        self.bar.setAccessibleDescription(words)

    def _show_running(self, running: bool) -> None:
        had_focus = self.measure.hasFocus() or self.cancel.hasFocus()
        self.fineness.setEnabled(not running)
        self.measure.setVisible(not running)
        self.cancel.setVisible(running)
        self.bar.setVisible(running)
        if running:
            set_words(self.note, "")
        if had_focus:
            (self.cancel if running else self.measure).setFocus()

    def _show_cost(self) -> None:
        patches, forward_ms = self._grid
        if patches:
            passes = forward_passes(patches, self.patches_per_step)
            text = self.tr("{0:,} forward passes, {1}").format(passes, duration_text(passes * forward_ms))
            set_words(self.cost, text)

    def _choose(self, row: int) -> None:
        self._wanted_row = row
        self._show_cost()


def shown_on_screen(caption: str, class_label: str) -> str:
    """Which map would be measured."""
    if not caption:
        return QCoreApplication.translate("MeasureBox", "No map is on the screen.")
    text = QCoreApplication.translate("MeasureBox", "On screen: “{0}”. For the class: “{1}”.")
    return text.format(caption, class_label)
