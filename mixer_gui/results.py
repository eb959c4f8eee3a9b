"""Results as JSON, CSV and plain text: one form for the command line and for the window's exports."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mixer_gui.records import FileSource, FrameSource, PictureSource, Prediction, Report, Timings, revealed

CSV_COLUMNS = ("path", "time_s", "model", "revision", "rank", "index", "wnid", "label", "probability", "logit", "error")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one picture or one frame of a video: predictions, or an error sentence.

    `time_s`: where in the video; None for pictures, and for what went wrong with the video itself.
    """

    path: str
    model: str
    revision: str | None
    predictions: tuple[Prediction, ...] = ()
    error: str | None = None
    timings_ms: Timings | None = None
    time_s: float | None = None


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
        report.source.time_s if isinstance(report.source, FrameSource) else None,
    )


def source_path(source: PictureSource) -> str:
    """The path of a file, the name of anything else."""
    return str(source.path) if isinstance(source, FileSource) else source.name


def as_object(result: Result) -> dict[str, Any]:
    """The JSON object that README documents; probabilities and logits are unrounded, a failure's times null."""
    timings = result.timings_ms
    return {
        "path": result.path,
        "time_s": result.time_s,
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
    time_s = "" if result.time_s is None else f"{result.time_s:.6f}"
    head = (result.path, time_s, result.model, result.revision or "")
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


def place(result: Result) -> str:
    """The path; for a frame, `clip.mp4 at 0:03.500`."""
    if result.time_s is None:
        return result.path
    minutes, ms = divmod(round(result.time_s * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{result.path} at {clock}:{ms // 1000:02}.{ms % 1000:03}"


def to_text(result: Result) -> str:
    """What a person reads in a terminal or pastes from the clipboard."""
    if result.error is not None:
        return f"{place(result)}\n  error: {result.error}"
    lines = [place(result)]
    lines += [f"  {p.probability * 100:5.1f} %  {p.label}" for p in result.predictions]
    return "\n".join(lines)
