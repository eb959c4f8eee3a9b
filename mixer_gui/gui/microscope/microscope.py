"""The right column: the overview, and behind tabs the views of the microscope, each made when it is first shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QMenu, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from mixer_gui.gui.focus import Focus
from mixer_gui.gui.microscope.panel import Panel

LEAST_SIZE = QSize(384, 320)
TAB_ROOM = 16  # pixels of a tab besides its words
LOAD_EVERY_MS = 200
NARROW = "QTabBar::tab { padding: 4px 2px 4px 1px; margin: 0; } QTabBar::tab:selected:focus { padding: 3px 1px 3px 0; }"


View = Callable[[Focus], Panel]


@dataclass(frozen=True, slots=True)
class Entry:
    """A tab of the microscope: its help topic, its words, and what makes its view, once that is imported."""

    topic: str
    tab: str
    tip: str
    load: Callable[[], View]


def _mixing() -> View:
    from mixer_gui.gui.microscope.mixing_panel import MixingPanel

    return MixingPanel


def _class() -> View:
    from mixer_gui.gui.microscope.class_panel import ClassPanel

    return ClassPanel


def _what_if() -> View:
    from mixer_gui.gui.microscope.what_if_panel import WhatIfPanel

    return WhatIfPanel


def _units() -> View:
    from mixer_gui.gui.microscope.units_panel import UnitsPanel

    return UnitsPanel


def _convolution() -> View:
    from mixer_gui.gui.microscope.convolution_panel import ConvolutionPanel

    return ConvolutionPanel


def _faithfulness() -> View:
    from mixer_gui.gui.microscope.faithfulness_panel import FaithfulnessPanel

    return FaithfulnessPanel


def _compare() -> View:
    from mixer_gui.gui.microscope.compare_panel import ComparePanel

    return ComparePanel


PANELS = (
    Entry(
        "mixing",
        str(QT_TRANSLATE_NOOP("microscope", "Mixing")),
        str(QT_TRANSLATE_NOOP("microscope", "Where each layer moves information")),
        _mixing,
    ),
    Entry(
        "class",
        str(QT_TRANSLATE_NOOP("microscope", "Class")),
        str(QT_TRANSLATE_NOOP("microscope", "Why this class, and not another")),
        _class,
    ),
    Entry(
        "what_if",
        str(QT_TRANSLATE_NOOP("microscope", "What if")),
        str(QT_TRANSLATE_NOOP("microscope", "Change the picture and see what changes")),
        _what_if,
    ),
    Entry(
        "units",
        str(QT_TRANSLATE_NOOP("microscope", "Units")),
        str(QT_TRANSLATE_NOOP("microscope", "What the units of token mixing have learned")),
        _units,
    ),
    Entry(
        "convolution",
        str(QT_TRANSLATE_NOOP("microscope", "CNN?")),
        str(QT_TRANSLATE_NOOP("microscope", "The same network by convolutions")),
        _convolution,
    ),
    Entry(
        "faithfulness",
        str(QT_TRANSLATE_NOOP("microscope", "Faithful?")),
        str(QT_TRANSLATE_NOOP("microscope", "Whether a map points at what matters")),
        _faithfulness,
    ),
    Entry(
        "compare",
        str(QT_TRANSLATE_NOOP("microscope", "Compare")),
        str(QT_TRANSLATE_NOOP("microscope", "Two pictures, or two models")),
        _compare,
    ),
)


class Tabs(QTabBar):
    """In a narrow column nearer to each other, so that none is out of sight."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDrawBase(False)
        self.setExpanding(False)
        self.setUsesScrollButtons(True)
        self.setElideMode(Qt.TextElideMode.ElideNone)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        words = sum(self.fontMetrics().horizontalAdvance(self.tabText(row)) for row in range(self.count()))
        style = NARROW if words + self.count() * TAB_ROOM > self.width() else ""
        if style != self.styleSheet():
            self.setStyleSheet(style)


class Pages(QStackedWidget):
    """As wide as the column is, whichever views were made: else the picture would shrink with each."""

    def minimumSizeHint(self) -> QSize:
        return LEAST_SIZE


class Microscope(QWidget):
    """Tabs over pages; at most one view is shown at a time."""

    panel_changed = Signal(object)  # Panel, or None: the overview
    panel_made = Signal(object)  # Panel: connect what only the window can do

    def __init__(self, overview: QWidget, focus: Focus, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._focus = focus
        self._panels: dict[int, Panel] = {}
        self._to_load = [entry.load for entry in PANELS]
        self._loading = QTimer(self, interval=LOAD_EVERY_MS)
        self._loading.timeout.connect(self._load_next)
        focus.report_changed.connect(self._loading.start)
        self.tabs = Tabs()
        self.tabs.setAccessibleName(self.tr("Views"))
        self.tabs.addTab(self.tr("Overview"))
        self.tabs.setTabToolTip(0, self.tr("Predictions and layers (Ctrl+1)"))
        for row, entry in enumerate(PANELS, start=1):
            self.tabs.addTab(_tr(entry.tab))
            self.tabs.setTabToolTip(row, self.tr("{0} (Ctrl+{1})").format(_tr(entry.tip), row + 1))
        self.tabs.currentChanged.connect(self._show_page)
        self.pages = Pages()
        self.pages.addWidget(overview)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.tabs)
        layout.addWidget(self.pages, 1)

    @property
    def panel(self) -> Panel | None:
        """The view that is shown; None for the overview."""
        return self._panels.get(self.tabs.currentIndex())

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The views that were made so far."""
        return tuple(self._panels.values())

    def fill_menu(self, menu: QMenu) -> None:
        """A command with a shortcut for each tab."""
        for row in range(self.tabs.count()):
            action = QAction(self.tabs.tabText(row), menu)
            action.setShortcut(QKeySequence(f"Ctrl+{row + 1}"))
            action.triggered.connect(lambda _checked=False, row=row: self.show_tab(row))
            menu.addAction(action)

    def show_tab(self, row: int) -> None:
        self.tabs.setCurrentIndex(row)

    def show_panel(self, topic: str) -> Panel | None:
        """The view of a topic of help; None where there is none."""
        for row, entry in enumerate(PANELS, start=1):
            if entry.topic == topic:
                self.show_tab(row)
                return self.panel
        return None

    @Slot()
    def _load_next(self) -> None:
        """Import the views while nothing happens: with their import, the first to be shown would hold the window."""
        if self._to_load:
            self._to_load.pop(0)()
        else:
            self._loading.stop()
            self._focus.report_changed.disconnect(self._loading.start)

    @Slot(int)
    def _show_page(self, row: int) -> None:
        if row > 0 and row not in self._panels:
            made = PANELS[row - 1].load()(self._focus)
            self._panels[row] = made
            self.pages.addWidget(made)
            self.panel_made.emit(made)
        for each in self._panels.values():
            if each.is_shown and each is not self._panels.get(row):
                each.set_shown(False)
        panel = self._panels.get(row)
        if panel is None:
            self.pages.setCurrentIndex(0)
        else:
            self.pages.setCurrentWidget(panel)
        self.panel_changed.emit(panel)
        if panel is not None:
            panel.set_shown(True)


def _tr(text: str) -> str:
    return QCoreApplication.translate("microscope", text)
