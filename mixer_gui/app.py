"""Composition root: settings, threads, window, wiring, ordered shutdown.

The window is painted first; only then does the engine thread start and import torch.
"""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import QLoggingCategory, QMetaObject, QObject, QSocketNotifier, Qt, QThread, Signal, Slot
from PySide6.QtWidgets import QApplication

from mixer_gui import __version__
from mixer_gui.gui.media_worker import MediaWorker
from mixer_gui.gui.theme import apply_theme
from mixer_gui.gui.window import MainWindow
from mixer_gui.gui.workers import EngineWorker, HubWorker
from mixer_gui.records import ModelRef
from mixer_gui.resources import default_model
from mixer_gui.settings import Settings, SettingsFile, acceptances_path, assumptions_from_json

if TYPE_CHECKING:
    from mixer_gui.startup import StartupReport

# Which libraries of the system QtMultimedia found, and what is in each file, is nobody's business on a terminal.
QUIET_MEDIA = "qt.multimedia.*=false"


class Application(QObject):
    """Owns the engine thread, its worker, the Hub's worker and the window."""

    _went_wrong = Signal(str)  # an error that nobody foresaw, in any thread

    def __init__(self, files: list[Path], settings_file: SettingsFile, hub: HubWorker | None = None) -> None:
        super().__init__()
        self._settings_file = settings_file
        settings = settings_file.load()
        self.worker = EngineWorker(acceptances_path(settings_file.path))
        self._thread = QThread()
        self._thread.setObjectName("engine")
        self.worker.moveToThread(self._thread)
        self.hub = HubWorker() if hub is None else hub
        self.media = MediaWorker()
        self.window = MainWindow(self.worker, self.hub, self.media, remembered_model(settings), settings)
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

    def quit_on_signals(self) -> None:
        """Ctrl-C and SIGTERM end the program as closing its window does: with its settings saved.

        Python runs a signal's handler only between two of its own instructions, and Qt's loop may wait for
        minutes before the next one; the byte that `set_wakeup_fd` sends wakes the loop at once.
        """
        self._signals = socket.socketpair()
        for end in self._signals:
            end.setblocking(False)
        signal.set_wakeup_fd(self._signals[1].fileno())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: None)
        self._woken = QSocketNotifier(self._signals[0].fileno(), QSocketNotifier.Type.Read, self)
        self._woken.activated.connect(QApplication.quit)

    @Slot()
    def shut_down(self) -> None:
        """Settings first, then: stop downloads and sources, empty the mailbox, quit the thread, wait for its step."""
        try:
            self._settings_file.save(self.window.settings())
        except OSError as error:
            print(f"The settings could not be saved: {error}", file=sys.stderr)  # noqa: T201 - the window is gone
        self.media.shut_down()
        self.hub.close()
        self.worker.close()
        self._thread.quit()
        self._thread.wait()


def remembered_model(settings: Settings) -> ModelRef:
    """The model of the last time; the embedded one where none was chosen."""
    if not settings.model_path:
        return default_model()
    path = Path(settings.model_path)
    if settings.model_assumptions is None:
        return ModelRef(path)
    try:
        return ModelRef(path, assumptions=assumptions_from_json(settings.model_assumptions))
    except ValueError:
        return ModelRef(path)


def build(files: list[Path], settings_file: SettingsFile) -> tuple[QApplication, Application]:
    """The application with its window on the way to the screen; `QApplication.exec` then runs it."""
    QLoggingCategory.setFilterRules(QUIET_MEDIA)
    qt = QApplication(sys.argv[:1])
    qt.setApplicationName("mixer-gui")
    qt.setApplicationDisplayName("Mixer GUI")
    qt.setApplicationVersion(__version__)
    qt.setStyle("Fusion")
    apply_theme(qt, settings_file.load().theme)
    application = Application(files, settings_file)
    application.window.show()
    qt.aboutToQuit.connect(application.shut_down)
    qt.styleHints().colorSchemeChanged.connect(application.window.follow_system_theme)
    return qt, application


def report_start(application: Application, report: StartupReport) -> None:
    """Have the times of a start taken, and print them once the first prediction is there.

    Marks are taken in the thread in which they happen: an answer waits for the window's thread on its way there.
    """
    from mixer_gui.startup import Mark

    report.mark(Mark.WINDOW)
    direct = Qt.ConnectionType.DirectConnection
    worker = application.worker
    application.window.picture.view.first_painted.connect(lambda: report.mark(Mark.PAINT), direct)
    worker.ready_to_run.connect(lambda: report.mark(Mark.TORCH), direct)
    worker.model_ready.connect(lambda _: report.mark(Mark.MODEL), direct)
    worker.frame_ready.connect(lambda _: report.mark(Mark.PICTURE), direct)
    is_told = False

    def tell(_report: object) -> None:
        nonlocal is_told
        report.mark(Mark.PREDICTION)
        if not is_told and sys.stderr is not None:
            is_told = True
            print(report.text(), file=sys.stderr, flush=True)  # noqa: T201 - what was asked for

    worker.report_ready.connect(tell, direct)


def main(files: list[str], report: StartupReport | None = None) -> int:
    """Run the window until it is closed; returns the exit code. `report` is told what happens, and printed."""
    qt, application = build([Path(name) for name in files], SettingsFile())
    if report is not None:
        report_start(application, report)
    sys.excepthook = application.tell_unforeseen
    application.quit_on_signals()
    return qt.exec()
