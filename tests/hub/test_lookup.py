"""What the Hub is asked before anything is downloaded, and what the user reads when it says no."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hub_answers import Answer, Refusal
from pulling import DESCRIBE, WEIGHTS, Watched, hub_of

from mixer_gui.hub.client import Hub
from mixer_gui.hub.errors import explained
from mixer_gui.hub.lookup import look_up
from mixer_gui.hub.safetensors_head import read_safetensors_shapes
from mixer_gui.records import MixerGuiError, RepositoryRef

if TYPE_CHECKING:
    from pathlib import Path

    from faulty_proxy import FaultyProxy
    from hub_repositories import Repository
    from hub_server import HubServer

HUB = "127.0.0.1"


def sentence(hub: Hub, ref: RepositoryRef) -> str:
    """What the user reads when a look-up fails."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each kind has its own sentence, which is what is tested
        look_up(hub, ref, DESCRIBE)
    return str(explained(caught.value, ref, hub))


def test_a_mixer_is_described_without_its_weights(
    proxy: FaultyProxy, mixer_repository: Repository, tmp_path: Path
) -> None:
    found = look_up(hub_of(proxy, tmp_path), RepositoryRef(mixer_repository.name), DESCRIBE)
    assert found.info is not None
    assert (found.info.parameters, found.info.classes, found.info.layers) == (19_104_624, 1000, 8)
    assert found.commit == mixer_repository.commit
    assert found.licence == "apache-2.0"
    assert found.can_download
    size = mixer_repository.weights.stat().st_size
    assert found.download_bytes == size + (mixer_repository.files / "config.json").stat().st_size
    assert found.missing_bytes == found.download_bytes
    assert proxy.sent_bytes(WEIGHTS) < 0.01 * size


def test_a_pickle_is_described_by_its_few_kilobytes_and_never_run(
    hub_server: HubServer, proxy: FaultyProxy, tmp_path: Path
) -> None:
    import torch
    from hub_repositories import write_timm_mixer
    from safetensors.torch import load_file

    folder = tmp_path / "files"
    write_timm_mixer(folder)
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    hub_server.add("test-owner/pickled", folder)
    found = look_up(hub_of(proxy, tmp_path / "hub"), RepositoryRef("test-owner/pickled"), DESCRIBE)
    assert found.info is not None
    assert found.info.parameters == 19_104_624
    assert proxy.sent_bytes("*/pytorch_model.bin") < 1_000_000


def test_where_only_whole_files_are_sent_a_pickle_may_be_downloaded_unseen(
    hub_server: HubServer, proxy: FaultyProxy, tmp_path: Path
) -> None:
    import torch
    from checkpoints import random_mixer, tiny_config, write_hub_folder
    from safetensors.torch import load_file

    folder = write_hub_folder(random_mixer(tiny_config()), tmp_path / "files")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    hub_server.add("test-owner/pickled-tiny", folder)
    proxy.ignore_range("*")
    found = look_up(hub_of(proxy, tmp_path / "hub"), RepositoryRef("test-owner/pickled-tiny"), DESCRIBE)
    assert found.info is None
    assert found.can_download
    assert "shows once it is downloaded" in found.sentence


def test_where_only_whole_files_are_sent_their_beginning_is_enough(
    proxy: FaultyProxy, mixer_repository: Repository, tmp_path: Path
) -> None:
    proxy.ignore_range("*")
    found = look_up(hub_of(proxy, tmp_path / "hub"), RepositoryRef(mixer_repository.name), DESCRIBE)
    assert found.info is not None
    assert found.info.parameters == 19_104_624
    assert proxy.sent_bytes(WEIGHTS) < 0.1 * mixer_repository.weights.stat().st_size


