"""Commands that save what is on the screen (report, views, arrays), and the help panel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QWidget

from mixer_gui.gui.file_commands import NAME_LENGTH, save_dialog
from mixer_gui.gui.gallery import LivePicture
from mixer_gui.records import ClassReport, FileSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QDialog

    from mixer_gui.gui.actions import Actions
    from mixer_gui.gui.cards import LayersCard, PatchCard, PictureCard, PredictionCard
    from mixer_gui.gui.focus import Focus
    from mixer_gui.gui.help_panel import HelpPanel
    from mixer_gui.gui.microscope.microscope import Microscope
    from mixer_gui.gui.microscope.panel import Panel
    from mixer_gui.gui.rendering import Drawing
    from mixer_gui.gui.saving import Saver
    from mixer_gui.gui.session import Session
    from mixer_gui.settings import Settings

Made = TypeVar("Made")
KINDS = {"html": "HTML (*.html)", "npz": "NumPy (*.npz)", "png": "PNG (*.png)", "svg": "SVG (*.svg)"}


@dataclass(frozen=True, slots=True)
class Screen:
    """The parts of the window that a report shows."""

    focus: Focus
    picture: PictureCard
    predictions: PredictionCard
    layers: LayersCard
    patch: PatchCard
    microscope: Microscope


class ReportCommands(QObject):
    """Lives in the window's thread. Asks for sizes and files; writing happens in the saver's."""

    complained = Signal(str)  # a sentence about something that did not work

    def __init__(self, screen: Screen, session: Session, saver: Saver, settings: Settings, window: QWidget) -> None:
        super().__init__(window)
        self._settings = settings
        self._screen, self._session, self._saver, self._window = screen, session, saver, window
        self._about: ClassReport | None = None  # the newest answer about a class
        self.help: HelpPanel | None = None
        self._actions: Actions | None = None
        session.questions.class_answered.connect(self._keep_class)

    def connect_window(self, actions: Actions) -> None:
        self._actions = actions
        actions.save_report.triggered.connect(self.save_report)
        actions.save_arrays.triggered.connect(self.save_arrays)
        actions.save_sized.triggered.connect(self.save_picture)
        actions.help.triggered.connect(self.show_help_on_view)
        self._screen.microscope.panel_made.connect(self._connect_panel)
        for panel in self._screen.microscope.panels:
            self._connect_panel(panel)
        self._screen.focus.report_changed.connect(self._enable)
        self._enable()
        if self._settings.help_is_open:
            self._screen.picture.view.first_painted.connect(self._reopen_help)

    @Slot(object)
    def _connect_panel(self, panel: Panel) -> None:
        panel.help_asked.connect(self.show_help)
        panel.save_asked.connect(partial(self.save_view, panel))
        panel.arrays_asked.connect(self.save_arrays)

    @Slot()
    def _enable(self) -> None:
        if self._actions is not None:
            there_is_one = self._screen.focus.report is not None
            for action in (self._actions.save_report, self._actions.save_arrays, self._actions.save_sized):
                action.setEnabled(there_is_one)

    @Slot(object)
    def _keep_class(self, answer: ClassReport) -> None:
        self._about = answer

    # --- saving ---

    @Slot()
    def save_report(self) -> None:
        """What is on the screen, as one HTML file."""
        path = self._ask_path(self.tr("Save Report"), "report", "html")
        if path is not None:
            self.write_report(path)

    def write_report(self, path: Path) -> None:
        """The same without asking where."""
        from mixer_gui.gui.report import to_html
        from mixer_gui.gui.report_page import gather

        page = gather(self._screen, self._about)
        if page is None:
            self.complained.emit(self.tr("There is nothing to report: open a picture, or freeze the moving one."))
        else:
            self._saver.save_text(partial(to_html, page), path)

    @Slot()
    def save_arrays(self) -> None:
        """The numbers of the report and of the view that is shown, as a NumPy archive."""
        path = self._ask_path(self.tr("Save Arrays"), "arrays", "npz")
        if path is not None:
            self.write_arrays(path)

    def write_arrays(self, path: Path) -> None:
        """The same without asking where."""
        from mixer_gui.gui.raw_arrays import description, report_arrays, with_view

        focus, panel = self._screen.focus, self._screen.microscope.panel
        report = focus.report
        if report is None:
            self.complained.emit(self.tr("There are no numbers to save: open a picture, or freeze the moving one."))
            return
        arrays, topic = report_arrays(report), ""
        if panel is not None:
            arrays, topic = with_view(arrays, panel.topic, panel.arrays()), panel.topic
        labels = tuple(each.label for each in focus.named(report.predictions))
        self._saver.save_arrays(arrays, description(report, labels, topic), path)

    @Slot()
    def save_picture(self) -> None:
        """The picture with its map and legend at a chosen size."""
        self._save_drawing(self.tr("Picture with map"), self.picture_drawing)

    def picture_drawing(self) -> Drawing | None:
        """The picture as it is on the screen, with its legend; None without one."""
        from mixer_gui.gui.rendering import picture_drawing

        view = self._screen.picture.view
        image = view.picture_with_map()
        if image is None:
            return None
        width = max(min(view.width(), view.height() * image.width() // image.height()), 1)
        return picture_drawing(self.tr("Picture with map"), image, width, self._screen.focus.shown_map)

    def save_view(self, panel: Panel, name: str) -> None:
        """A part of a view of the microscope at a chosen size."""
        self._save_drawing(name, partial(view_drawing, panel, name))

    def save_widget(self, widget: QWidget, name: str) -> None:
        """A widget of another window at a chosen size."""
        from mixer_gui.gui.rendering import widget_drawing

        self._save_drawing(name, partial(widget_drawing, name, widget))

    def _save_drawing(self, name: str, draw: Callable[[], Drawing | None]) -> None:
        from mixer_gui.gui.size_dialog import SizeDialog

        drawing = draw()
        if drawing is None:
            self.complained.emit(self.tr("There is nothing to save of “{0}”.").format(name))
            return
        dialog = SizeDialog(name, drawing.size, self._window)
        accepted = _executed(dialog)
        size, suffix = dialog.chosen_size, dialog.chosen_format.value
        path = self._ask_path(self.tr("Save “{0}”").format(name), _slug(name), suffix) if accepted else None
        drawing = draw() if path is not None else None  # what it shows may be another by now, or gone
        if path is not None and drawing is not None:
            self.write_drawing(drawing, size, path)

    def write_drawing(self, drawing: Drawing, size: QSize, path: Path) -> None:
        """As SVG where the file is called so, else in the image format of its suffix."""
        from mixer_gui.gui.rendering import to_image, to_svg

        if path.suffix.lower() == ".svg":
            self._saver.save_bytes(_here_or_there(partial(to_svg, drawing, size), drawing), path)
        else:
            self._saver.save_image(_here_or_there(partial(to_image, drawing, size), drawing), path)

    def _ask_path(self, title: str, what: str, suffix: str) -> Path | None:
        current = self._session.current
        source = None if current is None else current.source
        folder = source.path.parent if isinstance(source, FileSource) else Path.home()
        stem = ("" if source is None else Path(source.name).stem[:NAME_LENGTH]) or "picture"
        dialog = save_dialog(self._window, title, folder / f"{stem}-{what}.{suffix}", KINDS[suffix])
        return Path(dialog.selectedFiles()[0]) if _executed(dialog) else None

    # --- help ---

    @Slot()
    def show_help_on_view(self) -> None:
        """Of the view that is shown."""
        panel = self._screen.microscope.panel
        if panel is not None:
            self.show_help(panel.topic)
        else:
            self.show_help("live" if isinstance(self._session.current, LivePicture) else "overview")

    @Slot(str)
    def show_help(self, topic: str) -> None:
        panel = self._built_help()
        panel.show_topic(topic)
        panel.show_up()

    @Slot()
    def _reopen_help(self) -> None:
        """It was open when the window was closed the last time; the focus stays in the window."""
        panel = self._built_help()
        panel.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        panel.come_back()
        panel.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating, on=False)

    def _built_help(self) -> HelpPanel:
        """Only built when it is wanted."""
        if self.help is None:
            from mixer_gui.gui.help_panel import HelpPanel

            self.help = HelpPanel(self._window, self._settings.help_geometry)
            self.help.show_topic(self._settings.help_topic)
        return self.help

    def close(self) -> None:
        """The window closes, and the help with it."""
        self._settings = self.remembered(self._settings)
        if self.help is not None:
            self.help.close()
            self.help = None

    def remembered(self, settings: Settings) -> Settings:
        """What there is to remember of the help for the next start."""
        if self.help is None:
            own = self._settings
            topic, geometry, is_open = own.help_topic, own.help_geometry, own.help_is_open
        else:
            topic, geometry, is_open = self.help.topic, self.help.place_text, self.help.isVisible()
        return replace(settings, help_topic=topic, help_geometry=geometry, help_is_open=is_open)


def view_drawing(panel: Panel, name: str) -> Drawing | None:
    """One of a panel's views; None where it has none of that name now."""
    from mixer_gui.gui.rendering import widget_drawing

    widget = panel.views().get(name)
    return None if widget is None or widget.size().isEmpty() else widget_drawing(name, widget)


def _here_or_there(make: Callable[[], Made], drawing: Drawing) -> Callable[[], Made]:
    """Of widgets, made now and in this thread; else by whoever calls it."""
    if not drawing.is_of_widgets:
        return make
    made = make()
    return lambda: made


def _executed(dialog: QDialog) -> bool:
    """Whether it was accepted; it is still there to be asked what, until events are handled again."""
    accepted = bool(dialog.exec())
    dialog.deleteLater()
    return accepted


def _slug(name: str) -> str:
    """A view's name as a part of a file's."""
    return "-".join("".join(each if each.isalnum() else " " for each in name.lower()).split())[:NAME_LENGTH] or "view"
