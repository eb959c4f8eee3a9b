"""What a recipe takes and refuses."""

import pytest

from mixer_gui.records import MixerGuiError
from mixer_gui.train.recipe import MINI, Augmentation, Recipe, changeable, changed


def test_values_are_set_from_text_by_their_kind() -> None:
    recipe = Recipe(network=MINI)
    assert changed(recipe, "batch", "64").batch == 64
    assert changed(recipe, "muon", "no").muon is False
    assert changed(recipe, "augmentation.mixing", "0.25").augmentation.mixing == 0.25
    assert changed(recipe, "network.stochastic_depth", "0.1").network.stochastic_depth == 0.1
    assert changed(changed(recipe, "batch", "64"), "batch", str(recipe.batch)) == recipe


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
        ("network.dropout", "1", "Rates"),
        ("epochs", "0", "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_in_words(name: str, text: str, said: str) -> None:
    with pytest.raises(MixerGuiError, match=said):
        changed(Recipe(network=MINI), name, text)


def test_every_listed_value_can_be_set_to_what_it_is() -> None:
    recipe = Recipe(network=MINI, augmentation=Augmentation(flip=False))
    for name, value in changeable(recipe).items():
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        assert changed(recipe, name, text) == recipe, name
