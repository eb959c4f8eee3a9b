"""What every test gets: its own home, no display, no CUDA where there is none. Imports neither torch nor Qt."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["hub_fixtures"]

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before anything imports Qt
# Before anything imports huggingface_hub: no login, and nobody listens there; a test that needs a Hub names one.
for variable in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
    del os.environ[variable]
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"

# A shell starts what it puts into the background with Ctrl-C ignored, and a test's own children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

HOMES = {
    "HOME": "home",
    "USERPROFILE": "home",
    "APPDATA": "config",
    "LOCALAPPDATA": "data",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_CACHE_HOME": "cache",
    "XDG_STATE_HOME": "state",
    "XDG_RUNTIME_DIR": "runtime",
    "HF_HOME": "huggingface",
}
# huggingface_hub reads its variables when it is imported and never again; these are what it makes of them.
HUB_PATHS = {
    "HF_HOME": "",
    "HF_HUB_CACHE": "hub",
    "HF_XET_CACHE": "xet",
    "HF_TOKEN_PATH": "token",
    "HF_STORED_TOKENS_PATH": "stored_tokens",
}


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, caches and downloads of a test lie in a folder of its own; returns that folder."""
    root = tmp_path_factory.mktemp("own-home")
    for variable, name in HOMES.items():
        folder = root / name
        folder.mkdir(mode=0o700, exist_ok=True)
        monkeypatch.setenv(variable, str(folder))
    if constants := sys.modules.get("huggingface_hub.constants"):
        for name, part in HUB_PATHS.items():
            monkeypatch.setattr(constants, name, str(root / "huggingface" / part))
    return root


@pytest.fixture
def tiny_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """`tiny_checkpoint(dialect="timm", name="tiny", **changes)` writes a random 16-patch Mixer as a Hub folder.

    `changes` are values of `config.json` (`pretrained_cfg={…}` replaces those of the same names there).
    """
    # Here, so that collecting tests which need no torch does not wait for it.
    from checkpoints import random_mixer, tiny_config, write_hub_folder

    def write(dialect: str = "timm", name: str = "tiny", **changes: object) -> Path:
        return write_hub_folder(random_mixer(tiny_config()), tmp_path / name, dialect, **changes)

    return write


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") is None:
        return
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, and there is none here")
