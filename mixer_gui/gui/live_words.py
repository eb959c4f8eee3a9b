"""Sentences and names about moving pictures. No widget, no state."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QCoreApplication

from mixer_gui.gui.timeline import clock
from mixer_gui.records import FeedSource, VideoFeed


def moment_name(name: str, source: FeedSource | None, time_s: float) -> str:
    """What a frame that was kept is called: its place in a video, the time of day of anything else."""
    if isinstance(source, VideoFeed):
        return _tr("{0} at {1}").format(name, clock(time_s, tenths=True))
    return _tr("{0} at {1}").format(name, datetime.now().astimezone().strftime("%H:%M:%S"))


def _tr(text: str) -> str:
    return QCoreApplication.translate("live", text)
