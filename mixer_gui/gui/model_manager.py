"""The window "Models": what is on disk, what the Hub has, what is on its way. Shows the library, asks it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.amounts import size_text
from mixer_gui.gui.labels import ElidedLabel, heading, plain_tip, set_words
from mixer_gui.gui.model_items import ModelItem, Place
from mixer_gui.gui.model_rows import Command, ModelRow
from mixer_gui.gui.model_words import deletion
from mixer_gui.gui.repository_search import RepositorySearch
from mixer_gui.records import RepositoryRef, StoredModel

if TYPE_CHECKING:
    from mixer_gui.gui.library import Library

ROW_PAUSE_MS = 5  # between two new rows, for other events
LOOK_AFTER_MS = 150  # what is on disk, after the window was shown
HUB_ADDRESS = "https://huggingface.co/"


class Column(QWidget):
    """What scrolls: as high as its words need at the width there is, which the least height of each does not know."""

    def minimumSizeHint(self) -> QSize:
        return QSize(0, 0)


class ModelManager(QDialog):
    """Not modal: downloads go on while it is closed, and the window can be used while it is open."""

    use_asked = Signal(object)  # Path: classify with this model
    removal_asked = Signal(object)  # StoredModel: delete it, once it is not in use

    def __init__(self, library: Library, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Models"))
        self._library = library
        self.rows: dict[str, ModelRow] = {}
        self.search = RepositorySearch(library)
        self.search.download_asked.connect(self._download)
        self.search.use_asked.connect(lambda stored: self.use_asked.emit(stored.path))
        self.trouble = QLabel()
        self.trouble.setObjectName("warning")
        self.trouble.setWordWrap(True)
        self.trouble.setTextFormat(Qt.TextFormat.PlainText)
        self.here = heading(self.tr("On this computer"))
        self.empty = QLabel(
            self.tr(
                "No downloaded model is here yet. One from the list below is fetched once; from then on it works "
                "without a network."
            )
        )
        self.empty.setObjectName("muted")
        self.empty.setWordWrap(True)
        self.there = heading(self.tr("On the Hugging Face Hub"))
        self.all_here = QLabel(self.tr("All the Mixers this program knows of are on this computer."))
        self.all_here.setObjectName("muted")
        self._disk_rows, self._hub_rows = QVBoxLayout(), QVBoxLayout()
        content = Column()
        inside = QVBoxLayout(content)
        inside.setContentsMargins(0, 0, 6, 0)
        inside.setSpacing(8)
        inside.addWidget(self.here)
        inside.addWidget(self.trouble)
        inside.addLayout(self._disk_rows)
        inside.addWidget(self.empty)
        inside.addSpacing(8)
        inside.addWidget(self.there)
        inside.addLayout(self._hub_rows)
        inside.addWidget(self.all_here)
        inside.addStretch(1)
        for rows in (self._disk_rows, self._hub_rows):
            rows.setSpacing(8)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QScrollArea.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setWidget(content)

        self.use_when_arrived = QCheckBox(self.tr("Use a model as soon as it has arrived"))
        self.use_when_arrived.setToolTip(self.tr("Off: it is kept, and used when you say so"))
        self.space = QLabel()
        self.space.setObjectName("muted")
        self.folder = ElidedLabel("muted")
        self.reveal = QPushButton(self.tr("Show in File Manager"))
        self.reveal.setAutoDefault(False)
        self.reveal.setToolTip(self.tr("Open the folder in which downloaded models are kept"))
        self.reveal.clicked.connect(self._reveal_folder)
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self.use_when_arrived)
        first.addStretch(1)
        first.addWidget(self.space)
        second.setSpacing(8)
        second.addWidget(self.folder, 1)
        second.addWidget(self.reveal)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 12, 12, 10)
        layout.setSpacing(10)
        layout.addWidget(self.search)
        layout.addWidget(self.area, 1)
        layout.addLayout(first)
        layout.addLayout(second)
        self.setMinimumSize(520, 400)
        self.resize(760, 680)
        library.changed.connect(self._refresh_if_visible)

    # --- showing ---

    def show_up(self) -> None:
        """Show the window, in front; what is on disk is looked at again, once the rows are there.

        Building them is many Qt calls, each of which would have to ask the thread that looks for the GIL.
        """
        QTimer.singleShot(LOOK_AFTER_MS, self, self._library.refresh)
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.activateWindow()

    def look_up(self, text: str) -> None:
        """Open with a repository's name or address filled in and asked."""
        self.show_up()
        self.search.ask(text)

    def geometry_text(self) -> str:
        return bytes(self.saveGeometry().toBase64().data()).decode()

    def restore_geometry_text(self, text: str) -> None:
        self.restoreGeometry(QByteArray.fromBase64(text.encode()))

    def showEvent(self, event: QShowEvent) -> None:
        if self.rows:
            self.refresh()
        else:
            QTimer.singleShot(ROW_PAUSE_MS, self, self.refresh)  # after the first paint
        super().showEvent(event)
        self.search.field.setFocus()

    @Slot()
    def _refresh_if_visible(self) -> None:
        if self.isVisible():
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Bring all rows up to date; those that stay keep their widgets, and with them the focus.

        Of new rows one is made at a time: all at once would hold the window for 60 ms and more.
        """
        is_first_new = True
        library, store = self._library, self._library.store
        items = library.items()
        for key in self.rows.keys() - {item.key for item in items}:
            self._drop_row(key)
        for layout, place in ((self._disk_rows, {Place.BUILT_IN, Place.DISK}), (self._hub_rows, {Place.HUB})):
            for position, item in enumerate(each for each in items if each.place in place):
                row = self.rows.get(item.key)
                if row is None and not is_first_new:
                    QTimer.singleShot(ROW_PAUSE_MS, self, self.refresh)
                    return
                if row is None:
                    is_first_new = False
                    row = self.rows[item.key] = ModelRow()
                    row.asked.connect(self._do)
                if layout.indexOf(row) != position:
                    layout.insertWidget(position, row)
                    QWidget.setTabOrder(row.more, self.use_when_arrived)  # which is below all rows
                    QWidget.setTabOrder(self.use_when_arrived, self.reveal)
                    row.show()  # now, not when the loop comes round: it may be given the focus
                removing = item.stored is not None and library.is_being_removed(item.stored.path)
                row.show_item(item, is_being_removed=removing)
        failure = library.listing_failure
        set_words(self.trouble, "" if failure is None else failure.sentence)
        self.trouble.setToolTip("" if failure is None else plain_tip(failure.detail))
        nothing = store is not None and not any(item.place == Place.DISK for item in items)
        self.empty.setVisible(nothing)
        self.all_here.setVisible(not any(item.place == Place.HUB for item in items))
        self.folder.set_text("" if store is None else str(store.folder))
        self.folder.setAccessibleName(self.tr("Folder of downloaded models"))
        self.reveal.setEnabled(store is not None)
        self.space.setText(self._space_text())

    def _space_text(self) -> str:
        store = self._library.store
        if store is None:
            return "" if self._library.listing_failure is not None else self.tr("Looking what is here …")
        parts = []
        if store.models:
            parts.append(self.tr("{0} downloaded").format(size_text(sum(each.size_bytes for each in store.models))))
        if store.free_bytes is not None:
            parts.append(self.tr("{0} free").format(size_text(store.free_bytes)))
        return " · ".join(parts)

    def _drop_row(self, key: str) -> None:
        row = self.rows.pop(key)
        if self.focusWidget() is not None and row.isAncestorOf(self.focusWidget()):
            self.search.field.setFocus()
        row.hide()
        row.setParent(None)
        row.deleteLater()

    # --- commands ---

    @Slot(object, object)
    def _do(self, command: Command, item: ModelItem) -> None:
        stored = item.stored
        if command == Command.USE and item.path is not None:
            self.use_asked.emit(item.path)
        elif command == Command.DOWNLOAD and item.ref is not None:
            self._download(item.ref)
        elif command == Command.CANCEL and item.download is not None:
            self._library.cancel(item.download.ref)
        elif command == Command.OPEN_PAGE:
            self._open_page(item)
        elif command == Command.COPY_DETAILS:
            self._copy_details(item)
        elif command == Command.DISMISS:
            self._library.dismiss(item)
        elif stored is not None and command == Command.REVEAL:
            reveal(stored.path)
        elif stored is not None and command == Command.COPY_PATH:
            QGuiApplication.clipboard().setText(str(stored.path))
        elif stored is not None and command == Command.DELETE:
            self._ask_to_delete(item, stored)

    @Slot(object)
    def _download(self, ref: RepositoryRef) -> None:
        self._library.pull(ref)
        # After the new row has been laid out.
        QTimer.singleShot(0, self, lambda: self.show_download(ref))

    def show_download(self, ref: RepositoryRef) -> None:
        """Bring the row of a download into sight."""
        for row in self.rows.values():
            if row.item is not None and row.item.download is not None and row.item.download.ref == ref:
                self.area.ensureWidgetVisible(row)

    def _ask_to_delete(self, item: ModelItem, stored: StoredModel) -> None:
        asked = deletion(item, stored)
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(self.tr("Delete Model"))
        box.setText(asked.question)
        box.setInformativeText(asked.consequence)
        box.setTextFormat(Qt.TextFormat.PlainText)
        delete = box.addButton(self.tr("Delete"), QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        delete.clicked.connect(lambda: self.removal_asked.emit(stored))
        box.open()

    def _open_page(self, item: ModelItem) -> None:
        if item.stored is not None:
            page = f"{item.stored.repository}/tree/{item.stored.commit}"
        elif item.ref is not None:
            page = item.ref.repository
        else:
            return
        QDesktopServices.openUrl(QUrl(HUB_ADDRESS + page))

    def _copy_details(self, item: ModelItem) -> None:
        ended = None if item.download is None else item.download.ended
        failure = item.failure if ended is None else ended
        if failure is not None:
            QGuiApplication.clipboard().setText(f"{item.ref or item.title}: {failure.sentence}\n{failure.detail}")

    @Slot()
    def _reveal_folder(self) -> None:
        if self._library.store is not None:
            reveal(self._library.store.folder)


def reveal(folder: Path) -> None:
    """Show a folder in the system's file manager; where it is not there yet, the nearest that is."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
