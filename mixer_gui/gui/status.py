"""The status bar: where the model runs, how long each stage took, what is under way and how to stop it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QProgressBar, QStatusBar, QToolButton, QWidget

from mixer_gui.gui.download_meter import DownloadArea
from mixer_gui.gui.labels import ElidedLabel
from mixer_gui.gui.live_rates import Rates
from mixer_gui.records import DeviceInfo, Progress, Timings

LAG_SHOWN_MS = 50.0  # shorter is not seen


class StatusBar(QStatusBar):
    """Permanent figures on the left, passing messages and progress on the right."""

    cancel_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.setContentsMargins(8, 0, 8, 0)
        self._device = QLabel()
        self._timings = ElidedLabel("muted")
        self.download = DownloadArea()
        self._activity = QLabel(self.tr("Starting …"))
        self._activity.setObjectName("muted")
        self._progress = QProgressBar()
        self._progress.setFixedWidth(140)
        self._progress.setTextVisible(False)
        self._progress.setAccessibleName(self.tr("Progress"))
        self._cancel = QToolButton()
        self._cancel.setText(self.tr("Cancel"))
        self._cancel.setToolTip(self.tr("Stop what is under way for this picture"))
        self._cancel.clicked.connect(self.cancel_asked)
        self._shows_rates = False
        self.addWidget(self._device)
        self.addWidget(self._timings, 1)
        self.addPermanentWidget(self.download)
        self.addPermanentWidget(self._activity)
        self.addPermanentWidget(self._progress)
        self.addPermanentWidget(self._cancel)
        self._progress.hide()
        self._cancel.hide()

    def show_device(self, device: DeviceInfo) -> None:
        self._device.setText(f"{device.name} · {device.precision}")
        self._device.setToolTip(device.reason)

    def show_rates(self, rates: Rates | None) -> None:
        """Of a moving picture, in place of a still one's timings; None: there is none any more."""
        self._shows_rates = rates is not None
        if rates is None:
            self._timings.set_text("")
            self._timings.setToolTip("")
            return
        text = self.tr("{0:.0f} frames/s shown · {1:.0f} classified").format(rates.shown_per_s, rates.classified_per_s)
        if rates.latency_ms is not None:
            text += self.tr(" · latency {0:.0f} ms").format(rates.latency_ms)
        text += self.tr(" · {0:,} skipped").format(rates.skipped)
        if rates.lag_ms >= LAG_SHOWN_MS:
            text += self.tr(" · the map is {0:.0f} ms behind the picture").format(rates.lag_ms)
        self._timings.set_text(text)
        self._timings.setToolTip(
            self.tr(
                "{0:,} frames came, {1:,} were classified. Latency: from a frame's arrival to the end of the paint "
                "that shows its result, median. Frames that come while the model is busy are shown but not classified."
            ).format(rates.seen, rates.classified)
        )

    def show_timings(self, timings: Timings | None) -> None:
        """Milliseconds of each stage; None clears them."""
        if self._shows_rates:
            return
        if timings is None:
            self._timings.set_text("")
            return
        self._timings.set_text(
            self.tr("decode {0:.0f} ms · preprocess {1:.0f} ms · forward {2:.0f} ms · explain {3:.0f} ms").format(
                timings.decode, timings.preprocess, timings.forward, timings.explain
            )
        )

    def show_activity(self, text: str, *, running: bool, cancellable: bool = False) -> None:
        """What is going on; `running` shows a moving bar until progress says more."""
        self._activity.setText(text)
        self._progress.setVisible(running)
        self._progress.setRange(0, 0)
        self._cancel.setVisible(cancellable)

    def show_progress(self, progress: Progress) -> None:
        """Bytes of a fetch."""
        done = progress.done_bytes / 1e6
        if progress.total_bytes:
            self._progress.setRange(0, 1000)
            self._progress.setValue(min(progress.done_bytes * 1000 // progress.total_bytes, 1000))
            self._activity.setText(self.tr("{0:.1f} of {1:.1f} MB").format(done, progress.total_bytes / 1e6))
        else:
            self._activity.setText(self.tr("{0:.1f} MB").format(done))
