"""Permuting patches changes the answer; permuting the weights of token mixing along with them changes it back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from networks import B16, SMALL, difference, drawn, pictures, recorded
from torch import Tensor

from mixer_gui.explain.permutation import logits_with_permuted_weights, permuted_weights
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer, Record
from mixer_gui.resources import default_model

LIMIT = 1e-5

RecordProperty = Callable[[str, object], None]


def shuffled(images: Tensor, order: Tensor, config: MixerConfig) -> Tensor:
    """Place p shows what was at order[p], patch by patch."""
    edge, columns = config.patch_size, config.grid.columns
    found = torch.zeros_like(images)
    for place, origin in enumerate(order.tolist()):
        to_row, to_column = (edge * each for each in divmod(place, columns))
        row, column = (edge * each for each in divmod(origin, columns))
        found[:, :, to_row : to_row + edge, to_column : to_column + edge] = images[
            :, :, row : row + edge, column : column + edge
        ]
    return found


def tokens_with(model: MlpMixer, weights: dict[str, Tensor], images: Tensor) -> Tensor:
    """What the last block gives, (B, N, C), with some weights replaced."""
    _, recording = torch.func.functional_call(model, weights, (images, Record.FULL))
    return recording.output


def drawn_order(config: MixerConfig, seed: int = 3) -> Tensor:
    return torch.randperm(config.grid.count, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("embedded", lambda: load_checkpoint(default_model()).model),
        ("B/16, random weights", lambda: drawn(B16)),
        ("small, oblong", lambda: drawn(SMALL)),
    ],
    ids=["embedded", "B/16", "small"],
)
def test_permuted_weights_make_up_for_permuted_patches(
    name: str, make: Callable[[], MlpMixer], record_property: RecordProperty
) -> None:
    model = make()
    images, order = pictures(model.config), drawn_order(model.config)
    logits, _ = recorded(model, images)
    moved = shuffled(images, order, model.config)
    with torch.inference_mode():
        restored = difference(logits_with_permuted_weights(model, moved, order), logits)
        shift = difference(recorded(model, moved)[0], logits)
        weights_alone = difference(logits_with_permuted_weights(model, images, order), logits)
    record_property("restored", restored)
    record_property("patches alone", shift)
    print(f"{name}: restored {restored:.1e}, patches alone {shift:.1e}, weights alone {weights_alone:.1e}")  # noqa: T201
    assert restored <= LIMIT
    assert shift > 1e-2
    assert weights_alone > 1e-2


def test_permuted_weights_equal_a_loop_and_leave_the_model_as_it_was() -> None:
    model = drawn(SMALL)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    order = drawn_order(SMALL)
    found = permuted_weights(model, order)
    logits_with_permuted_weights(model, pictures(SMALL), order)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert len(found) == 3 * SMALL.num_blocks
    for layer in range(SMALL.num_blocks):
        name = f"blocks.{layer}.mlp_tokens"
        for place, origin in enumerate(order.tolist()):
            assert torch.equal(found[f"{name}.fc1.weight"][:, place], before[f"{name}.fc1.weight"][:, origin])
            assert torch.equal(found[f"{name}.fc2.weight"][place], before[f"{name}.fc2.weight"][origin])
            assert found[f"{name}.fc2.bias"][place] == before[f"{name}.fc2.bias"][origin]


def test_tokens_go_where_the_patches_went() -> None:
    model = drawn(SMALL)
    images, order = pictures(SMALL), drawn_order(SMALL)
    _, recording = recorded(model, images)
    moved = tokens_with(model, permuted_weights(model, order), shuffled(images, order, SMALL))
    assert recording.output is not None
    assert difference(moved, recording.output[:, order]) <= LIMIT


@pytest.mark.parametrize("left_out", ["fc1.weight", "fc2.weight", "fc2.bias"])
def test_each_of_the_three_is_needed(left_out: str) -> None:
    model = drawn(SMALL)
    images, order = pictures(SMALL), drawn_order(SMALL)
    _, recording = recorded(model, images)
    weights = {name: each for name, each in permuted_weights(model, order).items() if not name.endswith(left_out)}
    assert recording.output is not None
    assert difference(tokens_with(model, weights, shuffled(images, order, SMALL)), recording.output[:, order]) > 1e-2


def test_the_second_bias_of_token_mixing_does_not_reach_the_logits() -> None:
    """It adds one number to all channels of a patch, and whatever reads tokens takes their mean away first."""
    model = drawn(SMALL)
    logits, _ = recorded(model, pictures(SMALL))
    for layer in range(SMALL.num_blocks):
        model.token_mixing(layer).fc2.bias.add_(torch.arange(float(SMALL.grid.count)))
    assert difference(recorded(model, pictures(SMALL))[0], logits) <= LIMIT


@torch.inference_mode()
def test_the_same_order_everywhere_gives_the_same_logits() -> None:
    model = drawn(SMALL)
    images = pictures(SMALL)
    same = torch.arange(SMALL.grid.count)
    assert torch.equal(logits_with_permuted_weights(model, images, same), recorded(model, images)[0])
