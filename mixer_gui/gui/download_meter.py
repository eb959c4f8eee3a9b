"""How far a download is: a bar, words and Cancel, for a row of the list of models and for the status bar."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QToolButton, QVBoxLayout, QWidget

from mixer_gui.gui.amounts import progress_text
from mixer_gui.gui.labels import FittingLabel, plain_tip, set_text, words_label
from mixer_gui.gui.model_items import Download, ModelItem, title_of_repository
from mixer_gui.gui.model_words import SEPARATOR
from mixer_gui.records import DownloadProgress

STEPS = 1000  # of a progress bar: Qt's are 32-bit integers, files are not


class DownloadMeter(QWidget):
    """A progress bar with what it means in words, and Cancel."""

    cancel_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.words = words_label("muted")
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setAutoDefault(False)
        self.cancel.setToolTip(self.tr("Stop the download; what has arrived is kept"))
        self.cancel.clicked.connect(self.cancel_asked)
        left = QVBoxLayout()
        left.setSpacing(4)
        left.addWidget(self.bar)
        left.addWidget(self.words)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(12)
        layout.addLayout(left, 1)
        layout.addWidget(self.cancel, 0, Qt.AlignmentFlag.AlignVCenter)

    def show_item(self, item: ModelItem) -> None:
        download = item.download
        if download is None:
            return
        progress = download.progress
        set_progress(self.bar, progress)
        if not download.is_active:
            words = self.tr("Looking at what has arrived …")
        elif download.is_stopping:
            words = self.tr("Stopping …")
        elif progress is None:
            words = self.tr("Asking the Hub …")
        else:
            words = progress_text(progress)
            if progress.file_count > 1 and not progress.note:
                file = self.tr("file {0} of {1}").format(progress.file_number, progress.file_count)
                words += SEPARATOR + file
        set_text(self.words, words)
        self.bar.setToolTip("" if progress is None else plain_tip(progress.file))
        self.bar.setAccessibleName(self.tr("Download of {0}").format(item.title))
        self.bar.setAccessibleDescription(words)
        self.cancel.setAccessibleName(self.tr("Cancel the download of {0}").format(item.title))
        self.cancel.setEnabled(download.is_active and not download.is_stopping)


class DownloadArea(QWidget):
    """The download that runs, in a few words, whether or not the list of models is open."""

    cancel_asked = Signal(object)  # RepositoryRef

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._download: Download | None = None
        self.bar = QProgressBar()
        self.bar.setFixedSize(90, 8)
        self.bar.setTextVisible(False)
        self.words = FittingLabel()
        self.cancel = QToolButton()
        self.cancel.setText(self.tr("Cancel"))
        self.cancel.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.cancel.clicked.connect(self._cancel)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 12, 0)
        layout.setSpacing(8)
        for widget in (self.words, self.bar, self.cancel):
            layout.addWidget(widget)
        self.hide()

    def show_downloads(self, active: tuple[Download, ...]) -> None:
        """The first of those that run or wait; none hides the area."""
        self.setVisible(bool(active))
        self._download = active[0] if active else None
        if self._download is None:
            return
        progress, name = self._download.progress, str(self._download.ref)
        if self._download.is_stopping:
            words = self.tr("Stopping …")
        else:
            words = self.tr("Asking the Hub …") if progress is None else progress_text(progress)
        words = f"{title_of_repository(self._download.ref.repository)}: {words}"
        if len(active) > 1:
            words += self.tr(" (+{0})").format(len(active) - 1)
        if words != self.words.whole:
            self.words.set_text(words)
        set_progress(self.bar, progress)
        self.bar.setAccessibleName(self.tr("Download of {0}").format(name))
        self.bar.setAccessibleDescription(words)
        self.words.setToolTip(plain_tip("\n".join([words, *(str(each.ref) for each in active)])))
        self.cancel.setToolTip(self.tr("Stop the download of {0}; what has arrived is kept").format(name))
        self.cancel.setAccessibleName(self.tr("Cancel the download of {0}").format(name))
        self.cancel.setEnabled(not self._download.is_stopping)

    def _cancel(self) -> None:
        if self._download is not None:
            self.cancel_asked.emit(self._download.ref)


def set_progress(bar: QProgressBar, progress: DownloadProgress | None) -> None:
    """A moving bar until the size is known; a still one while it waits its turn."""
    if progress is None or not (progress.total_bytes or progress.note):
        bar.setRange(0, 0)
    else:
        bar.setRange(0, STEPS)
        bar.setValue(min(progress.done_bytes * STEPS // max(progress.total_bytes, 1), STEPS))
