"""Which part of the picture the network sees: shown on the picture and in its list, and what the user wants of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from mixer_gui.gui.placement import largest_rectangle
from mixer_gui.pictures.geometry import seen_rectangle
from mixer_gui.records import Framing, FramingKind, Rect

if TYPE_CHECKING:
    from mixer_gui.gui.cards import PictureCard
    from mixer_gui.gui.session import Session


class FramingControl(QObject):
    """Lives in the window's thread."""

    asked = Signal(object)  # Framing: the user wants the network to see another part

    def __init__(self, session: Session, picture: PictureCard, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._picture = session, picture
        picture.view.rectangle_changed.connect(self.use_rectangle)
        picture.framing_chosen.connect(self.use)

    def refresh(self) -> None:
        """The rectangle the network saw; while it has not answered yet, the one that it will see."""
        current, view = self._session.current, self._picture.view
        ready = self._session.ready
        if current is None or current.failure is not None:
            view.set_seen(None, None)
        elif current.report is not None and current.report.framing == current.framing:
            view.set_seen(current.report.seen, current.report.model.grid)
        elif current.frame is not None and ready is not None:
            frame = current.frame
            seen = seen_rectangle(frame.width, frame.height, ready.info.preprocessing, current.framing)
            view.set_seen(seen, ready.info.grid)
        else:
            view.set_seen(None, None)
        kind = FramingKind.CHECKPOINT if current is None else current.framing.kind
        view.set_adjustable(kind == FramingKind.RECTANGLE)
        self._picture.framing.setCurrentIndex(self._picture.framing.findData(kind))
        self._picture.framing.setEnabled(current is not None and current.failure is None)

    @Slot(object)
    def use_rectangle(self, rectangle: Rect) -> None:
        self.asked.emit(Framing(FramingKind.RECTANGLE, rectangle))

    @Slot(object)
    def use(self, kind: FramingKind) -> None:
        """A rectangle of one's own starts as the largest one of the checkpoint's shape."""
        current, ready = self._session.current, self._session.ready
        if current is None or (kind == FramingKind.RECTANGLE and (current.frame is None or ready is None)):
            return
        rectangle = None
        if kind == FramingKind.RECTANGLE and current.frame is not None and ready is not None:
            size = ready.info.preprocessing.input_size
            rectangle = largest_rectangle(current.frame.width, current.frame.height, size)
        self.asked.emit(Framing(kind, rectangle))
