"""What can be undone: taking pictures out of the strip, changing which part the network sees, editing what it sees."""

from __future__ import annotations

from PySide6.QtGui import QUndoCommand

from mixer_gui.gui.gallery import LivePicture, Picture
from mixer_gui.gui.session import Session
from mixer_gui.records import Edit, Framing

EDITS_ID = 1  # Qt merges commands of one number only


class RemovePictures(QUndoCommand):
    """Take pictures out; undoing puts each back where it was."""

    def __init__(self, session: Session, pictures: tuple[Picture, ...], text: str) -> None:
        super().__init__(text)
        self._session = session
        self._pictures = pictures
        current = session.current
        self._shown = pictures[0] if current is None or isinstance(current, LivePicture) else current
        self._rows: list[tuple[int, Picture]] = []

    def redo(self) -> None:
        self._rows = self._session.remove(self._pictures)

    def undo(self) -> None:
        self._session.put_back(self._rows, self._shown)


class ChangeFraming(QUndoCommand):
    """Let the network see another part of a picture."""

    def __init__(self, session: Session, picture: Picture, framing: Framing, text: str) -> None:
        super().__init__(text)
        self._session = session
        self._picture = picture
        self._before, self._after = picture.framing, framing

    def redo(self) -> None:
        self._session.set_framing(self._picture, self._after)

    def undo(self) -> None:
        self._session.set_framing(self._picture, self._before)


class ChangeEdits(QUndoCommand):
    """Change what was done to a picture, patch by patch.

    One that `merges` goes on with the stroke of the one before it, and the two are undone together. Edits are made to
    a model's patches: it is obsolete, and does nothing, where they are others by now, or the edits are not those that
    it changed.
    """

    def __init__(
        self, session: Session, picture: Picture, edits: tuple[Edit, ...], text: str, *, merges: bool = False
    ) -> None:
        super().__init__(text)
        self._session = session
        self.picture = picture
        self.before, self.after = picture.edits, edits
        self.merges = merges
        self._cut = session.cut

    def id(self) -> int:
        return EDITS_ID

    def mergeWith(self, other: QUndoCommand) -> bool:  # noqa: N802 - Qt's name
        if not isinstance(other, ChangeEdits) or not other.merges or other.picture is not self.picture:
            return False
        self.after = other.after
        return True

    def redo(self) -> None:
        self._change(self.before, self.after)

    def undo(self) -> None:
        self._change(self.after, self.before)

    def _change(self, expected: tuple[Edit, ...], wanted: tuple[Edit, ...]) -> None:
        if self._session.cut != self._cut or self.picture.edits != expected:
            self.setObsolete(True)
        else:
            self._session.set_edits(self.picture, wanted)
