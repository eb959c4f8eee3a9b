"""Frames of moving pictures through the pipeline: what is answered, in which order, and what is not kept."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inputs import request
from PIL import Image
from running import Running
from skimage.data import coffee, rocket

from mixer_gui.pictures.preprocess import prepare
from mixer_gui.records import (
    BytesSource,
    ClassRequest,
    DevicePreference,
    Failure,
    FrameReport,
    FrameRequest,
    FrameSource,
    Framing,
    FramingKind,
    LiveFrame,
    ModelReady,
    ModelRef,
    PatchRequest,
    Report,
)
from mixer_gui.resources import default_model

CPU = DevicePreference.CPU


@pytest.fixture
def run() -> Iterator[Running]:
    running = Running()
    running.start()
    yield running
    running.close()


def live_frame(pixels: np.ndarray, time_s: float = 0.0, number: int = 1) -> LiveFrame:
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    return LiveFrame(number, pixels, time_s, 0.0)


def frame_request(number: int, frame: LiveFrame, model: ModelRef | None = None) -> FrameRequest:
    return FrameRequest(number, "live", "clip.mp4", frame, model or default_model(), device=CPU)


def test_a_frame_is_classified_as_a_picture_of_the_same_pixels_is(run: Running) -> None:
    pixels = coffee()
    run.pipeline.submit_frame(frame_request(1, live_frame(pixels, 1.5)))
    from_frame = run.wait_for(FrameReport)[0]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    run.pipeline.submit(request(default_model(), 2, source=BytesSource("coffee.png", stream.getvalue()), top_k=20))
    from_picture = run.wait_for(Report)[0]
    assert from_frame.predictions == from_picture.predictions
    assert from_frame.time_s == 1.5
    assert from_frame.report is not None
    np.testing.assert_array_equal(from_frame.report.update, from_picture.update)
    np.testing.assert_array_equal(from_frame.report.centred_evidence, from_picture.centred_evidence)
    assert from_frame.report.seen == from_picture.seen
    assert from_frame.report.source == FrameSource("clip.mp4", 1.5)
    assert from_frame.momentary == tuple(each.probability for each in from_frame.predictions)


def test_framing_of_the_user_holds_for_frames(run: Running) -> None:
    framing = Framing(FramingKind.SQUASH)
    run.pipeline.submit_frame(replace(frame_request(1, live_frame(coffee())), framing=framing))
    report = run.wait_for(FrameReport)[0].report
    assert report is not None
    assert report.seen == prepare(coffee(), report.model.preprocessing, framing).seen


def test_ranking_goes_by_the_average_and_the_report_by_the_frame(run: Running) -> None:
    for number, (pixels, time_s) in enumerate(((coffee(), 0.0), (rocket(), 0.1)), 1):
        asked = replace(frame_request(number, live_frame(pixels, time_s)), steady_s=10.0)
        run.pipeline.submit_frame(asked)
        run.wait_for(FrameReport, number)
    answer = run.wait_for(FrameReport, 2)[1]
    assert answer.report is not None
    assert "espresso" in answer.predictions[0].label
    assert "projectile" in answer.report.predictions[0].label
    assert answer.momentary[0] < 0.01 < answer.predictions[0].probability
    raw = {each.index: each.probability for each in answer.report.predictions}
    for shown, now in zip(answer.predictions, answer.momentary, strict=True):
        assert raw.get(shown.index, now) == pytest.approx(now)


def test_the_average_begins_anew_with_another_run_of_frames(run: Running) -> None:
    for number, pixels in enumerate((coffee(), rocket()), 1):
        frame = replace(live_frame(pixels, 0.1 * number), run=number)
        run.pipeline.submit_frame(replace(frame_request(number, frame), steady_s=10.0))
        run.wait_for(FrameReport, number)
    assert "projectile" in run.wait_for(FrameReport, 2)[1].predictions[0].label


def test_without_maps_only_the_ranking_is_computed(run: Running) -> None:
    run.pipeline.submit_frame(replace(frame_request(1, live_frame(coffee())), maps=False, about_class=3))
    answer = run.wait_for(FrameReport)[0]
    assert answer.report is None
    assert answer.about_class is None
    assert "espresso" in answer.predictions[0].label


def test_what_is_pointed_at_is_answered_with_the_frame(run: Running) -> None:
    asked = replace(frame_request(1, live_frame(coffee())), about_class=7, about_patch=(2, 9))
    run.pipeline.submit_frame(asked)
    answer = run.wait_for(FrameReport)[0]
    assert answer.report is not None
    assert answer.about_class is not None
    assert answer.about_patch is not None
    assert answer.about_class.request == ClassRequest(1, 7)
    total = answer.about_class.token_mixing.sum(0) + answer.about_class.channel_mixing.sum(0) + answer.about_class.stem
    assert total.mean() + answer.about_class.constant == pytest.approx(answer.about_class.prediction.logit, rel=1e-4)
    assert answer.about_patch.request == PatchRequest(1, 2, 9)
    assert np.abs(answer.about_patch.reads).max() > 0


def test_a_question_about_another_model_is_left_out(run: Running) -> None:
    asked = replace(frame_request(1, live_frame(coffee())), about_class=20_000, about_patch=(0, 0))
    run.pipeline.submit_frame(asked)
    answer = run.wait_for(FrameReport)[0]
    assert answer.report is not None
    assert answer.about_class is None


def test_newest_waiting_frame_wins_and_one_that_runs_is_finished(run: Running) -> None:
    run.pipeline.load(default_model(), CPU)
    run.wait_for(ModelReady)
    run.hold()
    for number in range(1, 6):
        run.pipeline.submit_frame(frame_request(number, live_frame(coffee(), number / 10)))
    run.go()
    run.wait_for(FrameReport)
    run.settle()
    assert [each.id for each in run.of(FrameReport)] == [5]


def test_a_cancelled_view_is_not_answered(run: Running) -> None:
    run.pipeline.load(default_model(), CPU)
    run.wait_for(ModelReady)
    run.hold()
    run.pipeline.submit_frame(frame_request(1, live_frame(coffee())))
    run.pipeline.cancel("live")
    run.go()
    run.settle()
    assert run.of(FrameReport) == []


def test_a_model_that_cannot_be_loaded_fails_the_frame_with_a_sentence(run: Running, tmp_path: Path) -> None:
    run.pipeline.submit_frame(frame_request(1, live_frame(coffee()), ModelRef(tmp_path / "nothing")))
    run.wait_until(lambda: any(each.request_id == 1 for each in run.of(Failure)), "no failure came")
    failure = next(each for each in run.of(Failure) if each.request_id == 1)
    assert failure.view == "live"
    assert failure.source_name == "clip.mp4"
    assert failure.sentence


def test_frames_leave_nothing_behind(run: Running) -> None:
    for number in range(1, 20):
        run.pipeline.submit_frame(frame_request(number, live_frame(coffee(), number / 30)))
        run.wait_for(FrameReport, number)
    run.settle()
    pipeline = run.pipeline
    assert pipeline._engine is not None
    assert len(pipeline._engine._details) == 0
    assert pipeline._queries.requests.ids_of("live") == ()
    run.pipeline.submit(request(default_model(), 100))
    run.wait_for(Report)
