"""Fetches a picture from an address that the user dropped. Nothing else in the program opens such addresses."""

from __future__ import annotations

import base64
import binascii
import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from mixer_gui import __version__
from mixer_gui.records import BytesSource, MixerGuiError

MAX_BYTES = 50 * 1000 * 1000
TIMEOUT_S = 60.0  # for the whole transfer
SILENCE_S = 10.0  # without a single byte
POLL_S = 0.05  # how soon a cancelled fetch ends


def fetch(
    address: str,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    progressed: Callable[[int, int | None], None] = lambda done, total: None,
    timeout_s: float = TIMEOUT_S,
    silence_s: float = SILENCE_S,
    max_bytes: int = MAX_BYTES,
) -> BytesSource:
    """The bytes behind an http, https or data address, at most 50 MB.

    Blocks; `cancelled` is asked many times a second, `progressed` gets bytes so far and in total (None where
    the server does not say), both in the caller's thread. Raises MixerGuiError.
    """
    address = address.strip()
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError as error:
        raise MixerGuiError(f"{_short(address)} is not a valid address.", repr(error)) from error
    if parts.scheme == "data":
        return _decode_data_address(address, max_bytes)
    if parts.scheme not in ("http", "https"):
        raise MixerGuiError(f"{_short(address)} cannot be opened: only http, https and data addresses can.")
    transfer = _Transfer(address, host, silence_s=min(silence_s, timeout_s), max_bytes=max_bytes)
    deadline = time.monotonic() + timeout_s
    transfer.start()
    try:
        while True:
            if cancelled():
                raise MixerGuiError(f"Fetching {_short(address)} was cancelled.")
            if time.monotonic() > deadline:
                raise MixerGuiError(f"{host} took longer than {timeout_s:.0f} s. Try again later.")
            try:
                event = transfer.events.get(timeout=POLL_S)
            except queue.Empty:
                continue
            if isinstance(event, Exception):
                raise event
            if isinstance(event, bytes):
                name = unquote(parts.path).rstrip("/").rsplit("/", 1)[-1] or host
                return BytesSource("".join(filter(str.isprintable, name)), event)
            progressed(*event)
    finally:
        transfer.stop()


class _Transfer:
    """One download in a thread of its own, which can be left alone: looking up a name cannot be interrupted.

    `events` gets (bytes so far, total or None), and in the end the bytes or an error.
    """

    def __init__(self, address: str, host: str, *, silence_s: float, max_bytes: int) -> None:
        self.events: queue.SimpleQueue[tuple[int, int | None] | bytes | Exception] = queue.SimpleQueue()
        self._address = address
        self._host = host
        self._silence_s = silence_s
        self._max_bytes = max_bytes
        self._stopped = threading.Event()
        self._socket: socket.socket | None = None

    def start(self) -> None:
        # A daemon: the program does not wait for it when it ends.
        threading.Thread(target=self._run, name="transfer", daemon=True).start()

    def stop(self) -> None:
        """End the thread, also where it waits for the server; any number of times."""
        self._stopped.set()
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed
                self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            self.events.put(self._download())
        except Exception as error:
            self.events.put(error)

    def _download(self) -> bytes:
        import httpx2

        # Compressed answers would make nonsense of the figures for progress, and pictures are compressed already.
        headers = {"User-Agent": f"mixer-gui/{__version__}", "Accept-Encoding": "identity"}
        try:
            with (
                httpx2.Client(follow_redirects=True, timeout=self._silence_s, headers=headers) as client,
                client.stream("GET", self._address, extensions={"trace": self._watch}) as response,
            ):
                if response.status_code != 200:
                    answer = f"{response.status_code} {response.reason_phrase}".strip()
                    raise MixerGuiError(
                        f"{self._host} answered {answer} instead of a picture. "
                        "Save the picture in the browser and drop the file."
                    )
                return self._read(response.headers, response.iter_bytes())
        except httpx2.TimeoutException as error:
            raise MixerGuiError(
                f"{self._host} did not answer for {self._silence_s:.0f} s. Try again later.", repr(error)
            ) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise MixerGuiError(
                f"{_short(self._address)} could not be fetched. Check the network, or save the picture and drop the "
                "file.",
                repr(error),
            ) from error

    def _read(self, headers: Mapping[str, str], chunks: Iterator[bytes]) -> bytes:
        said = headers.get("content-length", "")
        # Of a compressed answer, sent although none was asked for, the length says nothing.
        total_bytes = int(said) if said.isdecimal() and "content-encoding" not in headers else None
        if total_bytes is not None and total_bytes > self._max_bytes:
            raise _too_large(self._address, self._max_bytes)
        data = bytearray()
        for chunk in chunks:
            if self._stopped.is_set():
                break
            data += chunk
            if len(data) > self._max_bytes:
                raise _too_large(self._address, self._max_bytes)
            self.events.put((len(data), total_bytes))
        return bytes(data)

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by httpcore2 at each stage; keeps the socket, the newest where there are several."""
        stream = info.get("return_value")
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")) and stream is not None:
            self._socket = stream.get_extra_info("socket")
            if self._stopped.is_set():
                self.stop()


def _decode_data_address(address: str, max_bytes: int) -> BytesSource:
    header, comma, payload = address[5:].partition(",")
    if not comma:
        raise MixerGuiError("The dropped data address holds no data.")
    if len(payload) > max_bytes * 3:  # not even if every byte were percent-escaped
        raise _too_large(address, max_bytes)
    data = unquote_to_bytes(payload)
    if header.rstrip().lower().endswith(";base64"):
        # Browsers forgive white space and missing padding (the "forgiving-base64" of the WHATWG).
        data = b"".join(data.split())
        try:
            data = base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
        except binascii.Error as error:
            raise MixerGuiError("The dropped data address is damaged: it is not valid base64.", repr(error)) from error
    if len(data) > max_bytes:
        raise _too_large(address, max_bytes)
    kind = header.split(";", 1)[0] or "data"
    return BytesSource(f"dropped {kind}", data)


def _too_large(address: str, max_bytes: int) -> MixerGuiError:
    return MixerGuiError(
        f"{_short(address)} is larger than {max_bytes / 10**6:g} MB, which is more than this program fetches. "
        "Save it and drop the file."
    )


def _short(address: str) -> str:
    return address if len(address) <= 60 else address[:57] + "…"
