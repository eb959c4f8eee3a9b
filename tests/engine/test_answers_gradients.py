"""The gradient maps of a real report, against autograd over the same pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import ask, decoded, request

from mixer_gui.engine.engine import Engine
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.records import ClassRequest, DevicePreference, GradientReport, GradientRequest, ModelRef
from mixer_gui.resources import default_model

WriteCheckpoint = Callable[..., Path]
RecordProperty = Callable[[str, object], None]


def asked(model: ModelRef, index: int, size: tuple[int, int] = (32, 32)) -> tuple[Engine, GradientReport]:
    engine = Engine()
    engine.load(model, DevicePreference.CPU)
    engine.classify(request(model), decoded(size=size), Record.FULL)
    report = ask(engine, GradientRequest(1, index))
    assert isinstance(report, GradientReport)
    return engine, report


@pytest.mark.parametrize("which", ["random weights", "embedded default"])
def test_input_maps_are_autograds(
    which: str, tiny_checkpoint: WriteCheckpoint, record_property: RecordProperty
) -> None:
    model = default_model() if which == "embedded default" else ModelRef(tiny_checkpoint())
    checkpoint = load_checkpoint(model)
    grid = checkpoint.info.grid
    height, width = checkpoint.model.config.image_size
    _, report = asked(model, 3, (height, width))
    pixels = decoded(size=(height, width)).network_input
    assert pixels is not None
    mean, std = np.array(checkpoint.info.preprocessing.mean), np.array(checkpoint.info.preprocessing.std)
    images = torch.from_numpy((pixels.pixels / 255 - mean) / std).float().permute(2, 0, 1)[None].requires_grad_()
    checkpoint.model(images)[0][0, 3].backward()
    assert images.grad is not None
    slope = images.grad[0].view(3, grid.rows, height // grid.rows, grid.columns, -1)
    picture = images.detach()[0].view_as(slope)
    for name, found, expected in (
        ("saliency", report.saliency, slope.square().sum((0, 2, 4)).sqrt().flatten()),
        ("input gradient", report.input_gradient, (slope * picture).sum((0, 2, 4)).flatten()),
    ):
        worst = float(np.abs(found - expected.numpy()).max() / expected.abs().max())
        record_property(f"largest relative difference, {name}", worst)
        print(f"{name}, {which}: {worst:.1e}")  # noqa: T201
        assert worst <= 1e-4


def test_arrays_have_the_promised_shapes_and_cannot_be_written_to(tiny_checkpoint: WriteCheckpoint) -> None:
    _, report = asked(ModelRef(tiny_checkpoint()), 2)
    for name, shape in {
        "saliency": (16,),
        "input_gradient": (16,),
        "token_mixing": (3, 16),
        "channel_mixing": (3, 16),
        "stem": (16,),
        "grad_cam": (16,),
    }.items():
        array = getattr(report, name)
        assert (array.shape, array.dtype) == (shape, np.float32), name
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert report.request == GradientRequest(1, 2)
    assert report.saliency.min() >= 0
    assert report.grad_cam.min() >= 0
    assert report.elapsed_ms > 0


def test_grad_cam_and_the_last_update_agree_with_direct_contributions(tiny_checkpoint: WriteCheckpoint) -> None:
    """Of the last channel mixing, total and direct differ by the slope of the final norm's σ alone: both must move."""
    engine, report = asked(ModelRef(tiny_checkpoint()), 1)
    direct = ask(engine, ClassRequest(1, 1))
    total = report.channel_mixing[-1]
    assert np.corrcoef(total, direct.channel_mixing[-1])[0, 1] > 0.1  # type: ignore[union-attr]
    assert not np.allclose(total * 16, direct.channel_mixing[-1])  # type: ignore[union-attr]


def test_another_class_has_another_gradient(tiny_checkpoint: WriteCheckpoint) -> None:
    engine, first = asked(ModelRef(tiny_checkpoint()), 1)
    second = ask(engine, GradientRequest(1, 2))
    assert isinstance(second, GradientReport)
    assert not np.allclose(first.saliency, second.saliency, rtol=0.01)
