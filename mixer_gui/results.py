"""Results as JSON, CSV and plain text: one form for the command line and for the window's exports."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mixer_gui.records import FileSource, PictureSource, Prediction, Report, Timings, revealed

CSV_COLUMNS = ("path", "model", "revision", "rank", "index", "wnid", "label", "probability", "logit", "error")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one picture: predictions, or an error sentence."""

    path: str
    model: str
    revision: str | None
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None
    timings_ms: Timings | None = None


def result_of(report: Report, top_k: int, *, reveal: bool = False) -> Result:
    """The first `top_k` predictions of a report; `reveal`: with the names that are shown on request only."""
    predictions = report.predictions[:top_k]
    return Result(
        source_path(report.source),
        report.model.name,
        report.model.revision,
        revealed(predictions, report.model.names) if reveal else predictions,
        None,
        report.timings_ms,
    )


def source_path(source: PictureSource) -> str:
    """The path of a file, the name of anything else."""
    return str(source.path) if isinstance(source, FileSource) else source.name


def as_object(result: Result) -> dict[str, Any]:
    """The JSON object that README documents; probabilities and logits are unrounded, a failure's times null."""
    timings = result.timings_ms
    return {
        "path": result.path,
        "model": result.model,
        "revision": result.revision,
        "predictions": [
            {"index": p.index, "wnid": p.wnid, "label": p.label, "probability": p.probability, "logit": p.logit}
            for p in result.predictions
        ],
        "error": result.error,
        "timings_ms": {
            stage: None if timings is None else round(getattr(timings, stage), 3)
            for stage in ("decode", "preprocess", "forward", "explain")
        },
    }


def csv_rows(result: Result) -> Iterator[tuple[object, ...]]:
    """One row for each prediction, or one that holds the error."""
    head = (result.path, result.model, result.revision or "")
    if result.error is not None:
        yield (*head, "", "", "", "", "", "", result.error)
    for rank, p in enumerate(result.predictions, 1):
        yield (*head, rank, p.index, p.wnid or "", p.label, f"{p.probability:.6f}", f"{p.logit:.6f}", "")


def to_csv(results: Iterable[Result]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    for result in results:
        writer.writerows(csv_rows(result))
    return text.getvalue()


def to_text(result: Result) -> str:
    """What a person reads in a terminal or pastes from the clipboard."""
    if result.error is not None:
        return f"{result.path}\n  error: {result.error}"
    lines = [result.path]
    lines += [f"  {p.probability * 100:5.1f} %  {p.label}" for p in result.predictions]
    return "\n".join(lines)
