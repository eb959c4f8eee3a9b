"""The numbers behind the window as named arrays, with a description as JSON: what a NumPy archive holds.

Functions over records; no widget.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from mixer_gui import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from mixer_gui.records import Report

    Arrays = dict[str, NDArray[np.generic]]


def report_arrays(report: Report) -> Arrays:
    """Everything in a report that is numbers.

    With L layers, N patches, k ranked classes: `update`, `relative_update` (L, N), `evidence`, `centred_evidence`
    (k, N), `indices`, `probabilities`, `logits` (k,), `lens_indices`, `lens_probabilities` (L, 5 or all classes), and,
    where they are kept, `pixels` (height, width, 3), what the network saw.
    """
    import numpy as np

    arrays: Arrays = {
        "update": report.update,
        "relative_update": report.relative_update,
        "evidence": report.evidence,
        "centred_evidence": report.centred_evidence,
        "indices": np.array([each.index for each in report.predictions], np.int64),
        "probabilities": np.array([each.probability for each in report.predictions], np.float64),
        "logits": np.array([each.logit for each in report.predictions], np.float64),
        "lens_indices": np.array([[each.index for each in layer] for layer in report.lens], np.int64),
        "lens_probabilities": np.array([[each.probability for each in layer] for layer in report.lens], np.float64),
    }
    if report.pixels is not None:
        arrays["pixels"] = report.pixels
    return arrays


def with_view(arrays: Arrays, topic: str, view: Mapping[str, NDArray[np.generic]]) -> Arrays:
    """And a view's own arrays, each as `topic.name`: a view's evidence may be another than the report's."""
    return arrays | {f"{topic}.{name}": each for name, each in view.items()}


def description(report: Report, labels: tuple[str, ...], topic: str) -> str:
    """JSON that says what the arrays are about; `labels` name the rows of evidence, `topic` the view or nothing."""
    model = report.model
    return json.dumps(
        {
            "program": "mixer-gui",
            "version": __version__,
            "picture": report.source.name,
            "picture_size": [report.picture_width, report.picture_height],
            "seen": asdict(report.seen),
            "framing": report.framing.kind.value,
            "edits": [type(each).__name__.lower() for each in report.edits],
            "model": model.name,
            "revision": model.revision,
            "parameters": model.parameters,
            "layers": model.layers,
            "grid": {"rows": model.grid.rows, "columns": model.grid.columns},
            "patch_size": model.patch_size,
            "temperature": model.temperature,
            "evidence_classes": [
                {"index": each.index, "wnid": each.wnid, "label": label}
                for each, label in zip(report.predictions, labels, strict=True)
            ],
            "device": report.device.kind.value,
            "precision": report.device.precision,
            "view": topic,
        }
    )
