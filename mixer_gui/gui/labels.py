"""What cards and lists are made of: a frame, headings, lines that give way or fit their text, words that wrap."""

from __future__ import annotations

import html

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget


class ElidedLabel(QLabel):
    """A label that gives way to its neighbours; the whole text is its tooltip. A file's name is not markup."""

    def __init__(self, name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.whole = ""

    def set_text(self, text: str) -> None:
        self.whole = text
        self.setToolTip(plain_tip(text))
        self.setAccessibleDescription(text)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self.whole, Qt.TextElideMode.ElideRight, self.width()))


def card() -> tuple[QFrame, QVBoxLayout]:
    frame = QFrame()
    frame.setObjectName("card")
    layout = QVBoxLayout(frame)
    layout.setContentsMargins(12, 8, 12, 8)
    layout.setSpacing(6)
    return frame, layout


def scrolling(content: QWidget) -> QScrollArea:
    """A column that scrolls up and down on its card's own background, and takes no focus of its own."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(content)
    area.viewport().setAutoFillBackground(False)
    content.setAutoFillBackground(False)  # not before: the scroll area sets it
    return area


def plain_tip(text: str) -> str:
    """A tooltip of a name that may contain anything: never taken for markup."""
    return f"<span>{html.escape(text).replace(chr(10), '<br>')}</span>" if text else ""


def heading(text: str) -> QLabel:
    """May be given names: never taken for markup."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setObjectName("heading")
    return label


def badge(text: str, tooltip: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("badge")
    label.setToolTip(tooltip)
    return label


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


def shortened(text: str, most: int) -> str:
    """At most so many characters, the last of them an ellipsis where some are left out."""
    return text if len(text) <= most else text[: most - 1] + "…"


def words_label(name: str = "") -> QLabel:
    """Words that wrap, as high as they are at the width that they get."""
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label


def set_text(label: QLabel | QPushButton, text: str) -> None:
    """Ten times a second: only what is new is laid out again."""
    if label.text() != text:
        label.setText(text)


def set_words(label: QLabel, text: str) -> None:
    """Without words it takes no room."""
    set_text(label, text)
    label.setVisible(bool(text))
