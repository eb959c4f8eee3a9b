"""The one button that gets the recommended model, for who still uses the small one that ships with the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget

from mixer_gui.gui.amounts import share_text, size_text
from mixer_gui.hub.catalogue import RECOMMENDED

if TYPE_CHECKING:
    from mixer_gui.gui.model_items import ModelItem

ROOM = 28  # pixels of a button that are not text


class OfferButton(QPushButton):
    """Says in one line what it gets and what that costs, in fewer words where there is less room."""

    get_asked = Signal(object)  # ModelItem: download it, or use it where it is on disk

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("offer")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.clicked.connect(self._ask)
        self._item: ModelItem | None = None
        self._texts: tuple[str, ...] = ("",)

    def show_item(self, item: ModelItem | None) -> None:
        """The recommended model's row; None while it is not known."""
        self._item = item
        name = RECOMMENDED.title.partition(" by ")[0]
        knows = self.tr("{0} things, {1:.1f} % top-1").format(RECOMMENDED.classes, RECOMMENDED.top1 or 0.0)
        size = size_text(RECOMMENDED.download_bytes)
        progress = item.download.progress if item is not None and item.download is not None else None
        if item is not None and item.is_loading:
            self._texts = (self.tr("Loading {0} …").format(name),)
        elif item is not None and item.path is not None:
            self._texts = (self.tr("Use {0}: {1}").format(name, knows), self.tr("Use {0}").format(name))
        elif item is not None and item.is_arriving:
            arrived = "" if progress is None else share_text(progress.done_bytes, progress.total_bytes)
            self._texts = (self.tr("Getting {0}: {1}").format(name, arrived or "…"), arrived or "…")
        elif item is not None and item.stored is not None:
            arrived = share_text(item.stored.size_bytes, item.stored.total_bytes)
            self._texts = (
                self.tr("Continue to get {0}: {1} arrived").format(name, arrived),
                self.tr("Continue: {0}").format(arrived),
            )
        else:
            self._texts = (
                self.tr("Get {0}: {1}, {2}").format(name, knows, size),
                self.tr("Get {0}: {1:.1f} %, {2}").format(name, RECOMMENDED.top1 or 0.0, size),
                self.tr("Get {0}").format(name),
            )
        self.setEnabled(item is not None and not item.is_arriving and not item.is_loading)
        self.setToolTip(f"{RECOMMENDED.title}: {RECOMMENDED.good_for}\n{knows}, {size}\n{RECOMMENDED.repository}")
        self.setAccessibleName(self._texts[0])
        self._choose_text()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._choose_text()

    def minimumSizeHint(self) -> QSize:
        return QSize(60, super().minimumSizeHint().height())

    def _choose_text(self) -> None:
        metrics, room = self.fontMetrics(), self.width() - ROOM
        fitting = (each for each in self._texts if metrics.horizontalAdvance(each) <= room)
        text = next(fitting, self._texts[-1])
        if text != self.text():
            self.setText(text)

    def _ask(self) -> None:
        if self._item is not None:
            self.get_asked.emit(self._item)
