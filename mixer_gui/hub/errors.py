"""What can go wrong between here and the Hub, each as a sentence that says what to do; and what is worth a retry."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from json import JSONDecodeError

from mixer_gui.hub.client import Hub, NotAHubError
from mixer_gui.records import MixerGuiError, RepositoryRef

PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
STAYS = "Models on disk work without it."
LOG_IN = "log in once with “hf auth login” in a terminal"


class LostError(Exception):
    """The connection ended before the file did."""


def is_passing(error: BaseException) -> bool:
    """Whether the same request may well succeed a little later."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        return status_of(error) in PASSING_STATUS
    if isinstance(error, httpx2.ProxyError | httpx2.UnsupportedProtocol) or _find(error, ssl.SSLCertVerificationError):
        return False
    return isinstance(error, httpx2.TransportError | LostError)


def is_unreachable(error: BaseException) -> bool:
    """Whether no connection came about at all: at the first request that is the network, not a passing trouble."""
    import httpx2

    return isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of the client carries."""
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None)


def retry_after_s(error: BaseException) -> float:
    """How long the server asks to wait, at most a minute; 0 where it does not say."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    said = headers.get("retry-after", "")
    return min(float(said), 60.0) if said.isdecimal() else 0.0


def explained(error: BaseException, ref: RepositoryRef, hub: Hub) -> MixerGuiError:
    """The sentence for the user; the detail holds the library's own words."""
    if isinstance(error, MixerGuiError):
        return error
    detail = f"{type(error).__name__}: {error}"
    for sentence in (
        _answer_of_hub(error, ref, hub),
        _trouble_of_network(error, hub),
        _trouble_of_disk(error, hub),
    ):
        if sentence is not None:
            return MixerGuiError(sentence, detail)
    return MixerGuiError(
        f"“{ref}” could not be had from {hub.host}: something went wrong inside the program ({detail}). "
        "Please report it.",
        detail,
    )


def _answer_of_hub(error: BaseException, ref: RepositoryRef, hub: Hub) -> str | None:
    from huggingface_hub import errors

    page = f"{hub.address}/{ref.repository}"
    status = status_of(error)
    match error:
        case errors.OfflineModeIsEnabled():
            return f"HF_HUB_OFFLINE is set, so nothing is asked of the Hub. Unset it and try again. {STAYS}"
        case errors.GatedRepoError():
            return (
                f"“{ref.repository}” is gated: its authors ask you to agree to their terms first. Open {page} in a "
                f"browser, agree there, {LOG_IN}, and try again."
            )
        case errors.DisabledRepoError():
            return f"The Hub has disabled “{ref.repository}”. Choose another repository."
        case errors.RepositoryNotFoundError():
            return (
                f"There is no repository “{ref.repository}” on {hub.host}, or it is private. Check its name; if it is "
                f"private, {LOG_IN} with an account that may read it."
            )
        case errors.RevisionNotFoundError():
            return f"“{ref.repository}” has no branch, tag or commit “{ref.revision}”. Its page {page} lists them."
        case errors.EntryNotFoundError():
            return f"“{ref.repository}” lacks a file that it lists. Try again later, or tell its authors."
        case errors.HfHubHTTPError() if status == 401:
            return f"{hub.host} does not accept your login (401): it may have expired. To renew it, {LOG_IN}."
        case errors.HfHubHTTPError() if status == 403:
            return (
                f"{hub.host} does not let you read “{ref.repository}” (403). Open {page} in a browser and see what it "
                "asks for; a token needs the permission to read it."
            )
        case errors.HfHubHTTPError() if status == 404:
            return f"{hub.host} does not know “{ref}” (404). Check its name."
        case errors.HfHubHTTPError() if status == 429:
            return f"{hub.host} asks to be left alone for a while (429: too many requests). Try again in some minutes."
        case errors.HfHubHTTPError() if status is not None and status >= 500:
            return f"{hub.host} has trouble of its own ({status}). Try again later; what arrived is kept."
        case errors.HfHubHTTPError():
            return f"{hub.host} refused the request ({status}). Try again later."
        case NotAHubError() | errors.FileMetadataError() | JSONDecodeError():  # a page in between is no JSON
            return (
                f"What answers at {hub.host} is not the Hub: perhaps a login page of this network. Open "
                f"{hub.address} in a browser and see."
            )
    return None


def _trouble_of_network(error: BaseException, hub: Hub) -> str | None:
    import httpx2

    if isinstance(error, httpx2.ProxyError):
        return (
            f"The proxy on the way to {hub.host} refused: {error}. Check the proxy in the system's settings or in "
            "HTTPS_PROXY."
        )
    certificate = _find(error, ssl.SSLCertVerificationError)
    if certificate is not None:
        reason = getattr(certificate, "verify_message", "") or str(certificate)
        return (
            f"The connection to {hub.host} is not safe: its certificate cannot be verified ({reason}). Check this "
            "computer's date and time; behind a company's proxy, set SSL_CERT_FILE to its certificate."
        )
    if _find(error, ssl.SSLError) is not None:
        return (
            f"No encrypted connection to {hub.host} came about ({_find(error, ssl.SSLError)}). Something on the way "
            "interferes: try another network."
        )
    if _find(error, socket.gaierror) is not None:
        return f"There is no network: the name {hub.host} cannot be looked up. {STAYS}"
    if isinstance(error, httpx2.TimeoutException):
        return f"{hub.host} did not answer for {hub.silence_s:.0f} s. Try again later; what arrived is kept. {STAYS}"
    if isinstance(error, httpx2.ConnectError):
        return f"{hub.host} cannot be reached ({error}). Check the network. {STAYS}"
    if isinstance(error, httpx2.TransportError | LostError):
        return f"The connection to {hub.host} was lost again and again. What arrived is kept: continue later."
    return None


def _trouble_of_disk(error: BaseException, hub: Hub) -> str | None:
    if not isinstance(error, OSError):
        return None
    folder = error.filename or hub.folder
    if error.errno in FULL:
        return f"The disk is full: {hub.folder} cannot take more. Free some space and continue; what arrived is kept."
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"{folder} may not be read or written. Check its permissions, or set HF_HOME to another folder."
    return f"{folder} cannot be used: {error.strerror or error}."


def _find(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The error of a kind in the chain of causes."""
    return next((each for each in _chain(error) if isinstance(each, kind)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
