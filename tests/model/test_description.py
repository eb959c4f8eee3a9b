"""A checkpoint described without its tensors: on disk as it will load, and on the Hub as it will be on disk."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoints import random_mixer, spelled, tiny_config, write_hub_folder
from safetensors.torch import save_file

from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.config import MixerConfig, parameter_shapes
from mixer_gui.model.description import describe, describe_remote
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.model.variants import VARIANTS
from mixer_gui.records import MixerGuiError, ModelRef

NAME = "timm/mixer_b16_224.miil_in21k"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
Shapes = dict[str, tuple[int, ...]]


@pytest.fixture(scope="module")
def model() -> MlpMixer:
    return random_mixer(tiny_config())


def shapes_of(model: MlpMixer) -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}


@pytest.mark.parametrize("config", [*VARIANTS.values(), tiny_config(image_size=(16, 64))])
def test_counted_shapes_are_the_networks(config: MixerConfig) -> None:
    with torch.device("meta"):
        assert list(parameter_shapes(config).items()) == list(shapes_of(MlpMixer(config)).items())


@pytest.mark.parametrize("dialect", ["timm", "google", "tutorial"])
def test_a_description_is_what_loading_finds(model: MlpMixer, tmp_path: Path, dialect: str) -> None:
    folder = write_hub_folder(model, tmp_path / dialect, dialect)
    assert describe(ModelRef(folder)) == load_checkpoint(ModelRef(folder)).info


def test_shards_are_described_together(model: MlpMixer, tmp_path: Path) -> None:
    folder = write_hub_folder(model, tmp_path / "sharded")
    whole = describe(ModelRef(folder))
    (folder / "model.safetensors").unlink()
    tensors = spelled(model, "timm")
    places = {key: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, key in enumerate(tensors)}
    for shard in set(places.values()):
        save_file({key: tensors[key] for key in tensors if places[key] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    assert describe(ModelRef(folder)) == whole


def test_a_repository_is_described_as_its_download_will_be(model: MlpMixer, tmp_path: Path) -> None:
    cache = tmp_path / "models--timm--mixer_b16_224.miil_in21k" / "snapshots" / COMMIT
    folder = write_hub_folder(model, cache, label_names=list("abcde"), temperature=1.5)
    remote = describe_remote(NAME, COMMIT, shapes_of(model), (folder / "config.json").read_bytes())
    assert (remote.name, remote.revision, remote.path) == (NAME, COMMIT, Path())
    assert replace(remote, path=folder) == describe(ModelRef(folder))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (b"", "not valid JSON"),
        (b"\xff", "not text in UTF-8"),
        (b"[]", "not an object"),
        (b" " * (2**24 + 1), "larger than"),
        (b'{"temperature": "warm"}', "temperature.*'warm'"),
        (b'{"input_size": [3, 64, 64]}', f"“{NAME}” contradicts itself.*64×64.*16 patches"),
    ],
)
def test_a_repository_whose_config_cannot_be_used_gets_a_sentence(
    model: MlpMixer, config: bytes, sentence: str
) -> None:
    with pytest.raises(MixerGuiError, match=sentence):
        describe_remote(NAME, COMMIT, shapes_of(model), config)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda shapes: {"cls_token": (1, 1, 8)}, "is not an MLP-Mixer.*cls_token.*a transformer"),
        (lambda shapes: {}, "is not an MLP-Mixer"),
        (lambda shapes: shapes | {"head.bias": (2**40,)}, "claims .* numbers, more than any Mixer has"),
        (lambda shapes: shapes | {"norm.weight": (-12,)}, "norm.weight is -12 where 12 fits"),
        (lambda shapes: shapes | {"stem.proj.weight": ()}, "stem.proj.weight is a single number"),
    ],
)
def test_a_repository_without_a_mixer_is_told(
    model: MlpMixer, change: Callable[[Shapes], Shapes], sentence: str
) -> None:
    with pytest.raises(MixerGuiError, match=sentence) as raised:
        describe_remote(NAME, COMMIT, change(shapes_of(model)), b"{}")
    assert NAME in str(raised.value)
