"""One row of the list of models: what it is, what can be done with it, how far its download is."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QPushButton, QToolButton, QVBoxLayout, QWidget

from mixer_gui.gui.download_meter import DownloadMeter
from mixer_gui.gui.labels import FittingLabel, plain_tip, set_text, set_words, words_label
from mixer_gui.gui.model_items import ModelItem, Place
from mixer_gui.gui.model_words import (
    about_text,
    badge_text,
    detail_text,
    facts_text,
    origin_text,
    purpose_text,
    state_text,
    tooltip_text,
)


class Command(StrEnum):
    """What a row can be asked for."""

    USE = "use"
    DOWNLOAD = "download"  # or continue, or try again
    CANCEL = "cancel"
    REVEAL = "reveal"
    COPY_PATH = "copy path"
    OPEN_PAGE = "open page"
    COPY_DETAILS = "copy details"
    DISMISS = "dismiss"
    DELETE = "delete"


class ModelRow(QFrame):
    """Shows a ModelItem; can be shown another one of the same key at any time without losing the focus."""

    asked = Signal(object, object)  # Command, ModelItem

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.item: ModelItem | None = None
        self._shown: tuple[ModelItem, bool] | None = None  # the item, and whether it is being removed
        self.title = FittingLabel("heading")
        self.badge = QLabel()
        self.badge.setObjectName("badge")
        self.about = words_label()
        self.facts = words_label("muted")
        self.origin = words_label("muted")
        self.state = words_label()  # what has arrived
        self.complaint = words_label("warning")
        self.complaint.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.meter = DownloadMeter()
        self.meter.cancel_asked.connect(lambda: self._ask(Command.CANCEL))
        self.primary = QPushButton()
        self.primary.setObjectName("primary")
        self.primary.setAutoDefault(False)
        self._primary_command = Command.USE
        self.primary.clicked.connect(lambda: self._ask(self._primary_command))
        self.more = QToolButton()
        self.more.setObjectName("more")
        self.more.setText("…")
        self.more.setToolTip(self.tr("More"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.menu = QMenu(self)
        self.more.setMenu(self.menu)
        self.actions_ = {
            command: self._action(command, text)
            for command, text in (
                (Command.REVEAL, self.tr("Show in &File Manager")),
                (Command.COPY_PATH, self.tr("Copy &Path")),
                (Command.OPEN_PAGE, self.tr("Open Page on the &Hub")),
                (Command.COPY_DETAILS, self.tr("Copy &Details")),
                (Command.DISMISS, self.tr("Dis&miss the Message")),
                (Command.DELETE, self.tr("&Delete…")),
            )
        }
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.title)
        top.addWidget(self.badge)
        top.addStretch(1)
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addLayout(top)
        for label in (self.about, self.facts, self.origin, self.state, self.complaint):
            words.addWidget(label)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.primary)
        buttons.addWidget(self.more)
        upper = QHBoxLayout()
        upper.setSpacing(12)
        upper.addLayout(words, 1)
        upper.addLayout(buttons)
        upper.setAlignment(buttons, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 9, 12, 9)
        layout.setSpacing(6)
        layout.addLayout(upper)
        layout.addWidget(self.meter)

    def show_item(self, item: ModelItem, *, is_being_removed: bool = False) -> None:
        """Changes no more than it must: while bytes arrive this is called ten times a second for every row.

        Each of its many Qt calls may have to wait for the thread that takes in the bytes.
        """
        shown = (item, is_being_removed)
        if shown == self._shown:
            return
        is_progress_only = self._shown is not None and _but_progress(shown) == _but_progress(self._shown)
        self.item, self._shown = item, shown
        if is_progress_only:
            self.meter.show_item(item)
            return
        focused = self.window().focusWidget()
        failed = item.download is not None and item.download.has_failed
        self.title.set_text(item.title)
        set_words(self.badge, badge_text(item))
        set_words(self.about, about_text(item))
        set_words(self.facts, facts_text(item))
        set_words(self.origin, origin_text(item))
        self.facts.setToolTip(plain_tip(tooltip_text(item)))
        self.origin.setToolTip(plain_tip(tooltip_text(item)))
        set_words(self.state, "" if item.is_arriving else state_text(item, is_being_removed=is_being_removed))
        complaint = ""
        if failed and item.download is not None and item.download.ended is not None:
            complaint = item.download.ended.sentence
        elif item.failure is not None:
            complaint = item.failure.sentence
        set_words(self.complaint, complaint)
        self.complaint.setToolTip(plain_tip(detail_text(item)))
        self.meter.show_item(item)
        self.meter.setVisible(item.is_arriving)
        self._show_primary(item, failed=failed, is_being_removed=is_being_removed)
        self._show_actions(item, is_being_removed=is_being_removed)
        if (
            focused is not None
            and self.isAncestorOf(focused)
            and not (focused.isVisibleTo(self) and focused.isEnabled())
        ):
            self.take_focus()

    def take_focus(self) -> None:
        """The keyboard goes to what can be done now."""
        for button in (self.primary, self.meter.cancel, self.more):
            if button.isVisibleTo(self) and button.isEnabled():
                button.setFocus(Qt.FocusReason.OtherFocusReason)
                return

    def _show_primary(self, item: ModelItem, *, failed: bool, is_being_removed: bool) -> None:
        if item.place == Place.HUB:
            self._primary_command = Command.DOWNLOAD
            if item.stored is not None:
                text = self.tr("Continue")
            else:
                text = self.tr("Try Again") if failed else self.tr("Download")
            shown = not item.is_arriving
        else:
            self._primary_command = Command.USE
            text = self.tr("Loading …") if item.is_loading else self.tr("Use")
            shown = not item.is_in_use
        set_text(self.primary, text)
        self.primary.setAccessibleName(f"{text} {item.title}")
        self.primary.setToolTip(purpose_text(item))
        self.primary.setEnabled(not item.is_loading and not is_being_removed)
        self.primary.setVisible(shown)

    def _show_actions(self, item: ModelItem, *, is_being_removed: bool) -> None:
        shown = {
            Command.REVEAL: item.stored is not None,
            Command.COPY_PATH: item.stored is not None,
            Command.OPEN_PAGE: item.place != Place.BUILT_IN,
            Command.COPY_DETAILS: bool(detail_text(item)),
            Command.DISMISS: item.failure is not None or (item.download is not None and item.download.has_failed),
            Command.DELETE: item.stored is not None and not item.is_arriving and not item.is_loading,
        }
        for command, action in self.actions_.items():
            action.setVisible(shown[command])
        self.more.setVisible(any(shown.values()))
        self.more.setEnabled(not is_being_removed)
        self.more.setAccessibleName(self.tr("More about {0}").format(item.title))

    def _action(self, command: Command, text: str) -> QAction:
        action = self.menu.addAction(text)
        action.triggered.connect(lambda: self._ask(command))
        return action

    def _ask(self, command: Command) -> None:
        if self.item is not None:
            self.asked.emit(command, self.item)


def _but_progress(shown: tuple[ModelItem, bool]) -> tuple[ModelItem, bool]:
    """What a row shows, as it would be without a byte."""
    item, is_being_removed = shown
    if item.download is None or not item.is_arriving:
        return shown
    return replace(item, download=replace(item.download, progress=None)), is_being_removed
