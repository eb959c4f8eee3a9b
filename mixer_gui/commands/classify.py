"""`mixer-gui classify`: pictures through the decoders and the engine, one result for each; videos besides."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mixer_gui.commands.interrupts import Interrupts
from mixer_gui.commands.output import Format, Writer, say
from mixer_gui.commands.video import is_video, sampled
from mixer_gui.pictures.decoder_pool import DecoderPool
from mixer_gui.pictures.sources import expand
from mixer_gui.records import (
    CheckpointInfo,
    ClassifyRequest,
    DecodedPicture,
    DecodeJob,
    DevicePreference,
    FileSource,
    FrameSource,
    Framing,
    Gelu,
    MixerGuiError,
    ModelReady,
    ModelRef,
    PictureSource,
    PrecisionPreference,
    Priority,
    Report,
)
from mixer_gui.results import Result, place, result_of, source_path
from mixer_gui.settings import acceptances_path

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mixer_gui.engine.engine import Engine

# Pictures for each decoder that are on their way to being printed: enough that the others have work while one is at a
# large picture, which is the next to be printed. What waits is 150 KB each.
AHEAD = 8

# Batches, where passes take several pictures, that are on their way: one is decoded while the one before it runs.
BATCHES_AHEAD = 2

# Nobody looks at the frame here: the smaller, the less crosses between the processes.
DISPLAY_EDGE = 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the user asked for."""

    paths: tuple[Path, ...]
    recursive: bool
    top_k: int
    model: ModelRef
    device: DevicePreference
    output: Format
    precision: PrecisionPreference = PrecisionPreference.FP32  # results do not hang on the machine
    reveal: bool = False  # names that are shown on request only
    every_s: float = 1.0  # between the frames of a video


def run(order: Order) -> int:
    """Print a result for every picture and every sampled frame; returns how many failed.

    Raises MixerGuiError where there is nothing to classify or the model cannot be used. After Ctrl-C
    (KeyboardInterrupt) what was finished is printed and the output is complete in its form.
    """
    sources = list(expand(order.paths, recursive=order.recursive))
    if not sources:
        raise MixerGuiError(_nothing_found(order))
    with closing(DecoderPool(niceness=0)) as decoders:
        decoders.start()  # a process starts while torch is imported here
        from mixer_gui.engine.engine import Engine

        engine = Engine(acceptances=acceptances_path())
        ready = engine.load(order.model, order.device)
        engine.prepare(order.model, order.device, order.precision)
        for notice in ready.notices:
            say(notice)
        if ready.info.assumed:
            say(assumed_line(ready.info))
        with Interrupts() as stop, closing(_results(order, sources, decoders, engine, ready, stop)) as results:
            return _print_all(order, results, sources)


def _results(
    order: Order,
    sources: list[FileSource],
    decoders: DecoderPool,
    engine: Engine,
    ready: ModelReady,
    stop: Interrupts,
) -> Generator[Result, None, None]:
    """A result for each picture and each sampled frame, in order; decoders and passes work ahead."""
    from mixer_gui.engine.passes import side_by_side

    classify = _Classify(order, engine, ready.info)
    batch_size = engine.batch_size(order.model, order.device)
    ahead = max(AHEAD * len(decoders), BATCHES_AHEAD * batch_size)
    waiting = iter(sources)
    pending: deque[tuple[FileSource, _OnItsWay | None]] = deque()
    with side_by_side(ready.device.kind, len(sources) if batch_size == 1 else 1) as threads:
        passes = _Passes(threads, classify) if batch_size == 1 else _Batches(threads, classify)
        try:
            while True:
                while len(pending) <= ahead and (source := next(waiting, None)) is not None:
                    if is_video(source.path):
                        pending.append((source, None))
                        continue
                    decoded = decoders.submit(DecodeJob(source, ready.info.preprocessing, display_edge=DISPLAY_EDGE))
                    pending.append((source, _OnItsWay(decoded, passes.submit(source, decoded))))
                if not pending:
                    return
                source, picture = pending[0]
                if picture is None:
                    yield from classify.video(source, passes, stop)
                else:
                    yield classify.told(*stop.result(picture.answer))
                pending.popleft()
        finally:  # who stops early waits for no picture
            for _, picture in pending:
                if picture is not None:
                    picture.answer.cancel()
                    picture.decoded.cancel()


