"""Which requests are remembered, so that their pictures can be run again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from inputs import request

from mixer_gui.engine.recent import RecentRequests
from mixer_gui.records import BytesSource, Erase, FileSource

TINY = Path("tiny")
EDIT = (Erase(frozenset({0})),)


def known(recent: RecentRequests, *numbers: int) -> list[int]:
    """Which of these are remembered, without using them."""
    return [number for number in numbers if number in recent._requests]


def test_oldest_requests_are_forgotten_beyond_the_number() -> None:
    recent = RecentRequests(max_requests=3)
    for number in range(1, 6):
        recent.add(request(TINY, number))
    assert known(recent, *range(1, 6)) == [3, 4, 5]


def test_oldest_requests_are_forgotten_beyond_the_bytes_and_files_cost_none() -> None:
    recent = RecentRequests(max_bytes=250)
    for number in range(1, 6):
        source = FileSource(Path("a.png")) if number == 2 else BytesSource("a.png", bytes([number]) * 100)
        recent.add(request(TINY, number, source=source))
    assert known(recent, *range(1, 6)) == [4, 5]


def test_request_that_was_used_is_kept_longer() -> None:
    recent = RecentRequests(max_requests=3)
    for number in range(1, 4):
        recent.add(request(TINY, number))
    assert recent.get(1) is not None
    recent.add(request(TINY, 4))
    assert known(recent, 1, 2, 3, 4) == [1, 3, 4]


def test_newest_request_is_remembered_however_large() -> None:
    recent = RecentRequests(max_bytes=10)
    recent.add(request(TINY, 1))
    recent.add(replace(request(TINY, 2), view="view-1"))
    assert recent.get(1) is None
    assert recent.get(2) is not None
    assert recent.ids_of("view-1") == (2,)


def test_picture_counts_once_however_often_it_is_edited() -> None:
    recent = RecentRequests()
    recent.add(request(TINY, 1))
    pasted = BytesSource("pasted.png", bytes(8 << 20))
    for number in range(2, 35):
        edits = () if number == 2 else EDIT * number
        recent.add(replace(request(TINY, number, view="main", source=pasted), edits=edits))
        recent.note_answered(number)
    assert known(recent, *range(1, 35)) == [1, 2, 32, 33, 34]


def test_many_edits_of_a_picture_push_no_other_out() -> None:
    recent = RecentRequests(max_requests=20)
    for number in range(1, 11):
        recent.add(request(TINY, number))
    for number in range(11, 1011):
        recent.add(replace(request(TINY, number, view="main"), edits=() if number == 11 else EDIT))
        recent.note_answered(number)
    assert known(recent, *range(1, 1011)) == [*range(1, 12), 1008, 1009, 1010]


def test_what_is_on_the_screen_is_kept_while_newer_requests_have_no_answer() -> None:
    """A picture, an edit of it, and then another framing, which is dragged."""
    recent = RecentRequests()
    recent.add(request(TINY, 1, view="main"))
    recent.note_answered(1)
    recent.add(replace(request(TINY, 2, view="main"), edits=EDIT))
    recent.note_answered(2)
    for number in range(3, 50):
        recent.add(request(TINY, number, view="main"))
    assert known(recent, *range(1, 50)) == [1, 2, 49]


@pytest.mark.parametrize("number", [1, 7])
def test_what_was_fetched_takes_the_place_of_its_address(number: int) -> None:
    recent = RecentRequests()
    recent.add(request(TINY, number, source=FileSource(Path("a.png"))))
    recent.note_answered(number)
    fetched = BytesSource("a.png", b"fetched")
    recent.add(request(TINY, number, source=fetched))
    found = recent.get(number)
    assert found is not None
    assert found.source is fetched
