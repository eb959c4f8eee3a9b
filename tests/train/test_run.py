"""Whole trainings on crops of photographs: they learn, go on after a kill as if nothing had been, refuse mix-ups."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from photograph_crops import PHOTOGRAPHS, write_crops, zipped
from PIL import Image

from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.records import MixerGuiError, ModelRef
from mixer_gui.train.measure import Epoch
from mixer_gui.train.reading import read
from mixer_gui.train.recipe import MINI, Recipe
from mixer_gui.train.run import Training
from mixer_gui.train.state import STATE_NAME

QUICK = ("--batch", "16", "--hold-out", "52", "--device", "cpu")
TINY = (
    *("--image-size", "32", "--layers", "2", "--channels", "32", "--token-width", "16", "--channel-width", "64"),
    *QUICK,
)
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "QT_QPA_PLATFORM": ""}
LIMIT_S = 120.0
CPU = torch.device("cpu")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "mixer_gui", "train", *map(str, arguments)]


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, encoding="utf-8", env=ENVIRONMENT, timeout=LIMIT_S)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_crops(tmp_path_factory.mktemp("crops"))


@pytest.fixture(scope="module")
def trained(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three epochs without a break, the first one coarse."""
    out = tmp_path_factory.mktemp("trained")
    done = train(crops, "--out", out, "--epochs", 3, "--coarse", 1, *TINY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    return out


def test_a_killed_training_goes_on_to_the_very_weights_of_one_that_was_not(crops: Path, tmp_path: Path) -> None:
    """Killed in its first epochs, which are fine: coarse ones would begin anew with optimisers and average."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert train(crops, "--out", whole, "--epochs", 5, "--coarse", 0, *TINY).returncode == 0
    arguments = (crops, "--out", out, "--epochs", 5, "--coarse", 0, *TINY)
    running = subprocess.Popen(
        command(*arguments), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + LIMIT_S
    while not (out / STATE_NAME).exists():
        assert running.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    running.kill()
    running.wait()
    assert len(torch.load(out / STATE_NAME, weights_only=True)["history"]) < 5, "killed too late to prove anything"
    done = train(*arguments)
    assert done.returncode == 0, done.stderr
    assert (whole / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()
    states = [torch.load(folder / STATE_NAME, weights_only=True) for folder in (whole, out)]
    for part in ("weights", "average"):
        for name, tensor in states[0][part].items():
            assert torch.equal(tensor, states[1][part][name]), f"{part} {name}"


@pytest.mark.parametrize("coarse", [0, 2])
def test_a_training_stopped_after_each_epoch_ends_in_the_same_weights(coarse: int, crops: Path, tmp_path: Path) -> None:
    network = replace(
        MINI, image_size=(32, 32), num_blocks=2, hidden_dim=32, tokens_mlp_dim=16, channels_mlp_dim=64, num_classes=4
    )
    recipe = Recipe(network=network, epochs=4, coarse=coarse, batch=16, held_out=20)
    pictures = read([crops], recipe.preprocessing, lambda done, total: None)
    with Training(pictures, recipe, tmp_path, CPU) as training:
        assert sum(isinstance(event, Epoch) for event in training.epochs()) == 4
        wanted = {name: weight.clone() for name, weight in training.average.state_dict().items()}
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    for number in range(1, 5):
        with Training(pictures, recipe, stopped, CPU) as training:
            assert len(training.history) == number - 1
            next(event for event in training.epochs() if isinstance(event, Epoch))
    for name, weight in training.average.state_dict().items():
        assert torch.equal(weight, wanted[name]), name


def test_a_training_learns_what_its_pictures_show(crops: Path, tmp_path: Path) -> None:
    done = train(crops, "--out", tmp_path, "--epochs", 25, *TINY, "--set", "augmentation.mixing=0")
    assert done.returncode == 0, done.stderr
    history = torch.load(tmp_path / STATE_NAME, weights_only=True)["history"]
    assert len(history) == 25
    assert history[-1]["training_loss"] < history[0]["training_loss"] - 0.2
    assert history[-1]["held_out"]["top1"] >= 0.6, "of four photographs, chance would tell 0.25"


def test_a_training_that_begins_with_a_model_is_at_once_as_good_and_goes_on(
    crops: Path, trained: Path, tmp_path: Path
) -> None:
    """With its own classes, to begin with; the rates are so small that what is measured is what was there."""
    arguments = (*QUICK, "--from", trained, "--set", "matrix_rate=0", "--set", "other_rate=0", "--set", "average=0")
    done = train(crops, "--out", tmp_path, "--epochs", 2, *arguments)
    assert done.returncode == 0, done.stderr
    before, after = (torch.load(folder / STATE_NAME, weights_only=True) for folder in (trained, tmp_path))
    first = before["history"][-1]["held_out"]
    assert [each["held_out"]["top1"] for each in after["history"]] == [first["top1"]] * 2
    assert after["history"][-1]["held_out"]["loss"] == pytest.approx(first["loss"], rel=1e-2)  # it was rounded to fp16
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["training"]["origin"] == load_checkpoint(ModelRef(trained)).info.name
    assert (
        f"began with the weights of {config['training']['origin']}".replace("_", "\\_")
        in (tmp_path / "README.md").read_text()
    )
    again = train(crops, "--out", tmp_path, "--epochs", 2, *QUICK, "--from", trained)
    assert again.returncode == 1
    assert "holds another training" in again.stderr


def test_other_classes_get_a_head_of_their_own_and_the_preprocessing_stays(
    crops: Path, tiny_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    """From a Hub folder with five other classes and pictures scaled to -1…1."""
    origin = tiny_checkpoint(pretrained_cfg={"mean": [0.5] * 3, "std": [0.5] * 3, "crop_pct": 0.9})
    done = train(crops, "--out", tmp_path / "out", "--epochs", 8, "--from", origin, *QUICK)
    assert done.returncode == 0, done.stderr
    info, before = (load_checkpoint(ModelRef(path)).info for path in (tmp_path / "out", origin))
    assert info.preprocessing == before.preprocessing
    assert (info.preprocessing.crop_pct, info.preprocessing.mean) == (0.9, (0.5, 0.5, 0.5))
    assert (info.layers, info.channels, info.classes) == (before.layers, before.channels, 4)
    assert set(info.names.labels) == set(PHOTOGRAPHS)
    history = torch.load(tmp_path / "out" / STATE_NAME, weights_only=True)["history"]
    assert history[-1]["training_loss"] < history[0]["training_loss"]


def test_another_seed_gives_other_weights(crops: Path, trained: Path, tmp_path: Path) -> None:
    done = train(crops, "--out", tmp_path, "--epochs", 3, "--coarse", 1, *TINY, "--seed", 1)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.safetensors").read_bytes() != (trained / "model.safetensors").read_bytes()


def test_a_zip_of_the_same_pictures_gives_the_same_weights(crops: Path, trained: Path, tmp_path: Path) -> None:
    done = train(zipped(crops, tmp_path / "crops.zip"), "--out", tmp_path, "--epochs", 3, "--coarse", 1, *TINY)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_a_folder_with_another_training_is_left_alone(crops: Path, trained: Path) -> None:
    before = (trained / STATE_NAME).read_bytes()
    done = train(crops, "--out", trained, "--epochs", 4, "--coarse", 1, *TINY)
    assert done.returncode == 1
    assert "holds another training: epochs is 3, not 4" in done.stderr
    assert (trained / STATE_NAME).read_bytes() == before


def test_a_finished_training_is_written_again_from_its_state(crops: Path, trained: Path) -> None:
    weights = (trained / "model.safetensors").read_bytes()
    (trained / "model.safetensors").unlink()
    done = train(crops, "--out", trained, "--epochs", 3, "--coarse", 1, *TINY)
    assert done.returncode == 0, done.stderr
    assert (trained / "model.safetensors").read_bytes() == weights


def test_the_trained_folder_classifies_with_its_names_and_temperature(trained: Path, crops: Path) -> None:
    picture = crops / PHOTOGRAPHS[0] / "0.jpg"
    done = subprocess.run(
        [sys.executable, "-m", "mixer_gui", "classify", str(picture), "--model", str(trained), "--jsonl", "-k", "4"],
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)["predictions"]
    assert {each["label"] for each in predictions} == set(PHOTOGRAPHS)
    temperature = json.loads((trained / "config.json").read_text())["temperature"]
    assert temperature != 1.0
    logits = torch.tensor([each["logit"] for each in predictions], dtype=torch.float64)
    wanted = torch.softmax(logits / temperature, -1)
    assert [each["probability"] for each in predictions] == pytest.approx(wanted.tolist(), abs=1e-5)


def test_a_reserved_picture_among_the_training_pictures_is_refused_or_left_out(crops: Path, tmp_path: Path) -> None:
    reserved = tmp_path / "reserved" / "any"
    reserved.mkdir(parents=True)
    (reserved / "copy.jpg").write_bytes((crops / PHOTOGRAPHS[1] / "3.jpg").read_bytes())
    arguments = (crops, "--out", tmp_path / "out", "--epochs", 1, *TINY, "--reserved", reserved.parent)
    done = train(*arguments)
    assert done.returncode == 1
    assert "1 picture has the very content of a reserved picture" in done.stderr
    assert "copy.jpg" in done.stderr
    assert not (tmp_path / "out" / "model.safetensors").exists()
    done = train(*arguments, "--leave-out-shared")
    assert done.returncode == 0, done.stderr
    assert "67 pictures of 4 classes to learn from, 16 at a time; 52 held out" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "matrix_rate=1e30"), "came apart"),
        (("--set", "matrix_rate"), "NAME=VALUE"),
        (("--set", "colour=1"), "has no value “colour”"),
        (("--coarse", "2"), "the last one may not"),
        (("--batch", "5000"), "fewer than one step takes"),
        (("--hold-out", "5000"), "of these 120 at most 116 can"),
        (("--variant", "S/17"), "no variant"),
        (("--from", "nowhere/at all.pth"), "brings a shape of its own"),
        (("--patch-size", "7"), "cannot be cut into patches"),
        (("--set", "augmentation.aspect=0"), "at least 1"),
        (("--out", "/dev/null/there"), "Nothing can be written"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence_with_exit_code_1(
    arguments: tuple[str, ...], said: str, crops: Path, tmp_path: Path
) -> None:
    done = train(crops, "--out", tmp_path, "--epochs", 2, *TINY, *arguments)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_files_of_others_are_not_overwritten(crops: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    done = train(crops, "--out", tmp_path, "--epochs", 1, *TINY)
    assert done.returncode == 1
    assert "holds README.md already" in done.stderr
    assert (tmp_path / "README.md").read_text() == "mine"


def test_patches_of_any_size_and_a_single_step_do(crops: Path, tmp_path: Path) -> None:
    """36 is no multiple of the variant's own patches; and one step in all has to teach something."""
    done = train(crops, "--out", tmp_path, "--epochs", 1, *TINY, "--image-size", 36, "--patch-size", 6, "--batch", 68)
    assert done.returncode == 0, done.stderr
    state = torch.load(tmp_path / STATE_NAME, weights_only=True)
    assert state["weights"]["blocks.0.mlp_tokens.fc1.weight"].shape == (16, 36)
    assert state["weights"]["head.weight"].any()


def test_where_nothing_is_said_no_more_is_held_out_than_can_be(tmp_path: Path) -> None:
    for number, colour in enumerate(("red", "green", "blue", "white") * 8):
        (tmp_path / "in" / str(number)).mkdir(parents=True)
        Image.new("RGB", (20 + number, 20), colour).save(tmp_path / "in" / str(number) / "0.png")
        Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / "in" / str(number) / "1.png")
    smaller = TINY[: TINY.index("--hold-out")] + TINY[TINY.index("--hold-out") + 2 :]
    done = train(tmp_path / "in", "--out", tmp_path / "out", "--epochs", 1, *smaller)
    assert done.returncode == 0, done.stderr
    held_out = int(done.stderr.partition(" held out")[0].split()[-1])
    assert 0 < held_out <= 13, "more than a fifth"


