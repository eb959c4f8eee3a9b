"""The tests' own Hub: it answers as the real one, and each fault of the proxy does what it says."""

from __future__ import annotations

import filecmp
import hashlib
import json
import threading
import time
from typing import TYPE_CHECKING

import httpx2
import numpy as np
import pytest
from faulty_proxy import FaultyProxy
from hub_answers import Refusal
from hub_server import HubServer
from huggingface_hub import HfApi, errors, get_hf_file_metadata, hf_hub_download, hf_hub_url
from safetensors import safe_open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hub_repositories import Reference, Repository

WEIGHTS = "*/model.safetensors"


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(follow_redirects=True, timeout=10) as client:
        yield client


@pytest.fixture
def address(proxy: FaultyProxy, tiny_repository: Repository) -> str:
    """Of the tiny weights, behind the proxy."""
    return f"{proxy.endpoint}/{tiny_repository.name}/resolve/{tiny_repository.commit}/model.safetensors"


@pytest.fixture
def weights(tiny_repository: Repository) -> bytes:
    return tiny_repository.weights.read_bytes()


def received(client: httpx2.Client, address: str, start: int = 0) -> tuple[bytes, Exception | None]:
    """What of a file came before the transfer ended, and how it ended."""
    data = bytearray()
    try:
        with client.stream("GET", address, headers={"Range": f"bytes={start}-"}) as response:
            for chunk in response.iter_raw():
                data += chunk
    except httpx2.HTTPError as error:
        return bytes(data), error
    return bytes(data), None


# The server


def test_real_client_finds_commit_files_and_licence(hub_server: HubServer, tiny_repository: Repository) -> None:
    info = HfApi(endpoint=hub_server.endpoint).model_info(tiny_repository.name, revision="main")
    assert info.sha == tiny_repository.commit
    assert {sibling.rfilename for sibling in info.siblings} == {"README.md", "config.json", "model.safetensors"}
    assert info.card_data["license"] == "apache-2.0"


def test_etags_are_the_hashes_of_the_content(hub_server: HubServer, tiny_repository: Repository) -> None:
    def etag_of(name: str) -> str | None:
        url = hf_hub_url(tiny_repository.name, name, revision="main", endpoint=hub_server.endpoint)
        found = get_hf_file_metadata(url)
        assert found.commit_hash == tiny_repository.commit
        assert found.size == (tiny_repository.files / name).stat().st_size
        return found.etag

    weights, config = tiny_repository.weights.read_bytes(), (tiny_repository.files / "config.json").read_bytes()
    assert etag_of("model.safetensors") == hashlib.sha256(weights).hexdigest()
    assert etag_of("config.json") == hashlib.sha1(b"blob %d\0" % len(config) + config).hexdigest()


def test_new_commits_branches_and_tags(hub_server: HubServer, tmp_path: Path) -> None:
    name, api = "test-owner/history", HfApi(endpoint=hub_server.endpoint)
    files = tmp_path / "files"
    (files / "sub").mkdir(parents=True)
    (files / "sub" / "a.txt").write_text("one")
    first = hub_server.add(name, files, tag="v1")
    (files / "sub" / "a.txt").unlink()
    (files / "b.txt").write_text("two")
    second = hub_server.add(name, files)
    side = hub_server.add(name, files, branch="side")

    assert len({first, second, side}) == 3
    assert {revision: api.model_info(name, revision=revision).sha for revision in ("main", "v1", "side", first)} == {
        "main": second,
        "v1": first,
        "side": side,
        first: first,
    }
    assert [sibling.rfilename for sibling in api.model_info(name, revision="main").siblings] == ["b.txt"]


def test_server_goes_off_and_comes_back_at_its_port(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("one")
    with HubServer(tmp_path / "hub") as server:
        address = f"{server.endpoint}/owner/name/resolve/main/a.txt"
        server.add("owner/name", tmp_path / "files")
        server.stop()
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(address)
        server.start()
        assert httpx2.get(address).text == "one"
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(address)


# The proxy without faults


def test_real_client_downloads_byte_equal_through_the_proxy(
    proxy: FaultyProxy, mixer_repository: Repository, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        path = hf_hub_download(mixer_repository.name, name, endpoint=proxy.endpoint, cache_dir=tmp_path)
        assert filecmp.cmp(path, mixer_repository.files / name, shallow=False)
    assert proxy.sent_bytes(WEIGHTS) == mixer_repository.weights.stat().st_size
    assert [seen.method for seen in proxy.requests(WEIGHTS)] == ["HEAD", "GET"]


def test_real_client_reads_shapes_by_range(proxy: FaultyProxy, mixer_repository: Repository) -> None:
    found = HfApi(endpoint=proxy.endpoint).get_safetensors_metadata(mixer_repository.name)
    assert sum(found.parameter_count.values()) == 19_104_624
    assert found.files_metadata["model.safetensors"].tensors["blocks.7.mlp_tokens.fc1.weight"].shape == [256, 49]
    assert proxy.sent_bytes(WEIGHTS) <= 100_001


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-", 0, 24068), ("bytes=7-7", 7, 8), ("bytes=100-99999", 100, 24068), ("bytes=-5", 24063, 24068)],
)
def test_ranges(
    client: httpx2.Client, proxy: FaultyProxy, address: str, weights: bytes, asked: str, start: int, stop: int
) -> None:
    response = client.get(address, headers={"Range": asked})
    assert response.status_code == 206
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(weights)}"
    assert response.content == weights[start:stop]
    assert proxy.sent_bytes(WEIGHTS) == stop - start


