"""Fetch a repository's checkpoint into the Hub's cache: continued where it stopped, verified, never half there.

Why not `hf_hub_download`: since 1.18 huggingface_hub writes each attempt to a file of a random name and deletes
it on any failure (its pull request 4228), so after a cut, a Cancel or a crash everything is fetched again;
transfers by Xet do not resume either; and what came over plain HTTP is not hashed. So the client resolves and
authenticates, and the bytes are fetched here, by `Range`, into a partial file that is named by the content's
hash. `tests/hub/test_download.py` counts the bytes that either way fetches again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from mixer_gui.hub import client
from mixer_gui.hub.cache import ContentHash, Journal, RepositoryFolder, is_right
from mixer_gui.hub.client import Hub, RemoteFile, RemoteSnapshot
from mixer_gui.hub.describe import CONFIG, INDEX, PICKLED, WEIGHT_FILES, WEIGHTS
from mixer_gui.hub.errors import LostError
from mixer_gui.hub.meter import Meter
from mixer_gui.hub.patience import Patience
from mixer_gui.hub.repository import is_safe_name
from mixer_gui.hub.stream import Head, Stream, Trace
from mixer_gui.records import DownloadProgress, MixerGuiError, RepositoryRef

if TYPE_CHECKING:
    import httpx2

CARD = re.compile(r"README\.md|LICEN[CS]E(\.(md|txt))?")  # says on what terms the weights may be used
MAX_INDEX_BYTES = 2**24
SPARE_BYTES = 64 * 10**6  # that a download leaves free on the disk
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True, slots=True)
class Pulled:
    """A checkpoint that is whole on disk. `fetched_bytes` came over the network this time."""

    path: Path
    commit: str
    fetched_bytes: int
    total_bytes: int


class Download:
    """One repository on its way. Use it once, in one thread."""

    def __init__(
        self,
        hub: Hub,
        ref: RepositoryRef,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progressed: Callable[[DownloadProgress], None] = lambda progress: None,
    ) -> None:
        """`cancelled` is asked many times a second; `progressed` is called in the thread of `run`."""
        self._hub = hub
        self._ref = ref
        self._cancelled = cancelled
        self._folder = RepositoryFolder(hub.folder, ref.repository)
        self._meter = Meter(ref, progressed)
        self._patience = Patience(hub, cancelled, self._meter.note)

    @property
    def fetched_bytes(self) -> int:
        return self._meter.fetched_bytes

    @property
    def total_bytes(self) -> int:
        return self._meter.total_bytes

    def run(self) -> Pulled:
        """Fetch what is missing. Raises Cancelled, MixerGuiError, or what `errors.explained` explains.

        Whatever it raises, what arrived stays on disk, and the next run goes on from there.
        """
        found = self._patience.ask(partial(client.snapshot, self._hub, self._ref))
        names = self._names(found)
        files = tuple(
            self._patience.ask(partial(client.remote_file, self._hub, found.repository, found.commit, name))
            for name in names
        )
        begun = self._folder.journal(found.commit)
        # One that is continued by its commit belongs to the branch that it was begun for, too.
        revisions = [each or client.MAIN for each in (self._ref.revision, *([] if begun is None else [begun.revision]))]
        branch = next((each for each in revisions if not client.COMMIT.fullmatch(each)), found.commit)
        journal = Journal(found.repository, branch, found.commit, files)
        self._require_space(journal)
        self._folder.forget_branch(revisions[0], found.commit)
        self._folder.begin(journal)
        self._meter.begin(files, [self._folder.arrived_bytes(found.commit, file) for file in files])
        for file in files:
            self._meter.next_file(file)
            self._have(found.commit, file)
        for revision in revisions:
            self._folder.set_ref(revision, found.commit)
        self._folder.finish(found.commit)
        return Pulled(self._folder.snapshot(found.commit), found.commit, self.fetched_bytes, journal.total_bytes)

    # --- what to fetch ---

    def _names(self, found: RemoteSnapshot) -> list[str]:
        """The checkpoint's files, small ones first, so that what is wrong with them is known at once."""
        weights = weight_names(self._hub, found, self._patience)
        return [CONFIG, *(name for name in found.names if CARD.fullmatch(name)), *weights]

    def _require_space(self, journal: Journal) -> None:
        missing = sum(file.size - self._folder.arrived_bytes(journal.commit, file) for file in journal.files)
        free = free_bytes(self._hub.folder)
        if free is not None and missing and missing + SPARE_BYTES > free:
            raise MixerGuiError(
                f"The disk has too little space: {(missing + SPARE_BYTES) / 1e6:,.0f} MB are needed in "
                f"{self._hub.folder}, and {free / 1e6:,.0f} MB are free. Free some, or set HF_HOME to a folder on "
                "another disk. What arrived before is kept."
            )

    # --- one file ---

    def _have(self, commit: str, file: RemoteFile) -> None:
        """See to it that the snapshot's file is there and is right."""
        pointer, blob = self._folder.file(commit, file.name), self._folder.blob(file.etag)
        with self._folder.locked(file.etag, self._wait_for_other):
            self._meter.note("")
            # The client does not hash what it fetched for another program: trust it after a look only.
            if not is_right(pointer, file, cancelled=self._cancelled):
                pointer.unlink(missing_ok=True)  # from now on it is known to be damaged
                is_new = not os.path.lexists(blob)
                if not is_right(blob, file, cancelled=self._cancelled):
                    self._fetch(commit, file)
                self._folder.link(commit, file, is_new=is_new)
        self._meter.finish_file()

    def _wait_for_other(self) -> None:
        self._patience.wait("Another program is downloading it; waiting for that")

    def _fetch(self, commit: str, file: RemoteFile) -> None:
        """Fetch a content into its partial file and, once it is right, make that the blob."""
        partial_path = self._folder.partial(file.etag)
        for is_last_try in (False, True):
            content = ContentHash(file)
            with partial_path.open("ab", buffering=0) as raw:  # unbuffered: what arrived survives a kill
                out = cast(BinaryIO, raw)
                if out.tell() > file.size:
                    out.truncate(0)
                done = content.add_file(partial_path, cancelled=self._cancelled)
                self._meter.restart_file(done)
                self._fill(commit, file, out, content, done)
                os.fsync(out.fileno())
            if content.is_right():
                partial_path.replace(self._folder.blob(file.etag))
                return
            partial_path.unlink()
            if not is_last_try:
                self._meter.restart_file(0)
                self._meter.note("What arrived is damaged; fetching it again")
        raise MixerGuiError(
            f"“{file.name}” of “{self._ref}” arrived damaged twice, so it was thrown away. Something between here and "
            f"{self._hub.host} changes it: try again later or through another network."
        )

    def _fill(self, commit: str, file: RemoteFile, out: BinaryIO, content: ContentHash, done: int) -> None:
        """Append bytes until the file has its size; after each lost connection, from where it was lost."""
        failures = 0
        while done < file.size:
            before = done
            try:
                for chunk in self._chunks(commit, file, done):
                    _write_all(out, chunk)
                    content.update(chunk)
                    done += len(chunk)
                    self._meter.add(len(chunk))
                if done < file.size:
                    raise LostError(f"{done} of {file.size} bytes came")
            except Exception as error:
                failures = 1 if done > before else failures + 1
                self._patience.pause(error, failures)

    def _chunks(self, commit: str, file: RemoteFile, start: int) -> Iterator[bytes]:
        """The file's bytes from `start` on, not one more than it has."""
        skip = place = 0
        request = partial(client.open_file, self._hub, self._ref.repository, commit, file.name, start=start)

        @contextmanager
        def checked(trace: Trace) -> Iterator[httpx2.Response]:
            with request(trace=trace) as response:
                client.check(response)
                yield response

        with Stream(checked) as stream:
            for event in stream.events(self._cancelled):
                if isinstance(event, Head):
                    skip = start - _first_byte(event, file, start)
                    place = start
                    continue
                chunk = event[skip:] if skip else event
                skip = max(skip - len(event), 0)
                if place + len(chunk) > file.size:
                    raise client.NotAHubError(f"more than {file.size} bytes came")
                place += len(chunk)
                if chunk:
                    yield chunk


