"""What every view of the microscope is: a title, help, what can be saved of it, and when it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.labels import card, heading
from mixer_gui.records import Answer, Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.focus import Focus
    from mixer_gui.gui.maps import CaptionedMap


class Panel(QWidget):
    """A view: asks and shows only while it is on the screen; its subclasses fill `body`."""

    topic = ""  # of the help text

    overlay_changed = Signal()  # what it puts over the picture is another
    overlay_wanted = Signal()  # the user chose a map here: it comes over the picture whatever lay there
    help_asked = Signal(str)  # the topic
    save_asked = Signal(str)  # one of `views`
    arrays_asked = Signal()

    def __init__(self, focus: Focus, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.focus = focus
        self.is_shown = False
        frame, layout = card()
        self.title = heading(title)
        self._save_menu = QMenu(self)
        self._save_menu.aboutToShow.connect(self._fill_save_menu)
        self.save_button = QToolButton()
        self.save_button.setText(self.tr("Save…"))
        self.save_button.setToolTip(self.tr("Save a part of this view as a picture, or its numbers"))
        self.save_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.save_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.save_button.setMenu(self._save_menu)
        self.help_button = QToolButton()
        self.help_button.setText("?")
        self.help_button.setAccessibleName(self.tr("Help on this view"))
        self.help_button.setToolTip(self.tr("What this view shows, in plain words and with its formula (F1)"))
        self.help_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.help_button.clicked.connect(lambda: self.help_asked.emit(self.topic))
        self.head = QHBoxLayout()
        self.head.addWidget(self.title)
        self.head.addStretch(1)
        self.head.addWidget(self.save_button)
        self.head.addWidget(self.help_button)
        self._hint = QLabel()
        self._hint.setObjectName("muted")
        self._hint.setWordWrap(True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        content = QWidget()
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(6)
        self._content = content
        self._pages = QStackedLayout()
        self._pages.addWidget(self._hint)
        self._pages.addWidget(content)
        layout.addLayout(self.head)
        layout.addLayout(self._pages, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        for signal in (
            focus.report_changed,
            focus.layer_changed,
            focus.patch_changed,
            focus.class_changed,
            focus.names_changed,
        ):
            signal.connect(self._follow)
        focus.answered.connect(self._take_answer)
        focus.job_told.connect(self.take_job)

    @property
    def report(self) -> Report | None:
        return self.focus.report

    # --- for subclasses ---

    def refresh(self) -> None:
        """There is a report and the view is shown: ask for what is missing, clear what is stale."""

    def take(self, answer: Answer) -> None:
        """An answer about the current report."""

    @Slot(object)
    def take_job(self, told: object) -> None:
        """JobProgress, a result or JobEnded of any view's job, also while this view is not shown."""

    def overlay(self) -> CaptionedMap | None:
        """What it puts over the picture while it is shown."""
        return None

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The numbers behind what is on screen."""
        return {}

    def views(self) -> dict[str, QWidget]:
        """Parts that can be saved as a picture, by the name a person would give them."""
        return {}

    # --- for the owner ---

    def set_shown(self, shown: bool) -> None:
        """The view came to the screen, or left it."""
        self.is_shown = shown
        if shown:
            self._follow()

    @Slot()
    def _follow(self) -> None:
        if not self.is_shown:
            return
        has_report = self.report is not None
        if not has_report:
            self._hint.setText(
                self.tr("Freeze the moving picture (Space) to look at it here.")
                if self.focus.is_live
                else self.tr("Open a picture to look at it here.")
            )
        self._pages.setCurrentWidget(self._content if has_report else self._hint)
        self.save_button.setEnabled(has_report)
        if has_report:
            self.refresh()
        self.overlay_changed.emit()

    @Slot(object)
    def _take_answer(self, answer: Answer) -> None:
        if self.is_shown:
            self.take(answer)

    @Slot()
    def _fill_save_menu(self) -> None:
        self._save_menu.clear()
        for name in self.views():
            action = self._save_menu.addAction(self.tr("{0} as picture…").format(name))
            action.triggered.connect(lambda _checked=False, name=name: self.save_asked.emit(name))
        if self.arrays():
            self._save_menu.addSeparator()
            self._save_menu.addAction(self.tr("Numbers as NumPy archive (.npz)…")).triggered.connect(self.arrays_asked)
