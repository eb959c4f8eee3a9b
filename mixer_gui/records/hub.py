"""Models on the Hugging Face Hub and in its cache on disk, and what happens while one is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mixer_gui.records.models import CheckpointInfo


@dataclass(frozen=True, slots=True)
class RepositoryRef:
    """A repository on the Hub, `owner/name`, at a branch, tag or commit; without one: its main branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A Mixer known to be on the Hub. `top1` is ImageNet-1k's in percent, None where its head has other classes."""

    repository: str
    title: str
    classes: int
    parameters: int
    download_bytes: int
    top1: float | None
    preprocessing: str
    licence: str
    good_for: str
    is_recommended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A Mixer in the Hub's cache on disk, or the beginning of one.

    `path` is its snapshot's folder. Complete: `info` is set and `total_bytes` equals `size_bytes`. Partial:
    `info` is None, `size_bytes` of `total_bytes` (None where that is not known) have arrived.
    `last_used`: when this program last used it, or else when it arrived, in seconds since the epoch; None where
    the file system does not say. `refs`: branches and tags that point to `commit`.
    """

    repository: str
    commit: str
    path: Path
    size_bytes: int
    total_bytes: int | None
    last_used: float | None
    refs: tuple[str, ...]
    info: CheckpointInfo | None

    @property
    def is_partial(self) -> bool:
        return self.info is None


@dataclass(frozen=True, slots=True)
class StoreListed:
    """What is in the cache `folder`, newest use first; `free_bytes` of its disk, None where it does not say."""

    models: tuple[StoredModel, ...]
    folder: Path
    free_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryFound:
    """What the Hub says of a repository before anything is downloaded.

    `info` is None where it is no Mixer that this program can run, and then `sentence` says why; or where that
    shows only once it is downloaded: then `can_download` is true, as it is for a Mixer.
    `missing_bytes` of `download_bytes` are not on disk yet.
    """

    ref: RepositoryRef
    commit: str
    download_bytes: int
    missing_bytes: int
    licence: str | None
    info: CheckpointInfo | None
    sentence: str = ""
    can_download: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadProgress:
    """How far a download is, ten times a second at most.

    All sizes are bytes; `done_bytes` counts what was on disk before, too. `note` says what it waits for: the
    download before it, another program, the next try after an error; or that bytes arrive once more, as they were
    damaged. Otherwise it is empty while bytes arrive.
    """

    ref: RepositoryRef
    file: str = ""
    file_done_bytes: int = 0
    file_total_bytes: int = 0
    file_number: int = 0  # from 1; 0 before the first
    file_count: int = 0
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_s: float | None = None
    seconds_left: float | None = None
    note: str = ""


class DownloadEnd(StrEnum):
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadEnded:
    """A download is over; what arrived is kept whatever the end. `path` and `commit` are set where it is done.

    `fetched_bytes` came over the network, `total_bytes` is what the model takes.
    """

    ref: RepositoryRef
    end: DownloadEnd
    sentence: str
    detail: str = ""
    path: Path | None = None
    commit: str | None = None
    fetched_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ModelRemoved:
    """A model, whole or partial, was deleted from the cache."""

    model: StoredModel
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class HubFailure:
    """Looking up, listing or deleting did not work: `sentence` is for the user. `ref` is what it was about."""

    ref: RepositoryRef | None
    sentence: str
    detail: str = ""
