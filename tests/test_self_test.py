"""`--self-test`: every step on this installation, and what becomes of steps that fail, hang or crash."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixer_gui import __version__
from mixer_gui.self_test import STEPS, StepFailedError, run


def fine() -> str:
    return "all well"


def wrong() -> str:
    raise StepFailedError("7 of 8 are there")


def raises() -> str:
    return str({}["key"])


def hangs() -> str:
    time.sleep(600)
    return ""


def crashes() -> str:
    os.abort()


def crashes_at_its_end() -> str:
    import atexit

    atexit.register(os._exit, 3)
    return "done"


def run_program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    displays = {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}
    inherited = {name: value for name, value in os.environ.items() if name not in displays}
    return subprocess.run(
        [sys.executable, "-m", "mixer_gui", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=inherited | environment,
    )


@pytest.mark.slow
def test_this_installation_passes_without_a_display_and_tells_of_each_step(tmp_path: Path) -> None:
    ended = run_program(f"--self-test={tmp_path / 'found.json'}")
    assert ended.returncode == 0, ended.stdout
    lines = ended.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == list(STEPS)
    told = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert told["version"] == __version__
    assert told["ok"]
    assert [each["step"] for each in told["steps"]] == list(STEPS)
    assert all(each["finding"] in line for each, line in zip(told["steps"], lines, strict=True))


@pytest.mark.slow
def test_a_missing_model_fails_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    import shutil

    from mixer_gui import resources

    copy = tmp_path / "site" / "mixer_gui"
    shutil.copytree(Path(resources.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(resources.assets_folder(), copy / "assets", ignore=shutil.ignore_patterns("*.safetensors"))
    ended = run_program("--self-test", PYTHONPATH=str(copy.parent), PYTHONSAFEPATH="1")
    failed = {line.split("  ")[0] for line in ended.stdout.splitlines() if "FAILED" in line}
    assert failed == {"model", "picture", "explanation", "window"}, ended.stdout
    assert ended.returncode == 1


def test_a_step_that_fails_raises_hangs_or_crashes_is_told_and_the_others_go_on() -> None:
    steps = {each.__name__: each for each in (wrong, raises, hangs, crashes, crashes_at_its_end, fine)}
    outcomes = {each.step: each for each in run(steps, limit_s=5)}
    assert {name for name, each in outcomes.items() if each.ok} == {"fine"}
    assert outcomes["wrong"].finding == "7 of 8 are there"
    assert outcomes["raises"].finding == "KeyError: 'key'"
    assert "in raises" in outcomes["raises"].detail
    assert outcomes["hangs"].finding == "did not end within 5 s"
    assert "ended with exit code" in outcomes["crashes"].finding
    assert outcomes["crashes_at_its_end"].finding == "done; its process ended with exit code 3"
    assert outcomes["fine"].finding == "all well"


def test_files_beside_the_option_are_refused() -> None:
    ended = run_program("--self-test", "a.png")
    assert ended.returncode == 2
    assert "takes no files" in ended.stderr


def test_a_program_without_standard_output_writes_its_file_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mixer_gui import self_test

    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(self_test, "STEPS", {"fine": fine, "wrong": wrong})
    assert self_test.main([f"--self-test={tmp_path / 'found.json'}"]) == 1
    told = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert [each["ok"] for each in told["steps"]] == [True, False]
    assert not told["ok"]
    assert self_test.main([f"--self-test={tmp_path / 'none' / 'found.json'}"]) == 1, "it says so by its exit code"
