"""`mixer-gui classify`: pictures through the decoders and the engine, one result for each; videos besides."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
)
from mixer_gui.results import Result, place, result_of, source_path
from mixer_gui.settings import acceptances_path

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mixer_gui.engine.engine import Engine

# Pictures for each decoder that are on their way to being printed: enough that the others have work while one is at a
# large picture, which is the next to be printed. What waits is 150 KB each.
AHEAD = 8

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
        with closing(_results(order, sources, decoders, engine, ready)) as results:
            return _print_all(order, results, sources)


def _results(
    order: Order, sources: list[FileSource], decoders: DecoderPool, engine: Engine, ready: ModelReady
) -> Generator[Result, None, None]:
    """A result for each picture and each sampled frame, in order; decoders and passes work ahead."""
    from mixer_gui.engine.passes import side_by_side

    classify = _Classify(order, engine, ready.info)
    waiting = iter(sources)
    pending: deque[tuple[FileSource, _OnItsWay | None]] = deque()
    with side_by_side(ready.device.kind, len(sources)) as passes:
        try:
            while True:
                while len(pending) <= AHEAD * len(decoders) and (source := next(waiting, None)) is not None:
                    if is_video(source.path):
                        pending.append((source, None))
                        continue
                    decoded = decoders.submit(DecodeJob(source, ready.info.preprocessing, display_edge=DISPLAY_EDGE))
                    answer = passes.submit(classify.picture, source, decoded.result)
                    pending.append((source, _OnItsWay(decoded, answer)))
                if not pending:
                    return
                source, picture = pending[0]
                if picture is None:
                    yield from classify.video(source)
                else:
                    yield classify.told(*picture.answer.result())
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

    def picture(self, source: PictureSource, decode: Callable[[], DecodedPicture]) -> _Answer:
        """Called from several threads. Raises CancelledError where the picture is not decoded any more."""
        from mixer_gui.model.mixer import Record

        request = ClassifyRequest(
            id=next(self._ids),
            view="classify",
            priority=Priority.FOLDER,
            source=source,
            model=self._order.model,
            device=self._order.device,
            precision=self._order.precision,
            top_k=self._order.top_k,
        )
        try:
            report = self._engine.classify(request, decode(), Record.MAPS)
        except CancelledError:
            raise
        except Exception as error:
            return _Answer(self._failure(source, error))
        return _Answer(result_of(report, request.top_k, reveal=self._order.reveal), report.notices)

    def told(self, result: Result, notices: tuple[str, ...]) -> Result:
        """The result, after what there is to say of it."""
        if self._order.output == Format.TEXT:
            for notice in notices:
                say(f"{place(result)}: {notice}")
        return result

    def video(self, source: FileSource) -> Iterator[Result]:
        """Each frame by itself, nothing averaged; then, where the video broke off, an error without a time."""
        frames = sampled(source.path, self._order.every_s, self._info.preprocessing, Framing())
        with closing(frames):
            try:
                for moment, decoded in frames:
                    yield self.told(*self.picture(moment, partial(_given, decoded)))
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


def _given(decoded: DecodedPicture) -> DecodedPicture:
    return decoded


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
