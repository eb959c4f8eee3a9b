"""What is in the Hub's cache, whichever program brought it there, and deleting it."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pulling import DESCRIBE, WEIGHTS, Watched, hub_of

from mixer_gui.hub import client, store
from mixer_gui.hub.cache import Journal, RepositoryFolder
from mixer_gui.hub.client import Hub
from mixer_gui.records import MixerGuiError, RepositoryRef, StoredModel

if TYPE_CHECKING:
    from faulty_proxy import FaultyProxy
    from hub_repositories import Repository
    from hub_server import HubServer


def pulled(proxy: FaultyProxy, cache: Path, name: str, revision: str | None = None) -> StoredModel:
    hub = hub_of(proxy, cache)
    watched = Watched(hub, RepositoryRef(name, revision)).run()
    assert watched.pulled is not None, watched.sentence
    return next(model for model in store.list_models(hub, DESCRIBE).models if model.commit == watched.pulled.commit)


def half(proxy: FaultyProxy, cache: Path, name: str) -> StoredModel:
    """A download that was cut in the middle."""
    proxy.cut(WEIGHTS, 10_000)
    hub = hub_of(proxy, cache, pauses_s=())
    assert Watched(hub, RepositoryRef(name)).run().pulled is None
    return next(model for model in store.list_models(hub, DESCRIBE).models if model.is_partial)


def test_where_nothing_was_ever_downloaded_there_is_nothing(tmp_path: Path) -> None:
    listed = store.list_models(Hub(cache=tmp_path / "none"), DESCRIBE)
    assert listed.models == ()
    assert listed.folder == tmp_path / "none"
    assert listed.free_bytes is not None
    assert not (tmp_path / "none").exists()


def test_a_whole_model_is_listed_with_what_the_user_asks_about(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    model = pulled(proxy, tmp_path, tiny_repository.name)
    assert model.repository == tiny_repository.name
    assert model.commit == tiny_repository.commit
    assert model.refs == ("main",)
    assert not model.is_partial
    assert model.size_bytes == sum(file.stat().st_size for file in tiny_repository.files.iterdir())
    assert model.info is not None
    assert model.info.name == tiny_repository.name
    assert model.last_used is not None


def test_the_clients_download_is_listed_too(proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(tiny_repository.name, endpoint=proxy.endpoint, cache_dir=tmp_path)
    (model,) = store.list_models(Hub(cache=tmp_path), DESCRIBE).models
    assert model.repository == tiny_repository.name


def test_what_is_no_mixer_is_left_out(proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(tiny_repository.name, "config.json", endpoint=proxy.endpoint, cache_dir=tmp_path)  # without weights
    for name in ("models--a--other", "datasets--a--b", "models--", ".locks", "models--x"):
        (tmp_path / name / "snapshots" / ("0" * 40)).mkdir(parents=True)
    (tmp_path / "models--a--other" / "snapshots" / ("0" * 40) / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "version.txt").write_text("1", encoding="utf-8")
    assert store.list_models(Hub(cache=tmp_path), DESCRIBE).models == ()


def test_the_one_used_last_comes_first(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    hub_server.add("test-owner/second", tiny_repository.files)
    first = pulled(proxy, tmp_path, tiny_repository.name)
    second = pulled(proxy, tmp_path, "test-owner/second")
    hub = Hub(cache=tmp_path)
    for model, age_s in ((first, 1000), (second, 2000)):
        os.utime(model.path, (time.time() - age_s,) * 2)
    assert [model.repository for model in store.list_models(hub, DESCRIBE).models] == [
        first.repository,
        second.repository,
    ]
    store.mark_used(hub, second.path)
    listed = store.list_models(hub, DESCRIBE).models
    assert [model.repository for model in listed] == [second.repository, first.repository]
    assert listed[0].last_used == pytest.approx(time.time(), abs=5)


def test_only_what_is_in_the_cache_is_marked(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    os.utime(elsewhere, (1, 1))
    store.mark_used(Hub(cache=tmp_path / "hub"), elsewhere)
    assert elsewhere.stat().st_mtime == 1


def test_a_reference_finds_its_revision(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    name = "test-owner/moving"
    old_commit = hub_server.add(name, tiny_repository.files)
    old = pulled(proxy, tmp_path / "hub", name)
    files = tmp_path / "files"
    files.mkdir()
    for file in tiny_repository.files.iterdir():
        (files / file.name).write_bytes(file.read_bytes())
    (files / "README.md").write_text("changed", encoding="utf-8")
    new_commit = hub_server.add(name, files)
    new = pulled(proxy, tmp_path / "hub", name)
    assert (old.commit, new.commit) == (old_commit, new_commit)
    hub = Hub(cache=tmp_path / "hub")

    def found(revision: str | None) -> str | None:
        model = store.find(hub, RepositoryRef(name, revision), DESCRIBE)
        return None if model is None else model.commit

    assert found(None) == new_commit
    assert found("main") == new_commit
    assert found(old_commit) == old_commit
    assert found(old_commit[:8]) == old_commit
    assert found("v9") is None
    # What both share was fetched once, and deleting the old one leaves it.
    store.remove(hub, old)
    assert found(None) == new_commit
    assert found(old_commit) is None
    assert new.info == DESCRIBE.snapshot(new.path, name)


def test_a_partial_one_is_listed_as_partial_and_continued_by_its_commit(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    model = half(proxy, tmp_path, tiny_repository.name)
    assert model.info is None
    assert model.commit == tiny_repository.commit
    assert model.total_bytes == sum(file.stat().st_size for file in tiny_repository.files.iterdir())
    assert 10_000 <= model.size_bytes < model.total_bytes
    assert store.find(Hub(cache=tmp_path), RepositoryRef(tiny_repository.name), DESCRIBE) is None
    whole = pulled(proxy, tmp_path, tiny_repository.name, model.commit)
    assert whole.refs == ("main",)  # which it was begun for
    assert len(store.list_models(Hub(cache=tmp_path), DESCRIBE).models) == 1


def test_deleting_a_whole_model_frees_its_bytes(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    model = pulled(proxy, tmp_path, tiny_repository.name)
    hub = Hub(cache=tmp_path)
    assert store.remove(hub, model) == model.size_bytes
    assert store.list_models(hub, DESCRIBE).models == ()
    assert not list(tmp_path.glob("models--*"))


def test_deleting_a_partial_one_leaves_nothing_of_it(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    model = half(proxy, tmp_path, tiny_repository.name)
    hub = Hub(cache=tmp_path)
    assert store.remove(hub, model) >= model.size_bytes
    assert not list(tmp_path.glob("models--*"))


def test_deleting_a_partial_revision_leaves_the_whole_one(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    from checkpoints import random_mixer, tiny_config, write_hub_folder

    name = "test-owner/two-revisions"
    hub_server.add(name, tiny_repository.files)
    whole = pulled(proxy, tmp_path / "hub", name)
    hub_server.add(name, write_hub_folder(random_mixer(tiny_config(), 7), tmp_path / "files"))
    partial = half(proxy, tmp_path / "hub", name)
    hub = Hub(cache=tmp_path / "hub")
    store.remove(hub, partial)
    assert [model.commit for model in store.list_models(hub, DESCRIBE).models] == [whole.commit]
    assert not list((tmp_path / "hub").glob("models--*/blobs/*mixer-gui*"))


def another(files: Path, folder: Path, **changed: str) -> Path:
    """A copy of a repository's files, with other texts."""
    shutil.copytree(files, folder)
    for name, text in changed.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_cancelled_check_leaves_a_whole_model_whole(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    model = pulled(proxy, tmp_path, tiny_repository.name)
    again = Watched(hub_of(proxy, tmp_path), RepositoryRef(model.repository), lambda progress: True).run()
    assert again.sentence == "Cancelled."
    hub = Hub(cache=tmp_path)
    assert [each.is_partial for each in store.list_models(hub, DESCRIBE).models] == [False]
    assert store.find(hub, RepositoryRef(model.repository), DESCRIBE) is not None
    store.remove(hub, model)
    assert not list(tmp_path.glob("models--*"))


def test_a_model_that_lacks_only_its_card_can_be_used(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    from huggingface_hub import hf_hub_download

    for name in ("config.json", "model.safetensors"):
        hf_hub_download(tiny_repository.name, name, endpoint=proxy.endpoint, cache_dir=tmp_path)
    proxy.answer("*/README.md", 503, times=None)
    hub = hub_of(proxy, tmp_path, pauses_s=())
    assert Watched(hub, RepositoryRef(tiny_repository.name)).run().pulled is None
    assert store.find(hub, RepositoryRef(tiny_repository.name), DESCRIBE) is not None


def test_deleting_touches_no_repository_with_the_same_commit(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    """On the Hub a repository that was renamed answers to both names."""
    pulled(proxy, tmp_path, tiny_repository.name)
    others = [tmp_path / f"models--{letter}--tiny" for letter in "abcdefgh"]
    for path in others:
        shutil.copytree(tmp_path / "models--test-owner--tiny", path, symlinks=True)
    hub = Hub(cache=tmp_path)
    for path in others:
        (model,) = [each for each in store.list_models(hub, DESCRIBE).models if each.path.is_relative_to(path)]
        there = set(tmp_path.glob("models--*"))
        assert store.remove(hub, model) == model.size_bytes
        assert there - set(tmp_path.glob("models--*")) == {path}


def test_deleting_from_what_the_client_takes_for_damaged_leaves_the_other_revision(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    name, cache = "test-owner/dangling", tmp_path / "hub"
    hub_server.add(name, tiny_repository.files)
    old = pulled(proxy, cache, name)
    hub_server.add(name, another(tiny_repository.files, tmp_path / "files", **{"README.md": "changed"}))
    new = pulled(proxy, cache, name)
    hub = Hub(cache=cache)
    (cache / "models--test-owner--dangling" / "refs" / "v1").write_text("d" * 40, encoding="utf-8")
    store.remove(hub, old)
    assert store.list_models(hub, DESCRIBE).models == (new,)
    store.remove(hub, new)
    assert not list(cache.glob("models--*"))


def test_deleting_a_partial_one_leaves_no_branch_that_points_nowhere(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    """It was whole, and became partial when it was found damaged. The client refuses to scan what is left otherwise."""
    from checkpoints import random_mixer, tiny_config, write_hub_folder
    from huggingface_hub import scan_cache_dir

    name, cache = "test-owner/referred", tmp_path / "hub"
    hub_server.add(name, tiny_repository.files, tag="v1.0")
    other = pulled(proxy, cache, name, "v1.0")
    hub_server.add(name, write_hub_folder(random_mixer(tiny_config(), 7), tmp_path / "files"))
    model = pulled(proxy, cache, name)
    (model.path / "model.safetensors").resolve().write_bytes(b"damaged")
    partial = half(proxy, cache, name)
    assert partial.commit == model.commit
    store.remove(Hub(cache=cache), partial)
    assert store.list_models(Hub(cache=cache), DESCRIBE).models == (other,)
    assert not scan_cache_dir(cache).warnings


def test_deleting_a_partial_one_leaves_other_programs_files(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    from huggingface_hub import hf_hub_download

    name, cache = "test-owner/shared-snapshot", tmp_path / "hub"
    hub_server.add(name, another(tiny_repository.files, tmp_path / "files", **{"tokens.txt": "theirs"}))
    theirs = hf_hub_download(name, "tokens.txt", endpoint=proxy.endpoint, cache_dir=cache)
    model = half(proxy, cache, name)
    hub = Hub(cache=cache)
    store.remove(hub, model)
    assert store.list_models(hub, DESCRIBE).models == ()
    assert Path(theirs).read_text(encoding="utf-8") == "theirs"
    assert hf_hub_download(name, "tokens.txt", cache_dir=cache, local_files_only=True) == theirs
    assert not (model.path / "config.json").exists()


def test_deleting_a_partial_one_leaves_what_another_partial_one_continues(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    name, cache = "test-owner/two-partial", tmp_path / "hub"
    hub_server.add(name, tiny_repository.files)
    old = half(proxy, cache, name)
    hub_server.add(name, another(tiny_repository.files, tmp_path / "files", **{"README.md": "changed"}))
    proxy.cut(WEIGHTS, 12_000)
    hub = hub_of(proxy, cache, pauses_s=())
    Watched(hub, RepositoryRef(name)).run()
    assert len(store.list_models(hub, DESCRIBE).models) == 2
    store.remove(hub, old)
    (left,) = store.list_models(hub, DESCRIBE).models
    assert left.size_bytes >= 12_000


def test_deleting_a_partial_one_leaves_contents_in_the_clients_shared_store(
    hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    """There the blob is a link itself, to a file of another name."""
    name, cache = "test-owner/stored", tmp_path / "hub"
    hub_server.add(name, tiny_repository.files)
    whole = pulled(proxy, cache, name)
    blob = whole.path / (whole.path / "model.safetensors").readlink()
    stored = cache / "blobs" / "ab" / ("ab" * 32)
    stored.parent.mkdir(parents=True)
    blob.replace(stored)
    blob.symlink_to(stored)
    files = another(tiny_repository.files, tmp_path / "files", **{"config.json": "{}"})
    commit = hub_server.add(name, files)
    hub = hub_of(proxy, cache)
    described = (client.remote_file(hub, name, commit, each) for each in ("config.json", "model.safetensors"))
    RepositoryFolder(cache, name).begin(Journal(name, None, commit, tuple(described)))
    (partial,) = [model for model in store.list_models(hub, DESCRIBE).models if model.is_partial]
    store.remove(hub, partial)
    assert store.list_models(hub, DESCRIBE).models == (whole,)


def test_what_is_being_downloaded_is_not_deleted(
    proxy: FaultyProxy, mixer_repository: Repository, tmp_path: Path
) -> None:
    proxy.limit_rate(WEIGHTS, 20_000_000)
    watched = Watched(hub_of(proxy, tmp_path), RepositoryRef(mixer_repository.name))
    running = threading.Thread(target=watched.run)
    running.start()
    proxy.wait_until_sent(WEIGHTS, 5_000_000)
    (model,) = store.list_models(watched.hub, DESCRIBE).models
    with pytest.raises(MixerGuiError, match="is being downloaded at this moment"):
        store.remove(watched.hub, model)
    proxy.heal()
    running.join()
    assert watched.pulled is not None, watched.sentence


def test_what_may_not_be_read_hides_nothing_else(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's, root's perhaps. Root may read everything, so the refusal is played here."""
    model = pulled(proxy, tmp_path, tiny_repository.name)
    (tmp_path / "models--a--b" / "snapshots" / ("c" * 40)).mkdir(parents=True)
    is_file = Path.is_file

    def refused(path: Path) -> bool:
        if "models--a--b" in path.parts:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refused)
    assert store.list_models(Hub(cache=tmp_path), DESCRIBE).models == (model,)
    assert store.find(Hub(cache=tmp_path), RepositoryRef("a/b"), DESCRIBE) is None


def test_a_short_revision_means_no_commit(proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path) -> None:
    commit = pulled(proxy, tmp_path, tiny_repository.name).commit
    assert store.is_meant(commit[:7], commit, ())
    assert not store.is_meant(commit[0], commit, ())  # the tag “1”, perhaps
    assert store.is_meant("1", commit, ("1",))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_model_that_cannot_be_deleted_is_told(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path
) -> None:
    model = pulled(proxy, tmp_path, tiny_repository.name)
    (tmp_path / "models--test-owner--tiny" / "blobs").chmod(0o500)
    with pytest.raises(MixerGuiError, match="could not be deleted completely"):
        store.remove(Hub(cache=tmp_path), model)
    assert store.list_models(Hub(cache=tmp_path), DESCRIBE).models == (model,)


@pytest.mark.parametrize(
    "journal",
    [
        "",
        "[]",
        "{}",
        '{"revision": null, "commit": "../../x", "files": []}',
        '{"revision": "../../../x", "commit": "COMMIT", "files": []}',
        '{"revision": 3, "commit": "COMMIT", "files": []}',
        '{"revision": null, "commit": "COMMIT", "files": [{"name": "../x", "etag": "ETAG", "size": 1}]}',
        '{"revision": null, "commit": "COMMIT", "files": [{"name": "x", "etag": "../x", "size": 1}]}',
        '{"revision": null, "commit": "COMMIT", "files": [{"name": "x", "etag": "ETAG", "size": -1}]}',
    ],
)
def test_a_broken_journal_is_none(tmp_path: Path, journal: str) -> None:
    folder = RepositoryFolder(tmp_path, "a/b")
    blobs = folder.path / "blobs"
    blobs.mkdir(parents=True)
    text = journal.replace("COMMIT", "c" * 40).replace("ETAG", "e" * 40)
    (blobs / f"{'c' * 40}.mixer-gui.json").write_text(text, encoding="utf-8")
    assert folder.journals() == []
    assert store.list_models(Hub(cache=tmp_path), DESCRIBE).models == ()
