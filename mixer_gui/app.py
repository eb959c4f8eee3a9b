"""Composition root: settings, threads, window, wiring, ordered shutdown.

The window is painted first; only then does the engine thread start and import torch. Files of later starts
arrive from just before it is shown, so that of several programs started at once one shows its window.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QLoggingCategory, QMetaObject, QObject, QSocketNotifier, Qt, QThread, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from mixer_gui import __version__, logs
from mixer_gui.gui.desktop import DesktopApplication
from mixer_gui.gui.handover import hand_over, server_name
from mixer_gui.gui.media_worker import MediaWorker
from mixer_gui.gui.qt_messages import leave_qt_messages, log_qt_messages
from mixer_gui.gui.theme import apply_theme
from mixer_gui.gui.unforeseen import Unforeseen, circumstances, described
from mixer_gui.gui.window import MainWindow
from mixer_gui.gui.workers import EngineWorker, HubWorker
from mixer_gui.records import ModelRef
from mixer_gui.resources import asset_path, default_model
from mixer_gui.settings import Settings, SettingsFile, acceptances_path, assumptions_from_json

if TYPE_CHECKING:
    from mixer_gui.startup import StartupReport

log = logging.getLogger(__name__)

# Which libraries of the system QtMultimedia found, and what is in each file, is nobody's business on a terminal.
QUIET_MEDIA = "qt.multimedia.*=false"


class Application(QObject):
    """Owns the engine thread, its worker, the Hub's worker and the window."""

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
        self.unforeseen = Unforeseen(self.window, self._device_name)
        self.unforeseen.repeated.connect(self.window.complain)
        self.window.actions_.show_log.triggered.connect(self._show_log)
        self._files = files

    @Slot()
    def _start_engine(self) -> None:
        """The window is on the screen: now work may begin."""
        self._thread.start()
        QMetaObject.invokeMethod(self.worker, "start", Qt.ConnectionType.QueuedConnection)
        if self._files:
            self.window.files.open_paths(self._files)

    @Slot(object)
    def take_files(self, files: list[Path]) -> None:
        """Those of a program that was started later; the window comes to the front, as far as the desktop allows."""
        window = self.window
        window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
        window.raise_()
        window.activateWindow()
        if not self._thread.isRunning():  # not painted yet
            self._files += files
        elif files:
            window.files.open_paths(files)

    @Slot()
    def tell_of_crash(self) -> None:
        """The process of an earlier start ended in a crash."""
        self.window.complain(
            self.tr("Mixer GUI ended unexpectedly last time. What it was doing is in the log, in {0}.").format(
                logs.folder()
            )
        )

    @Slot()
    def _show_log(self) -> None:
        from mixer_gui.gui.error_dialog import open_log_folder

        self.window.complain(open_log_folder())

    def _device_name(self) -> str:
        ready = self.window.session.ready
        return f"{ready.device.name}, {ready.device.precision}" if ready is not None else ""

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
            log.error("The settings could not be saved: %s", error)  # the window is gone
        self.close()

    def close(self) -> None:
        """End what works for the window, without saving anything."""
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


def make_qt(settings_file: SettingsFile) -> DesktopApplication:
    """Qt's own application, in the remembered theme."""
    QLoggingCategory.setFilterRules(QUIET_MEDIA)
    qt = DesktopApplication(sys.argv[:1])
    qt.setApplicationName("mixer-gui")
    qt.setApplicationDisplayName("Mixer GUI")
    qt.setApplicationVersion(__version__)
    qt.setStyle("Fusion")
    qt.setDesktopFileName("io.github.mixer_gui.MixerGui")  # on Wayland, whose icon the window has
    qt.setWindowIcon(QIcon(str(asset_path("icon") / "mixer-gui.svg")))
    apply_theme(qt, settings_file.load().theme)
    return qt


def build(files: list[Path], settings_file: SettingsFile) -> tuple[QApplication, Application]:
    """The application with its window on the way to the screen; `QApplication.exec` then runs it."""
    qt = make_qt(settings_file)
    application = Application(files, settings_file)
    show(qt, application)
    return qt, application


def show(qt: QApplication, application: Application) -> None:
    application.window.show()
    qt.aboutToQuit.connect(application.shut_down)
    qt.styleHints().colorSchemeChanged.connect(application.window.follow_system_theme)


def report_start(qt: QApplication, application: Application, report: StartupReport, *, has_files: bool) -> None:
    """Have the times of a start taken, and print them once the first prediction is there.

    Where none can come, without files or with one that fails, that is once the model is there, or at the failure; at
    the latest when the window is closed.

    Marks are taken in the thread in which they happen: an answer waits for the window's thread on its way there.
    """
    from mixer_gui.startup import Mark

    report.mark(Mark.WINDOW)
    direct = Qt.ConnectionType.DirectConnection
    worker = application.worker
    application.window.picture.view.first_painted.connect(lambda: report.mark(Mark.PAINT), direct)
    worker.ready_to_run.connect(lambda: report.mark(Mark.TORCH), direct)
    worker.model_ready.connect(lambda _: report.mark(Mark.MODEL), direct)
    worker.report_ready.connect(lambda _: report.mark(Mark.PREDICTION), direct)
    worker.frame_ready.connect(lambda _: report.mark(Mark.PICTURE), direct)
    is_told = False

    def tell(_record: object = None) -> None:
        nonlocal is_told
        if not is_told and sys.stderr is not None:
            is_told = True
            print(report.text(), file=sys.stderr, flush=True)  # noqa: T201 - what was asked for

    for signal_ in (worker.report_ready, worker.failed, *(() if has_files else (worker.model_ready,))):
        signal_.connect(tell, direct)
    qt.aboutToQuit.connect(tell)


def main(files: list[str], report: StartupReport | None = None, *, is_alone: bool = False) -> int:
    """Run the window until it is closed; returns the exit code. `report` is told what happens, and printed.

    `is_alone`: neither gives its files to a window that is open nor takes those of later starts.
    """
    has_crashed = logs.start("window")
    log_qt_messages()
    settings_file = SettingsFile()
    qt = make_qt(settings_file)
    try:
        application = Application([Path(name) for name in files], settings_file)
        if not is_alone and not _has_the_window(qt, application, files):
            application.close()
            return 0
        if has_crashed:
            application.window.picture.view.first_painted.connect(application.tell_of_crash)
        show(qt, application)
        qt.files_arrived.connect(application.take_files)
        if report is not None:
            report_start(qt, application, report, has_files=bool(files))
        application.unforeseen.install()
        application.quit_on_signals()
        return qt.exec()
    except Exception as error:
        log.exception("the window could not be opened")
        from mixer_gui.gui.error_dialog import ErrorDialog

        told = described(error, error.__traceback__, "MainThread")
        ErrorDialog(told, circumstances(""), is_fatal=True).exec()
        return 1
    finally:
        leave_qt_messages()


def _has_the_window(qt: QApplication, application: Application, files: list[str]) -> bool:
    """Listen for later starts; False where a program that was started at the same time does, and has the files now."""
    from mixer_gui.gui.instance import Instance

    instance = Instance(application)
    if hand_over(files):
        return False
    instance.listen(server_name())
    instance.files_arrived.connect(application.take_files)
    qt.aboutToQuit.connect(instance.close)
    return True
