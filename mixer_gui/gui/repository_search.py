"""Any other repository on the Hub: a field for its name or address, and what the Hub says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.amounts import preprocessing_text, size_text
from mixer_gui.gui.labels import FittingLabel, plain_tip, set_words, words_label
from mixer_gui.gui.model_items import short_commit
from mixer_gui.gui.model_words import classes_text, joined

if TYPE_CHECKING:
    from mixer_gui.gui.library import Library
    from mixer_gui.records import CheckpointInfo, RepositoryFound


class RepositorySearch(QWidget):
    """The field, the button and, once something was asked, the card with the answer."""

    download_asked = Signal(object)  # RepositoryRef
    use_asked = Signal(object)  # StoredModel: what was looked up is on disk

    def __init__(self, library: Library, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._library = library
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("owner/name, owner/name@revision, or a Hub page's address"))
        self.field.setAccessibleName(self.tr("Repository on the Hugging Face Hub"))
        self.field.setToolTip(self.tr("Any Mixer on the Hugging Face Hub. It is looked at before it is downloaded."))
        self.field.setClearButtonEnabled(True)
        self.field.textChanged.connect(self._watch_field)
        self.field.installEventFilter(self)
        self.field.returnPressed.connect(self.look_up)
        self.button = QPushButton(self.tr("Look Up"))
        self.button.setToolTip(self.tr("Ask the Hub what this repository holds (Enter)"))
        self.button.setAutoDefault(False)  # Enter is the field's: Qt's default button goes with the focus
        self.button.clicked.connect(self.look_up)
        bar = QHBoxLayout()
        bar.setSpacing(6)
        bar.addWidget(self.field, 1)
        bar.addWidget(self.button)

        self.card = QFrame()
        self.card.setObjectName("card")
        self.title = FittingLabel("heading")
        self.commit = QLabel()
        self.commit.setObjectName("muted")
        self.facts = words_label()
        self.more_facts = words_label("muted")
        self.sentence = words_label("warning")
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setFixedHeight(8)
        self.busy.setAccessibleName(self.tr("Asking the Hub"))
        self.act = QPushButton()
        self.act.setObjectName("primary")
        self.act.setAutoDefault(False)
        self.act.clicked.connect(self._act)
        self.close_ = QPushButton()
        self.close_.setAutoDefault(False)
        self.close_.clicked.connect(library.forget_look_up)
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.title)
        top.addWidget(self.commit)
        top.addStretch(1)
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addLayout(top)
        for widget in (self.facts, self.more_facts, self.sentence, self.busy):
            words.addWidget(widget)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.act)
        buttons.addWidget(self.close_)
        inside = QHBoxLayout(self.card)
        inside.setContentsMargins(12, 9, 12, 9)
        inside.setSpacing(12)
        inside.addLayout(words, 1)
        inside.addLayout(buttons)
        inside.setAlignment(buttons, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(bar)
        layout.addWidget(self.card)
        library.looked_up.connect(self.refresh)
        library.changed.connect(self._refresh_answer)
        self.refresh()

    def ask(self, text: str) -> None:
        """Fill in an address, and look it up."""
        self.field.setText(text)
        self.look_up()

    @Slot()
    def look_up(self) -> None:
        self._library.look_up(self.field.text())

    @Slot()
    def refresh(self) -> None:
        """Show what is asked, or what the answer is."""
        library = self._library
        had_focus = self.close_.hasFocus() or self.act.hasFocus()
        found = library.found
        for label in (self.facts, self.more_facts):
            set_words(label, "")
        self.commit.hide()
        self.act.hide()
        self.sentence.setToolTip("")
        set_words(self.sentence, library.refusal)
        self.title.setVisible(library.asked is not None or found is not None)
        self.busy.setVisible(library.asked is not None)
        self.close_.setText(self.tr("Cancel") if library.asked is not None else self.tr("Close"))
        self.close_.setAccessibleName(
            self.tr("Stop asking the Hub") if library.asked is not None else self.tr("Close the answer")
        )
        if library.asked is not None:
            self.title.set_text(self.tr("Asking the Hub about {0} …").format(library.asked))
        elif library.refusal:
            self.sentence.setToolTip(plain_tip(library.refusal_detail))
        elif found is not None:
            self._show_found(found)
        self.card.setVisible(library.asked is not None or bool(library.refusal) or found is not None)
        if had_focus and not self.card.isVisible():
            self.field.setFocus()

    @Slot()
    def _refresh_answer(self) -> None:
        """What is on disk, or on its way, has changed."""
        if self._library.found is not None:
            self._show_found(self._library.found)

    def _show_found(self, found: RepositoryFound) -> None:
        self.title.set_text(str(found.ref))
        self.commit.setText(self.tr("commit {0}").format(short_commit(found.commit)))
        self.commit.setToolTip(found.commit)
        self.commit.show()
        set_words(self.facts, "" if found.info is None else _variant_text(found.info))
        set_words(self.more_facts, joined(self._terms(found)) if found.can_download else "")
        sentence = found.sentence
        if found.info is None and not sentence:
            sentence = self.tr("This is not a Mixer that this program can run.")
        set_words(self.sentence, sentence)
        is_arriving = any(each.ref == found.ref for each in self._library.active())
        if self._library.complete(found.ref.repository, found.commit) is not None:
            self.act.setText(self.tr("Use"))
        else:
            is_begun = found.missing_bytes < found.download_bytes
            self.act.setText(self.tr("Continue") if is_begun else self.tr("Download"))
        self.act.setAccessibleName(f"{self.act.text()} {found.ref}")
        self.act.setVisible(found.can_download and not self._library.is_in_use(found.ref.repository, found.commit))
        self.act.setEnabled(not is_arriving)

    def _terms(self, found: RepositoryFound) -> list[str]:
        """What it takes, its licence, and how its pictures are prepared."""
        if self._library.complete(found.ref.repository, found.commit) is not None:
            is_in_use = self._library.is_in_use(found.ref.repository, found.commit)
            where = self.tr("on this computer, in use") if is_in_use else self.tr("on this computer")
            terms = [size_text(found.download_bytes), where]
        elif found.missing_bytes < found.download_bytes:
            sizes = (size_text(found.download_bytes), size_text(found.missing_bytes))
            terms = [self.tr("{0}, {1} of it missing").format(*sizes)]
        else:
            terms = [self.tr("{0} to download").format(size_text(found.download_bytes))]
        terms.append(found.licence or self.tr("states no licence"))
        return terms if found.info is None else [*terms, preprocessing_text(found.info.preprocessing)]

    @Slot()
    def _act(self) -> None:
        found = self._library.found
        if found is None:
            return
        on_disk = self._library.complete(found.ref.repository, found.commit)
        self.field.setFocus()  # before the card goes: else the focus is given to something else
        if on_disk is not None:
            self.use_asked.emit(on_disk)
        else:
            self.download_asked.emit(found.ref)
        self._library.forget_look_up()

    @Slot(str)
    def _watch_field(self, text: str) -> None:
        """An answer to another name, or a sentence about it, no longer holds; a question goes on."""
        if not text or (self._library.refusal and self._library.asked is None):
            self._library.forget_look_up()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Esc takes the answer away first, and closes the window only then."""
        if (
            isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() == Qt.Key.Key_Escape
            and self.card.isVisible()
        ):
            self._library.forget_look_up()
            return True
        return super().eventFilter(watched, event)


def _variant_text(info: CheckpointInfo) -> str:
    def tr(text: str) -> str:
        return QCoreApplication.translate("repository_search", text)

    parameters = f"{info.parameters / 1e6:.1f} M" if info.parameters >= 100_000 else f"{info.parameters:,}"
    facts = [
        tr("Mixer with {0} layers").format(info.layers),
        tr("patches of {0}×{0}").format(info.patch_size),
        tr("{0} parameters").format(parameters),
        classes_text(info.classes),
    ]
    return joined(facts)
