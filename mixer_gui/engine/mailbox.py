"""Where requests wait for the engine thread: by priority, then in order of arrival. Knows no Qt."""

import heapq
import threading
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """A priority queue in which a newer item replaces an older one of the same slot.

    All methods may be called from any thread and never block longer than a heap operation.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heap: list[tuple[int, int]] = []
        self._items: dict[int, tuple[str | None, Item]] = {}
        self._tickets_by_slot: dict[str, int] = {}
        self._tickets = count()
        self._closed = False

    def put(self, item: Item, *, priority: int, slot: str | None = None) -> Item | None:
        """Add an item; returns the one that it replaced in `slot`, if any. Ignored once closed."""
        with self._lock:
            old = None if slot is None else self._tickets_by_slot.get(slot)
            replaced = None if old is None else self._remove(old)  # its heap entry is skipped by `take`
            self._add(item, priority, slot)
            return replaced

    def put_back(self, item: Item, *, priority: int, slot: str) -> None:
        """Add what was taken before and goes on, unless a newer item of its slot came meanwhile."""
        with self._lock:
            if slot not in self._tickets_by_slot:
                self._add(item, priority, slot)

    def take(self) -> Item | None:
        """Remove and return the most urgent item; None where nothing waits."""
        with self._lock:
            while self._heap:
                _, ticket = heapq.heappop(self._heap)
                if ticket in self._items:
                    return self._remove(ticket)
            return None

    def take_alike(self, *, priority: int, most: int, is_alike: Callable[[Item], bool]) -> list[Item]:
        """Remove and return up to `most` items of a priority that are alike, in order of arrival.

        `is_alike` is called with the mailbox's lock held.
        """
        with self._lock:
            waiting = sorted(ticket for urgency, ticket in self._heap if urgency == priority and ticket in self._items)
            alike = [ticket for ticket in waiting if is_alike(self._items[ticket][1])]
            return [self._remove(ticket) for ticket in alike[:most]]  # their heap entries are skipped by `take`

    def discard(self, slot: str) -> Item | None:
        """Remove what waits in `slot` and return it."""
        with self._lock:
            ticket = self._tickets_by_slot.get(slot)
            return None if ticket is None else self._remove(ticket)

    def close(self) -> None:
        """Drop everything and accept nothing more."""
        with self._lock:
            self._closed = True
            self._heap.clear()
            self._items.clear()
            self._tickets_by_slot.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._items)

    def _add(self, item: Item, priority: int, slot: str | None) -> None:
        if self._closed:
            return
        ticket = next(self._tickets)
        if slot is not None:
            self._tickets_by_slot[slot] = ticket
        self._items[ticket] = (slot, item)
        heapq.heappush(self._heap, (priority, ticket))

    def _remove(self, ticket: int) -> Item:
        slot, item = self._items.pop(ticket)
        if slot is not None:
            del self._tickets_by_slot[slot]
        return item