def test_range_behind_the_end_cannot_be_satisfied(client: httpx2.Client, address: str, weights: bytes) -> None:
    response = client.get(address, headers={"Range": f"bytes={len(weights)}-"})
    assert (response.status_code, response.headers["Content-Range"]) == (416, f"bytes */{len(weights)}")


def test_range_of_another_content_is_the_whole_file(client: httpx2.Client, address: str, weights: bytes) -> None:
    response = client.get(address, headers={"Range": "bytes=7-", "If-Range": '"another"'})
    assert (response.status_code, response.content) == (200, weights)
    response = client.get(address, headers={"Range": "bytes=7-", "If-Range": response.headers["ETag"]})
    assert (response.status_code, response.content) == (206, weights[7:])


def test_what_is_missing_is_named_as_the_hub_does(proxy: FaultyProxy, tiny_repository: Repository) -> None:
    api, name = HfApi(endpoint=proxy.endpoint), tiny_repository.name
    assert api.model_info(name).sha == tiny_repository.commit
    with pytest.raises(errors.RepositoryNotFoundError):
        api.model_info("test-owner/none")
    for revision in ("none", "0" * 40):
        with pytest.raises(errors.RevisionNotFoundError):
            api.model_info(name, revision=revision)
        with pytest.raises(errors.RevisionNotFoundError):
            get_hf_file_metadata(hf_hub_url(name, "config.json", revision=revision, endpoint=proxy.endpoint))
    with pytest.raises(errors.RemoteEntryNotFoundError):
        get_hf_file_metadata(hf_hub_url(name, "none", endpoint=proxy.endpoint))


def test_large_files_lead_to_another_host_without_the_login(
    hub_server: HubServer, tiny_repository: Repository, weights: bytes, tmp_path: Path
) -> None:
    with FaultyProxy(hub_server.endpoint, redirects=True) as proxy:
        url = hf_hub_url(tiny_repository.name, "model.safetensors", endpoint=proxy.endpoint)
        found = get_hf_file_metadata(url, token="hf_secret")
        path = hf_hub_download(
            tiny_repository.name, "model.safetensors", endpoint=proxy.endpoint, cache_dir=tmp_path, token="hf_secret"
        )
        assert found.location.startswith("http://localhost:")
        assert (found.etag, found.size) == (hashlib.sha256(weights).hexdigest(), len(weights))
        assert filecmp.cmp(path, tiny_repository.weights, shallow=False)
        assert all("authorization" in seen.headers for seen in proxy.requests("*/resolve/*"))
        assert ["authorization" in seen.headers for seen in proxy.requests("/cdn/*")] == [False]
        assert httpx2.get(found.location, headers={"Range": "bytes=5-6"}).content == weights[5:7]
        proxy.expire_links()
        assert httpx2.get(found.location).status_code == 403


# Its faults


def test_cut_by_a_reset(client: httpx2.Client, proxy: FaultyProxy, address: str, weights: bytes) -> None:
    proxy.cut(WEIGHTS, 20_000)
    proxy.cut(WEIGHTS, 10_000)
    proxy.cut(WEIGHTS, 10_000)
    assert received(client, address)[0] == weights[:10_000]
    data, error = received(client, address, 10_000)
    assert (data, type(error)) == (b"", httpx2.ReadError)
    assert received(client, address, 9_999)[0] == weights[9_999:20_000]
    assert received(client, address) == (weights, None)
    assert [seen.sent_bytes for seen in proxy.requests()] == [10_000, 0, 10_001, len(weights)]
    assert [seen.range_start for seen in proxy.requests()] == [0, 10_000, 9_999, 0]


def test_polite_cut(client: httpx2.Client, proxy: FaultyProxy, address: str, weights: bytes) -> None:
    proxy.cut(WEIGHTS, 10_000, abrupt=False)
    data, error = received(client, address)
    assert (data, type(error)) == (weights[:10_000], httpx2.RemoteProtocolError)
    assert received(client, address, 10_000) == (weights[10_000:], None)


def test_stall_outlasts_the_client(proxy: FaultyProxy, address: str, weights: bytes) -> None:
    proxy.stall(WEIGHTS, 10_000)
    with httpx2.Client(timeout=0.2) as client:
        data, error = received(client, address)
        assert (data, type(error)) == (weights[:10_000], httpx2.ReadTimeout)
        assert received(client, address, 10_000) == (weights[10_000:], None)