@pytest.mark.skipif(os.name != "posix", reason="limits as POSIX has them")
def test_a_state_that_finds_no_room_leaves_the_one_before(crops: Path, tmp_path: Path) -> None:
    assert train(crops, "--out", tmp_path / "one", "--epochs", 2, "--coarse", 1, *TINY).returncode == 0
    needed = (tmp_path / "one" / STATE_NAME).stat().st_size
    limited = ["bash", "-c", f'ulimit -f {needed // 2048}; exec "$@"', "bash"]
    arguments = command(crops, "--out", tmp_path / "two", "--epochs", 2, "--coarse", 1, *TINY)
    done = subprocess.run(
        [*limited, *arguments], capture_output=True, encoding="utf-8", env=ENVIRONMENT, timeout=LIMIT_S
    )
    assert done.returncode == 1
    assert "could not be saved" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "two" / f"{STATE_NAME}.partial").exists()
    again = train(crops, "--out", tmp_path / "two", "--epochs", 2, "--coarse", 1, *TINY)
    assert again.returncode == 0, again.stderr


def test_two_processes_do_not_train_into_one_folder(crops: Path, tmp_path: Path) -> None:
    with FileLock(tmp_path / f"{STATE_NAME}.lock"):
        done = train(crops, "--out", tmp_path, "--epochs", 1, *TINY)
    assert done.returncode == 1
    assert "Another process is training" in done.stderr


