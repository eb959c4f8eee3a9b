"""What the window does about models: say which one is in use, open others, get them from the Hub, delete them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QToolButton, QWidget

from mixer_gui.gui.actions import button_text
from mixer_gui.gui.flavour_lines import FlavourLines
from mixer_gui.gui.labels import plain_tip
from mixer_gui.gui.library import Library
from mixer_gui.gui.model_items import ModelItem, title_of
from mixer_gui.records import DevicePreference, DownloadEnded, Failure, ModelReady, PrecisionPreference, StoredModel
from mixer_gui.resources import default_model

if TYPE_CHECKING:
    from mixer_gui.gui.actions import Actions
    from mixer_gui.gui.cards import PredictionCard
    from mixer_gui.gui.model_manager import ModelManager
    from mixer_gui.gui.models import ModelOpener
    from mixer_gui.gui.session import Session
    from mixer_gui.gui.status import StatusBar
    from mixer_gui.gui.workers import HubWorker
    from mixer_gui.settings import Settings

IDLE_MS = 1000


class ModelCommands(QObject):
    """Lives in the window's thread; fills the model's button, its line in the predictions' card, and the status bar."""

    complained = Signal(str)  # a sentence about something that did not work; empty: what was said no longer holds
    told = Signal(str)  # a passing message

    def __init__(
        self, hub: HubWorker, session: Session, opener: ModelOpener, settings: Settings, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.library = Library(hub, self)
        self.button = QToolButton()
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.button.setText(self.tr("Loading the model …"))
        self.button.setAccessibleName(self.tr("Model"))
        self.button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.manager: ModelManager | None = None
        self._session, self._opener, self._window = session, opener, parent
        self._settings = settings
        self._to_remove: StoredModel | None = None  # it is in use: once another one is
        self._use_when_arrived = settings.use_when_downloaded
        # Not at once: the first pictures are classified now, and huggingface_hub takes a while to import.
        self._idle = QTimer(self, singleShot=True, interval=IDLE_MS)
        self._idle.timeout.connect(self.library.catch_up)

    def connect_window(self, actions: Actions, predictions: PredictionCard, status: StatusBar) -> None:
        """Called once all of the window's parts exist."""
        self._actions, self._predictions, self._status = actions, predictions, status
        session, library = self._session, self.library
        actions.models.triggered.connect(self.show_manager)
        actions.embedded_model.triggered.connect(self._opener.open_embedded)
        actions.open_model_folder.triggered.connect(self._opener.choose_folder)
        actions.open_model_file.triggered.connect(self._opener.choose_file)
        for device, action in actions.devices.items():
            action.triggered.connect(lambda _checked, device=device: self._opener.use_device(device))
        for precision, action in actions.precisions.items():
            action.triggered.connect(lambda _checked, precision=precision: self._use_precision(precision))
        FlavourLines(actions.device)
        self.button.addAction(actions.models)
        for action in (actions.embedded_model, actions.open_model_folder, actions.open_model_file):
            action.triggered.connect(lambda: self.complained.emit(""))  # what an earlier model said no longer holds
            self.button.addAction(action)
        actions.class_list.triggered.connect(self._show_classes)
        self.button.addAction(actions.class_list)
        predictions.knows.linkActivated.connect(self._show_classes)
        predictions.offer.get_asked.connect(self._get)
        predictions.offer.setVisible(session.model == default_model())
        status.download.cancel_asked.connect(library.cancel)
        session.model_changed.connect(self._show_model)
        session.device_told.connect(status.show_device)
        session.model_failed.connect(self._show_failure)
        library.complained.connect(self.complained)
        library.told.connect(self.told)
        library.arrived.connect(self._take_arrived)
        library.changed.connect(self._refresh)
        self._refresh()

    # --- commands ---

    @Slot()
    def show_manager(self) -> None:
        self._built_manager().show_up()

    @Slot(str)
    def look_up(self, address: str) -> None:
        """Open the list of models with an address filled in and asked."""
        self._built_manager().look_up(address)

    def use(self, path: Path) -> None:
        """Switch to a model on disk; what is on screen stays until it is ready."""
        self.complained.emit("")
        if path == default_model().path:
            self._opener.open_embedded()
        else:
            self._opener.open(path)
        self.library.set_loading(path)

    def _use_precision(self, precision: PrecisionPreference) -> None:
        """Compute in this one, or, where the device has it not, as before; Automatic where it was in use before."""
        session = self._session
        is_on_cpu = session.ready is not None and session.ready.device.kind == DevicePreference.CPU
        if precision == PrecisionPreference.FP16 and is_on_cpu:
            self.complained.emit(
                self.tr("fp16 needs a GPU: a CPU has no arithmetic for it. Choose bf16, fp32 or Automatic.")
            )
            precision = session.precision if session.precision != precision else PrecisionPreference.AUTO
        session.set_precision(precision)
        self._actions.precisions[precision].setChecked(True)

    def remove(self, model: StoredModel) -> None:
        """Delete a model; the one in use only once the built-in one has taken its place."""
        if model.path != self._session.model.path:
            self.library.remove(model)
            return
        self._to_remove = model
        self._opener.open_embedded()

    def close(self) -> None:
        """The window closes; downloads are the worker's to stop."""
        if self.manager is not None:
            self.manager.close()

    @property
    def use_when_arrived(self) -> bool:
        return self._use_when_arrived

    @property
    def geometry_text(self) -> str:
        """Of the list of models, for the settings."""
        return self._settings.models_geometry if self.manager is None else self.manager.geometry_text()

    # --- refreshing ---

    @Slot()
    def _refresh(self) -> None:
        self._status.download.show_downloads(self.library.active())
        if self._predictions.offer.isVisibleTo(self._predictions):
            self._predictions.offer.show_item(self.library.recommended())

    @Slot(object)
    def _show_model(self, ready: ModelReady) -> None:
        info = ready.info
        is_embedded = ready.ref == default_model()
        assumed = self.tr(" (preprocessing assumed)") if info.assumed else ""
        name = self.tr("Built-in model") if is_embedded else title_of(ready.ref.path)
        self.button.setText(button_text(f"{name}{assumed}"))
        facts = self.tr(
            "{0:,} parameters · {1} layers · {2}×{3} patches of {4} px · {5} classes · loaded in {6:.0f} ms"
        ).format(
            info.parameters,
            info.layers,
            info.grid.rows,
            info.grid.columns,
            info.patch_size,
            info.classes,
            ready.load_ms,
        )
        self.button.setToolTip(plain_tip(f"{info.name}\n{facts}"))
        self._predictions.knows.setText(self.tr('Knows {0} things (<a href="#list">see list</a>)').format(info.classes))
        self._predictions.offer.setVisible(is_embedded)
        self._actions.devices[self._session.device].setChecked(True)
        if ready.notices:
            self.complained.emit(" ".join(ready.notices))
        self._use_precision(self._session.precision)
        self.library.set_in_use(ready.ref.path, info)
        self._idle.start()
        waiting = self._to_remove
        if waiting is not None and waiting.path != ready.ref.path:
            self._to_remove = None
            self.library.remove(waiting)

    @Slot(object)
    def _show_failure(self, failure: Failure) -> None:
        """The model in use stays; where there is none yet, the embedded one steps in."""
        session, devices = self._session, self._actions.devices
        self._to_remove = None
        self.library.set_loading(None)
        self.complained.emit(failure.sentence)
        devices[session.device].setChecked(True)
        if not session.model_has_failed:
            return
        if session.device != DevicePreference.AUTO:  # it may only be the device that is gone
            session.fall_back(session.model)
            devices[session.device].setChecked(True)
        elif session.model != default_model():
            if session.model.path.exists():
                sentence = self.tr("{0}, the model of last time, cannot be used: the built-in one takes its place. {1}")
            else:
                sentence = self.tr("{0}, the model of last time, is gone: the built-in one takes its place.")
            self.complained.emit(sentence.format(title_of(session.model.path), failure.sentence))
            session.fall_back(default_model())
            self._predictions.offer.setVisible(True)
            self._refresh()
        else:
            self.button.setText(self.tr("No model"))

    # --- answers and questions ---

    @Slot(object)
    def _get(self, item: ModelItem) -> None:
        """The recommended model was asked for."""
        if item.path is not None:
            self.use(item.path)
        elif item.ref is not None:
            self.complained.emit("")
            self.library.pull(item.ref)

    @Slot(object)
    def _take_arrived(self, ended: DownloadEnded) -> None:
        title = title_of(ended.path) if ended.path is not None else str(ended.ref)
        if self._use_when_arrived and ended.path is not None:
            self.told.emit(self.tr("{0} has arrived and takes over").format(title))
            self.use(ended.path)
        else:
            self.told.emit(self.tr("{0} has arrived").format(title))

    @Slot()
    def _show_classes(self) -> None:
        if self._session.ready is not None:
            from mixer_gui.gui.dialogs import ClassListDialog

            dialog = ClassListDialog(self._session.ready.info, self._window, reveal=self._session.reveals_names)
            dialog.exec()
            dialog.deleteLater()

    @Slot(bool)
    def _use_what_arrives(self, wanted: bool) -> None:
        self._use_when_arrived = wanted

    @Slot(object)
    def _use_asked(self, path: Path) -> None:
        self.use(path)

    def _built_manager(self) -> ModelManager:
        """The list of models is only built when it is wanted."""
        if self.manager is None:
            from mixer_gui.gui.model_manager import ModelManager

            self.manager = ModelManager(self.library, self._window)
            self.manager.restore_geometry_text(self._settings.models_geometry)
            self.manager.use_when_arrived.setChecked(self._use_when_arrived)
            self.manager.use_when_arrived.toggled.connect(self._use_what_arrives)
            self.manager.use_asked.connect(self._use_asked)
            self.manager.removal_asked.connect(self.remove)
        return self.manager
