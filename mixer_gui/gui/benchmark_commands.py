"""Model → Benchmark…: its panel is only built, and its modules only imported, when it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from mixer_gui.gui.benchmark_panel import BenchmarkPanel
    from mixer_gui.gui.model_commands import ModelCommands
    from mixer_gui.gui.report_commands import ReportCommands
    from mixer_gui.gui.session import Session


class BenchmarkCommands(QObject):
    """Lives in the window's thread."""

    def __init__(self, models: ModelCommands, reports: ReportCommands, session: Session, window: QWidget) -> None:
        super().__init__(window)
        self.panel: BenchmarkPanel | None = None
        self._models, self._reports, self._session, self._window = models, reports, session, window

    @Slot()
    def show_panel(self) -> None:
        if self.panel is None:
            from mixer_gui.gui.benchmark_panel import BenchmarkPanel

            self.panel = BenchmarkPanel(self._models.library, self._session, self._window)
            self.panel.models_asked.connect(self._models.show_manager)
            self.panel.save_asked.connect(self._save_chart)
        self.panel.show_up()

    @Slot()
    def _save_chart(self) -> None:
        if self.panel is not None:
            self._reports.save_widget(self.panel.chart, self.tr("Accuracy and speed"))

    def close(self) -> None:
        """The window closes: a measurement ends with it."""
        if self.panel is not None:
            self.panel.run.close()
            self.panel.close()
