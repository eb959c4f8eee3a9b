"""What one patch of one layer reads from and writes to: small maps side by side, and a legend."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from mixer_gui.gui.images import high_end, legend_colours, map_image
from mixer_gui.records import PatchGrid, PatchReport


class MapView(QWidget):
    """A map on its patch grid, with one patch marked and a caption."""

    def __init__(self, caption: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._caption = caption
        self._image: QImage | None = None
        self._grid: PatchGrid | None = None
        self._marked: int | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(64, 88)
        self.setAccessibleName(caption)

    def show_map(self, image: QImage | None, grid: PatchGrid | None, marked: int | None) -> None:
        self._image, self._grid, self._marked = image, grid, marked
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(128, 146)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        caption_height = painter.fontMetrics().height() + 2
        room = QRectF(self.rect()).adjusted(0, 0, 0, -caption_height)
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        if self._image is None or self._grid is None:
            area = _fit(1, 1, room)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1, Qt.PenStyle.DashLine))
            painter.drawRect(area.adjusted(0.5, 0.5, -0.5, -0.5))  # whole, at fractional scaling too
        else:
            area = _fit(self._grid.columns, self._grid.rows, room)
            painter.drawImage(area, self._image)
            if self._marked is not None:
                row, column = divmod(self._marked, self._grid.columns)
                width, height = area.width() / self._grid.columns, area.height() / self._grid.rows
                patch = QRectF(area.left() + column * width, area.top() + row * height, width, height)
                for pen_width, colour in ((3, QColor(0, 0, 0)), (1, QColor(255, 255, 255))):
                    painter.setPen(QPen(colour, pen_width, j=Qt.PenJoinStyle.MiterJoin))
                    painter.drawRect(patch)
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        text = QRectF(self.rect().left(), area.bottom() + 2, self.rect().width(), caption_height)
        painter.drawText(text, int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop), self._caption)


class Legend(QWidget):
    """A colour scale with its ends."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high = "", ""
        self._colours: tuple[QColor, ...] = ()
        self.setFixedHeight(18)
        self.setMinimumWidth(150)
        self.setAccessibleName(self.tr("Colour scale"))

    def show_scale(self, low: str, high: str, *, signed: bool) -> None:
        colours = legend_colours(signed=signed)
        if (low, high, colours) == (self._low, self._high, self._colours):
            return
        self._low, self._high, self._colours = low, high, colours
        self.setAccessibleDescription(self.tr("from {0} to {1}").format(low, high))
        self.update()

    def clear(self) -> None:
        self._colours = ()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(220, 18)

    def paintEvent(self, _event: QPaintEvent) -> None:
        if not self._colours:
            return
        painter = QPainter(self)
        metrics = painter.fontMetrics()
        low, high = metrics.horizontalAdvance(self._low) + 6, metrics.horizontalAdvance(self._high) + 6
        bar = QRectF(low, 5, max(self.width() - low - high, 10), 8)
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for step, colour in enumerate(self._colours):
            gradient.setColorAt(step / (len(self._colours) - 1), colour)
        painter.fillRect(bar, gradient)
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        middle = int(Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(QRectF(0, 0, low, 18), middle | int(Qt.AlignmentFlag.AlignLeft), self._low)
        painter.drawText(QRectF(bar.right(), 0, high, 18), middle | int(Qt.AlignmentFlag.AlignRight), self._high)


class PatchPanel(QWidget):
    """Reads, writes and reading energy of a patch."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reads = MapView(self.tr("reads from"))
        self._writes = MapView(self.tr("writes to"))
        self._energy = MapView(self.tr("reading energy"))
        self._reads.setToolTip(
            self.tr("Row of the mixing matrix, averaged over channels. Red: raises this patch. Blue: lowers it. Exact.")
        )
        self._writes.setToolTip(
            self.tr("Column of the mixing matrix, averaged over channels. Where this patch raises or lowers. Exact.")
        )
        self._energy.setToolTip(
            self.tr("Root mean square over channels: how strongly it reads, where opposite signs do not cancel. Exact.")
        )
        self._legend = Legend()
        self._hint = QLabel(self.tr("Point at a patch of the picture. A click pins it."))
        self._hint.setObjectName("muted")
        self._hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._hint.setFixedHeight(18)
        self._hint.setToolTip(self._hint.text())
        maps = QHBoxLayout()
        maps.setSpacing(10)
        for view in (self._reads, self._writes, self._energy):
            maps.addWidget(view, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(maps, 1)
        layout.addWidget(self._legend)
        layout.addWidget(self._hint)
        self._legend.hide()

    def show_report(self, report: PatchReport, grid: PatchGrid) -> None:
        """Reads and writes share one signed scale; energy has its own, from 0."""
        end = high_end((report.reads, report.writes))
        patch = report.request.patch
        self._reads.show_map(map_image(report.reads, grid, end, signed=True), grid, patch)
        self._writes.show_map(map_image(report.writes, grid, end, signed=True), grid, patch)
        energy = map_image(report.energy, grid, high_end((report.energy,)), signed=False)
        self._energy.show_map(energy, grid, patch)
        self._legend.show_scale(
            self.tr("lowers {0:.2g}").format(-end), self.tr("+{0:.2g} raises").format(end), signed=True
        )
        self._legend.show()
        self._hint.hide()

    def clear(self) -> None:
        for view in (self._reads, self._writes, self._energy):
            view.show_map(None, None, None)
        self._legend.hide()
        self._hint.show()


def _fit(columns: int, rows: int, room: QRectF) -> QRectF:
    """The largest rectangle of whole pixels with columns:rows at the top middle of `room`."""
    cell = min(room.width() / columns, room.height() / rows)
    width, height = cell * columns, cell * rows
    return QRectF(round(room.center().x() - width / 2), round(room.top()), round(width), round(height))