def test_a_damaged_state_is_named_and_kept(crops: Path, tmp_path: Path) -> None:
    (tmp_path / STATE_NAME).write_bytes(b"PK\x03\x04 and nothing more")
    done = train(crops, "--out", tmp_path, "--epochs", 1, *TINY)
    assert done.returncode == 1
    assert "is damaged" in done.stderr
    assert (tmp_path / STATE_NAME).exists()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_stops_with_130_and_says_how_to_go_on(crops: Path, tmp_path: Path) -> None:
    running = subprocess.Popen(
        command(crops, "--out", tmp_path, "--epochs", 500, *TINY),
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    deadline = time.monotonic() + LIMIT_S
    while not (tmp_path / STATE_NAME).exists():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=LIMIT_S)
    assert running.returncode == 130
    assert "The same command goes on" in said
    assert "Traceback" not in said


@pytest.mark.gpu
def test_a_training_on_cuda_learns_and_goes_on(crops: Path, tmp_path: Path) -> None:
    arguments = (crops, "--out", tmp_path, "--epochs", 25, "--coarse", 5, *TINY, "--device", "cuda")
    done = train(*arguments, "--set", "augmentation.mixing=0")
    assert done.returncode == 0, done.stderr
    state = torch.load(tmp_path / STATE_NAME, weights_only=True)
    assert state["history"][-1]["training_loss"] < state["history"][0]["training_loss"] - 0.2
    assert state["history"][-1]["held_out"]["top1"] >= 0.6
    again = train(*arguments, "--set", "augmentation.mixing=0")
    assert again.returncode == 0, again.stderr


