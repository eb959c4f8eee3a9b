"""Downloads through a faulty network: what arrives is right and stays, and the user reads what happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from pulling import DESCRIBE, WEIGHTS, Watched, assert_nothing_to_load, assert_whole, digest, hub_of

from mixer_gui.hub import store
from mixer_gui.hub.lookup import look_up
from mixer_gui.records import RepositoryRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from faulty_proxy import FaultyProxy
    from hub_repositories import Repository
    from hub_server import HubServer

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hub"


# --- one fault at a time ---


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("abrupt", [True, False], ids=["reset", "closed"])
def test_a_cut_connection_goes_on_where_it_was(
    proxy: FaultyProxy,
    mixer_repository: Repository,
    cache: Path,
    share: float,
    abrupt: bool,
    record_property: Callable[[str, object], None],
) -> None:
    size = mixer_repository.weights.stat().st_size
    proxy.cut(WEIGHTS, round(size * share), abrupt=abrupt)
    watched = Watched(hub_of(proxy, cache), RepositoryRef(mixer_repository.name)).run()
    assert_whole(watched, mixer_repository)
    again = proxy.sent_bytes(WEIGHTS) - size
    record_property("bytes_sent_again", again)
    assert again <= 0.1 * size * share
    assert watched.notes == ["The connection was lost"]


def test_what_was_cut_and_given_up_is_continued_by_the_next_run(
    proxy: FaultyProxy, mixer_repository: Repository, cache: Path
) -> None:
    size = mixer_repository.weights.stat().st_size
    hub = hub_of(proxy, cache, pauses_s=())
    proxy.cut(WEIGHTS, size // 2)
    first = Watched(hub, RepositoryRef(mixer_repository.name)).run()
    assert first.sentence == (
        f"The connection to {hub.host} was lost again and again. What arrived is kept: continue later."
    )
    assert_nothing_to_load(cache, mixer_repository)
    (model,) = store.list_models(hub, DESCRIBE).models
    assert model.is_partial
    assert model.total_bytes is not None
    assert 0.4 < model.size_bytes / model.total_bytes < 0.6
    second = Watched(hub, RepositoryRef(mixer_repository.name)).run()
    assert_whole(second, mixer_repository)
    assert proxy.sent_bytes(WEIGHTS) - size <= 0.1 * size / 2
    assert second.progress[0].done_bytes >= 0.4 * size


def test_three_times_503_and_then_fine(proxy: FaultyProxy, tiny_repository: Repository, cache: Path) -> None:
    proxy.answer(WEIGHTS, 503, times=3)
    watched = Watched(hub_of(proxy, cache), RepositoryRef(tiny_repository.name)).run()
    assert_whole(watched, tiny_repository)
    assert watched.notes == ["The Hub answered 503"] * 3 or watched.notes == ["The Hub answered 503"]
    assert proxy.sent_bytes(WEIGHTS) == tiny_repository.weights.stat().st_size


def test_a_hub_that_stays_down_is_told(proxy: FaultyProxy, tiny_repository: Repository, cache: Path) -> None:
    proxy.answer("*", 503, times=None)
    watched = Watched(hub_of(proxy, cache, pauses_s=(0.05, 0.05)), RepositoryRef(tiny_repository.name)).run()
    assert watched.sentence == (
        f"{watched.hub.host} has trouble of its own (503). Try again later; what arrived is kept."
    )
    assert len(proxy.requests()) == 3


def test_pauses_grow_and_the_server_may_ask_for_longer(
    proxy: FaultyProxy, tiny_repository: Repository, cache: Path
) -> None:
    proxy.answer(WEIGHTS, 503, times=1)
    proxy.answer(WEIGHTS, 429, times=1, retry_after="1")
    started = time.monotonic()
    watched = Watched(hub_of(proxy, cache, pauses_s=(0.3, 0.6)), RepositoryRef(tiny_repository.name)).run()
    assert_whole(watched, tiny_repository)
    assert time.monotonic() - started >= 1.3


def test_a_stall_longer_than_the_timeout_is_a_lost_connection(
    proxy: FaultyProxy, mixer_repository: Repository, cache: Path
) -> None:
    size = mixer_repository.weights.stat().st_size
    Watched(hub_of(proxy, cache.with_name("warm")), RepositoryRef(mixer_repository.name)).run()
    proxy.reset()
    proxy.stall(WEIGHTS, size // 2)
    watched = Watched(hub_of(proxy, cache, silence_s=2.0), RepositoryRef(mixer_repository.name)).run()
    assert_whole(watched, mixer_repository)
    assert proxy.sent_bytes(WEIGHTS) - size <= 0.1 * size / 2
    assert watched.notes == ["The connection was lost"]


def test_a_flipped_byte_is_noticed_and_fetched_again(
    proxy: FaultyProxy, mixer_repository: Repository, cache: Path
) -> None:
    size = mixer_repository.weights.stat().st_size
    proxy.flip(WEIGHTS, size // 3)
    watched = Watched(hub_of(proxy, cache), RepositoryRef(mixer_repository.name)).run()
    assert_whole(watched, mixer_repository)
    assert "What arrived is damaged; fetching it again" in watched.notes
    assert proxy.sent_bytes(WEIGHTS) == 2 * size


def test_a_byte_that_is_always_flipped_never_becomes_a_model(
    proxy: FaultyProxy, tiny_repository: Repository, cache: Path
) -> None:
    proxy.flip(WEIGHTS, 5000, times=None)
    watched = Watched(hub_of(proxy, cache), RepositoryRef(tiny_repository.name)).run()
    assert watched.sentence.startswith(f"“model.safetensors” of “{tiny_repository.name}” arrived damaged twice")
    assert_nothing_to_load(cache, tiny_repository)
    proxy.heal()
    assert_whole(Watched(watched.hub, watched.ref).run(), tiny_repository)


def test_a_server_without_ranges_still_serves(proxy: FaultyProxy, mixer_repository: Repository, cache: Path) -> None:
    size = mixer_repository.weights.stat().st_size
    proxy.cut(WEIGHTS, size // 2)
    proxy.ignore_range(WEIGHTS)
    watched = Watched(hub_of(proxy, cache), RepositoryRef(mixer_repository.name)).run()
    assert_whole(watched, mixer_repository)
    # It came again from the start, and the half that was there was passed over.
    assert watched.fetched_bytes == sum(file.stat().st_size for file in mixer_repository.files.iterdir())


def test_an_answer_with_another_range_is_refused(proxy: FaultyProxy, mixer_repository: Repository, cache: Path) -> None:
    size = mixer_repository.weights.stat().st_size
    proxy.cut(WEIGHTS, size // 2)
    proxy.shift_range(WEIGHTS, 100)
    watched = Watched(hub_of(proxy, cache), RepositoryRef(mixer_repository.name)).run()
    assert watched.sentence.startswith(f"What answers at {watched.hub.host} is not the Hub")
    assert_nothing_to_load(cache, mixer_repository)
    assert_whole(Watched(watched.hub, watched.ref).run(), mixer_repository)


def test_links_that_expire_while_they_are_used(
    hub_server: HubServer, mixer_repository: Repository, cache: Path
) -> None:
    from faulty_proxy import FaultyProxy

    size = mixer_repository.weights.stat().st_size
    with FaultyProxy(hub_server.endpoint, redirects=True) as proxy:
        proxy.cut("/cdn/*/model.safetensors", size // 2)
        hub = hub_of(proxy, cache, pauses_s=())
        Watched(hub, RepositoryRef(mixer_repository.name)).run()
        proxy.expire_links()
        assert_whole(Watched(hub, RepositoryRef(mixer_repository.name)).run(), mixer_repository)


def test_the_login_goes_to_the_hub_and_nowhere_else(
    hub_server: HubServer, tiny_repository: Repository, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faulty_proxy import FaultyProxy

    monkeypatch.setenv("HF_TOKEN", "hf_of_the_user")
    with FaultyProxy(hub_server.endpoint, redirects=True) as proxy:
        hub = hub_of(proxy, cache)
        assert look_up(hub, RepositoryRef(tiny_repository.name), DESCRIBE).info is not None
        assert_whole(Watched(hub, RepositoryRef(tiny_repository.name)).run(), tiny_repository)
        elsewhere = proxy.requests("/cdn/*")
        at_the_hub = [seen for seen in proxy.requests() if not seen.path.startswith("/cdn/")]
    assert elsewhere
    assert not any("authorization" in seen.headers for seen in elsewhere)
    assert {seen.headers.get("authorization") for seen in at_the_hub} == {"Bearer hf_of_the_user"}


# --- the user's wish, and other programs ---


def test_cancel_keeps_what_arrived_and_ends_at_once(
    proxy: FaultyProxy, mixer_repository: Repository, cache: Path
) -> None:
    size = mixer_repository.weights.stat().st_size
    proxy.limit_rate(WEIGHTS, 20_000_000)
    hub = hub_of(proxy, cache)
    first = Watched(hub, RepositoryRef(mixer_repository.name), lambda progress: progress.done_bytes > size // 3).run()
    assert first.sentence == "Cancelled."
    assert first.fetched_bytes < size
    proxy.heal()
    second = Watched(hub, RepositoryRef(mixer_repository.name)).run()
    assert_whole(second, mixer_repository)
    assert first.fetched_bytes + second.fetched_bytes == first.progress[-1].total_bytes
    assert second.fetched_bytes < size * 0.75


def test_cancel_does_not_wait_for_a_mute_server(proxy: FaultyProxy, tiny_repository: Repository, cache: Path) -> None:
    proxy.mute(WEIGHTS, times=None)
    asked_at: list[float] = []

    def cancel(_: object) -> bool:
        if proxy.requests(WEIGHTS):
            asked_at.append(time.monotonic())
        return bool(asked_at)

    watched = Watched(hub_of(proxy, cache, silence_s=30), RepositoryRef(tiny_repository.name), cancel).run()
    # Nothing is heard of before the first progress, so the wish itself is asked here.
    assert watched.sentence == "Cancelled."
    assert time.monotonic() - asked_at[0] < 1


def test_two_at_once_fetch_each_byte_once(proxy: FaultyProxy, mixer_repository: Repository, cache: Path) -> None:
    size = mixer_repository.weights.stat().st_size
    proxy.limit_rate(WEIGHTS, 40_000_000)
    both = [Watched(hub_of(proxy, cache), RepositoryRef(mixer_repository.name)) for _ in range(2)]
    threads = [threading.Thread(target=each.run) for each in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in both:
        assert each.pulled is not None, each.sentence
        assert digest(each.pulled.path / "model.safetensors") == digest(mixer_repository.weights)
    assert proxy.sent_bytes(WEIGHTS) == size
    assert "Another program is downloading it; waiting for that" in both[0].notes + both[1].notes


def test_the_clients_own_download_is_not_fetched_again(
    proxy: FaultyProxy, tiny_repository: Repository, cache: Path
) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(tiny_repository.name, "model.safetensors", endpoint=proxy.endpoint, cache_dir=cache)
    proxy.reset()
    watched = Watched(hub_of(proxy, cache), RepositoryRef(tiny_repository.name)).run()
    assert_whole(watched, tiny_repository)
    assert proxy.sent_bytes(WEIGHTS) == 0


def test_the_client_finds_ours_and_fetches_nothing(
    proxy: FaultyProxy, tiny_repository: Repository, cache: Path
) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir

    watched = Watched(hub_of(proxy, cache), RepositoryRef(tiny_repository.name)).run()
    assert watched.pulled is not None
    proxy.reset()
    for arguments in ({"local_files_only": True}, {"endpoint": proxy.endpoint}):
        path = hf_hub_download(tiny_repository.name, "model.safetensors", cache_dir=cache, **arguments)
        assert path == str(watched.pulled.path / "model.safetensors")
    assert proxy.sent_bytes() == 0
    found = scan_cache_dir(cache)
    assert not found.warnings
    (repository,) = found.repos
    assert {ref for revision in repository.revisions for ref in revision.refs} == {"main"}


def test_a_damaged_content_on_disk_is_repaired(proxy: FaultyProxy, tiny_repository: Repository, cache: Path) -> None:
    hub = hub_of(proxy, cache)
    first = Watched(hub, RepositoryRef(tiny_repository.name)).run()
    assert first.pulled is not None
    blob = (first.pulled.path / "model.safetensors").resolve()
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    assert_whole(Watched(hub, RepositoryRef(tiny_repository.name)).run(), tiny_repository)


def test_a_second_pull_fetches_nothing(proxy: FaultyProxy, tiny_repository: Repository, cache: Path) -> None:
    hub = hub_of(proxy, cache)
    Watched(hub, RepositoryRef(tiny_repository.name)).run()
    proxy.reset()
    second = Watched(hub, RepositoryRef(tiny_repository.name)).run()
    assert second.pulled is not None
    assert second.fetched_bytes == 0
    assert proxy.sent_bytes(WEIGHTS) == 0


# --- the disk ---


def test_too_little_space_is_told_before_anything_is_fetched(
    proxy: FaultyProxy, mixer_repository: Repository, small_disk: Path
) -> None:
    watched = Watched(hub_of(proxy, small_disk / "hub"), RepositoryRef(mixer_repository.name)).run()
    assert watched.sentence.startswith("The disk has too little space: 140 MB are needed in ")
    assert "MB are free. Free some" in watched.sentence
    assert proxy.sent_bytes(WEIGHTS) == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


PULL_WITH_LIMIT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, resource.RLIM_INFINITY))
from mixer_gui.__main__ import main
sys.argv = ["mixer-gui", "models", "pull", sys.argv[1]]
sys.exit(main())
"""


