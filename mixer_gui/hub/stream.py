"""Waiting for a network without being held by it: calls and transfers in threads that can be left alone.

Looking up a name, connecting and waiting for an answer cannot be interrupted in Python. So each runs in a
daemon thread of its own, and who asked looks many times a second whether it is still wanted.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mixer_gui.records import Cancelled

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import httpx2

POLL_S = 0.05  # how soon what was cancelled ends
CHUNKS_AHEAD = 64  # of up to 64 KiB, that arrived and are not taken yet

Trace = Callable[[str, Mapping[str, Any]], None]
Answer = TypeVar("Answer")


def interruptible(call: Callable[[], Answer], cancelled: Callable[[], bool]) -> Answer:
    """The call's answer, or its error; raises Cancelled within 0.05 s of the wish, and forgets the call then."""
    answers: queue.SimpleQueue[Callable[[], Answer]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answer = call()
        except Exception as error:
            failed = error

            def fail() -> Answer:
                raise failed

            answers.put(fail)
        else:
            answers.put(lambda: answer)

    # A daemon: the program does not wait for it when it ends.
    threading.Thread(target=run, name="hub-call", daemon=True).start()
    while True:
        if cancelled():
            raise Cancelled("Cancelled.")
        with contextlib.suppress(queue.Empty):
            return answers.get(timeout=POLL_S)()


@dataclass(frozen=True, slots=True)
class Head:
    """How a server's answer begins."""

    status: int
    reason: str
    headers: Mapping[str, str]


class Stream:
    """One request whose answer arrives piece by piece. A context manager: leaving it ends the transfer."""

    def __init__(self, open_response: Callable[[Trace], AbstractContextManager[httpx2.Response]]) -> None:
        """`open_response` is called in the transfer's thread, with what httpx2 takes as the extension "trace"."""
        self._open = open_response
        self._events: queue.Queue[Head | bytes | Exception | None] = queue.Queue(CHUNKS_AHEAD)
        self._stopped = threading.Event()
        self._socket: socket.socket | None = None

    def __enter__(self) -> Stream:
        threading.Thread(target=self._run, name="transfer", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def events(self, cancelled: Callable[[], bool]) -> Iterator[Head | bytes]:
        """The answer's head, then its bytes as they come. Raises what the transfer raised, or Cancelled."""
        while True:
            if cancelled():
                raise Cancelled("Cancelled.")
            try:
                event = self._events.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            yield event

    def _stop(self) -> None:
        """End the thread, also where it waits for the server; any number of times."""
        self._stopped.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed
                self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            with self._open(self._watch) as response:
                self._keep(response.extensions.get("network_stream"))
                self._put(Head(response.status_code, response.reason_phrase, response.headers))
                for chunk in response.iter_bytes():
                    self._put(chunk)
                    if self._stopped.is_set():
                        return
            self._put(None)
        except Exception as error:
            self._put(error)

    def _put(self, event: Head | bytes | Exception | None) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self._events.put(event, timeout=POLL_S)
                return

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpx2's transport at each stage."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._keep(info.get("return_value"))

    def _keep(self, network_stream: Any) -> None:  # noqa: ANN401 - httpcore2's own type is private
        """Remember the socket, the newest where there are several; a connection that is used again tells it late."""
        if network_stream is not None:
            self._socket = network_stream.get_extra_info("socket")
            if self._stopped.is_set():
                self._stop()
