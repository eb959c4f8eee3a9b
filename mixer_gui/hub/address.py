"""Fetches a picture from an address that the user dropped. Nothing else in the program opens such addresses."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from mixer_gui import __version__
from mixer_gui.hub.stream import Head, Stream, Trace
from mixer_gui.records import BytesSource, Cancelled, MixerGuiError

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 50 * 1000 * 1000
TIMEOUT_S = 60.0  # for the whole transfer
SILENCE_S = 10.0  # without a single byte


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
    import httpx2

    deadline = time.monotonic() + timeout_s
    silence_s = min(silence_s, timeout_s)

    def is_over() -> bool:
        if time.monotonic() > deadline:
            raise MixerGuiError(f"{host} took longer than {timeout_s:.0f} s. Try again later.")
        return cancelled()

    data = bytearray()
    total_bytes: int | None = None
    try:
        with Stream(partial(_request, address, silence_s)) as stream:
            for event in stream.events(is_over):
                if isinstance(event, Head):
                    total_bytes = _length(event, host)
                else:
                    data += event
                if max(len(data), total_bytes or 0) > max_bytes:
                    raise _too_large(address, max_bytes)
                if data:
                    progressed(len(data), total_bytes)
    except Cancelled:
        raise MixerGuiError(f"Fetching {_short(address)} was cancelled.") from None
    except httpx2.TimeoutException as error:
        raise MixerGuiError(f"{host} did not answer for {silence_s:.0f} s. Try again later.", repr(error)) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise MixerGuiError(
            f"{_short(address)} could not be fetched. Check the network, or save the picture and drop the file.",
            repr(error),
        ) from error
    name = unquote(parts.path).rstrip("/").rsplit("/", 1)[-1] or host
    return BytesSource("".join(filter(str.isprintable, name)), bytes(data))


@contextmanager
def _request(address: str, silence_s: float, trace: Trace) -> Iterator[httpx2.Response]:
    import httpx2

    # Compressed answers would make nonsense of the figures for progress, and pictures are compressed already.
    headers = {"User-Agent": f"mixer-gui/{__version__}", "Accept-Encoding": "identity"}
    with (
        httpx2.Client(follow_redirects=True, timeout=silence_s, headers=headers) as client,
        client.stream("GET", address, extensions={"trace": trace}) as response,
    ):
        yield response


def _length(head: Head, host: str) -> int | None:
    """How many bytes will come, None where the server does not say; raises MixerGuiError where none will."""
    if head.status != 200:
        answer = f"{head.status} {head.reason}".strip()
        raise MixerGuiError(
            f"{host} answered {answer} instead of a picture. Save the picture in the browser and drop the file."
        )
    said = head.headers.get("content-length", "")
    # Of a compressed answer, sent although none was asked for, the length says nothing.
    return int(said) if said.isdecimal() and "content-encoding" not in head.headers else None


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
