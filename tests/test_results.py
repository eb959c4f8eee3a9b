"""Results as text, JSON and CSV: what is promised to scripts that read them."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mixer_gui.records import AddressSource, BytesSource, FileSource, Prediction, Timings
from mixer_gui.results import CSV_COLUMNS, Result, as_object, place, source_path, to_csv, to_text

CAT = Prediction(281, "n02123045", "tabby, tabby cat", 0.75, 9.123456789)
NAMELESS = Prediction(3, None, "class 3", 0.25, -1.5)
GOOD = Result(
    "pictures/cat, “first”.png", "mixer", "abc123", (CAT, NAMELESS), None, Timings(1.23456, 0.5, 10.0, 2.00049)
)
BAD = Result("broken.jpg", "mixer", None, error="“broken.jpg” is empty.")


def test_object_has_the_documented_shape() -> None:
    assert as_object(GOOD) == {
        "path": "pictures/cat, “first”.png",
        "time_s": None,
        "model": "mixer",
        "revision": "abc123",
        "predictions": [
            {"index": 281, "wnid": "n02123045", "label": "tabby, tabby cat", "probability": 0.75, "logit": 9.123456789},
            {"index": 3, "wnid": None, "label": "class 3", "probability": 0.25, "logit": -1.5},
        ],
        "error": None,
        "timings_ms": {"decode": 1.235, "preprocess": 0.5, "forward": 10.0, "explain": 2.0},
    }


def test_object_keeps_the_documented_order_of_keys() -> None:
    assert list(as_object(GOOD)) == ["path", "time_s", "model", "revision", "predictions", "error", "timings_ms"]
    assert list(as_object(GOOD)["predictions"][0]) == ["index", "wnid", "label", "probability", "logit"]


def test_object_of_a_failure_has_the_same_keys_and_no_predictions() -> None:
    failure = as_object(BAD)
    assert failure.keys() == as_object(GOOD).keys()
    assert failure["predictions"] == []
    assert failure["error"] == "“broken.jpg” is empty."
    assert failure["timings_ms"] == dict.fromkeys(("decode", "preprocess", "forward", "explain"))


def test_object_survives_json() -> None:
    assert json.loads(json.dumps(as_object(GOOD), allow_nan=False)) == as_object(GOOD)


def test_csv_has_a_row_for_each_prediction_and_one_for_a_failure() -> None:
    header, *rows = csv.reader(io.StringIO(to_csv([GOOD, BAD]), newline=""))
    assert tuple(header) == CSV_COLUMNS
    named = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["path"] for row in named] == ["pictures/cat, “first”.png"] * 2 + ["broken.jpg"]
    assert [row["rank"] for row in named] == ["1", "2", ""]
    assert [row["label"] for row in named] == ["tabby, tabby cat", "class 3", ""]
    assert [row["wnid"] for row in named] == ["n02123045", "", ""]
    assert named[0]["probability"] == "0.750000"
    assert [row["error"] for row in named] == ["", "", "“broken.jpg” is empty."]


def test_frame_of_a_video_has_its_time_in_every_form() -> None:
    frame = replace(GOOD, path="clip.mp4", time_s=3.5)
    assert as_object(frame)["time_s"] == 3.5
    header, row, *_ = csv.reader(io.StringIO(to_csv([frame]), newline=""))
    assert header[:2] == ["path", "time_s"]
    assert row[:2] == ["clip.mp4", "3.500000"]
    assert next(csv.DictReader(io.StringIO(to_csv([GOOD]))))["time_s"] == ""
    assert to_text(frame).startswith("clip.mp4 at 0:03.500\n")
    assert to_text(replace(BAD, time_s=0.0)) == "broken.jpg at 0:00.000\n  error: “broken.jpg” is empty."


@pytest.mark.parametrize(
    ("time_s", "clock"),
    [(59.9996, "1:00.000"), (61.0, "1:01.000"), (3599.9999, "1:00:00.000"), (3723.25, "1:02:03.250")],
)
def test_place_of_a_frame_is_read_off_a_clock(time_s: float, clock: str) -> None:
    assert place(replace(GOOD, path="clip.mp4", time_s=time_s)) == f"clip.mp4 at {clock}"


def test_csv_of_nothing_is_its_header() -> None:
    assert to_csv([]) == ",".join(CSV_COLUMNS) + "\r\n"


def test_text_names_the_picture_and_ranks_percentages() -> None:
    assert to_text(GOOD).splitlines() == [
        "pictures/cat, “first”.png",
        "   75.0 %  tabby, tabby cat",
        "   25.0 %  class 3",
    ]


def test_text_of_a_failure_says_why() -> None:
    assert to_text(BAD) == "broken.jpg\n  error: “broken.jpg” is empty."


def test_path_of_a_source_is_what_was_given() -> None:
    assert source_path(FileSource(Path("folder/a.png"))) == str(Path("folder/a.png"))
    assert source_path(BytesSource("dropped image/png", b"")) == "dropped image/png"
    assert source_path(AddressSource("https://example.org/a.png")) == "https://example.org/a.png"