class _Answer(NamedTuple):
    result: Result
    notices: tuple[str, ...] = ()


class _OnItsWay(NamedTuple):
    decoded: Future[DecodedPicture]
    answer: Future[_Answer]


class _Classify:
    """The engine with what the user asked for; whatever goes wrong becomes a result's error."""

    def __init__(self, order: Order, engine: Engine, info: CheckpointInfo) -> None:
        self._order = order
        self._engine = engine
        self._info = info
        self._ids = count(1)

    def batch(self, sources: Sequence[PictureSource], decoded: Sequence[Future[DecodedPicture]]) -> list[_Answer]:
        """Called from several threads. Raises CancelledError where one of the pictures is not decoded any more."""
        found = [_outcome(each) for each in decoded]
        there = [
            (source, each) for source, each in zip(sources, found, strict=True) if isinstance(each, DecodedPicture)
        ]
        results = iter(self._run([self._request(source) for source, _ in there], [each for _, each in there]))
        return [
            self._answer(source, next(results) if isinstance(each, DecodedPicture) else each)
            for source, each in zip(sources, found, strict=True)
        ]

    def batch_size(self) -> int:
        """How many a pass takes by now: fewer where a GPU's memory did not suffice."""
        return self._engine.batch_size(self._order.model, self._order.device)

    def _run(
        self, requests: Sequence[ClassifyRequest], decoded: Sequence[DecodedPicture]
    ) -> Sequence[Report | Exception]:
        try:
            return self._engine.classify_batch(requests, decoded) if requests else ()
        except Exception as error:
            return [error] * len(requests)

    def _request(self, source: PictureSource) -> ClassifyRequest:
        return ClassifyRequest(
            id=next(self._ids),
            view="classify",
            priority=Priority.FOLDER,
            source=source,
            model=self._order.model,
            device=self._order.device,
            precision=self._order.precision,
            top_k=self._order.top_k,
        )

    def _answer(self, source: PictureSource, result: Report | Exception) -> _Answer:
        if isinstance(result, Exception):
            return _Answer(self._failure(source, result))
        return _Answer(result_of(result, self._order.top_k, reveal=self._order.reveal), result.notices)

    def told(self, result: Result, notices: tuple[str, ...]) -> Result:
        """The result, after what there is to say of it."""
        if self._order.output == Format.TEXT:
            for notice in notices:
                say(f"{place(result)}: {notice}")
        return result

    def video(self, source: FileSource, passes: _Passes | _Batches, stop: Interrupts) -> Iterator[Result]:
        """Each frame by itself, nothing averaged; then, where the video broke off, an error without a time."""
        frames = sampled(source.path, self._order.every_s, self._info.preprocessing, Framing())
        with closing(frames):
            try:
                for moment, decoded in frames:
                    stop.check()
                    yield self.told(*passes.run(moment, decoded))
            except Exception as error:
                yield self._failure(source, error)

    def _failure(self, source: PictureSource, error: Exception) -> Result:
        path = source_path(source)
        sentence = str(error)
        if not isinstance(error, MixerGuiError):
            log.error("unforeseen, at %r", path, exc_info=error)
            sentence = f"Something went wrong inside the program ({type(error).__name__}: {error}). Please report it."
        time_s = source.time_s if isinstance(source, FrameSource) else None
        return Result(path, self._info.name, self._info.revision, error=sentence, time_s=time_s)


class _Passes:
    """Each picture by itself, in the next thread that is free."""

    def __init__(self, threads: Executor, classify: _Classify) -> None:
        self._threads = threads
        self._classify = classify

    def submit(self, source: PictureSource, decoded: Future[DecodedPicture]) -> Future[_Answer]:
        return self._threads.submit(self._run, source, decoded)

    def run(self, source: PictureSource, decoded: DecodedPicture) -> _Answer:
        """One that is decoded, in the thread that asks."""
        return self._run(source, _done(decoded))

    def _run(self, source: PictureSource, decoded: Future[DecodedPicture]) -> _Answer:
        return self._classify.batch([source], [decoded])[0]


