"""From a folder or a bare file to a model and its description; which facts come from where."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoints import random_mixer, spelled, tiny_config, write_hub_folder, write_tensors

from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.description import describe, likely_assumptions, read_config
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import (
    Assumptions,
    Cancelled,
    CropMode,
    Gelu,
    Interpolation,
    MixerGuiError,
    ModelRef,
    PatchGrid,
    Preprocessing,
)
from mixer_gui.resources import default_model

HALVES = (0.5, 0.5, 0.5)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def model() -> MlpMixer:
    return random_mixer(tiny_config())


def test_the_embedded_model_loads_as_a_downloaded_one_would() -> None:
    checkpoint = load_checkpoint(default_model())
    info = checkpoint.info
    assert info == describe(default_model())
    assert (info.name, info.revision) == ("mixer_mini8_64.tiny_in200", None)
    assert info.parameters == 2_548_744 == sum(parameter.numel() for parameter in checkpoint.model.parameters())
    assert (info.layers, info.channels, info.patch_size, info.classes) == (8, 192, 8, 200)
    assert info.grid == PatchGrid(8, 8)
    assert (info.gelu, info.layer_norm_eps, info.temperature) == (Gelu.EXACT, 1e-6, 1.0)
    assert info.preprocessing == Preprocessing((64, 64), *IMAGENET, Interpolation.BICUBIC, 1.0, CropMode.CENTER)
    assert not info.assumed
    assert len(info.names.wnids) == len(info.names.labels) == 200
    assert info.names.wnid(0) == "n01443537"
    assert info.names.label(0) == "goldfish, Carassius auratus"


def test_a_loaded_model_is_ready_to_run(tiny_checkpoint: Callable[..., Path]) -> None:
    model = load_checkpoint(ModelRef(tiny_checkpoint())).model
    assert not any(module.training for module in model.modules())
    for parameter in model.parameters():
        assert (parameter.dtype, parameter.device.type, parameter.requires_grad) == (torch.float32, "cpu", False)
        assert parameter.is_contiguous()
    logits, _ = model(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 5)


@pytest.mark.gpu
def test_a_model_loads_onto_the_gpu(tiny_checkpoint: Callable[..., Path]) -> None:
    path = tiny_checkpoint()
    on_gpu = load_checkpoint(ModelRef(path), device="cuda").model
    images = torch.randn(2, 3, 32, 32)
    expected = load_checkpoint(ModelRef(path)).model(images)[0]
    torch.testing.assert_close(on_gpu(images.cuda())[0].cpu(), expected, rtol=1e-4, atol=1e-4)


def test_loading_in_a_thread_leaves_no_trace_of_the_meta_device(tiny_checkpoint: Callable[..., Path]) -> None:
    loaded = []
    thread = threading.Thread(target=lambda: loaded.append(load_checkpoint(ModelRef(tiny_checkpoint()))))
    thread.start()
    thread.join()
    assert loaded[0].model.head.weight.device.type == "cpu"
    assert torch.zeros(1).device.type == "cpu"


def test_loading_can_be_cancelled_between_tensors(tiny_checkpoint: Callable[..., Path]) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) == 4

    with pytest.raises(Cancelled):
        load_checkpoint(ModelRef(tiny_checkpoint()), cancelled=cancelled)
    assert len(asked) == 4


def test_grids_need_not_be_square(tmp_path: Path) -> None:
    wide = random_mixer(tiny_config(image_size=(16, 64)))
    folder = write_hub_folder(wide, tmp_path / "wide")
    assert describe(ModelRef(folder)).grid == PatchGrid(2, 8)
    assert read_config(ModelRef(folder)) == wide.config
    images = torch.randn(1, 3, 16, 64)
    assert torch.equal(load_checkpoint(ModelRef(folder)).model(images)[0], wide(images)[0])


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ([3, 64, 64], "64×64 pixels, which are 64 patches of 8×8, but its weights mix 16 patches"),
        ([3, 32, 36], "32×36 pixels, which cannot be cut into patches of 8×8, but its weights mix 16 patches"),
    ],
)
def test_a_size_that_contradicts_the_weights_is_an_error_with_both(
    tiny_checkpoint: Callable[..., Path], size: list[int], sentence: str
) -> None:
    with pytest.raises(MixerGuiError, match=sentence):
        describe(ModelRef(tiny_checkpoint(pretrained_cfg={"input_size": size})))


def test_a_bare_file_has_to_have_a_square_grid(model: MlpMixer, tmp_path: Path) -> None:
    square = write_tensors(spelled(model, "timm"), tmp_path / "square.safetensors")
    assert describe(ModelRef(square)).preprocessing.input_size == (32, 32)
    wide = random_mixer(tiny_config(image_size=(16, 48)))
    path = write_tensors(spelled(wide, "timm"), tmp_path / "wide.safetensors")
    with pytest.raises(MixerGuiError, match=r"12 patches, which is no square grid.*config\.json.*input_size"):
        describe(ModelRef(path))


def test_what_config_json_says_is_what_is_used(tiny_checkpoint: Callable[..., Path]) -> None:
    folder = tiny_checkpoint(
        pretrained_cfg={
            "mean": [0, 0, 0],
            "std": [1, 1, 1],
            "interpolation": "bilinear",
            "crop_pct": 0.9,
            "crop_mode": "border",
        },
        gelu="tanh",
        temperature=1.5,
    )
    info = load_checkpoint(ModelRef(folder)).info
    assert info.preprocessing == Preprocessing(
        (32, 32), (0, 0, 0), (1, 1, 1), Interpolation.BILINEAR, 0.9, CropMode.BORDER
    )
    assert (info.gelu, info.temperature, info.assumed) == (Gelu.TANH, 1.5, False)


def test_a_silent_config_gets_timms_defaults_and_says_assumed(model: MlpMixer, tmp_path: Path) -> None:
    folder = write_hub_folder(model, tmp_path / "silent")
    (folder / "config.json").write_text('{"architecture": "mixer_tiny"}', encoding="utf-8")
    info = describe(ModelRef(folder))
    assert info.preprocessing == Preprocessing((32, 32), *IMAGENET, Interpolation.BICUBIC, 0.875, CropMode.CENTER)
    assert info.assumed


def test_what_the_user_gives_wins_and_counts_as_assumed(tiny_checkpoint: Callable[..., Path]) -> None:
    given = Assumptions(mean=(0.1, 0.2, 0.3), crop_pct=1.0, gelu=Gelu.TANH)
    info = describe(ModelRef(tiny_checkpoint(gelu="exact"), assumptions=given))
    assert (info.preprocessing.mean, info.preprocessing.std) == ((0.1, 0.2, 0.3), HALVES)
    assert (info.preprocessing.crop_pct, info.gelu, info.assumed) == (1.0, Gelu.TANH, True)
    assert not describe(ModelRef(tiny_checkpoint(), assumptions=Assumptions())).assumed


@pytest.mark.parametrize(
    "given",
    [
        Assumptions(std=(0.0, 1.0, 1.0)),
        Assumptions(std=(float("nan"), 1.0, 1.0)),
        Assumptions(mean=(float("inf"), 0.0, 0.0)),
        Assumptions(crop_pct=0.0),
        Assumptions(crop_pct=3.0),
    ],
)
def test_impossible_assumptions_are_refused(tiny_checkpoint: Callable[..., Path], given: Assumptions) -> None:
    with pytest.raises(MixerGuiError):
        describe(ModelRef(tiny_checkpoint(), assumptions=given))


@pytest.mark.parametrize(
    ("dialect", "classes", "mean", "interpolation", "gelu"),
    [
        ("google", 5, HALVES, Interpolation.BICUBIC, Gelu.TANH),
        ("timm", 1000, HALVES, Interpolation.BICUBIC, Gelu.EXACT),
        ("timm", 21843, HALVES, Interpolation.BICUBIC, Gelu.EXACT),
        ("timm", 11221, (0.0, 0.0, 0.0), Interpolation.BILINEAR, Gelu.EXACT),
        ("tutorial", 5, IMAGENET[0], Interpolation.BILINEAR, Gelu.EXACT),
    ],
)
def test_a_bare_file_comes_with_the_likely_choice(
    tmp_path: Path,
    dialect: str,
    classes: int,
    mean: tuple[float, float, float],
    interpolation: Interpolation,
    gelu: Gelu,
) -> None:
    suffix = ".npz" if dialect == "google" else ".pth"
    model = random_mixer(tiny_config(num_classes=classes))
    path = write_tensors(spelled(model, dialect), tmp_path / f"bare{suffix}")
    likely = likely_assumptions(path)
    assert None not in (likely.mean, likely.std, likely.crop_pct, likely.interpolation, likely.gelu)
    assert (likely.mean, likely.interpolation, likely.gelu) == (mean, interpolation, gelu)
    # Asking nobody is the same as accepting the likely choice.
    assert describe(ModelRef(path)) == describe(ModelRef(path, assumptions=likely))


def test_a_bare_file_is_called_by_its_name_and_knows_no_classes(model: MlpMixer, tmp_path: Path) -> None:
    info = describe(ModelRef(write_tensors(spelled(model, "timm"), tmp_path / "my-mixer.safetensors")))
    assert info.name == "my-mixer.safetensors"
    assert info.names.label(3) == "class 3"
    assert info.names.wnid(3) is None


def test_a_folder_of_the_hubs_cache_is_called_by_its_repository(model: MlpMixer, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "models--timm--mixer_b16_224.miil_in21k_ft_in1k"
    folder = write_hub_folder(model, cache / "snapshots" / commit)
    blob = cache / "blobs" / "c0ffee"
    blob.parent.mkdir()
    (folder / "model.safetensors").rename(blob)
    (folder / "model.safetensors").symlink_to(blob)  # as the cache lays it out
    info = describe(ModelRef(folder))
    assert (info.name, info.revision) == ("timm/mixer_b16_224.miil_in21k_ft_in1k", commit)
    assert describe(ModelRef(folder, revision="main")).revision == "main"


def test_a_folder_is_called_by_its_architecture_and_tag_or_else_its_own_name(
    tiny_checkpoint: Callable[..., Path],
) -> None:
    assert describe(ModelRef(tiny_checkpoint())).name == "mixer_tiny"
    assert describe(ModelRef(tiny_checkpoint(pretrained_cfg={"tag": "v2"}))).name == "mixer_tiny.v2"
    assert describe(ModelRef(tiny_checkpoint(name="mine", architecture=None))).name == "mine"


def test_class_names_that_do_not_fit_the_head_are_left_out(tiny_checkpoint: Callable[..., Path]) -> None:
    assert describe(ModelRef(tiny_checkpoint(label_names=list("abcde")))).names.labels == tuple("abcde")
    assert describe(ModelRef(tiny_checkpoint(label_names=list("abcdef")))).names.labels == ()


def test_what_is_missing_is_named(tiny_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = tiny_checkpoint()
    with pytest.raises(MixerGuiError, match="no file or folder “gone”"):
        load_checkpoint(ModelRef(tmp_path / "gone"))
    (folder / "model.safetensors").rename(tmp_path / "model.safetensors")
    with pytest.raises(MixerGuiError, match=r"model\.safetensors is missing"):
        load_checkpoint(ModelRef(folder))
    (folder / "config.json").unlink()
    with pytest.raises(MixerGuiError, match=r"no config\.json"):
        load_checkpoint(ModelRef(folder))


def test_a_folder_with_one_oddly_named_file_uses_it_and_with_two_asks(tiny_checkpoint: Callable[..., Path]) -> None:
    folder = tiny_checkpoint()
    (folder / "model.safetensors").rename(folder / "epoch-9.safetensors")
    assert describe(ModelRef(folder)).layers == 3
    shutil.copy(folder / "epoch-9.safetensors", folder / "epoch-8.safetensors")
    with pytest.raises(MixerGuiError, match=r"epoch-8\.safetensors, epoch-9\.safetensors"):
        describe(ModelRef(folder))


def test_another_architecture_is_told_whatever_config_json_calls_it(tmp_path: Path) -> None:
    folder = tmp_path / "vit"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architecture": "mixer_b16_224"}), encoding="utf-8")
    write_tensors({"cls_token": torch.zeros(1, 1, 8), "pos_embed": torch.zeros(1, 5, 8)}, folder / "model.safetensors")
    with pytest.raises(MixerGuiError, match=r"is not an MLP-Mixer.*cls_token.*a transformer"):
        load_checkpoint(ModelRef(folder))
