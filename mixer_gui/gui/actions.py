"""Every command of the window with its text, shortcut and place in the menus. Connected by the window."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from mixer_gui.gui.live_menu import LiveActions, build_live_menu
from mixer_gui.records import DevicePreference, PrecisionPreference
from mixer_gui.settings import Theme

NAME_LENGTH = 60  # characters of a file's name in a menu


@dataclass(frozen=True, slots=True)
class Actions:
    """All commands; `recent` and `panels` are menus that the window fills, `device` one that it adds to."""

    open_pictures: QAction
    recent: QMenu
    save_map: QAction
    save_sized: QAction
    save_report: QAction
    save_arrays: QAction
    export: QAction
    reload: QAction
    quit: QAction
    undo: QAction
    redo: QAction
    paste: QAction
    copy: QAction
    remove: QAction
    clear: QAction
    panels: QMenu
    previous_picture: QAction
    next_picture: QAction
    previous_layer: QAction
    next_layer: QAction
    show_layer: QAction
    show_evidence: QAction
    raw_evidence: QAction
    show_person_names: QAction
    themes: dict[Theme, QAction]
    live: LiveActions
    models: QAction
    open_model_folder: QAction
    open_model_file: QAction
    embedded_model: QAction
    device: QMenu
    devices: dict[DevicePreference, QAction]
    precisions: dict[PrecisionPreference, QAction]
    class_list: QAction
    benchmark: QAction
    help: QAction
    show_log: QAction
    about: QAction


def menu_text(name: str) -> str:
    """A file's name as a menu shows it: not wider than a menu, and without mnemonics of its own."""
    shown = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH // 2]}…{name[-NAME_LENGTH // 2 :]}"
    return button_text(shown)


def button_text(name: str) -> str:
    """A name on a button: without a mnemonic of its own."""
    return name.replace("&", "&&")


