"""The window's cards as widgets: picture, predictions, layers, patch or timeline.

Layout and controls; no session, no engine.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSlider,
    QSpinBox,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from mixer_gui.gui.actions import button_text
from mixer_gui.gui.edits_bar import EditsBar
from mixer_gui.gui.gallery import GalleryModel, GalleryStrip
from mixer_gui.gui.heatmap_grid import HeatmapGrid
from mixer_gui.gui.labels import ElidedLabel, badge, card, heading, plain_tip, shortened
from mixer_gui.gui.live_bar import LiveBar
from mixer_gui.gui.maps import MapKind, kind_explanation, kind_name
from mixer_gui.gui.offer import OfferButton
from mixer_gui.gui.patch_panel import Legend, PatchPanel
from mixer_gui.gui.picture_view import PictureView
from mixer_gui.gui.prediction_list import PredictionList
from mixer_gui.gui.timeline import TimelineCard
from mixer_gui.records import FramingKind

LONGEST_CAPTION = 26  # characters on a button


class PictureCard(QWidget):
    """The picture with its map, what to do with it, and the strip of pictures below."""

    overlay_chosen = Signal(bool)  # True: the class's evidence, False: the layer's map
    panel_map_chosen = Signal()  # the map of the microscope's view
    framing_chosen = Signal(object)  # FramingKind

    def __init__(self, gallery: GalleryModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame, layout = card()
        self.name = ElidedLabel("heading")
        self.name.setMinimumWidth(48)
        self.layer_button = self._overlay_button(self.tr("Layer"), evidence=False)
        self.evidence_button = self._overlay_button(self.tr("Evidence"), evidence=True)
        self.layer_button.setToolTip(self.tr("Show the selected layer's map over the picture (L)"))
        self.evidence_button.setToolTip(
            self.tr(
                "Show which patches speak for (red) and against (blue) the chosen class (E). "
                "Exact: the mean over patches, plus a constant, is the class's logit."
            )
        )
        self.panel_button = QToolButton()
        self.panel_button.setCheckable(True)
        self.panel_button.setAutoExclusive(True)
        self.panel_button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.panel_button.clicked.connect(self.panel_map_chosen)
        self.panel_button.hide()
        self.framing = QComboBox()
        self.framing.setAccessibleName(self.tr("What the network sees"))
        self.framing.setToolTip(self.tr("Which part of the picture the network sees"))
        for kind, text in (
            (FramingKind.CHECKPOINT, self.tr("Checkpoint's own crop")),
            (FramingKind.RECTANGLE, self.tr("My rectangle")),
            (FramingKind.SQUASH, self.tr("Whole, squashed")),
            (FramingKind.PAD, self.tr("Whole, padded")),
        ):
            self.framing.addItem(text, kind)
        self.framing.activated.connect(lambda _row: self.framing_chosen.emit(self.framing.currentData()))
        self.view = PictureView()
        self.notice = QLabel()
        self.notice.setObjectName("warning")
        self.notice.setWordWrap(True)
        self.notice.setTextFormat(Qt.TextFormat.PlainText)
        self.notice.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.notice.hide()
        self.edits_bar = EditsBar()
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setMinimumWidth(80)
        self.opacity.setMaximumWidth(180)
        self.opacity.setAccessibleName(self.tr("Opacity of the map"))
        self.opacity.setToolTip(self.tr("How strongly the map covers the picture (hold M to hide it)"))
        self.opacity_value = QLabel()
        self.opacity_value.setObjectName("muted")
        self.opacity_value.setMinimumWidth(40)
        self.legend = Legend()
        self.exactness = badge(
            self.tr("exact"), self.tr("Computed, not estimated: exact to the rounding of the pass (fp32).")
        )
        self.live_bar = LiveBar()
        self.live_bar.hide()
        self.strip = GalleryStrip(gallery)

        top = QHBoxLayout()
        top.addWidget(self.name, 1)
        top.addWidget(self.layer_button)
        top.addWidget(self.evidence_button)
        top.addWidget(self.panel_button)
        top.addWidget(self.framing)
        below = QHBoxLayout()
        map_label = QLabel(self.tr("Map"))
        map_label.setObjectName("muted")
        below.addWidget(map_label)
        below.addWidget(self.opacity)
        below.addWidget(self.opacity_value)
        below.addStretch(1)
        below.addWidget(self.legend, 2)
        below.addWidget(self.exactness)
        layout.addLayout(top)
        layout.addWidget(self.notice)
        layout.addWidget(self.edits_bar)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.live_bar)
        layout.addLayout(below)
        layout.addWidget(self.strip)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)

    def set_notice(self, text: str) -> None:
        """A sentence above the picture; empty hides it."""
        self.notice.setText(text)
        self.notice.setVisible(bool(text))

    def set_panel_map(self, caption: str) -> None:
        """What the microscope's view can put over the picture; empty: nothing."""
        self.panel_button.setText(button_text(shortened(caption, LONGEST_CAPTION)))
        self.panel_button.setToolTip(plain_tip(self.tr("Show over the picture: {0}").format(caption)))
        self.panel_button.setVisible(bool(caption))

    def _overlay_button(self, text: str, *, evidence: bool) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setCheckable(True)
        button.setAutoExclusive(True)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.clicked.connect(lambda: self.overlay_chosen.emit(evidence))
        return button


