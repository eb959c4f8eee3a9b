"""The models in memory and what is kept of their recent answers. Runs in one thread; knows no queue, no Qt."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from mixer_gui.engine.acceptance import Acceptances, Verdict, judged
from mixer_gui.engine.answers.classes import answer_class
from mixer_gui.engine.answers.mixing import answer_patch
from mixer_gui.engine.answers.table import begin_answer, begin_job
from mixer_gui.engine.batches import LARGEST, BatchSizes
from mixer_gui.engine.classifier import Classifier, NotNumbersError
from mixer_gui.engine.detail import Detail
from mixer_gui.engine.device import choose_device, ran_out_of_gpu_memory, release_gpu_memory, threads_for
from mixer_gui.engine.policy import choose_precision
from mixer_gui.engine.steadying import RunningAverage
from mixer_gui.engine.steps import AnswerSteps, JobSteps, ModelKey
from mixer_gui.model.checkpoint import Checkpoint, load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.records import (
    Answer,
    CheckpointInfo,
    ClassifyRequest,
    ClassRequest,
    DecodedPicture,
    DeviceInfo,
    DevicePreference,
    FrameReport,
    FrameRequest,
    Job,
    MixerGuiError,
    ModelReady,
    ModelRef,
    PatchRequest,
    Precision,
    PrecisionPreference,
    Preprocessing,
    Question,
    Report,
)

MODEL_BUDGET_BYTES = 3 << 30
DETAIL_BUDGET_BYTES = 64 << 20  # the newest is always kept, and an evicted one is run again

Given = TypeVar("Given")


class DetailEvictedError(Exception):
    """What a query needs is no longer in memory: run the picture again with a FULL recording."""


class ModelMovedError(DetailEvictedError):
    """A question filled the GPU: its model runs on the CPU from now on, and the question begins anew there."""

    def __init__(self, ready: ModelReady) -> None:
        super().__init__()
        self.ready = ready  # with the notice


class Engine:
    """Loads, classifies, answers queries. Models and details are dropped, least recently used first."""

    def __init__(
        self,
        *,
        model_budget_bytes: int = MODEL_BUDGET_BYTES,
        detail_budget_bytes: int = DETAIL_BUDGET_BYTES,
        acceptances: Path | None = None,
        largest_batches: Mapping[DevicePreference, int] = LARGEST,
    ) -> None:
        """`acceptances`: the file that remembers which models may run in half precision here; None: none does.

        `largest_batches`: how many pictures a pass takes at most on each kind of device.
        """
        self._model_budget_bytes = model_budget_bytes
        self._detail_budget_bytes = detail_budget_bytes
        self._classifiers: OrderedDict[ModelKey, Classifier] = OrderedDict()
        self._details: OrderedDict[int, Detail] = OrderedDict()
        self._averages: dict[str, RunningAverage] = {}  # of moving pictures, by view
        self._batch_sizes = BatchSizes(largest_batches)
        self._acceptances = Acceptances(acceptances)
        self._verdicts: dict[ModelKey, Verdict] = {}  # of loaded models, as far as they are known
        self._trials: set[ModelKey] = set()  # models whose verdict is under way

    def preprocessing(self, model: ModelRef, device: DevicePreference) -> Preprocessing | None:
        """How a loaded model wants its pictures; None where it is not loaded."""
        classifier = self._classifiers.get((model, device))
        return None if classifier is None else classifier.info.preprocessing

    def load(
        self, model: ModelRef, device: DevicePreference, cancelled: Callable[[], bool] = lambda: False
    ) -> ModelReady:
        """Have the model in memory and on its device. Raises MixerGuiError; what was loaded stays loaded."""
        started = time.perf_counter()
        notices: tuple[str, ...] = ()
        key = (model, device)
        if key not in self._classifiers:
            choose_device(device)  # a device that is not there is told before the weights are read
            checkpoint = load_checkpoint(model, cancelled=cancelled)
            classifier = _on_gpu(checkpoint, device)
            if classifier is None:  # the weights may lie on both devices now; building it takes them back
                classifier = Classifier(checkpoint, DevicePreference.CPU)
                classifier.fall_back()
                release_gpu_memory()
                notices = (_out_of_memory_notice(checkpoint.info.name),)
            self._classifiers[key] = classifier
            self._recall_verdict(key)
        self._classifiers.move_to_end(key)
        self._evict_models()
        classifier = self._classifiers[key]
        device_info = classifier.device_info
        if key in self._verdicts:
            device_info = _because(device_info, self._verdicts[key].sentence)
        load_ms = (time.perf_counter() - started) * 1e3
        return ModelReady(model, classifier.info, device_info, load_ms, notices)

    def prepare(self, model: ModelRef, device: DevicePreference, precision: PrecisionPreference) -> None:
        """Have at once what pictures that nobody studies need of a loaded model in a precision, a trial included.

        Raises MixerGuiError where the device has not this precision.
        """
        if precision == PrecisionPreference.AUTO:
            for _ in self.begin_trial(model, device) or ():
                pass
        choice = choose_precision(precision, self._verdicts.get((model, device)), is_studied=False)
        self._use(model, device).at(choice.precision)

    def begin_trial(self, model: ModelRef, device: DevicePreference) -> Iterator[None] | None:
        """The steps, each of one pass, of finding out whether a loaded model may run in half precision.

        None where that is known, or under way.
        """
        key = (model, device)
        if key not in self._classifiers or key in self._verdicts or key in self._trials:
            return None
        self._trials.add(key)
        return self._try(key)

    def classify(self, request: ClassifyRequest, decoded: DecodedPicture, record: Record) -> Report:
        """Run one picture on a loaded model; a GPU that runs out of memory gives way to the CPU, with a notice.

        On a CPU several threads may call it at a time, below a FULL recording and once the model was prepared.
        """
        with _threads_of(self._use(request.model, request.device).info):
            (report, detail), why, notices = self._run_precisely(
                request, lambda each: each.classify(request, decoded, record), is_studied=record == Record.FULL
            )
        if record == Record.FULL:
            self._keep(request.id, detail)
        return replace(report, device=_because(report.device, why), notices=(*report.notices, *notices))

    def batch_size(self, model: ModelRef, device: DevicePreference) -> int:
        """How many pictures of a loaded model `classify_batch` runs in one pass at most; 1 where that is fastest."""
        return self._batch_sizes.of((model, device), self._classifiers[model, device].device_info.kind)

    def classify_batch(
        self, requests: Sequence[ClassifyRequest], decoded: Sequence[DecodedPicture]
    ) -> list[Report | MixerGuiError]:
        """Run pictures that nobody studies, of one loaded model, device and precision; a report or an error for each.

        A GPU that has too little memory for so many takes half as many from then on; one that has too little for one
        gives way to the CPU, as in `classify`.
        """
        model, results = (requests[0].model, requests[0].device), list[Report | MixerGuiError]()
        while len(results) < len(requests):
            part = slice(len(results), len(results) + self.batch_size(*model))
            results += self._classify_together(requests[part], decoded[part])
        return results

    def _classify_together(
        self, requests: Sequence[ClassifyRequest], decoded: Sequence[DecodedPicture]
    ) -> list[Report | MixerGuiError]:
        """In one pass; nothing where the GPU has too little memory for that, which is noted."""
        first = requests[0]
        if len(requests) == 1:
            try:
                return [self.classify(first, decoded[0], Record.MAPS)]
            except MixerGuiError as error:
                return [error]

        def run(classifier: Classifier) -> list[Report | MixerGuiError]:
            results = _attempt(classifier, lambda: classifier.classify_batch(requests, decoded)) or []
            failed = next((each for each in results if isinstance(each, NotNumbersError)), None)
            chosen_here = first.precision == PrecisionPreference.AUTO
            if failed is not None and chosen_here and classifier.device_info.precision != Precision.FP32:
                raise failed  # all of them once more, in fp32
            return results

        results, why, notices = self._run_precisely(first, run, is_studied=False)
        if not results:
            self._batch_sizes.note_too_large((first.model, first.device), len(requests))
            release_gpu_memory()
        for place, result in enumerate(results):
            if isinstance(result, Report):
                told = (*result.notices, *notices)
                results[place], notices = replace(result, device=_because(result.device, why), notices=told), ()
        return results

    def classify_frame(self, request: FrameRequest) -> FrameReport:
        """Run one frame of a moving picture on a loaded model, and answer what is asked about it at once."""
        info = self._use(request.model, request.device).info
        asks = _may_ask(request, info)
        record = Record.NONE if not request.maps else Record.FULL if asks else Record.MAPS
        average = self._averages.setdefault(request.view, RunningAverage())
        with _threads_of(info):
            (answer, detail), why, notices = self._run_precisely(
                request, lambda each: each.classify_frame(request, record, average), is_studied=False
            )
        device = _because(answer.device, why)
        report = None if answer.report is None else replace(answer.report, device=device)
        about_class, about_patch = None, None
        if record == Record.FULL and request.about_class is not None:
            about_class = answer_class(ClassRequest(request.id, request.about_class), detail)
        if record == Record.FULL and request.about_patch is not None:
            about_patch = answer_patch(PatchRequest(request.id, *request.about_patch), detail)
        return replace(
            answer,
            device=device,
            report=report,
            about_class=about_class,
            about_patch=about_patch,
            notices=(*answer.notices, *notices),
        )

    def _use(self, model: ModelRef, device: DevicePreference) -> Classifier:
        self._classifiers.move_to_end((model, device))
        return self._classifiers[model, device]

    def _run_precisely(
        self, request: ClassifyRequest | FrameRequest, run: Callable[[Classifier], Given], *, is_studied: bool
    ) -> tuple[Given, str, tuple[str, ...]]:
        """What `run` gives in the precision that the request gets, why it got that one, and what there is to say.

        Where half precision was chosen here, and its numbers are too small for a picture, fp32 takes its place.
        """
        key = (request.model, request.device)
        whole = self._use(*key)
        choice = choose_precision(request.precision, self._verdicts.get(key), is_studied=is_studied)
        try:
            given, notices = self._run(whole, lambda: run(whole.at(choice.precision)))
        except NotNumbersError:
            if choice.precision == Precision.FP32 or request.precision != PrecisionPreference.AUTO:
                raise
            whole.drop(choice.precision)
            failure = f"in {choice.precision}, results of a picture were not numbers"
            self._take_verdict(key, Verdict(choice.precision, failure=failure))
            return self._run_precisely(request, run, is_studied=is_studied)
        self._evict_models()
        return given, choice.why, notices

    def _try(self, key: ModelKey) -> Iterator[None]:
        whole = self._classifiers[key]
        device, steps = whole.device, judged(whole)
        while self._classifiers.get(key) is whole and whole.device == device:
            try:
                next(steps)
            except StopIteration as end:
                self._trials.discard(key)
                self._take_verdict(key, end.value)
                return
            yield

    def _take_verdict(self, key: ModelKey, verdict: Verdict) -> None:
        self._verdicts[key] = verdict
        self._acceptances.remember(self._classifiers[key], verdict)

    def _recall_verdict(self, key: ModelKey) -> None:
        """Of a model that was just loaded, or moved to another device: a trial that is under way is void."""
        self._trials.discard(key)
        self._verdicts.pop(key, None)
        verdict = self._acceptances.known(self._classifiers[key])
        if verdict is not None:
            self._verdicts[key] = verdict

    def _run(self, classifier: Classifier, run: Callable[[], Given]) -> tuple[Given, tuple[str, ...]]:
        """What `run` gives and what there is to say of it: where the GPU is out of memory, it runs on the CPU."""
        outcome = _attempt(classifier, run)
        if outcome is None and self._details:  # those of earlier pictures may be what fills the GPU
            self._details.clear()
            release_gpu_memory()
            outcome = _attempt(classifier, run)
        fell_back = outcome is None
        if outcome is None:
            self._fall_back(classifier)
            outcome = _attempt(classifier, run)
        if outcome is None:
            raise MixerGuiError(f"There was not enough memory to run {classifier.info.name}.")
        return outcome, (_out_of_memory_notice(classifier.info.name),) if fell_back else ()

    def begin_answer(self, question: Question) -> AnswerSteps:
        """The steps of an answer, for `go_on`. Raises DetailEvictedError where the picture has to be run again."""
        return begin_answer(question, partial(self._detail, question.report_id))

    def go_on(self, question: Question, steps: AnswerSteps) -> Answer | None:
        """One step further: the answer, or None where another step follows.

        Raises DetailEvictedError where the picture has to be run again before the steps go on; where they cannot go
        on but have to begin anew, that is a ModelMovedError.
        """
        classifier = self._detail(question.report_id).classifier
        try:
            return next(steps)
        except RuntimeError as error:
            if not ran_out_of_gpu_memory(error):
                raise
        key = next((key for key, each in self._classifiers.items() if each.owns(classifier)), None)
        if key is None:  # of a precision that was dropped since
            self._details.clear()
            release_gpu_memory()
            raise DetailEvictedError
        self._fall_back(self._classifiers[key])
        raise ModelMovedError(replace(self.load(*key), notices=(_out_of_memory_notice(classifier.info.name),)))

    def begin_job(self, job: Job) -> JobSteps:
        """The steps of a job, which hold what they need. Raises DetailEvictedError as `begin_answer` does."""
        return begin_job(job, self._detail(job.report_id))

    def _fall_back(self, classifier: Classifier) -> None:
        """Move a model to the CPU. Details hold memory of the GPU, and this model's are void: all are dropped."""
        self._details.clear()
        keys = [key for key, each in self._classifiers.items() if each is classifier]
        try:
            classifier.fall_back()
        except BaseException:  # half of it is here, half there: it has to be loaded again
            for key in keys:
                del self._classifiers[key]
            raise
        finally:
            release_gpu_memory()
        for key in keys:
            self._recall_verdict(key)

    def forget(self, report_id: int) -> None:
        """Drop what is kept of a report that nobody can see any more."""
        self._details.pop(report_id, None)

    def _detail(self, report_id: int) -> Detail:
        try:
            self._details.move_to_end(report_id)
        except KeyError:
            raise DetailEvictedError from None
        return self._details[report_id]

    def _keep(self, report_id: int, detail: Detail) -> None:
        self._details[report_id] = detail
        self._details.move_to_end(report_id)
        while len(self._details) > 1 and self._detail_bytes() > self._detail_budget_bytes:
            self._details.popitem(last=False)

    def _detail_bytes(self) -> int:
        return sum(detail.size_bytes for detail in self._details.values())

    def _evict_models(self) -> None:
        while len(self._classifiers) > 1 and self._model_bytes() > self._model_budget_bytes:
            key, evicted = self._classifiers.popitem(last=False)
            self._verdicts.pop(key, None)
            for report_id in [id_ for id_, detail in self._details.items() if evicted.owns(detail.classifier)]:
                del self._details[report_id]

    def _model_bytes(self) -> int:
        return sum(classifier.size_bytes for classifier in self._classifiers.values())


