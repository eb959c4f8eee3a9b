"""From request to record through the real decoder, the real engine and a real server on this machine."""

from __future__ import annotations

import base64
import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import png, request
from PIL import Image
from running import Running, leftovers, running
from servers import PictureServer, serving

from mixer_gui.engine.decoding import INPUTS_KEPT
from mixer_gui.engine.engine import Engine
from mixer_gui.engine.pipeline import Pipeline
from mixer_gui.model.mixer import Record
from mixer_gui.pictures.decoder import Decoder
from mixer_gui.pictures.decoder_pool import DecoderPool
from mixer_gui.pictures.edits import edited, mean_colour
from mixer_gui.records import (
    AddressSource,
    Assumptions,
    BytesSource,
    ClassReport,
    ClassRequest,
    DecodedPicture,
    DecodeJob,
    DevicePreference,
    Erase,
    Failure,
    FileSource,
    FrameReady,
    InspectRequest,
    ModelInspected,
    ModelReady,
    ModelRef,
    PatchReport,
    PatchRequest,
    PermutationReport,
    PermutationRequest,
    Priority,
    Progress,
    QuestionFailed,
    Report,
    SourcesFound,
    Swap,
)
from mixer_gui.resources import default_model

CPU = DevicePreference.CPU

WriteCheckpoint = Callable[..., Path]


@pytest.fixture
def model(tiny_checkpoint: WriteCheckpoint) -> Path:
    return tiny_checkpoint()


