"""Gradients on lanes: against autograd on the whole batch, and equal whatever the threads do."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mixer_gui.model.mixer import MlpMixer
from mixer_gui.train.augment import Varied, draw, plain, vary
from mixer_gui.train.initial import initialised
from mixer_gui.train.lanes import Batch, Lanes, part_size
from mixer_gui.train.recipe import MINI, Augmentation, Recipe

CPU = torch.device("cpu")
RECIPE = Recipe(
    network=replace(
        MINI, image_size=(32, 32), num_blocks=2, hidden_dim=48, tokens_mlp_dim=24, channels_mlp_dim=96, num_classes=5
    ),
    augmentation=Augmentation(mixing=0.0),
)


@pytest.fixture
def model() -> MlpMixer:
    """With a head that says something: a fresh one is all zeros."""
    fresh = initialised(RECIPE.network, 0)
    torch.nn.init.normal_(fresh.head.weight, std=0.3, generator=torch.Generator().manual_seed(2))
    return fresh


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (24, 32, 32, 3), generator=generator, dtype=torch.uint8)
    return Batch(pixels, torch.randint(0, 5, (24,), generator=generator), draw(24, RECIPE.augmentation, generator))


@pytest.fixture
def make_lanes() -> Iterator[Callable[..., Lanes]]:
    made: list[Lanes] = []

    def make(model: MlpMixer, **given: int) -> Lanes:
        made.append(Lanes(model, CPU, **given))
        return made[-1]

    yield make
    for each in made:
        each.close()


def varied(batch: Batch) -> Varied:
    order = torch.arange(-1, len(batch.labels))
    return vary(batch.pixels[order], batch.chance.of(order, CPU), RECIPE.preprocessing)


def gradients(model: MlpMixer) -> list[Tensor]:
    return [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]


@pytest.mark.parametrize("part", [1, 5, 64])
def test_gradients_are_those_of_autograd_in_fp32_but_for_rounding(
    part: int, model: MlpMixer, batch: Batch, make_lanes: Callable[..., Lanes]
) -> None:
    lanes = make_lanes(model, count=2)
    lanes.part = part
    loss = lanes.gradients(batch, RECIPE.preprocessing, 0.1)
    found = gradients(model)
    exact = copy.deepcopy(model).train()
    exact.zero_grad()
    images = varied(batch).images
    wanted_loss = functional.cross_entropy(exact(images)[0], batch.labels, label_smoothing=0.1)
    wanted_loss.backward()
    assert loss == pytest.approx(wanted_loss.item(), rel=0.01)
    wanted = gradients(exact)
    assert len(found) == len(wanted) == len(list(model.parameters()))
    largest = max(theirs.norm().item() for theirs in wanted)
    for (name, _), mine, theirs in zip(model.named_parameters(), found, wanted, strict=True):
        # A bias that LayerNorm takes out again has no gradient at all: there, rounding is all there is.
        assert (mine - theirs).norm() < 0.03 * theirs.norm() + 0.001 * largest, name


def test_a_mixed_picture_counts_for_both_classes_by_their_shares(
    model: MlpMixer, batch: Batch, make_lanes: Callable[..., Lanes]
) -> None:
    """Pairs are neighbours in the batch, whoever learns from them: a loop can say what the loss is."""
    chance = draw(24, replace(RECIPE.augmentation, mixing=1.0), torch.Generator().manual_seed(5))
    mixed = batch._replace(chance=chance)
    lanes = make_lanes(model, count=3)
    lanes.part = 3
    loss = lanes.gradients(mixed, RECIPE.preprocessing, 0.0)
    shown = varied(mixed)
    with torch.no_grad():
        log_probabilities = model.train()(shown.images)[0].log_softmax(-1)
    wanted = 0.0
    for b in range(24):
        own, share = batch.labels[b], shown.own[b].item()
        partner = batch.labels[b - 1]
        wanted -= (share * log_probabilities[b, own] + (1 - share) * log_probabilities[b, partner]).item() / 24
    assert loss == pytest.approx(wanted, rel=0.01)
    assert (shown.own < 0.9).any()


def test_equal_batches_give_bit_equal_gradients_on_any_number_of_threads_at_work(
    model: MlpMixer, batch: Batch, make_lanes: Callable[..., Lanes]
) -> None:
    lanes = make_lanes(model, count=3)
    first_loss = lanes.gradients(batch, RECIPE.preprocessing, 0.1)
    first = gradients(model)
    for _ in range(5):
        assert lanes.gradients(batch, RECIPE.preprocessing, 0.1) == first_loss
        assert all(torch.equal(a, b) for a, b in zip(gradients(model), first, strict=True))


def test_lanes_learn_from_the_weights_that_were_taken_over(
    model: MlpMixer, batch: Batch, make_lanes: Callable[..., Lanes]
) -> None:
    lanes = make_lanes(model, count=2)
    before = lanes.gradients(batch, RECIPE.preprocessing, 0.1)
    with torch.no_grad():
        model.head.weight.mul_(-1)
    assert lanes.gradients(batch, RECIPE.preprocessing, 0.1) == before
    lanes.take_over()
    assert lanes.gradients(batch, RECIPE.preprocessing, 0.1) != before


def test_logits_are_those_of_the_network_in_eval_mode(
    model: MlpMixer, batch: Batch, make_lanes: Callable[..., Lanes]
) -> None:
    found = make_lanes(model, count=2).logits(model, batch.pixels, RECIPE.preprocessing)
    with torch.no_grad():
        wanted = model.eval()(plain(batch.pixels, RECIPE.preprocessing))[0]
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_parts_shrink_with_the_width_of_the_network() -> None:
    sizes = [
        part_size(MlpMixer(replace(RECIPE.network, channels_mlp_dim=width)), CPU) for width in (96, 4096, 16384, 65536)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= 1
    assert sizes[0] > sizes[-1]
