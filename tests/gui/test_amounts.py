"""Sizes, speeds and times in words that nobody has to compute with."""

from __future__ import annotations

from datetime import datetime

import pytest

from mixer_gui.gui.amounts import ago_text, progress_text, share_text, size_text, speed_text, time_left_text
from mixer_gui.records import DownloadProgress, RepositoryRef


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 kB"),
        (820_000, "820 kB"),
        (8_340_000, "8.3 MB"),
        (239_521_888, "240 MB"),
        (918_240_972, "918 MB"),
        (1_730_000_000, "1.73 GB"),
        (52_300_000_000, "52.3 GB"),
    ],
)
def test_size_has_about_three_digits(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (31_400_000, 239_521_888, "31 of 240 MB"),
        (0, 239_521_888, "0 of 240 MB"),
        (239_521_887, 239_521_888, "239 of 240 MB"),
        (239_521_888, 239_521_888, "240 of 240 MB"),
        (1_200_000_000, 2_400_000_000, "1.20 of 2.40 GB"),
        (31_400_000, 2_400_000_000, "31 MB of 2.40 GB"),
        (12_345, 24_000, "12 of 24 kB"),
        (31_400_000, None, "31 MB"),
    ],
)
def test_share_is_in_the_unit_of_the_whole_and_never_rounded_up_to_it(done: int, total: int | None, text: str) -> None:
    assert share_text(done, total) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "a few seconds left"),
        (23.0, "about 20 s left"),
        (56.0, "about 1 min left"),
        (168.0, "about 3 min left"),
        (5_000.0, "about 83 min left"),
        (7_300.0, "about 2 h left"),
    ],
)
def test_time_left_is_rounded_as_people_say_it(seconds: float, text: str) -> None:
    assert time_left_text(seconds) == text


def test_speed_is_in_megabytes_or_less() -> None:
    assert [speed_text(each) for each in (12_300.0, 1_240_000.0, 2.5e9)] == ["12 kB/s", "1.2 MB/s", "2.5 GB/s"]


def test_last_use_counts_calendar_days() -> None:
    now = datetime(2026, 3, 10, 0, 30).timestamp()
    assert ago_text(datetime(2026, 3, 10, 0, 1).timestamp(), now) == "used today"
    assert ago_text(datetime(2026, 3, 9, 23, 59).timestamp(), now) == "used yesterday"
    assert ago_text(datetime(2026, 3, 7, 12, 0).timestamp(), now) == "used 3 days ago"
    assert "2025" in ago_text(datetime(2025, 11, 1, 12, 0).timestamp(), now)
    assert ago_text(None, now) == "not used yet"
    assert ago_text(now + 90_000.0, now) == "used today"  # a clock that was wrong


def progress(**changes: object) -> DownloadProgress:
    said: dict[str, object] = {
        "ref": RepositoryRef("owner/name"),
        "file": "model.safetensors",
        "file_done_bytes": 31_000_000,
        "file_total_bytes": 239_000_000,
        "file_number": 2,
        "file_count": 2,
        "done_bytes": 31_400_000,
        "total_bytes": 239_521_888,
        "bytes_per_s": 1_240_000.0,
        "seconds_left": 168.0,
    }
    return DownloadProgress(**(said | changes))


def test_progress_says_how_much_how_fast_and_how_long() -> None:
    assert progress_text(progress()) == "31 of 240 MB · 1.2 MB/s · about 3 min left"
    assert progress_text(progress(bytes_per_s=None, seconds_left=None)) == "31 of 240 MB"


def test_progress_says_what_it_waits_for_instead_of_a_speed() -> None:
    waiting = progress(note="next try in 8 s")
    assert progress_text(waiting) == "31 of 240 MB · next try in 8 s"
    assert progress_text(progress(note="waiting its turn", total_bytes=0, done_bytes=0)) == "waiting its turn"
