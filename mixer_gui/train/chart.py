"""A training's history as a drawing (SVG), as a table for the terminal, and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from mixer_gui.train.measure import Epoch

WIDTH, PANEL_HEIGHT = 800, 290  # of the drawing and of each of its panels; pixels, as all lengths here
LEFT, RIGHT, TOP, BOTTOM = 72, 150, 24, 56  # around a panel's axes
LABEL_HEIGHT = 18
MARKED = 40  # with more epochs the marks of a line would run together
DASHES = "7 5"
SOLID, DASHED = "#0b62a4", "#b3460b"  # both told from each other and from white by any eye; the dashes say it, too

COLUMNS = (
    ("epoch", 5),
    ("time", 8),
    ("pictures/s", 10),
    ("loss", 7),
    ("held-out", 8),
    ("top-1", 8),
    ("top-5", 8),
    ("calib. error", 12),
)
CSV_COLUMNS = (
    "epoch",
    "seconds",
    "pictures_per_s",
    "training_loss",
    "held_out_pictures",
    "held_out_loss",
    "held_out_top1",
    "held_out_top5",
    "held_out_calibration_error",
)


def chart(history: Sequence[Epoch]) -> str:
    """An SVG with a background of its own: losses above, top-1 and top-5 of the held-out pictures below, by epoch."""
    learnt = [(each.number, each.training_loss) for each in history]
    measured = [(each.number, each.held_out) for each in history if each.held_out is not None]
    losses = [(number, found.loss) for number, found in measured]
    top1 = [(number, found.top1 * 100) for number, found in measured]
    top5 = [(number, found.top5 * 100) for number, found in measured]
    last = max((each.number for each in history), default=1)
    height = 2 * PANEL_HEIGHT
    return "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
            ' role="img" font-family="Helvetica, Arial, sans-serif" font-size="14" fill="#222222">',
            "<title>Loss and accuracy of a training by epoch</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *_panel(
                0,
                last,
                "cross-entropy, nats",
                (
                    _Line("training", "{:.3f}", _finite(learnt), dashed=False),
                    _Line("held out", "{:.3f}", _finite(losses), dashed=True),
                ),
            ),
            *_panel(
                PANEL_HEIGHT,
                last,
                "right, % of held-out pictures",
                (_Line("top-1", "{:.1f} %", top1, dashed=False), _Line("top-5", "{:.1f} %", top5, dashed=True)),
                from_zero=True,
            ),
            "</svg>\n",
        )
    )


def heading() -> str:
    """The table's first line."""
    return "  ".join(f"{name:>{width}}" for name, width in COLUMNS)


def row(epoch: Epoch) -> str:
    """The table's line of an epoch, as wide as its heading."""
    found = epoch.held_out
    cells = [f"{epoch.number}", _clock(epoch.seconds), f"{epoch.pictures_per_s:,.0f}", f"{epoch.training_loss:.4f}"]
    if found is None:
        cells += ["–"] * 4
    else:
        shares = (found.top1, found.top5, found.calibration_error)
        cells += [f"{found.loss:.4f}", *(f"{share * 100:.2f} %" for share in shares)]
    return "  ".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True))