def test_few_pictures_are_learnt_from_without_a_word_about_batches(crops: Path, tmp_path: Path) -> None:
    smaller = TINY[: TINY.index("--batch")]
    done = train(crops, "--out", tmp_path, "--epochs", 2, *smaller)
    assert done.returncode == 0, done.stderr
    assert "96 pictures of 4 classes to learn from, 8 at a time; 24 held out." in done.stderr
    assert "Done. Look at it: mixer-gui" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("README.md", "config.json", "model.safetensors", "training.csv", "training.pt", "training.svg"),
    ]


def test_nothing_held_out_means_nothing_measured(crops: Path, tmp_path: Path) -> None:
    done = train(crops, "--out", tmp_path, "--epochs", 1, *TINY, "--hold-out", 0)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "config.json").read_text()).get("temperature", 1.0) == 1.0
    assert "Nothing was measured" in (tmp_path / "README.md").read_text()


def test_what_comes_to_nothing_leaves_no_folder(crops: Path, tmp_path: Path) -> None:
    done = train(crops / PHOTOGRAPHS[0], "--out", tmp_path / "out", "--epochs", 1, *TINY)
    assert done.returncode == 1
    assert "one class is nothing to tell apart" in done.stderr
    assert not (tmp_path / "out").exists()
    done = train(crops, "--out", crops, "--epochs", 1, *TINY)
    assert done.returncode == 1
    assert "holds the pictures" in done.stderr


def test_a_training_without_a_model_yet_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / STATE_NAME).write_bytes(b"")
    with pytest.raises(MixerGuiError, match="holds a training that has no model yet"):
        load_checkpoint(ModelRef(tmp_path))
