"""What is on disk: the Mixers in the Hub's cache, whole and partial, and deleting them. No network."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from mixer_gui.hub.cache import Journal, RepositoryFolder, content_name
from mixer_gui.hub.client import COMMIT, MAIN, Hub
from mixer_gui.hub.describe import CONFIG, Describe, weights_of
from mixer_gui.hub.download import CARD, free_bytes
from mixer_gui.records import MixerGuiError, RepositoryRef, StoredModel, StoreListed

MIN_DIGITS = 7  # of a commit, as git prints them


def list_models(hub: Hub, describe: Describe) -> StoreListed:
    """Every Mixer in the cache, whichever program brought it there; the one used last comes first.

    What is no Mixer, or not all of one, is left out.
    """
    found = [model for folder in _repositories(hub) for model in _models(folder, describe)]
    found.sort(key=lambda model: model.last_used or 0.0, reverse=True)
    return StoreListed(tuple(found), hub.folder, free_bytes(hub.folder))


def find(hub: Hub, ref: RepositoryRef, describe: Describe) -> StoredModel | None:
    """The whole Mixer on disk that a reference means: at its commit, at what its branch was, or else the newest."""
    folder = RepositoryFolder(hub.folder, ref.repository)
    commits = folder.commits()
    if ref.revision is not None:
        commits = [each for each in commits if is_meant(ref.revision, each, _refs(folder, each))]
    elif (main := folder.refs().get(MAIN)) in commits:
        commits.remove(main)
        commits.insert(0, main)
    unfinished = _unfinished(folder)
    for commit in commits:
        model = None if commit in unfinished else _whole(folder, commit, describe)
        if model is not None:
            return model
    return None


def is_meant(revision: str, commit: str, refs: tuple[str, ...]) -> bool:
    """Whether a revision means a commit: as one of its branches and tags, or by its first digits, 7 at least."""
    return revision in refs or (len(revision) >= MIN_DIGITS and commit.startswith(revision))


def remove(hub: Hub, model: StoredModel) -> int:
    """Delete a model from the cache; returns the bytes that were freed. Raises MixerGuiError, also while it is fetched.

    Contents that another revision or download needs stay, and so does what of a partial model's snapshot other
    programs brought. Of a repository of which nothing else is there nothing stays.
    """
    folder = RepositoryFolder(hub.folder, model.repository)
    journal = folder.journal(model.commit)
    files = journal.files if journal is not None else ()
    pointers = [folder.file(model.commit, file.name) for file in files]
    if not model.is_partial:
        pointers += folder.pointers(model.commit)
    linked = {content_name(pointer) for pointer in pointers}
    contents = {name for name in linked if name is not None} | {file.etag for file in files}
    with contextlib.ExitStack() as stack:
        for name in sorted(contents):
            stack.enter_context(folder.locked(name, partial(_refuse, model)))
        freed = 0
        if not model.is_partial and any(folder.blob(name).is_symlink() for name in contents):
            freed = _remove_by_client(hub, folder, model.commit)
        try:
            return freed + _remove(folder, model, pointers, contents)
        except OSError as error:
            raise MixerGuiError(
                f"“{model.repository}” could not be deleted completely. Close other programs that use it, check the "
                f"permissions of {folder.path}, and try again.",
                str(error),
            ) from error


def mark_used(hub: Hub, path: Path) -> None:
    """A snapshot in the cache was used now; anything else is ignored.

    Its folder's time says so: the contents' times of access change with every look at them, also with ours.
    """
    if hub.folder in path.parents:
        with contextlib.suppress(OSError):  # a cache that may only be read
            os.utime(path)


def _repositories(hub: Hub) -> Iterator[RepositoryFolder]:
    try:
        paths = sorted(hub.folder.iterdir())
    except FileNotFoundError:  # nothing was ever downloaded
        return
    for path in paths:
        folder = RepositoryFolder.of_path(path)
        if folder is not None:
            yield folder


def _models(folder: RepositoryFolder, describe: Describe) -> Iterator[StoredModel]:
    unfinished = _unfinished(folder)
    for commit in folder.commits():
        model = None if commit in unfinished else _whole(folder, commit, describe)
        if model is not None:
            yield model
    for journal in unfinished.values():
        yield _partial(folder, journal)


def _unfinished(folder: RepositoryFolder) -> dict[str, Journal]:
    """Downloads by their commits. One that lacks nothing, or only the card, is a model that can be used."""
    return {
        journal.commit: journal
        for journal in folder.journals()
        if not all(CARD.fullmatch(file.name) or folder.has(journal.commit, file) for file in journal.files)
    }


def _whole(folder: RepositoryFolder, commit: str, describe: Describe) -> StoredModel | None:
    path = folder.snapshot(commit)
    try:
        if weights_of(path) is None or not (path / CONFIG).is_file():
            return None
        info = describe.snapshot(path, folder.repository)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    except (MixerGuiError, OSError):  # another network, or files that may not be read or are just being deleted
        return None
    return StoredModel(
        repository=folder.repository,
        commit=commit,
        path=path,
        size_bytes=size,
        total_bytes=size,
        last_used=_changed(path),
        refs=_refs(folder, commit),
        info=info,
    )


def _partial(folder: RepositoryFolder, journal: Journal) -> StoredModel:
    return StoredModel(
        repository=folder.repository,
        commit=journal.commit,
        path=folder.snapshot(journal.commit),
        size_bytes=sum(folder.arrived_bytes(journal.commit, file) for file in journal.files),
        total_bytes=journal.total_bytes,
        last_used=None,
        refs=() if COMMIT.fullmatch(journal.revision or MAIN) else (journal.revision or MAIN,),
        info=None,
    )


def _refs(folder: RepositoryFolder, commit: str) -> tuple[str, ...]:
    return tuple(name for name, pointed in folder.refs().items() if pointed == commit)


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _remove_by_client(hub: Hub, folder: RepositoryFolder, commit: str) -> int:
    """Where contents lie in the client's store that all repositories share: it alone knows which are still needed.

    It is shown this repository only: another may have the same commit. Does nothing where it takes it for damaged.
    """
    from huggingface_hub import scan_cache_dir

    cache = scan_cache_dir(hub.folder)
    here = folder.path.resolve()
    only = replace(cache, repos=frozenset(each for each in cache.repos if each.repo_path == here))
    deletion = only.delete_revisions(commit)
    deletion.execute()
    return int(deletion.expected_freed_size)


def _remove(folder: RepositoryFolder, model: StoredModel, pointers: list[Path], contents: set[str]) -> int:
    """The largest first: where that is in use and stays, everything does, and it is listed and can be tried again."""
    mine = set(pointers)
    others = [each for each in folder.journals() if each.commit != model.commit]
    needed = {content_name(pointer) for pointer in folder.pointers() if pointer not in mine}
    needed |= {file.etag for other in others for file in other.files}
    blobs = {each for name in contents - needed for each in (folder.blob(name), folder.partial(name))}
    freed = 0
    for size, path in sorted(((_own_size(path), path) for path in mine | blobs), reverse=True):
        path.unlink(missing_ok=True)
        freed += size
    if not model.is_partial:
        shutil.rmtree(folder.snapshot(model.commit), ignore_errors=True)
    with contextlib.suppress(OSError):  # of a partial one: another program's files are in there
        folder.snapshot(model.commit).rmdir()
    if not folder.snapshot(model.commit).exists():
        folder.forget_refs(model.commit)
    folder.finish(model.commit)
    if not others and not folder.commits():
        shutil.rmtree(folder.path, ignore_errors=True)
    return freed


def _refuse(model: StoredModel) -> None:
    raise MixerGuiError(f"“{model.repository}” is being downloaded at this moment. Cancel that first.")


def _own_size(path: Path) -> int:
    """In bytes; 0 for a link and for what is not there."""
    return path.stat().st_size if path.is_file() and not path.is_symlink() else 0
