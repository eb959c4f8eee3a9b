"""The commands of the Live menu with their texts and shortcuts. Connected by live_commands."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu

STEADY_CHOICES_S = (0.0, 0.1, 0.3, 1.0)
MAPS_CHOICES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class LiveActions:
    """`cameras`, `sizes`, `screens` and `windows` are filled when the devices are known."""

    menu: QMenu
    cameras: QMenu
    sizes: QMenu
    mirror: QAction
    open_video: QAction
    screens: QMenu
    part: QAction
    windows: QMenu
    freeze: QAction
    stop: QAction
    steady: dict[float, QAction]
    maps_every: dict[int, QAction]
    keep_step: QAction
    record_predictions: QAction
    record_video: QAction


def build_live_menu(menu: QMenu) -> LiveActions:
    """Fill the menu; `menu` owns the actions."""

    def action(text: str, shortcut: str = "", *, checkable: bool = False) -> QAction:
        made = QAction(text, menu)
        made.setCheckable(checkable)
        if shortcut:
            made.setShortcut(QKeySequence(shortcut))
        menu.addAction(made)
        return made

    def choices(submenu: QMenu, texts: list[str]) -> list[QAction]:
        group = QActionGroup(submenu)
        made = []
        for text in texts:
            made.append(submenu.addAction(text))
            made[-1].setCheckable(True)
            group.addAction(made[-1])
        return made

    menu.setToolTipsVisible(True)
    cameras = menu.addMenu(_tr("&Camera"))
    sizes = menu.addMenu(_tr("Camera's &Resolution"))
    mirror = action(_tr("&Mirror the Camera"), checkable=True)
    menu.addSeparator()
    open_video = action(_tr("Open &Video…"), "Ctrl+Shift+V")
    menu.addSeparator()
    screens = menu.addMenu(_tr("&Screen"))
    part = action(_tr("&Part of the Screen…"), "Ctrl+Shift+P")
    windows = menu.addMenu(_tr("&Window of Another Program"))
    menu.addSeparator()
    # The space bar is the window's own, not a shortcut: buttons that have the focus need it, too.
    freeze = action(_tr("&Freeze") + "\t" + _tr("Space"))
    freeze.setToolTip(_tr("Keep the frame as a picture, with its full explanation"))
    stop = action(_tr("S&top"), "Ctrl+.")
    menu.addSeparator()
    steady_menu = menu.addMenu(_tr("St&eady Predictions"))
    steady_menu.setToolTipsVisible(True)
    steady = choices(
        steady_menu, [_tr("Off: Each Frame by Itself"), _tr("0.1 Seconds"), _tr("0.3 Seconds"), _tr("1 Second")]
    )
    for made in steady[1:]:
        made.setToolTip(_tr("Time constant of the exponential average over frames that the ranking goes by"))
    maps_menu = menu.addMenu(_tr("M&aps of"))
    maps = choices(
        maps_menu, [_tr("Every Frame"), _tr("Every 2nd Frame"), _tr("Every 4th Frame"), _tr("Every 8th Frame")]
    )
    keep_step = action(_tr("Picture Waits for &Its Map"), checkable=True)
    keep_step.setToolTip(_tr("Shows only frames that were classified, each with its own map. Off: shows all frames."))
    menu.addSeparator()
    record_predictions = action(_tr("Record Pre&dictions…"), checkable=True)
    record_predictions.setToolTip(_tr("Write time, class and probability of each frame to a CSV file"))
    record_video = action(_tr("Record Annotated Vide&o…"), checkable=True)
    record_video.setToolTip(_tr("Write the frames that are classified, with map and ranking, to a video file"))
    return LiveActions(
        menu=menu,
        cameras=cameras,
        sizes=sizes,
        mirror=mirror,
        open_video=open_video,
        screens=screens,
        part=part,
        windows=windows,
        freeze=freeze,
        stop=stop,
        steady=dict(zip(STEADY_CHOICES_S, steady, strict=True)),
        maps_every=dict(zip(MAPS_CHOICES, maps, strict=True)),
        keep_step=keep_step,
        record_predictions=record_predictions,
        record_video=record_video,
    )


def _tr(text: str) -> str:
    return QCoreApplication.translate("live", text)
