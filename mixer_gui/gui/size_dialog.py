"""Asks how large a view is to be saved, and whether as PNG or SVG."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import QSignalBlocker, QSize, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.rendering import GREATEST_EDGE

LEAST_EDGE = 16


class ImageFormat(StrEnum):
    """By the suffix of the file."""

    PNG = "png"
    SVG = "svg"


class SizeDialog(QDialog):
    """Width and height keep their ratio; at first they are twice what is on the screen."""

    def __init__(self, name: str, on_screen: QSize, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Save “{0}”").format(name))
        self._on_screen = on_screen
        self.format = QComboBox()
        self.format.addItem(self.tr("PNG: pixels"), ImageFormat.PNG)
        self.format.addItem(self.tr("SVG: lines and words as vectors"), ImageFormat.SVG)
        longest = max(on_screen.width(), on_screen.height(), 1)
        double = min(2.0, GREATEST_EDGE / longest)
        self.width_box = self._box(on_screen.width(), double)
        self.height_box = self._box(on_screen.height(), double)
        self.width_box.valueChanged.connect(self._follow_width)
        self.height_box.valueChanged.connect(self._follow_height)
        note = QLabel(
            self.tr("On the screen it is {0} × {1}. The ratio is kept.").format(on_screen.width(), on_screen.height())
        )
        note.setObjectName("muted")
        note.setWordWrap(True)
        form = QFormLayout()
        form.addRow(self.tr("&Format"), self.format)
        form.addRow(self.tr("&Width"), self.width_box)
        form.addRow(self.tr("&Height"), self.height_box)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.button(QDialogButtonBox.StandardButton.Save).setText(self.tr("Choose File…"))
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(note)
        layout.addWidget(buttons)
        self.setMinimumWidth(340)
        self.width_box.setFocus()

    @property
    def chosen_size(self) -> QSize:
        return QSize(self.width_box.value(), self.height_box.value())

    @property
    def chosen_format(self) -> ImageFormat:
        return ImageFormat(self.format.currentData())

    def _box(self, on_screen: int, factor: float) -> QSpinBox:
        box = QSpinBox()
        longest = max(self._on_screen.width(), self._on_screen.height(), 1)
        most = max(on_screen * GREATEST_EDGE // longest, 1)
        box.setRange(min(LEAST_EDGE, most), most)
        box.setSuffix(self.tr(" px"))
        box.setValue(round(on_screen * factor))
        box.setToolTip(self.tr("The other edge follows"))
        return box

    @Slot(int)
    def _follow_width(self, width: int) -> None:
        with QSignalBlocker(self.height_box):
            self.height_box.setValue(round(width * self._on_screen.height() / max(self._on_screen.width(), 1)))

    @Slot(int)
    def _follow_height(self, height: int) -> None:
        with QSignalBlocker(self.width_box):
            self.width_box.setValue(round(height * self._on_screen.width() / max(self._on_screen.height(), 1)))