def test_shards_are_described_and_nothing_is_written(
    hub_server: HubServer, proxy: FaultyProxy, tmp_path: Path, own_home: Path
) -> None:
    import json

    from checkpoints import random_mixer, tiny_config, write_hub_folder
    from safetensors.numpy import load_file, save_file

    folder = write_hub_folder(random_mixer(tiny_config()), tmp_path / "files")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    shards = {name: f"part-{number % 2}.safetensors" for number, name in enumerate(sorted(tensors))}
    for shard in set(shards.values()):
        save_file({name: tensors[name] for name in tensors if shards[name] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}), encoding="utf-8")
    hub_server.add("test-owner/shards", folder)
    hub = hub_of(proxy, tmp_path / "hub")
    found = look_up(hub, RepositoryRef("test-owner/shards"), DESCRIBE)
    assert found.info is not None, found.sentence
    assert found.info.parameters == sum(tensor.size for tensor in tensors.values())
    assert found.download_bytes == found.missing_bytes == sum(file.stat().st_size for file in folder.iterdir())
    assert not [path for place in (own_home, tmp_path / "hub") for path in place.rglob("*") if path.is_file()]
    pulled = Watched(hub, RepositoryRef("test-owner/shards")).run().pulled
    assert pulled is not None
    assert DESCRIBE.snapshot(pulled.path, "test-owner/shards").parameters == found.info.parameters


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff" * 8,
        (2**24).to_bytes(8, "little") + b"{}",
        b"\2\0\0\0\0\0\0\0[]",
        b"\x12\0\0\0\0\0\0\0" + b'{"a":{"shape":[-1]}}',
        b"\x40\x0d\x03\0\0\0\0\0" + b"[" * 200_000,
    ],
)
def test_a_head_that_is_none_is_told(head: bytes) -> None:
    with pytest.raises(MixerGuiError, match="not a readable safetensors file"):
        read_safetensors_shapes(io.BytesIO(head), "x")


def test_trouble_within_a_pickle_is_not_taken_for_another_kind_of_file(
    hub_server: HubServer, proxy: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader of archives takes any OSError for that, and the client's errors are some."""
    import torch
    from checkpoints import random_mixer, tiny_config, write_hub_folder
    from safetensors.torch import load_file

    folder = write_hub_folder(random_mixer(tiny_config()), tmp_path / "files")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    hub_server.add("test-owner/busy", folder)
    ask, refused = proxy.hub.ask, []

    def ask_busy(method: str, target: str, *rest: Any) -> Answer:  # noqa: ANN401 - handed on
        if method == "GET" and target.endswith(".bin") and not refused:
            refused.append(target)
            return Answer(503, {})
        return ask(method, target, *rest)

    monkeypatch.setattr(proxy.hub, "ask", ask_busy)
    found = look_up(hub_of(proxy, tmp_path / "hub"), RepositoryRef("test-owner/busy"), DESCRIBE)
    assert refused
    assert found.info is not None, found.sentence


def test_another_network_is_told_and_not_offered(hub_server: HubServer, proxy: FaultyProxy, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "config.json").write_text('{"architecture": "mixer_b16_224"}', encoding="utf-8")
    save_file({"cls_token": np.zeros((1, 1, 8), np.float32)}, folder / "model.safetensors")
    hub_server.add("test-owner/vit", folder)
    found = look_up(hub_of(proxy, tmp_path / "hub"), RepositoryRef("test-owner/vit"), DESCRIBE)
    assert found.info is None
    assert not found.can_download
    assert "transformer" in found.sentence


@pytest.mark.parametrize("names", [["model.safetensors"], ["config.json"]])
def test_what_lacks_a_file_is_told(hub_server: HubServer, proxy: FaultyProxy, tmp_path: Path, names: list[str]) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("{}", encoding="utf-8")
    repository = f"test-owner/lacks-{len(names[0])}"
    hub_server.add(repository, folder)
    found = look_up(hub_of(proxy, tmp_path / "hub"), RepositoryRef(repository), DESCRIBE)
    assert found.info is None
    assert not found.can_download
    assert f"“{repository}” has n" in found.sentence


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refusal.REPOSITORY, ["There is no repository “test-owner/tiny”", "or it is private", "hf auth login"]),
        (Refusal.GATED, ["is gated", "agree to their terms", "hf auth login"]),
        (Refusal.GATED_FOR_YOU, ["is gated", "Open http"]),
        (Refusal.REVISION, ["has no branch, tag or commit"]),
        (Refusal.TOKEN, ["does not accept your login (401)", "hf auth login"]),
        (Refusal.DISABLED, ["has disabled"]),
        (Refusal.RATE_LIMITED, ["429", "Try again in some minutes"]),
    ],
)
def test_each_refusal_has_its_own_sentence(
    proxy: FaultyProxy, tiny_repository: Repository, tmp_path: Path, refusal: Refusal, words: list[str]
) -> None:
    proxy.refuse("*", refusal)
    told = sentence(hub_of(proxy, tmp_path, pauses_s=(0.05,)), RepositoryRef(tiny_repository.name))
    for word in words:
        assert word in told


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://127.0.0.1:9", ["cannot be reached", "Models on disk work without it"]),
        ("http://no-such-host.invalid", ["There is no network", "no-such-host.invalid", "Models on disk work"]),
    ],
)
def test_no_network_is_told_at_once(tmp_path: Path, endpoint: str, words: list[str]) -> None:
    told = sentence(Hub(endpoint=endpoint, cache=tmp_path, pauses_s=(60.0,)), RepositoryRef("a/b"))
    for word in words:
        assert word in told


