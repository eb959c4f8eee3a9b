"""Undo and Redo as commands of the menu: what they are called, when they can be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QAction, QUndoStack


class UndoActions(QObject):
    """Ties a stack to two actions. A step that turns out to be obsolete is passed over, so that each press does one."""

    def __init__(self, stack: QUndoStack, undo: QAction, redo: QAction, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stack, self._undo, self._redo = stack, undo, redo
        undo.triggered.connect(self.undo)
        redo.triggered.connect(self.redo)
        stack.undoTextChanged.connect(self._name_undo)
        stack.redoTextChanged.connect(self._name_redo)
        stack.canUndoChanged.connect(undo.setEnabled)
        stack.canRedoChanged.connect(redo.setEnabled)
        undo.setEnabled(stack.canUndo())
        redo.setEnabled(stack.canRedo())
        self._name_undo(stack.undoText())
        self._name_redo(stack.redoText())

    @Slot()
    def undo(self) -> None:
        self._step(self._stack.undo, self._stack.canUndo)

    @Slot()
    def redo(self) -> None:
        self._step(self._stack.redo, self._stack.canRedo)

    def _step(self, step: Callable[[], None], can_step: Callable[[], bool]) -> None:
        while can_step():
            count = self._stack.count()
            step()
            if self._stack.count() == count:  # an obsolete one is taken out of the stack
                return

    @Slot(str)
    def _name_undo(self, text: str) -> None:
        self._undo.setText(self.tr("&Undo {0}").format(text) if text else self.tr("&Undo"))

    @Slot(str)
    def _name_redo(self, text: str) -> None:
        self._redo.setText(self.tr("&Redo {0}").format(text) if text else self.tr("&Redo"))
