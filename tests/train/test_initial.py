"""Where a training begins, and how a coarse network becomes a fine one."""

from dataclasses import replace

import pytest
import torch
from einops import repeat
from torch.testing import assert_close

from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import MixerGuiError
from mixer_gui.train.initial import coarse, initialised, refined
from mixer_gui.train.recipe import MINI, Recipe

FINE = replace(
    MINI, image_size=(32, 48), num_blocks=3, hidden_dim=24, tokens_mlp_dim=16, channels_mlp_dim=40, num_classes=7
)


def random_coarse() -> MlpMixer:
    """Every tensor drawn: a fresh head of zeros would answer alike whatever came before."""
    model = initialised(coarse(FINE), 0).eval()
    generator = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2, generator=generator)
    return model.requires_grad_(requires_grad=False)


def test_four_equal_patches_are_answered_as_the_coarse_one() -> None:
    model = random_coarse()
    assert model.config.grid.count * 4 == FINE.grid.count
    pictures = torch.randn(5, 3, *model.config.image_size, generator=torch.Generator().manual_seed(2))
    repeated = repeat(pictures, "b k (r p) (c q) -> b k (r a p) (c d q)", p=8, q=8, a=2, d=2)
    finer = refined(model, FINE).eval()
    assert finer.config == FINE
    assert_close(finer(repeated)[0], model(pictures)[0], atol=1e-4, rtol=1e-4)
    assert model(pictures)[0].std() > 0.1


def test_seeds_decide_the_first_weights() -> None:
    first, again, other = (initialised(FINE, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["stem.proj.weight"], other["stem.proj.weight"])
    assert not first["head.weight"].any()
    assert first["blocks.1.mlp_channels.fc1.weight"].std() == pytest.approx((2 / (24 + 40)) ** 0.5, rel=0.1)


def test_coarse_epochs_need_an_even_grid_and_a_place_among_the_epochs() -> None:
    with pytest.raises(MixerGuiError, match="even number of patches"):
        Recipe(network=replace(FINE, image_size=(24, 48)), coarse=1)
    with pytest.raises(MixerGuiError, match="Of 3 epochs, 3 cannot be coarse"):
        Recipe(network=FINE, epochs=3, coarse=3)