def test_a_network_that_swallows_everything_is_told_after_one_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx2
    from huggingface_hub import HfApi

    def swallowed(*_: object, **__: object) -> None:
        raise httpx2.ConnectTimeout("timed out")

    monkeypatch.setattr(HfApi, "model_info", swallowed)
    told = sentence(Hub(endpoint="http://127.0.0.1:9", cache=tmp_path, pauses_s=(60.0,)), RepositoryRef("a/b"))
    assert "did not answer for 10 s" in told


def test_a_mute_hub_is_told(proxy: FaultyProxy, tmp_path: Path) -> None:
    proxy.mute("*", times=None)
    told = sentence(hub_of(proxy, tmp_path, silence_s=0.3, pauses_s=(0.05,)), RepositoryRef("a/b"))
    assert "did not answer" in told


@pytest.mark.parametrize("body", [b"<html>Welcome to the hotel's network</html>", b"{}", b"[]", b"null", b'{"id": 3}'])
def test_a_login_page_in_between_is_not_taken_for_the_hub(tmp_path: Path, body: bytes) -> None:
    from servers import serving

    with serving(body) as server:
        told = sentence(Hub(endpoint=server.address, cache=tmp_path, pauses_s=()), RepositoryRef("a/b"))
    assert "is not the Hub" in told
    assert "login page" in told


def test_an_unsafe_certificate_is_told(tmp_path: Path) -> None:
    """A server with a certificate of its own making."""
    import ssl
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    import trustme

    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    try:
        endpoint = f"https://127.0.0.1:{server.server_port}"
        told = sentence(Hub(endpoint=endpoint, cache=tmp_path, pauses_s=(60.0,)), RepositoryRef("a/b"))
    finally:
        server.shutdown()
        server.server_close()
    assert "is not safe: its certificate cannot be verified" in told
    assert "date and time" in told


def test_a_proxy_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import close_session
    from servers import serving

    with serving(b"") as server:
        monkeypatch.setenv("HTTPS_PROXY", f"{server.address}/")
        close_session()  # the session reads the environment when it is made
        try:
            told = sentence(Hub(endpoint="https://huggingface.co", cache=tmp_path), RepositoryRef("a/b"))
        finally:
            close_session()
    assert "The proxy on the way to huggingface.co refused" in told
    assert "HTTPS_PROXY" in told


def test_offline_by_environment_is_told(
    tmp_path: Path, tiny_repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    told = sentence(Hub(endpoint="http://127.0.0.1:9", cache=tmp_path), RepositoryRef(tiny_repository.name))
    assert told.startswith("HF_HUB_OFFLINE is set")
