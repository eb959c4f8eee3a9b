"""Composition root: settings, threads, window, wiring, ordered shutdown.

The window is painted first; only then does the engine thread start and import torch.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMetaObject, QObject, Qt, QThread, Signal, Slot
from PySide6.QtWidgets import QApplication

from mixer_gui import __version__
from mixer_gui.gui.theme import apply_theme
from mixer_gui.gui.window import MainWindow
from mixer_gui.gui.workers import EngineWorker
from mixer_gui.records import ModelRef
from mixer_gui.resources import default_model
from mixer_gui.settings import Settings, SettingsFile, assumptions_from_json


class Application(QObject):
    """Owns the engine thread, its worker and the window."""

    _went_wrong = Signal(str)  # an error that nobody foresaw, in any thread

    def __init__(self, files: list[Path], settings_file: SettingsFile) -> None:
        super().__init__()
        self._settings_file = settings_file
        settings = settings_file.load()
        self.worker = EngineWorker()
        self._thread = QThread()
        self._thread.setObjectName("engine")
        self.worker.moveToThread(self._thread)
        self.window = MainWindow(self.worker, remembered_model(settings), settings)
        self.window.picture.view.first_painted.connect(self._start_engine)
        self._went_wrong.connect(self.window.complain)
        self._files = files

    @Slot()
    def _start_engine(self) -> None:
        """The window is on the screen: now work may begin."""
        self._thread.start()
        QMetaObject.invokeMethod(self.worker, "start", Qt.ConnectionType.QueuedConnection)
        if self._files:
            self.window.files.open_paths(self._files)

    def tell_unforeseen(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """For `sys.excepthook`: PySide prints what a slot raises and goes on, and nobody sees standard error."""
        sys.__excepthook__(kind, error, trace)
        self._went_wrong.emit(
            self.tr("Something went wrong inside the program ({0}: {1}). Please report it.").format(
                kind.__name__, error
            )
        )

    @Slot()
    def shut_down(self) -> None:
        """Settings first, then: stop the sources, empty the mailbox, quit the thread and wait for its step."""
        try:
            self._settings_file.save(self.window.settings())
        except OSError as error:
            print(f"The settings could not be saved: {error}", file=sys.stderr)  # noqa: T201 - the window is gone
        self.worker.close()
        self._thread.quit()
        self._thread.wait()


def remembered_model(settings: Settings) -> ModelRef:
    """The model of the last time; the embedded one where none was chosen."""
    if not settings.model_path:
        return default_model()
    path = Path(settings.model_path)
    if path.is_dir():
        return ModelRef(path)
    for stored in settings.assumptions.values():
        if stored.get("path") == settings.model_path:
            try:
                return ModelRef(path, assumptions=assumptions_from_json(stored))
            except (TypeError, ValueError, IndexError):
                break
    return ModelRef(path)


def build(files: list[Path], settings_file: SettingsFile) -> tuple[QApplication, Application]:
    """The application with its window on the way to the screen; `QApplication.exec` then runs it."""
    qt = QApplication(sys.argv[:1])
    qt.setApplicationName("mixer-gui")
    qt.setApplicationDisplayName("Mixer GUI")
    qt.setApplicationVersion(__version__)
    qt.setStyle("Fusion")
    apply_theme(qt, settings_file.load().theme)
    application = Application(files, settings_file)
    application.window.show()
    qt.aboutToQuit.connect(application.shut_down)
    return qt, application


def main(files: list[str]) -> int:
    """Run the window until it is closed; returns the exit code."""
    qt, application = build([Path(name) for name in files], SettingsFile())
    sys.excepthook = application.tell_unforeseen
    return qt.exec()
