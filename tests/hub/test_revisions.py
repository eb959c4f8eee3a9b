"""Where a download's files go: revisions and their names, systems without links or locks, damaged contents."""

from __future__ import annotations

import errno
import fcntl
import shutil
from typing import TYPE_CHECKING

import pytest
from pulling import DESCRIBE, WEIGHTS, Watched, assert_nothing_to_load, assert_whole, digest, hub_of

from mixer_gui.hub import store
from mixer_gui.records import RepositoryRef

if TYPE_CHECKING:
    from pathlib import Path

    from faulty_proxy import FaultyProxy
    from hub_repositories import Repository
    from hub_server import HubServer


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hub"


def test_both_names_of_a_commit_find_it(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, cache: Path
) -> None:
    """Begun by the branch, ended by a tag."""
    name = "test-owner/tagged"
    hub_server.add(name, tiny_repository.files, tag="v1.0")
    hub = hub_of(proxy, cache, pauses_s=())
    proxy.cut(WEIGHTS, 9000)
    assert Watched(hub, RepositoryRef(name)).run().pulled is None
    assert Watched(hub, RepositoryRef(name, "v1.0")).run().pulled is not None
    assert all(store.find(hub, RepositoryRef(name, each), DESCRIBE) for each in ("v1.0", "main", None))


def test_continuing_an_older_commit_leaves_the_branch_where_it_is(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, cache: Path, tmp_path: Path
) -> None:
    from checkpoints import random_mixer, tiny_config, write_hub_folder

    name, hub = "test-owner/moved", hub_of(proxy, cache, pauses_s=())
    old = hub_server.add(name, tiny_repository.files)
    proxy.cut(WEIGHTS, 9000)
    assert Watched(hub, RepositoryRef(name)).run().pulled is None
    new = hub_server.add(name, write_hub_folder(random_mixer(tiny_config(), 7), tmp_path / "files"))
    assert Watched(hub, RepositoryRef(name)).run().pulled is not None
    assert {model.commit: model.refs for model in store.list_models(hub, DESCRIBE).models} == {new: ("main",), old: ()}
    assert Watched(hub, RepositoryRef(name, old)).run().pulled is not None
    found = store.find(hub, RepositoryRef(name), DESCRIBE)
    assert found is not None
    assert found.commit == new


def test_names_that_nobody_asks_for_do_not_matter(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_repository.files, tmp_path / "files")
    (tmp_path / "files" / "log of 12:00:01?.txt").write_text("x", encoding="utf-8")
    hub_server.add("test-owner/logs", tmp_path / "files")
    watched = Watched(hub_of(proxy, cache), RepositoryRef("test-owner/logs")).run()
    assert_whole(watched, tiny_repository)
    assert not list(cache.rglob("log*"))


@pytest.mark.parametrize("by", ["setting", "system"])
def test_where_there_are_no_links_the_snapshot_holds_the_contents(
    hub_server: HubServer,
    proxy: FaultyProxy,
    tiny_repository: Repository,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    """And a content that an older snapshot links to stays where it is."""
    from huggingface_hub import constants

    name, hub = f"test-owner/no-links-by-{by}", hub_of(proxy, cache)
    hub_server.add(name, tiny_repository.files)
    linked = Watched(hub, RepositoryRef(name)).run().pulled
    assert linked is not None
    shutil.copytree(tiny_repository.files, tmp_path / "files")
    (tmp_path / "files" / "LICENSE").write_text("as it is", encoding="utf-8")
    hub_server.add(name, tmp_path / "files")

    def refuse(*_: object) -> None:
        raise OSError("a privilege is missing")

    if by == "setting":
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_SYMLINKS", True)
    else:
        monkeypatch.setattr(type(cache), "symlink_to", refuse)
    blobs = linked.path.parent.parent / "blobs"
    before = set(blobs.iterdir())
    proxy.reset()
    held = Watched(hub, RepositoryRef(name)).run().pulled
    assert held is not None
    assert not any(path.is_symlink() for path in held.path.iterdir())
    assert proxy.sent_bytes(WEIGHTS) == 0
    for path in (linked.path, held.path):
        assert digest(path / "model.safetensors") == digest(tiny_repository.weights)
    assert Watched(hub, RepositoryRef(name)).run().fetched_bytes == 0
    assert set(blobs.iterdir()) == before  # what is new moved, and is not there twice


def test_a_file_system_without_locks_will_do(
    proxy: FaultyProxy, tiny_repository: Repository, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS without its lock service."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert_whole(Watched(hub_of(proxy, cache), RepositoryRef(tiny_repository.name)).run(), tiny_repository)


def test_a_damaged_content_is_no_model_while_it_is_fetched_again(
    proxy: FaultyProxy, tiny_repository: Repository, cache: Path
) -> None:
    hub = hub_of(proxy, cache, pauses_s=())
    first = Watched(hub, RepositoryRef(tiny_repository.name)).run()
    assert first.pulled is not None
    blob = (first.pulled.path / "model.safetensors").resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    proxy.cut(WEIGHTS, 9000)
    assert Watched(hub, first.ref).run().pulled is None
    assert_nothing_to_load(cache, tiny_repository)
    assert_whole(Watched(hub, first.ref).run(), tiny_repository)
