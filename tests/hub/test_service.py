"""The service that the window asks: records come, one download after the other, and closing ends everything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import pytest
from pulling import DESCRIBE, WEIGHTS, hub_of

from mixer_gui.hub.service import HubService
from mixer_gui.records import (
    DownloadEnd,
    DownloadEnded,
    DownloadProgress,
    HubFailure,
    ModelRemoved,
    RepositoryFound,
    RepositoryRef,
    StoreListed,
)

if TYPE_CHECKING:
    from pathlib import Path

    from faulty_proxy import FaultyProxy
    from hub_repositories import Repository
    from hub_server import HubServer

Record = TypeVar("Record")


class Asked:
    """A service and the records that it published."""

    def __init__(self, proxy: FaultyProxy, cache: Path) -> None:
        self.records: list[object] = []
        self._changed = threading.Condition()
        self.service = HubService(self._take, describe=DESCRIBE, hub=hub_of(proxy, cache))

    def _take(self, record: object) -> None:
        with self._changed:
            self.records.append(record)
            self._changed.notify_all()

    def of(self, kind: type[Record]) -> list[Record]:
        return [record for record in self.records if isinstance(record, kind)]

    def wait(self, kind: type[Record], count: int = 1) -> Record:
        """The newest of a kind, once so many have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.of(kind)) >= count, 30), self.records
        return self.of(kind)[-1]

    def wait_until(self, holds: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(holds, 30), self.records


@pytest.fixture
def asked(proxy: FaultyProxy, tmp_path: Path) -> Iterator[Asked]:
    asked = Asked(proxy, tmp_path / "hub")
    yield asked
    asked.service.close()


def test_look_up_pull_list_remove(asked: Asked, tiny_repository: Repository) -> None:
    ref = RepositoryRef(tiny_repository.name)
    asked.service.look_up(ref)
    assert asked.wait(RepositoryFound).info is not None
    asked.service.pull(ref)
    ended = asked.wait(DownloadEnded)
    assert (ended.end, ended.sentence, ended.commit) == (DownloadEnd.DONE, "", tiny_repository.commit)
    assert ended.fetched_bytes == ended.total_bytes
    progress = asked.of(DownloadProgress)
    assert progress[-1].done_bytes == progress[-1].total_bytes == ended.total_bytes
    assert progress[-1].file_number == progress[-1].file_count == 3
    (model,) = asked.wait(StoreListed).models
    assert model.path == ended.path
    asked.service.remove(model)
    assert asked.wait(ModelRemoved).freed_bytes == model.size_bytes
    assert asked.wait(StoreListed, 2).models == ()


def test_what_fails_is_told_and_the_next_one_runs(asked: Asked, tiny_repository: Repository) -> None:
    asked.service.pull(RepositoryRef("test-owner/none"))
    asked.service.pull(RepositoryRef(tiny_repository.name))
    ended = asked.wait(DownloadEnded, 2)
    first = asked.of(DownloadEnded)[0]
    assert first.end == DownloadEnd.FAILED
    assert "There is no repository “test-owner/none”" in first.sentence
    assert "RepositoryNotFoundError" in first.detail
    assert ended.end == DownloadEnd.DONE
    asked.service.look_up(RepositoryRef("test-owner/none"))
    assert "There is no repository" in asked.wait(HubFailure).sentence


def test_downloads_wait_for_each_other_and_can_be_taken_off(
    asked: Asked, hub_server: HubServer, proxy: FaultyProxy, tiny_repository: Repository
) -> None:
    hub_server.add("test-owner/later", tiny_repository.files)
    first, second = RepositoryRef(tiny_repository.name), RepositoryRef("test-owner/later")
    proxy.limit_rate(WEIGHTS, 10_000)
    asked.service.pull(first)
    asked.service.pull(second)
    asked.service.pull(second)  # it waits already
    asked.wait_until(
        lambda: (
            any(each.ref == second and each.note for each in asked.of(DownloadProgress))
            and any(each.ref == first and each.done_bytes > 5000 for each in asked.of(DownloadProgress))
        )
    )
    asked.service.cancel(second)
    asked.wait(DownloadEnded)  # although the first one runs on
    asked.service.cancel(first)
    asked.wait(DownloadEnded, 2)
    assert [(each.ref, each.end) for each in asked.of(DownloadEnded)] == [
        (second, DownloadEnd.CANCELLED),
        (first, DownloadEnd.CANCELLED),
    ]
    assert asked.of(DownloadEnded)[0].sentence == "Cancelled. What arrived is kept, and Continue goes on from there."
    assert not any("later" in seen.path for seen in proxy.requests())
    (model,) = asked.wait(StoreListed).models
    assert model.is_partial
    proxy.heal()
    asked.service.pull(RepositoryRef(model.repository, model.commit))
    assert asked.wait(DownloadEnded, 3).end == DownloadEnd.DONE


def test_what_is_cancelled_can_be_asked_for_again_at_once(
    asked: Asked, proxy: FaultyProxy, tiny_repository: Repository
) -> None:
    ref = RepositoryRef(tiny_repository.name)
    proxy.mute(WEIGHTS)
    asked.service.pull(ref)
    while not proxy.requests(WEIGHTS):
        time.sleep(0.01)
    asked.service.cancel(ref)
    asked.service.pull(ref)
    asked.wait(DownloadEnded, 2)
    assert [each.end for each in asked.of(DownloadEnded)] == [DownloadEnd.CANCELLED, DownloadEnd.DONE]
    of_second = asked.records[asked.records.index(asked.of(DownloadEnded)[0]) + 1]
    assert isinstance(of_second, DownloadProgress)
    assert of_second.note


def test_what_is_no_mixer_is_told_after_the_download(asked: Asked, hub_server: HubServer, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    save_file({"cls_token": np.zeros((1, 1, 8), np.float32)}, folder / "model.safetensors")
    hub_server.add("test-owner/no-mixer", folder)
    asked.service.pull(RepositoryRef("test-owner/no-mixer"))
    ended = asked.wait(DownloadEnded)
    assert ended.end == DownloadEnd.FAILED
    assert "transformer" in ended.sentence
    assert asked.wait(StoreListed).models == ()


def test_a_newer_question_replaces_an_older_one(asked: Asked, proxy: FaultyProxy, tiny_repository: Repository) -> None:
    proxy.mute("*/none/*", times=None)
    asked.service.look_up(RepositoryRef("test-owner/none"))
    asked.service.look_up(RepositoryRef(tiny_repository.name))
    assert asked.wait(RepositoryFound).ref.repository == tiny_repository.name
    assert asked.of(HubFailure) == []


def test_closing_ends_a_download_at_once_and_keeps_what_arrived(
    asked: Asked, proxy: FaultyProxy, mixer_repository: Repository, tmp_path: Path
) -> None:
    proxy.limit_rate(WEIGHTS, 5_000_000)
    asked.service.pull(RepositoryRef(mixer_repository.name))
    asked.wait_until(lambda: any(each.done_bytes > 2_000_000 for each in asked.of(DownloadProgress)))
    asked.service.close()
    asked.service.close()
    told = len(asked.records)
    deadline = time.monotonic() + 5
    while any(thread.name.startswith("hub-") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.01)
    assert len(asked.records) <= told + 1
    (partial,) = (tmp_path / "hub").glob("models--*/blobs/*.incomplete")
    assert partial.stat().st_size >= 2_000_000 - 1000
    asked.service.list_models()  # nothing happens any more, and nothing breaks


def test_cancelling_a_download_leaves_a_question_about_another_alone(
    asked: Asked, proxy: FaultyProxy, tiny_repository: Repository
) -> None:
    proxy.limit_rate("*/config.json", 500)
    asked.service.look_up(RepositoryRef(tiny_repository.name))
    asked.service.cancel(RepositoryRef("test-owner/other"))
    assert asked.wait(RepositoryFound).ref == RepositoryRef(tiny_repository.name)


def test_listing_asks_no_network(asked: Asked, proxy: FaultyProxy) -> None:
    asked.service.list_models()
    assert asked.wait(StoreListed).models == ()
    assert proxy.requests() == []
