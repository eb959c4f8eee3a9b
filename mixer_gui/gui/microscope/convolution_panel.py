"""Is it a CNN? The three equivalences on the loaded model, with its own numbers and kernels."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from mixer_gui.gui.labels import badge, heading, scrolling, set_text, words_label
from mixer_gui.gui.microscope.kernel_grid import KernelGrid, colour_kernels, signed_kernels
from mixer_gui.gui.microscope.panel import Panel
from mixer_gui.records import (
    Answer,
    ConvolutionReport,
    ConvolutionRequest,
    Equivalence,
    Operation,
    Precision,
    Question,
    QuestionFailed,
    Report,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.focus import Focus

# Relative: what rounding through all layers of a large Mixer stays below.
ROUNDING = {Precision.FP32: 1e-4, Precision.FP16: 2e-2, Precision.BF16: 1e-1}
NUMBERS = 3  # fit side by side in a narrow column
KERNELS = 32  # shown of each kind


class EquivalenceView(QWidget):
    """One operation: a sentence, the first numbers of both forms below each other, and how far they are apart."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.badge = badge("", "")
        self.sentence = words_label()
        self.verdict = words_label("muted")
        head = QHBoxLayout()
        head.addWidget(heading(title))
        head.addStretch(1)
        head.addWidget(self.badge)
        self._where = QLabel()
        self._where.setObjectName("muted")
        table = QGridLayout()
        table.setHorizontalSpacing(10)
        table.setVerticalSpacing(1)
        table.addWidget(self._where, 0, 1, 1, NUMBERS)
        self.rows: tuple[list[QLabel], list[QLabel]] = ([], [])
        fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        for row, name in enumerate((self.tr("Mixer"), self.tr("Convolution")), start=1):
            table.addWidget(QLabel(name), row, 0)
            for column in range(NUMBERS):
                number = QLabel()
                number.setFont(fixed)
                number.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                table.addWidget(number, row, 1 + column)
                self.rows[row - 1].append(number)
        table.setColumnStretch(NUMBERS + 1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 6)
        layout.setSpacing(3)
        layout.addLayout(head)
        layout.addWidget(self.sentence)
        layout.addLayout(table)
        layout.addWidget(self.verdict)

    def show_equivalence(self, found: Equivalence, row: int, where: str, over: str, precision: Precision) -> None:
        """The numbers of `row`; `where`: what they are of; `over`: what the largest difference is taken over."""
        set_text(self._where, where)
        for labels, rows in zip(self.rows, (found.mixer_numbers, found.convolution_numbers), strict=True):
            for label, value in zip_longest(labels, rows[row][:NUMBERS]):  # a network of two classes has two
                set_text(label, "" if value is None else f"{value:+.6f}")
        if found.largest == 0.0:
            set_text(self.verdict, self.tr("No difference at all, {0}.").format(over))
        else:
            set_text(
                self.verdict,
                self.tr("Largest difference, {0}: {1:.1e} ({2:.0e} of the largest value).").format(
                    over, found.largest, found.relative
                ),
            )
        is_equal = found.relative <= ROUNDING[precision]
        set_text(self.badge, self.tr("exact to rounding") if is_equal else self.tr("differs"))
        self.badge.setToolTip(
            self.tr("Both forms have the same weights and add the same products in another order ({0}).").format(
                precision
            )
            if is_equal
            else self.tr("The two forms differ by more than rounding explains: see the largest difference.")
        )