def test_a_disk_that_fills_up_keeps_what_arrived(proxy: FaultyProxy, mixer_repository: Repository, cache: Path) -> None:
    """A limit on the size of files stands for the full disk: writing fails in the middle, as there."""
    environment = os.environ | {"HF_ENDPOINT": proxy.endpoint, "HF_HUB_CACHE": str(cache)}
    run = subprocess.run(
        [sys.executable, "-c", PULL_WITH_LIMIT, mixer_repository.name], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == (
        f"mixer-gui: The disk is full: {cache} cannot take more. Free some space and continue; what arrived is kept."
    )
    assert_nothing_to_load(cache, mixer_repository)
    before = proxy.sent_bytes(WEIGHTS)
    watched = Watched(hub_of(proxy, cache), RepositoryRef(mixer_repository.name)).run()
    assert_whole(watched, mixer_repository)
    size = mixer_repository.weights.stat().st_size
    fetched_now = proxy.sent_bytes(WEIGHTS) - before
    assert size - fetched_now >= 0.9 * 20_000_000


# --- the program dies ---


def test_killed_at_half_it_continues(
    proxy: FaultyProxy, mixer_repository: Repository, cache: Path, record_property: Callable[[str, object], None]
) -> None:
    size = mixer_repository.weights.stat().st_size
    proxy.limit_rate(WEIGHTS, 15_000_000)
    environment = os.environ | {"HF_ENDPOINT": proxy.endpoint, "HF_HUB_CACHE": str(cache)}
    command = [sys.executable, "-m", "mixer_gui", "models", "pull", mixer_repository.name]
    running = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    proxy.wait_until_sent(WEIGHTS, size // 2, timeout_s=60)
    running.send_signal(signal.SIGKILL)
    running.wait()
    (partial,) = cache.glob("models--*/blobs/*.incomplete")
    arrived = partial.stat().st_size
    sent_before = proxy.sent_bytes(WEIGHTS)
    assert_nothing_to_load(cache, mixer_repository)
    proxy.heal()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert digest(cache.parent / done.stdout.strip() / "model.safetensors") == digest(mixer_repository.weights)
    again = proxy.sent_bytes(WEIGHTS) - size
    record_property("bytes", {"arrived": arrived, "sent_then": sent_before, "sent_again": again})
    assert again <= 0.1 * arrived
    assert proxy.requests(WEIGHTS)[-1].range_start == arrived


NO_TERMINAL = """
import sys
sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
from pathlib import Path
from mixer_gui.hub.client import Hub
from mixer_gui.hub.download import Download
from mixer_gui.hub.lookup import look_up
from mixer_gui.hub.describe import Describe
from mixer_gui.model.description import describe, describe_remote
from mixer_gui.records import ModelRef, RepositoryRef
ref = RepositoryRef(sys.argv[1])
hub = Hub()
found = look_up(hub, ref, Describe(describe, describe_remote))
told = []
pulled = Download(hub, ref, progressed=told.append).run()
Path(sys.argv[2]).write_text(f"{found.info.parameters} {len(told) > 2} {pulled.total_bytes}")
"""


def test_works_where_there_is_no_terminal(
    proxy: FaultyProxy, mixer_repository: Repository, cache: Path, tmp_path: Path
) -> None:
    environment = os.environ | {"HF_ENDPOINT": proxy.endpoint, "HF_HUB_CACHE": str(cache)}
    out = tmp_path / "told"
    subprocess.run(
        [sys.executable, "-c", NO_TERMINAL, mixer_repository.name, str(out)],
        env=environment,
        check=True,
        close_fds=True,
    )
    total = sum(file.stat().st_size for file in mixer_repository.files.iterdir())
    assert out.read_text(encoding="utf-8") == f"19104624 True {total}"


# --- why the client's own download is not used ---


def test_the_client_alone_fetches_everything_again(
    proxy: FaultyProxy, mixer_repository: Repository, cache: Path
) -> None:
    """The evidence for `hub.download`: after a failure the client deletes what arrived."""
    from huggingface_hub import hf_hub_download

    size = mixer_repository.weights.stat().st_size
    proxy.limit_rate(WEIGHTS, 40_000_000)
    code = (
        "import sys; from huggingface_hub import hf_hub_download;"
        "hf_hub_download(sys.argv[1], 'model.safetensors', cache_dir=sys.argv[2])"
    )
    environment = os.environ | {"HF_ENDPOINT": proxy.endpoint}
    running = subprocess.Popen([sys.executable, "-c", code, mixer_repository.name, str(cache)], env=environment)
    proxy.wait_until_sent(WEIGHTS, size // 2, timeout_s=60)
    running.kill()
    running.wait()
    proxy.heal()
    proxy.reset()
    hf_hub_download(mixer_repository.name, "model.safetensors", endpoint=proxy.endpoint, cache_dir=cache)
    assert proxy.sent_bytes(WEIGHTS) == size
