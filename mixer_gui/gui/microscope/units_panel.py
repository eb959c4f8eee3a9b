"""Learned units: all rows of W1 of the selected layer, and what one of them reads and writes in this picture."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from mixer_gui.gui.images import high_end
from mixer_gui.gui.labels import ElidedLabel, badge, scrolling, set_text, words_label
from mixer_gui.gui.maps import CaptionedMap, ShownMap
from mixer_gui.gui.microscope.panel import Panel
from mixer_gui.gui.microscope.patch_map import PatchMap
from mixer_gui.gui.microscope.unit_views import ChannelHistogram, UnitGrid
from mixer_gui.records import (
    Answer,
    CheckpointInfo,
    Gelu,
    QuestionFailed,
    UnitReport,
    UnitRequest,
    UnitsReport,
    UnitsRequest,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.gui.focus import Focus

CHANNELS = 6  # of the strongest
LEAST_GRID = 78  # pixels of height: three rows of units
LEAST_MAP, LOW = 88, 520  # a map's edge in a view of this height; in higher ones it grows


class UnitMap(StrEnum):
    """What is shown of a unit on the patch grid."""

    WEIGHTS = "weights"
    READS = "reads"
    WRITES = "writes"


class UnitsPanel(Panel):
    """The grid of all units above, one unit below: over channels, and for a channel the maps it reads and writes."""

    topic = "units"

    def __init__(self, focus: Focus, parent: QWidget | None = None) -> None:
        super().__init__(focus, QCoreApplication.translate("UnitsPanel", "Learned units"), parent)
        self._model: CheckpointInfo | None = None  # whose units are shown
        self._units: UnitsReport | None = None
        self._unit: UnitReport | None = None
        self._shown: int | None = None  # the unit that is looked at
        self._pinned = False
        self._channel: int | None = None  # as chosen; None is the strongest
        self._make_widgets()
        self._lay_out()

    def _make_widgets(self) -> None:
        self.intro = words_label("muted")
        self.choice = QComboBox()
        self.choice.setAccessibleName(self.tr("Map over the picture"))
        self.choice.setToolTip(self.tr("Which of the three maps of the unit lies over the picture"))
        for kind, text in (
            (UnitMap.WRITES, self.tr("what it writes")),
            (UnitMap.READS, self.tr("what it reads")),
            (UnitMap.WEIGHTS, self.tr("its weights")),
        ):
            self.choice.addItem(text, kind)
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.choice.setMinimumContentsLength(10)
        self.choice.currentIndexChanged.connect(lambda: self.overlay_wanted.emit())
        self.grid = UnitGrid()
        self.grid.setToolTip(
            self.tr(
                "Each unit is a row of W1, on a colour scale of its own: red above 0, blue below. Click keeps a unit, "
                "arrow keys walk, Esc lets go."
            )
        )
        self.grid.unit_pointed.connect(self._point_at)
        self.grid.unit_pinned.connect(self._pin)
        self.grid.unit_released.connect(self._release)
        self.room = scrolling(self.grid)
        self.room.setMinimumHeight(LEAST_GRID)
        self.room.viewport().installEventFilter(self)
        self.facts = words_label()
        self.histogram = ChannelHistogram()
        self.histogram.setToolTip(
            self.tr(
                "A unit has one value for each channel, not for each place. Dashed: zero; GELU closes what is far "
                "below it. Thick line: the chosen channel."
            )
        )
        self._buttons = QButtonGroup(self)
        self._buttons.setExclusive(True)
        for number in range(CHANNELS):
            button = QToolButton()
            button.setCheckable(True)
            button.setStyleSheet("padding: 1px 4px")
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self._buttons.addButton(button, number)
        self._buttons.idClicked.connect(self._choose_channel)
        self.maps = {
            UnitMap.WEIGHTS: PatchMap(self.tr("its weights"), 220),
            UnitMap.READS: PatchMap(self.tr("reads"), 220),
            UnitMap.WRITES: PatchMap(self.tr("writes"), 220),
        }
        tips = {
            UnitMap.WEIGHTS: self.tr("Row of W1: how much it takes of each patch. The same for every picture. Exact."),
            UnitMap.READS: self.tr(
                "Its weights times the normalised tokens in the chosen channel: what each patch of this picture adds "
                "to the unit. Their sum plus a bias is h. Exact."
            ),
            UnitMap.WRITES: self.tr(
                "Column of W2 times GELU(h): what the unit adds to each patch in the chosen channel. Exact."
            ),
        }
        for kind, view in self.maps.items():
            view.setToolTip(tips[kind])
            view.patch_pinned.connect(self.focus.want_patch)
            view.patch_pointed.connect(lambda patch, kind=kind: self._read(kind, patch))
        self.value = ElidedLabel("muted")

    def _lay_out(self) -> None:
        above = QHBoxLayout()
        label = QLabel(self.tr("&Over the picture"))
        label.setBuddy(self.choice)
        above.addWidget(label)
        above.addWidget(self.choice, 1)
        above.addWidget(
            badge(self.tr("exact"), self.tr("Computed, not estimated: exact to the rounding of the pass (fp32)."))
        )
        buttons = QGridLayout()
        buttons.setSpacing(3)
        heading = QLabel(self.tr("Strongest channels"))
        heading.setObjectName("muted")
        buttons.addWidget(heading, 0, 0, 1, 2)
        for number, button in enumerate(self._buttons.buttons()):
            buttons.addWidget(button, 1 + number // 2, number % 2)
        buttons.setRowStretch(CHANNELS // 2 + 1, 1)
        middle = QHBoxLayout()
        middle.addWidget(self.histogram, 1)
        middle.addLayout(buttons, 1)
        below = QHBoxLayout()
        below.setSpacing(8)
        for view in self.maps.values():
            below.addWidget(view, 1, Qt.AlignmentFlag.AlignTop)
        self.body.addWidget(self.intro)
        self.body.addWidget(self.room, 1)
        self.body.addWidget(self.facts)
        self.body.addLayout(middle)
        self.body.addLayout(below)
        self.body.addWidget(self.value)
        self.body.addLayout(above)

    # --- what the window tells ---

    def refresh(self) -> None:
        report = self.report
        if report is None:
            return
        wanted = UnitsRequest(report.id, self.focus.layer)
        if self._units is None or self._units.request != wanted:
            is_same = self._units is not None and self._units.request.layer == wanted.layer
            if not is_same or report.model is not self._model:
                self._model = report.model
                self._units = None
                self._forget_unit()
                self.grid.show_units(None, report.model.grid)
            self.ask(wanted)
        self._ask_unit()
        self._show_words()
        self._show_unit()

    def take(self, answer: Answer) -> None:
        report = self.report
        if report is None:
            return
        if isinstance(answer, UnitsReport) and answer.request == UnitsRequest(report.id, self.focus.layer):
            self._take_units(answer)
        elif isinstance(answer, UnitReport) and answer.request == self._wanted():
            self._unit = answer
            self._show_unit()
            self.overlay_changed.emit()

    def take_failed(self, failed: QuestionFailed) -> None:
        self._show_words()

    def overlay(self) -> CaptionedMap | None:
        kind, unit = self.chosen, self._unit
        shown = self._map(kind)
        if shown is None or unit is None or unit.request != self._wanted():
            return None
        what = {
            UnitMap.WEIGHTS: self.tr("Weights of unit {0}"),
            UnitMap.READS: self.tr("Unit {0} reads (ch. {1})"),
            UnitMap.WRITES: self.tr("Unit {0} writes (ch. {1})"),
        }
        caption = what[kind].format(unit.request.unit, unit.channel)
        ends = self.tr("lowers {0:.2g}").format(-shown.end), self.tr("+{0:.2g} raises").format(shown.end)
        return CaptionedMap(shown, caption, ends, self.tr("exact"), self.maps[kind].toolTip())

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        import numpy as np

        found: dict[str, NDArray[np.generic]] = {}
        if self._units is not None:
            units = self._units
            found |= {"layer": np.array(units.request.layer), "w1": units.weights, "order": units.order}
            found |= {"frequency": units.frequency, "partner": units.partner, "likeness": units.likeness}
        if self._unit is not None and self._unit.request == self._wanted():
            unit = self._unit
            found |= {"unit": np.array(unit.request.unit), "channel": np.array(unit.channel), "hidden": unit.hidden}
            found |= {"reads": unit.reads, "writes": unit.writes, "bias": np.array(unit.bias)}
        return found

    def views(self) -> dict[str, QWidget]:
        named: dict[str, QWidget] = {} if self._units is None else {self.tr("All units"): self.grid}
        if self._unit is not None:
            named[self.tr("Unit over channels")] = self.histogram
            named[self.tr("Weights of the unit")] = self.maps[UnitMap.WEIGHTS]
            named[self.tr("What the unit reads")] = self.maps[UnitMap.READS]
            named[self.tr("What the unit writes")] = self.maps[UnitMap.WRITES]
        return named

    @property
    def chosen(self) -> UnitMap:
        """The map that lies over the picture."""
        return UnitMap(self.choice.currentData())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        for view in self.maps.values():  # in a low window the grid has the room
            view.setMaximumWidth(LEAST_MAP + round(0.4 * max(self.height() - LOW, 0)))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.grid.set_room(self.room.viewport().height())
        return super().eventFilter(watched, event)

    # --- commands ---

    @Slot(object)
    def _point_at(self, unit: int | None) -> None:
        if unit is not None and not self._pinned and unit != self._shown:
            self._look_at(unit)

    @Slot(object)
    def _pin(self, unit: int) -> None:
        self._pinned = True
        self._look_at(unit)
        area = self.grid.rect_of(unit).center().toPoint()
        self.room.ensureVisible(area.x(), area.y(), 0, 40)

    @Slot()
    def _release(self) -> None:
        self._pinned = False
        self._mark()

    def _look_at(self, unit: int) -> None:
        if unit != self._shown:
            self._shown, self._channel = unit, None  # what is shown stays until the answer comes: no flicker
            self._ask_unit()
        self._mark()

    @Slot(int)
    def _choose_channel(self, number: int) -> None:
        if self._unit is not None and number < len(self._unit.channels):
            self._channel = int(self._unit.channels[number])
            self._ask_unit()

    # --- asking ---

    def _wanted(self) -> UnitRequest | None:
        report = self.report
        if report is None or self._shown is None:
            return None
        return UnitRequest(report.id, self.focus.layer, self._shown, self._channel)

    def _ask_unit(self) -> None:
        wanted = self._wanted()
        if wanted is not None and (self._unit is None or self._unit.request != wanted):
            self.ask(wanted)

    def _take_units(self, answer: UnitsReport) -> None:
        report, before = self.report, self._units
        self._units = answer
        if report is not None and before is None:  # else the same units of another picture
            self.grid.show_units(answer, report.model.grid)
            self._look_at(int(answer.order[0]))
        self._show_words()

    def _forget_unit(self) -> None:
        self._unit, self._shown, self._pinned, self._channel = None, None, False, None

    # --- showing ---

    def _show_words(self) -> None:
        units, layer = self._units, self.focus.layer + 1
        if self.report is None or units is None:
            is_coming = self.report is not None and self.is_asked(UnitsRequest(self.report.id, self.focus.layer))
            set_text(self.intro, self.tr("Layer {0}: the units are on their way …").format(layer) if is_coming else "")
            return
        grid, count = self.report.model.grid, len(units.order)
        paired = int((units.partner != _numbers(count)).sum())
        set_text(
            self.intro,
            self.tr(
                "Layer {0}: {1} units of {2}×{3} weights, from coarse to fine. Frames: opposite phases ({4} of {1}). "
                "Click keeps one."
            ).format(layer, count, grid.rows, grid.columns, paired),
        )
        self._mark()

    def _mark(self) -> None:
        self.grid.mark(self._shown, pinned=self._pinned, words=self._facts())
        set_text(self.facts, self._facts())

    def _facts(self) -> str:
        units, unit = self._units, self._shown
        if units is None or unit is None:
            return self.tr("Point at a unit.")
        partner = int(units.partner[unit])
        words = self.tr("Unit {0} · {1:.2f} cycles per patch · ").format(unit, float(units.frequency[unit]))
        if partner == unit:
            return words + self.tr("no opposite")
        return words + self.tr("opposite: {0} (cos {1:.2f})").format(partner, float(units.likeness[unit]))

    def _show_unit(self) -> None:
        report, unit = self.report, self._unit
        if report is None:
            return
        for kind, view in self.maps.items():
            shown = self._map(kind)
            scale = "" if shown is None else f"±{shown.end:.2g}"
            view.show_map(shown, report.model.grid, self.focus.patch, scale)
        buttons = self._buttons.buttons()
        self._buttons.setExclusive(False)  # an exclusive group keeps the mark of a channel that is not among these
        for number, button in enumerate(buttons):
            has_channel = unit is not None and number < len(unit.channels)
            button.setVisible(has_channel or unit is None)
            button.setEnabled(has_channel)
            if unit is None or not has_channel:
                continue
            channel = int(unit.channels[number])
            hidden = float(unit.hidden[channel])
            text = self.tr("{0}: {1:+.2g}").format(channel, gelu(hidden, report.model.gelu))
            if button.text() != text:
                button.setText(text)
            words = self.tr("Channel {0}: h = {1:+.3g}, GELU(h) = {2:+.3g}").format(
                channel, hidden, gelu(hidden, report.model.gelu)
            )
            button.setToolTip(words)
            button.setAccessibleName(words)
            button.setChecked(channel == unit.channel)
        self._buttons.setExclusive(True)
        if unit is None:
            self.histogram.clear()
            self.value.set_text("")
            return
        self.histogram.show_hidden(unit.hidden, unit.channel)
        self._read(UnitMap.WRITES, None)

    def _map(self, kind: UnitMap) -> ShownMap | None:
        """One of the maps of the unit that is known."""
        if self._unit is None or self._units is None:
            return None
        values = {
            UnitMap.WEIGHTS: self._units.weights[self._unit.request.unit],
            UnitMap.READS: self._unit.reads,
            UnitMap.WRITES: self._unit.writes,
        }[kind]
        return ShownMap(values, high_end((values,)), signed=True)

    def _read(self, kind: UnitMap, patch: int | None) -> None:
        """The value below the pointer, or how the maps hang together."""
        report, unit, shown = self.report, self._unit, self._map(kind)
        if report is None or unit is None or shown is None:
            self.value.set_text("")
        elif patch is None:
            hidden = float(unit.hidden[unit.channel])
            self.value.set_text(
                self.tr("Channel {0}: reads {1:+.3g}, bias {2:+.2g}, so h = {3:+.3g}").format(
                    unit.channel, hidden - unit.bias, unit.bias, hidden
                )
            )
        else:
            row, column = divmod(patch, report.model.grid.columns)
            names = {
                UnitMap.WEIGHTS: self.tr("its weight"),
                UnitMap.READS: self.tr("reads"),
                UnitMap.WRITES: self.tr("writes"),
            }
            self.value.set_text(
                self.tr("Patch in row {0}, column {1}: {2} {3:+.3g}").format(
                    row + 1, column + 1, names[kind], float(shown.values[patch])
                )
            )


def gelu(value: float, form: Gelu) -> float:
    """GELU of one number."""
    if form == Gelu.TANH:
        return 0.5 * value * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (value + 0.044715 * value**3)))
    return 0.5 * value * math.erfc(-value / math.sqrt(2.0))


def _numbers(count: int) -> NDArray[np.int64]:
    import numpy as np

    return np.arange(count)
