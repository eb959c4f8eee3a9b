"""The entry point: who gets argv, and what is not imported on the way."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from mixer_gui.__main__ import NEW_WINDOW, STARTUP_REPORT, files_of, has_display, wants
from mixer_gui.startup import Mark

STUB_WINDOW = """
import sys, types
window = types.ModuleType("mixer_gui.app")
window.main = lambda files: print("window", files) or 7
sys.modules["mixer_gui.app"] = window
"""


def run(
    arguments: list[str], *, before: str = "", after: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Call main() in a fresh interpreter with only the given variables about displays."""
    displays = {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}
    inherited = {name: value for name, value in os.environ.items() if name not in displays}
    code = (
        f"{before}\nimport sys\nsys.argv = ['mixer-gui', *{arguments!r}]\n"
        f"from mixer_gui.__main__ import main\nexit_code = main()\n{after}\nsys.exit(exit_code)"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", env=inherited | environment
    )


def test_files_go_to_the_window_and_its_exit_code_comes_back() -> None:
    ended = run(["a.png", "folder/b.jpg"], before=STUB_WINDOW, QT_QPA_PLATFORM="offscreen")
    assert ended.stdout == "window ['a.png', 'folder/b.jpg']\n"
    assert ended.returncode == 7


def test_no_arguments_open_an_empty_window() -> None:
    assert run([], before=STUB_WINDOW, QT_QPA_PLATFORM="offscreen").stdout == "window []\n"


def test_way_to_the_window_imports_nothing_heavy() -> None:
    after = "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    ended = run(["a.png"], before=STUB_WINDOW, after=after, QT_QPA_PLATFORM="offscreen")
    assert not {"typer", "rich", "numpy", "torch", "PIL", "PySide6"} & set(ended.stdout.splitlines()[1].split())


def test_unknown_options_are_named_and_refused() -> None:
    ended = run(["a.png", "--fast", "-q"], before=STUB_WINDOW, QT_QPA_PLATFORM="offscreen")
    assert ended.returncode == 2
    assert "--fast, -q" in ended.stderr
    assert ended.stdout == ""


def test_after_a_double_dash_everything_is_a_file() -> None:
    assert files_of(["a", "--", "-b.png", "classify", "--"]) == ["a", "-b.png", "classify", "--"]


def test_startup_report_is_an_option_only_before_a_double_dash() -> None:
    assert files_of(["--startup-report", "a.png"]) == ["a.png"]
    assert wants(STARTUP_REPORT, ["a.png", "--startup-report"])
    assert files_of(["a.png", "--", "--startup-report"]) == ["a.png", "--startup-report"]
    assert not wants(STARTUP_REPORT, ["a.png", "--", "--startup-report"])


def test_new_window_is_an_option_only_before_a_double_dash() -> None:
    assert files_of(["a.png", NEW_WINDOW]) == ["a.png"]
    assert wants(NEW_WINDOW, ["a.png", NEW_WINDOW])
    assert files_of(["--", NEW_WINDOW]) == [NEW_WINDOW]
    assert not wants(NEW_WINDOW, ["--", NEW_WINDOW])


