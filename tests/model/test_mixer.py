"""The network against naive definitions and PyTorch's own layers."""

from dataclasses import replace

import pytest
import torch
from checkpoints import random_mixer, tiny_config
from torch import Tensor
from torch.nn import functional

from mixer_gui.model.mixer import MlpMixer, PatchEmbedding, Record, gelu_slope
from mixer_gui.model.variants import PARAMETER_COUNTS, VARIANTS, variant, variant_name
from mixer_gui.records import Gelu, MixerGuiError

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def model() -> MlpMixer:
    return random_mixer(tiny_config(image_size=(24, 40)))  # 3×5 patches: a swapped axis shows


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 24, 40, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_has_the_official_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        model = MlpMixer(variant(name))
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETER_COUNTS[name]
    assert variant_name(model.config) == name


def test_every_variant_has_a_row_in_the_table_of_counts() -> None:
    assert VARIANTS.keys() == PARAMETER_COUNTS.keys()


def test_a_variant_keeps_its_name_at_other_sizes_and_classes() -> None:
    config = variant("b/16", num_classes=7)
    assert variant_name(replace(config, image_size=(448, 320))) == "B/16"
    assert variant_name(replace(config, hidden_dim=64)) is None


def test_an_unknown_variant_is_answered_with_those_there_are() -> None:
    with pytest.raises(MixerGuiError, match=r"'X/8'.*S/32.*H/14"):
        variant("X/8")


def test_s16_gives_a_thousand_logits_for_each_of_two_pictures() -> None:
    model = MlpMixer(variant("S/16")).eval()
    with torch.no_grad():
        logits, _ = model(torch.zeros(2, 3, 224, 224))
    assert logits.shape == (2, 1000)
    assert f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.3f}M" == "18.528M"


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({"image_size": (30, 32)}, "30×32.*8×8"),
        ({"image_size": (0, 32)}, "0×32"),
        ({"hidden_dim": 0}, "hidden_dim.*not 0"),
        ({"num_classes": -1}, "num_classes.*not -1"),
        ({"dropout": 1.5}, "dropout is 1.5"),
        ({"stochastic_depth": -0.1}, "stochastic depth -0.1"),
    ],
)
def test_numbers_that_do_not_fit_together_are_named(changes: dict[str, object], numbers: str) -> None:
    with pytest.raises(MixerGuiError, match=numbers):
        tiny_config(**changes)


def test_pictures_of_another_size_are_refused_with_both_sizes(model: MlpMixer) -> None:
    with pytest.raises(MixerGuiError, match="24×40 pixels, not 32×32"):
        model(torch.zeros(1, 3, 32, 32))


def test_patch_embedding_is_a_strided_convolution(model: MlpMixer, images: Tensor) -> None:
    stem = model.stem
    assert isinstance(stem, PatchEmbedding)
    torch.testing.assert_close(stem(images), stem.proj(images).flatten(2).transpose(1, 2), **CLOSE)


def test_a_picture_alone_gets_the_logits_it_gets_in_a_batch(model: MlpMixer, images: Tensor) -> None:
    both, _ = model(images)
    for row in range(2):
        torch.testing.assert_close(model(images[row : row + 1])[0][0], both[row], **CLOSE)


@pytest.mark.parametrize("gelu", list(Gelu))
def test_both_gelus_are_those_of_pytorch(gelu: Gelu, images: Tensor) -> None:
    model = random_mixer(tiny_config(image_size=(24, 40), gelu=gelu))
    torch.testing.assert_close(model(images)[0], naive_forward(model, images), **CLOSE)


def test_the_two_gelus_differ_enough_to_be_told_apart(images: Tensor) -> None:
    exact, tanh = (random_mixer(tiny_config(image_size=(24, 40), gelu=gelu))(images)[0] for gelu in Gelu)
    assert (exact - tanh).abs().max() > 1e-5


@pytest.mark.parametrize("gelu", list(Gelu))
def test_the_gelu_slope_is_the_derivative_of_autograd(gelu: Gelu) -> None:
    hidden = torch.linspace(-6, 6, 101, dtype=torch.float64, requires_grad=True)
    functional.gelu(hidden, approximate=gelu).sum().backward()
    torch.testing.assert_close(gelu_slope(hidden.detach(), gelu), hidden.grad)


