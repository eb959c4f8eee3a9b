"""The benchmarks run and print their figures; the figures themselves are nobody's pass or fail."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from mixer_gui.bench.material import pictures, random_checkpoint
from mixer_gui.bench.window import measure
from mixer_gui.model.description import describe
from mixer_gui.records import ModelRef

if TYPE_CHECKING:
    from pathlib import Path


def test_a_download_that_fails_is_told_in_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mixer_gui", "bench", "download", "owner/name"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "127.0.0.1:9 cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_start_is_measured_from_outside_the_process(tmp_path: Path) -> None:
    figures = measure(pictures(tmp_path, names=("photo-0.jpg",)))
    assert 0 < figures.first_paint_ms < figures.first_prediction_ms
    assert not figures.torch_before_paint
    assert figures.gaps_ms == tuple(sorted(figures.gaps_ms, reverse=True))
    assert len(figures.gaps_ms) == 5


def test_material_is_what_it_says(tmp_path: Path) -> None:
    assert describe(ModelRef(random_checkpoint("S/32", tmp_path))).parameters == 19_104_624
    (made,) = pictures(tmp_path, names=("photo-1.jpg",))
    with Image.open(made) as picture:
        assert picture.width * picture.height == pytest.approx(12e6, rel=0.01)
