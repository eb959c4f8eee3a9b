"""What a user types or pastes to name a repository: `owner/name`, `owner/name@revision`, a Hub page's address."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from mixer_gui.records import MixerGuiError, RepositoryRef

HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
# What the Hub allows (huggingface_hub's `validate_repo_id`): these characters, neither .. nor --, at most 96 long.
PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
MAX_LENGTH = 96
OTHER_KINDS = {"datasets": "a dataset", "spaces": "a Space", "papers": "a paper", "docs": "documentation"}


def parse(text: str) -> RepositoryRef:
    """The repository that `text` names; raises MixerGuiError saying what is wrong with it.

    A Hub page's address may lead to a branch or a file (`…/owner/name/blob/main/config.json`).
    """
    text = text.strip().strip("<>\"'")
    if not text:
        raise MixerGuiError("Type a repository's name, such as timm/mixer_b16_224.miil_in21k_ft_in1k.")
    if "://" in text or text.split("/", 1)[0].lower() in HOSTS:
        return _from_address(text)
    text = text.removeprefix("hf:").strip("/")
    repository, at, revision = text.partition("@")
    return _checked(repository, revision if at else None, text)


def is_safe_name(name: str) -> bool:
    """Whether a file of a repository may be put under its name into a folder: it stays in there on every system."""
    if not name or len(name) > 255 or any(sign in name for sign in '\\:\0<>|?*"') or not name.isprintable():
        return False
    parts = name.split("/")
    return not PurePosixPath(name).is_absolute() and all(
        part not in ("", ".", "..") and not part.endswith((" ", ".")) for part in parts
    )


def _from_address(text: str) -> RepositoryRef:
    try:
        address = urlsplit(text if "://" in text else f"https://{text}")
        host = (address.hostname or "").lower()
    except ValueError as error:
        raise MixerGuiError(f"“{text}” is not a valid address.", repr(error)) from error
    if address.scheme == "hf":
        return parse(text.removeprefix("hf://").removeprefix("models/"))
    if host not in HOSTS:
        raise MixerGuiError(f"“{text}” is not a page of the Hugging Face Hub. Its addresses begin with huggingface.co.")
    parts = [unquote(part) for part in address.path.split("/") if part]
    if parts and parts[0] in OTHER_KINDS:
        raise MixerGuiError(f"“{text}” leads to {OTHER_KINDS[parts[0]]}, not to a model.")
    if parts and parts[0] == "models":
        del parts[0]
    revision = None
    if len(parts) > 3 and parts[2] in ("tree", "blob", "resolve", "raw", "commit"):
        # A branch with slashes in it cannot be told from a folder; refs/pr/1 can.
        is_reference = parts[3] == "refs" and len(parts) >= 6
        revision = "/".join(parts[3:6]) if is_reference else parts[3]
    return _checked("/".join(parts[:2]), revision, text)


def _checked(repository: str, revision: str | None, text: str) -> RepositoryRef:
    owner, slash, name = repository.partition("/")
    if not slash or not owner or not name:
        raise MixerGuiError(
            f"“{text}” names no repository: an owner and a name are needed, as in timm/mixer_b16_224.goog_in21k."
        )
    is_valid = (
        PART.fullmatch(owner)
        and PART.fullmatch(name)
        and not any(pair in part for pair in ("..", "--") for part in (owner, name))
        and not name.endswith(".git")
        and len(repository) <= MAX_LENGTH
    )
    if not is_valid:
        raise MixerGuiError(f"“{repository}” cannot be a repository's name: the Hub allows letters, digits, -, _ and .")
    if revision is not None and (not is_safe_name(revision) or any(sign in revision for sign in " ~^@#")):
        raise MixerGuiError(f"“{revision}” cannot be a branch, tag or commit.")
    return RepositoryRef(repository, revision)
