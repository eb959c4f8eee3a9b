"""What can be undone: taking pictures out of the strip, and changing what the network sees."""

from __future__ import annotations

from PySide6.QtGui import QUndoCommand

from mixer_gui.gui.gallery import LivePicture, Picture
from mixer_gui.gui.session import Session
from mixer_gui.records import Framing


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
