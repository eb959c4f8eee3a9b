"""The log's files, in real processes: rotation, several at once, crashes, places that cannot be written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mixer_gui import logs

START = "import logging, sys\nfrom mixer_gui import logs\nprint(logs.start('window'), flush=True)\n"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START + code], capture_output=True, text=True, env={**os.environ, **environment}
    )


def text(name: str = "window.log") -> str:
    return (logs.folder() / name).read_text(encoding="utf-8")


def test_files_rotate_and_the_newest_line_is_in_the_first() -> None:
    ended = run("for i in range(50_000): logging.getLogger('mixer_gui.x').info('line %d %s', i, 'x' * 100)")
    assert (ended.stdout, ended.stderr) == ("False\n", "")
    sizes = {each.name: each.stat().st_size for each in logs.folder().glob("*.log*")}
    assert set(sizes) == {"window.log", "window.log.1", "window.log.2"}
    assert max(sizes.values()) <= logs.FILE_BYTES
    assert "line 49999" in text()


def test_what_is_logged_of_whom_and_what_a_terminal_shows() -> None:
    code = (
        "import warnings\n"
        "for name in ('mixer_gui.x', 'other'):\n"
        "    for level in (logging.DEBUG, logging.INFO, logging.WARNING):\n"
        "        logging.getLogger(name).log(level, '%s at %d', name, level)\n"
        "warnings.warn('take care')"
    )
    ended = run(code)
    assert re.findall(r"(\S+) at (\d+)", text()) == [("mixer_gui.x", "20"), ("mixer_gui.x", "30"), ("other", "30")]
    assert "take care" in text()
    assert ended.stderr.splitlines()[:2] == ["mixer_gui.x at 30", "other at 30"]
    assert "take care" in ended.stderr


def test_each_of_two_processes_has_files_of_its_own() -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", START + "input()\nlogging.getLogger('mixer_gui').info('the first')"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert first.stdout.readline() == "False\n"
        assert run("logging.getLogger('mixer_gui').info('the second')").returncode == 0
        first.communicate("\n")
    finally:
        first.kill()
        first.wait()
    assert ("the first" in text(), "the second" in text()) == (True, False)
    assert "the second" in text("window-2.log")
    run("logging.getLogger('mixer_gui').info('the third')")
    assert "the third" in text()


def test_hard_crash_is_noticed_once_by_the_next_start() -> None:
    code = "def reads_nowhere():\n    import ctypes\n    ctypes.string_at(0)\nreads_nowhere()"
    assert run(code).returncode != 0
    assert run("").stdout == "True\n"
    assert "CRITICAL" in text()
    assert "ended unexpectedly in an earlier run" in text()
    assert "reads_nowhere" in text()
    assert (logs.folder() / "window.crash").read_bytes() == b""
    assert run("").stdout == "False\n"
    assert text().count("reads_nowhere") == 1


def test_crash_beside_another_process_is_noticed_too() -> None:
    with_another = (
        "import subprocess\n"
        "code = 'import faulthandler; from mixer_gui import logs; logs.start(\"window\"); faulthandler._sigsegv()'\n"
        "print(subprocess.run([sys.executable, '-c', code]).returncode != 0)"
    )
    assert run(with_another).stdout == "False\nTrue\n"
    assert run("").stdout == "True\n"
    assert "faulthandler" in text() or "Segmentation fault" in text()


def test_traces_of_a_process_that_ended_in_order_are_no_crash() -> None:
    assert run("import faulthandler; open(logs.folder() / 'window.crash', 'a').write('handled')").returncode == 0
    assert run("").stdout == "False\n"


@pytest.mark.skipif(sys.platform == "win32", reason="the folder is found by another variable there")
def test_place_that_cannot_be_had_costs_the_log_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    ended = run("logging.getLogger('mixer_gui').info('lost')", XDG_STATE_HOME=str(file), HOME=str(file))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "False\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is read off /dev/full")
def test_full_disk_costs_the_log_and_nothing_else() -> None:
    logs.folder().mkdir(parents=True)
    (logs.folder() / "window.log").symlink_to("/dev/full")
    ended = run("logging.getLogger('mixer_gui').info('lost')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "False\n", "")


def test_nothing_is_written_to_streams_that_are_missing() -> None:
    ended = run(
        "print('seen', flush=True)\nsys.stdout = sys.stderr = None\nimport warnings\n"
        "logging.getLogger('other').error('an error')\nwarnings.warn('take care')"
    )
    assert (ended.returncode, ended.stdout) == (0, "False\nseen\n")
    without = subprocess.run(
        [sys.executable, "-c", "import sys\nsys.stdout = sys.stderr = None\n" + START.replace(", flush=True", "")],
        capture_output=True,
        text=True,
    )
    assert (without.returncode, without.stdout, without.stderr) == (0, "", "")