def test_maps_are_what_their_definitions_say(model: MlpMixer, images: Tensor) -> None:
    _, recording = model(images, Record.FULL)
    _, maps = model(images, Record.MAPS)
    tokens = model.stem(images)
    for layer, block in enumerate(model.blocks):
        normed = block.norm1(tokens)
        hidden = block.mlp_tokens.fc1(normed.mT)  # (B, C, T)
        update = block.mlp_tokens.fc2(functional.gelu(hidden)).mT
        hidden = hidden.clone().requires_grad_()
        slope = torch.autograd.grad(functional.gelu(hidden).sum(), hidden)[0].mean(1)
        torch.testing.assert_close(recording.update_norm[:, layer], update.pow(2).sum(-1).sqrt(), **CLOSE)
        torch.testing.assert_close(recording.token_norm[:, layer], tokens.pow(2).sum(-1).sqrt(), **CLOSE)
        torch.testing.assert_close(recording.gelu_slope[:, layer], slope, **CLOSE)
        tokens = tokens + update
        tokens = tokens + block.mlp_channels(block.norm2(tokens))
        torch.testing.assert_close(recording.layer_features[:, layer], model.norm(tokens).mean(1), **CLOSE)
    torch.testing.assert_close(recording.final_tokens, model.norm(tokens), **CLOSE)
    kept = {name for name, value in maps._asdict().items() if value is not None and value != ()}
    assert kept == {"update_norm", "token_norm", "layer_features", "final_tokens"}
    assert all(torch.equal(getattr(maps, name), getattr(recording, name)) for name in kept)


def test_the_stem_and_all_updates_sum_to_the_output(model: MlpMixer, images: Tensor) -> None:
    _, recording = model(images, Record.FULL)
    total = recording.stem + sum(recording.token_updates) + sum(recording.channel_updates)
    torch.testing.assert_close(total, recording.output, **CLOSE)
    assert [tuple(hidden.shape) for hidden in recording.hidden] == [(2, 10, 12)] * 3
    torch.testing.assert_close(model.norm(recording.output), recording.final_tokens, **CLOSE)


def test_recording_leaves_the_logits_alone(model: MlpMixer, images: Tensor) -> None:
    plain, nothing = model(images)
    assert all(value is None or value == () for value in nothing)
    for record in (Record.MAPS, Record.FULL):
        assert torch.equal(model(images, record)[0], plain)


def test_dropout_and_stochastic_depth_rest_outside_training(images: Tensor) -> None:
    calm = random_mixer(tiny_config(image_size=(24, 40)))
    wild = MlpMixer(replace(calm.config, dropout=0.5, stochastic_depth=0.5))
    wild.load_state_dict(calm.state_dict())
    assert torch.equal(wild.eval()(images)[0], calm(images)[0])
    torch.manual_seed(0)
    wild.train()
    assert not torch.equal(wild(images)[0], wild(images)[0])


def test_stochastic_depth_drops_whole_pictures_and_keeps_the_mean() -> None:
    block = MlpMixer(tiny_config(stochastic_depth=0.25)).train().blocks[0]
    torch.manual_seed(0)
    dropped = block.drop_path(torch.ones(20_000, 2, 3))
    values = dropped[:, 0, 0]
    assert torch.equal(dropped, values[:, None, None].expand_as(dropped))
    kept = values[values > 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 0.75))
    assert abs(values.mean().item() - 1.0) < 0.02  # five standard errors


def test_dropout_keeps_the_mean() -> None:
    block = random_mixer(tiny_config(dropout=0.25)).train().blocks[0]
    torch.manual_seed(0)
    tokens = torch.randn(1, 16, 12)
    updates = block.mlp_channels(tokens.expand(20_000, -1, -1))
    expected = block.mlp_channels.eval()(tokens)[0]
    error = (updates.mean(0) - expected).abs()
    assert (error < 5 * updates.std(0) / 20_000**0.5).all()


def naive_forward(model: MlpMixer, images: Tensor) -> Tensor:
    """The paper's formulas with PyTorch's layers and transposes."""
    gelu = model.config.gelu
    tokens = model.stem.proj(images).flatten(2).mT
    for block in model.blocks:
        mixing = block.mlp_tokens
        tokens = tokens + mixing.fc2(functional.gelu(mixing.fc1(block.norm1(tokens).mT), approximate=gelu)).mT
        mixing = block.mlp_channels
        tokens = tokens + mixing.fc2(functional.gelu(mixing.fc1(block.norm2(tokens)), approximate=gelu))
    return model.head(model.norm(tokens).mean(1))
