"""Which function answers which question, and which one runs which job."""

from collections.abc import Callable, Iterator
from typing import Any

from mixer_gui.engine.answers.classes import answer_class, answer_difference
from mixer_gui.engine.answers.convolution import answer_convolution
from mixer_gui.engine.answers.gradients import answer_gradient
from mixer_gui.engine.answers.long import run_attribution, run_faithfulness
from mixer_gui.engine.answers.mixing import answer_mixing, answer_patch, answer_reach, answer_rollout
from mixer_gui.engine.answers.permutation import answer_permutation
from mixer_gui.engine.answers.units import answer_unit, answer_units
from mixer_gui.engine.detail import Detail, Recall
from mixer_gui.engine.steps import AnswerSteps, JobSteps
from mixer_gui.records import (
    Answer,
    AttributionJob,
    ClassRequest,
    ConvolutionRequest,
    DifferenceRequest,
    FaithfulnessJob,
    GradientRequest,
    Job,
    MixerGuiError,
    MixingRequest,
    PatchRequest,
    PermutationRequest,
    Question,
    ReachRequest,
    RolloutRequest,
    UnitRequest,
    UnitsRequest,
)

# A question's type -> (that question, the detail of its report) -> its answer. Errors: MixerGuiError for the user.
ANSWERS: dict[type[Question], Callable[[Any, Detail], Answer]] = {
    PatchRequest: answer_patch,
    ClassRequest: answer_class,
    DifferenceRequest: answer_difference,
    MixingRequest: answer_mixing,
    RolloutRequest: answer_rollout,
    GradientRequest: answer_gradient,
    UnitsRequest: answer_units,
    UnitRequest: answer_unit,
}
# The same of those that take a forward pass or more: their steps, the last of which gives the answer.
STEPWISE: dict[type[Question], Callable[[Any, Recall], AnswerSteps]] = {
    ReachRequest: answer_reach,
    ConvolutionRequest: answer_convolution,
    PermutationRequest: answer_permutation,
}
# A job's type -> (that job, the detail of its report) -> its steps.
JOBS: dict[type[Job], Callable[[Any, Detail], JobSteps]] = {
    AttributionJob: run_attribution,
    FaithfulnessJob: run_faithfulness,
}


def begin_answer(question: Question, recall: Recall) -> AnswerSteps:
    """Raises MixerGuiError where the question is about something that this model has not."""
    _check(question, recall())
    stepwise = STEPWISE.get(type(question))
    return _at_once(question, recall) if stepwise is None else stepwise(question, recall)


def begin_job(job: Job, detail: Detail) -> JobSteps:
    """Raises MixerGuiError as `begin_answer` does."""
    _check(job, detail)
    return JOBS[type(job)](job, detail)


def _at_once(question: Question, recall: Recall) -> Iterator[Answer]:
    yield ANSWERS[type(question)](question, recall())


def _check(asked: Question | Job, detail: Detail) -> None:
    """On the host: an index out of range in a GPU's kernel would end every later use of it."""
    info, config = detail.classifier.info, detail.classifier.model.config
    for field, what, count in (
        ("layer", "layer", info.layers),
        ("patch", "patch", info.grid.count),
        ("index", "class", info.classes),
        ("against", "class", info.classes),
        ("unit", "unit", config.tokens_mlp_dim),
        ("channel", "channel", info.channels),
    ):
        value = getattr(asked, field, None)
        if value is not None and not 0 <= value < count:
            raise MixerGuiError(f"{info.name} has no {what} {value + 1}. Choose another.")
