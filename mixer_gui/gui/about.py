"""What this program is: its versions, what it is made of, and under which terms."""

from __future__ import annotations

import html
import platform

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, QSysInfo, Qt, QTimer, QUrl, Slot, qVersion
from PySide6.QtGui import QDesktopServices, QGuiApplication, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QTextBrowser,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from mixer_gui import __version__
from mixer_gui.components import Component, components
from mixer_gui.flavour import lacks_cuda, torch_build
from mixer_gui.gui.flavour_lines import flavour_text, way_to_cuda
from mixer_gui.records import MixerGuiError

ICON = 64
COPIED_MS = 2000
COMPONENT = Qt.ItemDataRole.UserRole


def versions() -> list[str]:
    """What to say in a report of a problem, a line each; torch is not imported for that."""
    build = torch_build()
    torch = () if build is None else (f"torch {build.version}",)
    return [
        f"Mixer GUI {__version__} ({flavour_text(build)})",
        f"Python {platform.python_version()}",
        f"Qt {qVersion()}",
        *torch,
        f"{QSysInfo.prettyProductName()}, {QSysInfo.currentCpuArchitecture()}",
    ]


class AboutDialog(QDialog):
    """The list is filled once the dialog is on the screen, a text read when its line is chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("About Mixer GUI"))
        build = torch_build()
        self.copy = QPushButton()
        self._offer_copy()
        self.copy.setAutoDefault(False)
        self.copy.clicked.connect(self._copy_versions)
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search names and licences"))
        self.search.setAccessibleName(self.tr("Search names and licences"))
        self.search.setClearButtonEnabled(True)
        self.view = QTreeView()
        self.view.setAccessibleName(self.tr("Components"))
        self.view.setRootIsDecorated(False)
        self.view.setUniformRowHeights(True)
        self.view.setEditTriggers(QTreeView.EditTrigger.NoEditTriggers)
        self.terms = QLabel()
        self.terms.setWordWrap(True)
        self.terms.setTextFormat(Qt.TextFormat.RichText)
        self.terms.linkActivated.connect(_open)
        self.text = QTextBrowser()
        self.text.setOpenLinks(False)
        self.text.anchorClicked.connect(lambda address: _open(address.toString()))
        self.text.setAccessibleName(self.tr("Terms"))
        self._listed = QStandardItemModel(0, 3, self)
        self._listed.setHorizontalHeaderLabels([self.tr("Component"), self.tr("Version"), self.tr("Licence")])
        self._matching = QSortFilterProxyModel(self)
        self._matching.setSourceModel(self._listed)
        self._matching.setFilterKeyColumn(-1)
        self._matching.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.search.textChanged.connect(self._filter)
        self.view.setModel(self._matching)
        self.view.selectionModel().currentRowChanged.connect(self._show_row)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(self._heading())
        if lacks_cuda(build):
            layout.addWidget(_words(way_to_cuda(), "warning"))
        layout.addWidget(self._parts(), 1)
        layout.addWidget(buttons)
        self.search.setFocus()
        self.resize(820, 600)
        QTimer.singleShot(0, self, self._fill)

    def _heading(self) -> QHBoxLayout:
        words = QVBoxLayout()
        name, *others = versions()
        title = _words(name, "heading")
        font = title.font()
        font.setPointSizeF(font.pointSizeF() * 1.4)
        title.setFont(font)
        words.addWidget(title)
        words.addWidget(_words(self.tr("See how an MLP-Mixer looks at your picture.")))
        words.addWidget(_words(" · ".join(others), "muted"))
        words.addWidget(
            _words(
                self.tr(
                    "Pictures stay on this machine. The only requests it makes are to addresses that you drop or "
                    "paste, and to the Hugging Face Hub when you look up or download a model there. No telemetry."
                )
            )
        )
        heading = QHBoxLayout()
        icon = QGuiApplication.windowIcon()
        if not icon.isNull():
            picture = QLabel()
            picture.setPixmap(icon.pixmap(ICON, ICON))
            heading.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
            heading.addSpacing(8)
        heading.addLayout(words, 1)
        heading.addWidget(self.copy, 0, Qt.AlignmentFlag.AlignTop)
        return heading

    def _parts(self) -> QSplitter:
        parts, left, right = QSplitter(), QWidget(), QWidget()
        for side, widgets in ((left, (self.search, self.view)), (right, (self.terms, self.text))):
            column = QVBoxLayout(side)
            column.setContentsMargins(0 if side is left else 6, 0, 0, 0)
            for widget in widgets:
                column.addWidget(widget, int(widget in (self.view, self.text)))
            parts.addWidget(side)
        parts.setChildrenCollapsible(False)
        parts.setSizes([380, 440])
        return parts

    @Slot()
    def _fill(self) -> None:
        try:
            found = components()
        except MixerGuiError as error:
            self.terms.setText(html.escape(str(error)))
            return
        for each in found:
            row = [QStandardItem(text) for text in (each.name, each.version, each.licence)]
            row[0].setData(each, COMPONENT)
            row[2].setToolTip(f"<span>{html.escape(each.licence)}</span>")
            self._listed.appendRow(row)
        for column in (0, 1):
            self.view.resizeColumnToContents(column)
        self._choose_first()

    @Slot(str)
    def _filter(self, words: str) -> None:
        self._matching.setFilterFixedString(words)
        if not self.view.currentIndex().isValid():
            self._choose_first()

    def _choose_first(self) -> None:
        self.view.setCurrentIndex(self._matching.index(0, 0))

    @Slot(QModelIndex)
    def _show_row(self, row: QModelIndex) -> None:
        if not row.isValid():
            self.terms.clear()
            self.text.clear()
            return
        found = row.siblingAtColumn(0).data(COMPONENT)
        self.terms.setText(self._terms_of(found))
        try:
            text = found.text()
        except OSError as error:
            text = self.tr("The text could not be read: {0}.").format(error.strerror)
        if text.startswith("# "):
            self.text.setMarkdown(text)
        else:
            self.text.setPlainText(text or self.tr("The package carries no text of its licence."))

    def _terms_of(self, found: Component) -> str:
        name = html.escape(f"{found.name} {found.version}".strip())
        home = html.escape(found.home)
        link = f'<br><a href="{home}">{home}</a>' if home else ""
        return f"<b>{name}</b><br>{html.escape(found.licence)}{link}"

    @Slot()
    def _copy_versions(self) -> None:
        QGuiApplication.clipboard().setText("\n".join(versions()))
        self.copy.setText(self.tr("Copied"))
        QTimer.singleShot(COPIED_MS, self, self._offer_copy)

    @Slot()
    def _offer_copy(self) -> None:
        self.copy.setText(self.tr("Copy &Versions"))


def show_about(parent: QWidget) -> None:
    """Until it is closed."""
    dialog = AboutDialog(parent)
    dialog.exec()
    dialog.deleteLater()


def _words(text: str, name: str = "") -> QLabel:
    label = QLabel(text)
    label.setObjectName(name)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _open(address: str) -> None:
    if QUrl(address).scheme() in ("https", "http"):
        QDesktopServices.openUrl(QUrl(address))
