"""What the window does about moving pictures: choose a source, show its bar and timeline, record.

The loop itself is in live; this fills menus, asks for file names and permissions, and says what happens.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCameraPermission, QCoreApplication, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from mixer_gui.gui.actions import menu_text
from mixer_gui.gui.annotation import Annotation, annotated, annotated_size
from mixer_gui.gui.live import LiveSession
from mixer_gui.gui.prediction_log import PredictionLog
from mixer_gui.gui.screen_picker import ScreenPicker
from mixer_gui.records import (
    VIDEO_SUFFIXES,
    Camera,
    CameraFeed,
    CheckpointInfo,
    Devices,
    FeedSource,
    FeedState,
    FeedStatus,
    FrameReport,
    Framing,
    LiveFrame,
    Rect,
    ScreenFeed,
    VideoFeed,
    WindowFeed,
    revealed,
)

if TYPE_CHECKING:
    from mixer_gui.gui.cards import PictureCard, TimeCard
    from mixer_gui.gui.live_menu import LiveActions
    from mixer_gui.gui.media_worker import MediaWorker
    from mixer_gui.gui.session import Session
    from mixer_gui.gui.status import StatusBar
    from mixer_gui.settings import Settings

LOGGED = 5  # classes of each frame
HIDE_MS = 300  # until a window that hides is off the screen


class LiveCommands(QObject):
    """Lives in the window's thread."""

    told = Signal(str)  # a passing message
    complained = Signal(str)  # a sentence about something that did not work; empty: it no longer holds

    def __init__(
        self,
        live: LiveSession,
        media: MediaWorker,
        session: Session,
        settings: Settings,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.live = live
        self.log = PredictionLog(self)
        self.is_recording_video = False
        self._media, self._session, self._window = media, session, parent
        self._camera = CameraFeed(settings.camera, settings.camera_size, settings.camera_mirrored)
        self._devices = Devices()
        self._has_looked = False  # for devices
        self._picker: ScreenPicker | None = None
        self._video_path: Path | None = None
        self._of: tuple[CheckpointInfo, Framing | None] | None = None  # the last answer's
        self._logged: LiveFrame | None = None  # the frame that was written last
        self._begun: tuple[FeedSource | None, float | None] | None = None  # what the timeline shows
        live.steady_s, live.maps_every = settings.steady_s, settings.maps_every

    @property
    def camera(self) -> CameraFeed:
        """As it was last chosen; remembered between starts."""
        return self._camera

    def connect_window(self, actions: LiveActions, picture: PictureCard, time: TimeCard, status: StatusBar) -> None:
        """Called once all of the window's parts exist."""
        self._actions, self._picture, self._time, self._status = actions, picture, time, status
        live, bar = self.live, picture.live_bar
        actions.menu.aboutToShow.connect(self._media.find_devices)
        actions.mirror.setChecked(self._camera.mirrored)
        actions.mirror.triggered.connect(self._mirror)
        actions.open_video.triggered.connect(self._choose_video)
        actions.part.triggered.connect(self.pick_part)
        actions.freeze.triggered.connect(live.toggle)
        actions.stop.triggered.connect(live.close)
        for seconds, action in actions.steady.items():
            action.setChecked(seconds == live.steady_s)
            action.triggered.connect(partial(self._set_steady, seconds))
        for frames, action in actions.maps_every.items():
            action.setChecked(frames == live.maps_every)
            action.triggered.connect(partial(self._set_maps_every, frames))
        actions.keep_step.toggled.connect(self._set_keeps_step)
        actions.record_predictions.triggered.connect(self._record_predictions)
        actions.record_video.triggered.connect(self._record_video)
        bar.play_asked.connect(live.play)
        bar.pause_asked.connect(self._media.pause)
        bar.seek_asked.connect(self._seek)
        bar.step_asked.connect(self._step)
        bar.speed_chosen.connect(self._media.set_speed)
        bar.loop_chosen.connect(self._media.set_loop)
        bar.freeze_asked.connect(live.toggle)
        bar.stop_asked.connect(live.close)
        bar.record_predictions_asked.connect(self._record_predictions)
        bar.record_video_asked.connect(self._record_video)
        time.timeline.seek_asked.connect(live.seek)
        live.changed.connect(self._refresh)
        live.status_changed.connect(self._show_status)
        live.answered.connect(self._take_answer)
        live.shown.connect(self._show_position)
        live.rates_changed.connect(status.show_rates)
        live.complained.connect(self._complain)
        self.log.failed.connect(self._lose_log)
        self._media.devices_changed.connect(self._take_devices)
        self._media.recorded.connect(self._tell_recorded)
        self._media.recording_failed.connect(self._lose_video)
        self._fill_menus()
        self._refresh()

    # --- sources ---

    def open_video(self, path: Path) -> None:
        self._open(VideoFeed(path), path.name)

    def open_camera(self, camera: CameraFeed, name: str) -> None:
        """Asks for the permission where the system wants that; a refusal is said."""
        self._camera = camera
        self._fill_menus()
        application = QCoreApplication.instance()
        permission = QCameraPermission()
        if application is None or application.checkPermission(permission) == Qt.PermissionStatus.Granted:
            self._open(camera, name)
        else:
            application.requestPermission(permission, self, partial(self._take_permission, camera, name))

    def _take_permission(self, camera: CameraFeed, name: str, permission: QCameraPermission) -> None:
        application = QCoreApplication.instance()
        if application is not None and application.checkPermission(permission) == Qt.PermissionStatus.Granted:
            self._open(camera, name)
        else:
            self.complained.emit(
                self.tr("The system does not let Mixer GUI use the camera. Allow it in the system's privacy settings.")
            )

    def _open(self, source: FeedSource, name: str) -> None:
        self.complained.emit("")
        self._stop_recordings()
        self._begun = None
        bar = self._picture.live_bar  # what is chosen there outlives the source, and its thread
        self._media.set_speed(bar.speed.currentData())
        self._media.set_loop(bar.loop.isChecked())
        self.live.open(source, name)

    def _choose_video(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in sorted(VIDEO_SUFFIXES))
        name, _ = QFileDialog.getOpenFileName(
            self._window, self.tr("Open Video"), "", self.tr("Videos ({0});;All files (*)").format(patterns)
        )
        if name:
            self.open_video(Path(name))

    @Slot()
    def pick_part(self) -> None:
        """Let the user draw a rectangle on the window's screen; the window is out of the way meanwhile."""
        if self._picker is None:
            self._window.hide()
            QTimer.singleShot(HIDE_MS, self, self._show_picker)

    @Slot()
    def _show_picker(self) -> None:
        screen = self._window.screen()
        still = screen.grabWindow(0)
        if still.isNull():
            self._window.show()
            self.complained.emit(self.tr("This desktop does not let programs see the screen."))
            return
        self._picker = ScreenPicker(screen, still)
        self._picker.picked.connect(self._take_part)
        self._picker.show()
        self._picker.activateWindow()

    @Slot(object)
    def _take_part(self, rectangle: Rect | None) -> None:
        screen = self._window.screen().name()
        self._window.show()  # before the picker is gone: the program ends with its last window
        picker, self._picker = self._picker, None
        if picker is not None:
            picker.close()
            picker.deleteLater()
        if rectangle is not None:
            self._open(ScreenFeed(screen, rectangle), self.tr("Part of the screen"))

    # --- menus ---

    @Slot(object)
    def _take_devices(self, devices: Devices) -> None:
        self._devices, self._has_looked = devices, True
        self._fill_menus()
        if not self.live.is_open:
            self._media.close()  # no thread while nothing is watched

    def _fill_menus(self) -> None:
        actions, devices = self._actions, self._devices
        actions.cameras.clear()
        chosen: Camera | None = None
        for camera in devices.cameras:
            is_chosen = camera.id == self._camera.id if self._camera.id else camera.is_default
            chosen = camera if is_chosen else chosen
            feed = CameraFeed(camera.id, self._camera.size, self._camera.mirrored)
            action = actions.cameras.addAction(menu_text(camera.name), partial(self.open_camera, feed, camera.name))
            action.setCheckable(True)
            action.setChecked(isinstance(self.live.source, CameraFeed) and is_chosen)
        if not devices.cameras and self._has_looked:
            actions.cameras.addAction(self.tr("No camera was found: plug one in")).setEnabled(False)
        elif not devices.cameras:
            actions.cameras.addAction(
                self.tr("Turn On the Camera"), partial(self.open_camera, self._camera, self.tr("Camera"))
            )
        actions.sizes.clear()
        actions.sizes.setEnabled(chosen is not None)
        for size in (None, *(chosen.sizes if chosen is not None else ())):
            text = self.tr("Automatic") if size is None else f"{size[0]} × {size[1]}"
            action = actions.sizes.addAction(text, partial(self._set_size, size))
            action.setCheckable(True)
            action.setChecked(size == self._camera.size)
        self._fill(actions.screens, devices.screens or tuple(each.name() for each in QGuiApplication.screens()), True)
        own = (self._window.windowTitle(), f"Window {int(self._window.winId()):#x}")
        self._fill(actions.windows, tuple(each for each in devices.windows if each not in own), False)

    def _fill(self, menu: QMenu, names: tuple[str, ...], are_screens: bool) -> None:
        menu.clear()
        for name in names:
            source = ScreenFeed(name) if are_screens else WindowFeed(name)
            menu.addAction(menu_text(name), partial(self._open, source, name))
        if not names:
            menu.addAction(self.tr("(none found)")).setEnabled(False)

    def _set_size(self, size: tuple[int, int] | None) -> None:
        self._change_camera(CameraFeed(self._camera.id, size, self._camera.mirrored))

    @Slot(bool)
    def _mirror(self, wanted: bool) -> None:
        self._change_camera(CameraFeed(self._camera.id, self._camera.size, wanted))

    def _change_camera(self, camera: CameraFeed) -> None:
        self._camera = camera
        if isinstance(self.live.source, CameraFeed) and self.live.picture is not None:
            self._open(camera, self.live.picture.source.name)

    def _set_steady(self, seconds: float) -> None:
        self.live.steady_s = seconds

    def _set_maps_every(self, frames: int) -> None:
        self.live.maps_every = frames

    @Slot(float)
    def _seek(self, position_s: float) -> None:
        self._time.timeline.jump()
        self.live.seek(position_s)

    @Slot(int)
    def _step(self, frames: int) -> None:
        self._time.timeline.jump()
        self.live.step(frames)

    @Slot(bool)
    def _set_keeps_step(self, wanted: bool) -> None:
        self.live.keeps_step = wanted

    # --- what is shown ---

    @Slot()
    def _refresh(self) -> None:
        """Which commands make sense, and whether bar and timeline are there."""
        live, actions = self.live, self._actions
        actions.freeze.setEnabled(live.is_open)
        actions.freeze.setText((self.tr("&Resume") if live.is_held else self.tr("&Freeze")) + "\t" + self.tr("Space"))
        actions.stop.setEnabled(live.is_open)
        actions.record_predictions.setEnabled(live.is_open)
        actions.record_video.setEnabled(live.is_open)
        self._picture.live_bar.setVisible(live.is_open)
        self._picture.live_bar.set_frozen(live.is_held)
        self._time.set_live(live.is_open)
        self._time.show_timeline(live.is_open and not live.is_held)
        if live.is_held or not live.is_open:
            self._status.show_rates(None)
            report = self._session.current.report if self._session.current is not None else None
            self._status.show_timings(report.timings_ms if report is not None else None)
        if not live.is_open:
            self._stop_recordings()
        self._show_recordings()

    @Slot(object)
    def _show_status(self, status: FeedStatus) -> None:
        name = self.live.picture.source.name if self.live.picture is not None else ""
        self._picture.live_bar.show_status(status, name)
        begun = (status.source, status.duration_s)
        if self.live.is_open and status.state != FeedState.OPENING and begun != self._begun:
            was_begun, self._begun = self._begun is not None, begun
            known = self._time.timeline.samples() if was_begun else ()  # it is shorter than it said
            self._time.timeline.begin(status.duration_s, seekable=status.can_seek)
            for each in known:
                self._time.timeline.add(each.time_s, each.predictions)
            if self.live.frame is not None:
                self._time.timeline.set_position(self.live.frame.time_s)

    @Slot(str)
    def _complain(self, sentence: str) -> None:
        """In the message line, and, where nothing else is there, in the place of the picture: it has room for all."""
        self.complained.emit(sentence)
        if self._session.current is None:
            self._picture.view.set_message(sentence)

    @Slot(object)
    def _show_position(self, frame: LiveFrame) -> None:
        self._picture.live_bar.show_position(frame.time_s)
        self._time.timeline.set_position(frame.time_s)

    @Slot(object, object)
    def _take_answer(self, answer: FrameReport, frame: LiveFrame) -> None:
        reveals = self._session.reveals_names
        shown = revealed(answer.predictions, answer.model.names) if reveals else answer.predictions
        framing = self.live.picture.framing if self.live.picture is not None else None
        if self._of is None or self._of[0] is not answer.model or self._of[1] != framing:
            if self._of is not None and self._of != (answer.model, framing):
                self._begun = None  # what was said of another part, or by another model, is no curve with this
                self._show_status(self.live.status)
            self._of = (answer.model, framing)
        self._time.timeline.add(answer.time_s, shown)
        if self.log.is_open and frame is not self._logged:  # which is classified again for each patch pointed at
            self._logged = frame
            self.log.add(answer, shown[:LOGGED])
        if self.is_recording_video:
            view = self._picture.view
            annotation = Annotation(frame, view.overlay, view.opacity, shown)
            size = annotated_size(frame)
            self._media.record(lambda: annotated(annotation, size), frame.arrived_s)

    # --- recording ---

    @Slot(bool)
    def _record_predictions(self, wanted: bool) -> None:
        if not wanted:
            self._stop_log()
        elif self.live.is_open:
            path = self._ask_path(self.tr("Record Predictions"), ".csv", "CSV (*.csv)")
            if path is not None:
                self.start_log(path)
        self._show_recordings()

    def start_log(self, path: Path) -> None:
        self._logged = None
        self.log.start(path)
        self._show_recordings()

    def _stop_log(self) -> None:
        if self.log.stop():
            self.told.emit(self.tr("Saved {0}").format(self.log.path))

    @Slot(bool)
    def _record_video(self, wanted: bool) -> None:
        if not wanted:
            self._stop_video()
        elif self.live.is_open:
            path = self._ask_path(self.tr("Record Annotated Video"), ".mp4", "MPEG-4 (*.mp4)")
            if path is not None:
                self.start_video(path)
        self._show_recordings()

    def start_video(self, path: Path) -> None:
        """Each frame that is classified from now on, with its map and ranking."""
        frame = self.live.frame
        if frame is None:
            self.complained.emit(self.tr("There is no frame to record yet."))
            return
        self._video_path = path
        self.is_recording_video = True
        self._media.start_recording(path, annotated_size(frame), self.live.status.rate or 30.0)
        self._show_recordings()

    def _stop_video(self) -> None:
        if self.is_recording_video:
            self.is_recording_video = False
            self._media.stop_recording()

    def _stop_recordings(self) -> None:
        self._stop_log()
        self._stop_video()
        self._logged = None
        self._show_recordings()

    @Slot(str)
    def _tell_recorded(self, path: str) -> None:
        self.told.emit(self.tr("Saved {0}").format(path))

    @Slot(str)
    def _lose_log(self, sentence: str) -> None:
        self.complained.emit(sentence)
        self._show_recordings()

    @Slot(str)
    def _lose_video(self, sentence: str) -> None:
        self.is_recording_video = False
        self.complained.emit(sentence)
        self._show_recordings()

    def _show_recordings(self) -> None:
        self._actions.record_predictions.setChecked(self.log.is_open)
        self._actions.record_video.setChecked(self.is_recording_video)
        self._picture.live_bar.set_recording(self.log.is_open, self.is_recording_video)

    def _ask_path(self, title: str, suffix: str, kinds: str) -> Path | None:
        from mixer_gui.gui.file_commands import save_dialog

        source = self.live.source
        folder = source.path.parent if isinstance(source, VideoFeed) else Path.home()
        stem = source.path.stem if isinstance(source, VideoFeed) else datetime.now().astimezone().strftime("live-%H%M")
        dialog = save_dialog(self._window, title, folder / f"{stem}-mixer{suffix}", kinds)
        chosen = dialog.selectedFiles() if dialog.exec() else []
        dialog.deleteLater()
        return Path(chosen[0]) if chosen else None
