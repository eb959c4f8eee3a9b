"""What the real Hub would answer, made of what olah answers and of what it lacks. For tests only.

olah ignores ranges, which the proxy serves; tells neither length nor etag with a file; knows the newest commit of a
mirror by its branch only; and says RepoNotFound, or fails, whatever is missing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPConnection
from urllib.parse import urlsplit

FILE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
API = re.compile(r"/api/models/(?P<repository>[^/]+/[^/]+)(?:/(?:revision|tree|paths-info)/(?P<revision>[^/]+).*)?")
NOT_FORWARDED = frozenset({"host", "range", "if-range", "connection", "content-length"})
NOT_RETURNED = frozenset({"connection", "keep-alive", "transfer-encoding", "date", "server"})
SHA256_DIGITS = 64  # git's hashes, which are the etags of files outside LFS, have 40
UPSTREAM_S = 60.0
EMPTY = memoryview(b"")


class Refusal(Enum):
    """The Hub's ways to say no: status, X-Error-Code, X-Error-Message."""

    REPOSITORY = (401, "RepoNotFound", "Invalid username or password.")  # unknown, or private and not yours
    REVISION = (404, "RevisionNotFound", "Invalid rev id")
    ENTRY = (404, "EntryNotFound", "Entry not found")
    GATED = (
        401,
        "GatedRepo",
        "Access to model is restricted. You must have access to it and be authenticated to access it. Please log in.",
    )
    GATED_FOR_YOU = (
        403,
        "GatedRepo",
        "Access to model is restricted and you are not in the authorized list. Visit its page to ask for access.",
    )
    TOKEN = (401, "", "Invalid credentials in Authorization header")
    RATE_LIMITED = (429, "", "We had to rate limit your IP.")
    DISABLED = (403, "", "Access to this resource is disabled.")

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def headers(self) -> dict[str, str]:
        _, code, message = self.value
        return {"x-error-message": message} | ({"x-error-code": code} if code else {})


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers` have lower-case names; of a file it is the whole, whatever range was asked."""

    status: int
    headers: Mapping[str, str]
    body: memoryview = EMPTY

    @property
    def is_file(self) -> bool:
        return self.status == 200 and "accept-ranges" in self.headers


class HubAnswers:
    """Asks the server at `upstream`; see `FaultyProxy` for `redirects` and `bodies`. Thread-safe."""

    def __init__(self, upstream: str, port: int, *, redirects: bool, bodies: dict[str, bytes]) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._port = port
        self._redirects = redirects
        self._bodies = bodies
        self._links: dict[str, tuple[str, str]] = {}  # signature -> path of the file, etag
        self._links_made = 0
        self._lock = threading.Lock()

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Raises OSError or HTTPException where the server does not answer."""
        path, mark, query = target.partition("?")
        if path.startswith("/cdn/"):
            return self._linked(query)
        if match := FILE.fullmatch(path):
            head = self._forward("HEAD", target, headers)
            return self._file(method, path, match, head) if head.status == 200 else self._refused(match, head)
        match = API.fullmatch(path)
        if match and match["revision"] is None:
            target = f"{path}/revision/main{mark}{query}"
        answer = self._forward(method, target, headers, body)
        return answer if match is None or answer.status == 200 else self._refused(match, answer)

    def expire_links(self) -> None:
        with self._lock:
            self._links.clear()

    def _file(self, method: str, path: str, match: re.Match[str], head: Answer) -> Answer:
        etag, size = head.headers["etag"].strip('"'), head.headers["content-length"]
        headers = {"x-repo-commit": head.headers["x-repo-commit"], "etag": f'"{etag}"', "accept-ranges": "bytes"}
        if len(etag) == SHA256_DIGITS:
            headers |= {"x-linked-size": size, "x-linked-etag": f'"{etag}"'}
            if self._redirects:
                with self._lock:
                    self._links_made += 1
                    signature = f"Signature={self._links_made}"
                    self._links[signature] = (path, etag)
                location = f"http://localhost:{self._port}/cdn/{match['repository']}/{etag}/{match['file']}?{signature}"
                return Answer(302, headers | {"location": location})
        if method == "HEAD":
            return Answer(200, headers | {"content-length": size})
        return Answer(200, headers, self._content(path, etag))

    def _linked(self, query: str) -> Answer:
        with self._lock:
            path, etag = self._links.get(query, ("", ""))
        if not path:
            return Answer(403, {"content-type": "application/xml"}, memoryview(b"<Error>AccessDenied</Error>"))
        return Answer(200, {"etag": f'"{etag}"', "accept-ranges": "bytes"}, self._content(path, etag))

    def _content(self, path: str, etag: str) -> memoryview:
        with self._lock:
            if etag not in self._bodies:
                self._bodies[etag] = bytes(self._forward("GET", path, {}).body)
            return memoryview(self._bodies[etag])

    def _refused(self, match: re.Match[str], answer: Answer) -> Answer:
        """Find out what is missing."""
        api = f"/api/models/{match['repository']}"
        refusal = Refusal.ENTRY
        if self._forward("GET", f"{api}/refs", {}).status != 200:
            refusal = Refusal.REPOSITORY
        elif self._forward("GET", f"{api}/revision/{match['revision'] or 'main'}", {}).status != 200:
            refusal = Refusal.REVISION
        elif answer.status not in (401, 404, 500):
            return answer
        return Answer(refusal.status, refusal.headers)

    def _forward(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        connection = HTTPConnection(self._upstream, timeout=UPSTREAM_S)
        try:
            forwarded = {name: value for name, value in headers.items() if name not in NOT_FORWARDED}
            connection.request(method, target, body or None, forwarded)
            response = connection.getresponse()
            data = response.read()
            kept = {name.lower(): value for name, value in response.getheaders() if name.lower() not in NOT_RETURNED}
            if method != "HEAD":
                kept.pop("content-length", None)
            if kept.get("location", "").startswith(f"http://{self._upstream}/"):
                kept["location"] = kept["location"].replace(self._upstream, f"127.0.0.1:{self._port}", 1)
            return Answer(response.status, kept, memoryview(data))
        finally:
            connection.close()
