"""The process that makes all decoders on Linux: small, of one thread, as nice as it has to be, and replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import encoded
from PIL import Image

from mixer_gui.pictures.decoder import BESIDE_WINDOW, Decoder
from mixer_gui.pictures.decoder_pool import DecoderPool
from mixer_gui.records import BytesSource, DecodeJob, MixerGuiError

WAIT_S = 30
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each decoder is started by itself")


def job() -> DecodeJob:
    return DecodeJob(BytesSource("dot.png", encoded(Image.new("RGB", (20, 10), (9, 8, 7)), "PNG")), None)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def worker_of(decoder: Decoder) -> int:
    decoder.submit(job()).result(WAIT_S)
    pid = decoder.worker_pid
    assert pid is not None
    return pid


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_one_server_of_one_thread_makes_every_decoder(decoder: Decoder) -> None:
    other = Decoder()
    try:
        servers = {parent_of(worker_of(each)) for each in (decoder, other)}
    finally:
        other.close()
    assert len(servers) == 1
    assert os.getpid() not in servers
    assert threads_of(servers.pop()) == 1


def test_a_server_that_was_killed_is_replaced() -> None:
    first = Decoder()
    try:
        server = parent_of(worker_of(first))
    finally:
        first.close()
    os.kill(server, signal.SIGKILL)
    deadline = time.monotonic() + WAIT_S
    while not ended(server):
        assert time.monotonic() < deadline, "it was not killed"
        time.sleep(0.01)
    second = Decoder()
    try:
        assert parent_of(worker_of(second)) not in (server, os.getpid())
    finally:
        second.close()


def test_pictures_that_wait_outlive_the_server() -> None:
    """Killed with its decoder, in the middle: what was begun may fail, all others are decoded."""
    decoder = Decoder()
    try:
        worker = worker_of(decoder)
        server = parent_of(worker)
        futures = [decoder.submit(job()) for _ in range(20)]
        os.kill(server, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        ends = [future.exception(WAIT_S) for future in futures]
        assert all(end is None or isinstance(end, MixerGuiError) for end in ends)
        assert ends.count(None) >= 17
        assert parent_of(worker_of(decoder)) not in (server, os.getpid())
    finally:
        decoder.close()


def test_nothing_is_imported_from_the_folder_that_the_program_runs_in(tmp_path: Path) -> None:
    """Modules of these names there would be run, each of which writes a file."""
    trap, program = tmp_path / "downloads", tmp_path / "program" / "program.py"
    for folder in (trap, program.parent):
        folder.mkdir()
    for name in ("numpy", "PIL", "multiprocessing", "mixer_gui", "threading"):
        (trap / f"{name}.py").write_text(f"open({str(tmp_path / 'run')!r}, 'a').write({name!r})\n")
    program.write_text(
        "import sys\n"
        f"sys.path.append({str(ROOT)!r})\n"
        "from mixer_gui.pictures.decoder import Decoder\n"
        "from mixer_gui.records import BytesSource, DecodeJob\n"
        "if __name__ == '__main__':\n"
        "    decoder = Decoder()\n"
        "    picture = BytesSource('a.png', sys.stdin.buffer.read())\n"
        "    print(decoder.submit(DecodeJob(picture, None)).result(30).frame.width)\n"
        "    decoder.close()\n"
    )
    run = subprocess.run(
        [sys.executable, str(program)],
        input=encoded(Image.new("RGB", (2, 2)), "PNG"),
        capture_output=True,
        timeout=60,
        check=True,
        cwd=trap,
    )
    assert int(run.stdout) == 2
    assert not (tmp_path / "run").exists()


def test_decoders_are_as_nice_as_they_were_asked_to_be() -> None:
    """In a program of its own: a server can be made nicer, but not less nice again."""
    code = (
        "import os, sys, threading\n"
        "from mixer_gui.pictures.decoder import Decoder\n"
        "from mixer_gui.records import BytesSource, DecodeJob\n"
        "job = DecodeJob(BytesSource('a.png', sys.stdin.buffer.read()), None)\n"
        "if __name__ == '__main__':\n"
        "    for niceness in (15, 10, 3):\n"
        "        decoder = Decoder(niceness=niceness)\n"
        "        decoder.submit(job).result(30)\n"
        "        print(os.getpriority(os.PRIO_PROCESS, decoder.worker_pid))\n"
        "        decoder.close()\n"
        "    print(os.getpriority(os.PRIO_PROCESS, threading.main_thread().native_id))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        input=encoded(Image.new("RGB", (2, 2)), "PNG"),
        capture_output=True,
        timeout=60,
        check=True,
    )
    own = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = [max(own, niceness) for niceness in (15, BESIDE_WINDOW, BESIDE_WINDOW)]
    assert [int(each) for each in run.stdout.split()] == [*wanted, own]


def test_threads_of_a_pool_wait_for_work_without_processes() -> None:
    pool = DecoderPool(2, niceness=0)
    try:
        pool.start(children=0)
        assert [thread.name for thread in threading.enumerate()].count("decoder") == 2
        time.sleep(0.3)  # long enough for a process to be begun
        assert [each.worker_pid for each in pool._decoders] == [None, None]
        assert pool.submit(job()).result(WAIT_S).frame.width == 20
    finally:
        pool.close()
