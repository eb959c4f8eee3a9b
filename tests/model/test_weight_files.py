"""Files that are broken, absurd or hostile: a sentence each, nothing run and nothing allocated."""

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import random_mixer, spelled, tiny_config, write_hub_folder, write_tensors
from safetensors.torch import save_file

from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.description import describe
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.model.weight_files import open_weights, read_json
from mixer_gui.records import MixerGuiError, ModelRef


@pytest.fixture(scope="module")
def model() -> MlpMixer:
    return random_mixer(tiny_config())


class Trap:
    """A pickle that creates a file when it is read without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def refused(path: Path, sentence: str) -> None:
    for attempt in (describe, load_checkpoint):
        with pytest.raises(MixerGuiError, match=sentence):
            attempt(ModelRef(path))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, legacy: bool) -> None:
    proof = tmp_path / "it-ran"
    path = tmp_path / "trap.pth"
    torch.save({"stem.proj.weight": Trap(proof)}, path, _use_new_zipfile_serialization=not legacy)
    refused(path, "could run code")
    assert not proof.exists()


def test_a_plain_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    proof = tmp_path / "it-ran"
    path = tmp_path / "trap.bin"
    path.write_bytes(pickle.dumps({"stem.proj.weight": Trap(proof)}))
    refused(path, "refused|not a readable")
    assert not proof.exists()


def test_an_archive_of_objects_is_refused_and_not_run(tmp_path: Path) -> None:
    proof = tmp_path / "it-ran"
    path = tmp_path / "trap.npz"
    np.savez(path, **{"stem/kernel": np.array([Trap(proof)], dtype=object)})
    refused(path, "Python objects")
    assert not proof.exists()


@pytest.mark.parametrize("keep", [0.0, 0.00005, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth"])
def test_a_file_cut_short_is_incomplete(model: MlpMixer, tmp_path: Path, suffix: str, keep: float) -> None:
    dialect = "google" if suffix == ".npz" else "timm"
    path = write_tensors(spelled(model, dialect), tmp_path / f"cut{suffix}")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    refused(path, "incomplete|empty|not a readable")


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth", ".pt", ".bin"])
def test_noise_is_not_readable(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    refused(path, "noise")


def test_a_flipped_bit_in_an_archive_is_noticed(model: MlpMixer, tmp_path: Path) -> None:
    path = write_tensors(spelled(model, "google"), tmp_path / "flipped.npz")
    content = bytearray(path.read_bytes())
    content[content.index(b"NUMPY") + 300] ^= 1
    path.write_bytes(content)
    with pytest.raises(MixerGuiError, match="not a readable npz"):
        load_checkpoint(ModelRef(path))


def safetensors_with(header: object, path: Path) -> Path:
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + b"\0" * 64)
    return path


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}},
        {"a": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 64]}},
        {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 64]}},
        [1, 2, 3],
    ],
)
def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path, header: object) -> None:
    refused(safetensors_with(header, tmp_path / "liar.safetensors"), "incomplete|not a readable")


def test_an_archive_that_claims_a_trillion_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "liar.npz"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }\n"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("stem/kernel.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    refused(path, "not a readable npz")


def test_a_view_that_repeats_one_number_a_trillion_times_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "liar.pth"
    torch.save({"stem.proj.weight": torch.zeros(1).expand(10**6, 10**6)}, path)
    refused(path, "claims 1,000,000,000,000 numbers")


def test_integer_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ints.safetensors"
    save_file({"stem.proj.weight": torch.zeros(4, 3, 8, 8, dtype=torch.int8)}, path)
    refused(path, "not plain floats")
    torch.save({"stem.proj.weight": torch.zeros(4, 3, 8, 8).to_sparse()}, tmp_path / "sparse.pth")
    refused(tmp_path / "sparse.pth", "not plain floats")


def test_what_is_not_a_dictionary_of_tensors_is_named(tmp_path: Path) -> None:
    for number, content in enumerate(([1, 2], {"epoch": 3}, {1: torch.zeros(2)})):
        torch.save(content, tmp_path / f"{number}.pth")
        refused(tmp_path / f"{number}.pth", "state dict")


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
def test_training_checkpoints_are_unwrapped(model: MlpMixer, tmp_path: Path, wrapper: str) -> None:
    path = tmp_path / "training.pth"
    torch.save({wrapper: {f"module.{key}": value for key, value in spelled(model, "timm").items()}, "epoch": 3}, path)
    loaded = load_checkpoint(ModelRef(path)).model.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("legacy", [False, True])
def test_old_and_new_pytorch_files_are_read(model: MlpMixer, tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "weights.pt"
    torch.save(spelled(model, "timm"), path, _use_new_zipfile_serialization=not legacy)
    assert load_checkpoint(ModelRef(path)).info.parameters == describe(ModelRef(path)).parameters


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_every_float_becomes_single_precision(model: MlpMixer, tmp_path: Path, dtype: torch.dtype, suffix: str) -> None:
    tensors = {key: value.to(dtype) for key, value in spelled(model, "timm").items()}
    loaded = load_checkpoint(ModelRef(write_tensors(tensors, tmp_path / f"half{suffix}"))).model
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, tensors[key].float()), key


def test_archives_of_other_floats_are_read(model: MlpMixer, tmp_path: Path) -> None:
    tensors = {key: value.bfloat16() for key, value in spelled(model, "google").items()}
    path = tmp_path / "raw.npz"
    # As jax saves bfloat16 (two raw bytes), and one tensor in big-endian double precision.
    raw = {key: value.view(torch.int16).numpy().view("V2") for key, value in tensors.items()}
    raw["head/bias"] = tensors["head/bias"].double().numpy().astype(">f8")
    np.savez_compressed(path, **raw)
    loaded = load_checkpoint(ModelRef(path)).model
    assert torch.equal(loaded.head.bias, tensors["head/bias"].float())
    assert torch.equal(loaded.head.weight, tensors["head/kernel"].float().T)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth"])
def test_weights_that_are_not_numbers_are_damage(model: MlpMixer, tmp_path: Path, suffix: str, value: float) -> None:
    tensors = spelled(model, "google" if suffix == ".npz" else "timm")
    key = next(key for key in tensors if key.endswith(("norm2.weight", "LayerNorm_1/scale")))
    tensors[key] = tensors[key].clone()
    tensors[key][3] = value
    with pytest.raises(MixerGuiError, match=key):
        load_checkpoint(ModelRef(write_tensors(tensors, tmp_path / f"nan{suffix}")))


def test_a_pointer_of_git_lfs_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", encoding="utf-8")
    refused(path, "Git LFS")


def test_an_unknown_suffix_is_answered_with_those_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"onnx")
    refused(path, r"\.safetensors, \.npz")


def sharded(model: MlpMixer, folder: Path) -> Path:
    """A Hub folder with its weights in two shards."""
    write_hub_folder(model, folder)
    (folder / "model.safetensors").unlink()
    tensors = spelled(model, "timm")
    places = {key: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, key in enumerate(tensors)}
    for shard in set(places.values()):
        save_file({key: tensors[key] for key in tensors if places[key] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    return folder


def test_shards_are_put_together(model: MlpMixer, tmp_path: Path) -> None:
    loaded = load_checkpoint(ModelRef(sharded(model, tmp_path / "sharded"))).model
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in model.state_dict().items())


def test_a_missing_shard_is_named(model: MlpMixer, tmp_path: Path) -> None:
    folder = sharded(model, tmp_path / "sharded")
    (folder / "model-00002-of-00002.safetensors").unlink()
    refused(folder, "model-00002-of-00002.safetensors.*is missing")


@pytest.mark.parametrize(
    "shard",
    ["../secret.safetensors", "/etc/secret.safetensors", "..\\secret.safetensors", "C:x.safetensors", "trap.bin"],
)
def test_a_shard_outside_the_folder_is_refused(model: MlpMixer, tmp_path: Path, shard: str) -> None:
    folder = write_hub_folder(model, tmp_path / "folder")
    (folder / "model.safetensors").rename(tmp_path / "secret.safetensors")
    index = {"weight_map": dict.fromkeys(spelled(model, "timm"), shard)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    refused(folder, "refused")


def test_an_index_that_points_to_the_wrong_shard_is_refused(model: MlpMixer, tmp_path: Path) -> None:
    folder = sharded(model, tmp_path / "sharded")
    index = folder / "model.safetensors.index.json"
    places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    places["head.bias"] = next(shard for shard in places.values() if shard != places["head.bias"])
    index.write_text(json.dumps({"weight_map": places}), encoding="utf-8")
    refused(folder, "holds head.bias, but it does not")
    index.write_text(json.dumps({"weight_map": [1]}), encoding="utf-8")
    refused(folder, "weight_map")


def test_json_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    path.write_text("[" + "1," * 1000 + "1]", encoding="utf-8")
    with pytest.raises(MixerGuiError, match="larger than 1,000 bytes"):
        read_json(path, 1000)


def test_a_file_is_closed_after_it_was_described(model: MlpMixer, tmp_path: Path) -> None:
    for suffix in (".safetensors", ".npz", ".pth"):
        path = write_tensors(spelled(model, "google" if suffix == ".npz" else "timm"), tmp_path / f"open{suffix}")
        with open_weights(path) as weights:
            assert weights.shapes
        loaded = load_checkpoint(ModelRef(path)).model
        before = loaded.head.weight.clone()
        path.write_bytes(b"\xff" * path.stat().st_size)  # the model must not live in the file
        assert torch.equal(loaded.head.weight, before)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of resident memory is read as Linux has it")
def test_a_file_is_read_without_a_second_copy_in_memory(tmp_path: Path) -> None:
    """A mapped file counts as memory from where it was touched to where it is closed."""
    path = tmp_path / "large.safetensors"
    save_file({f"blocks.{index}": torch.ones(2**22) for index in range(8)}, path)  # 16 MB each
    script = """
import sys, torch
from pathlib import Path
from mixer_gui.model.weight_files import open_weights

def peak():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])

before = peak()
with open_weights(Path(sys.argv[1])) as weights:
    kept = [weights.read(key).clone() for key in weights.shapes]
assert all(float(each.sum()) == 2**22 for each in kept)
print((peak() - before) / sum(each.nbytes for each in kept))
"""
    answer = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert 0.9 < float(answer.stdout) < 1.6  # twice, where all of the file stays mapped
