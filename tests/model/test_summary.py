"""Counts and shapes of the summary against sums done by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoints import tiny_config

from mixer_gui.model.description import read_config
from mixer_gui.model.summary import render, summarize
from mixer_gui.model.variants import PARAMETER_COUNTS, VARIANTS, variant
from mixer_gui.records import MixerGuiError, ModelRef


def test_s16_is_summed_up_as_the_paper_has_it() -> None:
    text = render(summarize(variant("S/16")))
    assert text.endswith("18,528,264 parameters (18.528M)\n3.78 G multiply-accumulates per picture\noutput (2, 1000)")


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_adds_up(name: str) -> None:
    config = variant(name)
    summary = summarize(config)
    patches, channels, pixels = config.grid.count, config.hidden_dim, 3 * config.patch_size**2
    by_hand = patches * pixels * channels + channels * config.num_classes
    by_hand += config.num_blocks * 2 * patches * channels * (config.tokens_mlp_dim + config.channels_mlp_dim)
    assert summary.multiply_accumulates == by_hand == sum(row.multiply_accumulates for row in summary.rows)
    assert summary.parameters == PARAMETER_COUNTS[name] == sum(row.parameters for row in summary.rows)
    assert len(summary.rows) == 3 + 4 * config.num_blocks


def test_rows_run_from_stem_to_head_with_their_shapes() -> None:
    rows = summarize(tiny_config(image_size=(16, 48)), batch=3).rows
    assert [row.name for row in rows[:6]] == [
        "stem",
        "blocks.0.norm1",
        "blocks.0.mlp_tokens",
        "blocks.0.norm2",
        "blocks.0.mlp_channels",
        "blocks.1.norm1",
    ]
    assert {row.output for row in rows[:-1]} == {(3, 12, 12)}
    assert (rows[-1].name, rows[-1].output) == ("head", (3, 5))


def test_multiply_accumulates_are_per_picture_whatever_the_batch() -> None:
    assert len({summarize(tiny_config(), batch).multiply_accumulates for batch in (1, 2, 7)}) == 1
    with pytest.raises(MixerGuiError, match="not 0"):
        summarize(tiny_config(), 0)


def test_columns_are_aligned_and_numbers_grouped() -> None:
    lines = render(summarize(variant("B/16"))).splitlines()
    table = lines[: lines.index(lines[1], 2)]
    assert {len(line) for line in table} == {len(lines[0])}
    assert "59,880,472 parameters (59.880M)" in lines


def test_a_folder_is_summed_up_too(tiny_checkpoint: Callable[..., Path]) -> None:
    summary = summarize(read_config(ModelRef(tiny_checkpoint())))
    assert summary.output == (2, 5)
