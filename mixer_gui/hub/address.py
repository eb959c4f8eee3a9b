"""Fetches a picture from an address that the user dropped. Nothing else in the program opens such addresses."""

import base64
import binascii
import time
from collections.abc import Callable
from urllib.parse import unquote_to_bytes, urlsplit

from mixer_gui.records import BytesSource, MixerGuiError

MAX_BYTES = 50 * 1000 * 1000
TIMEOUT_S = 60.0  # for the whole transfer
SILENCE_S = 10.0  # without a single byte
CHUNK_BYTES = 1 << 16


def fetch(
    address: str,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    progressed: Callable[[int, int | None], None] = lambda done, total: None,
    timeout_s: float = TIMEOUT_S,
) -> BytesSource:
    """The bytes behind an http, https or data address, at most 50 MB.

    Blocks; `cancelled` is asked between chunks, `progressed` gets bytes so far and in total (None where the
    server does not say). Raises MixerGuiError.
    """
    scheme = urlsplit(address).scheme.lower()
    if scheme == "data":
        return _decode_data_address(address)
    if scheme not in ("http", "https"):
        raise MixerGuiError(f"{_short(address)} cannot be opened: only http, https and data addresses can.")
    import httpx2

    host = urlsplit(address).netloc
    deadline = time.monotonic() + timeout_s
    data = bytearray()
    try:
        with (
            httpx2.Client(follow_redirects=True, timeout=min(SILENCE_S, timeout_s)) as client,
            client.stream("GET", address) as response,
        ):
            if response.status_code != 200:
                raise MixerGuiError(
                    f"{host} answered {response.status_code} {response.reason_phrase} instead of a picture. "
                    "Save the picture in the browser and drop the file."
                )
            total = response.headers.get("content-length")
            total_bytes = int(total) if total is not None and total.isdigit() else None
            if total_bytes is not None and total_bytes > MAX_BYTES:
                raise _too_large(address)
            for chunk in response.iter_bytes(CHUNK_BYTES):
                if cancelled():
                    raise MixerGuiError(f"Fetching {_short(address)} was cancelled.")
                if time.monotonic() > deadline:
                    raise MixerGuiError(f"{host} took longer than {timeout_s:.0f} s. Try again later.")
                data += chunk
                if len(data) > MAX_BYTES:
                    raise _too_large(address)
                progressed(len(data), total_bytes)
    except httpx2.TimeoutException as error:
        raise MixerGuiError(
            f"{host} did not answer for {min(SILENCE_S, timeout_s):.0f} s. Try again later.", repr(error)
        ) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise MixerGuiError(
            f"{_short(address)} could not be fetched. Check the network, or save the picture and drop the file.",
            repr(error),
        ) from error
    name = urlsplit(address).path.rsplit("/", 1)[-1] or host
    return BytesSource(name, bytes(data))


def _decode_data_address(address: str) -> BytesSource:
    header, comma, payload = address[5:].partition(",")
    if not comma:
        raise MixerGuiError("The dropped data address holds no data.")
    if len(payload) > MAX_BYTES * 4 // 3 + 4:
        raise _too_large(address)
    try:
        data = unquote_to_bytes(payload)
        if header.lower().endswith(";base64"):
            data = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MixerGuiError("The dropped data address is damaged: it is not valid base64.", repr(error)) from error
    kind = header.split(";", 1)[0] or "data"
    return BytesSource(f"dropped {kind}", data)


def _too_large(address: str) -> MixerGuiError:
    return MixerGuiError(
        f"{_short(address)} is larger than {MAX_BYTES // 10**6} MB, which is more than this program fetches. "
        "Save it and drop the file."
    )


def _short(address: str) -> str:
    return address if len(address) <= 60 else address[:57] + "…"
