"""What the device menu says of the flavour: which torch this is, and how a machine with an NVIDIA GPU gets another."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QObject, QUrl, Slot
from PySide6.QtGui import QAction, QDesktopServices
from PySide6.QtWidgets import QMenu

from mixer_gui.flavour import CUDA_ADDRESS, TorchBuild, lacks_cuda, torch_build
from mixer_gui.gui.labels import plain_tip


def tr(text: str) -> str:
    return QCoreApplication.translate("flavour", text)


def flavour_text(build: TorchBuild | None) -> str:
    """The flavour in two or three words."""
    return tr("without torch") if build is None else tr("{0} flavour").format(build.flavour)


def way_to_cuda() -> str:
    """What to do where the GPU of this machine cannot be used for want of another torch."""
    return tr(
        "NVIDIA's driver is on this machine, but the CPU flavour cannot use it. Install the CUDA package of this "
        "release; or, where Mixer GUI runs from a Python environment, install torch from PyTorch's CUDA index."
    )


class FlavourLines(QObject):
    """Two lines at the menu's end, put there when it is opened first: a start has no time for looking at the disk."""

    def __init__(self, menu: QMenu) -> None:
        super().__init__(menu)
        self._menu = menu
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(self._look)

    @Slot()
    def _look(self) -> None:
        self._menu.aboutToShow.disconnect(self._look)
        build = torch_build()
        self.show_build(build, lacks=lacks_cuda(build))

    def show_build(self, build: TorchBuild | None, *, lacks: bool) -> None:
        """Add the lines; `lacks`: another flavour would use this machine's GPU."""
        self._menu.addSeparator()
        text = flavour_text(build) if build is None else f"{flavour_text(build)} (torch {build.version})"
        told = QAction(text, self._menu)
        told.setEnabled(False)
        self._menu.addAction(told)
        if lacks:
            told.setToolTip(plain_tip(way_to_cuda()))
            way = QAction(tr("&How to Use the NVIDIA GPU…"), self._menu)
            way.setToolTip(plain_tip(f"{way_to_cuda()}\n{CUDA_ADDRESS}"))
            way.triggered.connect(self._open_way)
            self._menu.addAction(way)

    @Slot()
    def _open_way(self) -> None:
        QDesktopServices.openUrl(QUrl(CUDA_ADDRESS))
