"""Qt's application object, which on macOS is told what the Finder opens: there files do not come as arguments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QTimer, Signal, Slot
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

if TYPE_CHECKING:
    from collections.abc import Sequence


class DesktopApplication(QApplication):
    """Events of other objects do not pass through here, as they would through an event filter."""

    files_arrived = Signal(object)  # list[Path], absolute: what was opened in one go

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(list(arguments))
        self._arrived: list[Path] = []

    def event(self, event: QEvent) -> bool:
        if not isinstance(event, QFileOpenEvent):
            return super().event(event)
        if event.file():  # empty for an address that is no file
            if not self._arrived:
                QTimer.singleShot(0, self._tell)  # each file of a selection is an event of its own
            self._arrived.append(Path(event.file()))
        return True

    @Slot()
    def _tell(self) -> None:
        files, self._arrived = self._arrived, []
        self.files_arrived.emit(files)
