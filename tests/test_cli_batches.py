"""`mixer-gui classify` with several pictures in a pass, as on a GPU; in real processes, here on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import skimage.data
from clips import two_photographs, write_clip
from PIL import Image
from test_cli import ENVIRONMENT, ON_POSIX, finished_before_ctrl_c, mixer_gui, names

MOST = 8
CODE = f"""
import sys
from mixer_gui.__main__ import main
from mixer_gui.engine import batches
from mixer_gui.records import DevicePreference
batches.LARGEST[DevicePreference.CPU] = {MOST}
sys.argv[0] = "mixer-gui"
sys.exit(main())
"""


def in_batches(*arguments: object) -> list[str]:
    return [sys.executable, "-c", CODE, *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        in_batches(*arguments), capture_output=True, encoding="utf-8", env=os.environ | ENVIRONMENT, timeout=120
    )


def results(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photographs in turns, 40 files: the first takes so long that others are decoded before it; two broken."""
    folder = tmp_path_factory.mktemp("photographs")
    images = [Image.fromarray(getattr(skimage.data, name)()) for name in ("chelsea", "coffee", "rocket")]
    images[0].resize((6000, 4000)).save(folder / "00.png", compress_level=1)
    for number in range(1, 40):
        path = folder / f"{number:02}.png"
        if number in (7, 20):
            path.write_bytes(b"\x89PNG\r\n\x1a\nand then nonsense")
        else:
            images[number % 3].resize((300 + number, 200)).save(path)
    return folder


def test_results_are_those_of_one_by_one_in_their_order(photographs: Path) -> None:
    ended, alone = run("classify", photographs, "--jsonl"), mixer_gui("classify", photographs, "--jsonl")
    assert ended.returncode == alone.returncode == 1
    assert "2 of 40 pictures failed" in ended.stderr
    found, expected = results(ended.stdout), results(alone.stdout)
    assert names(found) == names(expected) == [f"{number:02}.png" for number in range(40)]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["error"] == theirs["error"]
        assert [each["index"] for each in ours["predictions"]] == [each["index"] for each in theirs["predictions"]]
        for one, other in zip(ours["predictions"], theirs["predictions"], strict=True):
            assert one["probability"] == pytest.approx(other["probability"], abs=1e-5)
    assert [bool(each["error"]) for each in found].count(True) == 2
    forward_ms = [each["timings_ms"]["forward"] for each in found if each["error"] is None]
    assert forward_ms[0] == forward_ms[1]  # they share one pass
    assert max(forward_ms.count(each) for each in forward_ms) <= MOST


@ON_POSIX
@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_ctrl_c_exits_130_and_keeps_what_was_finished(form: str, photographs: Path, tmp_path: Path) -> None:
    for index in range(2000):
        (tmp_path / f"{index}.png").symlink_to(photographs / "01.png")
    finished = finished_before_ctrl_c(in_batches("classify", tmp_path, form), OMP_NUM_THREADS="2")
    assert 2 <= len(finished) < 2000
    assert all(each["error"] is None for each in finished)


@pytest.mark.usefixtures("qapp")
def test_frames_of_a_video_stand_between_the_pictures(photographs: Path, tmp_path: Path) -> None:
    coffee, rocket = two_photographs()
    write_clip(tmp_path / "clip.mp4", [coffee, rocket], rate=30)
    before, after = [photographs / f"{number:02}.png" for number in (1, 2)], photographs / "03.png"
    ended = run("classify", *before, tmp_path / "clip.mp4", after, "--every", "0.5s", "--jsonl", "-k1")
    assert ended.returncode == 0, ended.stderr
    found = results(ended.stdout)
    assert names(found) == ["01.png", "02.png", *["clip.mp4"] * 4, "03.png"]
    times = [each["time_s"] for each in found]
    assert (times[:2], times[6:]) == ([None, None], [None])
    assert times[2:6] == pytest.approx([0, 0.5, 1, 1.5])
    labels = [each["predictions"][0]["label"] for each in found]
    assert labels[2] == labels[3] == labels[0] == "espresso"
    assert labels[4] == labels[5] != "espresso"
