"""The line in a view that says why a question has no answer, and offers another try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from mixer_gui.gui.labels import set_text, words_label

if TYPE_CHECKING:
    from collections.abc import Iterable


class FailureBar(QWidget):
    """Takes no room as long as there is nothing to say."""

    retry_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words = words_label("warning")
        self.retry = QPushButton(self.tr("Try Again"))
        self.retry.setToolTip(self.tr("Ask the network once more"))
        self.retry.clicked.connect(self.retry_asked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words, 1)
        layout.addWidget(self.retry, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def show_sentences(self, sentences: Iterable[str]) -> None:
        """Each once; none hides the bar."""
        said = " ".join(dict.fromkeys(sentences))
        set_text(self.words, f"⚠ {said}" if said else "")
        self.setVisible(bool(said))
