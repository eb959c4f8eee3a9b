"""Results to standard output, each as soon as it is there."""

from __future__ import annotations

import csv
import io
import json
import sys
from enum import StrEnum
from typing import TextIO

from mixer_gui.results import CSV_COLUMNS, Result, as_object, csv_rows, to_text


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"  # one array
    JSONL = "jsonl"  # one object a line
    CSV = "csv"


class Writer:
    """Writes and flushes one result at a time. Making it begins the output, `finish` ends it."""

    def __init__(self, output: Format, stream: TextIO) -> None:
        self._format = output
        self._stream = stream
        self._count = 0
        if output == Format.CSV and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(newline="")  # CSV brings its own line ends
        if output == Format.JSON:
            stream.write("[\n")

    def write(self, result: Result) -> None:
        # One write for each result, so that Ctrl-C falls between two of them.
        match self._format:
            case Format.TEXT:
                text = to_text(result) + "\n"
            case Format.JSON:
                text = (",\n" if self._count else "") + to_json(result)
            case Format.JSONL:
                text = to_json(result) + "\n"
            case Format.CSV:
                text = self._csv(result)
        self._stream.write(text)
        self._stream.flush()
        self._count += 1

    def finish(self) -> None:
        if self._format == Format.JSON:
            self._stream.write("\n]\n")
            self._stream.flush()

    def _csv(self, result: Result) -> str:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if not self._count:
            writer.writerow(CSV_COLUMNS)
        writer.writerows(csv_rows(result))
        return text.getvalue()


def to_json(result: Result) -> str:
    """One line; raises ValueError rather than write NaN or Infinity, which JSON has not."""
    return json.dumps(as_object(result), ensure_ascii=False, allow_nan=False)


def say(sentence: str) -> None:
    """To standard error, where there is one."""
    if sys.stderr is not None:
        sys.stderr.write(sentence + "\n")
        sys.stderr.flush()
