"""What travels through the pipeline: the steps of the engine thread, and errors turned into Failures."""

import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mixer_gui.records import (
    Answer,
    ClassifyRequest,
    DecodedPicture,
    DevicePreference,
    Failure,
    FrameRequest,
    Job,
    JobProgress,
    JobResult,
    MixerGuiError,
    ModelRef,
    Priority,
    Question,
)

log = logging.getLogger(__name__)

ModelKey = tuple[ModelRef, DevicePreference]
AnswerSteps = Iterator[Answer | None]  # None: another step follows
JobSteps = Iterator[JobProgress | JobResult]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on its way; replaced, never changed, as it moves on."""

    request: ClassifyRequest
    again: bool = False  # it was published, and runs again to answer the questions that wait for it
    frame_published: bool = False
    frame_ms: float = 0.0  # decoding for the frame alone, before the model was known
    decoded: DecodedPicture | None = None

    @property
    def slot(self) -> str:
        return f"again:{self.request.id}" if self.again else self.request.view

    @property
    def priority(self) -> Priority:
        return Priority.POINTER if self.again else self.request.priority

    @property
    def model(self) -> ModelKey:
        return (self.request.model, self.request.device)


@dataclass(frozen=True, slots=True)
class Load:
    model: ModelKey

    @property
    def slot(self) -> str:
        return f"load:{self.model!r}"


@dataclass(frozen=True, slots=True)
class Try:
    """Find out whether a model may run in half precision: goes on with its `steps`."""

    model: ModelKey
    steps: Iterator[None]

    @property
    def slot(self) -> str:
        return f"try:{self.model!r}"


@dataclass(frozen=True, slots=True)
class Inspect:
    path: Path


@dataclass(frozen=True, slots=True)
class Forget:
    request_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question about a report: it begins, or goes on with its `steps`."""

    question: Question
    steps: AnswerSteps | None = None

    @property
    def slot(self) -> str:
        return question_slot(type(self.question), self.question.report_id)

    @property
    def priority(self) -> Priority:
        """What goes on waits behind every question that begins, and takes turns with the frames of a moving picture."""
        return Priority.POINTER if self.steps is None else Priority.LIVE


@dataclass(frozen=True, slots=True)
class Work:
    """A job about a report: it begins, or goes on with its `steps`."""

    job: Job
    steps: JobSteps | None = None

    @property
    def slot(self) -> str:
        return job_slot(self.job.id)

    @property
    def priority(self) -> Priority:
        return Priority.BACKGROUND


Step = Picture | FrameRequest | Load | Try | Inspect | Forget | Ask | Work


def question_slot(kind: type[Question], report_id: int) -> str:
    """Of a kind about a report, only the newest question waits."""
    return f"{kind.__name__}:{report_id}"


def job_slot(job_id: int) -> str:
    return f"job:{job_id}"


def explained(error: Exception) -> MixerGuiError:
    """The same for the user, without a traceback; an error that nobody foresaw says so and goes to the log whole."""
    if isinstance(error, MixerGuiError):
        return MixerGuiError(str(error), error.detail)
    detail = "".join(traceback.format_exception(error))
    log.error("unforeseen: %s", detail)
    return MixerGuiError(
        f"Something went wrong inside the program ({type(error).__name__}: {error}). Please report it.", detail
    )


def failure(request: ClassifyRequest | FrameRequest | None, error: Exception) -> Failure:
    """What went wrong with a request, or, without one, with a model or a question."""
    sentence = explained(error)
    if request is None:
        return Failure(None, "", "", str(sentence), sentence.detail)
    name = request.name if isinstance(request, FrameRequest) else request.source.name
    return Failure(request.id, request.view, name, str(sentence), sentence.detail)
