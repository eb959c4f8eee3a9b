"""Small dialogs: what a bare checkpoint does not say, and the list of what a model knows."""

from __future__ import annotations

from PySide6.QtCore import QSortFilterProxyModel, QStringListModel, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QListView,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.records import Assumptions, CheckpointInfo, Gelu, Interpolation

Triple = tuple[float, float, float]

NORMALISATIONS: tuple[tuple[str, Triple, Triple], ...] = (
    ("mean 0.5, std 0.5 (Google)", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ("mean 0, std 1 (MIIL)", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    ("ImageNet's mean and std", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
)
CROPS = (0.875, 0.9, 0.95, 1.0)


class AssumptionsDialog(QDialog):
    """Asks once how a bare file's pictures were prepared; the likely choice is filled in."""

    def __init__(self, name: str, likely: Assumptions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("How were this model's pictures prepared?"))
        explanation = QLabel(
            self.tr(
                "{0} holds weights only. How its training scaled pictures and which GELU it used cannot be read from "
                "them, and a wrong choice gives wrong predictions. What is filled in is the likely choice; it is "
                "remembered for this file and shown as “assumed”."
            ).format(name)
        )
        explanation.setWordWrap(True)
        self._normalisation = QComboBox()
        for text, mean, std in NORMALISATIONS:
            self._normalisation.addItem(text, (mean, std))
        if likely.mean is not None and likely.std is not None:
            known = [(mean, std) for _, mean, std in NORMALISATIONS]
            if (likely.mean, likely.std) not in known:
                self._normalisation.addItem(f"{likely.mean}, {likely.std}", (likely.mean, likely.std))
                known.append((likely.mean, likely.std))
            self._normalisation.setCurrentIndex(known.index((likely.mean, likely.std)))
        self._interpolation = QComboBox()
        for interpolation in Interpolation:
            self._interpolation.addItem(interpolation.value, interpolation)
        self._interpolation.setCurrentIndex(self._interpolation.findData(likely.interpolation or Interpolation.BICUBIC))
        self._crop = QComboBox()
        for crop in CROPS:
            self._crop.addItem(f"{crop:g}", crop)
        self._crop.setCurrentIndex(max(self._crop.findData(likely.crop_pct), 0))
        self._gelu = QComboBox()
        self._gelu.addItem(self.tr("exact (PyTorch)"), Gelu.EXACT)
        self._gelu.addItem(self.tr("tanh approximation (Flax)"), Gelu.TANH)
        self._gelu.setCurrentIndex(max(self._gelu.findData(likely.gelu or Gelu.EXACT), 0))
        form = QFormLayout()
        form.addRow(self.tr("Normalisation"), self._normalisation)
        form.addRow(self.tr("Interpolation"), self._interpolation)
        form.addRow(self.tr("Crop"), self._crop)
        form.addRow(self.tr("GELU"), self._gelu)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(explanation)
        layout.addLayout(form)
        layout.addWidget(buttons)
        self.setMinimumWidth(460)

    def assumptions(self) -> Assumptions:
        mean, std = self._normalisation.currentData()
        return Assumptions(
            mean=mean,
            std=std,
            crop_pct=self._crop.currentData(),
            interpolation=Interpolation(self._interpolation.currentData()),
            gelu=Gelu(self._gelu.currentData()),
        )


class ClassListDialog(QDialog):
    """Everything a model can say, searchable."""

    def __init__(self, info: CheckpointInfo, parent: QWidget | None = None, *, reveal: bool = False) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("What {0} knows").format(info.name))
        labels = [info.names.label(index, reveal=reveal) for index in range(info.classes)]
        about = QLabel(self._about(info, reveal=reveal))
        about.setWordWrap(True)
        about.setVisible(bool(about.text()))
        source = QStringListModel(labels, self)
        matching = QSortFilterProxyModel(self)
        matching.setSourceModel(source)
        matching.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        search = QLineEdit()
        search.setPlaceholderText(self.tr("Search {0} classes").format(info.classes))
        search.setClearButtonEnabled(True)
        search.setAccessibleName(self.tr("Search classes"))
        search.textChanged.connect(matching.setFilterFixedString)
        view = QListView()
        view.setModel(matching)
        view.setUniformItemSizes(True)
        view.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        view.setAccessibleName(self.tr("Classes"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(about)
        layout.addWidget(search)
        layout.addWidget(view, 1)
        layout.addWidget(buttons)
        self.resize(380, 480)

    def _about(self, info: CheckpointInfo, *, reveal: bool) -> str:
        """Where the names come from, and which are hidden; empty where the checkpoint names all itself."""
        sentences = []
        if info.names.title:
            sentences.append(
                self.tr("The checkpoint carries no names. These are {0}'s, which has as many classes ({1:,}).").format(
                    info.names.title, info.classes
                )
            )
        elif not info.names.labels:
            sentences.append(self.tr("The checkpoint carries no names, so its classes go by their numbers."))
        if info.names.hidden and not reveal:
            sentences.append(
                self.tr(
                    "{0:,} names of kinds of people are hidden: WordNet has slurs among them. View → Show Names of "
                    "Person Classes shows them."
                ).format(len(info.names.hidden))
            )
        return " ".join(sentences)
