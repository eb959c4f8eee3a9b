"""Integrated gradients and occlusion equal captum's, and add up to what they should."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from types import ModuleType

import pytest
import torch
from networks import GELUS, SMALL, difference, drawn, pictures
from torch import Tensor

from mixer_gui.explain.attribution import baseline_logit, integrated_gradients, occlusion, without_patches
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import Gelu

LIMIT = 1e-5

RecordProperty = Callable[[str, object], None]


def captum_attr() -> ModuleType:
    """Imported in a test, since matplotlib, which captum imports, makes a folder in the home that it finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("captum.attr")


def logits_of(model: MlpMixer) -> Callable[[Tensor], Tensor]:
    return lambda images: model(images)[0]


def ours(model: MlpMixer, image: Tensor, index: int, steps: int, size: int) -> Tensor:
    """All steps, `size` at a time."""
    with torch.inference_mode():
        return torch.stack(
            [
                integrated_gradients(model, image, index, steps, range(at, min(at + size, steps)))
                for at in range(0, steps, size)
            ]
        ).sum(0)


def by_patch(values: Tensor) -> Tensor:
    """(3, H, W) -> sums over patches, by slicing."""
    size, grid = SMALL.patch_size, SMALL.grid
    return torch.stack(
        [
            values[:, row * size : (row + 1) * size, column * size : (column + 1) * size].sum()
            for row in range(grid.rows)
            for column in range(grid.columns)
        ]
    )


def told(record_property: RecordProperty, what: str, worst: float) -> None:
    record_property(f"largest relative difference, {what}", worst)
    print(f"{what}: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


@pytest.mark.parametrize("gelu", GELUS)
def test_integrated_gradients_are_captums_by_the_midpoint_rule(gelu: Gelu, record_property: RecordProperty) -> None:
    model = drawn(replace(SMALL, gelu=gelu))
    (image,) = pictures(SMALL)
    for index in (1, 6):
        theirs = (
            captum_attr()
            .IntegratedGradients(logits_of(model))
            .attribute(
                image[None].clone().requires_grad_(), baselines=0.0, target=index, n_steps=24, method="riemann_middle"
            )
        )
        found = ours(model, image, index, 24, 7)
        told(
            record_property, f"integrated gradients, GELU {gelu.value}", difference(found, by_patch(theirs[0].detach()))
        )


def test_integrated_gradients_come_to_add_up_to_the_difference_from_the_baseline() -> None:
    model = drawn(SMALL)
    (image,) = pictures(SMALL)
    with torch.inference_mode():
        expected = float(model(image[None])[0][0, 2]) - baseline_logit(model, image, 2)
    lacking = [abs(float(ours(model, image, 2, steps, 64).sum()) - expected) for steps in (64, 512, 2048)]
    assert lacking[0] > lacking[1] > lacking[2]
    assert lacking[2] < 1e-4 * abs(expected)


def test_batches_make_no_difference() -> None:
    model = drawn(SMALL)
    (image,) = pictures(SMALL)
    assert difference(ours(model, image, 0, 20, 1), ours(model, image, 0, 20, 20)) <= LIMIT


def test_occlusion_is_captums(record_property: RecordProperty) -> None:
    model = drawn(SMALL)
    (image,) = pictures(SMALL)
    grid, size = SMALL.grid, SMALL.patch_size
    mask = torch.arange(grid.count).view(1, 1, grid.rows, grid.columns)
    mask = mask.repeat_interleave(size, 2).repeat_interleave(size, 3).expand(1, 3, -1, -1)
    for index in (1, 6):
        ablated = (
            captum_attr()
            .FeatureAblation(logits_of(model))
            .attribute(image[None], baselines=0.0, target=index, feature_mask=mask, perturbations_per_eval=3)
        )
        slid = (
            captum_attr()
            .Occlusion(logits_of(model))
            .attribute(image[None], (3, size, size), strides=(3, size, size), baselines=0.0, target=index)
        )
        with torch.inference_mode():
            logit = float(model(image[None])[0][0, index])
            found = torch.cat(
                [
                    occlusion(model, image, index, logit, range(at, min(at + 5, grid.count)))
                    for at in range(0, grid.count, 5)
                ]
            )
        first_pixels = slice(None, None, size)
        told(
            record_property,
            "occlusion, FeatureAblation",
            difference(found, ablated[0, 0, first_pixels, first_pixels].flatten()),
        )
        told(
            record_property, "occlusion, Occlusion", difference(found, slid[0, 0, first_pixels, first_pixels].flatten())
        )


def test_one_patch_at_a_time_is_taken_out() -> None:
    (image,) = pictures(SMALL)
    found = without_patches(image, range(4, 7), SMALL.grid)
    for patch, picture in zip(range(4, 7), found, strict=True):
        expected = image.clone()
        row, column = divmod(patch, SMALL.grid.columns)
        expected[:, row * 8 : (row + 1) * 8, column * 8 : (column + 1) * 8] = 0.0
        assert torch.equal(picture, expected)
