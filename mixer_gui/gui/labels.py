"""Labels that the list of models is made of: a line that fits its text, words that wrap."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtWidgets import QLabel, QPushButton, QSizePolicy

from mixer_gui.gui.cards import ElidedLabel


class FittingLabel(ElidedLabel):
    """As wide as its text where there is room, so that a badge stands beside it; narrower where there is not."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)

    def set_text(self, text: str) -> None:
        super().set_text(text)
        self.updateGeometry()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.whole) + 2, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(60, super().minimumSizeHint().height())


def words_label(name: str = "") -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def set_text(label: QLabel | QPushButton, text: str) -> None:
    """Ten times a second: only what is new is laid out again."""
    if label.text() != text:
        label.setText(text)


def set_words(label: QLabel, text: str) -> None:
    """Without words it takes no room."""
    set_text(label, text)
    label.setVisible(bool(text))
