"""The decoder process: quick when all is well, and replaced when it is not."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY_HEIC, encoded
from PIL import Image

from mixer_gui.pictures.decoder import Decoder
from mixer_gui.records import (
    BytesSource,
    DecodedPicture,
    DecodeJob,
    FileSource,
    Framing,
    FramingKind,
    MixerGuiError,
    Preprocessing,
    Rect,
)

WAIT_S = 30
ON_LINUX = sys.platform.startswith("linux")


@pytest.fixture(scope="module")
def slow_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real picture that takes about a second to decode (JPEG 2000, 6 megapixels of noise)."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("slow") / "slow.jp2"
    noise = Image.fromarray(rng.integers(0, 256, (2000, 3000, 3), dtype=np.uint8))
    noise.save(path, quality_mode="rates", quality_layers=[4])
    return path


@pytest.fixture
def no_leftovers() -> Iterator[None]:
    """Fail where a thread of the decoder outlives the test."""
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "decoder"] == []


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def plain(picture: Image.Image, name: str = "picture.png") -> DecodeJob:
    return DecodeJob(BytesSource(name, encoded(picture, "PNG")), None)


def coloured(value: int) -> DecodeJob:
    return plain(Image.new("RGB", (20, 10), (value, 255 - value, 7)), f"{value}.png")


def error_of(future: Future[DecodedPicture]) -> MixerGuiError:
    with pytest.raises(MixerGuiError) as caught:
        future.result(WAIT_S)
    return caught.value


def working_pid(decoder: Decoder) -> int:
    decoder.submit(coloured(1)).result(WAIT_S)
    pid = decoder.worker_pid
    assert pid is not None
    return pid


def test_a_job_gives_frame_and_network_input(
    decoder: Decoder, preprocessing: Preprocessing, cat: Image.Image, saved: Callable[..., Path]
) -> None:
    path = saved(cat, "cat.png")
    done = decoder.submit(DecodeJob(FileSource(path), preprocessing, display_edge=100)).result(WAIT_S)
    assert done.frame.pixels.shape == (75, 100, 3)
    assert (done.frame.width, done.frame.height, done.frame.format) == (160, 120, "PNG")
    assert done.network_input is not None
    assert done.network_input.pixels.shape == (224, 224, 3)
    assert not done.frame.pixels.flags.writeable
    assert not done.network_input.pixels.flags.writeable
    assert done.decode_ms > 0
    assert done.preprocess_ms > 0


def test_moving_the_rectangle_does_not_decode_again(
    decoder: Decoder, preprocessing: Preprocessing, slow_picture: Path
) -> None:
    first = decoder.submit(DecodeJob(FileSource(slow_picture), preprocessing)).result(WAIT_S)
    framing = Framing(FramingKind.RECTANGLE, Rect(10, 20, 300, 300))
    second = decoder.submit(DecodeJob(FileSource(slow_picture), preprocessing, framing)).result(WAIT_S)
    assert second.decode_ms < first.decode_ms / 10
    assert second.network_input is not None
    assert second.network_input.seen == framing.rectangle
    assert np.array_equal(first.frame.pixels, second.frame.pixels)


def test_a_file_that_changed_is_decoded_again(decoder: Decoder, cat: Image.Image, saved: Callable[..., Path]) -> None:
    path = saved(cat, "cat.png")
    decoder.submit(DecodeJob(FileSource(path), None)).result(WAIT_S)
    saved(cat.convert("L"), "cat.png")
    pixels = decoder.submit(DecodeJob(FileSource(path), None)).result(WAIT_S).frame.pixels
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    path.unlink()
    assert "not there any more" in str(error_of(decoder.submit(DecodeJob(FileSource(path), None))))


def test_two_hundred_jobs_with_every_fifth_broken_each_get_their_own_result(decoder: Decoder) -> None:
    futures = {}
    for number in range(200):
        job = coloured(number)
        if number % 5 == 0:
            job = DecodeJob(BytesSource(f"{number}.png", job.source.data[:40]), None)  # type: ignore[union-attr]
        futures[number] = decoder.submit(job)
    for number, future in futures.items():
        if number % 5 == 0:
            assert f"{number}.png" in str(error_of(future))
        else:
            assert future.result(WAIT_S).frame.pixels[0, 0].tolist() == [number, 255 - number, 7]


def test_jobs_from_many_threads_get_their_own_results(decoder: Decoder) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda value: decoder.submit(coloured(value)).result(WAIT_S), range(100)))
    assert [int(result.frame.pixels[0, 0, 0]) for result in results] == list(range(100))


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_killed_worker_costs_its_job_only(decoder: Decoder, slow_picture: Path) -> None:
    pid = working_pid(decoder)
    running = decoder.submit(DecodeJob(FileSource(slow_picture), None))
    following = decoder.submit(coloured(42))
    time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    error = error_of(running)
    assert "stopped while reading “slow.jp2”" in str(error)
    assert "-9" in error.detail
    assert following.result(WAIT_S).frame.pixels[0, 0, 0] == 42
    assert decoder.worker_pid != pid


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("seed", [193, 2101, 5672, 7, 8, 9])
def test_a_picture_that_crashes_its_library_costs_itself_only(decoder: Decoder, seed: int) -> None:
    """The first three are known to: pi-heif 1.4.0 reads where it must not."""
    rng = random.Random(seed)
    data = bytearray(TINY_HEIC)
    for _ in range(1 + seed % 30):
        data[rng.randrange(len(data))] = rng.randrange(256)
    damaged = decoder.submit(DecodeJob(BytesSource("damaged.heic", bytes(data)), None, display_edge=64))
    after = decoder.submit(coloured(7))
    with contextlib.suppress(MixerGuiError):
        assert damaged.result(WAIT_S).frame.width > 0
    assert after.result(WAIT_S).frame.width == 20


def test_an_idle_worker_that_is_killed_is_replaced_unnoticed(decoder: Decoder) -> None:
    for value in range(3, 13):
        os.kill(working_pid(decoder), signal.SIGKILL)
        assert decoder.submit(coloured(value)).result(WAIT_S).frame.pixels[0, 0, 0] == value


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_worker_killed_while_it_sends_never_mixes_results(decoder: Decoder) -> None:
    """Kill at many moments around the end of a job with a large result."""
    large = plain(Image.effect_noise((2400, 2400), 80).convert("RGB"), "large.png")
    large = DecodeJob(large.source, None, display_edge=4000)
    decoder.submit(large).result(WAIT_S)
    begin = time.perf_counter()
    decoder.submit(large).result(WAIT_S)
    usual_s = time.perf_counter() - begin
    for moment in range(8):
        pid = working_pid(decoder)
        future = decoder.submit(large)
        time.sleep(usual_s * (0.4 + 0.1 * moment))
        os.kill(pid, signal.SIGKILL)
        failure = future.exception(WAIT_S)
        if failure is None:
            assert future.result().frame.pixels.shape == (2400, 2400, 3)
        else:
            assert "stopped while reading" in str(failure)
        assert decoder.submit(coloured(moment)).result(WAIT_S).frame.pixels[0, 0, 0] == moment


def test_a_job_over_its_time_is_stopped_and_the_next_works(slow_picture: Path, no_leftovers: None) -> None:
    decoder = Decoder(timeout_s=0.05)
    try:
        error = error_of(decoder.submit(DecodeJob(FileSource(slow_picture), None)))
        assert str(error) == "“slow.jp2” took longer than 0.05 s to decode and was stopped."
        assert decoder.submit(coloured(9)).result(WAIT_S).frame.pixels[0, 0, 0] == 9
    finally:
        decoder.close()


def test_a_cancelled_job_makes_way_for_the_next(decoder: Decoder, slow_picture: Path) -> None:
    pid = working_pid(decoder)
    running = decoder.submit(DecodeJob(FileSource(slow_picture), None))
    waiting = decoder.submit(coloured(1))
    following = decoder.submit(coloured(2))
    time.sleep(0.1)
    assert waiting.cancel()
    assert running.cancel()
    assert following.result(WAIT_S).frame.pixels[0, 0, 0] == 2
    for future in (running, waiting):
        with pytest.raises(CancelledError):
            future.result(0)
    # Those who wait for a cancelled future are told, too.
    assert not concurrent.futures.wait([running, waiting], WAIT_S).not_done
    assert decoder.worker_pid != pid


@pytest.mark.skipif(not ON_LINUX, reason="only Linux enforces the limit")
def test_a_picture_over_the_memory_limit_is_refused_and_the_next_works(no_leftovers: None) -> None:
    decoder = Decoder(memory_bytes=600 << 20)
    try:
        pid = working_pid(decoder)
        huge = plain(Image.new("1", (12_000, 12_000)), "huge.png")
        assert "memory" in str(error_of(decoder.submit(huge)))
        assert decoder.submit(coloured(8)).result(WAIT_S).frame.pixels[0, 0, 0] == 8
        assert decoder.worker_pid == pid
    finally:
        decoder.close()


def test_what_cannot_be_pickled_fails_in_its_own_future(decoder: Decoder) -> None:
    job = DecodeJob(BytesSource("odd", memoryview(b"x")), None)  # type: ignore[arg-type]
    assert "could not be handed to the decoder" in str(error_of(decoder.submit(job)))
    assert decoder.submit(coloured(6)).result(WAIT_S).frame.pixels[0, 0, 0] == 6


def test_closing_during_a_job_is_quick_and_leaves_nothing(slow_picture: Path, no_leftovers: None) -> None:
    decoder = Decoder()
    pid = working_pid(decoder)
    futures = [decoder.submit(DecodeJob(FileSource(slow_picture), None)), decoder.submit(coloured(1))]
    time.sleep(0.05)
    decoder.close()
    decoder.close()
    assert all(future.cancelled() for future in futures)
    assert not ON_LINUX or not is_alive(pid)
    assert decoder.worker_pid is None
    assert "closing" in str(error_of(decoder.submit(coloured(1))))


@pytest.mark.parametrize("delay_s", [0, 0.01, 0.05, 0.1, 0.2])
def test_closing_while_the_worker_starts_leaves_nothing(delay_s: float, no_leftovers: None) -> None:
    decoder = Decoder()
    decoder.start()
    future = decoder.submit(coloured(1))
    time.sleep(delay_s)
    decoder.close()
    assert future.done()
    assert decoder.worker_pid is None
    Decoder().close()


@pytest.mark.skipif(os.name == "nt", reason="no SIGSTOP")
def test_closing_does_not_wait_for_a_stopped_worker(no_leftovers: None) -> None:
    decoder = Decoder()
    pid = working_pid(decoder)
    os.kill(pid, signal.SIGSTOP)
    # More than a pipe holds: the decoder's thread is stuck in sending it.
    future = decoder.submit(plain(Image.effect_noise((1500, 1500), 90).convert("RGB")))
    time.sleep(0.05)
    decoder.close()
    assert future.done()
    assert not ON_LINUX or not is_alive(pid)


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a process")
def test_ctrl_c_does_not_reach_the_worker(decoder: Decoder) -> None:
    pid = working_pid(decoder)
    os.kill(pid, signal.SIGINT)
    assert working_pid(decoder) == pid


PARENT = """
import json, sys, time
from pathlib import Path
from mixer_gui.pictures.decoder import Decoder
from mixer_gui.records import DecodeJob, FileSource

if __name__ == "__main__":
    decoder = Decoder()
    decoder.submit(DecodeJob(FileSource(Path(sys.argv[1])), None)).result(30)
    running = decoder.submit(DecodeJob(FileSource(Path(sys.argv[2])), None))
    print(json.dumps(decoder.worker_pid), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not ON_LINUX, reason="reads /proc")
@pytest.mark.parametrize("busy", [True, False])
def test_the_worker_loads_neither_torch_nor_qt_and_dies_with_its_parent(
    tmp_path: Path, slow_picture: Path, cat: Image.Image, saved: Callable[..., Path], *, busy: bool
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    small = saved(cat, "cat.png")
    command = [sys.executable, str(script), str(small), str(slow_picture if busy else small)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid = json.loads(parent.stdout.readline())
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "_imaging" in maps
        assert not any(word in maps for word in ("torch", "PySide6", "Qt6", "libQt"))
        parent.kill()
        parent.wait()
        wait_until(lambda: not is_alive(pid), "the worker outlived its parent")
