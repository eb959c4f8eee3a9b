"""`mixer-gui classify`: pictures through the decoder's process and the engine, one result for each."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_gui.commands.output import Format, Writer, say
from mixer_gui.pictures.decoder import Decoder
from mixer_gui.pictures.sources import expand
from mixer_gui.records import (
    CheckpointInfo,
    ClassifyRequest,
    DecodedPicture,
    DecodeJob,
    DevicePreference,
    FileSource,
    Gelu,
    MixerGuiError,
    ModelReady,
    ModelRef,
    Priority,
)
from mixer_gui.results import Result, result_of, source_path

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mixer_gui.engine.engine import Engine

# Pictures on their way through the decoder besides the one that the model runs on.
AHEAD = 2

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
    reveal: bool = False  # names that are shown on request only


def run(order: Order) -> int:
    """Print a result for every picture; returns how many failed.

    Raises MixerGuiError where there is nothing to classify or the model cannot be used. After Ctrl-C
    (KeyboardInterrupt) what was finished is printed and the output is complete in its form.
    """
    sources = list(expand(order.paths, recursive=order.recursive))
    if not sources:
        raise MixerGuiError(_nothing_found(order))
    with closing(Decoder()) as decoder:
        decoder.start()  # its process starts while torch is imported here
        from mixer_gui.engine.engine import Engine

        engine = Engine()
        ready = engine.load(order.model, order.device)
        for notice in ready.notices:
            say(notice)
        if ready.info.assumed:
            say(assumed_line(ready.info))
        return _print_all(order, _results(order, sources, decoder, engine, ready), len(sources))


def _results(
    order: Order, sources: list[FileSource], decoder: Decoder, engine: Engine, ready: ModelReady
) -> Iterator[Result]:
    """A result for each source, in order; the decoder works ahead."""
    ids = count(1)
    waiting = iter(sources)
    pending: deque[tuple[FileSource, Future[DecodedPicture]]] = deque()
    while True:
        while len(pending) <= AHEAD and (source := next(waiting, None)) is not None:
            job = DecodeJob(source, ready.info.preprocessing, display_edge=DISPLAY_EDGE)
            pending.append((source, decoder.submit(job)))
        if not pending:
            return
        source, decoded = pending.popleft()
        request = ClassifyRequest(
            id=next(ids),
            view="classify",
            priority=Priority.FOLDER,
            source=source,
            model=order.model,
            device=order.device,
            top_k=order.top_k,
        )
        yield _classify(request, decoded, engine, ready.info, tells=order.output == Format.TEXT, reveal=order.reveal)


def _classify(
    request: ClassifyRequest,
    decoded: Future[DecodedPicture],
    engine: Engine,
    info: CheckpointInfo,
    *,
    tells: bool,
    reveal: bool,
) -> Result:
    """One picture; whatever goes wrong with it becomes its error. `tells`: its notices go to stderr."""
    from mixer_gui.model.mixer import Record

    path = source_path(request.source)
    try:
        report = engine.classify(request, decoded.result(), Record.MAPS)
    except MixerGuiError as error:
        return Result(path, info.name, info.revision, error=str(error))
    except Exception as error:
        log.exception("unforeseen, at %r", path)
        sentence = f"Something went wrong inside the program ({type(error).__name__}: {error}). Please report it."
        return Result(path, info.name, info.revision, error=sentence)
    if tells:
        for notice in report.notices:
            say(f"{path}: {notice}")
    return result_of(report, request.top_k, reveal=reveal)


def _print_all(order: Order, results: Iterator[Result], total: int) -> int:
    writer = Writer(order.output, sys.stdout)
    # Where both are one terminal, the answers say by themselves how far it is.
    tells_errors = order.output == Format.TEXT and not sys.stdout.isatty()
    failed = 0
    try:
        for result in _with_progress(results, total, order.output):
            writer.write(result)
            if result.error is not None:
                failed += 1
                if tells_errors:
                    say(f"{result.path}: {result.error}")
    except KeyboardInterrupt:
        writer.finish()
        raise
    writer.finish()
    if failed and total > 1:
        say(f"{failed} of {total} pictures failed.")
    return failed


def _with_progress(results: Iterable[Result], total: int, output: Format) -> Iterator[Result]:
    """The same results, with a bar on stderr where that is a terminal of its own and there is something to wait for."""
    streams_here = sys.stdout.isatty() and output != Format.JSON
    if total < 2 or not sys.stderr.isatty() or streams_here:
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
