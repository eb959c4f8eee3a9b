"""The dialog about an error that nobody foresaw, and the way to the log's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from mixer_gui import logs

if TYPE_CHECKING:
    from mixer_gui.gui.unforeseen import UnforeseenError

SUMMARY_LENGTH = 300
TRACES = 10  # different ones that the details hold
WIDTH = 520
DETAILS_HEIGHT = 240


class ErrorDialog(QDialog):
    """Not modal: the window goes on. Counts the errors that come while it is open."""

    def __init__(
        self, error: UnforeseenError, circumstances: str, parent: QWidget | None = None, *, is_fatal: bool = False
    ) -> None:
        """`is_fatal`: the window could not be opened, and there is nothing that goes on."""
        super().__init__(parent)
        self.setWindowTitle(self.tr("Something went wrong"))
        self._traces = [error.trace]
        self._circumstances = circumstances
        self.errors = 1
        icon = QLabel()
        pixmap = self.style().standardIcon(QStyle.StandardPixmap.SP_MessageBoxWarning).pixmap(32, 32)
        icon.setPixmap(pixmap)
        icon.setAlignment(Qt.AlignmentFlag.AlignTop)
        heading = QLabel(self.tr("Mixer GUI met an error that it was not prepared for."))
        heading.setObjectName("heading")
        heading.setWordWrap(True)
        self._what = QLabel(error.summary[:SUMMARY_LENGTH])
        self._what.setTextFormat(Qt.TextFormat.PlainText)
        self._what.setWordWrap(True)
        self._what.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        goes_on = (
            self.tr("The window could not be opened.")
            if is_fatal
            else self.tr("The window goes on; what you did last may not have worked.")
        )
        advice = QLabel(
            goes_on
            + " "
            + self.tr("Nothing was sent anywhere. To report the error, copy its details: they may name your files.")
        )
        advice.setObjectName("muted")
        advice.setWordWrap(True)
        self._counter = QLabel()
        self._counter.setObjectName("warning")
        self._counter.setWordWrap(True)
        self._counter.hide()
        words = QVBoxLayout()
        words.setSpacing(8)
        for label in (heading, self._what, advice, self._counter):
            words.addWidget(label)
        top = QHBoxLayout()
        top.setSpacing(14)
        top.addWidget(icon)
        top.addLayout(words, 1)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.details.setAccessibleName(self.tr("Details of the error"))
        self.details.setMinimumHeight(DETAILS_HEIGHT)
        self.details.hide()
        self._fill_details()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(14)
        layout.addLayout(top)
        layout.addWidget(self.details, 1)
        layout.addWidget(self._buttons())
        self.setMinimumWidth(WIDTH)
        self._fit()

    def _buttons(self) -> QDialogButtonBox:
        box = QDialogButtonBox()
        role = QDialogButtonBox.ButtonRole
        self._more = QPushButton(self.tr("Show Details"))
        self._more.setCheckable(True)
        self._more.toggled.connect(self._show_details)
        self._copy = QPushButton(self.tr("Copy Details"))
        self._copy.clicked.connect(self._copy_details)
        self._folder = QPushButton(self.tr("Open the Log's Folder"))
        self._folder.setEnabled(logs.folder().is_dir())
        self._folder.setToolTip(str(logs.folder()))
        self._folder.clicked.connect(open_log_folder)
        for button in (self._more, self._copy, self._folder):
            box.addButton(button, role.ActionRole)
            button.setAutoDefault(False)
        close = box.addButton(self.tr("Close"), role.RejectRole)
        close.setDefault(True)
        box.rejected.connect(self.reject)
        return box

    def count(self, error: UnforeseenError) -> None:
        """One more, of the same kind or another."""
        self.errors += 1
        self._counter.setText(
            self.tr("{0} errors so far; the last one: {1}").format(self.errors, error.summary[:SUMMARY_LENGTH])
        )
        self._counter.show()
        self._fit()
        if error.trace not in self._traces and len(self._traces) < TRACES:
            self._traces.append(error.trace)
            self._fill_details()

    def _fill_details(self) -> None:
        self.details.setPlainText("\n\n".join((self._circumstances, *self._traces)))

    @Slot(bool)
    def _show_details(self, shown: bool) -> None:
        self.details.setVisible(shown)
        self._more.setText(self.tr("Hide Details") if shown else self.tr("Show Details"))
        self._fit()

    def _fit(self) -> None:
        """As high as the wrapped words need in this width; the details take what the user gives them beyond that."""
        layout, width = self.layout(), max(self.width(), WIDTH) if self.isVisible() else WIDTH
        if layout is not None:
            layout.activate()
            height = layout.totalHeightForWidth(width)
            self.setMinimumHeight(height)
            self.resize(width, max(height, self.height()) if self.details.isVisible() else height)

    @Slot()
    def _copy_details(self) -> None:
        QGuiApplication.clipboard().setText(self.details.toPlainText())
        self._copy.setText(self.tr("Copied"))


def open_log_folder() -> str:
    """In the system's own file manager; returns a sentence where it cannot be shown."""
    place = logs.folder()
    if not place.is_dir():
        return QCoreApplication.translate(
            "error_dialog", "There is no log: its folder “{0}” could not be written."
        ).format(place)
    if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(place))):
        return QCoreApplication.translate("error_dialog", "The log lies in “{0}”.").format(place)
    return ""
