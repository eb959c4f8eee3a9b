"""The decode queue with real decoders: a folder side by side, what is shown beside it, nothing that nobody wants."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from inputs import png, request

from mixer_gui.engine.decoding import DecodeQueue
from mixer_gui.engine.steps import Picture
from mixer_gui.pictures.decoder_pool import DecoderPool
from mixer_gui.records import BytesSource, DecodedPicture, MixerGuiError, Priority
from mixer_gui.resources import default_model

WAIT_S = 30
ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


class Queue:
    """A decode queue of which everything is wanted but what was cancelled."""

    def __init__(self) -> None:
        self.decoded: list[int] = []
        self.failed: dict[int, Exception] = {}
        self.cancelled: set[int] = set()
        self.is_enough = False
        self.queue = DecodeQueue(
            threading.Lock(),
            is_wanted=lambda picture: picture.request.id not in self.cancelled,
            preprocessing=lambda _picture: None,
            decoded=self._take,
            failed=self._fail,
            is_enough=lambda: self.is_enough,
        )

    def _take(self, picture: Picture, _decoded: DecodedPicture) -> None:
        self.decoded.append(picture.request.id)

    def _fail(self, picture: Picture, error: Exception) -> None:
        self.failed[picture.request.id] = error

    def put(self, *numbers: int, priority: Priority = Priority.FOLDER) -> None:
        for number in numbers:
            source = BytesSource(f"{number}.png", png(number))
            self.queue.put(Picture(request(default_model(), number, source=source, priority=priority)))

    def wait_for(self, *numbers: int) -> None:
        wait_until(lambda: set(numbers) <= set(self.decoded), f"of {numbers} came {self.decoded}, {self.failed}")

    def pool(self) -> DecoderPool:
        assert isinstance(self.queue.folder.decoder, DecoderPool)
        return self.queue.folder.decoder

    def wait_for_work(self) -> None:
        wait_until(lambda: all(decoder._current for decoder in self.pool()._decoders), "not every decoder got one")

    def stop(self, *numbers: int) -> list[int]:
        """Start a folder's decoders, then stop these in their tracks."""
        self.put(901, 902)
        self.wait_for(901, 902)
        self.decoded.clear()
        pids = [self.pool()._decoders[number].worker_pid for number in numbers]
        for pid in pids:
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
        return [pid for pid in pids if pid is not None]


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    monkeypatch.setattr("mixer_gui.pictures.decoder_pool.decoders_here", lambda: 2)
    queue = Queue()
    yield queue
    queue.queue.close()


@ON_POSIX
def test_a_folder_goes_on_while_one_decoder_is_at_a_large_picture(queue: Queue) -> None:
    (slow,) = queue.stop(0)
    queue.put(*range(1, 9))
    queue.wait_for(*range(2, 9))
    assert 1 not in queue.decoded
    os.kill(slow, signal.SIGCONT)
    queue.wait_for(1)
    assert queue.failed == {}


@ON_POSIX
def test_what_is_shown_does_not_wait_for_a_folder_whose_decoders_are_all_at_work(queue: Queue) -> None:
    pids = queue.stop(0, 1)
    queue.put(*range(1, 6))
    queue.put(7, priority=Priority.DROPPED)
    queue.wait_for(7)
    assert queue.decoded == [7]
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    queue.wait_for(*range(1, 6))


def test_one_shown_picture_starts_one_process(queue: Queue) -> None:
    before = len(multiprocessing.active_children())
    queue.queue.decoder.start()
    for number in range(1, 4):
        queue.put(number, priority=Priority.DROPPED)
        queue.wait_for(number)
    assert len(multiprocessing.active_children()) == before + 1


@ON_POSIX
def test_a_killed_decoder_fails_one_picture_of_a_folder(queue: Queue) -> None:
    (slow,) = queue.stop(0)
    queue.put(*range(1, 9))
    queue.wait_for(*range(2, 9))
    # As if it were in the middle: a stopped process takes nothing, and what was not taken is decoded by the next one.
    queue.pool()._decoders[0]._current.started = True  # type: ignore[union-attr]
    os.kill(slow, signal.SIGKILL)
    wait_until(lambda: queue.failed, "nothing failed")
    assert list(queue.failed) == [1]
    assert isinstance(queue.failed[1], MixerGuiError)
    queue.put(10, 11)
    queue.wait_for(10, 11)


@ON_POSIX
def test_a_cancelled_folder_stops_every_decoder(queue: Queue) -> None:
    pids = queue.stop(0, 1)
    queue.put(*range(1, 9))
    queue.wait_for_work()
    queue.cancelled.update(range(1, 9))
    queue.queue.cancel_stale()
    queue.put(9, 10)
    queue.wait_for(9, 10)
    assert queue.decoded == [9, 10] or queue.decoded == [10, 9]
    assert {decoder.worker_pid for decoder in queue.pool()._decoders}.isdisjoint(pids)
    assert not queue.queue.folder.under_way


@ON_POSIX
def test_the_wanted_pictures_of_a_folder_are_not_stopped_with_a_cancelled_one(queue: Queue) -> None:
    slow, kept = queue.stop(0, 1)
    queue.put(1, 2, 3)
    queue.wait_for_work()
    queue.cancelled.add(1)
    queue.queue.cancel_stale()
    queue.wait_for(3)  # by the decoder that took the cancelled one's place
    assert queue.decoded == [3]
    os.kill(kept, signal.SIGCONT)
    queue.wait_for(2)
    assert queue.pool()._decoders[0].worker_pid != slow
    assert queue.pool()._decoders[1].worker_pid == kept


def test_while_enough_is_decoded_a_folder_waits_and_what_is_shown_does_not(queue: Queue) -> None:
    queue.is_enough = True
    queue.put(1, 2, 3)
    queue.put(4, priority=Priority.DROPPED)
    queue.wait_for(4)
    assert queue.decoded == [4]
    assert not queue.queue.folder.under_way
    queue.is_enough = False
    queue.queue.feed()
    queue.wait_for(1, 2, 3)
