"""A video file as a source: playing, exact seeking, stepping, and telling a file that was cut short."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, QUrl, Slot
from PySide6.QtMultimedia import QMediaMetaData, QMediaPlayer

from mixer_gui.media.source import Source
from mixer_gui.records import FeedState, VideoFeed

if TYPE_CHECKING:
    from PySide6.QtMultimedia import QVideoFrame

    from mixer_gui.media.sink import FrameSink

EARLY_S = 0.5  # a video that ends this much before its duration was cut short
USUAL_RATE = 30.0  # where the file tells none
HIGHEST_RATE = 300.0  # what is above is the container's clock and not a rate
SETTLE_S = 0.25  # a seek whose frame does not cover the position asked for shows that frame after this
GIVE_UP_S = 3.0  # a seek that brings no frame no longer keeps newer ones waiting after this
TAIL_S = 1.0  # so far before the end the last frame is looked for
START_US = 500_000
STEPS_WAITING = 8
LOADED = (
    QMediaPlayer.MediaStatus.LoadedMedia,
    QMediaPlayer.MediaStatus.BufferingMedia,
    QMediaPlayer.MediaStatus.BufferedMedia,
    QMediaPlayer.MediaStatus.EndOfMedia,
)


@dataclass(frozen=True, slots=True)
class Goal:
    """A frame that was asked for and has not come.

    `position_ms` was set in the player; `direction` is 0 for a seek, else that of a step away from the frame that
    starts at `origin_us`; `reach_ms` is how far the next attempt goes beyond this one's position.
    """

    position_ms: int
    since_s: float
    direction: int = 0
    origin_us: int = 0
    reach_ms: int = 1
    is_tail: bool = False

    def is_met_by(self, start_us: int, end_us: int) -> bool:
        if self.direction:
            return (start_us - self.origin_us) * self.direction > 0
        if self.position_ms <= 1:  # some videos begin a little later than at 0
            return start_us < START_US
        return start_us <= self.position_ms * 1000 and (self.is_tail or self.position_ms * 1000 <= end_us)


class VideoSource(Source):
    """A video file without its sound.

    A frame that starts at s µs and ends at e is what the player shows at positions above s and up to e; the player's
    positions are whole milliseconds. Its signals are queued, so that none comes while one of its methods runs.
    """

    def __init__(self, feed: VideoFeed, sink: FrameSink, *, speed: float = 1.0, loops: bool = False) -> None:
        super().__init__(sink)
        self._path = feed.path
        self._speed = speed
        self._loops = loops
        self._runs = True
        self._goal: Goal | None = None
        self._held: tuple[QVideoFrame, float] | None = None  # came while a goal waits, and does not meet it
        self._next_us: int | None = None
        self._steps = 0
        self._shown_us: tuple[int, int] | None = None
        self._has_run = False  # a frame came since it was last at the beginning
        self._has_told = False
        self._is_loaded = False
        self._settle = QTimer(self, interval=round(SETTLE_S * 1000))
        self._settle.timeout.connect(self._settled)
        self._player: QMediaPlayer | None = None

    def open(self) -> None:
        if problem := self._problem():
            self.failed.emit(problem, "")
            return
        player = self._player = QMediaPlayer(self)
        queued = Qt.ConnectionType.QueuedConnection
        player.mediaStatusChanged.connect(self._status_changed, queued)
        player.errorOccurred.connect(self._broke, queued)
        player.setVideoSink(self.sink.video_sink)
        player.setSource(QUrl.fromLocalFile(os.path.abspath(self._path)))  # noqa: PTH100 - resolve() follows links
        player.setPlaybackRate(self._speed)

    def close(self) -> None:
        self._settle.stop()
        self._held = None
        player, self._player = self._player, None
        if player is not None:
            player.mediaStatusChanged.disconnect(self._status_changed)
            player.errorOccurred.disconnect(self._broke)
            player.stop()
            player.setVideoSink(None)  # type: ignore[arg-type]  # the stubs lack None
            player.setSource(QUrl())
        self.deleteLater()

    def began(self) -> None:
        self.become(FeedState.PLAYING if self._runs else FeedState.PAUSED)
        self._go_on()

    def play(self) -> None:
        if self._player is None or self.state is FeedState.PLAYING:
            return
        self._runs = True
        self._steps = 0
        if self.state is FeedState.ENDED:
            self._from_start()
        elif self._is_loaded:
            self._player.play()
        if self.state is not FeedState.OPENING:
            self.become(FeedState.PLAYING)

    def pause(self) -> None:
        if self._player is None or self.state is FeedState.ENDED:
            return
        self._runs = False
        if self.state is FeedState.OPENING:  # paused before its first frame, a player that runs would never show it
            return
        self._player.pause()
        if self._goal is not None:  # nor one that was sought
            self._player.setPosition(self._goal.position_ms)
        self.become(FeedState.PAUSED)

    def seek(self, position_s: float) -> None:
        """The frame that is shown at `position_s`, kept within the video; after the end, paused there."""
        self._steps = 0
        self._next_us = max(0, round(position_s * 1e6))
        self._go_on()

    def step(self, frames: int) -> None:
        """So many frames on or, negative, back, one after the other; at most 8 wait. Only while paused or ended."""
        if self.state in (FeedState.PAUSED, FeedState.ENDED):
            self._steps = max(-STEPS_WAITING, min(self._steps + frames, STEPS_WAITING))
            self._go_on()

    def set_speed(self, factor: float) -> None:
        self._speed = factor
        if self._player is not None:
            self._player.setPlaybackRate(factor)

    def set_loop(self, wanted: bool) -> None:
        self._loops = wanted

    def frame_came(self, frame: QVideoFrame, arrived_s: float) -> None:
        if not self._look_inside():
            return
        start_us, end_us = frame.startTime(), frame.endTime()
        goal = self._goal
        if goal is not None and not goal.is_met_by(start_us, end_us):
            if goal.direction and start_us == goal.origin_us:
                self._reach_further(goal)
            else:
                self._held = frame, arrived_s
            return
        self._show(frame, arrived_s)

    def _show(self, frame: QVideoFrame, arrived_s: float) -> None:
        assert self._player is not None
        if self._goal is not None and not self._goal.direction:
            self.sink.begin_run()
        self._goal = self._held = None
        self._settle.stop()
        self._has_run = True
        if self.state is FeedState.OPENING and not self._runs:
            if self._shown_us is not None:
                return
            self._player.pause()
        start_us = max(0, frame.startTime())
        self._shown_us = start_us, max(start_us, frame.endTime())
        self.sink.take(frame, time_s=start_us / 1e6, arrived_s=arrived_s)
        if self.state is not FeedState.OPENING:
            self._go_on()

    def _go_on(self) -> None:
        """The next of what was asked for, once what went before is done: seeks collapse to the newest."""
        if self._player is None or self.state is FeedState.OPENING or self._goal is not None:
            return
        goal = self._next_goal()
        if goal is None:
            return
        was_ended = self.state is FeedState.ENDED
        if was_ended:
            self._runs = False
        self._go(goal)
        if was_ended:
            self.become(FeedState.PAUSED)

    def _next_goal(self) -> Goal | None:
        now_s = time.monotonic()
        if self._next_us is not None:
            position_us, self._next_us = self._next_us, None
            if self.duration_s:
                position_us = min(position_us, round((self.duration_s - self._frame_s / 2) * 1e6))
            return Goal(max(0, position_us) // 1000 + 1, now_s)
        if self._steps and self._shown_us is not None:
            direction = 1 if self._steps > 0 else -1
            self._steps -= direction
            start_us, end_us = self._shown_us
            if (direction < 0 and start_us == 0) or (direction > 0 and self._is_last(end_us)):
                self._steps = 0
                return None
            position_ms = end_us // 1000 + 1 if direction > 0 else start_us // 1000
            return Goal(position_ms, now_s, direction, start_us)
        return None

    def _go(self, goal: Goal) -> None:
        assert self._player is not None
        self._goal, self._held = goal, None
        self._settle.start()
        self._player.setPosition(goal.position_ms)
        if self._player.playbackState() != QMediaPlayer.PlaybackState.StoppedState:
            return
        if self._runs:  # it is at its end, whether that was told or not
            self._player.play()
        else:
            self._player.pause()

    def _reach_further(self, goal: Goal) -> None:
        """Positions are coarser than times, and some containers' end times are wrong: it was the same frame."""
        position_ms = goal.position_ms + goal.direction * goal.reach_ms
        if goal.position_ms > 0:
            self._go(replace(goal, position_ms=max(0, position_ms), reach_ms=goal.reach_ms * 2))
        else:
            self._drop_goal()

    def _drop_goal(self) -> None:
        self._goal = self._held = None
        self._settle.stop()
        self._go_on()

    @Slot()
    def _settled(self) -> None:
        goal, held = self._goal, self._held
        if goal is None or time.monotonic() - goal.since_s < SETTLE_S:
            return
        if held is not None:  # between two frames, say: better the wrong one than none
            self._show(*held)
        elif time.monotonic() - goal.since_s > GIVE_UP_S:
            self._drop_goal()

    @Slot(QMediaPlayer.MediaStatus)
    def _status_changed(self, _: QMediaPlayer.MediaStatus) -> None:
        if self._player is None:
            return
        status = self._player.mediaStatus()  # the one of now: a seek may have come since
        if status in LOADED and not self._look_inside():
            return
        if status == QMediaPlayer.MediaStatus.EndOfMedia and self.state is not FeedState.ENDED:
            self._reach_end()
        elif status == QMediaPlayer.MediaStatus.InvalidMedia:
            self._broke()

    def _look_inside(self) -> bool:
        """What the file says of itself, once; False where it holds no pictures and the source has failed."""
        assert self._player is not None
        if self._is_loaded:
            return True
        self._is_loaded = True
        if not self._player.hasVideo():
            sentence = self._say(self.tr("“{0}” holds no moving picture, only sound or nothing: choose a video."))
            self.failed.emit(sentence, "")
            return False
        self.duration_s = self._player.duration() / 1000 or None
        self.can_seek = self._player.isSeekable()
        self.rate = self._told_rate()
        self.changed.emit()
        if self._player is None:  # closed by who was told
            return False
        if self._runs:
            self._player.play()
        else:
            self._player.pause()
        return True

    def _told_rate(self) -> float | None:
        assert self._player is not None
        told = self._player.metaData().value(QMediaMetaData.Key.VideoFrameRate)
        rate = float(told) if isinstance(told, int | float) else 0.0
        return rate if 0 < rate <= HIGHEST_RATE else None

    def _reach_end(self) -> None:
        goal, self._goal = self._goal, None
        if goal is not None and not goal.direction:
            if self._look_before(goal):
                return
            self._tell_cut_short(goal.position_ms / 1000, is_sought=True)
        elif self._shown_us is not None:
            self._tell_cut_short(self._shown_us[1] / 1e6)
        self._settle.stop()
        self._held = None
        self._steps = 0
        if self._loops and self._runs and self._has_run:
            self._from_start()
        elif self._shown_us is None:
            self.failed.emit(self._say(self.tr("“{0}” holds no picture that can be shown: choose another video.")), "")
        else:
            self.become(FeedState.ENDED)
            self._go_on()

    def _look_before(self, goal: Goal) -> bool:
        """The last frame, for a paused seek to just behind it; False where it must be further off."""
        position_ms = goal.position_ms - 20 * goal.reach_ms
        if self._runs or position_ms < 0 or (self.duration_s or 0.0) - position_ms / 1000 > TAIL_S:
            return False
        self._go(replace(goal, position_ms=position_ms, reach_ms=goal.reach_ms * 2, is_tail=True))
        return True

    def _from_start(self) -> None:
        assert self._player is not None
        self._has_run = False
        self._go(Goal(0, time.monotonic()))
        self._player.play()

    def _tell_cut_short(self, position_s: float, *, is_sought: bool = False) -> None:
        """Once; an early end is the only sign of it that some containers give."""
        missing_s = (self.duration_s or 0.0) - position_s
        if self._has_told or missing_s <= max(EARLY_S, 2 * self._frame_s):
            return
        self._has_told = True
        assert self._player is not None
        if not self._path.exists():
            sentence = self._say(
                self.tr("“{0}” is not there any more: bring the file or its disk back and open it again.")
            )
        elif is_sought:
            sentence = self._say(
                self.tr(
                    "“{0}” ends before {1:.1f} of {2:.1f} seconds: the file seems to be cut short. "
                    "What comes before can be played."
                ),
                position_s,
            )
        elif self._player.hasAudio():
            sentence = self._say(
                self.tr(
                    "The pictures of “{0}” end after {1:.1f} of {2:.1f} seconds: the file seems to be cut short, "
                    "or its sound goes on longer. What came before can be played."
                ),
                position_s,
            )
        else:
            sentence = self._say(
                self.tr(
                    "“{0}” ends after {1:.1f} of {2:.1f} seconds: the file seems to be cut short. "
                    "What came before can be played."
                ),
                position_s,
            )
        self.told.emit(sentence, "")
        if not is_sought:
            self.duration_s = position_s
            self.changed.emit()

    @Slot()
    def _broke(self) -> None:
        if self._player is None:
            return
        detail = self._player.errorString()
        if problem := self._problem():
            sentence = problem
        elif self.state is FeedState.OPENING:
            sentence = self._say(
                self.tr(
                    "“{0}” cannot be played: it is no video, of a kind that is not known here, or incomplete. "
                    "Try it in another program, or fetch it again."
                )
            )
        else:
            sentence = self._say(self.tr("“{0}” cannot be played on: its data are damaged. Try to open it again."))
        self.failed.emit(sentence, detail)

    def _problem(self) -> str:
        """What is wrong with the file, as far as the system says; "" where nothing is."""
        if not self._path.exists():
            return self._say(self.tr("“{0}” is not there: it may have been moved or deleted. Choose it again."))
        if not self._path.is_file():
            return self._say(self.tr("“{0}” is not a file: choose a video."))
        if not os.access(self._path, os.R_OK):
            return self._say(self.tr("“{0}” may not be read: allow it in the file's permissions."))
        if self._path.stat().st_size == 0:
            return self._say(self.tr("“{0}” is empty: fetch it again."))
        return ""

    def _is_last(self, end_us: int) -> bool:
        return bool(self.duration_s) and end_us / 1e6 > (self.duration_s or 0.0) - self._frame_s / 2

    @property
    def _frame_s(self) -> float:
        return 1 / (self.rate or USUAL_RATE)

    def _say(self, sentence: str, position_s: float = 0.0) -> str:
        return sentence.format(self._path.name, position_s, self.duration_s or 0.0)
