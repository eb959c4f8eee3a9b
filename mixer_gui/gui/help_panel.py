"""The help panel: what each view shows, beside the window and not in its way."""

from __future__ import annotations

import html

from PySide6.QtCore import QByteArray, QCoreApplication, QEvent, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QHideEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QListWidget, QTextBrowser, QWidget

from mixer_gui.gui.microscope.help_texts import HelpTopic, help_topics
from mixer_gui.gui.theme import colours

LIST_WIDTH = 132


class HelpPanel(QDialog):
    """Not modal, so that a view and its help can be read together. Links open in the browser, on a click only."""

    def __init__(self, parent: QWidget | None = None, place: str = "") -> None:
        """`place`: what `place_text` was when it was there last."""
        super().__init__(parent)
        self.setWindowTitle(self.tr("What the views show"))
        self._topics = help_topics()
        self._scrolled: dict[str, int] = {}  # how far each topic was read
        self._place = QByteArray.fromBase64(place.encode())
        self.contents = QListWidget()
        self.contents.addItems([each.title for each in self._topics])
        self.contents.setFixedWidth(LIST_WIDTH)
        self.contents.setSpacing(3)
        self.contents.setAccessibleName(self.tr("Topics"))
        self.text = QTextBrowser()
        self.text.setOpenLinks(False)
        self.text.document().setDocumentMargin(12)
        self.text.anchorClicked.connect(self._open_link)
        self.text.setAccessibleName(self.tr("Help"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 10, 10, 10)
        layout.addWidget(self.contents)
        layout.addWidget(self.text, 1)
        self.topic = ""
        self.contents.currentRowChanged.connect(self._show_row)
        self.contents.setCurrentRow(0)
        self.resize(620, 520)

    def show_topic(self, key: str) -> None:
        """The first topic for a key that none has."""
        rows = [row for row, each in enumerate(self._topics) if each.key == key]
        self.contents.setCurrentRow(rows[0] if rows else 0)

    def show_up(self) -> None:
        """To the front."""
        self.come_back()
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.activateWindow()
        self.text.setFocus()

    def come_back(self) -> None:
        """On the screen, where it was when it was closed."""
        if not self.isVisible() and not self._place.isEmpty():
            self.restoreGeometry(self._place)
        self.show()

    @property
    def place_text(self) -> str:
        """Where it is, or was when it was closed, for the settings."""
        place = self.saveGeometry() if self.isVisible() else self._place
        return bytes(place.toBase64().data()).decode()

    @Slot(int)
    def _show_row(self, row: int) -> None:
        self._scrolled[self.topic] = self.text.verticalScrollBar().value()
        topic = self._topics[row]
        self.topic = topic.key
        self._show_text(topic)

    def _show_text(self, topic: HelpTopic) -> None:
        self.text.setHtml(topic_html(topic))
        self.text.verticalScrollBar().setValue(self._scrolled.get(topic.key, 0))

    @Slot(QUrl)
    def _open_link(self, address: QUrl) -> None:
        if address.scheme() == "https":
            QDesktopServices.openUrl(address)

    def changeEvent(self, event: QEvent) -> None:
        """Colours were written into the text when it was set."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self.topic:
            self._scrolled[self.topic] = self.text.verticalScrollBar().value()
            self._show_text(self._topics[self.contents.currentRow()])

    def hideEvent(self, event: QHideEvent) -> None:
        self._place = self.saveGeometry()
        super().hideEvent(event)


def topic_html(topic: HelpTopic) -> str:
    """A topic as the panel shows it, in the colours of the theme in use."""
    scheme = colours()
    exact, caution, read_on = (
        QCoreApplication.translate("help", "How exact."),
        QCoreApplication.translate("help", "What can mislead."),
        QCoreApplication.translate("help", "To read on"),
    )
    links = "".join(
        f'<li><a style="color:{scheme.accent}" href="{html.escape(address)}">{html.escape(words)}</a></li>'
        for words, address in topic.links
    )
    return (
        f"<h2>{html.escape(topic.title)}</h2>{topic.words}"
        f'<table width="100%" cellpadding="8" bgcolor="{scheme.field}" style="margin-top:8px; margin-bottom:8px">'
        f"<tr><td>{topic.formula}</td></tr></table>"
        f"<p><b>{exact}</b> {topic.exactness}</p>"
        f'<p><b><span style="color:{scheme.warning}">{caution}</span></b> {topic.caution}</p>'
        f"<p><b>{read_on}</b></p><ul>{links}</ul>"
    )
