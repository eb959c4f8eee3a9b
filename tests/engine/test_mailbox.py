"""The mailbox: priority, then arrival; the newest of a slot; from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from mixer_gui.engine.mailbox import Mailbox


def drained(mailbox: Mailbox[str]) -> list[str]:
    taken: Iterator[str | None] = iter(mailbox.take, None)
    return [item for item in taken if item is not None]


def test_lower_priority_numbers_come_first_and_equal_ones_in_order_of_arrival() -> None:
    mailbox: Mailbox[str] = Mailbox()
    for item, priority in [("folder 1", 3), ("dropped 1", 2), ("pointer", 0), ("dropped 2", 2), ("folder 2", 3)]:
        mailbox.put(item, priority=priority)
    assert drained(mailbox) == ["pointer", "dropped 1", "dropped 2", "folder 1", "folder 2"]


def test_newer_item_of_a_slot_replaces_the_older_one_and_takes_its_own_place() -> None:
    mailbox: Mailbox[str] = Mailbox()
    assert mailbox.put("old", priority=2, slot="view") is None
    mailbox.put("other", priority=2)
    assert mailbox.put("new", priority=2, slot="view") == "old"
    assert len(mailbox) == 2
    assert drained(mailbox) == ["other", "new"]


def test_item_that_goes_back_makes_way_for_a_newer_one_of_its_slot() -> None:
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("first", priority=0, slot="question")
    assert mailbox.take() == "first"
    mailbox.put_back("rest of first", priority=2, slot="question")
    mailbox.put("other", priority=2)
    assert mailbox.take() == "rest of first"
    mailbox.put("newer", priority=4, slot="question")
    mailbox.put_back("rest of first", priority=2, slot="question")
    assert drained(mailbox) == ["other", "newer"]
    mailbox.close()
    mailbox.put_back("late", priority=0, slot="question")
    assert len(mailbox) == 0


def test_replacing_may_change_the_priority() -> None:
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("slow", priority=4, slot="model")
    mailbox.put("other", priority=2)
    mailbox.put("urgent", priority=0, slot="model")
    assert drained(mailbox) == ["urgent", "other"]


def test_slot_is_free_again_after_its_item_was_taken() -> None:
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("first", priority=1, slot="view")
    assert mailbox.take() == "first"
    assert mailbox.put("second", priority=1, slot="view") is None
    assert mailbox.take() == "second"


def test_items_that_are_equal_are_still_two() -> None:
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("same", priority=1)
    mailbox.put("same", priority=1)
    assert drained(mailbox) == ["same", "same"]


def test_discarded_slot_gives_up_its_item_only() -> None:
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("mine", priority=1, slot="a")
    mailbox.put("yours", priority=1, slot="b")
    assert mailbox.discard("a") == "mine"
    assert mailbox.discard("a") is None
    assert drained(mailbox) == ["yours"]


def test_alike_items_of_a_priority_are_taken_in_order_and_the_others_stay() -> None:
    mailbox: Mailbox[str] = Mailbox()
    for item, priority in [("b1", 3), ("a1", 3), ("a2", 2), ("b2", 3), ("b3", 3), ("b4", 2)]:
        mailbox.put(item, priority=priority, slot=item)
    assert mailbox.take_alike(priority=3, most=2, is_alike=lambda item: item.startswith("b")) == ["b1", "b2"]
    assert mailbox.put("b1", priority=3, slot="b1") is None  # its slot is free
    assert mailbox.take_alike(priority=1, most=2, is_alike=lambda _: True) == []
    assert mailbox.take_alike(priority=3, most=0, is_alike=lambda _: True) == []
    assert len(mailbox) == 5
    assert drained(mailbox) == ["a2", "b4", "a1", "b3", "b1"]


def test_closed_mailbox_is_empty_and_takes_nothing_more() -> None:
    mailbox: Mailbox[str] = Mailbox()
    mailbox.put("early", priority=1, slot="a")
    mailbox.close()
    assert mailbox.put("late", priority=1, slot="a") is None
    assert len(mailbox) == 0
    assert mailbox.take() is None
    assert mailbox.discard("a") is None


@dataclass
class NaiveMailbox:
    """The same as a list that is searched from one end to the other."""

    waiting: list[tuple[int, int, str | None, int]] = field(default_factory=list)
    arrivals: int = 0

    def put(self, item: int, *, priority: int, slot: str | None) -> int | None:
        replaced = self.discard(slot) if slot is not None else None
        self.waiting.append((priority, self.arrivals, slot, item))
        self.arrivals += 1
        return replaced

    def take(self) -> int | None:
        return self.waiting.pop(self.waiting.index(min(self.waiting)))[3] if self.waiting else None

    def take_alike(self, priority: int, most: int) -> list[int]:
        alike = [entry for entry in self.waiting if entry[0] == priority and entry[3] % 2 == 0][:most]
        self.waiting = [entry for entry in self.waiting if entry not in alike]
        return [entry[3] for entry in alike]

    def discard(self, slot: str) -> int | None:
        for entry in self.waiting:
            if entry[2] == slot:
                self.waiting.remove(entry)
                return entry[3]
        return None


SLOTS = st.sampled_from(["a", "b", "c"])
ACTIONS = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 4), st.none() | SLOTS),
    st.tuples(st.just("take")),
    st.tuples(st.just("take alike"), st.integers(0, 4), st.integers(0, 3)),
    st.tuples(st.just("discard"), SLOTS),
)


@given(st.lists(ACTIONS, max_size=60))
def test_any_sequence_of_calls_gives_what_a_naive_list_gives(actions: list[tuple[str, ...]]) -> None:
    mailbox: Mailbox[int] = Mailbox()
    naive = NaiveMailbox()
    for item, (action, *rest) in enumerate(actions):
        match action, rest:
            case "put", [int() as priority, slot]:
                ours = mailbox.put(item, priority=priority, slot=slot)
                theirs = naive.put(item, priority=priority, slot=slot)
            case "take", []:
                ours, theirs = mailbox.take(), naive.take()
            case "take alike", [int() as priority, int() as most]:
                ours = mailbox.take_alike(priority=priority, most=most, is_alike=lambda item: item % 2 == 0)
                theirs = naive.take_alike(priority, most)
            case "discard", [str() as slot]:
                ours, theirs = mailbox.discard(slot), naive.discard(slot)
        assert ours == theirs
        assert len(mailbox) == len(naive.waiting)


def test_no_item_is_lost_or_doubled_between_threads() -> None:
    mailbox: Mailbox[int] = Mailbox()
    taken: list[list[int]] = [[] for _ in range(3)]
    putting = threading.Event()
    putting.set()

    def put_many(start: int) -> None:
        for number in range(start, start + 2000):
            mailbox.put(number, priority=number % 5)

    def take_many(into: list[int]) -> None:
        while True:
            still_putting = putting.is_set()
            item = mailbox.take()
            if item is not None:
                into.append(item)
            elif not still_putting:
                return

    putters = [threading.Thread(target=put_many, args=(start,)) for start in (0, 2000, 4000)]
    takers = [threading.Thread(target=take_many, args=(into,)) for into in taken]
    for thread in putters + takers:
        thread.start()
    for thread in putters:
        thread.join()
    putting.clear()
    for thread in takers:
        thread.join()
    assert sorted(number for each in taken for number in each) == list(range(6000))


def test_slot_holds_one_item_however_many_threads_fill_it() -> None:
    mailbox: Mailbox[int] = Mailbox()
    replaced: list[int | None] = []

    def put_many(start: int) -> None:
        replaced.extend(mailbox.put(number, priority=number % 3, slot="view") for number in range(start, start + 1000))

    threads = [threading.Thread(target=put_many, args=(start,)) for start in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = mailbox.take()
    assert mailbox.take() is None
    assert sorted([*(each for each in replaced if each is not None), last]) == list(range(3000))
    assert replaced.count(None) == 1
