"""“Is it a CNN?” in the real window: this model's own numbers in both forms, and its kernels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mixer_gui.gui.microscope.convolution_panel import KERNELS, NUMBERS, ConvolutionPanel, EquivalenceView
from mixer_gui.gui.microscope.kernel_grid import colour_kernels, signed_kernels
from mixer_gui.records import ConvolutionRequest, Equivalence, Operation, Precision, Question, QuestionFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]

TIMEOUT_MS = 30_000


@pytest.fixture
def application(start: Start, photographs: dict[str, Path]) -> Application:
    return start(photographs["chelsea"])


def opened(qtbot: QtBot, application: Application, layer: int = 3) -> ConvolutionPanel:
    window = application.window
    panel = window.microscope.show_panel("convolution")
    assert isinstance(panel, ConvolutionPanel)
    window.focus.want_layer(layer)
    qtbot.waitUntil(lambda: bool(panel.arrays()), timeout=TIMEOUT_MS)
    return panel


def asked_by(application: Application) -> list[Question]:
    """Questions about convolutions that are asked from now on."""
    questions: list[Question] = []

    def note(question: Question) -> None:
        if isinstance(question, ConvolutionRequest):
            questions.append(question)

    application.window.focus.asked.connect(note)
    return questions


def test_sentences_have_this_models_numbers(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    expected = {
        Operation.PATCH_EMBEDDING: ("192 kernels", "8×8 pixels"),
        Operation.TOKEN_MIXING: ("96 kernels", "8×8 patches", "192 channels"),
        Operation.CHANNEL_MIXING: ("1×1", "192", "768"),
        Operation.NETWORK: ("8 layers",),
    }
    for operation, words in expected.items():
        sentence = panel.views_of[operation].sentence.text()
        assert all(each in sentence for each in words), sentence


def test_both_forms_are_shown_and_equal_to_rounding(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    found = panel.arrays()
    for operation, view in panel.views_of.items():
        numbers = [[float(label.text()) for label in row] for row in view.rows]
        row = 3 if operation in (Operation.TOKEN_MIXING, Operation.CHANNEL_MIXING) else 0
        assert numbers[0] == pytest.approx(found[f"{operation.value}_mixer"][row, :NUMBERS].tolist(), abs=1e-6)
        assert numbers[1] == pytest.approx(found[f"{operation.value}_convolution"][row, :NUMBERS].tolist(), abs=1e-6)
        assert numbers[0] == pytest.approx(numbers[1], abs=1e-4)
        assert len(set(numbers[0])) == NUMBERS
        assert view.badge.text() == "exact to rounding"
        assert view.badge.isVisibleTo(panel)
        largest = float(found[f"{operation.value}_largest"])
        assert (f"{largest:.1e}" if largest else "No difference at all") in view.verdict.text()
    report = application.window.focus.report
    assert report is not None
    logits = [each.logit for each in report.predictions[:NUMBERS]]
    assert found["network_mixer"][0, :NUMBERS].tolist() == pytest.approx(logits)


def test_forms_that_differ_are_not_called_exact(qtbot: QtBot) -> None:
    view = EquivalenceView("Token mixing")
    qtbot.addWidget(view)
    found = Equivalence(Operation.TOKEN_MIXING, ((1.0, 2.0, 3.0),), ((1.0, 2.1, 3.0),), 0.1, 0.03)
    view.show_equivalence(found, 0, "here", "everywhere", Precision.FP32)
    assert view.badge.text() == "differs"
    view.show_equivalence(found, 0, "here", "everywhere", Precision.BF16)  # which rounds to three digits
    assert view.badge.text() == "exact to rounding"


def test_numbers_of_a_network_of_more_classes_are_gone(qtbot: QtBot) -> None:
    view = EquivalenceView("The whole network")
    qtbot.addWidget(view)
    for numbers in ((1.0, 2.0, 3.0, 4.0), (5.0, 6.0)):
        found = Equivalence(Operation.NETWORK, (numbers,), (numbers,), 0.0, 0.0)
        view.show_equivalence(found, 0, "here", "all", Precision.FP32)
    for row in view.rows:
        assert [label.text() for label in row] == ["+5.000000", "+6.000000", ""]


def test_kernels_follow_the_layer(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application, layer=3)
    assert panel.stem_kernels.count == panel.token_kernels.count == KERNELS
    assert "Layer 4" in panel.token_words.text()
    kernels = panel.arrays()["token_kernels"]
    assert kernels.shape[0] == 8
    before, stem = panel.token_kernels.grab().toImage(), panel.stem_kernels.grab().toImage()
    questions = asked_by(application)
    application.window.focus.want_layer(5)  # shown at once, from what is known
    assert "Layer 6" in panel.token_words.text()
    assert "layer 6" in panel.views_of[Operation.CHANNEL_MIXING]._where.text()
    row = panel.arrays()["channel_mixing_mixer"][5, :NUMBERS]
    assert [float(each.text()) for each in panel.views_of[Operation.CHANNEL_MIXING].rows[0]] == pytest.approx(
        row.tolist(), abs=1e-6
    )
    assert panel.token_kernels.grab().toImage() != before
    assert panel.stem_kernels.grab().toImage() == stem
    assert questions == []


def test_one_question_is_asked_of_a_picture_however_much_happens_meanwhile(
    qtbot: QtBot, application: Application
) -> None:
    window, questions = application.window, asked_by(application)
    panel = window.microscope.show_panel("convolution")
    assert isinstance(panel, ConvolutionPanel)
    for patch in range(3):
        window.focus.want_patch(patch)
        window.focus.want_layer(patch)
    report = window.focus.report
    assert report is not None
    assert questions == [ConvolutionRequest(report.id)]
    window.microscope.show_panel("mixing")  # its answer is not taken
    window.microscope.show_panel("convolution")
    qtbot.waitUntil(lambda: bool(panel.arrays()), timeout=TIMEOUT_MS)
    assert questions == [ConvolutionRequest(report.id)] * 2


def test_question_that_failed_can_be_tried_again(qtbot: QtBot, application: Application) -> None:
    window, questions = application.window, asked_by(application)
    panel = window.microscope.show_panel("convolution")
    assert isinstance(panel, ConvolutionPanel)
    assert "Running" in panel.intro.text()
    application.worker.question_failed.emit(QuestionFailed(questions[0], "Not enough memory."))
    assert panel.intro.text() == ""
    window.focus.want_layer(2)
    assert len(questions) == 1
    panel.retry()
    assert len(questions) == 2
    qtbot.waitUntil(lambda: bool(panel.arrays()), timeout=TIMEOUT_MS)
    assert panel.views_of[Operation.NETWORK].badge.text() == "exact to rounding"


def test_kernels_are_painted_as_they_are() -> None:
    kernels = np.zeros((1, 3, 2, 2), np.float32)
    kernels[0, 0, 0, 1] = 2.0  # red above 0 in the first row, second column
    kernels[0, 2, 1, 0] = -2.0  # blue below 0 in the second row, first column
    (image,) = colour_kernels(kernels)
    assert image.pixelColor(1, 0).getRgb()[:3] == (255, 128, 128)
    assert image.pixelColor(0, 1).getRgb()[:3] == (128, 128, 0)
    assert image.pixelColor(0, 0).getRgb()[:3] == (128, 128, 128)
    (image,) = signed_kernels(np.array([[[0.0, 3.0, -3.0]]], np.float32))
    assert (image.width(), image.height()) == (3, 1)
    assert image.pixelColor(1, 0).red() > image.pixelColor(1, 0).blue()
    assert image.pixelColor(2, 0).red() < image.pixelColor(2, 0).blue()


def test_everything_fits_a_narrow_column_and_can_be_saved(qtbot: QtBot, application: Application) -> None:
    panel = opened(qtbot, application)
    assert panel.minimumSizeHint().width() <= 370
    content = panel.room.widget()
    assert content.minimumSizeHint().width() <= 340
    assert len(panel.views()) == 6
    for kernels in (panel.stem_kernels, panel.token_kernels):
        assert kernels.height() >= kernels.heightForWidth(kernels.width())