def weight_names(hub: Hub, found: RemoteSnapshot, patience: Patience) -> list[str]:
    """The file that holds a repository's weights, or an index and those that it names. Raises MixerGuiError."""
    if CONFIG not in found.names:
        raise MixerGuiError(
            f"“{found.repository}” has no {CONFIG}, which says how its pictures are prepared, so this program cannot "
            "run it."
        )
    for name in WEIGHT_FILES:
        if name == INDEX and name in found.names:
            read = partial(client.read_small, hub, found.repository, found.commit, INDEX, MAX_INDEX_BYTES)
            return [INDEX, *shard_names(patience.ask(read), found)]
        if name in found.names:
            return [name]
    raise MixerGuiError(
        f"“{found.repository}” has neither {WEIGHTS} nor {PICKLED}. Download another file yourself and open it with "
        "Open Model File."
    )


def shard_names(index: bytes, found: RemoteSnapshot) -> list[str]:
    """The files that an index of shards names; raises MixerGuiError for one that is not the repository's own."""
    try:
        names = sorted(set(json.loads(index)["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MixerGuiError(f"“{INDEX}” of “{found.repository}” does not say which files hold what.") from error
    for name in names:
        if not is_safe_name(name) or "/" in name or name not in found.names or not name.endswith(".safetensors"):
            raise MixerGuiError(
                f"“{INDEX}” of “{found.repository}” names {name!r}, which is not one of its weights; nothing was "
                "downloaded."
            )
    return names


def free_bytes(folder: Path) -> int | None:
    """Free space where a folder is or will be; None where the system does not say."""
    for place in (folder, *folder.parents):
        if place.exists():
            try:
                return shutil.disk_usage(place).free
            except OSError:
                return None
    return None


def _first_byte(head: Head, file: RemoteFile, start: int) -> int:
    """Where in the file an answer begins: at `start`, or at 0 where the server does not know ranges."""
    if "content-encoding" in head.headers:
        raise client.NotAHubError("an encoded answer, though none was asked for")
    if head.status == 200:
        return 0
    said = RANGE.fullmatch(head.headers.get("content-range", ""))
    if head.status != 206 or said is None or (int(said[1]), int(said[2])) != (start, file.size):
        raise client.NotAHubError(f"{head.status} {head.headers.get('content-range')!r} for bytes={start}-")
    return start


def _write_all(out: BinaryIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[out.write(rest) :]
