"""The row below a moving picture: play, step, seek, speed, freeze, record, stop. It asks; others do."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QToolButton,
    QWidget,
)

from mixer_gui.gui.labels import ElidedLabel, plain_tip
from mixer_gui.gui.live_icons import ICON, Drawing, drawn_icon
from mixer_gui.gui.theme import colours
from mixer_gui.gui.timeline import clock
from mixer_gui.records import CameraFeed, FeedSource, FeedState, FeedStatus, ScreenFeed, VideoFeed

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
RECORDING = "#e5484d"  # red on light and dark
SLIDER_WIDTH, NAME_WIDTH = 70, 200  # below that, less important buttons make room
SPACING = 4
HOUR_S = 3600.0
KEY_STEP_MS, PAGE_STEP_MS = 1000, 10_000


class PositionSlider(QSlider):
    """A slider in milliseconds that goes where it is pressed. `actionTriggered` is the user, never the program."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setSingleStep(KEY_STEP_MS)
        self.setPageStep(PAGE_STEP_MS)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self.setSliderPosition(self._value_at(event.position().x()))
        else:
            super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self.isSliderDown():
            self.setSliderPosition(self._value_at(event.position().x()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(False)

    def _value_at(self, x: float) -> int:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        part = QStyle.SubControl
        style, control = self.style(), QStyle.ComplexControl.CC_Slider
        groove = style.subControlRect(control, option, part.SC_SliderGroove, self)
        handle = style.subControlRect(control, option, part.SC_SliderHandle, self).width()
        room = max(groove.width() - handle, 1)
        along = round(x - groove.left() - handle / 2)
        return QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), along, room, option.upsideDown)


