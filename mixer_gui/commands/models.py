"""`mixer-gui models`: list, pull, remove, path; and what `--model` means."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from mixer_gui.commands.interrupts import Interrupts
from mixer_gui.commands.output import say
from mixer_gui.hub import store
from mixer_gui.hub.catalogue import CATALOGUE
from mixer_gui.hub.client import Hub
from mixer_gui.hub.describe import Describe
from mixer_gui.hub.download import Download, Pulled
from mixer_gui.hub.errors import explained
from mixer_gui.hub.lookup import look_up
from mixer_gui.hub.repository import parse
from mixer_gui.records import (
    WEIGHT_SUFFIXES,
    Cancelled,
    DownloadProgress,
    MixerGuiError,
    RepositoryRef,
    StoredModel,
    StoreListed,
)
from mixer_gui.resources import default_model

TOLD_EVERY_SHARE = 0.1  # of a download, in plain lines
SHORT_COMMIT = 8


def checkpoint_path(name: str | None) -> Path:
    """What `--model` means: a path that exists, else a repository, which is fetched where it is not on disk.

    None is the built-in model. Raises MixerGuiError; KeyboardInterrupt leaves what arrived.
    """
    if name is None:
        return default_model().path
    if not _may_be_repository(name):
        return Path(name)
    path = stored_path(name)
    if path is not None:
        return path
    ref = parse(name)
    say(f"{ref} is not on this computer; fetching it from {Hub().host}.")
    return pull(ref).path


def stored_path(name: str) -> Path | None:
    """Where a checkpoint is on disk, by its path or its repository's name; None where it is not. No network."""
    if Path(name).exists():
        return Path(name)
    if not _may_be_repository(name):
        return None
    found = _stored(parse(name))
    if found is None:
        return None
    store.mark_used(Hub(), found.path)
    return found.path


def _may_be_repository(name: str) -> bool:
    path = Path(name)
    looks_like_path = path.is_absolute() or name.startswith(".") or path.suffix.lower() in WEIGHT_SUFFIXES
    return "/" in name and not looks_like_path and not path.exists()


def list_models(*, as_json: bool) -> str:
    """What is on disk, and what else is known to be on the Hub."""
    listed = _listed()
    there = {model.repository for model in listed.models}
    others = [entry for entry in CATALOGUE if entry.repository not in there]
    if as_json:
        stored = [_stored_as_object(model) for model in listed.models]
        catalogue = [asdict(entry) for entry in others]
        return json.dumps({"folder": str(listed.folder), "stored": stored, "catalogue": catalogue}, indent=1)
    rows: list[tuple[str, ...]] = [("MODEL", "COMMIT", "CLASSES", "SIZE", "LAST USED")]
    rows += [_stored_row(model) for model in listed.models]
    lines = [f"In {listed.folder}:", *(_table(rows) if listed.models else ["  no Mixer yet"])]
    if others:
        rows = [("MODEL", "CLASSES", "SIZE", "TOP-1", "")]
        for entry in others:
            top1 = "–" if entry.top1 is None else f"{entry.top1:.1f} %"
            size = f"{entry.download_bytes / 1e6:.0f} MB"
            mark = "recommended" if entry.is_recommended else ""
            rows.append((entry.repository, f"{entry.classes:,}", size, top1, mark))
        lines += ["", "On the Hub, to be had with “mixer-gui models pull MODEL”:", *_table(rows)]
    return "\n".join(lines)


def pull(ref: RepositoryRef) -> Pulled:
    """Download a repository's checkpoint, or the rest of it, telling on stderr how far it is.

    Raises MixerGuiError, also where it is no Mixer: before anything is fetched, if the server shows that.
    """
    hub = Hub()
    is_begun = bool(matching(ref))
    with Interrupts() as stop, _progress() as progressed:
        download = Download(hub, ref, cancelled=stop.noted, progressed=progressed)
        try:
            found = None if is_begun else look_up(hub, ref, describe(), cancelled=stop.noted)
            if found is not None and not found.can_download:
                raise MixerGuiError(found.sentence)
            pulled = download.run()
            describe().snapshot(pulled.path, ref.repository)
        except Cancelled:
            raise KeyboardInterrupt from None
        except Exception as error:
            raise explained(error, ref, hub) from error
    say(
        f"{ref} is complete: {pulled.total_bytes / 1e6:.1f} MB at commit {pulled.commit}, "
        f"{pulled.fetched_bytes / 1e6:.1f} MB of them fetched now; every content's hash is right."
    )
    return pulled


