"""The written-out backward pass is autograd's, and what is read off it is what its formula says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from networks import B16, GELUS, SMALL, difference, drawn, pictures, recorded
from torch import Tensor

from mixer_gui.explain.gradients import (
    Gradients,
    grad_cam,
    input_gradient,
    logit_gradients,
    patch_pixels,
    saliency,
    signed_grad_cam,
    total_contributions,
)
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer, Recording
from mixer_gui.records import Gelu

LIMIT = 1e-5
CLASSES = (2, 5)

RecordProperty = Callable[[str, object], None]


class Reference(NamedTuple):
    """What autograd says in float64 of one picture; the tensors of a naive loop over the blocks."""

    images: Tensor  # (3, H, W)
    stem: Tensor  # (N, C)
    updates: list[Tensor]  # 2L times (N, C): token and channel mixing in turns
    image_gradient: Tensor
    stem_gradient: Tensor
    gradients: list[Tensor]  # of the updates
    output: Tensor  # (N, C)
    output_gradient: Tensor


def in_float64(model: MlpMixer) -> MlpMixer:
    exact = MlpMixer(model.config).double().eval()
    exact.load_state_dict(model.state_dict())
    return exact


def naive_pass(exact: MlpMixer, images: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
    """Logits, the stem's and all half-blocks' outputs in turns, and the last block's output, in float64 throughout."""
    tokens = exact.stem(images)
    outputs = [tokens]
    for layer in range(exact.config.num_blocks):
        block = exact.block(layer)
        outputs.append(block.mlp_tokens(block.norm1(tokens))[0])
        tokens = tokens + outputs[-1]
        outputs.append(block.mlp_channels(block.norm2(tokens)))
        tokens = tokens + outputs[-1]
    return exact.head(exact.norm(tokens).mean(1)), outputs, tokens


def by_autograd(model: MlpMixer, image: Tensor, index: int) -> Reference:
    image = image.double().requires_grad_()
    logits, outputs, last = naive_pass(in_float64(model), image[None])
    slopes = torch.autograd.grad(logits[0, index], [image, last, *outputs])
    return Reference(
        image.detach(),
        outputs[0][0].detach(),
        [update[0].detach() for update in outputs[1:]],
        slopes[0],
        slopes[2][0],
        [slope[0] for slope in slopes[3:]],
        last[0].detach(),
        slopes[1][0],
    )


def both(config: MixerConfig) -> tuple[MlpMixer, Recording, Gradients, Tensor, list[Reference]]:
    """Two pictures in one batch, each for a class of its own, and autograd on each of them."""
    model, images = drawn(config), pictures(config, 2)
    _, recording = recorded(model, images)
    gradients = logit_gradients(model, recording, torch.tensor(CLASSES))
    references = [by_autograd(model, image, index) for image, index in zip(images, CLASSES, strict=True)]
    return model, recording, gradients, images, references