def build_actions(window: QMainWindow) -> Actions:
    """Make the menus of a window."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("actions", text)

    def action(menu: QMenu, text: str, shortcut: QKeySequence | QKeySequence.StandardKey | str = "") -> QAction:
        made = QAction(text, window)
        if shortcut:
            made.setShortcut(QKeySequence(shortcut))
        menu.addAction(made)
        return made

    def choices(menu: QMenu, texts: dict[str, str]) -> dict[str, QAction]:
        group = QActionGroup(window)
        made = {}
        for key, text in texts.items():
            made[key] = action(menu, text)
            made[key].setCheckable(True)
            group.addAction(made[key])
        return made

    standard = QKeySequence.StandardKey
    bar = window.menuBar()
    file = bar.addMenu(tr("&File"))
    open_pictures = action(file, tr("&Open…"), standard.Open)
    recent = file.addMenu(tr("Open &Recent"))
    file.addSeparator()
    save_map = action(file, tr("&Save Picture with Map…"), standard.Save)
    save_sized = action(file, tr("Save Picture as PNG or S&VG…"))
    file.addSeparator()
    save_report = action(file, tr("Save &Report…"), "Ctrl+Shift+S")
    save_arrays = action(file, tr("Save &Arrays…"), "Ctrl+Shift+E")
    export = action(file, tr("&Export Results…"), "Ctrl+E")
    file.addSeparator()
    reload = action(file, tr("Re&load Picture"), standard.Refresh)
    file.addSeparator()
    quit_ = action(file, tr("&Quit"), "Ctrl+Q")

    edit = bar.addMenu(tr("&Edit"))
    undo = action(edit, tr("&Undo"), standard.Undo)
    redo = action(edit, tr("&Redo"))
    redo.setShortcuts(list(dict.fromkeys((*QKeySequence.keyBindings(standard.Redo), QKeySequence("Ctrl+Shift+Z")))))
    edit.addSeparator()
    copy = action(edit, tr("&Copy Results"), standard.Copy)
    paste = action(edit, tr("&Paste Picture"), standard.Paste)
    edit.addSeparator()
    remove = action(edit, tr("&Remove Picture"), "Ctrl+Backspace")
    clear = action(edit, tr("Remove &All Pictures"))

    view = bar.addMenu(tr("&View"))
    panels = view.addMenu(tr("&Microscope"))
    previous_picture = action(view, tr("Previous Picture"), "PgUp")
    next_picture = action(view, tr("Next Picture"), "PgDown")
    view.addSeparator()
    previous_layer = action(view, tr("Previous Layer"), "[")
    next_layer = action(view, tr("Next Layer"), "]")
    show_layer = action(view, tr("Show &Layer's Map"), "L")
    show_evidence = action(view, tr("Show Class &Evidence"), "E")
    raw_evidence = action(view, tr("Evidence &without Subtracting the Expected"))
    raw_evidence.setCheckable(True)
    show_person_names = action(view, tr("Show Names of &Person Classes"))
    show_person_names.setCheckable(True)
    view.addSeparator()
    theme = view.addMenu(tr("&Theme"))
    themes = choices(theme, {Theme.SYSTEM: tr("As the &System"), Theme.LIGHT: tr("&Light"), Theme.DARK: tr("&Dark")})

    live = build_live_menu(bar.addMenu(tr("&Live")))

    model = bar.addMenu(tr("&Model"))
    models = action(model, tr("&Models…"), "Ctrl+Shift+M")
    model.addSeparator()
    embedded_model = action(model, tr("Use the &Built-in Model"))
    open_model_folder = action(model, tr("Open Model &Folder…"), "Ctrl+Shift+O")
    open_model_file = action(model, tr("Open Model F&ile…"))
    model.addSeparator()
    device = model.addMenu(tr("&Device"))
    devices = choices(
        device,
        {
            DevicePreference.AUTO: tr("&Automatic"),
            DevicePreference.CUDA: tr("&NVIDIA GPU (CUDA)"),
            DevicePreference.MPS: tr("Apple &GPU"),
            DevicePreference.CPU: tr("&CPU"),
        },
    )
    precision = model.addMenu(tr("&Precision"))
    precision.setToolTipsVisible(True)
    precisions = choices(
        precision,
        {
            PrecisionPreference.AUTO: tr("&Automatic"),
            PrecisionPreference.FP32: tr("fp&32"),
            PrecisionPreference.BF16: tr("&bf16"),
            PrecisionPreference.FP16: tr("fp1&6"),
        },
    )
    for key, meaning in {
        PrecisionPreference.AUTO: tr(
            "The picture on the screen in fp32, so that explanations are exact. Moving pictures, and pictures that are "
            "only in the strip, in half precision where that proved faster and as good on this machine."
        ),
        PrecisionPreference.FP32: tr("Everything in single precision: exact, and the slowest."),
        PrecisionPreference.BF16: tr(
            "Everything in half precision with the range of fp32 and three digits: explanations are rounded, too."
        ),
        PrecisionPreference.FP16: tr(
            "Everything in half precision with four digits and a small range: explanations are rounded, too. "
            "On a GPU only."
        ),
    }.items():
        precisions[key].setToolTip(meaning)
    model.addSeparator()
    class_list = action(model, tr("&What It Knows…"))
    benchmark = action(model, tr("Benc&hmark…"))

    help_ = bar.addMenu(tr("&Help"))
    help_on_view = action(help_, tr("&What the Views Show"), standard.HelpContents)
    show_log = action(help_, tr("Show &Log…"))
    about = action(help_, tr("&About Mixer GUI"))
    return Actions(
        open_pictures=open_pictures,
        recent=recent,
        save_map=save_map,
        save_sized=save_sized,
        save_report=save_report,
        save_arrays=save_arrays,
        export=export,
        reload=reload,
        quit=quit_,
        undo=undo,
        redo=redo,
        paste=paste,
        copy=copy,
        remove=remove,
        clear=clear,
        panels=panels,
        previous_picture=previous_picture,
        next_picture=next_picture,
        previous_layer=previous_layer,
        next_layer=next_layer,
        show_layer=show_layer,
        show_evidence=show_evidence,
        raw_evidence=raw_evidence,
        show_person_names=show_person_names,
        themes={Theme(key): made for key, made in themes.items()},
        live=live,
        models=models,
        open_model_folder=open_model_folder,
        open_model_file=open_model_file,
        embedded_model=embedded_model,
        device=device,
        devices={DevicePreference(key): made for key, made in devices.items()},
        precisions={PrecisionPreference(key): made for key, made in precisions.items()},
        class_list=class_list,
        benchmark=benchmark,
        help=help_on_view,
        show_log=show_log,
        about=about,
    )