@contextmanager
def _threads_of(info: CheckpointInfo) -> Iterator[None]:
    """As many threads as its passes take."""
    before, wanted = torch.get_num_threads(), threads_for(info)
    if wanted != before:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        if wanted != before:
            torch.set_num_threads(before)


def _because(device: DeviceInfo, why: str) -> DeviceInfo:
    """The same with one more sentence."""
    return replace(device, reason=f"{device.reason} {why}")


def _may_ask(request: FrameRequest, info: CheckpointInfo) -> bool:
    """Whether there is a question, and the model has what it is about: it may have been another one's."""
    layer, patch = request.about_patch or (0, 0)
    return (request.about_class is not None or request.about_patch is not None) and (
        (request.about_class or 0) < info.classes and layer < info.layers and patch < info.grid.count
    )


def _on_gpu(checkpoint: Checkpoint, device: DevicePreference) -> Classifier | None:
    """None where the GPU ran out of memory. The error is gone by then: its traceback would hold tensors."""
    try:
        return Classifier(checkpoint, device)
    except RuntimeError as error:
        if not ran_out_of_gpu_memory(error):
            raise
        return None


def _attempt(classifier: Classifier, run: Callable[[], Given]) -> Given | None:
    """None where the GPU ran out of memory; nothing of the attempt is alive then, not even its traceback."""
    try:
        return run()
    except RuntimeError as error:
        if classifier.device.type != "cpu" and ran_out_of_gpu_memory(error):
            return None
        if "not enough memory" in str(error) or "DefaultCPUAllocator" in str(error):
            raise MixerGuiError(
                f"There was not enough memory to run {classifier.info.name}. Close other programs or choose a "
                "smaller model.",
                str(error),
            ) from error
        raise


def _out_of_memory_notice(model: str) -> str:
    return f"The GPU ran out of memory; {model} runs on the CPU now."