def told(record_property: RecordProperty, what: str, worst: float) -> None:
    record_property(f"largest relative difference, {what}", worst)
    print(f"{what}: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def patches_of(config: MixerConfig, image: Tensor) -> list[Tensor]:
    """(3, H, W) -> each patch, by slicing."""
    size, grid = config.patch_size, config.grid
    return [
        image[:, row * size : (row + 1) * size, column * size : (column + 1) * size]
        for row in range(grid.rows)
        for column in range(grid.columns)
    ]


@pytest.mark.parametrize("gelu", GELUS)
def test_gradients_of_every_half_block_are_autograds(gelu: Gelu, record_property: RecordProperty) -> None:
    _, _, gradients, _, references = both(replace(SMALL, gelu=gelu))
    for number, reference in enumerate(references):
        layers = range(SMALL.num_blocks)
        token = max(difference(gradients.token_mixing[each][number], reference.gradients[2 * each]) for each in layers)
        channel = max(
            difference(gradients.channel_mixing[each][number], reference.gradients[2 * each + 1]) for each in layers
        )
        name = f"GELU {gelu.value}, class {CLASSES[number]}"
        told(record_property, f"token mixing, {name}", token)
        told(record_property, f"channel mixing, {name}", channel)
        told(record_property, f"stem, {name}", difference(gradients.stem[number], reference.stem_gradient))
        by_patch = torch.stack([patch.flatten() for patch in patches_of(SMALL, reference.image_gradient)])
        told(record_property, f"pixels, {name}", difference(gradients.pixels[number], by_patch))


def test_gradients_of_b16_are_autograds(record_property: RecordProperty) -> None:
    config = replace(B16, num_blocks=2, num_classes=10)
    model, images = drawn(config), pictures(config)
    _, recording = recorded(model, images)
    gradients = logit_gradients(model, recording, torch.tensor([3]))
    reference = by_autograd(model, images[0], 3)
    by_patch = torch.stack([patch.flatten() for patch in patches_of(config, reference.image_gradient)])
    told(record_property, "B/16, pixels", difference(gradients.pixels[0], by_patch))
    told(record_property, "B/16, first token mixing", difference(gradients.token_mixing[0][0], reference.gradients[0]))


@pytest.mark.parametrize("gelu", GELUS)
def test_maps_are_their_formulas_on_autograds_gradient(gelu: Gelu, record_property: RecordProperty) -> None:
    config = replace(SMALL, gelu=gelu)
    _, recording, gradients, images, references = both(config)
    totals = total_contributions(gradients, recording)
    for number, reference in enumerate(references):
        slopes, colours = patches_of(config, reference.image_gradient), patches_of(config, reference.images)
        norms = torch.stack([patch.square().sum().sqrt() for patch in slopes])
        told(record_property, "saliency", difference(saliency(gradients)[number], norms))
        products = torch.stack([(slope * colour).sum() for slope, colour in zip(slopes, colours, strict=True)])
        told(record_property, "input gradient", difference(input_gradient(gradients, images, config)[number], products))
        each = torch.stack(
            [(update * slope).sum(-1) for update, slope in zip(reference.updates, reference.gradients, strict=True)]
        )
        told(record_property, "token mixing's totals", difference(totals.token_mixing[number], each[0::2]))
        told(record_property, "channel mixing's totals", difference(totals.channel_mixing[number], each[1::2]))
        stem = (reference.stem * reference.stem_gradient).sum(-1)
        told(record_property, "stem's total", difference(totals.stem[number], stem))
        signed = reference.output @ reference.output_gradient.mean(0)
        told(
            record_property,
            "Grad-CAM before its maximum",
            difference(signed_grad_cam(gradients, recording)[number], signed),
        )
        assert torch.equal(
            grad_cam(gradients, recording)[number], signed_grad_cam(gradients, recording)[number].clamp_min(0)
        )


def test_input_gradient_is_the_first_order_of_fading_a_patch(record_property: RecordProperty) -> None:
    model, _, gradients, images, _ = both(SMALL)
    exact = in_float64(model)
    image, step = images[0].double(), 1e-5
    found = []
    for patch in range(SMALL.grid.count):
        faded = [image.clone(), image.clone()]
        for picture, share in zip(faded, (1 + step, 1 - step), strict=True):
            patches_of(SMALL, picture)[patch].mul_(share)
        with torch.no_grad():
            logits, _, _ = naive_pass(exact, torch.stack(faded))
        found.append((logits[0] - logits[1])[CLASSES[0]] / (2 * step))
    told(
        record_property,
        "finite differences",
        difference(input_gradient(gradients, images, SMALL)[0], torch.stack(found)),
    )


def test_patch_pixels_are_in_the_order_of_the_stems_weights() -> None:
    model, images = drawn(SMALL), pictures(SMALL, 2)
    patches = patch_pixels(images, SMALL)
    expected = patches @ model.stem.proj.weight.flatten(1).mT + model.stem.proj.bias
    assert difference(expected, model.stem(images)) <= LIMIT
    assert torch.equal(patches[1, 5], patches_of(SMALL, images[1])[5].flatten())


def test_last_gradient_is_that_of_the_last_blocks_output() -> None:
    _, _, gradients, _, references = both(SMALL)
    assert difference(gradients.channel_mixing[-1][0], references[0].output_gradient) <= LIMIT


def test_gradients_need_a_full_recording() -> None:
    model = drawn(SMALL)
    with pytest.raises(ValueError, match="FULL"):
        logit_gradients(model, Recording(), torch.tensor([0]))
    with pytest.raises(ValueError, match="FULL"):
        total_contributions(Gradients(torch.zeros(1), torch.zeros(1), (), ()), Recording())
    with pytest.raises(ValueError, match="FULL"):
        grad_cam(Gradients(torch.zeros(1), torch.zeros(1), (), ()), Recording())
