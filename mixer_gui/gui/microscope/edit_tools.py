"""What can be done to a picture patch by patch: the tools of the What-if view, and what a stroke becomes with each."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.editing import EditWish
from mixer_gui.gui.images import pixels_image
from mixer_gui.gui.labels import set_words, words_label
from mixer_gui.records import Edit, Erase, Fill, PatchGrid, Shift, Shuffle, Stamp, Swap, Turn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PySide6.QtGui import QAction

    # Of a picture of the strip: its view, its name, what the network saw of it; None where that has to be asked for.
    Donor = tuple[str, str, NDArray[np.uint8] | None]

MOST_SEEDS = 9999


class Tool(StrEnum):
    """What a stroke over the picture does."""

    POINT = "point"
    ERASE = "erase"
    BLUR = "blur"
    STAMP = "stamp"
    SWAP = "swap"


class EditTools(QWidget):
    """Buttons and what they ask for; knows the patches and the size of what the network sees, not the picture."""

    tool_changed = Signal()
    edit_wanted = Signal(object)  # EditWish
    reset_wanted = Signal()
    marks_wanted = Signal(object)  # frozenset[int]: patches to show as chosen
    pixels_wanted = Signal(str)  # the view of a picture that is to give its patches

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tool = Tool.POINT
        self._grid: PatchGrid | None = None
        self._size = (0, 0)  # height and width of the network's input
        self._in_stroke = False
        self._first: int | None = None  # of the two patches to swap
        self._donors: tuple[Donor, ...] = ()
        self._stamp: tuple[str, bytes] | None = None  # the chosen donor's name and pixels
        rows = QGridLayout()
        rows.setHorizontalSpacing(8)
        rows.setVerticalSpacing(6)
        rows.setColumnStretch(1, 1)
        for row, (title, content) in enumerate(
            (
                ("", self._build_tools()),
                (self.tr("From"), self._build_donors()),
                (self.tr("All"), self._build_whole()),
                (self.tr("Shift"), self._build_shift()),
                (self.tr("Edits"), self._build_history()),
            )
        ):
            if not title:
                rows.addLayout(content, row, 0, 1, 2)
                continue
            label = QLabel(title)
            label.setObjectName("muted")
            rows.addWidget(label, row, 0)
            rows.addLayout(content, row, 1)
            if row == 1:
                self._from = label
        self._hint = words_label("muted")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(rows)
        layout.addWidget(self._hint)
        self._choose(Tool.POINT)

    # --- layout ---

    def _build_tools(self) -> QHBoxLayout:
        layout = _row()
        self.buttons: dict[Tool, QToolButton] = {}
        group = QButtonGroup(self)
        for tool, text, tip in (
            (Tool.POINT, self.tr("Point"), self.tr("Do not paint: point at patches as usual")),
            (Tool.ERASE, self.tr("Erase"), self.tr("Paint patches over with the mean colour, which tells nothing")),
            (Tool.BLUR, self.tr("Blur"), self.tr("Paint patches over with the blurred picture")),
            (Tool.STAMP, self.tr("Stamp"), self.tr("Paint the same patches of another picture in")),
            (Tool.SWAP, self.tr("Swap"), self.tr("Exchange two patches: click one, then the other")),
        ):
            button = _button(text, tip)
            button.setCheckable(True)
            button.clicked.connect(lambda _checked=False, tool=tool: self._choose(tool))
            group.addButton(button)
            layout.addWidget(button)
            self.buttons[tool] = button
        layout.addStretch(1)
        return layout

    def _build_donors(self) -> QHBoxLayout:
        layout = _row()
        self.donor = QComboBox()
        self.donor.setAccessibleName(self.tr("The picture that patches are taken from"))
        self.donor.setToolTip(self.donor.accessibleName())
        self.donor.setIconSize(QSize(20, 20))
        self.donor.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.donor.setMinimumContentsLength(12)
        self.donor.currentIndexChanged.connect(self._load_stamp)
        layout.addWidget(self.donor, 1)
        return layout

    def _build_whole(self) -> QHBoxLayout:
        layout = _row()
        self.shuffle = _button(self.tr("Shuffle"), self.tr("Permute all patches; again: by another permutation"))
        self.shuffle.clicked.connect(self._shuffle)
        self.seed = QSpinBox()
        self.seed.setRange(0, MOST_SEEDS)
        self.seed.setPrefix(self.tr("seed "))
        self.seed.setAccessibleName(self.tr("Seed of the next permutation"))
        self.seed.setToolTip(self.tr("The next permutation is drawn from this number: the same one, the same order"))
        left = _button("↺", self.tr("Turn the picture a quarter to the left"))
        right = _button("↻", self.tr("Turn the picture a quarter to the right"))
        self.turns = (left, right)
        left.clicked.connect(lambda: self._want(Turn(1)))
        right.clicked.connect(lambda: self._want(Turn(3)))
        for widget in (self.shuffle, self.seed, left, right):
            layout.addWidget(widget)
        layout.addStretch(1)
        return layout

    def _build_shift(self) -> QHBoxLayout:
        layout = _row()
        self.arrows: dict[str, QToolButton] = {}
        for text, name, right, down in (
            ("←", self.tr("left"), -1, 0),
            ("→", self.tr("right"), 1, 0),
            ("↑", self.tr("up"), 0, -1),
            ("↓", self.tr("down"), 0, 1),
        ):
            button = _button(text, self.tr("Move the picture {0}; what leaves comes in on the other side").format(name))
            button.setAutoRepeat(True)
            button.clicked.connect(lambda _checked=False, right=right, down=down: self._shift(right, down))
            self.arrows[text] = button
            layout.addWidget(button)
        self.step = QComboBox()
        self.step.addItem(self.tr("by a patch"))
        self.step.addItem(self.tr("by a pixel"))
        self.step.setAccessibleName(self.tr("How far a shift goes"))
        self.step.setToolTip(self.tr("A patch, or a pixel of what the network sees"))
        layout.addWidget(self.step)
        layout.addStretch(1)
        return layout

    def _build_history(self) -> QHBoxLayout:
        layout = _row()
        self.count = QLabel()
        self.count.setAccessibleName(self.tr("Number of edits"))
        self.undo = _button(self.tr("Undo"), self.tr("Take the last step back (Ctrl+Z)"))
        self.redo = _button(self.tr("Redo"), self.tr("Do it again (Ctrl+Shift+Z)"))
        self.reset = _button(self.tr("Reset all"), self.tr("Take all edits of this picture back; this can be undone"))
        self.reset.clicked.connect(self.reset_wanted)
        layout.addWidget(self.count)
        for button in (self.undo, self.redo, self.reset):
            layout.addWidget(button)
        layout.addStretch(1)
        self.show_count(0)
        return layout

    # --- what there is ---

    def set_input(self, grid: PatchGrid, size: tuple[int, int]) -> None:
        """The patches and (height, width) of what the network sees."""
        if (grid, size) == (self._grid, self._size):
            return
        self._grid, self._size = grid, size
        for button in self.turns:
            button.setEnabled(size[0] == size[1])
        self.forget_stroke()
        self._load_stamp()

    def show_count(self, count: int) -> None:
        """How many edits were made."""
        self.count.setText(str(count))
        self.reset.setEnabled(count > 0)

    def follow_actions(self, undo: QAction, redo: QAction) -> None:
        """Undo and Redo do what the menu's do."""
        for button, action in ((self.undo, undo), (self.redo, redo)):
            button.clicked.connect(action.trigger)
            button.setEnabled(action.isEnabled())
            action.enabledChanged.connect(button.setEnabled)

    def show_donors(self, donors: tuple[Donor, ...]) -> None:
        """Pictures of the strip that can give their patches."""
        is_same = len(donors) == len(self._donors) and all(
            new[:2] == old[:2] and new[2] is old[2] for new, old in zip(donors, self._donors, strict=True)
        )
        if is_same:
            return
        chosen, self._donors = self.donor.currentData(), donors
        with QSignalBlocker(self.donor):
            self.donor.clear()
            for view, name, pixels in donors:
                icon = QIcon() if pixels is None else QIcon(QPixmap.fromImage(pixels_image(pixels)))
                self.donor.addItem(icon, name, view)
            self.donor.setCurrentIndex(max(self.donor.findData(chosen), 0 if donors else -1))
        self._load_stamp()

    # --- tools ---

    @property
    def paints(self) -> bool:
        return self.tool != Tool.POINT

    @Slot()
    def forget_stroke(self) -> None:
        """Let go of what was begun: another picture is there."""
        self._in_stroke = False
        self._mark(None)

    @Slot(object)
    def take_stroke(self, patches: frozenset[int]) -> None:
        """The brush met patches, all of this stroke so far."""
        goes_on, self._in_stroke = self._in_stroke, True
        match self.tool:
            case Tool.ERASE:
                self.edit_wanted.emit(EditWish(Erase(patches, Fill.MEAN), goes_on))
            case Tool.BLUR:
                self.edit_wanted.emit(EditWish(Erase(patches, Fill.BLUR), goes_on))
            case Tool.STAMP if self._stamp is not None:
                self.edit_wanted.emit(EditWish(Stamp(patches, *self._stamp), goes_on))
            case Tool.SWAP if not goes_on:
                self._pick(min(patches))

    @Slot()
    def end_stroke(self) -> None:
        self._in_stroke = False

    def _pick(self, patch: int) -> None:
        first = self._first
        if first is None:
            self._mark(patch)
            return
        self._mark(None)
        if first != patch:
            self._want(Swap(first, patch))

    def _mark(self, patch: int | None) -> None:
        self._first = patch
        self.marks_wanted.emit(frozenset() if patch is None else frozenset({patch}))
        self._say()

    def _choose(self, tool: Tool) -> None:
        self.tool = tool
        self.buttons[tool].setChecked(True)
        self.forget_stroke()
        self._load_stamp()
        self.tool_changed.emit()

    @Slot()
    def _load_stamp(self) -> None:
        """Take the chosen picture's pixels, or have them made ready."""
        self._stamp = None
        for view, name, pixels in self._donors:
            if view == self.donor.currentData():
                if pixels is not None and pixels.shape[:2] == self._size:
                    self._stamp = (name, pixels.tobytes())
                elif pixels is None and self.tool == Tool.STAMP:
                    self.pixels_wanted.emit(view)
        self._say()

    def _say(self) -> None:
        is_stamp = self.tool == Tool.STAMP
        self._from.setVisible(is_stamp and bool(self._donors))
        self.donor.setVisible(is_stamp and bool(self._donors))
        how = self.tr("Drag over the picture, or choose a patch with the arrow keys and press Return.")
        match self.tool:
            case Tool.POINT:
                hint = self.tr("Choose a tool and paint over the picture: prediction and maps follow at once.")
            case Tool.ERASE | Tool.BLUR:
                hint = how
            case Tool.STAMP if not self._donors:
                hint = self.tr("Open another picture: its patches can then be painted into this one.")
            case Tool.STAMP:
                hint = how if self._stamp is not None else self.tr("That picture is being prepared …")
            case Tool.SWAP if self._first is None:
                hint = self.tr("Click a patch, then the one to exchange it with.")
            case Tool.SWAP:
                hint = self.tr("Now click the other patch; the same one again lets it go.")
        set_words(self._hint, hint)

    def _shuffle(self) -> None:
        seed = self.seed.value()
        self._want(Shuffle(seed))
        self.seed.setValue((seed + 1) % (MOST_SEEDS + 1))

    def _shift(self, right: int, down: int) -> None:
        if self._grid is None:
            return
        by_patch = self.step.currentIndex() == 0
        across = self._size[1] // self._grid.columns if by_patch else 1
        along = self._size[0] // self._grid.rows if by_patch else 1
        self._want(Shift(right * across, down * along))

    def _want(self, edit: Edit) -> None:
        self.edit_wanted.emit(EditWish(edit))


def _row() -> QHBoxLayout:
    layout = QHBoxLayout()
    layout.setSpacing(4)
    return layout


def _button(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setAccessibleName(tip if len(text) == 1 else text)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button
