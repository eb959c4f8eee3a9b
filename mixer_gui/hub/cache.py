"""The Hub's cache on disk, in the layout that huggingface_hub documents and all its users share.

    models--OWNER--NAME/blobs/ETAG                  contents, named by their hash
                        snapshots/COMMIT/FILE       links to them
                        refs/BRANCH                 text: COMMIT
                        blobs/ETAG.mixer-gui.incomplete    ours: what arrived of a content
                        blobs/COMMIT.mixer-gui.json        ours: what a download that is not finished is about

A snapshot's file appears only when its content was verified, and both of ours are gone when all is there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mixer_gui.hub.client import COMMIT, ETAG, MAIN, RemoteFile
from mixer_gui.hub.repository import is_safe_name
from mixer_gui.records import Cancelled

PREFIX = "models--"
INCOMPLETE = ".mixer-gui.incomplete"
JOURNAL = ".mixer-gui.json"
LOCKS = ".locks"
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
BLOCK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Journal:
    """What a download is about, written before its first byte: a partial one can say what it is, and continue."""

    repository: str
    revision: str | None
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)


class RepositoryFolder:
    """Where everything of one repository lies in a cache. Reads and writes; no network."""

    def __init__(self, cache: Path, repository: str) -> None:
        self.repository = repository
        self.path = cache / f"{PREFIX}{repository.replace('/', '--')}"

    @classmethod
    def of_path(cls, path: Path) -> RepositoryFolder | None:
        """The one that lies at `path`; None where its name is not a repository's."""
        owner, dashes, name = path.name.removeprefix(PREFIX).partition("--")
        if not path.name.startswith(PREFIX) or not dashes or not path.is_dir():
            return None
        return cls(path.parent, f"{owner}/{name}")

    def blob(self, etag: str) -> Path:
        return self.path / "blobs" / etag

    def partial(self, etag: str) -> Path:
        return self.path / "blobs" / f"{etag}{INCOMPLETE}"

    def snapshot(self, commit: str) -> Path:
        return self.path / "snapshots" / commit

    def file(self, commit: str, name: str) -> Path:
        return self.snapshot(commit).joinpath(*name.split("/"))

    def arrived_bytes(self, commit: str, file: RemoteFile) -> int:
        """How much of a file is on disk, whole or partial."""
        for path in (self.file(commit, file.name), self.blob(file.etag), self.partial(file.etag)):
            with contextlib.suppress(OSError):
                return min(path.stat().st_size, file.size)
        return 0

    def has(self, commit: str, file: RemoteFile) -> bool:
        """Whether a snapshot has a file, in its full length."""
        try:
            return self.file(commit, file.name).stat().st_size == file.size
        except OSError:
            return False

    @contextmanager
    def locked(self, etag: str, wait: Callable[[], None]) -> Iterator[None]:
        """Hold the client's own lock of a content; `wait` is called again and again while somebody else has it."""
        from filelock import FileLock, Timeout

        path = self.path.parent / LOCKS / self.path.name / f"{etag}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, mode=0o664)  # group-writable, as the client's
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                wait()
            except NotImplementedError:  # a file system without locks: the hash decides
                break
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                break
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # some network file systems; closing it ends the lock, too
                lock.release()

    def prepare(self, commit: str) -> None:
        """Make the folders, as the client does."""
        for folder in (self.path / "blobs", self.path / "refs", self.snapshot(commit)):
            folder.mkdir(parents=True, exist_ok=True)

    def link(self, commit: str, file: RemoteFile, *, is_new: bool) -> None:
        """Let the snapshot's file be the blob.

        Where there are no links, a new content moves there, and of an older one, which others may link to, a copy.
        """
        from huggingface_hub import constants

        pointer, blob = self.file(commit, file.name), self.blob(file.etag)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        beside = pointer.with_name(f"{pointer.name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            if constants.HF_HUB_DISABLE_SYMLINKS:
                raise NotImplementedError
            beside.symlink_to(os.path.relpath(blob, pointer.parent))
        except (OSError, NotImplementedError):
            if is_new:
                blob.replace(pointer)
                return
            try:
                shutil.copyfile(blob, beside)
            except OSError:
                beside.unlink(missing_ok=True)
                raise
        beside.replace(pointer)

    def pointers(self, commit: str = "") -> Iterator[Path]:
        """The files of a snapshot, or of all, each a link or a content."""
        for path in self.snapshot(commit).rglob("*"):
            if path.is_symlink() or not path.is_dir():
                yield path

    def set_ref(self, revision: str, commit: str) -> None:
        """Remember what a branch or tag pointed to; a commit needs none."""
        if COMMIT.fullmatch(revision):
            return
        path = self.path.joinpath("refs", *revision.split("/"))
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, commit)

    def forget_refs(self, commit: str) -> None:
        """Of branches and tags that point to what is not there any more: the client takes the whole for damaged."""
        for name, pointed in self.refs().items():
            if pointed == commit:
                self.path.joinpath("refs", *name.split("/")).unlink(missing_ok=True)

    def refs(self) -> dict[str, str]:
        """Branches and tags, and the commits that they pointed to when they were last asked for."""
        folder = self.path / "refs"
        found = {}
        for path in sorted(folder.glob("**/*")):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                if path.is_file():
                    found[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8").strip()
        return found

    def commits(self) -> list[str]:
        """All that have a snapshot, the newest folder first."""
        folders = [path for path in (self.path / "snapshots").glob("*") if COMMIT.fullmatch(path.name)]
        return [path.name for path in sorted(folders, key=_changed, reverse=True)]

    def begin(self, journal: Journal) -> None:
        """Write down what a download is about."""
        self.prepare(journal.commit)
        _write(self._journal(journal.commit), json.dumps(asdict(journal)))

    def forget_branch(self, revision: str, commit: str) -> None:
        """Downloads that were begun for a branch, which points to `commit` now, go on without it."""
        for journal in self.journals():
            if journal.commit != commit and (journal.revision or MAIN) == revision:
                self.begin(replace(journal, revision=journal.commit))

    def finish(self, commit: str) -> None:
        self._journal(commit).unlink(missing_ok=True)

    def journals(self) -> list[Journal]:
        """All downloads that are not finished; one that cannot be read is none."""
        paths = sorted((self.path / "blobs").glob(f"*{JOURNAL}"))
        return [journal for path in paths if (journal := self._read(path)) is not None]

    def journal(self, commit: str) -> Journal | None:
        return self._read(self._journal(commit))

    def _journal(self, commit: str) -> Path:
        return self.path / "blobs" / f"{commit}{JOURNAL}"

    def _read(self, path: Path) -> Journal | None:
        """Checked like anything from outside: its names become paths."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            files = tuple(
                RemoteFile(str(each["name"]), str(each["etag"]), int(each["size"])) for each in stored["files"]
            )
            revision = stored["revision"]
            journal = Journal(self.repository, revision, str(stored["commit"]), files)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        is_sound = (
            COMMIT.fullmatch(journal.commit)
            and (revision is None or (isinstance(revision, str) and is_safe_name(revision)))
            and all(is_safe_name(file.name) and ETAG.fullmatch(file.etag) and file.size >= 0 for file in files)
        )
        return journal if is_sound else None


def content_name(pointer: Path) -> str | None:
    """The name of the blob that a snapshot's file links to: one step only, for a blob may itself be a link."""
    return pointer.readlink().name if pointer.is_symlink() else None


class ContentHash:
    """The hash that an etag states: sha256, or git's sha1 of a blob, which begins with its length."""

    def __init__(self, file: RemoteFile) -> None:
        self._etag = file.etag
        if len(file.etag) == 64:
            self._digest = hashlib.sha256()
        else:
            self._digest = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)

    def update(self, data: bytes | memoryview) -> None:
        self._digest.update(data)

    def add_file(self, path: Path, *, cancelled: Callable[[], bool]) -> int:
        """Take in what is in a file; returns how many bytes. Raises Cancelled, OSError."""
        length = 0
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                if cancelled():
                    raise Cancelled("Cancelled.")
                self._digest.update(block)
                length += len(block)
        return length

    def is_right(self) -> bool:
        return self._digest.hexdigest() == self._etag


def is_right(path: Path, file: RemoteFile, *, cancelled: Callable[[], bool]) -> bool:
    """Whether a file's content is what its etag says. False where it is not there; raises Cancelled."""
    try:
        if path.stat().st_size != file.size:
            return False
        content = ContentHash(file)
        content.add_file(path, cancelled=cancelled)
    except FileNotFoundError:
        return False
    return content.is_right()


def _write(path: Path, text: str) -> None:
    """Atomic."""
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
