"""The only seams between the window and what works for it: the engine, and the Hub with its cache.

Records leave them through signals. The engine, the decoder and torch are imported in the engine's thread,
huggingface_hub in the Hub service's own, never in the window's.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, get_args

from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal, Slot

from mixer_gui.gui.images import load_colour_maps
from mixer_gui.records import (
    ClassifyRequest,
    ClassReport,
    DevicePreference,
    DownloadEnded,
    DownloadProgress,
    Failure,
    FrameReady,
    FrameReport,
    FrameRequest,
    HubFailure,
    InspectRequest,
    JobEnded,
    JobProgress,
    JobResult,
    ModelInspected,
    ModelReady,
    ModelRef,
    ModelRemoved,
    PatchReport,
    Progress,
    QuestionFailed,
    Report,
    RepositoryFound,
    SourcesFound,
    StoreListed,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mixer_gui.engine.pipeline import Pipeline
    from mixer_gui.hub.client import Hub
    from mixer_gui.hub.service import HubService
    from mixer_gui.records import Job, Question, RepositoryRef, StoredModel

    MakeService = Callable[[Callable[[object], None]], HubService]

log = logging.getLogger(__name__)


SWITCH_INTERVAL_S = 0.0002


class EngineWorker(QObject):
    """Runs the pipeline's steps, one for each turn of its thread's event loop, so that the loop stays alive.

    The methods that are not slots may be called from any thread and return at once; before the pipeline
    exists they are kept and run in order when it does.
    """

    ready_to_run = Signal()  # torch is imported
    frame_ready = Signal(object)  # FrameReady: a picture was decoded
    report_ready = Signal(object)  # Report: a picture was classified
    frame_answered = Signal(object)  # FrameReport: a frame of a moving picture was classified
    patch_ready = Signal(object)  # PatchReport
    class_ready = Signal(object)  # ClassReport
    answered = Signal(object)  # the answer to any other question
    question_failed = Signal(object)  # QuestionFailed
    job_told = Signal(object)  # JobProgress, JobResult or JobEnded
    model_ready = Signal(object)  # ModelReady: a model was loaded
    model_inspected = Signal(object)  # ModelInspected
    sources_found = Signal(object)  # SourcesFound
    progressed = Signal(object)  # Progress
    failed = Signal(object)  # Failure: of a request, or of a model
    _woken = Signal()  # something waits for a step

    def __init__(self, acceptances: Path | None = None) -> None:
        """`acceptances`: the file that remembers which models may run in half precision here; None: none does."""
        super().__init__()
        self._acceptances = acceptances
        self._lock = threading.Lock()
        self._early: list[Callable[[Pipeline], None]] = []
        self._pipeline: Pipeline | None = None
        self._closed = False
        self._woken.connect(self._run_step, Qt.ConnectionType.QueuedConnection)
        self._signals = {
            FrameReady: self.frame_ready,
            Report: self.report_ready,
            FrameReport: self.frame_answered,
            PatchReport: self.patch_ready,
            ClassReport: self.class_ready,
            QuestionFailed: self.question_failed,
            ModelReady: self.model_ready,
            ModelInspected: self.model_inspected,
            SourcesFound: self.sources_found,
            Progress: self.progressed,
            Failure: self.failed,
            **dict.fromkeys((JobProgress, JobEnded, *get_args(JobResult)), self.job_told),
        }

    @Slot()
    def start(self) -> None:
        """Build the pipeline, start the decoder's process, import torch. Runs in the engine thread."""
        try:
            self._start()
        except Exception as error:  # a broken installation: the window would wait for ever
            log.exception("the engine could not be started")
            sentence = QCoreApplication.translate(
                "workers", "The network cannot run: {0}. Install the program again."
            ).format(error)
            self.failed.emit(Failure(None, "", "engine", sentence, repr(error)))

    def _start(self) -> None:
        # From here on two threads run Python: the window's gets the GIL back this soon after it asks for it,
        # and each of the many Qt calls of one repaint may have to ask.
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        from mixer_gui.engine.pipeline import Pipeline, make_engine

        pipeline = Pipeline(self._emit_record, self._woken.emit, make_engine=partial(make_engine, self._acceptances))
        pipeline.start_decoders()
        is_caught_up = False
        while not is_caught_up:  # calls that come meanwhile are kept behind the earlier ones
            with self._lock:
                if self._closed:
                    pipeline.close()
                    return
                early, self._early = self._early, []
                is_caught_up = not early
                if is_caught_up:
                    self._pipeline = pipeline
            for call in early:
                call(pipeline)
        pipeline.start()
        self.ready_to_run.emit()
        load_colour_maps()
        from mixer_gui.gui import samples  # noqa: F401 - for the timeline, so that the window need not

        self._run_step()

    @Slot()
    def _run_step(self) -> None:
        if self._pipeline is not None and self._pipeline.step():
            self._woken.emit()

    def load(self, model: ModelRef, device: DevicePreference) -> None:
        self._do(lambda pipeline: pipeline.load(model, device))

    def classify(self, request: ClassifyRequest) -> None:
        self._do(lambda pipeline: pipeline.submit(request))

    def classify_frame(self, request: FrameRequest) -> None:
        self._do(lambda pipeline: pipeline.submit_frame(request))

    def ask(self, question: Question) -> None:
        self._do(lambda pipeline: pipeline.ask(question))

    def start_job(self, job: Job) -> None:
        self._do(lambda pipeline: pipeline.start_job(job))

    def cancel_job(self, job_id: int) -> None:
        self._do(lambda pipeline: pipeline.cancel_job(job_id))

    def inspect(self, request: InspectRequest) -> None:
        self._do(lambda pipeline: pipeline.inspect(request))

    def find_sources(self, paths: tuple[Path, ...]) -> None:
        self._do(lambda pipeline: pipeline.find_sources(paths))

    def cancel(self, view: str) -> None:
        self._do(lambda pipeline: pipeline.cancel(view))

    def close(self) -> None:
        """Drop what waits; what runs ends by itself, and the thread can then be quit. Idempotent."""
        with self._lock:
            self._closed = True
            pipeline = self._pipeline
        if pipeline is not None:
            pipeline.close()

    def _do(self, call: Callable[[Pipeline], None]) -> None:
        with self._lock:
            if self._closed:
                return
            if self._pipeline is None:
                self._early.append(call)
                return
        call(self._pipeline)

    def _emit_record(self, record: object) -> None:
        self._signals.get(type(record), self.answered).emit(record)


