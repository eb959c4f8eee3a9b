"""Counts the bytes of a download and tells of them: per file, in total, how fast, how long still."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from mixer_gui.hub.client import RemoteFile
from mixer_gui.records import DownloadProgress, RepositoryRef

TOLD_EVERY_S = 0.1
SPEED_OVER_S = 5.0


class Meter:
    """Ten times a second at most, but at once where a file or a pause begins or ends."""

    def __init__(self, ref: RepositoryRef, progressed: Callable[[DownloadProgress], None]) -> None:
        self.fetched_bytes = 0
        self._progressed = progressed
        self._state = DownloadProgress(ref=ref)
        self._done: list[int] = []
        self._arrivals: deque[tuple[float, int]] = deque()  # (when, fetched_bytes then)
        self._told_at = 0.0

    @property
    def total_bytes(self) -> int:
        return self._state.total_bytes

    def begin(self, files: tuple[RemoteFile, ...], arrived: list[int]) -> None:
        self._done = arrived
        self._state = replace(
            self._state,
            file_count=len(files),
            total_bytes=sum(file.size for file in files),
            done_bytes=sum(arrived),
        )
        self._tell(at_once=True)

    def next_file(self, file: RemoteFile) -> None:
        number = self._state.file_number + 1
        self._state = replace(
            self._state,
            file=file.name,
            file_number=number,
            file_total_bytes=file.size,
            file_done_bytes=self._done[number - 1],
        )
        self._tell(at_once=True)

    def restart_file(self, done_bytes: int) -> None:
        """The present file has so many bytes now."""
        self._done[self._state.file_number - 1] = done_bytes
        self._count()
        self._tell()

    def finish_file(self) -> None:
        self.restart_file(self._state.file_total_bytes)
        self._tell(at_once=True)

    def add(self, fetched: int) -> None:
        """So many bytes of the present file came."""
        now = time.monotonic()
        self.fetched_bytes += fetched
        self._arrivals.append((now, self.fetched_bytes))
        while now - self._arrivals[0][0] > SPEED_OVER_S:
            self._arrivals.popleft()
        self._done[self._state.file_number - 1] += fetched
        self._count()
        self._tell()

    def note(self, text: str) -> None:
        """What it waits for; empty: nothing."""
        if text != self._state.note:
            self._arrivals.clear()  # the speed before a pause says nothing about what comes
            self._state = replace(self._state, note=text, bytes_per_s=None, seconds_left=None)
            self._tell(at_once=True)

    def _count(self) -> None:
        self._state = replace(
            self._state, file_done_bytes=self._done[self._state.file_number - 1], done_bytes=sum(self._done)
        )

    def _tell(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._told_at < TOLD_EVERY_S:
            return
        self._told_at = now
        speed = None
        if len(self._arrivals) > 1 and now - self._arrivals[0][0] > 0.5:
            speed = (self.fetched_bytes - self._arrivals[0][1]) / (now - self._arrivals[0][0])
        left = (self._state.total_bytes - self._state.done_bytes) / speed if speed else None
        self._state = replace(self._state, bytes_per_s=speed, seconds_left=left)
        self._progressed(self._state)
