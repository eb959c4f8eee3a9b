"""The paper's demonstration: all patches permuted by one permutation, and the weights along with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSpinBox, QToolButton, QVBoxLayout, QWidget

from mixer_gui.gui.images import pixels_image
from mixer_gui.gui.labels import badge, heading, set_words, words_label
from mixer_gui.gui.microscope.before_after import Block, RankingBlocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from PySide6.QtGui import QImage

    from mixer_gui.records import PermutationReport, Prediction, Report

MOST_SEEDS = 9999


class PermutationBox(QWidget):
    """Asks on request; shows the three rankings and how far the logits are apart."""

    asked = Signal()  # PermutationRequest of the unedited picture, with the seed that is set

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.answer: PermutationReport | None = None
        self.run = QToolButton()
        self.run.setText(self.tr("Permute patches and weights"))
        self.run.setToolTip(self.tr("Run the network on the permuted picture, as it is and with permuted weights"))
        self.run.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.run.clicked.connect(self.asked)
        self.seed = QSpinBox()
        self.seed.setRange(0, MOST_SEEDS)
        self.seed.setPrefix(self.tr("seed "))
        self.seed.setAccessibleName(self.tr("Seed of the demonstration's permutation"))
        self.seed.setToolTip(self.tr("The permutation is drawn from this number: the same one, the same order"))
        self.rankings = RankingBlocks(self.tr("Rankings with all patches permuted"))
        self._numbers = words_label()
        self._meaning = words_label("muted")
        self._exact = badge(self.tr("exact"), self.tr("Three whole forward passes, compared; exact to their rounding."))
        explanation = words_label("muted")
        explanation.setText(
            self.tr(
                "The paper's demonstration, on the picture without edits: all patches change places by one fixed "
                "permutation; then the weights that belong to places are permuted along with them."
            )
        )
        top = QHBoxLayout()
        top.addWidget(heading(self.tr("All patches permuted")))
        top.addWidget(self._exact)
        top.addStretch(1)
        controls = QHBoxLayout()
        controls.addWidget(self.run)
        controls.addWidget(self.seed)
        controls.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(top)
        layout.addWidget(explanation)
        layout.addLayout(controls)
        layout.addWidget(self.rankings)
        layout.addWidget(self._numbers)
        layout.addWidget(self._meaning)
        self.clear()

    def clear(self) -> None:
        """Nothing was asked of this picture yet."""
        self.answer = None
        self.rankings.hide()
        set_words(self._numbers, "")
        set_words(self._meaning, "")

    def wait(self) -> None:
        """It was asked."""
        set_words(self._numbers, self.tr("Running …"))

    def show_answer(
        self,
        answer: PermutationReport,
        report: Report,
        named: Callable[[Iterable[Prediction]], tuple[Prediction, ...]],
    ) -> None:
        """`report`: of the picture without edits."""
        self.answer = answer
        permuted = pixels_image(answer.pixels)
        original: QImage = permuted if report.pixels is None else pixels_image(report.pixels)
        self.rankings.show_blocks(
            (
                Block(self.tr("As it is"), original, named(answer.original)),
                Block(self.tr("Patches permuted"), permuted, named(answer.permuted)),
                Block(self.tr("Patches and weights permuted"), permuted, named(answer.restored)),
            )
        )
        self.rankings.show()
        set_words(
            self._numbers,
            self.tr(
                "Largest difference of a logit from the picture as it is: {0} with the patches permuted, {1} with the "
                "weights permuted, too."
            ).format(f"{answer.shift:.3g}", f"{answer.largest:.1e}"),
        )
        set_words(
            self._meaning,
            self.tr(
                "This network learned positions: its token mixing has weights for each place, so the same patches in "
                "another order are another picture to it. Once the weights move along, only rounding differs."
            ),
        )
