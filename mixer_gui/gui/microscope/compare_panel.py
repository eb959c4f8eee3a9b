"""Two pictures on one model, or two models on one picture, side by side on shared scales."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.microscope.compare_page import ComparePage
from mixer_gui.gui.microscope.panel import Panel
from mixer_gui.gui.pairing import MapChoice, MapPair, pair_maps, recognised
from mixer_gui.records import ModelRef, Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.comparison import Choice, Comparison
    from mixer_gui.gui.focus import Focus
    from mixer_gui.gui.maps import CaptionedMap


class ComparePanel(Panel):
    """A is what the window shows; B is chosen here."""

    topic = "compare"

    def __init__(self, focus: Focus, parent: QWidget | None = None) -> None:
        super().__init__(focus, self.tr("Compare"), parent)
        self.comparison: Comparison | None = None
        self._choices: list[tuple[str, Choice | None, str]] = []  # the chooser's rows; None: look for a folder
        self.shown: MapPair | None = None
        self._drawn: tuple[object, ...] = ()  # what was drawn last
        self._drawn_map: CaptionedMap | None = None
        self._build_chooser()
        self._states = QStackedWidget()
        self._states.addWidget(self._message_page())
        self.page = ComparePage(focus)
        self._states.addWidget(self.page)
        self.body.addWidget(self._states, 1)
        focus.map_changed.connect(self._draw)
        self._list_choices()

    # --- layout ---

    def _build_chooser(self) -> None:
        self.how = QComboBox()
        self.how.addItems([self.tr("Another picture"), self.tr("Another model")])
        self.how.setAccessibleName(self.tr("Compare with another picture, or with another model"))
        self.how.setToolTip(self.tr("Another picture on the window's model, or the window's picture on another model"))
        self.how.activated.connect(self._start_anew)
        self.which = QComboBox()
        self.which.setMinimumContentsLength(5)
        self.which.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.which.activated.connect(self._choose)
        self.swap_button = QToolButton()
        self.swap_button.setText(self.tr("Swap"))
        self.swap_button.setAccessibleName(self.tr("Swap A and B"))
        self.swap_button.setToolTip(self.tr("Swap A and B: what is on the right becomes the window's"))
        self.swap_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.swap_button.clicked.connect(self._swap)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.how)
        row.addWidget(self.which, 1)
        row.addWidget(self.swap_button)
        self.body.addLayout(row)

    def _message_page(self) -> QWidget:
        page = QWidget()
        self.message = QLabel()
        self.message.setObjectName("muted")
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.retry_button = QPushButton(self.tr("Try Again"))
        self.retry_button.setToolTip(self.tr("Read B again and classify it"))
        self.retry_button.clicked.connect(self.retry)
        layout = QVBoxLayout(page)
        layout.addStretch(1)
        layout.addWidget(self.message)
        layout.addWidget(self.retry_button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(2)
        return page

    # --- for the owner ---

    def set_comparison(self, comparison: Comparison) -> None:
        """What owns B; without one there is nothing to choose from."""
        self.comparison = comparison
        comparison.changed.connect(self._draw)
        comparison.choices_changed.connect(self._list_choices)
        if self.is_shown:
            comparison.look_for_models()
        self._list_choices()
        self._draw()

    # --- what the base asks for ---

    def set_shown(self, shown: bool) -> None:
        if self.comparison is not None:
            self.comparison.drop_questions()
            if shown:
                self.comparison.look_for_models()
        self._drawn = ()
        super().set_shown(shown)

    def refresh(self) -> None:
        if self.comparison is not None:
            self.comparison.follow()
        self._draw()

    def complaints(self) -> tuple[str, ...]:
        failed = "" if self.comparison is None else self.comparison.failed
        return (failed,) if failed else ()

    @Slot()
    def retry(self) -> None:
        """Another try after a failure, of B or of a question about either side."""
        if self.comparison is not None:
            self.comparison.retry()

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        import numpy as np

        pair, a, b = self.shown, self.report, self._b()
        if pair is None or a is None or b is None:
            return {}
        kind = pair.choice.kind
        arrays: dict[str, NDArray[np.generic]] = {
            "map_a": pair.a.values,
            "map_b": pair.b.values,
            "layers_a": np.stack(self.page.layers_of_a),
            "layers_b": np.stack(self.page.layers_of_b),
            "layer_numbers": np.asarray([pair.layer_a + 1, pair.layer_b + 1]),
            "classes_a": np.asarray([each.index for each in a.predictions]),
            "probabilities_a": np.asarray([each.probability for each in a.predictions]),
            "classes_b": np.asarray([each.index for each in b.predictions]),
            "probabilities_b": np.asarray([each.probability for each in b.predictions]),
            "map_kind": np.asarray("evidence" if kind is None else kind.value),
        }
        if pair.difference is not None:
            arrays["difference"] = pair.difference.values
        return arrays

    def views(self) -> dict[str, QWidget]:
        return {} if self.shown is None else self.page.views()

    # --- choosing ---

    @Slot()
    def _list_choices(self) -> None:
        comparison = self.comparison
        if comparison is not None and comparison.chosen is not None:
            self.how.setCurrentIndex(0 if comparison.is_of_pictures else 1)
        is_of_models = self.how.currentIndex() == 1
        choices: list[tuple[str, Choice | None, str]] = []  # with their tooltips
        if comparison is not None and is_of_models:
            choices = [(comparison.model_title(each), each, str(each.path)) for each in comparison.models()]
            choices.append((self.tr("Open model folder…"), None, ""))
        elif comparison is not None:
            choices = [(each.source.name, each, each.source.name) for each in comparison.pictures()]
        if choices != self._choices:  # else a list that is open would close while a download goes on
            self._choices = choices
            self.which.clear()
            for row, (name, _, tip) in enumerate(choices):
                self.which.addItem(name)
                self.which.setItemData(row, plain_tip(tip), Qt.ItemDataRole.ToolTipRole)
        chosen = None if comparison is None else comparison.chosen
        row = next((row for row, (_, each, _) in enumerate(choices) if each is not None and each == chosen), -1)
        self.which.setCurrentIndex(row)
        self.which.setPlaceholderText(self.tr("Choose a model …") if is_of_models else self.tr("Choose a picture …"))
        self.which.setAccessibleName(self.tr("Model of B") if is_of_models else self.tr("Picture of B"))
        self.which.setToolTip(self.which.accessibleName())
        self.which.setEnabled(bool(choices))
        self._draw()

    @Slot(int)
    def _start_anew(self, _row: int) -> None:
        """Something of the other kind is wanted, or nothing yet of this one."""
        if self.comparison is not None:
            self.comparison.choose(None)

    @Slot(int)
    def _choose(self, row: int) -> None:
        comparison = self.comparison
        if comparison is None or not 0 <= row < len(self._choices):
            return
        choice = self._choices[row][1]
        if choice is None:
            folder = QFileDialog.getExistingDirectory(self, self.tr("Open Model Folder"))
            choice = ModelRef(Path(folder)) if folder else None
        if choice is not None:
            comparison.choose(choice)
        self._list_choices()

    @Slot()
    def _swap(self) -> None:
        if self.comparison is not None:
            self.comparison.swap()

    # --- drawing ---

    def _b(self) -> Report | None:
        return None if self.comparison is None else self.comparison.report

    def _why_nothing(self) -> str:
        """What there is to say in place of a comparison; empty where there is one."""
        comparison, a = self.comparison, self.report
        if comparison is None or comparison.chosen is None:
            if self.how.currentIndex() == 1:
                return self.tr(
                    "Choose a model above. Left stands this picture on the window's model, right the same picture on "
                    "the other: their predictions, and their maps on one colour scale."
                )
            if comparison is not None and not comparison.pictures():
                return self.tr(
                    "There is no other picture yet. Open a second one (Ctrl+O) or drop it on the window, then choose "
                    "it above. Or compare two models on this picture."
                )
            return self.tr(
                "Choose a picture above. Left stands the window's picture, right the other: what the model says of "
                "both, and their maps on one colour scale."
            )
        if comparison.is_swapping:
            return self.tr("The other model takes over …")
        if comparison.is_with_itself:
            if comparison.is_of_pictures:
                return self.tr("A and B are the same picture now. Choose another one above, or in the strip.")
            return self.tr("A and B are the same model now. Choose another one above.")
        if comparison.failure is not None:
            return self.tr("B cannot be shown. {0}").format(comparison.failure.sentence)
        b = comparison.report
        if b is None and isinstance(comparison.chosen, ModelRef):
            return self.tr("{0} is loaded and looks at the picture …").format(comparison.model_title(comparison.chosen))
        if a is None or b is None or (a.model == b.model) != comparison.is_of_pictures:
            return self.tr("Classifying …")  # the last: A's own model is about to change
        return ""

    @Slot()
    def _draw(self) -> None:
        if not self.is_shown:
            return
        self._draw_sides()
        self.show_failures()
        self.refresh_saving()

    def _draw_sides(self) -> None:
        comparison, a, b = self.comparison, self.report, self._b()
        is_failure = comparison is not None and comparison.failure is not None
        self.retry_button.setVisible(is_failure)
        why = self._why_nothing()
        self.message.setText(why)
        self.swap_button.setEnabled(comparison is not None and comparison.chosen is not None and not why)
        if why or comparison is None or a is None or b is None:
            self.shown, self._drawn = None, ()
            self._states.setCurrentIndex(0)
            return
        focus = self.focus
        state = (a.id, b.id, focus.layer, focus.class_index, focus.reveals_names, comparison.answered)
        if state != self._drawn or focus.shown_map is not self._drawn_map:
            pair = self._pair(a, b, comparison)
            if pair is not None:
                self._drawn, self._drawn_map, self.shown = state, focus.shown_map, pair
                self.page.show_pair(a, b, pair, comparison)
        if self.shown is None:
            self.message.setText("" if comparison.failed else self.tr("Computing …"))
            self._states.setCurrentIndex(0)
            return
        self.page.mark()
        self._states.setCurrentIndex(1)

    def _pair(self, a: Report, b: Report, comparison: Comparison) -> MapPair | None:
        """The map on the screen and the one beside it; None while an answer that it needs is awaited."""
        focus, shown = self.focus, self.focus.shown_map
        choice: MapChoice | None = MapChoice()
        if shown is not None:
            values, signed = shown.shown.values, shown.shown.signed
            choice = recognised(values, a, None, focus.layer, signed=signed)
            if choice is None and focus.class_index is not None:
                about = comparison.about(a, focus.class_index)
                if about is None:
                    return None
                choice = recognised(values, a, about, focus.layer, signed=signed)
        return pair_maps(a, b, choice or MapChoice(), focus.layer, focus.class_index, comparison.about)
