"""Who steps which weights, and how far."""

import pytest
from torch.optim import AdamW, Muon

from mixer_gui.train.initial import initialised
from mixer_gui.train.optimisers import optimisers, schedule, set_rates
from mixer_gui.train.recipe import MINI, Recipe


@pytest.mark.parametrize("muon", [True, False])
def test_each_weight_is_stepped_by_one_optimiser_and_matrices_in_blocks_by_muon(muon: bool) -> None:
    recipe = Recipe(network=MINI, muon=muon)
    model = initialised(MINI, 0)
    names = {id(weight): name for name, weight in model.named_parameters()}
    stepped: list[str] = []
    for optimiser in optimisers(model, recipe):
        mine = [names[id(weight)] for group in optimiser.param_groups for weight in group["params"]]
        if isinstance(optimiser, Muon):
            assert all(".mlp_" in name and name.endswith("weight") for name in mine)
        stepped += mine
    assert sorted(stepped) == sorted(names.values())
    by_muon = sum(isinstance(each, Muon) for each in optimisers(model, recipe))
    assert bool(by_muon) == muon


def test_vectors_do_not_decay() -> None:
    model = initialised(MINI, 0)
    rest = next(each for each in optimisers(model, Recipe(network=MINI)) if isinstance(each, AdamW))
    for group in rest.param_groups:
        assert {weight.ndim > 1 for weight in group["params"]} == {group["weight_decay"] > 0}


def test_rates_rise_stay_and_fall_to_nothing() -> None:
    recipe = Recipe(network=MINI, warmup=0.1, decay=0.4)
    assert schedule(0.05, recipe) == pytest.approx(0.5)
    assert schedule(0.1, recipe) == schedule(0.6, recipe) == 1.0
    assert schedule(0.8, recipe) == pytest.approx(0.5)
    assert schedule(1.0, recipe) == 0.0
    assert schedule(0.0, Recipe(network=MINI, warmup=0.0, decay=0.0)) == 1.0


def test_each_kind_has_its_own_rate() -> None:
    recipe = Recipe(network=MINI, warmup=0.0, decay=0.5)
    made = optimisers(initialised(MINI, 0), recipe)
    set_rates(made, recipe, 0.75)
    for optimiser in made:
        full = recipe.matrix_rate if isinstance(optimiser, Muon) else recipe.other_rate
        assert {group["lr"] for group in optimiser.param_groups} == {full / 2}
