"""Several decoders: side by side, each for itself, none before there is work for it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future

import pytest
from conftest import encoded
from PIL import Image

from mixer_gui.pictures.decoder import Decoder
from mixer_gui.pictures.decoder_pool import DecoderPool
from mixer_gui.records import BytesSource, DecodedPicture, DecodeJob, MixerGuiError

WAIT_S = 30
ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(2, niceness=0)
    yield pool
    pool.close()


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def coloured(value: int) -> DecodeJob:
    picture = Image.new("RGB", (20, 10), (value, 255 - value, 7))
    return DecodeJob(BytesSource(f"{value}.png", encoded(picture, "PNG")), None)


def value_of(future: Future[DecodedPicture]) -> int:
    return int(future.result(WAIT_S).frame.pixels[0, 0, 0])


def pid(decoder: Decoder) -> int:
    assert decoder.worker_pid is not None
    return decoder.worker_pid


def stopped(pool: DecoderPool, *numbers: int) -> list[int]:
    """Start all decoders, then stop these in their tracks, by which they take as long as the test wants."""
    for future in [pool.submit(coloured(value)) for value in range(len(pool))]:
        future.result(WAIT_S)
    pids = [pid(pool._decoders[number]) for number in numbers]
    for each in pids:
        os.kill(each, signal.SIGSTOP)
    return pids


@ON_POSIX
def test_a_picture_is_decoded_while_another_one_is(pool: DecoderPool) -> None:
    (slow,) = stopped(pool, 0)
    first, second, third = (pool.submit(coloured(value)) for value in (11, 12, 13))
    assert value_of(second) == 12
    assert not first.done()
    os.kill(slow, signal.SIGCONT)
    assert (value_of(first), value_of(third)) == (11, 13)


@ON_POSIX
def test_work_goes_to_the_decoder_that_has_the_least(pool: DecoderPool) -> None:
    (slow,) = stopped(pool, 0)
    held = pool.submit(coloured(11))
    for value in range(20, 30):
        assert value_of(pool.submit(coloured(value))) == value
    assert not held.done()
    os.kill(slow, signal.SIGCONT)
    assert value_of(held) == 11


@ON_POSIX
def test_a_killed_decoder_costs_its_picture_only(pool: DecoderPool) -> None:
    (slow,) = stopped(pool, 1)
    before, lost, behind, after = (pool.submit(coloured(value)) for value in (11, 12, 13, 14))
    assert value_of(before) == 11
    wait_until(lambda: pool._decoders[1]._current, "it was not handed out")
    # As if it were in the middle: a stopped process takes nothing, and what was not taken is decoded by the next one.
    pool._decoders[1]._current.started = True  # type: ignore[union-attr]
    os.kill(slow, signal.SIGKILL)
    with pytest.raises(MixerGuiError, match=r"stopped while reading “12\.png”"):
        lost.result(WAIT_S)
    assert (value_of(behind), value_of(after)) == (13, 14)
    assert [value_of(pool.submit(coloured(value))) for value in (15, 16)] == [15, 16]


@ON_POSIX
def test_cancelling_all_stops_every_decoder_and_the_next_picture_works(pool: DecoderPool) -> None:
    pids = stopped(pool, 0, 1)
    futures = [pool.submit(coloured(value)) for value in range(11, 17)]
    wait_until(lambda: all(decoder._current for decoder in pool._decoders), "not every decoder got one")
    for future in futures:
        assert future.cancel()
    following = [pool.submit(coloured(value)) for value in (21, 22)]
    assert [value_of(future) for future in following] == [21, 22]
    assert {pid(decoder) for decoder in pool._decoders}.isdisjoint(pids)
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(0)


def test_one_picture_at_a_time_starts_one_process(pool: DecoderPool) -> None:
    pool.start()
    for value in range(11, 16):
        assert value_of(pool.submit(coloured(value))) == value
    assert [decoder.worker_pid is None for decoder in pool._decoders] == [False, True]
