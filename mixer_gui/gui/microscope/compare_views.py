"""What the two sides of a comparison are shown with: pictures with their maps, and the difference of the maps."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from mixer_gui.gui.labels import ElidedLabel, words_label
from mixer_gui.gui.patch_panel import Legend
from mixer_gui.gui.theme import colours
from mixer_gui.records import PatchGrid, Rect

OPACITY = 0.75  # of a map over its picture
SEEN_EDGE = 480
WIDE = 540  # pixels from which on the difference stands beside the two
TALLEST = 300


class PictureMap(QWidget):
    """What a network saw of a picture with a map over it, one patch marked; pointer and keys choose it."""

    patch_pointed = Signal(object)  # int, or None: the pointer left
    patch_clicked = Signal(int)

    def __init__(self, name: str, parent: QWidget | None = None, *, takes_keys: bool = False) -> None:
        super().__init__(parent)
        self._picture: QImage | None = None
        self._map: QImage | None = None
        self._grid: PatchGrid | None = None
        self._marked: int | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(96, 96)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)
        if takes_keys:
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_map(self, picture: QImage | None, image: QImage | None, grid: PatchGrid | None) -> None:
        """`picture`: what the network saw; `image`: the map, a pixel a patch."""
        self._picture, self._map, self._grid = picture, image, grid
        self.update()

    @property
    def ratio(self) -> float:
        """Width over height of what is shown."""
        if self._picture is not None:
            return self._picture.width() / self._picture.height()
        return 1.0 if self._grid is None else self._grid.columns / self._grid.rows

    def mark(self, patch: int | None) -> None:
        if patch != self._marked:
            self._marked = patch
            self.update()

    @property
    def marked(self) -> int | None:
        return self._marked

    def sizeHint(self) -> QSize:
        return QSize(160, 160)

    def area(self) -> QRectF:
        """Where the map is: the largest rectangle of its shape, of whole pixels."""
        width = min(float(self.width()) - 2, (self.height() - 2) * self.ratio)
        height = width / self.ratio
        return QRectF(round((self.width() - width) / 2), round((self.height() - height) / 2), int(width), int(height))

    def patch_at(self, place: QPointF) -> int | None:
        area = self.area()
        if self._grid is None or not area.contains(place):
            return None
        column = min(int((place.x() - area.left()) / area.width() * self._grid.columns), self._grid.columns - 1)
        row = min(int((place.y() - area.top()) / area.height() * self._grid.rows), self._grid.rows - 1)
        return row * self._grid.columns + column

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        scheme, area = colours(), self.area()
        painter.fillRect(area, QColor(scheme.field))
        if self._picture is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(area, self._picture)
        if self._map is not None:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
            painter.setOpacity(OPACITY if self._picture is not None else 1.0)
            painter.drawImage(area, self._map)
            painter.setOpacity(1.0)
        if self._marked is not None and self._grid is not None:
            row, column = divmod(self._marked, self._grid.columns)
            width, height = area.width() / self._grid.columns, area.height() / self._grid.rows
            patch = QRectF(area.left() + column * width, area.top() + row * height, width, height)
            for pen_width, colour in ((4, QColor(0, 0, 0)), (2, QColor(255, 255, 255))):
                painter.setPen(QPen(colour, pen_width, j=Qt.PenJoinStyle.MiterJoin))
                painter.drawRect(patch)
        painter.setPen(QPen(QColor(scheme.accent), 2) if self.hasFocus() else QPen(QColor(scheme.edge), 1))
        painter.drawRect(area.adjusted(-0.5, -0.5, 0.5, 0.5))
        painter.end()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.patch_pointed.emit(self.patch_at(event.position()))

    def leaveEvent(self, _event: QEvent) -> None:
        self.patch_pointed.emit(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        patch = self.patch_at(event.position())
        if patch is not None and event.button() == Qt.MouseButton.LeftButton:
            self.patch_clicked.emit(patch)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            int(Qt.Key.Key_Left): (0, -1),
            int(Qt.Key.Key_Right): (0, 1),
            int(Qt.Key.Key_Up): (-1, 0),
            int(Qt.Key.Key_Down): (1, 0),
        }
        step = steps.get(event.key())
        if step is None or self._grid is None or self.focusPolicy() == Qt.FocusPolicy.NoFocus:
            super().keyPressEvent(event)
            return
        row, column = divmod(self._marked if self._marked is not None else 0, self._grid.columns)
        if self._marked is not None:
            row = min(max(row + step[0], 0), self._grid.rows - 1)
            column = min(max(column + step[1], 0), self._grid.columns - 1)
        self.patch_clicked.emit(row * self._grid.columns + column)


def seen_image(image: QImage, width: int, height: int, seen: Rect) -> QImage:
    """What the network saw of a picture of width × height pixels, of which `image` is a copy of any size.

    An image of its own, at most SEEN_EDGE pixels long; what is seen beyond the picture is grey.
    """
    scale = SEEN_EDGE / max(seen.width, seen.height)
    whole = QImage(max(round(seen.width * scale), 1), max(round(seen.height * scale), 1), QImage.Format.Format_RGB32)
    whole.fill(QColor(128, 128, 128))
    left, top = max(seen.left, 0.0), max(seen.top, 0.0)
    right, bottom = min(seen.right, float(width)), min(seen.bottom, float(height))
    if right > left and bottom > top:
        target = QRectF(
            (left - seen.left) * scale, (top - seen.top) * scale, (right - left) * scale, (bottom - top) * scale
        )
        x, y = image.width() / width, image.height() / height
        painter = QPainter(whole)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(target, image, QRectF(left * x, top * y, (right - left) * x, (bottom - top) * y))
        painter.end()
    return whole


class Triptych(QWidget):
    """A and B side by side, each with its title and caption, and their difference: beside them, or below with words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.a = PictureMap(self.tr("A: map over the picture; the arrow keys go from patch to patch"), takes_keys=True)
        self.b = PictureMap(self.tr("B: map over the picture"))
        self.difference = PictureMap(self.tr("A − B: difference of the two maps"))
        self.titles = tuple(ElidedLabel("heading") for _ in range(3))
        self.captions = tuple(ElidedLabel("muted") for _ in range(2))
        self.titles[2].set_text(self.tr("A − B"))
        self.words = words_label("muted")
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.legend = Legend()
        self._is_wide: bool | None = None  # None: to be arranged
        self._has_difference = True
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(2)
        for column, view in enumerate((self.a, self.b)):
            for row, part in enumerate((self.titles[column], view, self.captions[column])):
                self._grid.addWidget(part, row, column)
        self._arrange()

    def set_difference_shown(self, shown: bool) -> None:
        for part in (self.titles[2], self.difference, self.legend):
            part.setVisible(shown)
        if shown != self._has_difference:
            self._has_difference, self._is_wide = shown, None
            self._arrange()

    def fit(self) -> None:
        """Give each picture the height of its width."""
        columns = 3 if self._is_wide else 2
        width = (self.width() - 10 * (columns - 1)) // columns
        for view in (self.a, self.b, self.difference):
            view.setFixedHeight(max(min(int(width / view.ratio), TALLEST), 64))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()
        self.fit()

    def _arrange(self) -> None:
        is_wide = self.width() >= WIDE
        if is_wide == self._is_wide:
            return
        self._is_wide = is_wide
        for part in (self.titles[2], self.difference, self.legend, self.words):
            self._grid.removeWidget(part)
        for column in range(3):
            self._grid.setColumnStretch(column, 1 if column < 2 or is_wide else 0)
        if is_wide:
            self._grid.addWidget(self.titles[2], 0, 2)
            self._grid.addWidget(self.difference, 1, 2)
            self._grid.addWidget(self.legend, 2, 2)
            self._grid.addWidget(self.words, 3, 0, 1, 3)
        elif not self._has_difference:
            self._grid.addWidget(self.words, 4, 0, 1, 2)
        else:
            self._grid.addWidget(self.titles[2], 4, 0)
            self._grid.addWidget(self.difference, 5, 0)
            self._grid.addWidget(self.words, 5, 1)
            self._grid.addWidget(self.legend, 6, 0, 1, 2)