@pytest.fixture(scope="session")
def slow_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real picture that takes about a second to decode."""
    path = tmp_path_factory.mktemp("slow") / "slow.jp2"
    noise = np.random.default_rng(1).integers(0, 256, (2000, 3000, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, quality_mode="rates", quality_layers=[4])
    return path


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with serving(png(3, (400, 300))) as server:
        yield server


def broken(name: str = "broken.png") -> BytesSource:
    return BytesSource(name, b"\x89PNG\r\n\x1a\nand then nonsense")


# --- one picture ---


def test_embedded_default_classifies_a_file(run: Running, tmp_path: Path) -> None:
    path = tmp_path / "noise.png"
    path.write_bytes(png(1, (300, 200)))
    run.pipeline.submit(request(default_model(), source=FileSource(path), top_k=5))
    report = run.wait_for(Report)[0]
    assert (report.id, report.view, report.source) == (1, "view-1", FileSource(path))
    assert len(report.predictions) == 5
    assert (report.picture_width, report.picture_height) == (300, 200)
    assert all(milliseconds > 0 for milliseconds in vars_of(report.timings_ms))


def vars_of(timings: object) -> list[float]:
    return [getattr(timings, name) for name in ("decode", "preprocess", "forward", "explain")]


def test_frame_comes_before_its_report_and_once(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model))
    run.wait_for(Report)
    run.settle()
    kinds = [type(record) for record in run.records]
    assert sorted(kind.__name__ for kind in kinds) == ["FrameReady", "ModelReady", "Report"]
    assert kinds.index(FrameReady) < kinds.index(Report)
    frame = run.of(FrameReady)[0]
    assert (frame.request_id, frame.view, frame.frame.pixels.shape) == (1, "view-1", (40, 48, 3))


def test_report_is_that_of_its_own_picture(run: Running, model: Path) -> None:
    for number in range(1, 9):
        run.pipeline.submit(request(model, number, priority=Priority.FOLDER))
    reports = {report.id: report for report in run.wait_for(Report, 8)}
    alone = Engine()
    alone.load(ModelRef(model), CPU)
    decoder = Decoder()
    try:
        for number, report in reports.items():
            asked = request(model, number)
            assert isinstance(asked.source, BytesSource)
            picture = decoder.submit(DecodeJob(asked.source, alone.preprocessing(ModelRef(model), CPU))).result()
            assert report.predictions == alone.classify(asked, picture, Record.MAPS).predictions
    finally:
        decoder.close()
    assert len({report.predictions[0].logit for report in reports.values()}) == 8


def test_time_of_decoding_counts_both_decodings_of_a_first_picture_once(run: Running, model: Path) -> None:
    """The frame is shown before the model is known; then the picture is decoded again for the model."""
    futures = watch_decodings(run.pipeline)
    run.hold()
    run.pipeline.submit(request(model, 1))
    run.wait_until(lambda: run.pipeline._waiting, "it does not wait for its model")
    run.go()
    run.wait_for(Report)
    run.pipeline.submit(request(model, 2))
    reports = run.wait_for(Report, 2)
    first, again, second = (future.result() for future in futures)
    assert (first.network_input is None, again.network_input is None) == (True, False)
    assert reports[0].timings_ms.decode == first.decode_ms + again.decode_ms
    assert reports[1].timings_ms.decode == second.decode_ms


def forget_inputs(pipeline: Pipeline) -> None:
    """As when many other pictures were decoded since."""
    with pipeline._lock:
        pipeline._decodes._inputs.clear()


def watch_decodings(pipeline: Pipeline) -> list[Future[DecodedPicture]]:
    """What the real decoders answer from now on."""
    futures: list[Future[DecodedPicture]] = []

    def watch(decoder: Decoder | DecoderPool) -> None:
        submit = decoder.submit

        def watched(job: DecodeJob) -> Future[DecodedPicture]:
            futures.append(submit(job))
            return futures[-1]

        decoder.submit = watched  # type: ignore[method-assign]

    for lane in (pipeline._decodes.shown, pipeline._decodes.folder):
        watch(lane.decoder)
    return futures


def test_broken_file_is_named_and_the_others_are_fine(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model, 1))
    run.pipeline.submit(request(model, 2, source=broken("holiday.png")))
    run.pipeline.submit(request(model, 3))
    assert {report.id for report in run.wait_for(Report, 2)} == {1, 3}
    failure = run.wait_for(Failure)[0]
    assert (failure.request_id, failure.view, failure.source_name) == (2, "view-2", "holiday.png")
    assert "holiday.png" in failure.sentence
    assert [frame.request_id for frame in run.of(FrameReady) if frame.request_id == 2] == []


def test_file_that_is_gone_is_named(run: Running, model: Path, tmp_path: Path) -> None:
    run.pipeline.submit(request(model, source=FileSource(tmp_path / "gone.png")))
    assert "gone.png" in run.wait_for(Failure)[0].sentence


def test_two_hundred_requests_are_each_answered_by_their_own_result(run: Running, model: Path) -> None:
    for number in range(1, 201):
        source = broken(f"broken-{number}.png") if number % 5 == 0 else None
        priority = Priority.DROPPED if number == 1 else Priority.FOLDER
        run.pipeline.submit(request(model, number, source=source, priority=priority))
    reports, failures = run.wait_for(Report, 160), run.wait_for(Failure, 40)
    run.settle()
    assert sorted(report.id for report in reports) == [number for number in range(1, 201) if number % 5]
    assert sorted(failure.request_id or 0 for failure in failures) == list(range(5, 201, 5))
    for failure in failures:
        assert f"broken-{failure.request_id}.png" in failure.sentence
    for report in reports:
        assert (report.source.name, report.view) == (f"{report.id}.png", f"view-{report.id}")
    assert len(run.of(Report)) == 160
    assert len(run.of(Failure)) == 40
    assert len(run.of(ModelReady)) == 1


# --- what is superseded ---


def test_newer_request_of_a_view_supersedes_the_one_that_is_decoded(
    run: Running, model: Path, slow_picture: Path
) -> None:
    run.pipeline.load(ModelRef(model), CPU)
    run.wait_for(ModelReady)
    run.pipeline.submit(request(model, 1, view="main", source=FileSource(slow_picture)))
    run.wait_until(lambda: run.pipeline._decodes.shown.under_way, "decoding did not start")
    run.pipeline.submit(request(model, 2, view="main"))
    assert run.wait_for(Report)[0].id == 2
    run.settle()
    assert [type(record) for record in run.records] == [ModelReady, FrameReady, Report]


def test_newer_request_of_a_view_supersedes_one_that_waits_for_its_model(
    run: Running, tiny_checkpoint: WriteCheckpoint
) -> None:
    """The old one becomes ready to be decoded while the new one waits for the decoder, under the same slot."""
    quick, late = tiny_checkpoint(name="quick"), tiny_checkpoint(name="late")
    run.pipeline.load(ModelRef(quick), CPU)
    run.wait_for(ModelReady)
    run.hold()
    run.pipeline.submit(request(late, 1, view="main"))
    run.wait_for(FrameReady)
    run.wait_until(lambda: run.pipeline._waiting, "it does not wait for its model")
    with run.pipeline._lock:
        run.pipeline._decodes.shown.busy = 1  # as if another picture were being decoded
    run.pipeline.submit(request(quick, 2, view="main"))
    run.go()
    run.wait_for(ModelReady, 2)
    run.wait_until(lambda: not run.pipeline._waiting, "the old picture still waits")
    with run.pipeline._lock:
        run.pipeline._decodes.shown.busy = 0
    run.pipeline._decodes.feed()
    assert [report.id for report in run.wait_for(Report)] == [2]


def test_newer_request_supersedes_the_older_ones_whatever_their_stage(run: Running, model: Path) -> None:
    for number in range(1, 31):
        run.pipeline.submit(request(model, number, view="main"))
        time.sleep(0.004 * (number % 4))
    run.wait_until(lambda: any(report.id == 30 for report in run.of(Report)), "the newest was lost")
    run.settle()
    ids = [report.id for report in run.of(Report)]
    assert ids == sorted(set(ids))
    assert ids[-1] == 30
    assert run.of(Failure) == []


def test_failure_of_a_superseded_request_is_not_published(run: Running, model: Path) -> None:
    run.hold()
    run.pipeline.submit(request(model, 1, view="main", source=broken()))
    run.pipeline.submit(request(model, 2, view="main"))
    run.go()
    run.wait_for(Report)
    run.settle()
    assert run.of(Failure) == []


def test_views_do_not_supersede_each_other(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model, 1, view="left"))
    run.pipeline.submit(request(model, 2, view="right"))
    assert {(report.id, report.view) for report in run.wait_for(Report, 2)} == {(1, "left"), (2, "right")}


def test_cancelled_view_hears_nothing_more(run: Running, model: Path, slow_picture: Path) -> None:
    run.pipeline.submit(request(model, 1, view="gone", source=FileSource(slow_picture)))
    run.pipeline.submit(request(model, 2, view="stays"))
    run.pipeline.cancel("gone")
    run.pipeline.cancel("unknown")
    run.wait_for(Report)
    run.settle()
    assert {getattr(record, "view", "stays") for record in run.records} == {"stays"}


def test_cancelled_view_can_be_used_again(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model, 1, view="main"))
    run.pipeline.cancel("main")
    run.pipeline.submit(request(model, 2, view="main"))
    run.wait_until(lambda: [report.id for report in run.of(Report)] == [2], "the second did not come")


# --- models ---


def test_model_is_announced_once_however_many_pictures_want_it(run: Running, model: Path) -> None:
    run.hold()
    run.pipeline.load(ModelRef(model), CPU)
    for number in range(1, 6):
        run.pipeline.submit(request(model, number))
    run.go()
    run.wait_for(Report, 5)
    run.settle()
    assert len(run.of(ModelReady)) == 1


def test_loading_a_loaded_model_announces_it_again(run: Running, model: Path) -> None:
    run.pipeline.load(ModelRef(model), CPU)
    run.wait_for(ModelReady)
    run.pipeline.load(ModelRef(model), CPU)
    assert len({ready.ref for ready in run.wait_for(ModelReady, 2)}) == 1


def test_model_that_does_not_load_fails_once_and_so_does_each_waiting_picture(run: Running, tmp_path: Path) -> None:
    run.hold()
    for number in (1, 2):
        run.pipeline.submit(request(tmp_path / "gone", number))
    run.wait_for(FrameReady, 2)
    run.wait_until(lambda: sum(map(len, run.pipeline._waiting.values())) == 2, "they do not wait for their model")
    run.go()
    failures = run.wait_for(Failure, 3)
    run.settle()
    assert sorted((failure.request_id or 0, failure.source_name) for failure in failures) == [
        (0, "gone"),
        (1, "1.png"),
        (2, "2.png"),
    ]
    assert all("no file or folder “gone”" in failure.sentence for failure in failures)
    assert len(run.of(Failure)) == 3


def test_picture_that_is_decoded_after_its_model_failed_fails_too(
    run: Running, tmp_path: Path, slow_picture: Path
) -> None:
    run.pipeline.submit(request(tmp_path / "gone", 1, source=FileSource(slow_picture)))
    failures = run.wait_for(Failure, 2)
    assert [failure.request_id for failure in failures] == [None, 1]
    assert run.pipeline._waiting == {}


def test_model_that_failed_is_tried_again_for_the_next_picture(
    run: Running, tmp_path: Path, tiny_checkpoint: WriteCheckpoint
) -> None:
    run.pipeline.submit(request(tmp_path / "tiny", 1))
    run.wait_for(Failure, 2)
    tiny_checkpoint()
    run.pipeline.submit(request(tmp_path / "tiny", 2))
    assert run.wait_for(Report)[0].id == 2


def test_failing_model_leaves_the_others_running(run: Running, model: Path, tmp_path: Path) -> None:
    run.pipeline.submit(request(tmp_path / "gone", 1))
    run.pipeline.submit(request(model, 2))
    assert run.wait_for(Report)[0].id == 2
    assert {failure.request_id for failure in run.wait_for(Failure, 2)} == {None, 1}


def test_evicted_model_is_loaded_again_for_a_picture(tiny_checkpoint: WriteCheckpoint) -> None:
    one, two = tiny_checkpoint(name="one"), tiny_checkpoint(name="two")
    with running(lambda: Engine(model_budget_bytes=1)) as run:
        for number, path in enumerate((one, two, one), 1):
            run.pipeline.submit(request(path, number))
            run.wait_for(Report, number)
        assert [report.model.path for report in run.of(Report)] == [one, two, one]


def test_unforeseen_error_is_told_and_the_next_step_runs(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    made: list[int] = []

    def make_engine() -> Engine:
        made.append(1)
        if len(made) == 1:
            raise ZeroDivisionError("on purpose")
        return Engine()

    with running(make_engine) as run, caplog.at_level(logging.ERROR):
        run.pipeline.load(ModelRef(model), CPU)
        failure = run.wait_for(Failure)[0]
        assert "ZeroDivisionError: on purpose" in failure.sentence
        assert "make_engine" in failure.detail
        run.pipeline.submit(request(model))
        run.wait_for(Report)
    assert "on purpose" in caplog.text


def test_receiver_that_raises_stops_nothing(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running() as run:
        take = run.pipeline._publish

        def publish(record: object) -> None:
            take(record)
            if isinstance(record, FrameReady):
                raise RuntimeError("the window is gone")  # noqa: TRY004

        run.pipeline._publish = publish
        for number in (1, 2, 3):
            run.pipeline.submit(request(model, number))
        run.wait_for(Report, 3)
    assert "FrameReady could not be published" in caplog.text


# --- priorities and questions ---


def test_steps_run_by_priority(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model, 1))
    run.wait_for(Report)
    run.hold()
    for number in range(2, 6):
        run.pipeline.submit(request(model, number, priority=Priority.FOLDER))
    run.pipeline.submit(request(model, 6, priority=Priority.DROPPED))
    run.wait_until(lambda: len(run.pipeline._steps) == 5, "not all are decoded")
    run.pipeline.ask(PatchRequest(1, 0, 3))
    before = len(run.records)
    run.go()
    run.wait_for(Report, 6)
    order = [record for record in run.records[before:] if isinstance(record, Report | PatchReport)]
    assert isinstance(order[0], PatchReport)
    ids = [report.id for report in order[1:] if isinstance(report, Report)]
    assert ids[0] == 6
    assert sorted(ids[1:]) == [2, 3, 4, 5]  # a folder's are decoded side by side


def test_what_was_dropped_does_not_wait_for_a_folder(run: Running, model: Path) -> None:
    run.pipeline.load(ModelRef(model), CPU)
    run.wait_for(ModelReady)
    folder = run.pipeline._decodes.folder
    with run.pipeline._lock:
        folder.busy = folder.most  # as if all were at large pictures
    for number in range(1, 5):
        run.pipeline.submit(request(model, number, priority=Priority.FOLDER))
    run.pipeline.submit(request(model, 5, priority=Priority.DROPPED))
    assert [report.id for report in run.wait_for(Report)] == [5]
    with run.pipeline._lock:
        folder.busy = 0
    run.pipeline._decodes.feed()
    run.wait_for(Report, 5)
    assert sorted(frame.request_id for frame in run.of(FrameReady)) == [1, 2, 3, 4, 5]


def test_questions_about_a_report_are_answered(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model))
    report = run.wait_for(Report)[0]
    run.pipeline.ask(PatchRequest(1, 2, 7))
    run.pipeline.ask(ClassRequest(1, report.predictions[0].index))
    assert run.wait_for(PatchReport)[0].request == PatchRequest(1, 2, 7)
    assert run.wait_for(ClassReport)[0].prediction == report.predictions[0]


def test_newer_question_of_a_kind_replaces_one_that_waits(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model))
    run.wait_for(Report)
    run.hold()
    for patch in range(10):
        run.pipeline.ask(PatchRequest(1, 0, patch))
    run.pipeline.ask(ClassRequest(1, 4))
    run.go()
    run.wait_for(ClassReport)
    run.settle()
    assert [answer.request.patch for answer in run.of(PatchReport)] == [9]


def test_evicted_detail_is_had_again_and_the_newest_questions_answered(model: Path) -> None:
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        for number in (1, 2):
            run.pipeline.submit(request(model, number))
            run.wait_for(Report, number)
        forget_inputs(run.pipeline)
        decodings = watch_decodings(run.pipeline)
        run.hold()
        with run.pipeline._lock:
            run.pipeline._decodes.shown.busy = 1  # as if another picture were being decoded
        for question in (PatchRequest(1, 0, 5), PatchRequest(1, 1, 9), ClassRequest(1, 3)):
            run.pipeline.ask(question)
            run.pipeline.step()  # finds the detail evicted
        with run.pipeline._lock:
            run.pipeline._decodes.shown.busy = 0
        run.pipeline._decodes.feed()
        run.go()
        answer = run.wait_for(PatchReport)[0]
        assert (answer.request, run.wait_for(ClassReport)[0].request) == (PatchRequest(1, 1, 9), ClassRequest(1, 3))
        run.settle()
        assert len(run.of(Report)) == 2  # what is on the screen is not published again
        assert len(run.of(FrameReady)) == 2
        assert len(decodings) == 1

    with running() as run:
        run.pipeline.submit(request(model, 1))
        run.wait_for(Report)
        run.pipeline.ask(PatchRequest(1, 1, 9))
        np.testing.assert_array_equal(run.wait_for(PatchReport)[0].reads, answer.reads)


def test_questions_that_come_while_a_picture_runs_again_share_that_run(model: Path, slow_picture: Path) -> None:
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        for number, source in ((1, FileSource(slow_picture)), (2, None)):
            run.pipeline.submit(request(model, number, source=source))
            run.wait_for(Report, number)
        forget_inputs(run.pipeline)
        decodings = watch_decodings(run.pipeline)
        for count, question in enumerate((PatchRequest(1, 0, 5), ClassRequest(1, 3)), 1):
            run.pipeline.ask(question)
            run.wait_until(
                lambda count=count: len(run.pipeline._queries._waiting.get(1, {})) == count, "it does not wait"
            )
        assert not decodings[0].done()
        run.wait_for(PatchReport)
        run.wait_for(ClassReport)
        run.settle()
        assert len(decodings) == 1


def test_folder_picture_is_asked_about_without_having_been_kept(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model, 1, priority=Priority.FOLDER))
    run.wait_for(Report)
    run.pipeline.ask(ClassRequest(1, 2))
    assert run.wait_for(ClassReport)[0].request == ClassRequest(1, 2)


def test_two_reports_that_evict_each_other_are_both_answered(model: Path) -> None:
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        for number in (1, 2):
            run.pipeline.submit(request(model, number))
            run.wait_for(Report, number)
        for turn in range(4):
            run.pipeline.ask(PatchRequest(1, 0, turn))
            run.pipeline.ask(ClassRequest(2, turn))
            run.wait_for(PatchReport, turn + 1)
            run.wait_for(ClassReport, turn + 1)


def test_question_whose_file_is_gone_fails_by_name(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "fleeting.png"
    path.write_bytes(png())
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        run.pipeline.submit(request(model, 1, source=FileSource(path)))
        run.wait_for(Report)
        run.pipeline.submit(request(model, 2))
        run.wait_for(Report, 2)
        path.unlink()
        run.pipeline.ask(PatchRequest(1, 0, 1))  # what the network saw is remembered longer than what it made of it
        assert run.wait_for(PatchReport)[0].request == PatchRequest(1, 0, 1)
        run.settle()
        run.pipeline.submit(request(model, 3))
        run.wait_for(Report, 3)
        forget_inputs(run.pipeline)
        run.pipeline.ask(PatchRequest(1, 0, 0))
        failed = run.wait_for(QuestionFailed)[0]
        assert failed.question == PatchRequest(1, 0, 0)
        assert "fleeting.png" in failed.sentence
        assert run.of(Failure) == []
        path.write_bytes(png())
        run.pipeline.ask(PatchRequest(1, 0, 0))
        run.wait_for(PatchReport, 2)


def test_question_about_an_edited_picture_whose_file_is_gone_is_what_fails(model: Path, tmp_path: Path) -> None:
    """Not the edit: it was answered long ago."""
    path = tmp_path / "fleeting.png"
    path.write_bytes(png())
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        plain = request(model, 1, view="main", source=FileSource(path))
        run.pipeline.submit(plain)
        run.wait_for(Report)
        run.pipeline.submit(replace(plain, id=2, edits=(Erase(frozenset({3})),), display_edge=0))
        run.wait_for(Report, 2)
        run.pipeline.submit(request(model, 3))
        run.wait_for(Report, 3)
        path.unlink()
        forget_inputs(run.pipeline)
        for report_id in (1, 2):
            run.pipeline.ask(PatchRequest(report_id, 0, 0))
            failed = run.wait_for(QuestionFailed, report_id)[-1]
            assert failed.question == PatchRequest(report_id, 0, 0)
            assert "fleeting.png" in failed.sentence
        run.settle()
        assert run.of(Failure) == []


def test_reports_on_the_screen_can_be_asked_about_after_many_edits(model: Path) -> None:
    """The picture's own, the last edit's, and that of a pasted picture beside it; nothing is kept but requests."""
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        run.pipeline.submit(request(model, 1))
        run.wait_for(Report)
        plain = request(model, 2, view="edited")
        run.pipeline.submit(plain)
        run.wait_for(Report, 2)
        for number in range(3, 23):
            edits = tuple(Erase(frozenset({patch % 16})) for patch in range(3, number + 1))
            run.pipeline.submit(replace(plain, id=number, edits=edits, display_edge=0))
            run.wait_for(Report, number)
        run.hold()
        run.pipeline.submit(replace(plain, id=23, edits=(Swap(0, 1),), display_edge=0))  # the stroke goes on
        first = {report.id: report.predictions[0] for report in run.of(Report)}
        for report_id in (1, 2, 22):
            run.pipeline.ask(ClassRequest(report_id, first[report_id].index))
        run.go()
        for answer in run.wait_for(ClassReport, 3):
            assert answer.prediction.logit == pytest.approx(first[answer.request.report_id].logit, abs=1e-5)
        assert run.of(QuestionFailed) == []


def test_remembered_picture_waits_for_no_decoding(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model, 1, view="main"))
    run.wait_for(Report)
    with run.pipeline._lock:
        run.pipeline._decodes.shown.busy = 1  # as if another picture were being decoded
    run.pipeline.submit(request(model, 2))  # and one waits for it
    run.pipeline.submit(replace(request(model, 1), id=3, view="main", edits=(Erase(frozenset({2})),), display_edge=0))
    assert run.wait_for(Report, 2)[1].id == 3
    with run.pipeline._lock:
        run.pipeline._decodes.shown.busy = 0
    run.pipeline._decodes.feed()
    assert run.wait_for(Report, 3)[2].id == 2


def test_picture_that_is_edited_stays_remembered_while_a_folder_is_decoded(run: Running, model: Path) -> None:
    edited_picture = request(model, 1, view="main")
    run.pipeline.submit(edited_picture)
    run.wait_for(Report)
    decodings = watch_decodings(run.pipeline)
    for number in range(2, 2 + INPUTS_KEPT + 4):
        run.pipeline.submit(request(model, number, priority=Priority.FOLDER))
        run.wait_until(lambda number=number: len(run.of(Report)) >= 2 * number - 2, "no report came")
        edits = (Erase(frozenset({number % 16})),)
        run.pipeline.submit(replace(edited_picture, id=100 + number, edits=edits, display_edge=0))
        run.wait_until(lambda number=number: len(run.of(Report)) >= 2 * number - 1, "no report came")
    assert len(decodings) == INPUTS_KEPT + 4


def test_removed_picture_is_not_remembered_by_its_bytes(run: Running, model: Path) -> None:
    for number in (1, 2):
        run.pipeline.submit(request(model, number))
        run.wait_for(Report, number)
    run.pipeline.cancel("view-1")
    assert [source.name for source, _, _ in run.pipeline._decodes._inputs] == ["2.png"]


def test_question_that_fills_the_gpu_is_answered_on_the_cpu_with_a_notice(run: Running, model: Path) -> None:
    """There may be no GPU here: its error is raised from inside the network."""
    run.pipeline.submit(request(model, 1))
    report = run.wait_for(Report)[0]
    engine, full = run.pipeline._engine, [True]
    assert engine is not None

    def out_of_memory(*_: object) -> None:
        if full and full.pop():
            raise torch.OutOfMemoryError("CUDA out of memory")

    engine._detail(1).classifier.model.register_forward_pre_hook(out_of_memory)
    run.pipeline.ask(PermutationRequest(1))
    assert run.wait_for(PermutationReport)[0].original[0] == report.predictions[0]
    told = run.of(ModelReady)[-1]
    assert told.notices == (f"The GPU ran out of memory; {report.model.name} runs on the CPU now.",)
    assert "too little memory" in told.device.reason
    assert (told.ref, told.info) == (ModelRef(model), report.model)
    run.settle()
    assert len(run.of(ModelReady)) == 2
    assert len(run.of(Report)) == 1


def test_gpu_that_is_full_when_a_picture_runs_again_is_told(model: Path) -> None:
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        for number in (1, 2):
            run.pipeline.submit(request(model, number))
            run.wait_for(Report, number)
        engine = run.pipeline._engine
        assert engine is not None
        classifier, full = engine._detail(2).classifier, [True]

        def out_of_memory(*_: object) -> None:
            classifier.device = torch.device("cpu")  # the tensors are there
            if full:
                full.pop()
                classifier.device = torch.device("cuda")
                engine._details.clear()  # so that it falls back at once
                raise torch.OutOfMemoryError("CUDA out of memory")

        classifier.model.register_forward_pre_hook(out_of_memory)
        run.pipeline.ask(PatchRequest(1, 0, 0))
        run.wait_for(PatchReport)
        assert [ready.notices for ready in run.of(ModelReady)] == [
            (),
            (f"The GPU ran out of memory; {run.of(Report)[0].model.name} runs on the CPU now.",),
        ]


def test_picture_on_the_screen_is_run_with_edits_without_being_decoded_again(model: Path) -> None:
    source = BytesSource("shown.png", png())
    with running() as run:
        run.pipeline.submit(request(model, 1, source=source))
        plain = run.wait_for(Report)[0]
        assert plain.pixels is not None
        decodings = watch_decodings(run.pipeline)
        edits = (Erase(frozenset({2, 3})), Swap(0, 1))
        run.pipeline.submit(replace(request(model, 2, source=source), edits=edits, display_edge=0))
        answer = run.wait_for(Report, 2)[1]
        assert decodings == []
        assert len(run.of(FrameReady)) == 1
        assert answer.edits == edits
        assert answer.pixels is not None
        mean = mean_colour(plain.model.preprocessing)
        np.testing.assert_array_equal(answer.pixels, edited(plain.pixels, plain.model.grid, edits, mean))
        assert answer.predictions[0].logit != plain.predictions[0].logit
        run.pipeline.submit(replace(request(model, 3, source=source), display_edge=0))
        again = run.wait_for(Report, 3)[2]
        assert [each.logit for each in again.predictions] == [each.logit for each in plain.predictions]
        run.pipeline.submit(
            replace(request(model, 4, source=source), edits=(Erase(frozenset({9999})),), display_edge=0)
        )
        assert "does not fit" in run.wait_for(Failure)[0].sentence


def test_question_about_an_unknown_report_fails_with_a_sentence(run: Running, model: Path) -> None:
    run.pipeline.ask(PatchRequest(99, 0, 0))
    run.pipeline.submit(request(model))
    run.wait_for(Report)
    run.settle()
    (failed,) = run.of(QuestionFailed)
    assert failed.question == PatchRequest(99, 0, 0)
    assert "not in memory any more" in failed.sentence
    assert run.of(Failure) == []


def test_removed_picture_that_is_put_back_can_still_be_asked_about(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model, 1))
    run.wait_for(Report)
    run.pipeline.cancel("view-1")
    run.settle()
    run.pipeline.ask(PatchRequest(1, 0, 0))
    run.wait_for(PatchReport)


def test_impossible_question_is_told_and_the_next_one_answered(run: Running, model: Path) -> None:
    run.pipeline.submit(request(model, 1))
    run.wait_for(Report)
    run.pipeline.ask(PatchRequest(1, 77, 0))
    failed = run.wait_for(QuestionFailed)[0]
    assert failed.question == PatchRequest(1, 77, 0)
    assert "has no layer 78" in failed.sentence
    assert run.of(Failure) == []
    run.pipeline.ask(PatchRequest(1, 0, 0))
    run.wait_for(PatchReport)


# --- addresses ---


def test_picture_at_an_address_is_fetched_with_progress(run: Running, model: Path, server: PictureServer) -> None:
    run.pipeline.submit(request(model, source=AddressSource(f"{server.address}/cat.png")))
    report = run.wait_for(Report)[0]
    assert report.source == BytesSource("cat.png", server.picture)
    assert (report.picture_width, report.picture_height) == (400, 300)
    last = run.of(Progress)[-1]
    assert last == Progress(1, "fetch", len(server.picture), len(server.picture))


@pytest.mark.parametrize(
    ("path", "said"), [("status/404", "404"), ("claims/60000000", "larger than 50 MB"), ("cut", "could not be fetched")]
)
def test_address_that_gives_no_picture_fails_with_its_reason(
    run: Running, model: Path, server: PictureServer, path: str, said: str
) -> None:
    run.pipeline.submit(request(model, source=AddressSource(f"{server.address}/{path}")))
    failure = next(failure for failure in run.wait_for(Failure) if failure.request_id == 1)
    assert said in failure.sentence


def test_redirect_leads_to_the_picture(run: Running, model: Path, server: PictureServer) -> None:
    run.pipeline.submit(request(model, source=AddressSource(f"{server.address}/redirect?/other.png")))
    assert run.wait_for(Report)[0].picture_width == 400


def test_what_is_no_picture_at_an_address_fails_by_name(run: Running, model: Path) -> None:
    with serving(b"<html>not a picture</html>") as server:
        run.pipeline.submit(request(model, source=AddressSource(f"{server.address}/page.html")))
        assert "page.html" in run.wait_for(Failure)[0].sentence


def test_data_address_is_classified_and_a_broken_one_told(run: Running, model: Path) -> None:
    payload = base64.b64encode(png()).decode()
    run.pipeline.submit(request(model, 1, source=AddressSource(f"data:image/png;base64,{payload}")))
    run.pipeline.submit(request(model, 2, source=AddressSource("data:image/png;base64,*")))
    assert run.wait_for(Report)[0].id == 1
    failure = run.wait_for(Failure)[0]
    assert failure.request_id == 2
    assert "base64" in failure.sentence


@pytest.mark.parametrize("path", ["mute", "stall", "drip"])
def test_cancelling_a_slow_address_ends_it_in_silence(
    run: Running, model: Path, server: PictureServer, path: str
) -> None:
    run.pipeline.submit(request(model, 1, view="main", source=AddressSource(f"{server.address}/{path}")))
    assert server.reached.wait(10)
    run.pipeline.cancel("main")
    run.wait_until(lambda: "transfer" not in leftovers(), "the transfer goes on")
    run.settle()
    assert run.of(Failure) == []


def test_slow_address_holds_up_neither_other_addresses_nor_folders(
    run: Running, model: Path, server: PictureServer, tmp_path: Path
) -> None:
    run.pipeline.submit(request(model, 1, source=AddressSource(f"{server.address}/mute")))
    assert server.reached.wait(10)
    run.pipeline.submit(request(model, 2, source=AddressSource(f"{server.address}/cat.png")))
    run.pipeline.find_sources((tmp_path,))
    assert run.wait_for(Report)[0].id == 2
    run.wait_for(SourcesFound)


def test_fetched_picture_is_asked_about_without_fetching_it_again(model: Path, server: PictureServer) -> None:
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        run.pipeline.submit(request(model, 1, source=AddressSource(f"{server.address}/cat.png")))
        run.wait_for(Report)
        run.pipeline.submit(request(model, 2))
        run.wait_for(Report, 2)
        run.pipeline.ask(PatchRequest(1, 0, 0))
        run.wait_for(PatchReport)
    assert len(server.headers) == 1


# --- looking at files ---


def test_folder_is_listed_in_order_and_files_are_passed_on(run: Running, tmp_path: Path) -> None:
    for name in ("10.png", "2.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "3.png").touch()
    odd = tmp_path / "notes.txt"
    run.pipeline.find_sources((tmp_path, odd))
    found = run.wait_for(SourcesFound)[0]
    assert found == SourcesFound(tuple(FileSource(path) for path in (tmp_path / "2.png", tmp_path / "10.png", odd)), 0)


def test_pictures_beyond_the_limit_are_counted(run: Running, tmp_path: Path) -> None:
    for number in range(512):
        (tmp_path / f"{number}.png").touch()
    run.pipeline.find_sources((tmp_path,))
    found = run.wait_for(SourcesFound)[0]
    assert (len(found.sources), found.left_out) == (500, 12)


def test_path_that_the_system_refuses_is_passed_on_with_the_others(run: Running, tmp_path: Path) -> None:
    (tmp_path / "cat.png").touch()
    impossible = tmp_path / ("x" * 5000)
    run.pipeline.find_sources((impossible, tmp_path))
    assert run.wait_for(SourcesFound)[0].sources == (FileSource(impossible), FileSource(tmp_path / "cat.png"))


def test_checkpoint_is_inspected(run: Running, model: Path) -> None:
    run.pipeline.inspect(InspectRequest(model))
    assert run.wait_for(ModelInspected)[0] == ModelInspected(model)
    run.pipeline.inspect(InspectRequest(model / "model.safetensors"))
    bare = run.wait_for(ModelInspected, 2)[1]
    assert bare.digest is not None
    assert len(bare.digest) == 64
    assert isinstance(bare.likely, Assumptions)
    assert bare.likely.mean == (0.5, 0.5, 0.5)


def test_file_that_is_no_checkpoint_fails_when_inspected(run: Running, tmp_path: Path) -> None:
    (tmp_path / "notes.pth").write_bytes(b"not weights")
    run.pipeline.inspect(InspectRequest(tmp_path / "notes.pth"))
    failure = run.wait_for(Failure)[0]
    assert failure.request_id is None
    assert "notes.pth" in failure.sentence


# --- closing ---


def children() -> list[int | None]:
    return [child.pid for child in multiprocessing.active_children()]


MOMENTS: dict[str, Callable[[Running, Path, Path, PictureServer], object]] = {
    "at once": lambda run, model, slow, server: None,
    "while it loads": lambda run, model, slow, server: run.pipeline.submit(request(default_model())),
    "while it decodes": lambda run, model, slow, server: (
        run.pipeline.submit(request(model, source=FileSource(slow))),
        run.wait_until(lambda: run.pipeline._decodes.shown.under_way, "decoding did not start"),
    ),
    "while it fetches": lambda run, model, slow, server: (
        run.pipeline.submit(request(model, source=AddressSource(f"{server.address}/mute"))),
        server.reached.wait(10),
    ),
    "with much that waits": lambda run, model, slow, server: [
        run.pipeline.submit(request(model, number)) for number in range(1, 100)
    ],
    "when it is idle": lambda run, model, slow, server: (run.pipeline.submit(request(model)), run.wait_for(Report)),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_closing_at_any_moment_leaves_no_thread_and_no_process(
    moment: str, model: Path, slow_picture: Path, server: PictureServer
) -> None:
    run = Running()
    run.start()
    try:
        MOMENTS[moment](run, model, slow_picture, server)
    finally:
        started = time.monotonic()
        run.close()
    run.wait_until(lambda: not leftovers(), "a thread is left")
    assert children() == []
    assert time.monotonic() - started < 10  # a generous bound: the server would hold on for 20 s
    published = len(run.records)
    run.pipeline.close()
    run.pipeline.submit(request(model, 500))
    run.pipeline.submit(request(model, 501, source=AddressSource("http://127.0.0.1/")))
    run.pipeline.find_sources((model,))
    run.pipeline.load(ModelRef(model), CPU)
    run.pipeline.ask(PatchRequest(1, 0, 0))
    run.pipeline.cancel("view-1")
    assert run.pipeline.step() is False
    assert len(run.records) == published
    assert leftovers() == []


def test_closing_again_and_again_from_several_threads_is_harmless(model: Path) -> None:
    for number in range(8):
        run = Running()
        run.start()
        run.pipeline.submit(request(model))
        time.sleep(0.02 * number)
        closers = [threading.Thread(target=run.pipeline.close) for _ in range(3)]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()
        run.close()
    assert children() == []
    assert leftovers() == []