class ConvolutionPanel(Panel):
    """Four comparisons and the kernels of two of them."""

    topic = "convolution"

    def __init__(self, focus: Focus, parent: QWidget | None = None) -> None:
        super().__init__(focus, QCoreApplication.translate("ConvolutionPanel", "Is it a CNN?"), parent)
        self._known: ConvolutionReport | None = None
        self.intro = words_label()
        self.views_of = {operation: EquivalenceView(_title(operation)) for operation in Operation}
        self.stem_words, self.token_words = words_label("muted"), words_label("muted")
        self.stem_kernels = KernelGrid(self.tr("Kernels of the patch embedding"))
        self.token_kernels = KernelGrid(self.tr("Kernels of token mixing"))
        self._lay_out()

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(6)
        column.addWidget(self.intro)
        self._found = QWidget()
        self._found.hide()
        column.addWidget(self._found)
        column.addStretch(1)
        column = QVBoxLayout(self._found)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for operation in (Operation.PATCH_EMBEDDING, Operation.TOKEN_MIXING, Operation.CHANNEL_MIXING):
            column.addSpacing(4)
            column.addWidget(self.views_of[operation])
            if operation == Operation.PATCH_EMBEDDING:
                column.addWidget(self.stem_words)
                column.addWidget(self.stem_kernels)
            elif operation == Operation.TOKEN_MIXING:
                column.addWidget(self.token_words)
                column.addWidget(self.token_kernels)
        column.addSpacing(4)
        column.addWidget(self.views_of[Operation.NETWORK])
        self.room = scrolling(content)
        self.room.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # nothing in it takes the keys that scroll
        self.room.setAccessibleName(self.tr("The network by convolutions"))
        self.body.addWidget(self.room)

    # --- what the window tells ---

    def refresh(self) -> None:
        report = self.report
        if report is None:
            return
        wanted = ConvolutionRequest(report.id)
        if self._known is not None and self._known.request == wanted:
            self._show(self._known, report)
            return
        self._known = None
        self._found.hide()
        self.ask(wanted)
        self._show_waiting(wanted)

    def take(self, answer: Answer) -> None:
        report = self.report
        if report is not None and isinstance(answer, ConvolutionReport):
            self._known = answer
            self._show(answer, report)

    def take_failed(self, failed: QuestionFailed) -> None:
        self._show_waiting(failed.question)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        import numpy as np

        known = self._known
        if known is None:
            return {}
        found: dict[str, NDArray[np.generic]] = {}
        for each in known.equivalences:
            found[f"{each.operation.value}_mixer"] = np.array(each.mixer_numbers, np.float32)
            found[f"{each.operation.value}_convolution"] = np.array(each.convolution_numbers, np.float32)
            found[f"{each.operation.value}_largest"] = np.array(each.largest)
        return found | {"stem_kernels": known.stem_kernels, "token_kernels": known.token_kernels}

    def views(self) -> dict[str, QWidget]:
        if self._known is None:
            return {}
        named: dict[str, QWidget] = {_title(operation): view for operation, view in self.views_of.items()}
        named[self.tr("Kernels of the patch embedding")] = self.stem_kernels
        named[self.tr("Kernels of token mixing")] = self.token_kernels
        return named

    # --- showing ---

    def _show_waiting(self, question: Question) -> None:
        waits = self.is_asked(question)
        set_text(
            self.intro, self.tr("Running this picture through the same weights by convolutions …") if waits else ""
        )

    def _show(self, known: ConvolutionReport, report: Report) -> None:
        model, row = report.model, min(self.focus.layer, len(known.token_kernels) - 1)
        grid, layer = model.grid, row + 1
        set_text(
            self.intro,
            self.tr(
                "Yes and no. Every step of a Mixer can be written as a convolution, and this picture was just run both "
                "ways with the same weights. But one kind has kernels as large as the whole picture and shared by all "
                "channels, which no usual CNN has."
            ),
        )
        sentences = {
            Operation.PATCH_EMBEDDING: self.tr(
                "A convolution with {0} kernels of {1}×{1} pixels in three colours, moved by {1} pixels at a time: "
                "every pixel is seen once."
            ).format(model.channels, model.patch_size),
            Operation.TOKEN_MIXING: self.tr(
                "A depth-wise convolution with {0} kernels of {1}×{2} patches: as large as the whole grid, so each "
                "fits in one place only, and the same {0} kernels for all {3} channels. Then its transposed form "
                "writes back to {1}×{2} patches."
            ).format(known.tokens_mlp_dim, grid.rows, grid.columns, model.channels),
            Operation.CHANNEL_MIXING: self.tr(
                "Two 1×1 convolutions, from {0} channels to {1} and back: each patch by itself."
            ).format(model.channels, known.channels_mlp_dim),
            Operation.NETWORK: self.tr(
                "All {0} layers by convolutions, from pixels to logits; the head is a 1×1 convolution, too."
            ).format(model.layers),
        }
        in_layer = self.tr("layer {0}, middle patch, first channels").format(layer)
        everywhere = self.tr("over all layers, patches and channels")
        precision = report.device.precision
        for found in known.equivalences:
            view = self.views_of[found.operation]
            set_text(view.sentence, sentences[found.operation])
            if found.operation == Operation.PATCH_EMBEDDING:
                view.show_equivalence(
                    found,
                    0,
                    self.tr("middle patch, first channels"),
                    self.tr("over all patches and channels"),
                    precision,
                )
            elif found.operation == Operation.NETWORK:
                view.show_equivalence(
                    found,
                    0,
                    self.tr("logits of the first classes"),
                    self.tr("over {0} classes").format(model.classes),
                    precision,
                )
            else:
                view.show_equivalence(found, row, in_layer, everywhere, precision)
        set_text(
            self.stem_words,
            self.tr("The {0} strongest of {1} kernels, in colour; grey is 0, each on its own scale.").format(
                min(len(known.stem_kernels), KERNELS), model.channels
            ),
        )
        set_text(
            self.token_words,
            self.tr("Layer {0}: the {1} strongest of {2} kernels; red above 0, blue below, own scales.").format(
                layer, min(known.token_kernels.shape[1], KERNELS), known.tokens_mlp_dim
            ),
        )
        self.stem_kernels.show_kernels(colour_kernels(known.stem_kernels[:KERNELS]))
        self.token_kernels.show_kernels(signed_kernels(known.token_kernels[row, :KERNELS]))
        self._found.show()


def _title(operation: Operation) -> str:
    titles = {
        Operation.PATCH_EMBEDDING: _tr("Patch embedding"),
        Operation.TOKEN_MIXING: _tr("Token mixing"),
        Operation.CHANNEL_MIXING: _tr("Channel mixing"),
        Operation.NETWORK: _tr("The whole network"),
    }
    return titles[operation]


def _tr(text: str) -> str:
    return QCoreApplication.translate("ConvolutionPanel", text)
