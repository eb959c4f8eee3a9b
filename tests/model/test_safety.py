"""Checkpoints that mean harm are refused with a sentence by every way in, and nothing in them is run or followed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoints import random_mixer, spelled, tiny_config, write_tensors
from hostile import detonate, write_climbing_config, write_climbing_index, write_pickle
from PIL import Image

from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.description import describe, describe_remote, likely_assumptions, read_config
from mixer_gui.model.hub_config import parse_hub_config
from mixer_gui.records import MixerGuiError, ModelRef

SENTENCES = {
    ".pth": "“trap.pth” was refused: it holds more than tensors and could run code when it is read",
    ".npz": r"“trap.npz” holds Python objects \(extra\), which can run code when they are read; it was refused",
}
OUTSIDE = r"“config.json” was refused: its '\w+' names a file outside its own folder, .* never follows such names"
SHARD = r"“model.safetensors.index.json” names the file .*, which is no safetensors file in its own folder; it was refu"
# Where a config.json might name weights, and names that leave its folder.
PLACES = (
    "pretrained_cfg.file",
    "pretrained_cfg.hf_hub_filename",
    "pretrained_cfg.url",
    "model_args.checkpoint_path",
    "top.file",
    "top.hf_hub_filename",
    "top.anything",
)
CLIMBING = (
    "../../../x.pth",
    "weights/../../x.safetensors",
    "/etc/x.bin",
    "..\\x.PTH",
    "C:\\x.npz",
    "\\\\server\\share\\x.pt",
    "~/x.pth",
    "file:///etc/x.pth",
)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """The file that a payload would create."""
    return tmp_path / "harmed"


def refused(path: Path, sentence: str, *attempts: Callable[[Path], object]) -> None:
    for attempt in (*attempts, lambda path: describe(ModelRef(path)), lambda path: load_checkpoint(ModelRef(path))):
        with pytest.raises(MixerGuiError, match=sentence):
            attempt(path)


def refused_on_the_command_line(path: Path, sentence: str, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "grey.png")
    run = subprocess.run(
        [sys.executable, "-m", "mixer_gui", "classify", str(tmp_path / "grey.png"), "--model", str(path)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert re.match(f"mixer-gui: {sentence}", run.stderr), run.stderr


@pytest.mark.parametrize("suffix", [".pth", ".npz"])
def test_a_pickle_that_would_create_a_file_creates_none(tmp_path: Path, marker: Path, suffix: str) -> None:
    path = write_pickle(tmp_path / f"trap{suffix}", marker)
    detonate(path)
    assert marker.exists(), "the payload is a dud: this test could not fail"
    marker.unlink()
    refused(path, SENTENCES[suffix], likely_assumptions, lambda path: read_config(ModelRef(path)))
    refused_on_the_command_line(path, SENTENCES[suffix], tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", [".pth", ".npz"])
def test_a_pickle_in_a_hub_folder_is_refused_too(tmp_path: Path, marker: Path, suffix: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "config.json").write_text("{}", encoding="utf-8")
    refused(write_pickle(folder / f"trap{suffix}", marker).parent, SENTENCES[suffix])
    assert not marker.exists()


def test_a_config_that_names_weights_outside_its_folder_is_refused(tmp_path: Path, marker: Path) -> None:
    folder = write_climbing_config(tmp_path / "a" / "b" / "c", "../../../x.pth", "pretrained_cfg.file")
    write_pickle(tmp_path / "x.pth", marker)  # there is something to follow the name to
    refused(folder, OUTSIDE, lambda path: read_config(ModelRef(path)))
    refused_on_the_command_line(folder, OUTSIDE, tmp_path)
    assert not marker.exists()


def test_such_a_config_is_refused_where_its_folder_has_no_weights_or_is_on_the_hub(tmp_path: Path) -> None:
    folder = write_climbing_config(tmp_path / "folder", str(tmp_path / "x.safetensors"), "top.hf_hub_filename")
    tensors = spelled(random_mixer(tiny_config()), "timm")
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    (folder / "model.safetensors").rename(tmp_path / "x.safetensors")
    refused(folder, OUTSIDE)
    with pytest.raises(MixerGuiError, match=OUTSIDE):
        describe_remote("someone/something", "0" * 40, shapes, (folder / "config.json").read_bytes())


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("name", CLIMBING)
def test_every_name_that_leaves_the_folder_is_refused_wherever_it_stands(name: str, where: str) -> None:
    part, _, key = where.partition(".")
    content = {key: name} if part == "top" else {part: {key: name}}
    with pytest.raises(MixerGuiError, match=OUTSIDE):
        parse_hub_config(json.dumps(content).encode())


@pytest.mark.parametrize(
    "content",
    [
        {"pretrained_cfg": {"file": "model.safetensors", "hf_hub_filename": "sub/pytorch_model.bin"}},
        {"pretrained_cfg": {"url": "https://storage.googleapis.com/mixer_models/imagenet1k/Mixer-B_16.npz"}},
        {"pretrained_cfg": {"hf_hub_id": "timm/mixer_b16_224.goog_in21k", "file": None, "url": ""}},
        {"architecture": "../mixer", "license": "see /LICENSE"},
    ],
)
def test_names_inside_the_folder_and_where_weights_came_from_are_no_reason(content: dict[str, object]) -> None:
    assert parse_hub_config(json.dumps(content).encode()).temperature == 1.0


@pytest.mark.parametrize("shard", ["../secret.safetensors", "sub/../../secret.safetensors", "{folder}/x.safetensors"])
def test_an_index_whose_shards_leave_the_folder_is_refused(tmp_path: Path, shard: str) -> None:
    folder = write_climbing_index(tmp_path / "folder", shard.format(folder=tmp_path))
    write_tensors(spelled(random_mixer(tiny_config()), "timm"), tmp_path / "secret.safetensors")
    refused(folder, SHARD)


def test_such_an_index_is_refused_on_the_command_line(tmp_path: Path) -> None:
    folder = write_climbing_index(tmp_path / "folder", "../secret.safetensors")
    write_tensors(spelled(random_mixer(tiny_config()), "timm"), tmp_path / "secret.safetensors")
    refused_on_the_command_line(folder, SHARD, tmp_path)
