"""What is asked of the Hub, through huggingface_hub's own client: session, proxies, login and errors are its.

Every function blocks, retries nothing and raises what the client raises; `errors` turns that into sentences.
"""

from __future__ import annotations

import gc
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mixer_gui import __version__
from mixer_gui.hub.repository import is_safe_name
from mixer_gui.hub.stream import Trace
from mixer_gui.records import MixerGuiError, RepositoryRef

if TYPE_CHECKING:
    import httpx2
    from _typeshed import WriteableBuffer

# The client asks its own address for a list of programs to report about, unless this is set when it is imported.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

MAIN = "main"
COMMIT = re.compile(r"[0-9a-f]{40}")
# The etag names the content: sha256 of files in LFS, git's sha1 of small ones. It also names the blob in the
# cache, so nothing else is taken for one.
ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MAX_READ_BYTES = 2**25  # at once, by a `RemoteReader`: what is looked into says itself how much there is to read


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """Which Hub, which cache, and how patient to be.

    None: what huggingface_hub makes of its environment variables (HF_ENDPOINT; HF_HUB_CACHE, HF_HOME).
    `silence_s` without a byte is taken for a lost connection; then it is tried again after each of `pauses_s`.
    """

    endpoint: str | None = None
    cache: Path | None = None
    silence_s: float = 10.0
    pauses_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)

    @property
    def address(self) -> str:
        from huggingface_hub import constants

        return (self.endpoint or constants.ENDPOINT).rstrip("/")

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc or self.address

    @property
    def folder(self) -> Path:
        from huggingface_hub import constants

        return self.cache or Path(constants.HF_HUB_CACHE)


@dataclass(frozen=True, slots=True)
class RemoteSnapshot:
    """A repository at one commit: the names of its files that are safe, and the licence that its card states."""

    repository: str
    commit: str
    names: tuple[str, ...]
    licence: str | None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository: `etag` is the hash of its content, `size` in bytes."""

    name: str
    etag: str
    size: int


def is_loaded() -> bool:
    """Whether the client was imported, which takes 0.3 s."""
    return "huggingface_hub.hf_api" in sys.modules


def load() -> None:
    """Import the client; call it in the thread that will wait for the network anyway.

    A collection over the objects that importing makes would hold the GIL, and with it the window, for 50 ms and
    more; it finds nothing to free.
    """
    if is_loaded():
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        import huggingface_hub.file_download
        import huggingface_hub.hf_api  # noqa: F401
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


class NotAHubError(Exception):
    """The answer is not one that a Hub gives; a login page in between, perhaps."""


class PartsNotServedError(Exception):
    """The server sends whole files only, so looking into one would mean to fetch it."""


def snapshot(hub: Hub, ref: RepositoryRef) -> RemoteSnapshot:
    """Resolve a repository and revision to a commit and its files. One request."""
    from huggingface_hub import HfApi

    # Named in any case: some mirrors know no repository without its branch.
    revision = ref.revision or MAIN
    try:
        info = HfApi(endpoint=hub.address).model_info(ref.repository, revision=revision, timeout=hub.silence_s)
    except (KeyError, TypeError, AttributeError) as error:  # JSON, but of something else
        raise NotAHubError(f"{type(error).__name__}: {error}") from error
    if info.sha is None or not COMMIT.fullmatch(info.sha):
        raise NotAHubError(f"{info.sha!r} is no commit")
    # The others are as good as not there: nothing is ever put under such a name.
    names = tuple(sibling.rfilename for sibling in info.siblings or () if is_safe_name(sibling.rfilename))
    card = info.card_data
    licence = card.get("license") if card is not None else None
    return RemoteSnapshot(ref.repository, info.sha, names, licence if isinstance(licence, str) else None)


def remote_file(hub: Hub, repository: str, commit: str, name: str) -> RemoteFile:
    """Ask for a file's hash and size. One request."""
    from huggingface_hub import get_hf_file_metadata

    found = get_hf_file_metadata(_address(hub, repository, commit, name), timeout=hub.silence_s, endpoint=hub.address)
    if found.etag is None or not ETAG.fullmatch(found.etag) or found.size is None:
        raise NotAHubError(f"etag {found.etag!r}, size {found.size!r}")
    return RemoteFile(name, found.etag, found.size)


class RemoteReader(io.RawIOBase):
    """A file on the Hub, opened for reading here and there: each read is a request."""

    def __init__(self, hub: Hub, repository: str, commit: str, file: RemoteFile) -> None:
        super().__init__()
        self._request = partial(open_file, hub, repository, commit, file.name)
        self._size = file.size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Raises PartsNotServedError where it begins within a file and the server sends whole ones only.

        And MixerGuiError for an absurd length.
        """
        view = memoryview(buffer).cast("B")
        end = min(self._place + len(view), self._size)
        if end <= self._place:
            return 0
        if end - self._place > MAX_READ_BYTES:
            raise MixerGuiError("What its weights say of themselves is absurdly long; it was not read.")
        with self._request(start=self._place, end=end) as response:
            check(response)
            if response.status_code != 206 and self._place > 0:
                raise PartsNotServedError
            data = bytearray()
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) >= end - self._place and response.status_code != 206:
                    del data[end - self._place :]
                    break  # the beginning of a whole file, of which the rest does not come
        if len(data) != end - self._place:
            raise NotAHubError(f"{len(data)} bytes for {self._place}-{end}")
        view[: len(data)] = data
        self._place = end
        return len(data)


def read_small(hub: Hub, repository: str, commit: str, name: str, max_bytes: int) -> bytes:
    """A small file's content; raises MixerGuiError where it is larger than `max_bytes`."""
    data = bytearray()
    with open_file(hub, repository, commit, name) as response:
        check(response)
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > max_bytes:
                raise MixerGuiError(f"“{name}” of “{repository}” is larger than {max_bytes:,} bytes; it was not read.")
    return bytes(data)


@contextmanager
def open_file(
    hub: Hub,
    repository: str,
    commit: str,
    name: str,
    *,
    start: int = 0,
    end: int | None = None,
    trace: Trace | None = None,
) -> Iterator[httpx2.Response]:
    """A file's content from byte `start` to before `end`; its status is not checked.

    The Hub's own address is asked each time, not the place that it redirects to: such addresses are signed
    and expire, and the session sends the login to the Hub only, whatever it redirects to.
    """
    import httpx2
    from huggingface_hub import constants, get_session, get_token

    headers = {"User-Agent": f"mixer-gui/{__version__}", "Accept-Encoding": "identity"}
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if start or end is not None:
        headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
    with get_session().stream(
        "GET",
        _address(hub, repository, commit, name),
        headers=headers,
        timeout=httpx2.Timeout(hub.silence_s),
        follow_redirects=True,
        extensions={} if trace is None else {"trace": trace},
    ) as response:
        yield response


def check(response: httpx2.Response) -> None:
    """Raise the client's own error for any status but success."""
    from huggingface_hub import hf_raise_for_status

    if response.is_error:
        response.read()
    hf_raise_for_status(response)


def _address(hub: Hub, repository: str, commit: str, name: str) -> str:
    from huggingface_hub import hf_hub_url

    return hf_hub_url(repository, name, revision=commit, endpoint=hub.address)