class _Waiting(NamedTuple):
    source: PictureSource
    decoded: Future[DecodedPicture]
    answer: Future[_Answer]


class _Batches:
    """In one thread, the only one at the engine: the next picture, and with it those behind it that are decoded."""

    def __init__(self, thread: Executor, classify: _Classify) -> None:
        self._thread = thread
        self._classify = classify
        self._line: deque[_Waiting] = deque()

    def submit(self, source: PictureSource, decoded: Future[DecodedPicture]) -> Future[_Answer]:
        picture = _Waiting(source, decoded, Future())
        self._line.append(picture)
        self._thread.submit(self._run)
        return picture.answer

    def run(self, source: PictureSource, decoded: DecodedPicture) -> _Answer:
        """One that is decoded, behind those that wait."""
        return self.submit(source, _done(decoded)).result()

    def _run(self) -> None:
        """Called once for each picture; where that went along with an earlier one, there may be nothing to do."""
        if not self._line:
            return
        taken = [self._line.popleft()]
        with suppress(Exception):  # whatever came of it, it has come
            taken[0].decoded.result()
        most = self._classify.batch_size()
        while self._line and len(taken) < most and self._line[0].decoded.done():
            taken.append(self._line.popleft())
        for picture in taken:
            if picture.decoded.cancelled():
                picture.answer.cancel()
        batch = [each for each in taken if each.answer.set_running_or_notify_cancel()]
        try:
            answers = self._classify.batch([each.source for each in batch], [each.decoded for each in batch])
        except BaseException as error:
            for picture in batch:
                picture.answer.set_exception(error)
            raise
        for picture, answer in zip(batch, answers, strict=True):
            picture.answer.set_result(answer)


def _done(decoded: DecodedPicture) -> Future[DecodedPicture]:
    future: Future[DecodedPicture] = Future()
    future.set_result(decoded)
    return future


def _outcome(decoded: Future[DecodedPicture]) -> DecodedPicture | Exception:
    try:
        return decoded.result()
    except CancelledError:
        raise
    except Exception as error:
        return error


def _print_all(order: Order, results: Iterator[Result], sources: list[FileSource]) -> int:
    writer = Writer(order.output, sys.stdout)
    # Where both are one terminal, the answers say by themselves how far it is.
    tells_errors = order.output == Format.TEXT and not sys.stdout.isatty()
    has_videos = any(is_video(source.path) for source in sources)
    printed = failed = 0
    try:
        for result in _with_progress(results, None if has_videos else len(sources), order.output):
            writer.write(result)
            printed += 1
            if result.error is not None:
                failed += 1
                if tells_errors:
                    say(f"{place(result)}: {result.error}")
    except KeyboardInterrupt:
        writer.finish()
        raise
    writer.finish()
    if failed and printed > 1:
        say(f"{failed} of {printed} {'results are errors' if has_videos else 'pictures failed'}.")
    return failed


def _with_progress(results: Iterable[Result], total: int | None, output: Format) -> Iterator[Result]:
    """The same results, with a bar on stderr where that is a terminal of its own and there is something to wait for.

    `total` is None where it is not known: how many frames a video gives is seen at its end.
    """
    streams_here = sys.stdout.isatty() and output != Format.JSON
    if total == 1 or not sys.stderr.isatty() or streams_here:
        yield from results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        yield from progress.track(results, total=total, description="classifying")


def assumed_line(info: CheckpointInfo) -> str:
    """What was assumed of a bare file, in the spelling of the flags that say otherwise."""
    preprocessing = info.preprocessing
    flags = (
        f"--mean {','.join(f'{each:g}' for each in preprocessing.mean)}",
        f"--std {','.join(f'{each:g}' for each in preprocessing.std)}",
        f"--crop-pct {preprocessing.crop_pct:g}",
        f"--interpolation {preprocessing.interpolation}",
        f"--gelu {'tanh' if info.gelu == Gelu.TANH else 'exact'}",
    )
    return f"{info.name}: assumed {' '.join(flags)}"


def _nothing_found(order: Order) -> str:
    places = ", ".join(str(path) for path in order.paths)
    hint = "" if order.recursive else " With --recursive, subfolders are searched too."
    return f"No pictures were found in {places}.{hint}"
