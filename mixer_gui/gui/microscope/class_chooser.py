"""A field in which any class can be chosen: by a part of its name, by its number, or from a list of likely ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QAbstractProxyModel, QEvent, QObject, QStringListModel, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCompleter, QHBoxLayout, QLineEdit, QListView, QMenu, QToolButton, QWidget

from mixer_gui.gui.prediction_list import short_label

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHOWN_MATCHES = 12
# Of the field, whatever shortcut of the window they are elsewhere: by themselves, with Ctrl and with Shift.
EDITING_KEYS = frozenset(
    (
        Qt.Key.Key_Backspace,
        Qt.Key.Key_Delete,
        Qt.Key.Key_Left,
        Qt.Key.Key_Right,
        Qt.Key.Key_Home,
        Qt.Key.Key_End,
        Qt.Key.Key_PageUp,
        Qt.Key.Key_PageDown,
    )
)
EDITING_MODIFIERS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


class ClassChooser(QWidget):
    """Shows one class, or none where that is allowed, and tells when the user wants another."""

    class_chosen = Signal(object)  # int: the class index; None: none
    not_found = Signal(str)  # what was typed names no class

    def __init__(self, name: str, tip: str, *, none: str = "", parent: QWidget | None = None) -> None:
        """`none`: what "no class" is called in the list; empty where there has to be one."""
        super().__init__(parent)
        self._labels: tuple[str, ...] = ()
        self._index: int | None = None
        self._shown = ""
        self._none = none
        self._offers: Callable[[], Sequence[tuple[int, str]]] = tuple
        self.field = QLineEdit()
        self.field.setAccessibleName(name)
        self.field.setToolTip(tip)
        self.field.setPlaceholderText(none)
        self.field.setClearButtonEnabled(bool(none))
        self.field.setMinimumWidth(60)
        self.field.installEventFilter(self)
        self.field.returnPressed.connect(self._resolve)
        self.field.textEdited.connect(self._notice_cleared)
        self.field.editingFinished.connect(self._restore)
        self._names = QStringListModel(self)
        completer = QCompleter(self._names, self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setMaxVisibleItems(SHOWN_MATCHES)
        completer.activated.connect(self._complete)
        popup = completer.popup()
        if isinstance(popup, QListView):
            popup.setUniformItemSizes(True)  # else each of 21,843 names is measured at each key
        self._completer = completer
        self.field.setCompleter(completer)
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.button = QToolButton()
        self.button.setObjectName("more")
        self.button.setText("▾")
        self.button.setAccessibleName(self.tr("Likely classes: {0}").format(name))
        self.button.setToolTip(self.tr("The most probable classes of this picture"))
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.button.setMenu(self._menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.field, 1)
        layout.addWidget(self.button)
        self.setFocusProxy(self.field)

    def set_names(self, labels: tuple[str, ...]) -> None:
        """The names of all classes, as they may be shown; a class's number is its place."""
        if labels != self._labels:
            self._labels = labels
            self._names.setStringList(list(labels))

    def set_offers(self, offers: Callable[[], Sequence[tuple[int, str]]]) -> None:
        """What the list has when it is opened: class indices and what is said of each."""
        self._offers = offers

    def show_class(self, index: int | None) -> None:
        """Show a class without telling anybody; what is being typed stays unless it is another."""
        shown = "" if index is None else short_label(self._labels[index])
        if (index, shown) != (self._index, self._shown):
            self._index, self._shown = index, shown
            self._restore()

    def matching(self, text: str) -> int | None:
        """The class that a text means: the shown one, a number, a whole name, the beginning or any part of one."""
        wanted = text.strip().casefold()
        if not wanted:
            return None
        if self._index is not None and wanted in (self._shown.casefold(), self._labels[self._index].casefold()):
            return self._index
        if wanted.isdecimal():
            return int(wanted) if int(wanted) < len(self._labels) else None
        folded = [label.casefold() for label in self._labels]
        tests: tuple[Callable[[str], bool], ...] = (
            lambda label: label == wanted,
            lambda label: wanted in (each.strip() for each in label.split(",")),
            lambda label: label.startswith(wanted),
            lambda label: wanted in label,
        )
        for test in tests:
            found = next((index for index, label in enumerate(folded) if test(label)), None)
            if found is not None:
                return found
        return None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """All is selected when the field gets the focus, so that typing replaces it; its keys are no shortcuts."""
        if watched is self.field and event.type() == QEvent.Type.FocusIn:
            QTimer.singleShot(0, self._select_all)
        elif watched is self.field and isinstance(event, QKeyEvent):
            is_undone = event.key() == Qt.Key.Key_Escape and self.field.text() != self._shown
            if event.type() == QEvent.Type.ShortcutOverride:
                is_bare = not event.modifiers() & ~(EDITING_MODIFIERS | Qt.KeyboardModifier.KeypadModifier)
                if is_undone or (event.key() in EDITING_KEYS and is_bare):
                    event.accept()
                    return True
            elif event.type() == QEvent.Type.KeyPress and is_undone:
                self._restore()
                self._select_all()
                return True
        return super().eventFilter(watched, event)

    @Slot()
    def _select_all(self) -> None:
        if self.field.hasFocus() and self.field.text() == self._shown:
            self.field.selectAll()

    @Slot(str)
    def _complete(self, text: str) -> None:
        """A name was chosen from the completer's list; its row tells classes of the same name apart."""
        proxy, popup, found = self._completer.completionModel(), self._completer.popup(), self.matching(text)
        if isinstance(proxy, QAbstractProxyModel) and popup is not None and popup.currentIndex().isValid():
            found = proxy.mapToSource(popup.currentIndex()).row()
        if found is not None:
            self._choose(found)
        QTimer.singleShot(0, self._restore)  # the field has yet to take the name that was chosen, synonyms and all

    @Slot()
    def _resolve(self) -> None:
        popup = self._completer.popup()
        if popup is not None and popup.isVisible() and popup.currentIndex().isValid():
            return  # a row of the list is marked: the completer tells which
        text = self.field.text()
        found = self.matching(text)
        if found is not None:
            self._choose(found)
        elif text.strip():
            self.not_found.emit(text.strip())
        elif self._none:
            self._choose(None)
        self._restore()

    @Slot(str)
    def _notice_cleared(self, text: str) -> None:
        """An empty field says "none" at once."""
        if self._none and not text:
            self._choose(None)

    @Slot()
    def _restore(self) -> None:
        if self.field.text() != self._shown:
            self.field.setText(self._shown)
            self.field.setCursorPosition(0)

    @Slot()
    def _fill_menu(self) -> None:
        self._menu.clear()
        if self._none:
            self._add(None, self._none)
            self._menu.addSeparator()
        for index, text in self._offers():
            self._add(index, text)

    def _add(self, index: int | None, text: str) -> None:
        action = self._menu.addAction(text.replace("&", "&&"))
        action.setCheckable(True)
        action.setChecked(index == self._index)
        action.triggered.connect(lambda _checked=False: self._choose(index))

    def _choose(self, index: int | None) -> None:
        if index != self._index:
            self.class_chosen.emit(index)
