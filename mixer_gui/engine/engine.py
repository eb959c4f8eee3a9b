"""The models in memory and what is kept of their recent answers. Runs in one thread; knows no queue, no Qt."""

import time
from collections import OrderedDict
from collections.abc import Callable

import torch

from mixer_gui.engine.classifier import Classifier, Detail, answer_class, answer_patch
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.records import (
    ClassifyRequest,
    ClassReport,
    ClassRequest,
    DecodedPicture,
    DevicePreference,
    MixerGuiError,
    ModelReady,
    ModelRef,
    PatchReport,
    PatchRequest,
    Preprocessing,
    Report,
)

MODEL_BUDGET_BYTES = 3 << 30
DETAIL_BUDGET_BYTES = 512 << 20

ModelKey = tuple[ModelRef, DevicePreference]


class DetailEvictedError(Exception):
    """What a query needs is no longer in memory: run the picture again with a FULL recording."""


class Engine:
    """Loads, classifies, answers queries. Models and details are dropped, least recently used first."""

    def __init__(
        self, *, model_budget_bytes: int = MODEL_BUDGET_BYTES, detail_budget_bytes: int = DETAIL_BUDGET_BYTES
    ) -> None:
        self._model_budget_bytes = model_budget_bytes
        self._detail_budget_bytes = detail_budget_bytes
        self._classifiers: OrderedDict[ModelKey, Classifier] = OrderedDict()
        self._details: OrderedDict[int, Detail] = OrderedDict()

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
            checkpoint = load_checkpoint(model, cancelled=cancelled)
            try:
                self._classifiers[key] = Classifier(checkpoint, device)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                self._classifiers[key] = Classifier(checkpoint, DevicePreference.CPU)
                notices = (_out_of_memory_notice(checkpoint.info.name),)
        self._classifiers.move_to_end(key)
        self._evict_models()
        classifier = self._classifiers[key]
        load_ms = (time.perf_counter() - started) * 1e3
        return ModelReady(model, classifier.info, classifier.device_info, load_ms, notices)

    def classify(self, request: ClassifyRequest, decoded: DecodedPicture, record: Record) -> Report:
        """Run one picture on a loaded model; a GPU that runs out of memory gives way to the CPU, with a notice."""
        classifier = self._classifiers[request.model, request.device]
        try:
            report, detail = classifier.classify(request, decoded, record)
        except torch.OutOfMemoryError:
            if classifier.device.type == "cpu":
                raise
            self._details.clear()
            classifier.move(DevicePreference.CPU)
            torch.cuda.empty_cache()
            return with_notice(self.classify(request, decoded, record), _out_of_memory_notice(classifier.info.name))
        except RuntimeError as error:
            if "not enough memory" in str(error) or "DefaultCPUAllocator" in str(error):
                raise MixerGuiError(
                    f"There was not enough memory to run {classifier.info.name}. Close other programs or choose a "
                    "smaller model.",
                    str(error),
                ) from error
            raise
        if record == Record.FULL:
            self._keep(request.id, detail)
        return report

    def answer_patch(self, request: PatchRequest) -> PatchReport:
        """Raises DetailEvictedError where the picture has to be run again."""
        return answer_patch(request, self._detail(request.report_id))

    def answer_class(self, request: ClassRequest) -> ClassReport:
        """Raises DetailEvictedError where the picture has to be run again."""
        return answer_class(request, self._detail(request.report_id))

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
            _, evicted = self._classifiers.popitem(last=False)
            for report_id in [id_ for id_, detail in self._details.items() if detail.classifier is evicted]:
                del self._details[report_id]

    def _model_bytes(self) -> int:
        return sum(classifier.size_bytes for classifier in self._classifiers.values())


def with_notice(report: Report, notice: str) -> Report:
    from dataclasses import replace

    return replace(report, notices=(*report.notices, notice))


def _out_of_memory_notice(model: str) -> str:
    return f"The GPU ran out of memory; {model} runs on the CPU now."
