"""`mixer-gui classify` on real videos, in real processes, with the embedded default."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from clips import cut_short, two_photographs, write_clip
from PIL import Image
from test_cli import ENVIRONMENT, ON_POSIX, command, finished_before_ctrl_c, mixer_gui

COFFEE, ROCKET = two_photographs()
NO_QT = "import sys; sys.modules['PySide6'] = None\nfrom mixer_gui.__main__ import main\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, qapp: object) -> Path:
    """coffee.png, rocket.png, and clip.mp4 and clip.mkv: both in turns, a second each, six seconds."""
    folder = tmp_path_factory.mktemp("videos")
    Image.fromarray(COFFEE).save(folder / "coffee.png")
    Image.fromarray(ROCKET).save(folder / "rocket.png")
    for suffix in (".mp4", ".mkv"):
        write_clip(folder / f"clip{suffix}", [COFFEE, ROCKET], rate=30, repeats=3)
    return folder


@pytest.fixture(scope="module")
def labels(folder: Path) -> tuple[str, str]:
    """What the embedded model calls the two photographs."""
    ended = mixer_gui("classify", folder / "coffee.png", folder / "rocket.png", "--json", "-k1")
    coffee, rocket = (each["predictions"][0]["label"] for each in json.loads(ended.stdout))
    assert coffee == "espresso"
    assert coffee != rocket
    return coffee, rocket


def without_qt(arguments: Sequence[object]) -> subprocess.CompletedProcess[str]:
    code = f"{NO_QT}sys.argv = ['mixer-gui', *{[str(each) for each in arguments]!r}]\nsys.exit(main())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | ENVIRONMENT)


@pytest.mark.parametrize("every", ["0.5s", "500ms", "0.5"])
def test_csv_has_the_sampled_frames_with_the_cuts_at_their_times(
    folder: Path, labels: tuple[str, str], every: str
) -> None:
    ended = mixer_gui("classify", folder / "clip.mp4", "--every", every, "--csv", "-k1")
    assert (ended.returncode, ended.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(ended.stdout, newline="")))
    assert list(rows[0])[:2] == ["path", "time_s"]
    assert [float(row["time_s"]) for row in rows] == pytest.approx([k / 2 for k in range(12)])
    assert [row["label"] for row in rows] == [labels[int(k / 2) % 2] for k in range(12)]
    assert {row["path"] for row in rows} == {str(folder / "clip.mp4")}


def test_pictures_and_videos_keep_their_order(folder: Path, labels: tuple[str, str]) -> None:
    coffee, rocket = labels
    ended = mixer_gui(
        "classify", folder / "rocket.png", folder / "clip.mkv", folder / "coffee.png", "--every", "3.5", "--jsonl"
    )
    assert ended.returncode == 0, ended.stderr
    results = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(Path(each["path"]).name, each["time_s"]) for each in results] == [
        ("rocket.png", None),
        ("clip.mkv", 0.0),
        ("clip.mkv", 3.5),
        ("coffee.png", None),
    ]
    assert [each["predictions"][0]["label"] for each in results] == [rocket, coffee, rocket, coffee]
    assert all(milliseconds > 0 for each in results for milliseconds in each["timings_ms"].values())


def test_text_tells_the_moment_and_a_second_passes_where_nothing_else_is_said(folder: Path) -> None:
    ended = mixer_gui("classify", folder / "clip.mp4")
    assert ended.returncode == 0, ended.stderr
    heads = [line for line in ended.stdout.splitlines() if not line.startswith(" ")]
    assert heads == [f"{folder / 'clip.mp4'} at 0:0{second}.000" for second in range(6)]


def test_folders_give_their_pictures_only(folder: Path) -> None:
    ended = mixer_gui("classify", folder, "--jsonl")
    assert [Path(json.loads(line)["path"]).name for line in ended.stdout.splitlines()] == ["coffee.png", "rocket.png"]


def test_video_that_breaks_off_keeps_its_results_and_the_rest_comes(folder: Path, tmp_path: Path) -> None:
    path = cut_short(folder / "clip.mkv", tmp_path / "cut.mkv", 0.45)
    ended = mixer_gui("classify", path, folder / "coffee.png", "--every", "0.5s", "--json")
    assert ended.returncode == 1
    *frames, broken, coffee = json.loads(ended.stdout)
    assert [each["time_s"] for each in frames] == pytest.approx([k / 2 for k in range(len(frames))])
    assert 2 <= len(frames) < 12
    assert all(each["error"] is None for each in frames)
    assert "cut short" in broken["error"]
    assert (broken["path"], broken["time_s"], broken["predictions"]) == (str(path), None, [])
    assert coffee["error"] is None
    assert f"1 of {len(frames) + 2} results are errors." in ended.stderr


def test_what_is_no_video_fails_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    ended = mixer_gui("classify", tmp_path / "text.mp4", tmp_path / "gone.mkv", folder / "coffee.png", "--json")
    assert ended.returncode == 1
    text, gone, coffee = json.loads(ended.stdout)
    assert "could not be opened as a video" in text["error"]
    assert "is not there" in gone["error"]
    assert coffee["error"] is None
    assert "Traceback" not in ended.stderr


def test_pictures_need_no_qt_and_videos_say_that_they_do(folder: Path) -> None:
    ended = without_qt(["classify", folder / "coffee.png", "--json"])
    assert ended.returncode == 0, ended.stderr
    ended = without_qt(["classify", folder / "coffee.png", folder / "clip.mp4", "--json"])
    assert ended.returncode == 1
    coffee, clip = json.loads(ended.stdout)
    assert coffee["error"] is None
    assert "clip.mp4” is a video" in clip["error"]
    assert "PySide6" in clip["error"]
    assert "Traceback" not in ended.stderr


@ON_POSIX
@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_ctrl_c_exits_130_and_keeps_what_was_finished(form: str, folder: Path) -> None:
    finished = finished_before_ctrl_c(command("classify", *[folder / "clip.mp4"] * 200, form, "--every", "0.1s"))
    assert 2 <= len(finished) < 200 * 60
    assert all(each["error"] is None for each in finished)
