"""Sizes, speeds and times as people say them. Megabytes are decimal, as file managers and the Hub count."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale

if TYPE_CHECKING:
    from mixer_gui.records import DownloadProgress, Preprocessing

UNITS = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
MINUTE, HOUR = 60.0, 3600.0
MONTH_DAYS = 30


def tr(text: str) -> str:
    return QCoreApplication.translate("amounts", text)


def size_text(size_bytes: int) -> str:
    """About three digits: 240 MB, 1.2 GB, 8.3 MB."""
    name, unit = _unit(size_bytes)
    return f"{_digits(size_bytes, unit)} {name}"


def share_text(done_bytes: int, total_bytes: int | None) -> str:
    """How much of something is there, in the unit of the whole: 31 of 240 MB. Never rounded up to the whole."""
    if not total_bytes:
        return size_text(done_bytes)
    name, unit = _unit(total_bytes)
    if done_bytes < unit // 10 and unit == 10**9:
        return tr("{0} of {1}").format(size_text(done_bytes), size_text(total_bytes))
    done = _digits(done_bytes, unit, like=total_bytes)
    total = _digits(total_bytes, unit)
    if done == total and done_bytes < total_bytes:
        done = _digits(done_bytes - unit // (100 if unit == 10**9 else 1), unit, like=total_bytes)
    return tr("{0} of {1} {2}").format(done, total, name)


def speed_text(bytes_per_s: float) -> str:
    if bytes_per_s >= 10**9:
        return f"{bytes_per_s / 10**9:.1f} GB/s"
    if bytes_per_s >= 10**6:
        return f"{bytes_per_s / 10**6:.1f} MB/s"
    return f"{bytes_per_s / 10**3:.0f} kB/s"


def time_left_text(seconds: float) -> str:
    if seconds < 8:
        return tr("a few seconds left")
    if seconds < 55:
        return tr("about {0} s left").format(max(round(seconds / 10), 1) * 10)
    if seconds < 90 * MINUTE:
        return tr("about {0} min left").format(max(round(seconds / MINUTE), 1))
    return tr("about {0} h left").format(round(seconds / HOUR))


def progress_text(progress: DownloadProgress) -> str:
    """31 of 240 MB · 1.2 MB/s · about 3 min left; what it waits for instead of the speed."""
    parts = [share_text(progress.done_bytes, progress.total_bytes)] if progress.total_bytes else []
    if progress.note:
        parts.append(progress.note)
    else:
        if progress.bytes_per_s is not None:
            parts.append(speed_text(progress.bytes_per_s))
        if progress.seconds_left is not None:
            parts.append(time_left_text(progress.seconds_left))
    return " · ".join(parts)


def ago_text(when: float | None, now: float) -> str:
    """When something was used last, by the calendar: today, yesterday, 3 days ago; both in seconds since the epoch."""
    if when is None:
        return tr("not used yet")
    days = (datetime.fromtimestamp(now).date() - datetime.fromtimestamp(when).date()).days
    if days <= 0:
        return tr("used today")
    if days == 1:
        return tr("used yesterday")
    if days < MONTH_DAYS:
        return tr("used {0} days ago").format(days)
    day = QDateTime.fromSecsSinceEpoch(int(when)).date()
    return tr("used on {0}").format(QLocale().toString(day, QLocale.FormatType.ShortFormat))


def moment_text(when: float) -> str:
    return QLocale().toString(QDateTime.fromSecsSinceEpoch(int(when)), QLocale.FormatType.LongFormat)


def preprocessing_text(preprocessing: Preprocessing) -> str:
    """As the catalogue writes it: mean 0.5, std 0.5, bicubic, crop 0.875."""
    return tr("mean {0}, std {1}, {2}, crop {3:g}").format(
        _channels(preprocessing.mean),
        _channels(preprocessing.std),
        preprocessing.interpolation.value,
        preprocessing.crop_pct,
    )


def _channels(values: tuple[float, float, float]) -> str:
    if len(set(values)) == 1:
        return f"{values[0]:g}"
    return "/".join(f"{value:.3g}" for value in values)


def _unit(size_bytes: int) -> tuple[str, int]:
    return next(((name, unit) for name, unit in UNITS if size_bytes >= unit), ("kB", 10**3))


def _digits(size_bytes: int, unit: int, like: int | None = None) -> str:
    whole = (size_bytes if like is None else like) / unit
    if unit == 10**9:
        return f"{size_bytes / unit:.2f}" if whole < 10 else f"{size_bytes / unit:.1f}"
    if unit == 10**6 and whole < 10:
        return f"{size_bytes / unit:.1f}"
    return f"{size_bytes / unit:.0f}"
