"""Ways to do the same, timed in turn: a drift of the machine's speed meets all of them alike."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WARM_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One way: milliseconds, and the median over the rounds of its time over that of `against` in the same round."""

    name: str
    median_ms: float
    least_ms: float
    ratio: float
    against: str


def race(ways: Mapping[str, Callable[[], object]], rounds: int, against: Mapping[str, str] | None = None) -> list[Row]:
    """Run all ways in turn, `rounds` times after a few rounds of warming up.

    `against`: by a way's name the one that it is compared with; the first, where nothing is said.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + WARM_ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if number >= WARM_ROUNDS:
                times[name].append((time.perf_counter() - started) * 1e3)
    first = next(iter(ways))
    rows = []
    for name, taken in times.items():
        base = (against or {}).get(name, first)
        ratio = statistics.median(mine / theirs for mine, theirs in zip(taken, times[base], strict=True))
        rows.append(Row(name, statistics.median(taken), min(taken), ratio, base))
    return rows


def table(rows: list[Row]) -> str:
    """Markdown, as it goes into notes."""
    lines = ["| way | median ms | least ms | ratio | against |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.median_ms:.1f} | {row.least_ms:.1f} | {row.ratio:.3f} | {row.against} |" for row in rows
    ]
    return "\n".join(lines)


def describe_machine() -> str:
    """Cores, processor and load: figures of a busy machine mean little."""
    return f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.2f}"


def write_json(path: Path, title: str, rows: list[Row]) -> None:
    path.write_text(json.dumps({"title": title, "rows": [asdict(row) for row in rows]}, indent=1), encoding="utf-8")
