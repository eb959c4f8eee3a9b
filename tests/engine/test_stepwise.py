"""Questions that take a forward pass or more: answered in steps, behind every question that is quick."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import ask, request
from running import Running, running
from torch.utils.flop_counter import FlopCounterMode

from mixer_gui.engine.answers.table import STEPWISE
from mixer_gui.engine.engine import Engine
from mixer_gui.records import (
    ConvolutionReport,
    ConvolutionRequest,
    Failure,
    PatchReport,
    PatchRequest,
    PermutationReport,
    PermutationRequest,
    Question,
    QuestionFailed,
    ReachReport,
    ReachRequest,
    Report,
)
from mixer_gui.resources import default_model

WriteCheckpoint = Callable[..., Path]
QUESTIONS: list[Question] = [ConvolutionRequest(1), PermutationRequest(1), ReachRequest(1, 5)]


def onednn_flops(rows: torch.Size, weight: torch.Size, *_rest: object, **_shape: object) -> int:
    """Of (…, K) by (M, K), which torch's counter does not know."""
    return 2 * rows.numel() * weight[0]


ONEDNN = {torch.ops.mkldnn._linear_pointwise: onednn_flops}
ALL = pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: type(each).__name__)


@pytest.fixture
def model(tiny_checkpoint: WriteCheckpoint) -> Path:
    return tiny_checkpoint()


def classified(run: Running, model: Path, number: int = 1) -> Engine:
    run.pipeline.submit(request(model, number))
    run.wait_until(lambda: any(each.id == number for each in run.of(Report)), "no report came")
    run.settle()
    assert run.pipeline._engine is not None
    return run.pipeline._engine


def test_all_of_them_are_tried_here() -> None:
    assert {type(question) for question in QUESTIONS} == STEPWISE.keys()


@ALL
def test_quick_question_overtakes_a_long_one_at_every_step(run: Running, question: Question) -> None:
    """Steps are counted, not milliseconds: each is one layer, or one forward pass."""
    classified(run, default_model().path)
    run.hold()
    run.pipeline.ask(question)
    steps = 0
    while len(run.pipeline._steps):
        run.pipeline.step()
        steps += 1
        run.pipeline.ask(PatchRequest(1, 0, steps))
        run.pipeline.step()
        assert run.of(PatchReport)[-1].request.patch == steps
        assert isinstance(run.records[-1], PatchReport)
    assert steps == 2 if isinstance(question, PermutationRequest) else steps == 9
    answers = [each for each in run.records if isinstance(each, ConvolutionReport | PermutationReport | ReachReport)]
    assert [each.request for each in answers] == [question]


@ALL
def test_a_step_costs_no_more_than_a_forward_pass(run: Running, question: Question) -> None:
    """In products of matrices and convolutions, counted by torch."""
    engine = classified(run, default_model().path)
    detail = engine._detail(1)
    with FlopCounterMode(display=False, custom_mapping=ONEDNN) as forward:
        detail.classifier.model(detail.images())
    run.hold()
    run.pipeline.ask(question)
    spent = []
    while len(run.pipeline._steps):
        with FlopCounterMode(display=False, custom_mapping=ONEDNN) as step:
            run.pipeline.step()
        spent.append(step.get_total_flops())
    assert max(spent) <= 1.01 * forward.get_total_flops()
    assert sum(spent) >= forward.get_total_flops()


@ALL
def test_answer_goes_on_where_it_was_when_its_picture_had_to_run_again(model: Path, question: Question) -> None:
    """Another picture evicts it after each step; it is answered in as many steps, and the same."""
    with running() as run:
        expected = ask(classified(run, model), question)
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        classified(run, model)
        run.hold()
        run.pipeline.ask(question)
        steps = 0
        while not (answers := [each for each in run.records if isinstance(each, type(expected))]):
            run.wait_until(lambda: len(run.pipeline._steps), "nothing goes on")
            run.pipeline.step()
            if run.pipeline._engine is not None:
                run.pipeline._engine._details.clear()
            steps += 1
            assert steps < 30
        assert np.array_equal(main_numbers(answers[0]), main_numbers(expected))


def main_numbers(answer: object) -> np.ndarray:
    match answer:
        case ConvolutionReport():
            return np.array([each.largest for each in answer.equivalences])
        case PermutationReport():
            return np.array([each.logit for each in (*answer.permuted, *answer.restored)])
        case ReachReport():
            return answer.reach
    raise TypeError


@ALL
def test_nothing_of_the_picture_is_held_between_steps(run: Running, model: Path, question: Question) -> None:
    engine = classified(run, model)
    stem = weakref.ref(engine._detail(1).recording.stem)
    run.hold()
    run.pipeline.ask(question)
    run.pipeline.step()
    assert len(run.pipeline._steps) == 1
    engine._details.clear()
    gc.collect()
    assert stem() is None


def test_newer_question_takes_the_place_of_one_that_is_being_answered(run: Running, model: Path) -> None:
    classified(run, model)
    run.hold()
    run.pipeline.ask(ReachRequest(1, 2))
    run.pipeline.step()
    run.pipeline.ask(ReachRequest(1, 7))
    assert len(run.pipeline._steps) == 1
    run.go()
    run.wait_for(ReachReport)
    run.settle()
    assert [answer.request.patch for answer in run.of(ReachReport)] == [7]


def test_question_about_a_picture_that_was_let_go_is_dropped(run: Running, model: Path) -> None:
    classified(run, model)
    run.hold()
    run.pipeline.ask(ReachRequest(1, 2))
    run.pipeline.step()
    run.pipeline.cancel("view-1")
    run.go()
    run.settle()
    assert run.of(ReachReport) == []


@ALL
def test_failure_in_the_middle_is_told_and_the_next_question_answered(
    run: Running, model: Path, question: Question
) -> None:
    engine = classified(run, model)
    run.hold()
    run.pipeline.ask(question)
    run.pipeline.step()
    detail = engine._details[1]
    detail.classifier.model.blocks[1].mlp_channels.fc1.weight = torch.nn.Parameter(torch.zeros(3, 3), False)
    run.go()
    (failed,) = run.wait_for(QuestionFailed)
    assert failed.question == question
    assert "Something went wrong" in failed.sentence
    run.pipeline.ask(PatchRequest(1, 0, 0))
    run.wait_for(PatchReport)
    assert run.of(Failure) == []


def test_question_is_answered_before_a_picture_that_came_after_it(run: Running, model: Path) -> None:
    """That picture's report would make the answer one about a report that is no longer shown."""
    classified(run, model)
    run.hold()
    run.pipeline.ask(PermutationRequest(1))
    run.pipeline.step()
    run.pipeline.submit(request(model, 2, view="view-1"))
    run.wait_until(lambda: len(run.pipeline._steps) == 2, "it is not decoded")
    run.go()
    run.wait_for(Report, 2)
    order = [type(each) for each in run.records if isinstance(each, Report | PermutationReport)]
    assert order == [Report, PermutationReport, Report]
