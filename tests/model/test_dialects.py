"""The same weights in every spelling, and checkpoints of other kinds told by name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import random_mixer, spelled, tiny_config, write_hub_folder, write_tensors
from references import import_timm
from torch import Tensor, nn

from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.description import describe
from mixer_gui.model.dialects import fit
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import Assumptions, Gelu, MixerGuiError, ModelRef

DIALECTS = ("timm", "google", "tutorial")
FILES = {"timm": "tiny.safetensors", "google": "tiny.npz", "tutorial": "tiny.pth"}
Shapes = dict[str, tuple[int, ...]]


@pytest.fixture(scope="module")
def model() -> MlpMixer:
    return random_mixer(tiny_config())


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def shapes_of(model: MlpMixer, dialect: str = "timm") -> Shapes:
    return {key: tuple(tensor.shape) for key, tensor in spelled(model, dialect).items()}


def test_the_same_weights_give_the_same_logits_in_every_dialect(
    model: MlpMixer, images: Tensor, tmp_path: Path
) -> None:
    expected, _ = model(images)
    for dialect in (*DIALECTS, "plain"):
        weights_name = "pytorch_model.bin" if dialect == "plain" else ""
        folder = write_hub_folder(model, tmp_path / dialect, dialect, weights_name, gelu="exact", layer_norm_eps=1e-6)
        checkpoint = load_checkpoint(ModelRef(folder))
        assert torch.equal(checkpoint.model(images)[0], expected), dialect


@pytest.mark.parametrize(
    ("dialect", "gelu", "eps"),
    [("timm", Gelu.EXACT, 1e-6), ("google", Gelu.TANH, 1e-6), ("tutorial", Gelu.EXACT, 1e-5)],
)
def test_a_bare_file_gets_its_dialects_gelu_and_eps(
    model: MlpMixer, tmp_path: Path, dialect: str, gelu: Gelu, eps: float
) -> None:
    path = write_tensors(spelled(model, dialect), tmp_path / FILES[dialect])
    info = describe(ModelRef(path))
    assert (info.gelu, info.layer_norm_eps, info.assumed) == (gelu, eps, True)
    assert load_checkpoint(ModelRef(path)).info == info


@pytest.mark.parametrize("prefix", ["opt/target/", "params/", "target/"])
def test_a_prefix_of_all_keys_is_ignored(model: MlpMixer, images: Tensor, tmp_path: Path, prefix: str) -> None:
    tensors = {prefix + key: tensor for key, tensor in spelled(model, "google").items()}
    ref = ModelRef(write_tensors(tensors, tmp_path / "tiny.npz"), assumptions=Assumptions(gelu=Gelu.EXACT))
    assert torch.equal(load_checkpoint(ref).model(images)[0], model(images)[0])


def test_google_files_mean_what_their_own_formulas_compute(model: MlpMixer, images: Tensor, tmp_path: Path) -> None:
    path = write_tensors(spelled(model, "google"), tmp_path / "tiny.npz")
    with np.load(path) as file:
        expected = vit_jax_forward(dict(file), images.permute(0, 2, 3, 1).numpy())
    logits = load_checkpoint(ModelRef(path)).model(images)[0].numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_tutorial_files_mean_what_the_tutorials_modules_compute(images: Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tutorial = TutorialMixer().eval()
    path = write_tensors(tutorial.state_dict(), tmp_path / "tiny.pth")
    with torch.no_grad():
        torch.testing.assert_close(
            load_checkpoint(ModelRef(path)).model(images)[0], tutorial(images), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_key_must_be_there_and_be_used(model: MlpMixer, dialect: str) -> None:
    shapes = shapes_of(model, dialect)
    fit(shapes, "tiny")
    for key in shapes:
        with pytest.raises(MixerGuiError):
            fit({name: shape for name, shape in shapes.items() if name != key}, "tiny")
    with pytest.raises(MixerGuiError, match=r"extra\.weight is not a Mixer's"):
        fit(shapes | {"extra.weight": (3,)}, "tiny")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_shape_is_checked(model: MlpMixer, dialect: str) -> None:
    shapes = shapes_of(model, dialect)
    for key, shape in shapes.items():
        # One more along the last axis; a config made from the wrong tensor must clash with another one.
        with pytest.raises(MixerGuiError):
            fit(shapes | {key: (*shape[:-1], shape[-1] + 1)}, "tiny")
        with pytest.raises(MixerGuiError):
            fit(shapes | {key: ()}, "tiny")


def test_the_first_misfits_are_named_with_both_shapes(model: MlpMixer) -> None:
    shapes = shapes_of(model)
    shapes["blocks.1.norm1.bias"] = (13,)
    del shapes["blocks.2.norm2.bias"]
    with pytest.raises(MixerGuiError, match=r"blocks\.2\.norm2\.bias is missing; .*norm1\.bias is 13 where 12 fits"):
        fit(shapes, "tiny")


def test_a_gap_in_the_blocks_is_named(model: MlpMixer) -> None:
    shapes = {key.replace("blocks.2.", "blocks.7."): shape for key, shape in shapes_of(model).items()}
    with pytest.raises(MixerGuiError, match="of its blocks, number 2 is missing"):
        fit(shapes, "tiny")


def test_an_absurd_number_of_blocks_is_not_built(model: MlpMixer) -> None:
    shapes = shapes_of(model) | {f"blocks.{number}.norm1.weight": (12,) for number in range(2000)}
    with pytest.raises(MixerGuiError, match="more than 1024"):
        fit(shapes, "tiny")


def test_a_checkpoint_without_a_head_says_so(model: MlpMixer) -> None:
    shapes = {key: shape for key, shape in shapes_of(model).items() if not key.startswith("head.")}
    with pytest.raises(MixerGuiError, match="without a classification head"):
        fit(shapes, "tiny")


def test_a_norm_after_the_patch_embedding_is_refused(model: MlpMixer) -> None:
    shapes = shapes_of(model) | {"stem.norm.weight": (12,), "stem.norm.bias": (12,)}
    with pytest.raises(MixerGuiError, match=r"stem\.norm"):
        fit(shapes, "tiny")


def test_other_than_rgb_pictures_are_refused(model: MlpMixer) -> None:
    with pytest.raises(MixerGuiError, match="4 colour channels"):
        fit(shapes_of(model) | {"stem.proj.weight": (12, 4, 8, 8)}, "tiny")


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("gmlp_ti16_224", "a gMLP"),
        ("gmixer_12_224", "gated relative"),
        ("resmlp_12_224", "a ResMLP"),
        ("vit_tiny_patch16_224", "a transformer"),
        ("resnet18", "a convolutional network"),
        ("swin_tiny_patch4_window7_224", "a Swin Transformer"),
        ("convnext_atto", "not an MLP-Mixer"),
    ],
)
def test_models_of_timm_that_are_no_mixers_are_told_by_name(name: str, architecture: str) -> None:
    timm = import_timm()
    state = timm.create_model(name).state_dict()
    with pytest.raises(MixerGuiError, match="is not an MLP-Mixer") as raised:
        fit({key: tuple(tensor.shape) for key, tensor in state.items()}, name)
    assert architecture in str(raised.value)


def test_a_file_without_tensors_is_no_mixer() -> None:
    with pytest.raises(MixerGuiError, match="none at all"):
        fit({}, "empty")


def vit_jax_forward(params: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """google-research/vision_transformer, vit_jax/models_mixer.py, in NumPy; images (B, H, W, 3)."""

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        return x @ params[f"{name}/kernel"] + params[f"{name}/bias"]

    def layer_norm(name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
        return normed * params[f"{name}/scale"] + params[f"{name}/bias"]

    def mlp_block(name: str, x: np.ndarray) -> np.ndarray:
        hidden = dense(f"{name}/Dense_0", x)
        hidden = 0.5 * hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
        return dense(f"{name}/Dense_1", hidden)

    params = {key: value.astype(np.float64) for key, value in params.items()}
    kernel = params["stem/kernel"]
    p = kernel.shape[0]
    batch, height, width, _ = images.shape
    patches = images.reshape(batch, height // p, p, width // p, p, 3).transpose(0, 1, 3, 2, 4, 5)
    x = patches.reshape(batch, -1, p * p * 3) @ kernel.reshape(p * p * 3, -1) + params["stem/bias"]
    block = 0
    while f"MixerBlock_{block}/LayerNorm_0/scale" in params:
        y = layer_norm(f"MixerBlock_{block}/LayerNorm_0", x).swapaxes(1, 2)
        x = x + mlp_block(f"MixerBlock_{block}/token_mixing", y).swapaxes(1, 2)
        y = layer_norm(f"MixerBlock_{block}/LayerNorm_1", x)
        x = x + mlp_block(f"MixerBlock_{block}/channel_mixing", y)
        block += 1
    return dense("head", layer_norm("pre_head_layer_norm", x).mean(1))


class Transposed(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.mT


class FeedForward(nn.Module):
    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(features, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, features), nn.Dropout(0.1)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        return self.net(tokens)


class TutorialBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token_mix = nn.Sequential(nn.LayerNorm(12), Transposed(), FeedForward(16, 10), Transposed())
        self.channel_mix = nn.Sequential(nn.LayerNorm(12), FeedForward(12, 20))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.token_mix(tokens)
        return tokens + self.channel_mix(tokens)


class TutorialMixer(nn.Module):
    """The Mixer of the tutorials, whose Sequentials give the dialect its numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embedding = nn.Sequential(nn.Conv2d(3, 12, 8, 8), nn.Flatten(2), Transposed())
        self.mixer_blocks = nn.ModuleList(TutorialBlock() for _ in range(3))
        self.layer_norm = nn.LayerNorm(12)
        self.mlp_head = nn.Linear(12, 5)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patch_embedding(images)
        for block in self.mixer_blocks:
            tokens = block(tokens)
        return self.mlp_head(self.layer_norm(tokens).mean(1))
