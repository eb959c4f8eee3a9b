"""What the list of models holds: one record for each row, made from what the Hub's service said. No widgets.

Complete models are "on this computer"; all that is not, or not entirely, stays "on the Hub", with what has arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from mixer_gui.hub.catalogue import CATALOGUE, entry_of
from mixer_gui.records import (
    CatalogueEntry,
    CheckpointInfo,
    DownloadEnd,
    DownloadEnded,
    DownloadProgress,
    HubFailure,
    RepositoryRef,
    StoredModel,
)

COMMIT_LENGTH = 7


@dataclass(frozen=True, slots=True)
class Download:
    """One that was asked for. `ended` is set once it is over; it counts until the cache was listed again."""

    ref: RepositoryRef
    progress: DownloadProgress | None = None
    is_stopping: bool = False
    ended: DownloadEnded | None = None
    is_listed: bool = False  # the cache was listed since it ended

    @property
    def is_active(self) -> bool:
        return self.ended is None

    @property
    def is_shown(self) -> bool:
        """Whether its row shows it and not what is on disk; a failure stays until it is tried again."""
        return not self.is_listed or self.has_failed

    @property
    def has_failed(self) -> bool:
        return self.ended is not None and self.ended.end == DownloadEnd.FAILED


class Place(StrEnum):
    BUILT_IN = "built-in"
    DISK = "disk"  # complete
    HUB = "hub"  # not complete, perhaps on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelItem:
    """A row. `key` stays the same while a model arrives; `ref` is what downloading it asks for."""

    key: str
    place: Place
    title: str
    ref: RepositoryRef | None = None
    path: Path | None = None  # what can be used
    stored: StoredModel | None = None
    entry: CatalogueEntry | None = None
    info: CheckpointInfo | None = None
    download: Download | None = None
    failure: HubFailure | None = None  # of deleting it
    is_in_use: bool = False
    is_loading: bool = False

    @property
    def is_arriving(self) -> bool:
        """From the click on Download until the cache has been looked at again."""
        return self.download is not None and not self.download.is_listed and not self.download.has_failed


def title_of(path: Path) -> str:
    """What to call a model by its folder alone: the catalogue's title, the repository, the folder's name."""
    repository = repository_of(path)
    if repository is None:
        return path.name
    entry = entry_of(repository)
    return repository if entry is None else entry.title


def repository_of(path: Path) -> str | None:
    """The repository whose snapshot a folder is, by the cache's layout; None for any other folder."""
    name = path.parent.parent.name
    if path.parent.name != "snapshots" or not name.startswith("models--"):
        return None
    return name.removeprefix("models--").replace("--", "/")


def short_commit(commit: str) -> str:
    return commit[:COMMIT_LENGTH]


def model_items(
    stored: Sequence[StoredModel],
    downloads: Iterable[Download],
    failures: dict[Path, HubFailure],
    *,
    built_in: ModelItem,
    in_use: Path | None,
    loading: Path | None,
) -> tuple[ModelItem, ...]:
    """All rows, in order: built-in, complete ones as listed, then what is not complete, the catalogue's last."""
    items = [built_in]
    complete = [each for each in stored if not each.is_partial]
    items += [
        ModelItem(
            key=f"{each.repository}@{each.commit}",
            place=Place.DISK,
            title=title_of_repository(each.repository),
            path=each.path,
            stored=each,
            entry=entry_of(each.repository),
            info=each.info,
            failure=failures.get(each.path),
        )
        for each in complete
    ]
    items = [
        replace(each, is_in_use=each.path == in_use, is_loading=each.path == loading and loading != in_use)
        for each in items
    ]
    partial = [each for each in stored if each.is_partial]
    return (*items, *_incomplete(partial, downloads, {each.repository for each in complete}, failures))


def _incomplete(
    partial: list[StoredModel],
    downloads: Iterable[Download],
    complete: set[str],
    failures: dict[Path, HubFailure],
) -> list[ModelItem]:
    """Rows on the Hub: a partial model and the download that continues it are one."""
    slots: dict[str, list[ModelItem]] = {}
    for each in partial:
        of_repository = slots.setdefault(each.repository, [])
        of_repository.append(
            _item(each.repository, len(of_repository), stored=each, ref=ref_of(each), failure=failures.get(each.path))
        )
    for download in downloads:
        if not download.is_shown:
            continue
        of_repository = slots.setdefault(download.ref.repository, [])
        row = next((row for row, each in enumerate(of_repository) if _continues(download, each)), None)
        if row is None:
            of_repository.append(
                _item(download.ref.repository, len(of_repository), download=download, ref=download.ref)
            )
        else:
            of_repository[row] = replace(of_repository[row], download=download, ref=download.ref)
    for entry in CATALOGUE:
        if entry.repository not in complete and entry.repository not in slots:
            slots[entry.repository] = [_item(entry.repository, 0, ref=RepositoryRef(entry.repository))]
    known = [entry.repository for entry in CATALOGUE]
    order = [each for each in slots if each not in known] + [each for each in known if each in slots]
    return [item for repository in order for item in slots[repository]]


def _item(
    repository: str,
    number: int,
    *,
    ref: RepositoryRef,
    stored: StoredModel | None = None,
    download: Download | None = None,
    failure: HubFailure | None = None,
) -> ModelItem:
    return ModelItem(
        key=f"{repository}#{number}",
        place=Place.HUB,
        title=title_of_repository(repository),
        ref=ref,
        stored=stored,
        entry=entry_of(repository),
        download=download,
        failure=failure,
    )


def ref_of(stored: StoredModel) -> RepositoryRef:
    """What to ask for to continue a model: its commit, for the branch may have moved on meanwhile."""
    return RepositoryRef(stored.repository, stored.commit)


def _continues(download: Download, item: ModelItem) -> bool:
    stored = item.stored
    if stored is None or item.download is not None:
        return False
    return download.ref.revision in (None, stored.commit, *stored.refs)


def title_of_repository(repository: str) -> str:
    """The catalogue's title, or the repository's name."""
    entry = entry_of(repository)
    return repository if entry is None else entry.title
