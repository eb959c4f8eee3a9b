"""Stands between a client and the Hub server: answers as the real Hub, and breaks what a test asks for. Tests only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import socket
import struct
import termios
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from fnmatch import fnmatchcase
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from hub_answers import Answer, HubAnswers, Refusal
from hub_server import reserve_port

PIECE_BYTES = 16 * 1024
PIECES_PER_S = 50  # where the rate is limited
SEND_BUFFER_BYTES = 64 * 1024  # little lies between what was counted as sent and what the client has
LOOK_S = 0.01  # how soon a stalled answer notices that its client left
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class _Kind(Enum):
    CUT = auto()
    STALL = auto()
    MUTE = auto()
    FLIP = auto()
    ANSWER = auto()
    IGNORE_RANGE = auto()
    SHIFT_RANGE = auto()
    RATE = auto()


@dataclass
class _Fault:
    kind: _Kind
    pattern: str
    times: int | None  # None: always
    number: int = 0  # an offset in the whole file, a status, a shift or a rate, as the kind has it
    abrupt: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Seen:
    """A request that came, and what was answered so far. `headers` have lower-case names."""

    method: str
    path: str  # without the query
    headers: Mapping[str, str]
    status: int = 0  # 0: no answer yet, or none at all
    sent_bytes: int = 0  # of the body

    @property
    def range_start(self) -> int | None:
        """Where the asked range begins; None where the whole file was asked for."""
        asked = RANGE.fullmatch(self.headers.get("range", ""))
        return int(asked[1]) if asked and asked[1] else None


class FaultyProxy:
    """A reverse proxy at `endpoint`; thread-safe, and off from leaving its `with` block.

    A fault concerns the paths (without query) that match `pattern` (fnmatch, `*` crosses slashes). It acts `times`
    times, None for always, and only where it can: an offset is one in the whole file, whatever range is asked, and
    a fault at an offset waits for an answer that contains it. Of several the one with the lowest offset acts first.

    With `redirects`, git-LFS files lead to another host (localhost), as on the Hub, at paths `/cdn/…/FILE`.
    `bodies` may be shared by many proxies: it keeps files by their etags.
    """

    def __init__(self, upstream: str, *, redirects: bool = False, bodies: dict[str, bytes] | None = None) -> None:
        self._faults: list[_Fault] = []
        self._seen: list[Seen] = []
        self._lock = threading.Condition()
        self._reservation = reserve_port()
        self.port = int(self._reservation.getsockname()[1])
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.hub = HubAnswers(upstream, self.port, redirects=redirects, bodies={} if bodies is None else bodies)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Listen, at the same port each time."""
        if self._server is None:
            self._server = _Server(self, self.port)
            self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="faulty proxy")
            self._thread.start()

    def stop(self) -> None:
        """Off at once: nobody listens, and every connection is cut. Any number of times."""
        if self._server is None or self._thread is None:
            return
        server, self._server = self._server, None
        server.closing.set()
        server.shutdown()
        self._thread.join()
        server.server_close()
        server.cut_connections()

    def close(self) -> None:
        self.stop()
        self._reservation.close()

    # Faults

    def cut(self, pattern: str, at: int, *, times: int | None = 1, abrupt: bool = True) -> None:
        """Close the connection before byte `at` of the file: by a reset, or politely."""
        self._add(_Fault(_Kind.CUT, pattern, times, at, abrupt=abrupt))

    def stall(self, pattern: str, at: int, *, times: int | None = 1) -> None:
        """Send nothing from byte `at` of the file on, and keep the connection open until the client leaves."""
        self._add(_Fault(_Kind.STALL, pattern, times, at))

    def mute(self, pattern: str, *, times: int | None = 1) -> None:
        """Take the request and answer nothing at all until the client leaves."""
        self._add(_Fault(_Kind.MUTE, pattern, times))

    def flip(self, pattern: str, at: int, *, times: int | None = 1) -> None:
        """Send another value for byte `at` of the file."""
        self._add(_Fault(_Kind.FLIP, pattern, times, at))

    def answer(self, pattern: str, status: int, *, times: int | None = 1, **headers: str) -> None:
        """Answer so, with an empty body, to any method; `retry_after="1"` is a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._add(_Fault(_Kind.ANSWER, pattern, times, status, headers=named))

    def refuse(self, pattern: str, refusal: Refusal, *, times: int | None = None, **headers: str) -> None:
        """Refuse in the Hub's words."""
        self.answer(pattern, refusal.status, times=times, **refusal.headers, **headers)

    def ignore_range(self, pattern: str, *, times: int | None = None) -> None:
        """Answer a range with 200 and the whole file."""
        self._add(_Fault(_Kind.IGNORE_RANGE, pattern, times))

    def shift_range(self, pattern: str, by: int, *, times: int | None = 1) -> None:
        """Answer a range with 206 and another one, `by` bytes on, as its Content-Range says."""
        self._add(_Fault(_Kind.SHIFT_RANGE, pattern, times, by))

    def limit_rate(self, pattern: str, bytes_per_s: int) -> None:
        """For each connection, from its next piece on; the newest limit of a path counts."""
        self._add(_Fault(_Kind.RATE, pattern, None, bytes_per_s))

    def expire_links(self) -> None:
        """From now on addresses that redirects led to answer 403, as signed ones do when they are old."""
        self.hub.expire_links()

    def heal(self) -> None:
        """No faults any more."""
        with self._lock:
            self._faults.clear()

    # Counters

    def requests(self, pattern: str = "*") -> list[Seen]:
        """Copies, in the order in which they came."""
        with self._lock:
            return [replace(seen) for seen in self._seen if fnmatchcase(seen.path, pattern)]

    def sent_bytes(self, pattern: str = "*") -> int:
        """Bytes of bodies handed to the system for the client."""
        return sum(seen.sent_bytes for seen in self.requests(pattern))

    def wait_until_sent(self, pattern: str, size_bytes: int, timeout_s: float = 20.0) -> None:
        """Returns when at least so much was sent; TimeoutError."""
        with self._lock:
            if not self._lock.wait_for(lambda: self.sent_bytes(pattern) >= size_bytes, timeout_s):
                raise TimeoutError(f"{self.sent_bytes(pattern)} of {size_bytes} bytes were sent in {timeout_s} s")

    def reset(self) -> None:
        """Forget the requests that came."""
        with self._lock:
            self._seen.clear()

    # For the handlers

    def _add(self, fault: _Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def note(self, seen: Seen) -> None:
        with self._lock:
            self._seen.append(seen)
            self._lock.notify_all()

    def hand_over(self, seen: Seen, data: memoryview, connection: socket.socket) -> int:
        """Send what the system takes now; counted in the same moment, before any client can tell of it."""
        with self._lock:
            try:
                size = connection.send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return 0
            seen.sent_bytes += size
            self._lock.notify_all()
            return size

    def take(self, path: str, *kinds: _Kind, span: range | None = None) -> _Fault | None:
        """The fault that acts now, which uses it up by one; with a `span`, the first in there."""
        with self._lock:
            acting = [
                fault
                for fault in self._faults
                if fault.kind in kinds
                and fault.times != 0
                and fnmatchcase(path, fault.pattern)
                and (span is None or fault.number in span)
            ]
            if not acting:
                return None
            fault = acting[0] if span is None else min(acting, key=lambda fault: fault.number)
            if fault.times is not None:
                fault.times -= 1
            return fault

    def rate_of(self, path: str) -> int | None:
        with self._lock:
            for fault in reversed(self._faults):
                if fault.kind is _Kind.RATE and fnmatchcase(path, fault.pattern):
                    return fault.number
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultyProxy, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # connections inherit it
        self.proxy = proxy
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()

    def process_request(self, request: socket.socket, client_address: object) -> None:
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._connections.discard(request)
                self._changed.notify_all()

    def cut_connections(self) -> None:
        """Returns when no handler runs any more."""
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # it is closed
                    connection.shutdown(socket.SHUT_RDWR)
            if not self._changed.wait_for(lambda: not self._connections, 60):
                raise TimeoutError("The proxy's connections do not end")

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests do; its error is not the server's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        proxy, path = self.server.proxy, self.path.partition("?")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        seen = Seen(self.command, path, headers)
        proxy.note(seen)
        if proxy.take(path, _Kind.MUTE):
            self.wait_for_leave()
        elif fault := proxy.take(path, _Kind.ANSWER):
            self.begin(seen, fault.number, fault.headers, 0)
        else:
            try:
                answer = proxy.hub.ask(self.command, self.path, headers, body)
            except (OSError, HTTPException):
                self.hang_up(abrupt=True)
            else:
                self.send(seen, answer)

    do_HEAD = do_POST = do_GET  # noqa: N815

    def send(self, seen: Seen, answer: Answer) -> None:
        """Of a file the range that was asked for; faults act in here."""
        proxy, whole = self.server.proxy, len(answer.body)
        status, headers, span = answer.status, dict(answer.headers), range(whole)
        if seen.method == "GET" and answer.is_file:
            asked = _asked(seen.headers, headers["etag"], whole)
            if asked is not None and not proxy.take(seen.path, _Kind.IGNORE_RANGE):
                status, span = 206, asked
                if asked and (fault := proxy.take(seen.path, _Kind.SHIFT_RANGE)):
                    span = range(min(asked.start + fault.number, whole), min(asked.stop + fault.number, whole))
                headers["content-range"] = f"bytes {span.start}-{span.stop - 1}/{whole}"
                if not asked:
                    status, headers["content-range"] = 416, f"bytes */{whole}"
        self.begin(seen, status, headers, len(span))
        if seen.method != "HEAD":
            self.send_span(seen, answer.body, span)

    def begin(self, seen: Seen, status: int, headers: Mapping[str, str], length: int) -> None:
        seen.status = status
        self.send_response(status)
        for name, value in ({"content-length": str(length)} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()

    def send_span(self, seen: Seen, body: memoryview, span: range) -> None:
        proxy = self.server.proxy
        interruption = proxy.take(seen.path, _Kind.CUT, _Kind.STALL, span=span)
        stop = interruption.number if interruption else span.stop
        flipped = list(self.flips(seen.path, range(span.start, stop)))
        start = span.start
        while start < stop:
            rate = proxy.rate_of(seen.path)
            size = PIECE_BYTES if rate is None else max(1, min(PIECE_BYTES, rate // PIECES_PER_S))
            piece = bytearray(body[start : min(start + size, stop)])
            for offset in flipped:
                if start <= offset < start + len(piece):
                    piece[offset - start] ^= 0xFF
            left = memoryview(piece)
            while left:
                select.select([], [self.connection], [])
                left = left[proxy.hand_over(seen, left, self.connection) :]
            start += len(piece)
            if rate is not None and self.server.closing.wait(len(piece) / rate):
                break
        if interruption and interruption.kind is _Kind.STALL:
            self.wait_for_leave()
        elif interruption:
            self.hang_up(abrupt=interruption.abrupt)

    def flips(self, path: str, span: range) -> Iterator[int]:
        while fault := self.server.proxy.take(path, _Kind.FLIP, span=span):
            yield fault.number
            span = range(fault.number + 1, span.stop)

    def wait_for_leave(self) -> None:
        self.close_connection = True
        while not self.server.closing.wait(LOOK_S) and not select.select([self.connection], [], [], 0)[0]:
            pass

    def hang_up(self, *, abrupt: bool) -> None:
        """By a reset only when all that was sent is with the client's system: a reset throws away the rest."""
        self.close_connection = True
        if not abrupt:
            return
        while _unsent_bytes(self.connection) and not self.server.closing.wait(LOOK_S):
            pass
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())


def _asked(headers: Mapping[str, str], etag: str, whole: int) -> range | None:
    """The range of a request for a file of `whole` bytes, empty where there is no such one; None: the whole file."""
    asked = RANGE.fullmatch(headers.get("range", ""))
    if asked is None or asked[0] == "bytes=-" or headers.get("if-range", etag) != etag:
        return None
    if not asked[1]:
        return range(max(0, whole - int(asked[2])), whole)
    return range(int(asked[1]), min(int(asked[2]) + 1 if asked[2] else whole, whole))


def _unsent_bytes(connection: socket.socket) -> int:
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])
