"""The Hub and its cache as the window uses them: asked from any thread, answered in records."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mixer_gui.hub import client, store
from mixer_gui.hub.client import Hub
from mixer_gui.hub.describe import Describe
from mixer_gui.hub.download import Download, Pulled
from mixer_gui.hub.errors import explained
from mixer_gui.hub.lookup import look_up
from mixer_gui.records import (
    Cancelled,
    DownloadEnd,
    DownloadEnded,
    DownloadProgress,
    HubFailure,
    MixerGuiError,
    ModelRemoved,
    RepositoryRef,
    StoredModel,
)

QUIET_S = 0.4  # the window builds its list meanwhile
CANCELLED = "Cancelled. What arrived is kept, and Continue goes on from there."

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Wanted:
    """A download that was asked for; `stop` is set: it is not wanted any more."""

    stop: threading.Event = field(default_factory=threading.Event)
    has_begun: bool = False


class HubService:
    """Lists, looks up, downloads and deletes, in three threads: none waits for another's network.

    `publish` gets StoreListed, RepositoryFound, DownloadProgress, DownloadEnded, ModelRemoved and HubFailure
    records, from any of them.
    """

    def __init__(
        self,
        publish: Callable[[object], None],
        *,
        describe: Describe,
        hub: Hub | None = None,
    ) -> None:
        self._publish = publish
        self._describe = describe
        self._hub = hub or Hub()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._wanted: dict[RepositoryRef, _Wanted] = {}  # downloads that run or wait
        self._asked: RepositoryRef | None = None  # the newest look-up
        self._question = threading.Event()  # set: nobody waits for its answer
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="hub-disk")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="hub-ask")
        self._fetching = ThreadPoolExecutor(1, thread_name_prefix="hub-fetch")

    def list_models(self) -> None:
        """Look what is in the cache; StoreListed or HubFailure follows. No network.

        Who looks may download next, so the client is imported afterwards, before a click waits for it.
        """
        self._submit(self._disk, self._list)
        if not client.is_loaded():
            self._submit(self._fetching, self._get_ready)

    def look_up(self, ref: RepositoryRef) -> None:
        """Ask the Hub what a repository holds; RepositoryFound or HubFailure follows. A newer question replaces it."""
        with self._lock:
            self._question.set()
            self._asked, self._question = ref, (question := threading.Event())
        self._submit(self._asking, partial(self._look_up, ref, question))

    def pull(self, ref: RepositoryRef) -> None:
        """Download, or continue: DownloadProgress follow, DownloadEnded, StoreListed; one after the other, in order.

        One that is under way or waits already is not asked again; one that is just being cancelled begins anew.
        """
        wanted = _Wanted()
        with self._lock:
            present = self._wanted.get(ref)
            if present is not None and not present.stop.is_set():
                return
            is_first = not self._wanted
            self._wanted[ref] = wanted
        if not is_first and present is None:
            self._send(_waiting(ref))
        self._submit(self._fetching, partial(self._pull, ref, wanted))

    def cancel(self, ref: RepositoryRef) -> None:
        """Stop a download or take it off the queue: DownloadEnded (CANCELLED) follows, and what arrived is kept.

        A look-up of the same repository is forgotten without an answer.
        """
        with self._lock:
            if ref == self._asked:
                self._question.set()
            wanted = self._wanted.get(ref)
            if wanted is None:
                return
            wanted.stop.set()
            if wanted.has_begun:
                return
            del self._wanted[ref]
        self._send(_ended(ref, DownloadEnd.CANCELLED))

    def remove(self, model: StoredModel) -> None:
        """Delete a model or a partial one from the cache; ModelRemoved or HubFailure, then StoreListed follow."""
        self._submit(self._disk, partial(self._remove, model))

    def mark_used(self, path: Path) -> None:
        """A snapshot in the cache was used now; anything else is ignored."""
        self._submit(self._disk, partial(store.mark_used, self._hub, path))

    def close(self) -> None:
        """Stop everything at once; what arrived is kept. Idempotent; nothing is published any more."""
        self._closing.set()
        for executor in (self._disk, self._asking, self._fetching):
            executor.shutdown(wait=False, cancel_futures=True)

    # --- in the threads ---

    def _list(self) -> None:
        try:
            self._send(store.list_models(self._hub, self._describe))
        except Exception as error:
            self._send(self._failure(None, error))

    def _get_ready(self) -> None:
        if not self._closing.wait(QUIET_S):
            client.load()

    def _remove(self, model: StoredModel) -> None:
        ref = RepositoryRef(model.repository, model.commit)
        try:
            self._send(ModelRemoved(model, store.remove(self._hub, model)))
        except Exception as error:
            self._send(self._failure(ref, error))
        self._list()

    def _look_up(self, ref: RepositoryRef, question: threading.Event) -> None:
        def is_over() -> bool:
            return question.is_set() or self._closing.is_set()

        if is_over():
            return
        answer: object
        client.load()
        try:
            answer = look_up(self._hub, ref, self._describe, cancelled=is_over)
        except Cancelled:
            return
        except Exception as error:
            answer = self._failure(ref, error)
        if not is_over():
            self._send(answer)

    def _pull(self, ref: RepositoryRef, wanted: _Wanted) -> None:
        with self._lock:
            if wanted.stop.is_set():  # it was taken off the queue
                return
            wanted.has_begun = True
        client.load()
        download = Download(
            self._hub, ref, cancelled=lambda: wanted.stop.is_set() or self._closing.is_set(), progressed=self._send
        )
        try:
            pulled = download.run()
            self._describe.snapshot(pulled.path, ref.repository)  # it may be whole and yet no Mixer
            end, error = DownloadEnd.DONE, None
        except Exception as raised:
            pulled = None
            end = DownloadEnd.CANCELLED if isinstance(raised, Cancelled) else DownloadEnd.FAILED
            error = self._explained(raised, ref)
        with self._lock:
            present = self._wanted.get(ref)
            if present is wanted:
                del self._wanted[ref]
        self._send(_ended(ref, end, download, pulled, error))
        if present not in (None, wanted):  # it was asked for again meanwhile
            self._send(_waiting(ref))
        self._submit(self._disk, self._list)

    # --- shared ---

    def _submit(self, executor: ThreadPoolExecutor, task: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # it is closed
            executor.submit(task)

    def _send(self, record: object) -> None:
        """Publish, unless the program is closing. Raises nothing, so that a thread goes on."""
        if self._closing.is_set():
            return
        try:
            self._publish(record)
        except Exception:
            log.exception("%s could not be published", type(record).__name__)

    def _failure(self, ref: RepositoryRef | None, error: Exception) -> HubFailure:
        told = self._explained(error, ref or RepositoryRef("the cache"))
        return HubFailure(ref, str(told), told.detail)

    def _explained(self, error: Exception, ref: RepositoryRef) -> MixerGuiError:
        if not isinstance(error, MixerGuiError):
            log.info("%s: %s", ref, "".join(traceback.format_exception(error)))
        return explained(error, ref, self._hub)


def _ended(
    ref: RepositoryRef,
    end: DownloadEnd,
    download: Download | None = None,
    pulled: Pulled | None = None,
    error: MixerGuiError | None = None,
) -> DownloadEnded:
    return DownloadEnded(
        ref=ref,
        end=end,
        sentence=CANCELLED if end == DownloadEnd.CANCELLED else "" if error is None else str(error),
        detail=error.detail if error is not None else "",
        path=pulled.path if pulled is not None else None,
        commit=pulled.commit if pulled is not None else None,
        fetched_bytes=download.fetched_bytes if download is not None else 0,
        total_bytes=download.total_bytes if download is not None else 0,
    )


def _waiting(ref: RepositoryRef) -> DownloadProgress:
    return DownloadProgress(ref=ref, note="Waiting for the download before it")
