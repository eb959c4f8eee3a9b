"""What Qt says of itself goes to the log, and from there to standard error, where there is one."""

from __future__ import annotations

import logging

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,  # Qt aborts after it
}


def log_qt_messages() -> None:
    """From here on, in every thread, until `leave_qt_messages`."""
    qInstallMessageHandler(_log)


def leave_qt_messages() -> None:
    """Before Python ends: Qt may still speak after that."""
    qInstallMessageHandler(None)


def _log(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    category = context.category or ""
    name = category if category.startswith("qt.") else "qt"
    logging.getLogger(name).log(LEVELS.get(kind, logging.WARNING), "%s", text)
