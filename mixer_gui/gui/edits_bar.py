"""The line above an edited picture: that it is one, how it was before, and the way back."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from mixer_gui.gui.labels import ElidedLabel


class EditsBar(QWidget):
    """Shown, whatever else is, as long as the network sees something else than the picture."""

    before_toggled = Signal(bool)  # show the picture without its edits
    reset_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = ElidedLabel("warning")
        self._label.setAccessibleName(self.tr("Edits"))
        self.before = QToolButton()
        self.before.setText(self.tr("Show before"))
        self.before.setToolTip(self.tr("Show the picture and its map as they were before the edits (B)"))
        self.before.setShortcut("B")
        self.before.setCheckable(True)
        self.before.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.before.toggled.connect(self.before_toggled)
        self.reset = QToolButton()
        self.reset.setText(self.tr("Reset"))
        self.reset.setToolTip(self.tr("Take all edits of this picture back; this can be undone"))
        self.reset.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.reset.clicked.connect(self.reset_asked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._label, 1)
        layout.addWidget(self.before)
        layout.addWidget(self.reset)
        self._count = 0
        self._stays = False
        self.show_edits(0)

    def show_edits(self, count: int) -> None:
        """How many edits were made to the picture; with none it goes away, and the picture is shown as it is."""
        self._count = count
        if count == 0:
            self._label.set_text(self.tr("The network sees the picture as it is"))
        elif count == 1:
            self._label.set_text(self.tr("Edited: the network sees one change"))
        else:
            self._label.set_text(self.tr("Edited: the network sees {0} changes").format(count))
        name = "warning" if count else "muted"
        if self._label.objectName() != name:
            self._label.setObjectName(name)
            self._label.style().polish(self._label)
        self.before.setEnabled(count > 0)
        self.reset.setEnabled(count > 0)
        if count == 0:
            self.before.setChecked(False)
        self.setVisible(self._stays or count > 0)

    def stay(self, wanted: bool) -> None:
        """Keep its place without edits, too, so that the picture does not move under a stroke that makes the first."""
        self._stays = wanted
        self.setVisible(wanted or self._count > 0)