def find(ref: RepositoryRef) -> StoredModel:
    """The model on disk; raises MixerGuiError saying that it is not, or how much of it."""
    found = _stored(ref)
    if found is not None:
        return found
    partial = next((model for model in matching(ref) if model.is_partial), None)
    if partial is not None and partial.total_bytes is not None:
        raise MixerGuiError(
            f"Only {partial.size_bytes / 1e6:.1f} of {partial.total_bytes / 1e6:.1f} MB of “{ref}” are on this "
            f"computer. “mixer-gui models pull {ref}” fetches the rest."
        )
    raise MixerGuiError(f"“{ref}” is not on this computer. “mixer-gui models pull {ref}” fetches it.")


def matching(ref: RepositoryRef) -> list[StoredModel]:
    """All revisions on disk that a reference means, whole and partial ones."""
    return [
        model
        for model in _listed().models
        if model.repository == ref.repository
        and (ref.revision is None or store.is_meant(ref.revision, model.commit, model.refs))
    ]


def remove(models: list[StoredModel]) -> int:
    """Delete models from the cache; returns the bytes that were freed. Raises MixerGuiError."""
    hub = Hub()
    freed = 0
    for model in models:
        try:
            freed += store.remove(hub, model)
        except Exception as error:
            raise explained(error, RepositoryRef(model.repository, model.commit), hub) from error
    return freed


def _stored(ref: RepositoryRef) -> StoredModel | None:
    hub = Hub()
    try:
        return store.find(hub, ref, describe())
    except OSError as error:
        raise explained(error, ref, hub) from error


def _listed() -> StoreListed:
    hub = Hub()
    try:
        return store.list_models(hub, describe())
    except OSError as error:
        raise explained(error, RepositoryRef("the cache"), hub) from error


def describe() -> Describe:
    """What a Mixer is, without torch."""
    from mixer_gui.model import description

    return Describe(description.describe, description.describe_remote)


@contextmanager
def _progress() -> Iterator[Callable[[DownloadProgress], None]]:
    """A bar where stderr is a terminal, a line now and then where it is not, nothing where there is none."""
    if sys.stderr is None:
        yield lambda progress: None
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:
        task = bars.add_task("asking the Hub", total=None)

        def show(progress: DownloadProgress) -> None:
            text = progress.note or f"file {progress.file_number} of {progress.file_count}, {progress.file}"
            bars.update(task, description=text, total=progress.total_bytes, completed=progress.done_bytes)

        yield show


class _Lines:
    """A line for each tenth that arrived, and for each thing that is waited for."""

    def __init__(self) -> None:
        self._told_share = -1.0
        self._told_note = ""

    def __call__(self, progress: DownloadProgress) -> None:
        waits_for = progress.note.split("; trying again")[0]  # without its seconds
        if waits_for and waits_for != self._told_note:
            say(progress.note)
        self._told_note = waits_for
        share = progress.done_bytes / progress.total_bytes if progress.total_bytes else 0.0
        is_new = share - self._told_share >= TOLD_EVERY_SHARE or (share == 1.0 != self._told_share)
        if is_new and progress.total_bytes:
            self._told_share = share
            speed = "" if progress.bytes_per_s is None else f", {progress.bytes_per_s / 1e6:.1f} MB/s"
            say(f"{progress.done_bytes / 1e6:.1f} of {progress.total_bytes / 1e6:.1f} MB ({share:.0%}){speed}")


def _stored_row(model: StoredModel) -> tuple[str, ...]:
    classes = "–" if model.info is None else f"{model.info.classes:,}"
    size = f"{model.size_bytes / 1e6:.0f} MB"
    if model.is_partial and model.total_bytes is not None:
        size = f"{model.size_bytes / 1e6:.0f} of {model.total_bytes / 1e6:.0f} MB, partial"
    return (model.repository, model.commit[:SHORT_COMMIT], classes, size, _day(model.last_used))


def _stored_as_object(model: StoredModel) -> dict[str, object]:
    return {
        "repository": model.repository,
        "commit": model.commit,
        "refs": list(model.refs),
        "path": str(model.path),
        "partial": model.is_partial,
        "size_bytes": model.size_bytes,
        "total_bytes": model.total_bytes,
        "classes": None if model.info is None else model.info.classes,
        "parameters": None if model.info is None else model.info.parameters,
        "last_used": model.last_used,  # seconds since the epoch
    }


def _day(seconds: float | None) -> str:
    return "–" if seconds is None else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d")


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
