"""One window: programs started later hand their files to it. The second process is always a real one."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from mixer_gui.gui.handover import HEAD, LIMIT_BYTES, PATIENCE_S, hand_over, packed, server_name
from mixer_gui.gui.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]

TIMEOUT_MS = 30_000

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="these look at the socket's file"),
    pytest.mark.qt_log_ignore("This plugin does not support raise"),
]


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the windows of this test listen."""
    return Path(server_name())


@pytest.fixture
def programs() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the program; what is still running at the end is killed."""
    started = []

    def run(*arguments: object, code: str = "", cwd: Path | None = None) -> subprocess.Popen[str]:
        command = ["-c", code] if code else ["-m", "mixer_gui"]
        started.append(
            subprocess.Popen(
                [sys.executable, *command, *map(str, arguments)],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
                cwd=cwd,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for each in started:
        each.kill()
        each.communicate()


@pytest.fixture
def listening(start: Start) -> Iterator[Application]:
    """An application in this process that listens as `main` has it listen."""
    application = start()
    instance = Instance(application)
    assert instance.listen(server_name())
    instance.files_arrived.connect(application.take_files)
    yield application
    instance.close()


def wait_until(holds: Callable[[], object], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def names(application: Application) -> list[str]:
    return [each.source.name for each in application.window.session.gallery.pictures]


def remembered(own_home: Path) -> list[str]:
    settings = json.loads((own_home / "config" / "mixer-gui" / "settings.json").read_text(encoding="utf-8"))
    return [Path(each).name for each in settings["recent"]]


def test_files_of_a_second_process_arrive_and_the_window_comes_to_the_front(
    listening: Application, programs: Callable[..., subprocess.Popen[str]], photographs: dict[str, Path], qtbot: QtBot
) -> None:
    window = listening.window
    window.showMinimized()
    second = programs(photographs["coffee"].name, photographs["rocket"], cwd=photographs["coffee"].parent)
    qtbot.waitUntil(lambda: len(names(listening)) == 2, timeout=TIMEOUT_MS)
    assert names(listening) == ["coffee.png", "rocket.png"]
    qtbot.waitUntil(lambda: second.poll() is not None, timeout=TIMEOUT_MS)
    assert (second.returncode, *second.communicate()) == (0, "", "")
    assert not window.windowState() & Qt.WindowState.WindowMinimized
    qtbot.waitUntil(window.isActiveWindow)


def test_second_process_without_files_brings_the_window_to_the_front(
    listening: Application, programs: Callable[..., subprocess.Popen[str]], qtbot: QtBot
) -> None:
    window = listening.window
    window.showMinimized()
    second = programs()
    qtbot.waitUntil(lambda: second.poll() is not None, timeout=TIMEOUT_MS)
    assert second.returncode == 0
    assert not window.windowState() & Qt.WindowState.WindowMinimized
    assert names(listening) == []


def test_second_process_imports_neither_widgets_nor_anything_heavy(
    listening: Application, programs: Callable[..., subprocess.Popen[str]], qtbot: QtBot
) -> None:
    code = (
        "import sys\nfrom mixer_gui.__main__ import main\nassert main() == 0\n"
        "print(sorted({'torch', 'numpy', 'PIL', 'PySide6.QtWidgets', 'mixer_gui.app'} & set(sys.modules)))"
    )
    second = programs(code=code)
    qtbot.waitUntil(lambda: second.poll() is not None, timeout=TIMEOUT_MS)
    assert second.communicate() == ("[]\n", "")


def test_only_this_user_may_call(listening: Application, place: Path) -> None:
    assert stat.S_IMODE(place.stat().st_mode) & 0o077 == 0


def test_other_settings_or_another_display_have_a_window_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert server_name() != server_name(Path("/elsewhere/settings.json"))
    before = server_name()
    monkeypatch.setenv("DISPLAY", ":77")
    assert server_name() != before


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        HEAD.pack(LIMIT_BYTES + 1),
        HEAD.pack(5) + b"[[[[[",
        HEAD.pack(100_000) + b"[" * 100_000,
        HEAD.pack(2) + b"\xff\xfe",
        packed({"files": "/etc/passwd"}),
        packed({"files": ["relative.png"]}),
        packed({"files": ["/a\0b"]}),
        packed({"files": [], "version": 2}),
        packed({}),
    ],
)
def test_message_of_another_kind_is_ignored_and_logged(
    listening: Application, place: Path, said: bytes, qtbot: QtBot, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(place))
        caller.sendall(said)
        caller.setblocking(False)
        qtbot.waitUntil(lambda: any("ignored" in each.message for each in caplog.records))
        qtbot.waitUntil(partial(is_left, caller))
    assert names(listening) == []


def is_left(caller: socket.socket) -> bool:
    """Whether the other side has hung up, without a word."""
    try:
        return caller.recv(100) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_callers_who_say_half_or_nothing_keep_nobody_from_calling(
    listening: Application,
    place: Path,
    programs: Callable[..., subprocess.Popen[str]],
    photographs: dict[str, Path],
    qtbot: QtBot,
) -> None:
    callers = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for number, each in enumerate(callers):
        each.connect(str(place))
        each.sendall(b"\0\0"[: number % 3])
    second = programs(photographs["coffee"])
    qtbot.waitUntil(lambda: names(listening) == ["coffee.png"], timeout=TIMEOUT_MS)
    qtbot.waitUntil(lambda: second.poll() == 0, timeout=TIMEOUT_MS)
    for each in callers:
        each.setblocking(False)
    qtbot.waitUntil(lambda: all(is_left(each) for each in callers), timeout=TIMEOUT_MS)
    for each in callers:
        each.close()


def test_message_in_pieces_is_understood(
    listening: Application, place: Path, photographs: dict[str, Path], qtbot: QtBot
) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(place))
        for byte in packed({"files": [str(photographs["coffee"])]}):
            caller.sendall(bytes([byte]))
            qtbot.wait(1)
        qtbot.waitUntil(lambda: names(listening) == ["coffee.png"], timeout=TIMEOUT_MS)


def test_real_window_takes_files_of_later_starts(
    programs: Callable[..., subprocess.Popen[str]], photographs: dict[str, Path], place: Path, own_home: Path
) -> None:
    first = programs(photographs["coffee"])
    wait_until(place.exists)
    second = programs(photographs["rocket"], photographs["chelsea"])
    assert second.wait(timeout=30) == 0
    assert first.poll() is None
    time.sleep(3)  # the first is a black box: it has no more to say until it has saved its settings
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=30) == 0
    assert sorted(remembered(own_home)) == ["chelsea.png", "coffee.png", "rocket.png"]
    assert not place.exists()


def test_of_three_started_at_once_one_has_the_window_and_all_files(
    programs: Callable[..., subprocess.Popen[str]], photographs: dict[str, Path], own_home: Path
) -> None:
    started = [programs(photographs[name]) for name in ("coffee", "rocket", "chelsea")]
    wait_until(lambda: sum(each.poll() is None for each in started) == 1)
    (window,) = (each for each in started if each.poll() is None)
    assert all(each.returncode == 0 for each in started if each is not window)
    time.sleep(3)
    window.send_signal(signal.SIGTERM)
    assert window.wait(timeout=30) == 0
    assert sorted(remembered(own_home)) == ["chelsea.png", "coffee.png", "rocket.png"]


def test_socket_of_a_killed_window_is_removed(programs: Callable[..., subprocess.Popen[str]], place: Path) -> None:
    first = programs()
    wait_until(place.exists)
    first.kill()
    first.wait()
    stale = place.stat().st_ctime_ns
    second = programs()
    wait_until(lambda: place.exists() and place.stat().st_ctime_ns != stale)
    assert second.poll() is None
    assert programs().wait(timeout=30) == 0


def test_window_that_hangs_locks_nobody_out(programs: Callable[..., subprocess.Popen[str]], place: Path) -> None:
    first = programs()
    wait_until(place.exists)
    time.sleep(1)  # it answers
    first.send_signal(signal.SIGSTOP)
    before, began = place.stat().st_ctime_ns, time.monotonic()
    second = programs()
    wait_until(lambda: place.exists() and place.stat().st_ctime_ns != before)
    assert time.monotonic() - began > PATIENCE_S
    assert second.poll() is None
    assert programs().wait(timeout=30) == 0  # the second has taken the place


def test_new_window_is_opened_where_it_is_asked_for(
    programs: Callable[..., subprocess.Popen[str]], place: Path, own_home: Path
) -> None:
    first = programs()
    wait_until(place.exists)
    made_at = place.stat().st_ctime_ns
    second = programs("--new-window")
    wait_until(lambda: (own_home / "state" / "mixer-gui" / "log" / "window-2.log").exists())
    time.sleep(1)
    assert second.poll() is None
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=30) == 0
    assert place.stat().st_ctime_ns == made_at
    assert first.poll() is None


def test_socket_of_another_user_is_neither_called_nor_removed(place: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a file of another user")
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(place))
        theirs.listen()
        os.chown(place, 12345, 12345)
        assert not hand_over(["a.png"])
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.accept()
        assert place.exists()


def test_program_without_console_logs_what_goes_wrong_and_writes_nowhere(
    programs: Callable[..., subprocess.Popen[str]], own_home: Path
) -> None:
    code = (
        "import sys, threading, warnings\n"
        "sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None\n"
        "sys.argv = ['mixer-gui', '--new-window', '/nowhere/none.png']\n"
        "def fail():\n"
        "    print('said')\n"
        "    print('said', file=sys.stderr)\n"
        "    warnings.warn('take care')\n"
        "    raise ValueError('a bug in a thread')\n"
        "threading.Timer(2.0, fail).start()\n"
        "from mixer_gui.__main__ import main\n"
        "code = main()\n"
        "sys.exit(code)\n"
    )
    program = programs(code=code)
    log = own_home / "state" / "mixer-gui" / "log" / "window.log"
    wait_until(lambda: log.exists() and "ValueError: a bug in a thread" in log.read_text(encoding="utf-8"))
    assert "take care" in log.read_text(encoding="utf-8")
    assert program.poll() is None
    program.send_signal(signal.SIGTERM)
    assert program.wait(timeout=30) == 0
    assert program.communicate() == ("", "")


def test_crash_is_told_by_the_next_window(programs: Callable[..., subprocess.Popen[str]]) -> None:
    crashing = (
        "import faulthandler, threading\nthreading.Timer(1.0, faulthandler._sigsegv).start()\n"
        "from mixer_gui.app import main\nmain([])"
    )
    assert programs(code=crashing).wait(timeout=30) == -signal.SIGSEGV
    listening = (
        "from mixer_gui.gui.window import MainWindow\nold = MainWindow.complain\n"
        "def complain(self, sentence):\n    print(sentence, flush=True)\n    old(self, sentence)\n"
        "MainWindow.complain = complain\nfrom mixer_gui.app import main\nmain(['/nowhere/none.png'])"
    )
    lines = programs(code=listening).stdout
    assert lines is not None
    while "ended unexpectedly" not in (line := lines.readline()):
        assert line
