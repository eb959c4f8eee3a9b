"""What a recipe takes and refuses."""

from dataclasses import replace

import pytest

from mixer_gui.model.variants import variant
from mixer_gui.records import MixerGuiError
from mixer_gui.train.recipe import MINI, Augmentation, Recipe, changeable, changed, described


def test_values_are_set_from_text_by_their_kind() -> None:
    recipe = Recipe(network=MINI)
    found = changed(recipe, {"batch": "64", "muon": "no", "augmentation.mixing": "0.25"})
    assert (found.batch, found.muon, found.augmentation.mixing) == (64, False, 0.25)
    assert changed(found, {"batch": "256", "muon": "yes", "augmentation.mixing": "0.5"}) == recipe


def test_values_that_go_together_are_set_in_any_order() -> None:
    """Warm-up and decay are more than the whole for a moment, if one is set after the other."""
    recipe = Recipe(network=MINI, decay=0.5)
    assert changed(recipe, {"warmup": "0.6", "decay": "0.3"}) == changed(recipe, {"decay": "0.3", "warmup": "0.6"})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("bach", "64", "has no value “bach”"),
        ("network.hidden_dim", "64", "has no value"),
        ("augmentation", "1", "has no value"),
        ("batch", "6.5", "a number"),
        ("muon", "perhaps", "yes or no"),
        ("matrix_rate", "nan", "a number"),
        ("matrix_rate", "-1", "cannot be"),
        ("augmentation.mixing", "1.5", "0…1"),
        ("warmup", "0.9", "at most 1"),
        ("network.dropout", "0.1", "has no value"),
        ("augmentation.aspect", "0.5", "at least 1"),
        ("coarse", "30", "the last one may not"),
        ("epochs", "0", "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_in_words(name: str, text: str, said: str) -> None:
    with pytest.raises(MixerGuiError, match=said):
        changed(Recipe(network=MINI), {name: text})


def test_every_listed_value_can_be_set_to_what_it_is() -> None:
    recipe = Recipe(network=MINI, augmentation=Augmentation(flip=False))
    for name, value in changeable(recipe).items():
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        assert changed(recipe, {name: text}) == recipe, name


def test_what_draws_from_a_generator_of_all_threads_is_refused() -> None:
    with pytest.raises(MixerGuiError, match="one generator"):
        Recipe(network=replace(MINI, stochastic_depth=0.1))


def test_what_is_described_tells_any_two_recipes_apart() -> None:
    recipe = Recipe(network=MINI)
    others = [
        changed(recipe, {"seed": "1"}),
        changed(recipe, {"augmentation.flip": "no"}),
        Recipe(network=variant("S/16")),
    ]
    assert len({tuple(described(each).items()) for each in (recipe, *others)}) == 4


def test_what_begins_with_a_model_has_its_preprocessing_and_no_coarse_epochs() -> None:
    preprocessing = replace(Recipe(network=MINI).preprocessing, crop_pct=0.9, mean=(0.5, 0.5, 0.5))
    begun = Recipe(network=MINI, origin="digest", origin_preprocessing=preprocessing)
    assert begun.preprocessing == preprocessing
    assert described(begun)["origin"] == "digest"
    assert described(begun)["preprocessing"] != described(replace(begun, origin_preprocessing=None))["preprocessing"]
    assert "origin" not in described(Recipe(network=MINI)), "trainings that began before there were origins go on"
    with pytest.raises(MixerGuiError, match="no epoch can be coarse"):
        replace(begun, coarse=1)
