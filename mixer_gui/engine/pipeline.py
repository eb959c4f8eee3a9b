"""From request to record: fetch, decode, load, run, explain, each where it belongs. Knows no Qt.

Requests come in from any thread. Decoding runs in the decoder's process, fetching in one thread of its
own; everything that touches a model is a step that the engine thread runs, one at a time, by priority.
"""

import hashlib
import logging
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_gui.engine.mailbox import Mailbox
from mixer_gui.hub.address import fetch
from mixer_gui.pictures.decoder import Decoder
from mixer_gui.pictures.sources import expand
from mixer_gui.records import (
    AddressSource,
    ClassifyRequest,
    ClassRequest,
    DecodedPicture,
    DecodeJob,
    DevicePreference,
    Failure,
    FileSource,
    FrameReady,
    InspectRequest,
    MixerGuiError,
    ModelInspected,
    ModelRef,
    PatchRequest,
    Preprocessing,
    Priority,
    Progress,
    SourcesFound,
)

if TYPE_CHECKING:
    from mixer_gui.engine.engine import Engine

REMEMBERED_REQUESTS = 1000
MAX_FOUND = 500  # pictures that one drop adds

log = logging.getLogger(__name__)

ModelKey = tuple[ModelRef, DevicePreference]
Query = PatchRequest | ClassRequest
Publish = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture on its way; replaced, never changed, as it moves on."""

    request: ClassifyRequest
    query: Query | None = None  # set where it is run again only to answer this
    frame_published: bool = False
    decoded: DecodedPicture | None = None

    @property
    def slot(self) -> str:
        return self.request.view if self.query is None else f"again:{self.request.id}"

    @property
    def priority(self) -> Priority:
        return self.request.priority if self.query is None else Priority.POINTER

    @property
    def model(self) -> ModelKey:
        return (self.request.model, self.request.device)


@dataclass(frozen=True, slots=True)
class _Load:
    model: ModelKey


@dataclass(frozen=True, slots=True)
class _Inspect:
    path: Path


@dataclass(frozen=True, slots=True)
class _Forget:
    request_id: int


_Step = _Picture | _Load | _Inspect | _Forget | PatchRequest | ClassRequest


class Pipeline:
    """Takes requests, publishes records.

    `publish` gets FrameReady, Report, PatchReport, ClassReport, ModelReady, Progress and Failure records,
    from any of the pipeline's threads. `wake` is called, from any thread, when `step` has something to do.
    """

    def __init__(self, publish: Publish, wake: Callable[[], None]) -> None:
        self._publish = publish
        self._wake = wake
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._decoder = Decoder()
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._steps: Mailbox[_Step] = Mailbox()
        self._to_decode: Mailbox[_Picture] = Mailbox()
        self._decoding: tuple[_Picture, Future[DecodedPicture]] | None = None
        self._decoder_busy = False
        self._waiting: dict[ModelKey, list[_Picture]] = {}
        self._preprocessing: dict[ModelKey, Preprocessing] = {}
        self._newest: dict[str, int] = {}
        self._requests: OrderedDict[int, ClassifyRequest] = OrderedDict()
        self._engine: Engine | None = None

    # --- from any thread ---

    def load(self, model: ModelRef, device: DevicePreference) -> None:
        """Have a model ready; ModelReady or a Failure without a request id follows."""
        self._put(_Load((model, device)), Priority.DROPPED)

    def submit(self, request: ClassifyRequest) -> None:
        """Classify; a newer request of the same view supersedes an older one, whatever its stage."""
        picture = _Picture(request)
        with self._lock:
            self._requests[request.id] = request
            while len(self._requests) > REMEMBERED_REQUESTS:
                self._requests.popitem(last=False)
            self._newest[request.view] = request.id
            loaded = picture.model in self._preprocessing
            superseded = self._stale_decode()
        if superseded is not None:
            superseded.cancel()
        if not loaded:
            self._put(_Load(picture.model), Priority.POINTER)
        if isinstance(request.source, AddressSource):
            self._fetcher.submit(self._fetch, picture, request.source)
        else:
            self._decode(picture)

    def ask(self, query: Query) -> None:
        """Ask about a report; a newer question of the same kind replaces one that still waits."""
        self._put(query, Priority.POINTER, slot=type(query).__name__)

    def inspect(self, request: InspectRequest) -> None:
        """Look at a checkpoint before it is loaded; ModelInspected or a Failure follows."""
        self._put(_Inspect(request.path), Priority.DROPPED)

    def find_sources(self, paths: tuple[Path, ...]) -> None:
        """List the pictures in files and folders; SourcesFound follows."""
        self._fetcher.submit(self._find_sources, paths)

    def cancel(self, view: str) -> None:
        """Stop what is under way for a view; nothing more is published for it."""
        with self._lock:
            request_id = self._newest.pop(view, None)
            superseded = self._stale_decode()
        if superseded is not None:
            superseded.cancel()
        self._to_decode.discard(view)
        if request_id is not None:
            self._put(_Forget(request_id), Priority.BACKGROUND)

    def close(self) -> None:
        """Drop what waits and stop the decoder; a step that is running ends by itself. Idempotent."""
        self._closing.set()
        self._steps.close()
        self._to_decode.close()
        self._fetcher.shutdown(wait=False, cancel_futures=True)
        self._decoder.close()

    # --- in the engine thread ---

    def start(self) -> None:
        """Start the decoder's process, then import torch: two cores, both busy."""
        from mixer_gui.engine.preload import import_torch

        self._decoder.start()
        import_torch()

    def step(self) -> bool:
        """Run the most urgent step; False where nothing waited."""
        step = self._steps.take()
        if step is None or self._closing.is_set():
            return False
        try:
            match step:
                case _Load():
                    self._run_load(step.model)
                case _Picture():
                    self._run_picture(step)
                case _Inspect():
                    self._run_inspect(step.path)
                case _Forget():
                    self._loaded_engine().forget(step.request_id)
                case PatchRequest() | ClassRequest():
                    self._run_query(step)
        except Exception as error:
            if isinstance(step, _Picture):
                self._fail(step, error)
            elif not self._closing.is_set():
                self._publish(_failure(None, error))
        return True

    def _loaded_engine(self) -> "Engine":
        if self._engine is None:
            from mixer_gui.engine.engine import Engine

            self._engine = Engine()
        return self._engine

    def _run_load(self, model: ModelKey) -> None:
        with self._lock:
            known = model in self._preprocessing
            wanted = bool(self._waiting.get(model))
        try:
            ready = self._loaded_engine().load(*model, cancelled=self._closing.is_set)
        except Exception as error:
            with self._lock:
                waiting = self._waiting.pop(model, [])
            if self._closing.is_set():
                return
            failure = _failure(None, error)
            self._publish(replace(failure, source_name=model[0].path.name))
            for picture in waiting:
                self._fail(picture, error)
            return
        with self._lock:
            self._preprocessing[model] = ready.info.preprocessing
            waiting = self._waiting.pop(model, [])
        if not known or not wanted:
            self._publish(ready)
        for picture in waiting:
            self._decode(picture)

    def _run_inspect(self, path: Path) -> None:
        from mixer_gui.model.checkpoint import likely_assumptions

        if path.is_dir():
            self._publish(ModelInspected(path))
        else:
            likely = likely_assumptions(path)
            with path.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            self._publish(ModelInspected(path, digest, likely))

    def _run_picture(self, picture: _Picture) -> None:
        if picture.decoded is None or not self._is_newest(picture):
            return
        from mixer_gui.model.mixer import Record

        engine = self._loaded_engine()
        if engine.preprocessing(*picture.model) is None:  # evicted since it was decoded
            engine.load(*picture.model, cancelled=self._closing.is_set)
        keep = picture.query is not None or picture.request.priority < Priority.FOLDER
        report = engine.classify(picture.request, picture.decoded, Record.FULL if keep else Record.MAPS)
        if picture.query is not None:
            self.ask(picture.query)
        elif self._is_newest(picture):
            self._publish(report)

    def _run_query(self, query: Query) -> None:
        from mixer_gui.engine.engine import DetailEvictedError

        engine = self._loaded_engine()
        try:
            answer = engine.answer_patch(query) if isinstance(query, PatchRequest) else engine.answer_class(query)
        except DetailEvictedError:
            with self._lock:
                request = self._requests.get(query.report_id)
            if request is not None and not isinstance(request.source, AddressSource):
                self._decode(_Picture(request, query=query, frame_published=True))
            return
        self._publish(answer)

    # --- fetching and decoding ---

    def _fetch(self, picture: _Picture, source: AddressSource) -> None:
        request = picture.request

        def progressed(done_bytes: int, total_bytes: int | None) -> None:
            self._publish(Progress(request.id, "fetch", done_bytes, total_bytes))

        try:
            fetched = fetch(
                source.address,
                cancelled=lambda: self._closing.is_set() or not self._is_newest(picture),
                progressed=progressed,
            )
        except Exception as error:
            self._fail(picture, error)
            return
        request = replace(request, source=fetched)
        with self._lock:
            self._requests[request.id] = request
        self._decode(replace(picture, request=request))

    def _find_sources(self, paths: tuple[Path, ...]) -> None:
        found: list[FileSource] = []
        left_out = 0
        for source in expand(paths, recursive=False):
            if self._closing.is_set():
                return
            if len(found) < MAX_FOUND:
                found.append(source)
            else:
                left_out += 1
        self._publish(SourcesFound(tuple(found), left_out))

    def _decode(self, picture: _Picture) -> None:
        self._to_decode.put(picture, priority=picture.priority, slot=picture.slot)
        self._feed_decoder()

    def _feed_decoder(self) -> None:
        """Give the decoder the most urgent picture if it has none; called whenever either may have changed."""
        while not self._closing.is_set():
            with self._lock:
                if self._decoder_busy:
                    return
                picture = self._to_decode.take()
                if picture is None:
                    return
                preprocessing = self._preprocessing.get(picture.model)
                self._decoder_busy = True
            source = picture.request.source
            if not self._is_newest(picture) or isinstance(source, AddressSource):
                with self._lock:
                    self._decoder_busy = False
                continue
            job = DecodeJob(source, preprocessing, picture.request.framing, picture.request.display_edge)
            future = self._decoder.submit(job)
            with self._lock:
                self._decoding = (picture, future)
            future.add_done_callback(partial(self._decoded, picture))
            return

    def _decoded(self, picture: _Picture, future: "Future[DecodedPicture]") -> None:
        """Called by the decoder's thread when a job ended, however it did."""
        with self._lock:
            self._decoder_busy = False
            self._decoding = None
        try:
            self._route(picture, future.result())
        except CancelledError:
            pass
        except Exception as error:
            self._fail(picture, error)
        self._feed_decoder()

    def _route(self, picture: _Picture, decoded: DecodedPicture) -> None:
        if not self._is_newest(picture):
            return
        if not picture.frame_published:
            self._publish(FrameReady(picture.request.id, picture.request.view, decoded.frame))
            picture = replace(picture, frame_published=True)
        if decoded.network_input is not None:
            first_ms = 0.0 if picture.decoded is None else picture.decoded.decode_ms
            decoded = replace(decoded, decode_ms=decoded.decode_ms + first_ms)
            self._put(replace(picture, decoded=decoded), picture.priority, slot=f"run:{picture.slot}")
            return
        picture = replace(picture, decoded=decoded)
        with self._lock:
            if picture.model not in self._preprocessing:
                self._waiting.setdefault(picture.model, []).append(picture)
                return
        self._decode(picture)

    # --- shared ---

    def _put(self, step: _Step, priority: Priority, slot: str | None = None) -> None:
        self._steps.put(step, priority=priority, slot=slot)
        self._wake()

    def _is_newest(self, picture: _Picture) -> bool:
        if picture.query is not None:
            return True
        with self._lock:
            return self._newest.get(picture.request.view) == picture.request.id

    def _stale_decode(self) -> "Future[DecodedPicture] | None":
        """The decode under way if nobody waits for it any more; to be cancelled outside the lock."""
        if self._decoding is None:
            return None
        picture, future = self._decoding
        stale = picture.query is None and self._newest.get(picture.request.view) != picture.request.id
        return future if stale else None

    def _fail(self, picture: _Picture, error: Exception) -> None:
        if self._is_newest(picture) and not self._closing.is_set():
            self._publish(_failure(picture.request, error))


def _failure(request: ClassifyRequest | None, error: Exception) -> Failure:
    """A sentence for the user; an error that nobody foresaw says so and goes to the log whole."""
    if isinstance(error, MixerGuiError):
        sentence, detail = str(error), error.detail
    else:
        detail = "".join(traceback.format_exception(error))
        log.error("unforeseen: %s", detail)
        sentence = f"Something went wrong inside the program ({type(error).__name__}: {error}). Please report it."
    if request is None:
        return Failure(None, "", "", sentence, detail)
    return Failure(request.id, request.view, request.source.name, sentence, detail)
