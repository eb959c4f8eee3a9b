"""From request to record: fetch, decode, load, run, explain, each where it belongs. Knows no Qt.

Requests come in from any thread. Decoding runs in the decoder's process, fetching in threads of its own;
everything that touches a model is a step that the engine thread runs, one at a time, by priority.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_gui.engine.batches import classified, taken_along
from mixer_gui.engine.decoding import DecodeQueue
from mixer_gui.engine.inspection import inspected
from mixer_gui.engine.mailbox import Mailbox
from mixer_gui.engine.preload import give_back_memory, give_way, import_torch
from mixer_gui.engine.queries import Queries
from mixer_gui.engine.steps import Ask, Forget, Inspect, Load, ModelKey, Picture, Step, Try, Work, explained, failure
from mixer_gui.hub.address import fetch
from mixer_gui.pictures.sources import collect
from mixer_gui.records import (
    AddressSource,
    ClassifyRequest,
    DecodedPicture,
    DevicePreference,
    FrameReady,
    FrameRequest,
    InspectRequest,
    Job,
    MixerGuiError,
    ModelRef,
    PrecisionPreference,
    Preprocessing,
    Priority,
    Progress,
    Question,
    Report,
)

if TYPE_CHECKING:
    from mixer_gui.engine.engine import Engine

FETCHES = 4  # addresses fetched at a time
PICTURES_BEFORE_TRIM = 16
STEPS_AHEAD = 16  # no more of a folder is decoded while so many wait for the engine; more where it takes batches
BATCHES_AHEAD = 2
MAX_FOUND = 500  # pictures that one drop adds

log = logging.getLogger(__name__)


def make_engine(acceptances: Path | None = None) -> "Engine":
    """`acceptances`: the file that remembers which models may run in half precision here; None: none does."""
    from mixer_gui.engine.engine import Engine

    return Engine(acceptances=acceptances)


class Pipeline:
    """Takes requests, publishes records.

    `publish` gets FrameReady, Report, FrameReport, ModelReady, ModelInspected, SourcesFound, Progress and Failure
    records, answers to questions, and what jobs tell, from any of the pipeline's threads. `wake` is called, from any
    thread, when `step` has something to do. `make_engine` is called once, in the engine thread.

    What may change under another thread's feet is behind `_lock`. A picture goes on only while it is wanted,
    and that is judged under the lock together with the move, so an old one never takes a newer one's place.
    """

    def __init__(
        self,
        publish: Callable[[object], None],
        wake: Callable[[], None],
        *,
        make_engine: Callable[[], "Engine"] = make_engine,
    ) -> None:
        self._publish = publish
        self._wake = wake
        self._make_engine = make_engine
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._fetcher = ThreadPoolExecutor(FETCHES, thread_name_prefix="fetch")
        self._lister = ThreadPoolExecutor(1, thread_name_prefix="list")
        self._steps: Mailbox[Step] = Mailbox()
        self._loading: set[ModelKey] = set()  # a step that loads it waits or runs
        self._preprocessing: dict[ModelKey, Preprocessing] = {}  # of models that were loaded
        self._load_errors: dict[ModelKey, MixerGuiError] = {}  # of models whose last loading failed
        self._waiting: dict[ModelKey, list[Picture]] = {}  # their frames are published, the model is loading
        self._newest: dict[str, int] = {}
        self._engine: Engine | None = None
        self._decodes = DecodeQueue(
            self._lock,
            is_wanted=self._wanted,
            preprocessing=lambda picture: self._preprocessing.get(picture.model),
            decoded=self._route,
            failed=self._fail,
            is_enough=lambda: len(self._steps) >= self._steps_ahead,
        )
        self._steps_ahead = STEPS_AHEAD  # of the model with the largest batches that was loaded
        self._queries = Queries(
            self._lock,
            self._steps,
            publish=self._send,
            wake=wake,
            run_again=lambda request: self._obtain(Picture(request, again=True, frame_published=True)),
        )
        self._pictures_run = 0  # since memory was last given back; the engine thread's own

    # --- from any thread ---

    def load(self, model: ModelRef, device: DevicePreference) -> None:
        """Have a model ready; ModelReady or a Failure without a request id follows."""
        key = (model, device)
        with self._lock:
            asked = key in self._loading
            self._want(key)
        if not asked:
            self._put(Load(key), Priority.DROPPED, slot=Load(key).slot)

    def submit(self, request: ClassifyRequest) -> None:
        """Classify; a newer request of the same view supersedes an older one, whatever its stage."""
        picture = Picture(request, frame_published=request.display_edge == 0)
        with self._lock:
            self._queries.requests.add(request)
            self._newest[request.view] = request.id
            loaded = picture.model in self._preprocessing
            if not loaded:
                self._want(picture.model)
        self._decodes.cancel_stale()
        if not loaded:
            self._put(Load(picture.model), Priority.POINTER, slot=Load(picture.model).slot)
        self._obtain(picture)

    def submit_frame(self, request: FrameRequest) -> None:
        """Classify one frame of a moving picture; FrameReport or Failure follows, unless the view is cancelled.

        A newer one replaces one that still waits; one that runs is finished.
        """
        model = (request.model, request.device)
        with self._lock:
            self._newest[request.view] = request.id
            loaded = model in self._preprocessing
            if not loaded and model not in self._load_errors:
                self._want(model)
        if not loaded:
            self._put(Load(model), Priority.POINTER, slot=Load(model).slot)
        self._put(request, Priority.LIVE, slot=f"run:{request.view}")

    def ask(self, question: Question) -> None:
        """Ask about a report; a newer question of the same kind about it replaces one that has no answer yet.

        Its answer follows, or QuestionFailed says why there is none. One that takes a forward pass or more is answered
        in steps, between which others are answered.
        """
        self._queries.ask(question)

    def start_job(self, job: Job) -> None:
        """Compute behind everything else; JobProgress and results follow, and in the end JobEnded."""
        self._queries.start_job(job)

    def cancel_job(self, job_id: int) -> None:
        self._queries.cancel_job(job_id)

    def inspect(self, request: InspectRequest) -> None:
        """Look at a checkpoint before it is loaded; ModelInspected or a Failure follows."""
        self._put(Inspect(request.path), Priority.DROPPED)

    def find_sources(self, paths: tuple[Path, ...]) -> None:
        """List the pictures in files and folders; SourcesFound follows."""
        with contextlib.suppress(RuntimeError):  # it is closed
            self._lister.submit(lambda: self._send(collect(paths, most=MAX_FOUND, cancelled=self._closing.is_set)))

    def cancel(self, view: str) -> None:
        """Stop what is under way for a view; no frame, report or failure is published for it any more."""
        with self._lock:
            self._newest.pop(view, None)
            ids = self._queries.requests.ids_of(view)
            requests = [self._queries.requests.get(request_id) for request_id in ids]
        self._queries.drop(ids)
        self._decodes.cancel_stale()
        self._decodes.forget({each.source for each in requests if each is not None})
        self._put(Forget(ids), Priority.BACKGROUND)

    def close(self) -> None:
        """Drop what waits and stop the decoder; a step that is running ends by itself. Idempotent."""
        self._closing.set()
        self._steps.close()
        self._fetcher.shutdown(wait=False, cancel_futures=True)
        self._lister.shutdown(wait=False, cancel_futures=True)
        self._decodes.close()

    # --- in the engine thread ---

    def start_decoders(self) -> None:
        """Before the first request, and before torch is imported: either would make the window wait for threads."""
        self._decodes.start()

    def start(self) -> None:
        """Start the decoders, then import torch: two cores, both busy."""
        self.start_decoders()
        import_torch()
        give_way()  # not before: importing holds the GIL, and must not wait for a core with it in hand

    def step(self) -> bool:
        """Run the most urgent step; False where nothing waited."""
        step = self._steps.take()
        self._decodes.feed()
        if step is None or self._closing.is_set():
            if self._pictures_run >= PICTURES_BEFORE_TRIM:
                self._pictures_run = 0
                give_back_memory()
            return False
        try:
            match step:
                case Load():
                    self._run_load(step.model)
                case Picture():
                    self._run_picture(step)
                case FrameRequest():
                    self._run_frame(step)
                case Try():
                    if next(step.steps, StopIteration) is not StopIteration:
                        self._put_trial(step)
                case Inspect():
                    self._send(inspected(step.path))
                case Forget():
                    for request_id in step.request_ids if self._engine is not None else ():
                        self._loaded_engine().forget(request_id)
                case Ask() | Work():
                    self._queries.run(step, self._loaded_engine())
        except Exception as error:
            if isinstance(step, Picture):
                self._fail(step, error)
            elif isinstance(step, FrameRequest):
                self._answer_frame(step, failure(step, error))
            elif isinstance(step, Ask | Work):
                self._queries.fail(step, error)
            else:
                self._send(failure(None, error))
        return True

    def _loaded_engine(self) -> "Engine":
        if self._engine is None:
            self._engine = self._make_engine()
        return self._engine

    def _run_load(self, model: ModelKey) -> None:
        with self._lock:
            if model not in self._loading:  # an earlier step did it
                return
        try:
            engine = self._loaded_engine()
            ready = engine.load(*model, cancelled=self._closing.is_set)
        except Exception as error:
            sentence = explained(error)
            with self._lock:
                self._loading.discard(model)
                self._load_errors[model] = sentence
                waiting = self._waiting.pop(model, [])
            self._send(replace(failure(None, sentence), source_name=model[0].path.name, model=model[0]))
            for picture in waiting:
                self._fail(picture, sentence)
            return
        self._steps_ahead = max(self._steps_ahead, BATCHES_AHEAD * engine.batch_size(*model))
        with self._lock:
            self._loading.discard(model)
            self._preprocessing[model] = ready.info.preprocessing
            waiting = self._waiting.pop(model, [])
        self._send(ready)
        for picture in waiting:
            self._decodes.put(picture)

    def _run_picture(self, picture: Picture) -> None:
        if picture.decoded is None or not self._is_wanted(picture):
            return
        from mixer_gui.model.mixer import Record

        engine = self._loaded_engine()
        notices: tuple[str, ...] = ()
        if engine.preprocessing(*picture.model) is None:  # evicted since it was decoded
            notices = engine.load(*picture.model, cancelled=self._closing.is_set).notices
        if picture.priority >= Priority.FOLDER:
            self._run_batch(picture, notices)
            return
        self._pictures_run += 1
        report = engine.classify(picture.request, picture.decoded, Record.FULL)
        if picture.again:
            notices = (*notices, *report.notices[len(picture.decoded.frame.remarks) :])
            if notices:  # nobody sees this report, but that the model runs elsewhere now concerns the window
                self._send(replace(engine.load(*picture.model), notices=notices))
            self._queries.picture_ran(picture.request.id, engine)
        else:
            self._answer_picture(picture, report, notices)

    def _run_batch(self, first: Picture, notices: tuple[str, ...]) -> None:
        """A picture of a folder, and with it, where a pass of several is worth it, what else waits of its kind."""
        engine = self._loaded_engine()
        along = taken_along(self._steps, first, engine.batch_size(*first.model) - 1)
        self._decodes.feed()
        pictures = [first, *filter(self._is_wanted, along)]
        self._pictures_run += len(pictures)
        for picture, result in zip(pictures, classified(engine, pictures), strict=True):
            if isinstance(result, Exception):
                self._fail(picture, result)
            else:
                self._answer_picture(picture, result, notices)
                notices = ()
        self._try_half_precision(first.request)

    def _answer_picture(self, picture: Picture, report: Report, notices: tuple[str, ...]) -> None:
        with self._lock:
            is_wanted = self._wanted(picture)
            if is_wanted:
                self._queries.requests.note_answered(picture.request.id)
        if is_wanted:
            self._send(replace(report, notices=(*notices, *report.notices)))

    def _run_frame(self, request: FrameRequest) -> None:
        engine, model = self._loaded_engine(), (request.model, request.device)
        notices: tuple[str, ...] = ()
        if engine.preprocessing(*model) is None:  # it could not be loaded, or was evicted
            with self._lock:
                error = self._load_errors.get(model)
            if error is not None:
                raise error
            notices = engine.load(*model, cancelled=self._closing.is_set).notices
        report = engine.classify_frame(request)
        self._answer_frame(request, replace(report, notices=(*notices, *report.notices)))
        self._try_half_precision(request)

    def _try_half_precision(self, request: ClassifyRequest | FrameRequest) -> None:
        """Where that could have made its answer faster, and nobody knows yet."""
        if request.precision == PrecisionPreference.AUTO:
            model = (request.model, request.device)
            steps = self._loaded_engine().begin_trial(*model)
            if steps is not None:
                self._put_trial(Try(model, steps))

    def _put_trial(self, trial: Try) -> None:
        """Behind frames and the shown picture, but before the strip, which it is for."""
        self._put(trial, Priority.DROPPED, slot=trial.slot)

    def _answer_frame(self, request: FrameRequest, answer: object) -> None:
        """Publish, unless the view was cancelled. That a newer frame waits by now makes this one no less an answer."""
        with self._lock:
            is_wanted = request.view in self._newest
        if is_wanted:
            self._send(answer)

    # --- fetching and decoding ---

    def _obtain(self, picture: Picture) -> None:
        if isinstance(picture.request.source, AddressSource):
            with contextlib.suppress(RuntimeError):  # it is closed
                self._fetcher.submit(self._fetch, picture, picture.request.source)
        else:
            self._decodes.put(picture)

    def _fetch(self, picture: Picture, source: AddressSource) -> None:
        def is_unwanted() -> bool:
            return self._closing.is_set() or not self._is_wanted(picture)

        def progressed(done_bytes: int, total_bytes: int | None) -> None:
            self._send(Progress(picture.request.id, "fetch", done_bytes, total_bytes))

        try:
            fetched = fetch(source.address, cancelled=is_unwanted, progressed=progressed)
            request = replace(picture.request, source=fetched)
            with self._lock:
                if self._wanted(picture):
                    self._queries.requests.add(request)
            self._decodes.put(replace(picture, request=request))
        except Exception as error:
            self._fail(picture, error)

    def _route(self, picture: Picture, decoded: DecodedPicture) -> None:
        if not self._is_wanted(picture):
            return
        if not picture.frame_published:
            self._send(FrameReady(picture.request.id, picture.request.view, decoded.frame))
            picture = replace(picture, frame_published=True)
        if decoded.network_input is None:
            self._await_model(replace(picture, frame_ms=decoded.decode_ms))
            return
        # Up to 12 MB that nothing below needs, and the decoder may be far ahead of the engine.
        frame = replace(decoded.frame, pixels=decoded.frame.pixels[:0].copy())
        decoded = replace(decoded, frame=frame, decode_ms=picture.frame_ms + decoded.decode_ms)
        picture = replace(picture, decoded=decoded)
        with self._lock:
            if self._wanted(picture):
                self._steps.put(picture, priority=picture.priority, slot=f"run:{picture.slot}")
        self._wake()

    def _await_model(self, picture: Picture) -> None:
        """Decode a picture for its model as soon as that is known; where loading has failed, so has the picture."""
        with self._lock:
            loaded = picture.model in self._preprocessing
            error = self._load_errors.get(picture.model)
            if not loaded and error is None:
                self._waiting.setdefault(picture.model, []).append(picture)
        if loaded:
            self._decodes.put(picture)
        elif error is not None:
            self._fail(picture, error)

    # --- shared ---

    def _put(self, step: Step, priority: Priority, slot: str | None = None) -> None:
        self._steps.put(step, priority=priority, slot=slot)
        self._wake()

    def _send(self, record: object) -> None:
        """Publish, unless the program is closing. Raises nothing, so that a worker thread goes on."""
        if self._closing.is_set():
            return
        try:
            self._publish(record)
        except Exception:
            log.exception("%s could not be published", type(record).__name__)

    def _fail(self, picture: Picture, error: Exception) -> None:
        with self._lock:
            wanted = self._wanted(picture)
        if picture.again:
            self._queries.picture_failed(picture.request.id, error)
        elif wanted:
            self._send(failure(picture.request, error))

    def _is_wanted(self, picture: Picture) -> bool:
        with self._lock:
            return self._wanted(picture)

    def _wanted(self, picture: Picture) -> bool:
        """Whether somebody still waits for the picture. The lock is held, as it is for all that follow."""
        request = picture.request
        if picture.again:
            return self._queries.is_waited_for(request.id)
        return self._newest.get(request.view) == request.id

    def _want(self, model: ModelKey) -> None:
        self._loading.add(model)
        self._load_errors.pop(model, None)
