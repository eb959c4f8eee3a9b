"""A real X server without a monitor, and a program on it that captures a photograph: of the screen, of its window."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from x_server import x_server

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[1]


@pytest.fixture
def display() -> Iterator[str]:
    with x_server("1280x720") as name:
        yield name


def viewed(display: str, kind: str) -> dict[str, object]:
    """What screen_viewer.py says."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "XDG_SESSION_TYPE"},
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
    }
    run = subprocess.run(
        [sys.executable, str(TESTS / "media" / "screen_viewer.py"), kind],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout, run.stderr
    return json.loads(run.stdout)


def test_screen_and_a_rectangle_of_it_are_captured_to_the_pixel(display: str) -> None:
    verdict = viewed(display, "screen")
    assert "failure" not in verdict
    assert verdict["size"] == [720, 1280, 3]
    assert verdict["screens"]
    for name in ("whole", "rectangle"):
        told = verdict[name]
        assert told["shape"] == [400, 600, 3]
        assert told["difference"] == 0
        assert told["state"] == "playing"
        assert told["rate"] < 36  # the capture itself comes at 60
    assert verdict["whole"]["told_size"] == [1280, 720]
    assert verdict["rectangle"]["told_size"] == [600, 400]


def test_window_is_captured_by_its_title_and_its_end_is_told(display: str) -> None:
    if shutil.which("openbox") is None:
        pytest.skip("windows are listed by a window manager; this test needs openbox")
    environment = {**os.environ, "DISPLAY": display}
    manager = subprocess.Popen(["openbox", "--sm-disable"], env=environment, stderr=subprocess.DEVNULL)
    try:
        verdict = viewed(display, "window")
    finally:
        manager.terminate()
        manager.wait()
    assert "A photograph" in verdict["windows"]
    assert verdict["window"]["shape"] == [400, 600, 3]
    assert verdict["window"]["difference"] == 0
    assert "“A photograph” was closed" in verdict["failure"]
    assert verdict["closed"]