def test_refusal_of_a_program_without_console_is_in_the_log(own_home: Path) -> None:
    ended = run(["--fast"], before="import sys; sys.stdout = sys.stderr = sys.__stderr__ = None")
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", "")
    logs = [each.read_text(encoding="utf-8") for each in own_home.rglob("window.log")]
    assert len(logs) == 1
    assert "unknown option --fast" in logs[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a display is always there")
def test_startup_report_without_a_display_is_refused_as_usual() -> None:
    ended = run(["--startup-report"])
    assert ended.returncode == 1
    assert "needs a display" in ended.stderr


def test_startup_report_tells_its_marks_in_order_and_the_window_stays(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(picture)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    process = subprocess.Popen(
        [sys.executable, "-m", "mixer_gui", "--startup-report", str(picture)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        lines = []
        while not (lines and lines[-1].startswith("packages imported")):
            lines.append(process.stderr.readline())
            assert lines[-1], lines
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()
    rows = [re.fullmatch(r" *(\d+) +(\d+)  (.+)\n", line) for line in lines[1:-1]]
    times = {row.group(3): int(row.group(1)) for row in rows}
    assert sorted(times.values()) == list(times.values())
    assert set(times) == set(Mark)
    order = (Mark.INTERPRETER, Mark.QT, Mark.MODULES, Mark.WINDOW, Mark.PAINT, Mark.TORCH, Mark.MODEL, Mark.PREDICTION)
    assert [name for name in times if name in order] == list(order)
    assert times[Mark.INTERPRETER] > 0
    assert times[Mark.PICTURE] <= times[Mark.PREDICTION]
    early = dict(re.findall(r"([\w.]+) \((\d+)\)", lines[-1]))
    assert {"mixer_gui", "PySide6.QtWidgets"} <= set(early)
    assert not {"torch", "numpy", "PIL", "huggingface_hub", "cmap", "rich", "PySide6.QtMultimedia"} & set(early)


@pytest.mark.parametrize("content", [None, b"no picture"], ids=["no file", "broken file"])
def test_startup_report_is_told_where_no_prediction_comes(tmp_path: Path, content: bytes | None) -> None:
    files = []
    if content is not None:
        files = [tmp_path / "picture.png"]
        files[0].write_bytes(content)
    process = subprocess.Popen(
        [sys.executable, "-m", "mixer_gui", "--startup-report", *map(str, files)],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = []
        while not (lines and lines[-1].startswith("packages imported")):
            lines.append(process.stderr.readline())
            assert lines[-1], lines
    finally:
        process.kill()
        process.communicate()
    assert any(line.endswith(f"  {Mark.PAINT}\n") for line in lines)
    assert not any(line.endswith(f"  {Mark.PREDICTION}\n") for line in lines)


@pytest.mark.parametrize("option", ["-", "-b.png", "--help"])
def test_what_begins_with_a_dash_is_an_option(option: str) -> None:
    with pytest.raises(ValueError, match="unknown option " + option):
        files_of(["a.png", option])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a display is always there")
def test_missing_display_is_told_in_a_sentence() -> None:
    ended = run(["a.png"], before=STUB_WINDOW)
    assert ended.returncode == 1
    assert "needs a display" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a display is always there")
@pytest.mark.parametrize("variable", ["DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"])
def test_each_kind_of_display_counts(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(each, raising=False)
    assert not has_display()
    monkeypatch.setenv(variable, "something")
    assert has_display()


def test_missing_system_library_is_told_in_a_sentence() -> None:
    before = (
        "import sys\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'mixer_gui.app':\n"
        "            raise ImportError('libEGL.so.1: cannot open shared object file: No such file or directory')\n"
        "sys.meta_path.insert(0, Broken())"
    )
    ended = run([], before=before, QT_QPA_PLATFORM="offscreen")
    assert ended.returncode == 1
    assert "libEGL.so.1" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_spawned_child_reimports_the_entry_module_cheaply(tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "started.py")  # noqa: PTH118 - as an installed script: a path, not a module
    with open(script, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(
            "import multiprocessing, sys\n"
            "from mixer_gui.__main__ import main\n"
            "def child():\n"
            "    loaded = {name.partition('.')[0] for name in sys.modules}\n"
            "    print(sorted(loaded & {'typer', 'rich', 'numpy', 'torch', 'PIL', 'PySide6'}), flush=True)\n"
            "if __name__ == '__main__':\n"
            "    process = multiprocessing.get_context('spawn').Process(target=child)\n"
            "    process.start(); process.join(); sys.exit(process.exitcode)\n"
        )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "[]\n"), ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_closes_the_window_with_its_settings_saved(number: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_CONFIG_HOME": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-m", "mixer_gui"], env=environment)
    try:
        deadline = time.monotonic() + 30
        while not _catches(process.pid, number) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
    assert (tmp_path / "mixer-gui" / "settings.json").is_file()


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for SIGTERM and `number`; Linux only."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("signal handlers of a process are read from /proc")
    caught = int(re.search(r"^SigCgt:\s*(\w+)", status.read_text(), re.MULTILINE).group(1), 16)
    return all(caught >> (each - 1) & 1 for each in (number, signal.SIGTERM))


@pytest.mark.skipif(os.name != "posix", reason="elsewhere files have no such numbers")
def test_closed_streams_are_filled_before_anything_else_takes_their_numbers(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "from mixer_gui.__main__ import fill_missing_streams\n"
        "fill_missing_streams()\n"
        f"told = os.open({str(tmp_path / 'told')!r}, os.O_CREAT | os.O_WRONLY)\n"
        "os.write(2, b'lost')\n"
        "os.write(told, ' '.join(os.readlink(f'/dev/fd/{n}') for n in range(3)).encode() + b' %d' % told)\n"
    )
    closed = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code], check=False)
    assert closed.returncode == 0
    *streams, told = (tmp_path / "told").read_text().split()
    assert streams == [os.devnull] * 3
    assert int(told) > 2