def history_csv(history: Sequence[Epoch]) -> str:
    """All figures unrounded; shares in 0…1, losses in nats; cells of what was not measured are empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    for each in history:
        found = each.held_out
        measured: tuple[float | str, ...] = ("",) * 5
        if found is not None:
            measured = (found.count, found.loss, found.top1, found.top5, found.calibration_error)
        writer.writerow((each.number, each.seconds, each.pictures_per_s, each.training_loss, *measured))
    return text.getvalue()


@dataclass(frozen=True, slots=True)
class _Line:
    """(epoch, value) in the order of epochs; `form` writes the last value."""

    name: str
    form: str
    points: Sequence[tuple[int, float]]
    dashed: bool

    @property
    def colour(self) -> str:
        return DASHED if self.dashed else SOLID


def _finite(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    return [point for point in points if math.isfinite(point[1])]


def _panel(above: int, last: int, unit: str, lines: Sequence[_Line], *, from_zero: bool = False) -> list[str]:
    """Axes with ticks and names, the lines, and at the right end of each its name and last value."""
    left, right, top, bottom = LEFT, WIDTH - RIGHT, above + TOP, above + PANEL_HEIGHT - BOTTOM
    middle = (top + bottom) / 2
    values = [value for line in lines for _, value in line.points]
    parts = [
        f'<text x="{(left + right) / 2:g}" y="{bottom + 42}" text-anchor="middle">epoch</text>',
        f'<text x="18" y="{middle:g}" text-anchor="middle" transform="rotate(-90 18 {middle:g})">{unit}</text>',
    ]
    if not values:
        parts.append(f'<text x="{(left + right) / 2:g}" y="{middle:g}" text-anchor="middle">not measured</text>')
        return parts
    ticks = _ticks(0.0 if from_zero else min(values), max(values))
    low, high = ticks[0], ticks[-1]

    def across(epoch: float) -> float:
        return left + (right - left) * (0.5 if last == 1 else (epoch - 1) / (last - 1))

    def up(value: float) -> float:
        return bottom - (bottom - top) * (value - low) / (high - low)

    decimals = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    for tick in ticks:
        y = f"{up(tick):.1f}"
        parts.append(f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="#dcdcdc"/>')
        parts.append(f'<text x="{left - 9}" y="{y}" dy="0.35em" text-anchor="end">{max(tick, 0.0):.{decimals}f}</text>')
    parts.append(f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="#666666"/>')
    for epoch in _epoch_ticks(last):
        x = f"{across(epoch):.1f}"
        parts.append(f'<line x1="{x}" y1="{bottom}" x2="{x}" y2="{bottom + 5}" stroke="#666666"/>')
        parts.append(f'<text x="{x}" y="{bottom + 21}" text-anchor="middle">{epoch}</text>')
    drawn = [line for line in lines if line.points]
    for line in drawn:
        parts += _drawn(line, [(across(epoch), up(value)) for epoch, value in line.points])
    places = _apart([up(line.points[-1][1]) for line in drawn], top, bottom)
    for line, place in zip(drawn, places, strict=True):
        beside = across(line.points[-1][0]) + 12
        text = f"{line.name} {line.form.format(line.points[-1][1])}"
        parts.append(f'<text x="{beside:.1f}" y="{place:.1f}" dy="0.35em" fill="{line.colour}">{text}</text>')
    return parts


def _drawn(line: _Line, points: Sequence[tuple[float, float]]) -> list[str]:
    """The line itself, and a mark at each epoch where there are few: discs on the solid one, squares on the other."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{DASHES}"' if line.dashed else ""
    parts = [f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"{dashes}/>']
    for x, y in points if len(points) <= MARKED else points[-1:]:
        if line.dashed:
            parts.append(f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="{line.colour}"/>')
        else:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{line.colour}"/>')
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers; the first is no higher than `low`, the last no lower than `high`."""
    span = high - low or max(abs(high), 1.0) * 0.1
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 2) + 1)]


def _epoch_ticks(last: int) -> list[int]:
    """The first epoch and round numbers after it, ten at most."""
    step = next(factor * 10**power for power in range(12) for factor in (1, 2, 5) if factor * 10**power * 10 >= last)
    return sorted({1, *range(step, last + 1, step)})


def _apart(places: Sequence[float], top: float, bottom: float) -> list[float]:
    """Heights for labels that would cover one another, moved away from their middle and kept inside the axes."""
    if len(places) < 2 or abs(places[0] - places[1]) >= LABEL_HEIGHT:
        return list(places)
    half = LABEL_HEIGHT / 2
    middle = min(max(sum(places) / 2, top + half), bottom - half)
    first_is_lower = places[0] > places[1]
    return [middle + half, middle - half] if first_is_lower else [middle - half, middle + half]


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03, 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
