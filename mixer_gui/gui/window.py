"""The main window: layout, menus, what goes where. Classification lives behind the session, drawing in the cards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QEvent, QModelIndex, QObject, Qt, QTimer, Slot
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QUndoStack
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.actions import build_actions, menu_text
from mixer_gui.gui.benchmark_commands import BenchmarkCommands
from mixer_gui.gui.cards import LayersCard, PatchCard, PictureCard, PredictionCard, TimeCard
from mixer_gui.gui.comparison import Comparison
from mixer_gui.gui.drop_area import may_hold_pictures, read_mime
from mixer_gui.gui.explorer import Explorer
from mixer_gui.gui.file_commands import FileCommands
from mixer_gui.gui.focus import Focus
from mixer_gui.gui.gallery import PICTURE_ROLE, LivePicture, Picture
from mixer_gui.gui.labels import ElidedLabel
from mixer_gui.gui.live import LiveSession
from mixer_gui.gui.live_commands import LiveCommands
from mixer_gui.gui.maps import MapKind
from mixer_gui.gui.microscope.microscope import Microscope
from mixer_gui.gui.microscope_commands import MicroscopeCommands
from mixer_gui.gui.model_commands import ModelCommands
from mixer_gui.gui.models import ModelOpener
from mixer_gui.gui.report_commands import ReportCommands, Screen
from mixer_gui.gui.session import Session
from mixer_gui.gui.status import StatusBar
from mixer_gui.gui.theme import apply_theme
from mixer_gui.gui.undo import ChangeFraming, RemovePictures
from mixer_gui.gui.undo_actions import UndoActions
from mixer_gui.records import Framing, FramingKind, ModelRef
from mixer_gui.resources import default_model
from mixer_gui.settings import Settings, Theme, assumptions_to_json

if TYPE_CHECKING:
    from mixer_gui.gui.media_worker import MediaWorker
    from mixer_gui.gui.workers import EngineWorker, HubWorker

TITLE = "Mixer GUI"
UNDO_STEPS = 100  # a removed picture that was pasted holds its bytes


class MainWindow(QMainWindow):
    """Composes the cards, the session and the commands; routes between them."""

    def __init__(
        self, worker: EngineWorker, hub: HubWorker, media: MediaWorker, model: ModelRef, settings: Settings
    ) -> None:
        super().__init__()
        self._theme = settings.theme
        self._started_with = settings
        self.session = Session(worker, model, settings.device, settings.precision, self)
        self.models = ModelOpener(worker, self.session, settings.assumptions, self)
        self.model_commands = ModelCommands(hub, self.session, self.models, settings, self)
        self.files = FileCommands(worker, self.session, self.models, settings.recent, self)
        self.undo_stack = QUndoStack(self)
        self.undo_stack.setUndoLimit(UNDO_STEPS)
        self.picture = PictureCard(self.session.gallery)
        self.predictions = PredictionCard()
        self.layers = LayersCard()
        self.patch = PatchCard()
        self.time = TimeCard(self.patch)
        self.status = StatusBar()
        self.setStatusBar(self.status)
        self.actions_ = build_actions(self)
        self.focus = Focus(self)
        self.explorer = Explorer(
            self.session, self.picture, self.predictions, self.layers, self.patch, self.focus, self
        )
        self.live = LiveSession(media, worker, self.session, self.explorer, self.picture.view, self)
        self.live_commands = LiveCommands(self.live, media, self.session, settings, self)
        self._build_layout()
        self.comparison = Comparison(worker, self.session, self.model_commands.library, self)
        self.microscope.panel_made.connect(self.comparison.connect_panel)
        self.undo_actions = UndoActions(self.undo_stack, self.actions_.undo, self.actions_.redo, self)
        self.microscope_commands = MicroscopeCommands(
            self.session,
            self.explorer,
            self.focus,
            self.picture,
            self.microscope,
            self.actions_,
            self.undo_stack,
            self,
        )
        screen = Screen(self.focus, self.picture, self.predictions, self.layers, self.patch, self.microscope)
        self.report_commands = ReportCommands(screen, self.session, self.files.saver, settings, self)
        self.benchmark = BenchmarkCommands(self.model_commands, self.report_commands, self.session, self)
        self._connect()
        self._apply(settings)
        for each in (self.predictions.list, self.layers.grid, self.picture.strip):
            each.installEventFilter(self)
        self.setAcceptDrops(True)
        self._refresh()
        self.picture.view.setFocus()

    # --- layout ---

    def _build_layout(self) -> None:
        self._columns = QSplitter(Qt.Orientation.Horizontal)
        right = QSplitter(Qt.Orientation.Vertical)
        for widget in (self.predictions, self.layers, self.time):
            right.addWidget(widget)
        right.setSizes([212, 298, 182])
        for row, stretch in enumerate((0, 3, 2)):
            right.setStretchFactor(row, stretch)
            right.setCollapsible(row, False)
        self._rows = right
        self.microscope = Microscope(right, self.focus)
        self._columns.addWidget(self.picture)
        self._columns.addWidget(self.microscope)
        self._columns.setStretchFactor(0, 3)
        self._columns.setStretchFactor(1, 2)
        self._columns.setCollapsible(0, False)
        self._columns.setCollapsible(1, False)
        self._columns.setSizes([600, 400])
        for splitter in (self._columns, right):
            splitter.setHandleWidth(8)
        bar = QHBoxLayout()
        bar.setSpacing(6)
        for text, tip, action in (
            (self.tr("Open…"), self.tr("Open pictures (Ctrl+O)"), self.actions_.open_pictures),
            (self.tr("Paste"), self.tr("Paste a picture, file or address (Ctrl+V)"), self.actions_.paste),
            (self.tr("Save map…"), self.tr("Save the picture with its map (Ctrl+S)"), self.actions_.save_map),
            (self.tr("Export…"), self.tr("Export all results as CSV or JSON (Ctrl+E)"), self.actions_.export),
        ):
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.clicked.connect(action.trigger)
            action.enabledChanged.connect(button.setEnabled)
            bar.addWidget(button)
        live_button = QToolButton()
        live_button.setText(self.tr("Live"))
        live_button.setToolTip(self.tr("Classify a camera, a video or the screen as it moves"))
        live_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        live_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        live_button.setMenu(self.actions_.live.menu)
        bar.addWidget(live_button)
        self._message = ElidedLabel("warning")
        self._message.setAccessibleName(self.tr("Message"))
        bar.addWidget(self._message, 1)
        bar.addWidget(self.model_commands.button)
        central = self._central = QWidget()
        layout = QVBoxLayout(central)
        layout.setContentsMargins(10, 8, 10, 6)
        layout.setSpacing(8)
        layout.addLayout(bar)
        layout.addWidget(self._columns, 1)
        self.setCentralWidget(central)
        self.setMinimumSize(800, 560)
        self._drop_frame = QFrame(central)
        self._drop_frame.setStyleSheet("border: 3px dashed palette(highlight); border-radius: 10px;")
        self._drop_frame.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._drop_frame.hide()

    # --- wiring ---

    def _connect(self) -> None:
        actions, files, session = self.actions_, self.files, self.session
        actions.open_pictures.triggered.connect(files.choose_pictures)
        actions.recent.aboutToShow.connect(lambda: files.fill_recent(actions.recent))
        actions.save_map.triggered.connect(lambda: files.save_map(self.picture.view))
        actions.export.triggered.connect(lambda: files.export(self.predictions.top_k.value()))
        actions.copy.triggered.connect(lambda: files.copy(self.predictions.top_k.value()))
        actions.paste.triggered.connect(files.paste)
        actions.reload.triggered.connect(session.retry)
        actions.quit.triggered.connect(self.close)
        actions.remove.triggered.connect(self._remove_current)
        actions.clear.triggered.connect(self._remove_all)
        actions.previous_picture.triggered.connect(lambda: self._step_picture(-1))
        actions.next_picture.triggered.connect(lambda: self._step_picture(1))
        actions.previous_layer.triggered.connect(lambda: self.explorer.step_layer(-1))
        actions.next_layer.triggered.connect(lambda: self.explorer.step_layer(1))
        actions.show_layer.triggered.connect(lambda: self.explorer.show_evidence(False))
        self.microscope.fill_menu(actions.panels)
        self.microscope.panel_changed.connect(self.explorer.set_panel)
        actions.raw_evidence.toggled.connect(self.explorer.use_raw_evidence)
        actions.show_person_names.toggled.connect(session.reveal_names)
        actions.show_evidence.triggered.connect(lambda: self.explorer.show_evidence(True))
        for theme, action in actions.themes.items():
            action.triggered.connect(lambda _checked, theme=theme: self.set_theme(theme))
        actions.benchmark.triggered.connect(self.benchmark.show_panel)
        actions.about.triggered.connect(self._show_about)
        self.model_commands.complained.connect(self.complain)
        self.microscope_commands.complained.connect(self.complain)
        self.report_commands.complained.connect(self.complain)
        self.report_commands.connect_window(actions)
        self.model_commands.told.connect(self._tell)
        files.told.connect(self._tell)
        files.complained.connect(self.complain)
        files.hub_page_opened.connect(self.model_commands.look_up)
        files.video_opened.connect(self.live_commands.open_video)
        self.live_commands.complained.connect(self.complain)
        self.live_commands.told.connect(self._tell)
        self.live_commands.connect_window(actions.live, self.picture, self.time, self.status)
        self.picture.view.patch_pinned.connect(self._show_pinned)
        self.status.cancel_asked.connect(session.cancel)
        self.picture.strip.removal_asked.connect(self._remove_current)
        self.picture.strip.selectionModel().currentChanged.connect(self._show_selected)
        self.undo_stack.indexChanged.connect(self._refresh)
        session.current_changed.connect(self._refresh)
        session.report_changed.connect(self._refresh)
        session.busy_changed.connect(self._refresh_activity)
        session.progressed.connect(self.status.show_progress)
        self.model_commands.connect_window(actions, self.predictions, self.status)
        session.model_changed.connect(self._refresh)
        session.model_failed.connect(self._refresh_activity)
        self.explorer.framing.asked.connect(self._change_framing)

    def _apply(self, settings: Settings) -> None:
        """Take over what was remembered."""
        self.actions_.themes[settings.theme].setChecked(True)
        self.actions_.devices[settings.device].setChecked(True)
        self.actions_.precisions[settings.precision].setChecked(True)
        self.predictions.top_k.setValue(settings.top_k)
        self.picture.opacity.setValue(round(settings.opacity * 100))
        if settings.map_kind in set(MapKind):
            self.layers.kind.setCurrentIndex(self.layers.kind.findData(MapKind(settings.map_kind)))
        self.layers.per_layer.setChecked(settings.scale_per_layer)
        self.actions_.show_person_names.setChecked(settings.show_person_names)
        self.resize(1280, 800)
        self.restoreGeometry(QByteArray.fromBase64(settings.geometry.encode()))
        self._columns.restoreState(QByteArray.fromBase64(settings.columns.encode()))
        self._rows.restoreState(QByteArray.fromBase64(settings.rows.encode()))

    def settings(self) -> Settings:
        """What to remember for the next start."""
        model = self.session.model
        return replace(
            self.report_commands.remembered(self._started_with),
            theme=self._theme,
            device=self.session.device,
            precision=self.session.precision,
            model_path="" if model == default_model() else str(model.path),
            model_assumptions=None if model.assumptions is None else assumptions_to_json(model.assumptions),
            top_k=self.predictions.top_k.value(),
            opacity=self.picture.opacity.value() / 100.0,
            map_kind=MapKind(self.layers.kind.currentData()).value,
            scale_per_layer=self.layers.per_layer.isChecked(),
            show_person_names=self.session.reveals_names,
            recent=tuple(self.files.recent),
            geometry=bytes(self.saveGeometry().toBase64().data()).decode(),
            columns=bytes(self._columns.saveState().toBase64().data()).decode(),
            rows=bytes(self._rows.saveState().toBase64().data()).decode(),
            assumptions=self.models.remembered,
            camera=self.live_commands.camera.id,
            camera_size=self.live_commands.camera.size,
            camera_mirrored=self.live_commands.camera.mirrored,
            steady_s=self.live.steady_s,
            maps_every=self.live.maps_every,
            models_geometry=self.model_commands.geometry_text,
            use_when_downloaded=self.model_commands.use_when_arrived,
        )

    # --- refreshing ---

    @Slot()
    def _refresh(self) -> None:
        """Title, notices, timings, and which commands make sense."""
        current = self.session.current
        report = current.report if current else None
        self.setWindowTitle(f"{current.source.name} — {TITLE}" if current else TITLE)
        notices: list[str] = []
        if current is not None and current.failure is not None and current.frame is not None:  # else the view says it
            notices.append(current.failure.sentence)
        if report is not None:
            notices.extend(report.notices)
        if current is not None and current.framing.kind != FramingKind.CHECKPOINT:
            notices.append(self.tr("The network sees another part than its checkpoint's own preprocessing gives it."))
        self.picture.set_notice("\n".join(notices))
        self.status.show_timings(report.timings_ms if report else None)
        for action in (self.actions_.copy, self.actions_.save_map):
            action.setEnabled(report is not None)
        for action in (self.actions_.show_layer, self.actions_.show_evidence):
            action.setEnabled(report is not None or isinstance(current, LivePicture))
        is_still = current is not None and not isinstance(current, LivePicture)
        for action in (self.actions_.remove, self.actions_.clear, self.actions_.reload):
            action.setEnabled(is_still)
        self.actions_.export.setEnabled(self.session.gallery.rowCount() > 0)
        row = -1 if current is None else self.session.gallery.row(current)
        if self.picture.strip.currentIndex().row() != row:  # -1: a moving picture, which is in no strip
            self.picture.strip.setCurrentIndex(self.session.gallery.index(row) if row >= 0 else QModelIndex())
        self._refresh_activity()

    @Slot(object)
    def _show_pinned(self, patch: int | None) -> None:
        """What a pinned patch reads and writes takes the timeline's place."""
        self.time.show_timeline(self.live.is_open and not self.live.is_held and patch is None)

    @Slot()
    def _refresh_activity(self) -> None:
        waiting, current = self.session.waiting, self.session.current
        if self.session.ready is None and not self.session.model_has_failed:
            self.status.show_activity(self.tr("Loading the model …"), running=True)
        elif self.live.is_open and not self.live.is_held:
            self.status.show_activity(self.tr("Live"), running=False)
        elif waiting:
            stoppable = current is not None and current.report is None and current.failure is None
            text = self.tr("Classifying …") if waiting == 1 else self.tr("{0} pictures to go").format(waiting)
            self.status.show_activity(text, running=True, cancellable=stoppable)
        else:
            self.status.show_activity(self.tr("Ready"), running=False)

    @Slot(str)
    def _tell(self, text: str) -> None:
        self.status.showMessage(text, 4000)

    @Slot(str)
    def complain(self, sentence: str) -> None:
        """A sentence that stays until the next one: something did not work."""
        self._message.set_text(sentence)

    # --- commands ---

    def set_theme(self, theme: Theme) -> None:
        application = QApplication.instance()
        if isinstance(application, QApplication):
            self._theme = theme
            apply_theme(application, theme)
            knows = self.predictions.knows.text()
            self.predictions.knows.clear()  # its link took its colour when the text was set
            self.predictions.knows.setText(knows)

    @Slot()
    def follow_system_theme(self) -> None:
        """The desktop went light or dark."""
        if self._theme == Theme.SYSTEM:
            self.set_theme(Theme.SYSTEM)

    @Slot(object)
    def _change_framing(self, framing: Framing) -> None:
        current = self.session.current
        if current is not None and current.framing != framing:
            self.undo_stack.push(ChangeFraming(self.session, current, framing, self.tr("crop")))

    @Slot()
    def _remove_current(self) -> None:
        current = self.session.current
        if current is not None and not isinstance(current, LivePicture):
            text = self.tr("removal of {0}").format(menu_text(current.source.name))
            self.undo_stack.push(RemovePictures(self.session, (current,), text))

    @Slot()
    def _remove_all(self) -> None:
        pictures = self.session.gallery.pictures
        if pictures:
            text = self.tr("removal of all pictures")
            self.undo_stack.push(RemovePictures(self.session, pictures, text))

    def _step_picture(self, by: int) -> None:
        gallery, current = self.session.gallery, self.session.current
        if current is not None:
            row = gallery.row(current) + by
            if 0 <= row < gallery.rowCount():
                self.session.show_picture(gallery.picture(row))

    @Slot(object)
    def _show_selected(self) -> None:
        picture = self.picture.strip.currentIndex().data(PICTURE_ROLE)
        if isinstance(picture, Picture) and picture is not self.session.current:
            self.session.show_picture(picture)

    @Slot()
    def _show_about(self) -> None:
        from mixer_gui.gui.about import show_about

        show_about(self)

    # --- events ---

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if may_hold_pictures(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._drop_frame.setGeometry(self._central.rect().adjusted(4, 4, -4, -4))
            self._drop_frame.raise_()
            self._drop_frame.show()

    def dragLeaveEvent(self, _event: QEvent) -> None:
        self._drop_frame.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._drop_frame.hide()
        dropped = read_mime(event.mimeData(), self.tr("dropped picture"))
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if dropped:
            # After the drop is answered: the program dragged from waits for that.
            QTimer.singleShot(0, self, lambda: self.files.open_dropped(dropped))
        else:
            self.complain(self.tr("What was dropped holds no picture, file or address."))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A list would take M for the beginning of an entry's name, and Space for choosing one."""
        keys = (Qt.Key.Key_M, Qt.Key.Key_Space) if self.live.is_open else (Qt.Key.Key_M,)
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in keys:
            self.keyPressEvent(event)
            return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Hold M to see the picture without its map; Space freezes a moving one."""
        if event.key() == Qt.Key.Key_Space and self.live.is_open and not event.isAutoRepeat():
            self.live.toggle()
        elif event.key() == Qt.Key.Key_M and not event.isAutoRepeat():
            self.picture.view.set_opacity(0.0)
        elif event.key() == Qt.Key.Key_Escape:
            self.explorer.choose_class(None)
            self.complain("")
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_M and not event.isAutoRepeat():
            self.picture.view.set_opacity(self.picture.opacity.value() / 100.0)
        else:
            super().keyReleaseEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Where the focus leaves while M is held, its release goes elsewhere."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.picture.view.set_opacity(self.picture.opacity.value() / 100.0)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.benchmark.close()
        self.model_commands.close()
        self.report_commands.close()
        self.live.close()
        self.files.saver.wait()
        event.accept()
