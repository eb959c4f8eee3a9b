"""Questions about what is open, in the running application: whose answers and failures are told, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mixer_gui.records import ClassRequest, DifferenceRequest, QuestionFailed
from tests.gui.conftest import TIMEOUT_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]
NO_CLASS = 10**6


def test_failed_question_is_told_as_one_and_not_as_a_models_failure(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"]).window
    session, failed, of_a_model = window.session, [], []
    window.focus.question_failed.connect(failed.append)
    session.model_failed.connect(of_a_model.append)
    question = DifferenceRequest(session.current.report.id, NO_CLASS)
    session.questions.ask(question)
    qtbot.waitUntil(lambda: failed != [], timeout=TIMEOUT_MS)
    (failure,) = failed
    assert isinstance(failure, QuestionFailed)
    assert failure.question == question
    assert failure.sentence
    assert of_a_model == []
    assert window._message.whole == ""


def test_failure_about_another_report_is_not_told(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start(photographs["coffee"], photographs["rocket"])
    session, failed, everything = application.window.session, [], []
    session.questions.failed.connect(failed.append)
    other = next(each for each in session.gallery.pictures if each is not session.current)
    session.questions.ask(DifferenceRequest(other.report.id, NO_CLASS))
    session.questions.answered.connect(everything.append)
    session.questions.class_answered.connect(everything.append)
    session.questions.ask(ClassRequest(session.current.report.id, 3))
    qtbot.waitUntil(lambda: everything != [], timeout=TIMEOUT_MS)
    qtbot.wait(100)
    assert failed == []


def test_comparison_asks_on_after_a_failed_question_and_can_try_again(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    window = start(photographs["coffee"], photographs["rocket"]).window
    comparison, session = window.comparison, window.session
    comparison.choose(next(each for each in session.gallery.pictures if each is not session.current))
    qtbot.waitUntil(lambda: comparison.report is not None, timeout=TIMEOUT_MS)
    report = comparison.report
    told: list[str] = []
    comparison.changed.connect(lambda: told.append(comparison.failed))
    assert comparison.about(report, NO_CLASS) is None
    assert comparison.about(report, 7) is None
    qtbot.waitUntil(lambda: comparison.about(report, 7) is not None, timeout=TIMEOUT_MS)
    assert comparison.failed
    assert comparison.failed in told
    count = len(told)
    assert comparison.about(report, NO_CLASS) is None, "it is not asked for ever"
    qtbot.wait(200)
    assert len(told) == count
    comparison.retry()
    assert comparison.failed == ""
    qtbot.waitUntil(lambda: comparison.report is not None, timeout=TIMEOUT_MS)
    assert comparison.report is not report
    assert comparison.about(comparison.report, NO_CLASS) is None
    qtbot.waitUntil(lambda: comparison.failed != "", timeout=TIMEOUT_MS)


def test_what_is_under_way_is_not_asked_once_more(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    """The picture and a view beside it want the same of a patch; both hear the one answer."""
    window = start(photographs["coffee"]).window
    questions, answers = window.session.questions, []
    window.focus.answered.connect(answers.append)
    question = DifferenceRequest(window.session.current.report.id, 3)
    for _ in range(3):
        questions.ask(question)
    qtbot.waitUntil(lambda: answers != [], timeout=TIMEOUT_MS)
    qtbot.wait(100)
    assert [each.request for each in answers] == [question]
    questions.ask(question)  # answered by now: asked again, it is answered again
    qtbot.waitUntil(lambda: len(answers) == 2, timeout=TIMEOUT_MS)