class LiveBar(QWidget):
    """Shows itself while a source is open. Buttons that a video needs less often give way where it is narrow."""

    play_asked = Signal()
    pause_asked = Signal()
    seek_asked = Signal(float)  # seconds; while the slider is dragged, too
    step_asked = Signal(int)  # frames
    speed_chosen = Signal(float)
    loop_chosen = Signal(bool)
    freeze_asked = Signal()  # frozen: resume
    stop_asked = Signal()
    record_predictions_asked = Signal(bool)
    record_video_asked = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._status = FeedStatus()
        self._position_s = 0.0
        self._is_frozen = False
        self._records = (False, False)  # predictions, video
        self._drawn: dict[QToolButton, tuple[Drawing, str, str]] = {}  # what, in which colour, and while disabled
        self.play = self._button(Drawing.PLAY, "")
        self.play.clicked.connect(self._play_or_pause)
        self.back = self._button(Drawing.BACK, self.tr("One frame back"))
        self.back.clicked.connect(lambda: self.step_asked.emit(-1))
        self.on = self._button(Drawing.ON, self.tr("One frame on"))
        self.on.clicked.connect(lambda: self.step_asked.emit(1))
        self.slider = PositionSlider()
        self.slider.setMinimumWidth(40)
        self.slider.setAccessibleName(self.tr("Position"))
        self.slider.actionTriggered.connect(self._slide)
        self.name = ElidedLabel()
        self.time = QLabel()
        self.time.setObjectName("muted")
        self.time.setAccessibleName(self.tr("Time"))
        self.speed = QComboBox()
        self.speed.setAccessibleName(self.tr("Speed"))
        self.speed.setToolTip(self.tr("How fast the video plays"))
        for factor in SPEEDS:
            self.speed.addItem(f"{factor:g}×", factor)
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.speed.activated.connect(lambda _row: self.speed_chosen.emit(self.speed.currentData()))
        self.loop = self._button(Drawing.LOOP, self.tr("Start again at the end"))
        self.loop.setCheckable(True)
        self.loop.clicked.connect(self.loop_chosen)
        self.freeze = self._button(Drawing.FREEZE, "")
        self.freeze.clicked.connect(self.freeze_asked)
        self.record = self._button(Drawing.RECORD, "")
        self.record.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.record)
        self.record_predictions = menu.addAction("")
        self.record_predictions.triggered.connect(lambda: self.record_predictions_asked.emit(not self._records[0]))
        self.record_video = menu.addAction("")
        self.record_video.triggered.connect(lambda: self.record_video_asked.emit(not self._records[1]))
        self.record.setMenu(menu)
        self.stop = self._button(Drawing.STOP, self.tr("Stop"))
        self.stop.setToolTip(self.tr("Stop and close this source"))
        self.stop.clicked.connect(self.stop_asked)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.setSizeConstraint(QHBoxLayout.SizeConstraint.SetNoConstraint)
        for button in (self.play, self.back, self.on):
            layout.addWidget(button)
        layout.addWidget(self.slider, 1)
        layout.addWidget(self.name, 1)
        for widget in (self.time, self.speed, self.loop, self.freeze, self.record, self.stop):
            layout.addWidget(widget)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Moving picture"))
        self.setStyleSheet(
            "QToolButton { padding: 4px 7px; } QToolButton[popupMode='2'] { padding: 4px 17px 4px 7px; }"
            "QComboBox { min-width: 32px; }"
        )
        self.set_frozen(False)
        self.set_recording(predictions=False, video=False)
        self.show_status(FeedStatus())

    # --- what to show ---

    def show_status(self, status: FeedStatus, name: str = "") -> None:
        """What the source does now; `name` says what it is where the source itself does not, as a camera."""
        is_new = status.source != self._status.source
        self._status = status
        is_video, state = isinstance(status.source, VideoFeed), status.state
        is_ready = state not in (FeedState.CLOSED, FeedState.OPENING, FeedState.LOST)
        title = name or _title(status.source, self.tr("Camera"), self.tr("Screen"))
        if is_new:
            self.slider.setSliderDown(False)
            self.show_position(0.0)
        if state is FeedState.OPENING:
            self.name.set_text(self.tr("Opening {0} …").format(title))
        elif state is FeedState.LOST:
            self.name.set_text(self.tr("{0} was unplugged. Plug it in again to go on.").format(title))
        else:
            self.name.set_text(title)
        has_slider = is_video and is_ready and status.can_seek and bool(status.duration_s)
        self.slider.setRange(0, round((status.duration_s or 0.0) * 1000))
        self.slider.setToolTip(plain_tip(title))
        self.slider.setVisible(has_slider)
        self.name.setVisible(not has_slider)
        self.play.setVisible(is_video and is_ready)
        if state is FeedState.PLAYING:
            self._label(self.play, self.tr("Pause"), Drawing.PAUSE)
        else:
            self._label(self.play, self.tr("Play"), Drawing.PLAY)
        if state is FeedState.ENDED:
            self.play.setToolTip(self.tr("Play again from the start"))
        for button in (self.back, self.on):
            button.setEnabled(state in (FeedState.PAUSED, FeedState.ENDED) and status.can_seek)
        self.on.setEnabled(self.on.isEnabled() and state is not FeedState.ENDED)
        self.freeze.setVisible(is_ready)
        self.record.setVisible(is_ready)
        if state is FeedState.ENDED and status.duration_s:
            self.show_position(status.duration_s)
        else:
            self._show_time(self._position_s)
        self.setVisible(state is not FeedState.CLOSED)
        self._fit()

    def show_position(self, time_s: float) -> None:
        """Seconds into a video, else since the source was opened. Not while the user drags the slider."""
        if not self.slider.isSliderDown():
            self._position_s = time_s
            self.slider.setValue(round(time_s * 1000))
            self._show_time(time_s)

    def set_frozen(self, frozen: bool) -> None:
        """Whether one frame is held still; the button then lets it go."""
        self._is_frozen = frozen
        if frozen:
            self._label(self.freeze, self.tr("Resume (Space)"), Drawing.PLAY)
            self.freeze.setToolTip(self.tr("Go on with the moving picture (Space)"))
        else:
            self._label(self.freeze, self.tr("Freeze"), Drawing.FREEZE)
            self.freeze.setToolTip(self.tr("Hold this frame still and explain it in full (Space)"))
        self.freeze.setCheckable(frozen)
        self.freeze.setChecked(frozen)
        self._fit()

    def set_recording(self, predictions: bool, video: bool) -> None:
        """What is being written."""
        self._records = (predictions, video)
        self.record_predictions.setText(
            self.tr("Stop Recording Predictions") if predictions else self.tr("Record Predictions (CSV) …")
        )
        self.record_video.setText(self.tr("Stop Recording the Video") if video else self.tr("Record Annotated Video …"))
        said = {
            (False, False): self.tr("Record predictions or an annotated video"),
            (True, False): self.tr("Predictions are being recorded"),
            (False, True): self.tr("A video is being recorded"),
            (True, True): self.tr("Predictions and a video are being recorded"),
        }[self._records]
        self._label(self.record, self.tr("Recording") if any(self._records) else self.tr("Record"), Drawing.RECORD)
        self.record.setToolTip(said)
        self.record.setAccessibleDescription(said)
        self._fit()

    def sizeHint(self) -> QSize:
        return QSize(640, self.freeze.sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(300, self.freeze.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange, QEvent.Type.FontChange):
            for button, (drawing, *_) in self._drawn.items():
                self._draw(button, drawing)
            self._fit()

    # --- inside ---

    def _button(self, drawing: Drawing, text: str) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(ICON, ICON))
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._label(button, text, drawing)
        return button

    def _label(self, button: QToolButton, text: str, drawing: Drawing) -> None:
        if button.text() != text:
            button.setText(text)
            button.setAccessibleName(text)
        button.setToolTip(text)
        self._draw(button, drawing)

    def _draw(self, button: QToolButton, drawing: Drawing) -> None:
        scheme = colours()
        records = drawing is Drawing.RECORD and any(self._records)
        wanted = (drawing, RECORDING if records else scheme.text, scheme.muted)
        if self._drawn.get(button) != wanted:  # an icon takes half a millisecond, and a start asks for each seven times
            self._drawn[button] = wanted
            button.setIcon(drawn_icon(*wanted))

    def _fit(self) -> None:
        """Take away words, then buttons, the least important first, until the rest fits."""
        is_video, can_step = not self.play.isHidden(), not self.slider.isHidden()
        texts = (self.stop, self.record, self.freeze)
        for button in texts:
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.back.setVisible(can_step)
        self.on.setVisible(can_step)
        self.loop.setVisible(is_video)
        self.speed.setVisible(is_video)
        self.time.setVisible(not self.freeze.isHidden())
        for button in texts[:2] if self._is_frozen else texts:  # "Resume" says more than the rest
            if self._needed() > self.width():
                button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        groups: tuple[tuple[QWidget, ...], ...] = ((self.loop,), (self.back, self.on), (self.speed,), (self.time,))
        for group in groups:
            if self._needed() > self.width():
                for widget in group:
                    widget.hide()
        if self._needed() > self.width():
            self.freeze.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)

    def _needed(self) -> int:
        """Pixels that everything which is shown needs side by side."""
        rigid = (self.play, self.back, self.on, self.time, self.speed, self.loop, self.freeze, self.record, self.stop)
        widths = [each.sizeHint().width() for each in rigid if not each.isHidden()]
        elastic = SLIDER_WIDTH
        if not self.name.isHidden():
            elastic = min(self.fontMetrics().horizontalAdvance(self.name.whole) + 4, NAME_WIDTH)
        return sum(widths) + len(widths) * SPACING + elastic

    def _show_time(self, time_s: float) -> None:
        duration_s = self._status.duration_s
        if isinstance(self._status.source, VideoFeed) and duration_s:
            tenths = duration_s < HOUR_S
            end = clock(duration_s, tenths=tenths)
            text, widest = f"{clock(time_s, tenths=tenths)} / {end}", f"{end} / {end}"
        else:
            text = widest = clock(time_s)
        self.time.setText(text)
        digits = "".join("0" if each.isdigit() else each for each in widest)  # so that it does not change its width
        self.time.setMinimumWidth(self.fontMetrics().horizontalAdvance(digits) + 4)

    def _play_or_pause(self) -> None:
        if self._status.state is FeedState.PLAYING:
            self.pause_asked.emit()
        else:
            self.play_asked.emit()

    def _slide(self, _action: int) -> None:
        position_s = self.slider.sliderPosition() / 1000
        self._position_s = position_s
        self._show_time(position_s)
        self.seek_asked.emit(position_s)


def _title(source: FeedSource | None, camera: str, screen: str) -> str:
    """What a source is called where nobody says more."""
    if isinstance(source, VideoFeed):
        return source.path.name
    if isinstance(source, CameraFeed):
        return camera
    if isinstance(source, ScreenFeed):
        return source.screen or screen
    return "" if source is None else source.title