def test_mute_answers_nothing(proxy: FaultyProxy, address: str) -> None:
    proxy.mute(WEIGHTS)
    with httpx2.Client(timeout=0.2) as client:
        with pytest.raises(httpx2.ReadTimeout):
            client.head(address)
        assert client.head(address).status_code == 200
    assert [seen.status for seen in proxy.requests()] == [0, 200]


def test_closing_ends_a_stalled_answer_at_once(
    client: httpx2.Client, proxy: FaultyProxy, address: str, weights: bytes
) -> None:
    proxy.stall(WEIGHTS, 10_000, times=None)
    ended: list[tuple[bytes, Exception | None]] = []
    thread = threading.Thread(target=lambda: ended.append(received(client, address)))
    thread.start()
    proxy.wait_until_sent(WEIGHTS, 10_000)
    proxy.stop()
    thread.join()
    assert ended[0][0] == weights[:10_000]
    assert ended[0][1] is not None
    with pytest.raises(httpx2.ConnectError):
        client.get(address)
    proxy.start()
    assert client.head(address).status_code == 200


def test_status_so_many_times(client: httpx2.Client, proxy: FaultyProxy, address: str) -> None:
    proxy.answer(WEIGHTS, 503, times=2, retry_after="1")
    answers = [client.head(address), client.get(address), client.get(address)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"


def test_flipped_byte(client: httpx2.Client, proxy: FaultyProxy, address: str, weights: bytes) -> None:
    proxy.flip(WEIGHTS, 10_000)
    assert received(client, address, 10_001)[0] == weights[10_001:]
    data = received(client, address, 9_000)[0]
    assert [9_000 + index for index in range(len(data)) if data[index] != weights[9_000 + index]] == [10_000]
    assert received(client, address)[0] == weights


def test_ignored_range(client: httpx2.Client, proxy: FaultyProxy, address: str, weights: bytes) -> None:
    proxy.ignore_range(WEIGHTS, times=1)
    response = client.get(address, headers={"Range": "bytes=100-"})
    assert (response.status_code, response.content) == (200, weights)
    assert client.get(address, headers={"Range": "bytes=100-"}).status_code == 206


def test_shifted_range_says_what_it_sends(
    client: httpx2.Client, proxy: FaultyProxy, address: str, weights: bytes
) -> None:
    proxy.shift_range(WEIGHTS, 5)
    response = client.get(address, headers={"Range": "bytes=100-199"})
    assert response.headers["Content-Range"] == f"bytes 105-204/{len(weights)}"
    assert response.content == weights[105:205]


def test_limited_rate(client: httpx2.Client, proxy: FaultyProxy, address: str, weights: bytes) -> None:
    proxy.limit_rate(WEIGHTS, 120_000)
    begun = time.monotonic()
    assert client.get(address).content == weights
    assert time.monotonic() - begun >= len(weights) / 120_000


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (Refusal.REPOSITORY, errors.RepositoryNotFoundError),
        (Refusal.REVISION, errors.RevisionNotFoundError),
        (Refusal.ENTRY, errors.RemoteEntryNotFoundError),
        (Refusal.GATED, errors.GatedRepoError),
        (Refusal.GATED_FOR_YOU, errors.GatedRepoError),
        (Refusal.DISABLED, errors.DisabledRepoError),
        (Refusal.TOKEN, errors.HfHubHTTPError),
        (Refusal.RATE_LIMITED, errors.HfHubHTTPError),
    ],
)
def test_refusals_are_those_that_the_client_knows(
    proxy: FaultyProxy, address: str, refusal: Refusal, error: type[Exception]
) -> None:
    proxy.refuse(WEIGHTS, refusal, times=1)
    with pytest.raises(error) as caught:
        get_hf_file_metadata(address)
    assert type(caught.value) is error
    assert get_hf_file_metadata(address).size == 24068


def test_counters_and_faults_are_forgotten_on_request(client: httpx2.Client, proxy: FaultyProxy, address: str) -> None:
    proxy.answer(WEIGHTS, 503, times=None)
    assert client.get(address).status_code == 503
    proxy.heal()
    proxy.reset()
    assert client.get(address).status_code == 200
    assert [seen.status for seen in proxy.requests()] == [200]


def test_server_that_is_off_is_no_answer(tmp_path: Path) -> None:
    with HubServer(tmp_path / "hub") as server, FaultyProxy(server.endpoint) as proxy:
        server.stop()
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{proxy.endpoint}/api/models/owner/name")


# The repositories


def test_timm_mixer_is_one_that_timm_wrote(mixer_repository: Repository, reference_logits: Reference) -> None:
    config = json.loads((mixer_repository.files / "config.json").read_text())
    assert config["architecture"] == "mixer_s32_224"
    assert config["pretrained_cfg"]["input_size"] == [3, 224, 224]
    with safe_open(mixer_repository.weights, "numpy") as tensors:
        assert all(np.unique(tensors.get_tensor(name)).size > 1 for name in tensors.keys())  # noqa: SIM118
    assert reference_logits.logits.shape == (2, 1000)
    assert 0.3 < reference_logits.logits.std() < 10