class HubWorker(QObject):
    """Asks the Hub's service; lives in the window's thread. Its methods return at once.

    The service works in threads of its own and answers from there: connect bound slots only.
    """

    store_listed = Signal(object)  # StoreListed: what is in the cache on disk
    repository_found = Signal(object)  # RepositoryFound: what the Hub says of a repository
    progressed = Signal(object)  # DownloadProgress
    ended = Signal(object)  # DownloadEnded: a download is done, cancelled or has failed
    removed = Signal(object)  # ModelRemoved
    failed = Signal(object)  # HubFailure: of listing, looking up or deleting

    def __init__(self, make_service: MakeService | None = None) -> None:
        """`make_service` gets the function that publishes records; None: the user's own cache and Hub."""
        super().__init__()
        self._make_service = make_service if make_service is not None else hub_service
        self._service: HubService | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._calls = ThreadPoolExecutor(1, thread_name_prefix="hub-calls")
        self._signals = {
            StoreListed: self.store_listed,
            RepositoryFound: self.repository_found,
            DownloadProgress: self.progressed,
            DownloadEnded: self.ended,
            ModelRemoved: self.removed,
            HubFailure: self.failed,
        }

    def list_models(self) -> None:
        self._do(lambda service: service.list_models())

    def look_up(self, ref: RepositoryRef) -> None:
        self._do(lambda service: service.look_up(ref))

    def pull(self, ref: RepositoryRef) -> None:
        self._do(lambda service: service.pull(ref))

    def cancel(self, ref: RepositoryRef) -> None:
        self._do(lambda service: service.cancel(ref))

    def remove(self, model: StoredModel) -> None:
        self._do(lambda service: service.remove(model))

    def mark_used(self, path: Path) -> None:
        self._do(lambda service: service.mark_used(path))

    def close(self) -> None:
        """Stop what is under way; what arrived is kept on disk. Idempotent."""
        with self._lock:
            self._closed = True
            service = self._service
        self._calls.shutdown(wait=False, cancel_futures=True)
        if service is not None:
            service.close()

    def _do(self, call: Callable[[HubService], None]) -> None:
        """In a thread of its own, in order: importing the service takes longer than the window may wait."""
        with contextlib.suppress(RuntimeError):  # it is closed
            self._calls.submit(self._run, call)

    def _run(self, call: Callable[[HubService], None]) -> None:
        service = self._service
        if service is None:
            service = self._make_service(self._emit_record)
            with self._lock:
                self._service = service
                is_closed = self._closed
            if is_closed:
                service.close()
        call(service)

    def _emit_record(self, record: object) -> None:
        self._signals[type(record)].emit(record)


def hub_service(publish: Callable[[object], None], hub: Hub | None = None) -> HubService:
    """The service on a Hub and a cache; None: those of huggingface_hub's environment variables."""
    from mixer_gui.hub.describe import Describe
    from mixer_gui.hub.service import HubService
    from mixer_gui.model.description import describe, describe_remote

    return HubService(publish, describe=Describe(describe, describe_remote), hub=hub)
