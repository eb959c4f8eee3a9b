"""What the microscope's views want of the rest of the window: questions, edits of the picture, the brush."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from mixer_gui.gui.editing import EditWish, edit_name, with_edit
from mixer_gui.gui.gallery import LivePicture, Picture
from mixer_gui.gui.images import edited_image
from mixer_gui.gui.picture_painting import Edited
from mixer_gui.gui.undo import ChangeEdits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtGui import QUndoStack

    from mixer_gui.gui.actions import Actions
    from mixer_gui.gui.cards import PictureCard
    from mixer_gui.gui.explorer import Explorer
    from mixer_gui.gui.focus import Focus
    from mixer_gui.gui.microscope.microscope import Microscope
    from mixer_gui.gui.microscope.panel import Panel
    from mixer_gui.gui.microscope.what_if_panel import WhatIfPanel
    from mixer_gui.gui.session import Session
    from mixer_gui.records import Edit


class MicroscopeCommands(QObject):
    """Lives in the window's thread; ties the views to the session, the picture and the undo stack."""

    complained = Signal(str)  # a sentence about something that did not work

    def __init__(
        self,
        session: Session,
        explorer: Explorer,
        focus: Focus,
        picture: PictureCard,
        microscope: Microscope,
        actions: Actions,
        undo_stack: QUndoStack,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session, self._explorer, self._focus, self._picture = session, explorer, focus, picture
        self._actions, self._stack = actions, undo_stack
        self._what_if: WhatIfPanel | None = None
        self._shows_before = False
        questions = session.questions
        focus.asked.connect(questions.ask)
        focus.job_asked.connect(questions.start_job)
        focus.job_cancelled.connect(questions.cancel_job)
        for signal in (questions.answered, questions.patch_answered, questions.class_answered):
            signal.connect(focus.take_answer)
        questions.before_answered.connect(focus.before_answered)
        questions.failed.connect(focus.question_failed)
        questions.job_told.connect(focus.job_told)
        session.edits_failed.connect(self._take_back_failed)
        session.current_changed.connect(self._show_edits)
        session.report_changed.connect(self._show_edits)
        session.model_changed.connect(self._show_edits)
        undo_stack.indexChanged.connect(self._count_edits)
        microscope.panel_made.connect(self._connect_panel)
        microscope.panel_changed.connect(self._follow_panel)
        picture.edits_bar.reset_asked.connect(self.reset_edits)
        picture.edits_bar.before_toggled.connect(self._show_before)

    @Slot(object)
    def _connect_panel(self, panel: Panel) -> None:
        if panel.topic == "what_if":
            from mixer_gui.gui.microscope.what_if_panel import WhatIfPanel

            if isinstance(panel, WhatIfPanel):
                self._connect_what_if(panel)

    @Slot(object)
    def _follow_panel(self, panel: Panel | None) -> None:
        self._picture.edits_bar.stay(panel is not None and panel is self._what_if)

    # --- edits ---

    def _connect_what_if(self, panel: WhatIfPanel) -> None:
        view, gallery = self._picture.view, self._session.gallery
        self._what_if = panel
        view.patches_painted.connect(panel.tools.take_stroke)
        view.stroke_ended.connect(panel.tools.end_stroke)
        panel.tools.marks_wanted.connect(view.mark_patches)
        panel.tools.edit_wanted.connect(self.edit)
        panel.tools.reset_wanted.connect(self.reset_edits)
        panel.tools.pixels_wanted.connect(self._get_pixels)
        panel.brush_wanted.connect(view.set_brush)
        panel.tools.follow_actions(self._actions.undo, self._actions.redo)
        for signal in (gallery.rowsInserted, gallery.rowsRemoved, gallery.modelReset, gallery.dataChanged):
            signal.connect(self._offer_donors)
        self._session.current_changed.connect(self._offer_donors)
        self._offer_donors()
        self._count_edits()

    @Slot(object)
    def edit(self, wish: EditWish) -> None:
        """Make an edit to the current picture; what goes on with a stroke is undone together with its beginning."""
        picture = self._editable
        if picture is None:
            return
        last = self._last_change
        goes_on = wish.goes_on and last is not None and last.picture is picture and last.after == picture.edits
        self._push(picture, with_edit(picture.edits, wish.edit, goes_on=goes_on), edit_name(wish.edit), merges=goes_on)

    @Slot()
    def reset_edits(self) -> None:
        picture = self._editable
        if picture is not None and picture.edits:
            self._push(picture, (), self.tr("reset of all edits"))

    @property
    def _editable(self) -> Picture | None:
        """The current picture, where the network has looked at it."""
        current = self._session.current
        return None if current is None or isinstance(current, LivePicture) or current.report is None else current

    @property
    def _changes(self) -> Iterator[ChangeEdits]:
        """The changes of edits that are made, the newest first."""
        commands = (self._stack.command(row) for row in reversed(range(self._stack.index())))
        return (each for each in commands if isinstance(each, ChangeEdits))

    @property
    def _last_change(self) -> ChangeEdits | None:
        """The change of edits that Undo would take back."""
        command = self._stack.command(self._stack.index() - 1) if self._stack.index() > 0 else None
        return command if isinstance(command, ChangeEdits) else None

    def _push(self, picture: Picture, edits: tuple[Edit, ...], text: str, *, merges: bool = False) -> None:
        self._stack.push(ChangeEdits(self._session, picture, edits, text, merges=merges))

    @Slot(object, str)
    def _take_back_failed(self, picture: Picture, sentence: str) -> None:
        """An edit could not be looked at: the picture goes back to what it was before it, and others stay on screen."""
        self.complained.emit(sentence)
        step = next((each for each in self._changes if each.picture is picture and each.after == picture.edits), None)
        self._session.set_edits(picture, () if step is None else step.before, shows=False)
        if step is not None:
            step.setObsolete(True)
            if step is self._last_change:
                self._stack.undo()  # takes it out
        self._count_edits()

    @Slot()
    def _count_edits(self) -> None:
        """How many there are, before the network has answered to the newest."""
        current = self._session.current
        count = 0 if current is None else len(current.edits)
        self._picture.edits_bar.show_edits(count)
        if self._what_if is not None:
            self._what_if.tools.show_count(count)

    @Slot()
    def _show_edits(self) -> None:
        """What was changed in the current picture, over it."""
        self._count_edits()
        current = self._session.current
        report = None if current is None else current.report
        if current is None or report is None or report.pixels is None or not report.edits or self._shows_before:
            self._picture.view.set_edited(None)
            return
        before = None if current.before is None else current.before.pixels
        image = edited_image(report.pixels, before, report.model.grid)
        self._picture.view.set_edited(Edited(image, report.seen))

    @Slot(bool)
    def _show_before(self, wanted: bool) -> None:
        self._shows_before = wanted
        self._explorer.show_before(wanted)
        self._show_edits()

    # --- patches of other pictures ---

    @Slot()
    def _offer_donors(self) -> None:
        """Which other pictures of the strip can give their patches."""
        session, panel = self._session, self._what_if
        if panel is None:
            return
        ready = session.ready
        panel.tools.show_donors(
            tuple(
                (each.view, each.source.name, each.unedited.pixels)
                for each in session.gallery.pictures
                if each is not session.current
                and each.unedited is not None
                and ready is not None
                and each.unedited.model == ready.info
            )
        )

    @Slot(str)
    def _get_pixels(self, view: str) -> None:
        picture = self._session.gallery.find(view)
        if picture is not None:
            self._session.want_pixels(picture)
