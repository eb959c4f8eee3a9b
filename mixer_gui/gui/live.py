"""The live loop: newest frame to the engine, its answer to the screen, one at a time, so that nothing queues.

Lives in the window's thread and touches pixels only to hand them on. Frames come from the media worker at the source's
rate and are shown at it; a frame is classified when the answer to the one before has come.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from itertools import count
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSize, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from mixer_gui.gui.gallery import LivePicture
from mixer_gui.gui.live_rates import Rates
from mixer_gui.gui.live_words import moment_name
from mixer_gui.records import (
    BytesSource,
    Failure,
    FeedFailure,
    FeedSource,
    FeedState,
    FeedStatus,
    Frame,
    FrameReport,
    FrameRequest,
    FrameSource,
    LiveFrame,
)

if TYPE_CHECKING:
    from mixer_gui.gui.explorer import Explorer
    from mixer_gui.gui.media_worker import MediaWorker
    from mixer_gui.gui.picture_view import PictureView
    from mixer_gui.gui.session import Session
    from mixer_gui.gui.workers import EngineWorker

VIEW = "live"
STEADY_S = 0.1
RATES_EVERY_MS = 500
IMAGES_KEPT = 12  # that wait for their reports where the picture keeps step with the maps


class LiveSession(QObject):
    """One moving picture at a time: open, hold, freeze, go on, close."""

    changed = Signal()  # opened, held, going on, or closed
    status_changed = Signal(object)  # FeedStatus
    answered = Signal(object, object)  # FrameReport, and the LiveFrame that it is about
    shown = Signal(object)  # LiveFrame: it is on the screen now
    rates_changed = Signal(object)  # Rates
    painted = Signal(float)  # milliseconds from a frame's arrival to the end of the paint that shows its result
    complained = Signal(str)

    def __init__(
        self,
        media: MediaWorker,
        worker: EngineWorker,
        session: Session,
        explorer: Explorer,
        view: PictureView,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.picture: LivePicture | None = None  # None: nothing is open
        self.source: FeedSource | None = None
        self.status = FeedStatus()
        self.is_held = False
        self.steady_s = STEADY_S
        self.maps_every = 1
        self.keeps_step = False  # the picture waits for its map
        self.frame: LiveFrame | None = None  # on the screen
        self._media, self._worker, self._session = media, worker, session
        self._explorer, self._view = explorer, view
        self._ids = count(1)
        self.wait_ms = 0.0  # of the frame answered last, from its arrival, where the engine was busy then
        self._asked: tuple[int, LiveFrame] | None = None  # the request under way
        self._asked_at = 0.0
        self._had_to_wait = False
        self._is_blocked = False  # the model cannot run
        self._is_gone = False  # the source was closed, which is told before why
        self._awaits_source = False  # what comes until the source opens is of the one before
        self._asks_again = False  # of the same frame, once the answer under way has come
        self._answered: LiveFrame | None = None  # the frame of the last answer
        self._images: OrderedDict[int, tuple[LiveFrame, QImage]] = OrderedDict()
        self._size = QSize()
        self._classified = 0
        self._latencies: deque[float] = deque(maxlen=64)
        self._to_paint: float | None = None  # arrival of the frame whose result is not painted yet
        self._mapped: LiveFrame | None = None  # the frame that the map on screen is of
        self._ticks = (0, 0, 0.0)  # shown, classified, when
        self._shown_count = 0
        self._timer = QTimer(self, interval=RATES_EVERY_MS)
        self._timer.timeout.connect(self._tell_rates)
        media.frame_ready.connect(self._take_frame)
        media.image_ready.connect(self._take_image)
        media.status_changed.connect(self._take_status)
        media.failed.connect(self._take_feed_failure)
        worker.frame_answered.connect(self._take_answer)
        worker.failed.connect(self._take_failure)
        session.current_changed.connect(self._follow_current)
        session.live_asked.connect(self._ask_again)
        session.model_changed.connect(self._unblock)
        view.resized.connect(self._fit)
        view.painted.connect(self._note_paint)

    # --- commands ---

    @property
    def is_open(self) -> bool:
        return self.picture is not None

    def open(self, source: FeedSource, name: str) -> None:
        """Show a source and classify it; what was open is closed."""
        if self.is_open:
            self._forget()
        self.source, self.status = source, FeedStatus(source, FeedState.OPENING)
        self.picture = LivePicture(VIEW, FrameSource(name, 0.0))
        self._is_blocked = self.is_held = False
        self._awaits_source = True
        self._classified = self._shown_count = 0
        self._ticks = (0, 0, time.monotonic())
        self._size = QSize()
        self._media.open(source)
        self._fit()
        self._timer.start()
        self._session.show_live(self.picture)
        self.changed.emit()
        self.status_changed.emit(self.status)

    def close(self) -> None:
        """Stop the source and its thread; the picture before it is shown again. Idempotent."""
        if self.is_open:
            self._forget()
            self._media.close()
            self._session.leave_live()
            self.status_changed.emit(self.status)
            self.changed.emit()

    def freeze(self) -> None:
        """Keep the frame on screen as a picture of the strip, with its full explanation, and hold the source."""
        frame = self.frame
        if frame is not None and self._is_current:
            self.hold()
            self._keep(frame)

    def hold(self) -> None:
        """Stop classifying and showing, without letting the source go."""
        if self.is_open and not self.is_held:
            self.is_held = True
            self._media.pause()
            self._worker.cancel(VIEW)
            self._asked = None
            self._take_frame()  # one that waited for the answer is let go: else no newer one would be told of
            self.changed.emit()

    def resume(self) -> None:
        """Go on where the source is."""
        if self.is_held:
            self._media.play()
            self._let_go()

    def toggle(self) -> None:
        """What the space bar does."""
        if self.is_held:
            self.resume()
        else:
            self.freeze()

    def play(self) -> None:
        if self.is_held:
            self.resume()
        else:
            self._media.play()

    def seek(self, position_s: float) -> None:
        """Go to a moment of a video and show its frame, also where another picture was shown."""
        if self.status.can_seek:
            self._let_go()
            self._media.seek(position_s)

    def step(self, frames: int) -> None:
        """One frame on, or back, also where another picture was shown; a video that plays is paused."""
        if self.status.can_seek:
            self._media.pause()
            self._let_go()
            self._media.step(frames)

    def _let_go(self) -> None:
        """Show the moving picture again, and classify what comes of it."""
        if self.picture is not None and self.is_held:
            self.is_held = False
            self._session.show_live(self.picture)
            self.changed.emit()

    # --- frames ---

    @property
    def _is_current(self) -> bool:
        return self.picture is not None and self._session.current is self.picture

    @Slot()
    def _take_frame(self) -> None:
        """Have the newest frame classified, unless an answer is awaited: then it waits to be taken, or replaced."""
        if self._asked is None and not self._is_blocked and not self._awaits_source and self.is_open:
            frame = self._media.take_frame()
            if frame is not None and not self.is_held:
                self._ask(frame)
                self._had_to_wait = False

    def _ask(self, frame: LiveFrame) -> None:
        picture = self.picture
        if picture is None:
            return
        is_moving = self.status.state == FeedState.PLAYING
        request = FrameRequest(
            id=next(self._ids),
            view=VIEW,
            name=picture.source.name,
            frame=frame,
            model=self._session.model,
            framing=picture.framing,
            device=self._session.device,
            precision=self._session.precision,
            steady_s=self.steady_s if is_moving else 0.0,
            maps=not is_moving or self._classified % self.maps_every == 0,
            about_class=picture.asked_class,
            about_patch=picture.asked_patch,
        )
        self._asks_again = False
        self._asked = (request.id, frame)
        self._asked_at = time.monotonic()
        self._worker.classify_frame(request)

    @Slot()
    def _ask_again(self) -> None:
        """Something else is wanted of the frame: it may be the last one for long, where the source stands still."""
        if self.status.state == FeedState.PLAYING and not self._is_blocked:
            return  # the next frame comes at once, and is asked so
        if self._asked is not None:
            self._asks_again = True
        elif self.frame is not None and not self.is_held and not self._is_blocked:
            answered = self._answered  # its image may be still to come
            self._ask(self.frame if answered is None or answered.number < self.frame.number else answered)

    @Slot(object)
    def _take_answer(self, answer: FrameReport) -> None:
        picture = self.picture
        if picture is None or self._asked is None or self._asked[0] != answer.id or answer.view != VIEW:
            return
        frame, self._asked = self._asked[1], None
        self.wait_ms = (self._asked_at - frame.arrived_s) * 1e3 if self._had_to_wait else 0.0
        self._classified += 1
        self._apply(picture, answer, frame)
        # Painted first: both at once would fight for the GIL, and a small model takes as long as the paint.
        QTimer.singleShot(0, self, self._go_on)

    @Slot()
    def _go_on(self) -> None:
        again, self._asks_again = self._asks_again, False
        self._take_frame()
        self._had_to_wait = True
        if again:
            self._ask_again()

    def _apply(self, picture: LivePicture, answer: FrameReport, frame: LiveFrame) -> None:
        picture.failure, picture.ranking, self._answered = None, answer.predictions, frame
        if answer.report is not None:
            picture.report, self._mapped = answer.report, frame
        if not self._is_current:
            return
        if self.keeps_step:
            self._show_in_step(frame)
        self._session.tell_device(answer.device)
        self._to_paint = frame.arrived_s
        self._explorer.show_frame_report(answer, moves=self.status.state == FeedState.PLAYING)
        self._view.update()
        self.answered.emit(answer, frame)

    @Slot()
    def _take_image(self) -> None:
        if self._awaits_source:
            return
        taken = self._media.take_image()
        if taken is None or self.picture is None or self.is_held:
            return
        frame, image = taken
        if not self.keeps_step:
            self._images.clear()
        if self.keeps_step and not self._is_blocked and self.frame is not None and frame is not self._answered:
            self._images[frame.number] = (frame, image)
            while len(self._images) > IMAGES_KEPT:
                self._images.popitem(last=False)
        else:
            self._show(frame, image)

    def _show_in_step(self, frame: LiveFrame) -> None:
        """The image of the frame that was classified, or the last one before it."""
        chosen = None
        while self._images and next(iter(self._images)) <= frame.number:
            chosen = self._images.popitem(last=False)[1]
        if chosen is not None:
            self._show(*chosen)

    def _show(self, frame: LiveFrame, image: QImage) -> None:
        picture = self.picture
        if picture is None or not self._is_current:
            return
        height, width = frame.pixels.shape[:2]
        is_other = picture.frame is None or (picture.frame.width, picture.frame.height) != (width, height)
        self.frame = frame
        picture.frame = Frame(frame.pixels, width, height, "frame")
        self._shown_count += 1
        self._view.set_moving_picture(image, width, height)
        if is_other:
            self._session.frame_changed.emit()
            self._fit()
        self.shown.emit(frame)

    def _keep(self, frame: LiveFrame) -> None:
        """A frame becomes a picture of the strip."""
        height, width = frame.pixels.shape[:2]
        content = b"".join((b"P6 %d %d 255\n" % (width, height), frame.pixels.data))  # PPM: no more than a copy
        name, framing = ("", None) if self.picture is None else (self.picture.source.name, self.picture.framing)
        self._session.add([BytesSource(moment_name(name, self.source, frame.time_s), content)], framing)

    # --- what happens to the source ---

    @Slot(object)
    def _take_status(self, status: FeedStatus) -> None:
        self._is_gone = status.state == FeedState.CLOSED
        if self.picture is not None and status.source == self.source:
            self._awaits_source = self._awaits_source and status.state != FeedState.OPENING
            was_moving, self.status = self.status.state == FeedState.PLAYING, status
            self.status_changed.emit(status)
            if was_moving and status.state in (FeedState.PAUSED, FeedState.ENDED):
                self._ask_again()  # by itself, and with its maps

    @Slot(object)
    def _take_feed_failure(self, failure: FeedFailure) -> None:
        """Where the source is gone, the last frame stays, as a picture."""
        if self.picture is None or failure.source != self.source:
            return
        if not self._is_gone:  # a video that is shorter than it says, a camera that may come back
            self.complained.emit(failure.sentence)
            return
        frame = self.frame
        was_shown = self._is_current
        if frame is not None and was_shown:
            self._keep(frame)
        self.close()
        self.complained.emit(failure.sentence)

    @Slot(object)
    def _take_failure(self, failure: Failure) -> None:
        if failure.view == VIEW and self._asked is not None and failure.request_id == self._asked[0]:
            self._asked, self._is_blocked = None, True
            self.complained.emit(failure.sentence)

    @Slot(object)
    def _unblock(self, _ready: object) -> None:
        self._is_blocked = False
        self._take_frame()
        self._ask_again()

    @Slot()
    def _follow_current(self) -> None:
        """Another picture was chosen: the source waits meanwhile."""
        if self.is_open and not self._is_current:
            self.hold()

    @Slot()
    def _fit(self) -> None:
        """Have images made for the size that the picture has on the screen."""
        if self.picture is None:
            return
        frame = self.picture.frame
        size = (
            self._view.screen_size(frame.width, frame.height)
            if frame is not None
            else self._view.size() * self._view.devicePixelRatioF()
        )
        if size != self._size:
            self._size = size
            self._media.show_at(size)

    def _forget(self) -> None:
        """Let go of the source; who calls says what comes instead."""
        if self.picture is not None:
            self.picture.frame = None  # commands that can be undone keep the picture
        self._timer.stop()
        self._worker.cancel(VIEW)
        self.picture, self.source, self.frame, self._asked = None, None, None, None
        self._mapped = self._answered = None
        self._asks_again = False
        self._images.clear()
        self._latencies.clear()
        self._to_paint = None
        self.is_held = False
        self.status = FeedStatus()

    # --- figures ---

    @Slot()
    def _note_paint(self) -> None:
        if self._to_paint is not None:
            QTimer.singleShot(0, self, self._end_paint)  # the lists are painted after the picture, in one go

    @Slot()
    def _end_paint(self) -> None:
        if self._to_paint is not None:
            latency_ms = (time.monotonic() - self._to_paint) * 1e3
            self._to_paint = None
            self._latencies.append(latency_ms)
            self.painted.emit(latency_ms)

    @Slot()
    def _tell_rates(self) -> None:
        now = time.monotonic()
        if self.is_held:
            self._ticks = (self._shown_count, self._classified, now)
            return
        shown, classified, then = self._ticks
        elapsed_s = max(now - then, 1e-6)
        counts = self._media.counts()
        seen = 0 if counts is None else counts.seen
        ordered = sorted(self._latencies)
        lag_s = 0.0
        if self.frame is not None and self._mapped is not None:
            lag_s = max(self.frame.arrived_s - self._mapped.arrived_s, 0.0)
        self.rates_changed.emit(
            Rates(
                shown_per_s=(self._shown_count - shown) / elapsed_s,
                classified_per_s=(self._classified - classified) / elapsed_s,
                latency_ms=ordered[len(ordered) // 2] if ordered else None,
                lag_ms=lag_s * 1e3,
                seen=seen,
                classified=self._classified,
                skipped=max(seen - self._classified, 0),
            )
        )
        self._ticks = (self._shown_count, self._classified, now)
