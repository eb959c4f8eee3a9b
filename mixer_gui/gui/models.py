"""Opening a model from disk: ask the worker what it is, ask the user what it does not say, then switch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QDialog, QFileDialog, QWidget

from mixer_gui.gui.drop_area import has_config
from mixer_gui.records import WEIGHT_SUFFIXES, Assumptions, DevicePreference, InspectRequest, ModelInspected, ModelRef
from mixer_gui.resources import default_model
from mixer_gui.settings import assumptions_from_json, assumptions_to_json

if TYPE_CHECKING:
    from mixer_gui.gui.session import Session
    from mixer_gui.gui.workers import EngineWorker


class ModelOpener(QObject):
    """Lives in the window's thread. `remembered` maps content hashes of bare files to what the user assumed."""

    def __init__(
        self,
        worker: EngineWorker,
        session: Session,
        remembered: dict[str, dict[str, Any]],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._worker, self._session, self._window = worker, session, parent
        self.remembered = dict(remembered)
        self._inspected: Path | None = None
        worker.model_inspected.connect(self._take_inspected)

    def choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self._window, self.tr("Open Model Folder"))
        if folder:
            self.open(Path(folder))

    def choose_file(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in WEIGHT_SUFFIXES)
        name, _ = QFileDialog.getOpenFileName(
            self._window, self.tr("Open Model File"), "", self.tr("Checkpoints ({0})").format(patterns)
        )
        if name:
            self.open(Path(name))

    def open(self, path: Path) -> None:
        """Switch to a folder in Hub format or a bare file; a failure leaves the present model in use.

        Weights that lie beside a config.json are not bare: their folder is opened.
        """
        if path.suffix.lower() in WEIGHT_SUFFIXES and has_config(path.parent):
            path = path.parent
        self._inspected = path
        self._worker.inspect(InspectRequest(path))

    def open_embedded(self) -> None:
        self._session.set_model(default_model(), self._session.device)

    def use_device(self, device: DevicePreference) -> None:
        self._session.set_model(self._session.model, device)

    @Slot(object)
    def _take_inspected(self, found: ModelInspected) -> None:
        if found.path != self._inspected:
            return
        self._inspected = None
        assumptions: Assumptions | None = None
        if found.digest is not None and found.likely is not None:
            assumptions = self._recall(found.digest)
            if assumptions is None:
                assumptions = self._ask(found.path, found.likely)
                if assumptions is None:
                    return
                self.remembered[found.digest] = assumptions_to_json(assumptions)
        self._session.set_model(ModelRef(found.path, assumptions=assumptions), self._session.device)

    def _recall(self, digest: str) -> Assumptions | None:
        try:
            return assumptions_from_json(self.remembered[digest])
        except (KeyError, ValueError):
            return None

    def _ask(self, path: Path, likely: Assumptions) -> Assumptions | None:
        from mixer_gui.gui.dialogs import AssumptionsDialog

        dialog = AssumptionsDialog(path.name, likely, self._window)
        accepted = dialog.exec() == QDialog.DialogCode.Accepted
        dialog.deleteLater()
        return dialog.assumptions() if accepted else None
