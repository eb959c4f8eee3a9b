"""A network in half precision: which of its weights are rounded, which are shared, and what it takes."""

from __future__ import annotations

import pytest
import torch
from checkpoints import random_mixer, tiny_config

from mixer_gui.model.mixer import Record
from mixer_gui.model.precision import DTYPES, added_bytes, in_precision
from mixer_gui.records import Precision

HALVES = (Precision.BF16, Precision.FP16)


def is_full(name: str) -> bool:
    return "norm" in name or name.startswith("head.")


def test_fp32_is_the_network_itself() -> None:
    model = random_mixer(tiny_config())
    assert in_precision(model, Precision.FP32) is model


@pytest.mark.parametrize("precision", HALVES)
def test_all_but_norms_and_the_head_are_rounded(precision: Precision) -> None:
    model = random_mixer(tiny_config())
    rounded = in_precision(model, precision)
    for (name, ours), theirs in zip(rounded.named_parameters(), model.parameters(), strict=True):
        if is_full(name):
            assert ours.data_ptr() == theirs.data_ptr(), name
        else:
            assert ours.dtype == DTYPES[precision], name
            torch.testing.assert_close(ours, theirs.to(ours.dtype), rtol=0, atol=0)
        assert not ours.requires_grad
        assert theirs.dtype == torch.float32
    assert not rounded.training


def test_bf16_gives_nearly_the_same_logits_in_fp32() -> None:
    model = random_mixer(tiny_config())
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        exact, _ = model(images)
        rounded, recording = in_precision(model, Precision.BF16)(images, Record.FULL)
    assert rounded.dtype == recording.final_tokens.dtype == recording.layer_features.dtype == torch.float32
    assert recording.hidden[0].dtype == torch.bfloat16
    difference = float((rounded - exact).abs().max() / exact.abs().max())
    assert 0 < difference < 0.05


def test_added_bytes_are_those_of_the_rounded_weights_and_of_what_is_laid_out() -> None:
    model = random_mixer(tiny_config())
    rounded = in_precision(model, Precision.BF16)
    own = sum(each.nbytes for name, each in rounded.named_parameters() if not is_full(name))
    laid_out = sum(each.nbytes for block in rounded.blocks for each in block.mlp_channels.parameters())
    assert added_bytes(rounded) == own + laid_out
