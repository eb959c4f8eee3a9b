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
from mixer_gui.gui.microscope.failure_bar import FailureBar
from mixer_gui.records import Answer, Question, QuestionFailed, Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.focus import Focus
    from mixer_gui.gui.maps import CaptionedMap


Kind = tuple[type[object], int]  # of a question, and the report that it is about


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
        self._asked: dict[Kind, Question] = {}  # under way: of a kind about a report, only the newest is answered
        self._failed: dict[Kind, QuestionFailed] = {}
        frame, layout = card()
        self.title = heading(title)
        self._save_menu = QMenu(self)
        self._save_menu.aboutToShow.connect(self._fill_save_menu)
        self.save_button = QToolButton()
        self.save_button.setText(self.tr("Save…"))
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
        self.failure_bar = FailureBar()
        self.failure_bar.retry_asked.connect(self.retry)
        layout.addLayout(self.head)
        layout.addWidget(self.failure_bar)
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
        focus.before_answered.connect(self._settle)
        focus.question_failed.connect(self._take_failure)
        focus.job_told.connect(self.take_job)

    @property
    def report(self) -> Report | None:
        return self.focus.report

    # --- for subclasses ---

    def ask(self, question: Question) -> None:
        """Ask about the focus's report or its `before`, unless just that is under way or has failed.

        A newer question of the same kind about the same report takes the place of the one before.
        """
        kind = _kind(question)
        failed = self._failed.get(kind)
        if self.is_asked(question) or (failed is not None and failed.question == question):
            return
        self._asked[kind] = question
        if self._failed.pop(kind, None) is not None:
            self.show_failures()
        self.focus.ask(question)

    def is_asked(self, question: Question) -> bool:
        """Whether its answer is awaited."""
        return self._asked.get(_kind(question)) == question

    def is_free(self, question: Question) -> bool:
        """Whether none of its kind about its report is under way or has failed: several are asked one by one."""
        return _kind(question) not in self._asked and _kind(question) not in self._failed

    def take_failed(self, failed: QuestionFailed) -> None:
        """A question that this view asked has no answer; the bar says why by now."""

    def complaints(self) -> tuple[str, ...]:
        """Why something that is needed has no answer."""
        return tuple(each.sentence for each in self._failed.values())

    def show_failures(self) -> None:
        """Say what `complaints` are now."""
        self.failure_bar.show_sentences(self.complaints())

    @Slot()
    def retry(self) -> None:
        """Ask again what failed."""
        failed = [each.question for each in self._failed.values()]
        self._failed.clear()
        self.show_failures()
        for question in failed:
            self.ask(question)
        self.refresh()

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

    def refresh_saving(self) -> None:
        """Whether there is anything to save; called after `refresh` and `take`, too."""
        can_save = self.report is not None and bool(self.views())
        self.save_button.setEnabled(can_save)
        self.save_button.setToolTip(
            self.tr("Save a part of this view as a picture, or its numbers")
            if can_save
            else self.tr("There is nothing to save here yet")
        )

    # --- for the owner ---

    def set_shown(self, shown: bool) -> None:
        """The view came to the screen, or left it; nothing that is asked while it is hidden is taken."""
        self.is_shown = shown
        self._asked.clear()
        self._failed.clear()
        self.show_failures()
        if shown:
            self._follow()

    @Slot()
    def _follow(self) -> None:
        if not self.is_shown:
            return
        self._forget_others()
        has_report = self.report is not None
        if not has_report:
            self._hint.setText(
                self.tr("Freeze the moving picture (Space) to look at it here.")
                if self.focus.is_live
                else self.tr("Open a picture to look at it here.")
            )
        self._pages.setCurrentWidget(self._content if has_report else self._hint)
        if has_report:
            self.refresh()
        self.refresh_saving()
        self.overlay_changed.emit()

    def _forget_others(self) -> None:
        """What was asked about a report that is gone gets no answer."""
        known = {each.id for each in (self.focus.report, self.focus.before) if each is not None}
        self._asked = {kind: question for kind, question in self._asked.items() if kind[1] in known}
        self._failed = {kind: failed for kind, failed in self._failed.items() if kind[1] in known}
        self.show_failures()

    @Slot(object)
    def _take_answer(self, answer: Answer) -> None:
        self._settle(answer)
        if self.is_shown:
            self.take(answer)
            self.refresh_saving()

    @Slot(object)
    def _settle(self, answer: Answer) -> None:
        """An answer came: its question is not under way any more, nor failed."""
        if self.is_asked(answer.request):
            del self._asked[_kind(answer.request)]

    @Slot(object)
    def _take_failure(self, failed: QuestionFailed) -> None:
        if self.is_asked(failed.question):
            kind = _kind(failed.question)
            del self._asked[kind]
            self._failed[kind] = failed
            self.show_failures()
            self.take_failed(failed)

    @Slot()
    def _fill_save_menu(self) -> None:
        self._save_menu.clear()
        for name in self.views():
            action = self._save_menu.addAction(self.tr("{0} as picture…").format(name))
            action.triggered.connect(lambda _checked=False, name=name: self.save_asked.emit(name))
        if self.arrays():
            self._save_menu.addSeparator()
            self._save_menu.addAction(self.tr("Numbers as NumPy archive (.npz)…")).triggered.connect(self.arrays_asked)


def _kind(question: Question) -> Kind:
    return type(question), question.report_id
