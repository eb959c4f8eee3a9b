"""`mixer-gui models` and `classify --model owner/name`, as processes, against a real Hub server on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from faulty_proxy import FaultyProxy
    from hub_repositories import Reference, Repository
    from hub_server import HubServer


class Cli:
    """Runs commands with a cache of their own and an endpoint that can be changed."""

    def __init__(self, home: Path, endpoint: str) -> None:
        self.home = home
        self.endpoint = endpoint

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(self.home)}
        command = [sys.executable, "-m", "mixer_gui", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")


@pytest.fixture
def cli(proxy: FaultyProxy, tmp_path: Path) -> Cli:
    return Cli(tmp_path / "huggingface", proxy.endpoint)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    from PIL import Image

    path = tmp_path / "grey.png"
    Image.new("RGB", (40, 40), (120, 130, 140)).save(path)
    return path


def test_pull_path_classify_offline_remove(cli: Cli, tiny_repository: Repository, picture: Path) -> None:
    pulled = cli("models", "pull", tiny_repository.name)
    assert pulled.returncode == 0, pulled.stderr
    path = Path(pulled.stdout.strip())
    assert (path / "model.safetensors").read_bytes() == tiny_repository.weights.read_bytes()
    assert "(100%)" in pulled.stderr
    assert "every content's hash is right" in pulled.stderr.splitlines()[-1]

    cli.endpoint = "http://127.0.0.1:9"  # nobody listens there
    assert cli("models", "path", tiny_repository.name).stdout.strip() == str(path)
    listed = cli("models", "list")
    assert tiny_repository.name in listed.stdout
    assert tiny_repository.commit[:8] in listed.stdout
    stored = json.loads(cli("models", "list", "--json").stdout)["stored"]
    assert [(each["repository"], each["partial"], each["classes"]) for each in stored] == [
        (tiny_repository.name, False, 5)
    ]
    classified = cli("classify", str(picture), "--model", tiny_repository.name, "--json")
    assert classified.returncode == 0, classified.stderr
    (result,) = json.loads(classified.stdout)
    assert (result["model"], result["revision"]) == (tiny_repository.name, tiny_repository.commit)
    assert cli("summary", tiny_repository.name).returncode == 0

    refused = cli("models", "remove", tiny_repository.name)
    assert refused.returncode == 1
    assert "Nothing was deleted" in refused.stderr
    removed = cli("models", "remove", tiny_repository.name, "--yes")
    assert removed.returncode == 0
    assert "MB are free again" in removed.stderr
    gone = cli("models", "path", tiny_repository.name)
    assert gone.returncode == 1
    assert gone.stderr == (
        f"mixer-gui: “{tiny_repository.name}” is not on this computer. “mixer-gui models pull {tiny_repository.name}” "
        "fetches it.\n"
    )


def test_classify_fetches_what_is_not_there(cli: Cli, tiny_repository: Repository, picture: Path) -> None:
    run = cli("classify", str(picture), "--model", f"{tiny_repository.name}@main", "--json")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)[0]["model"] == tiny_repository.name
    assert f"{tiny_repository.name}@main is not on this computer; fetching it from 127.0.0.1" in run.stderr


def test_a_partial_download_is_no_model(cli: Cli, proxy: FaultyProxy, tiny_repository: Repository) -> None:
    proxy.flip("*/model.safetensors", 9000, times=None)
    failed = cli("models", "pull", tiny_repository.name)
    assert failed.returncode == 1
    assert "arrived damaged twice" in failed.stderr
    path = cli("models", "path", tiny_repository.name)
    assert path.returncode == 1
    assert "MB of “test-owner/tiny” are on this computer" in path.stderr
    assert "partial" in cli("models", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["models", "pull", "test-owner/none"], 1, "There is no repository “test-owner/none”"),
        (["models", "pull", "test-owner/tiny@none"], 1, "has no branch, tag or commit “none”"),
        (["models", "pull", "none"], 2, "names no repository"),
        (["models", "pull", "../../etc"], 2, "cannot be a repository's name"),
        (["models", "path", "a/b"], 1, "is not on this computer"),
        (["models", "remove", "a/b", "--yes"], 1, "is not on this computer"),
        (["classify", "x.png", "--model", "test-owner/none"], 1, "There is no repository"),
        (["classify", "x.png", "--model", "no/such/file.pth"], 1, "There is no file or folder “file.pth” any more."),
    ],
)
@pytest.mark.usefixtures("tiny_repository")
def test_each_failure_has_its_sentence_and_exit_code(
    cli: Cli, picture: Path, arguments: list[str], code: int, words: str
) -> None:
    run = cli(*[str(picture) if argument == "x.png" else argument for argument in arguments])
    assert run.returncode == code, run.stderr
    assert words in run.stderr
    assert "Traceback" not in run.stderr


def test_a_revision_of_one_digit_removes_no_commit_that_begins_so(cli: Cli, tiny_repository: Repository) -> None:
    path = Path(cli("models", "pull", tiny_repository.name).stdout.strip())
    run = cli("models", "remove", f"{tiny_repository.name}@{tiny_repository.commit[0]}", "--yes")
    assert run.returncode == 1
    assert "is not on this computer" in run.stderr
    assert path.exists()


@pytest.mark.parametrize("place", ["file", "/".join(["d" * 200] * 25)], ids=["a file", "too long"])
@pytest.mark.parametrize("command", ["list", "path", "pull", "remove"])
def test_a_cache_that_cannot_be_one_is_told(
    cli: Cli, tiny_repository: Repository, tmp_path: Path, place: str, command: str
) -> None:
    cli.home = tmp_path / place / "home"
    (tmp_path / "file").write_text("x", encoding="utf-8")
    run = cli("models", command, *([] if command == "list" else [tiny_repository.name]))
    assert run.returncode == 1
    assert run.stderr.startswith("mixer-gui: ")
    assert "cannot be used" in run.stderr
    assert "Traceback" not in run.stderr


def test_interrupting_keeps_what_arrived_and_says_so(
    cli: Cli, proxy: FaultyProxy, mixer_repository: Repository
) -> None:
    proxy.limit_rate("*/model.safetensors", 5_000_000)
    environment = os.environ | {"HF_ENDPOINT": cli.endpoint, "HF_HOME": str(cli.home)}
    running = subprocess.Popen(
        [sys.executable, "-m", "mixer_gui", "models", "pull", mixer_repository.name],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    proxy.wait_until_sent("*/model.safetensors", 2_000_000, timeout_s=60)
    running.send_signal(signal.SIGINT)
    out, said = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert said.splitlines()[-1].startswith("Stopped. What arrived is kept: “mixer-gui models pull ")
    (partial,) = cli.home.glob("hub/models--*/blobs/*.incomplete")
    assert partial.stat().st_size > 1_000_000


def test_a_bare_hub_server_is_enough(
    hub_server: HubServer, mixer_repository: Repository, reference_logits: Reference, tmp_path: Path
) -> None:
    """Without the proxy: pulled, loaded, and its logits are timm's."""
    cli = Cli(tmp_path / "huggingface", hub_server.endpoint)
    pulled = cli("models", "pull", mixer_repository.name)
    assert pulled.returncode == 0, pulled.stderr
    import numpy as np
    import torch

    from mixer_gui.model.checkpoint import load_checkpoint
    from mixer_gui.records import ModelRef

    checkpoint = load_checkpoint(ModelRef(Path(pulled.stdout.strip())))
    logits, _ = checkpoint.model(torch.from_numpy(reference_logits.images))
    np.testing.assert_allclose(logits.numpy(), reference_logits.logits, atol=1e-4)


def test_what_is_no_mixer_is_not_fetched(cli: Cli, proxy: FaultyProxy, hub_server: HubServer, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    save_file({"cls_token": np.zeros((1, 500_000, 8), np.float32)}, folder / "model.safetensors")
    hub_server.add("test-owner/large-vit", folder)
    run = cli("models", "pull", "test-owner/large-vit")
    assert run.returncode == 1
    assert "transformer" in run.stderr
    assert proxy.sent_bytes("*/model.safetensors") < 1_000_000
    assert not list(cli.home.glob("hub/models--*"))


def test_nothing_is_asked_but_the_repository(cli: Cli, proxy: FaultyProxy, tiny_repository: Repository) -> None:
    """No telemetry, not even the client's own."""
    assert cli("models", "pull", tiny_repository.name).returncode == 0
    assert all(tiny_repository.name in seen.path for seen in proxy.requests())