class PredictionCard(QWidget):
    """The ranking, how long it is, what the model knows, and how to get one that knows more."""

    top_k_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame, layout = card()
        self.list = PredictionList()
        self.top_k = QSpinBox()
        self.top_k.setRange(1, 20)
        self.top_k.setPrefix(self.tr("top "))
        self.top_k.setAccessibleName(self.tr("Number of predictions"))
        self.top_k.setToolTip(self.tr("How many classes the list shows"))
        self.top_k.valueChanged.connect(self.top_k_chosen)
        self.knows = QLabel()
        self.knows.setObjectName("muted")
        self.knows.setAccessibleName(self.tr("What the model knows"))
        self.offer = OfferButton()
        top = QHBoxLayout()
        top.addWidget(heading(self.tr("What it sees")))
        top.addStretch(1)
        top.addWidget(self.knows)
        top.addWidget(self.top_k)
        layout.addLayout(top)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.offer)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)


class LayersCard(QWidget):
    """A heatmap for each layer, and which."""

    kind_chosen = Signal(object)  # MapKind
    scale_chosen = Signal(bool)  # True: each layer on its own scale

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame, layout = card()
        self.grid = HeatmapGrid()
        self.kind = QComboBox()
        self.kind.setAccessibleName(self.tr("What the maps show"))
        self.kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.kind.setMinimumContentsLength(16)
        for row, kind in enumerate(MapKind):
            self.kind.addItem(kind_name(kind, ""), kind)
            self.kind.setItemData(row, kind_explanation(kind), Qt.ItemDataRole.ToolTipRole)
        self.kind.currentIndexChanged.connect(self._kind_changed)
        self.per_layer = QCheckBox(self.tr("scale per layer"))
        self.per_layer.setToolTip(
            self.tr(
                "Off: all layers share one colour scale and can be compared. On: each uses its own, to see weak ones."
            )
        )
        self.per_layer.toggled.connect(self.scale_chosen)
        top = QHBoxLayout()
        top.addWidget(heading(self.tr("Layers")))
        top.addWidget(self.kind, 1)
        top.addWidget(self.per_layer)
        self._lens = ElidedLabel("muted")
        layout.addLayout(top)
        layout.addWidget(self.grid, 1)
        layout.addWidget(self._lens)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)
        self.set_lens(0, "")
        self._kind_changed()

    def set_lens(self, number: int, said: str) -> None:
        """What the lens says at the selected layer, and what a lens is; `said` is empty without a picture."""
        if said:
            self._lens.set_text(self.tr("Lens at {0} (not the truth): {1}").format(number, said))
        else:
            self._lens.set_text(self.tr("Beside each map: the layer lens. A lens, not the truth."))
        self._lens.setToolTip(
            self.tr(
                "What the final norm and the head would say if the network stopped at that layer. They were trained "
                "for the last layer only, so for earlier ones it can mislead."
            )
        )

    def set_class(self, label: str) -> None:
        """Name the class that class-dependent maps are about."""
        row = self.kind.findData(MapKind.CONTRIBUTION)
        self.kind.setItemText(row, kind_name(MapKind.CONTRIBUTION, label))

    def _kind_changed(self) -> None:
        kind = MapKind(self.kind.currentData())
        self.kind.setToolTip(kind_explanation(kind))
        self.kind_chosen.emit(kind)


class PatchCard(QWidget):
    """What the patch under the pointer reads and writes in the selected layer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        frame, layout = card()
        self.title = heading(self.tr("Patch"))
        self.panel = PatchPanel()
        top = QHBoxLayout()
        top.addWidget(self.title)
        top.addWidget(
            badge(
                self.tr("exact: mean Jacobian"),
                self.tr("The Jacobian of token mixing, averaged over channels: exact as that mean, to fp32 rounding."),
            )
        )
        self.to_timeline = QToolButton()
        self.to_timeline.setText(self.tr("Over time"))
        self.to_timeline.setToolTip(self.tr("Show the predictions over time"))
        self.to_timeline.hide()
        top.addStretch(1)
        top.addWidget(self.to_timeline)
        layout.addLayout(top)
        layout.addWidget(self.panel, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(frame)


class TimeCard(QStackedWidget):
    """What is under the pointer, or what was said over time: one place for both."""

    def __init__(self, patch: PatchCard, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.patch = patch
        self.timeline = TimelineCard()
        self.addWidget(patch)
        self.addWidget(self.timeline)
        patch.to_timeline.clicked.connect(lambda: self.show_timeline(True))
        self.timeline.to_patch.clicked.connect(lambda: self.show_timeline(False))

    def set_live(self, is_live: bool) -> None:
        """Whether there is a timeline to show."""
        self.patch.to_timeline.setVisible(is_live)

    def show_timeline(self, wanted: bool) -> None:
        self.setCurrentWidget(self.timeline if wanted else self.patch)
