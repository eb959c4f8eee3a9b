"""Long computations through the real pipeline: progress, results, cancelling, and that no question waits for them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import request
from running import Running, running

from mixer_gui.engine.answers.long import MOST_PICTURES, STEP_MS, Pace
from mixer_gui.engine.engine import Engine
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.pictures.edits import blurred
from mixer_gui.records import (
    AttributionJob,
    AttributionMethod,
    AttributionReport,
    ClassReport,
    ClassRequest,
    FaithfulnessJob,
    FaithfulnessReport,
    Job,
    JobEnded,
    JobProgress,
    JobResult,
    PatchReport,
    PatchRequest,
    RankedMap,
    Report,
)
from mixer_gui.resources import default_model

LIMIT = 1e-4
STEPS_BEFORE_AN_ANSWER = 2

WriteCheckpoint = Callable[..., Path]
RecordProperty = Callable[[str, object], None]


@pytest.fixture
def model(tiny_checkpoint: WriteCheckpoint) -> Path:
    return tiny_checkpoint()


def classified(run: Running, model: Path, number: int = 1) -> Report:
    run.pipeline.submit(request(model, number))
    run.wait_until(lambda: any(each.id == number for each in run.of(Report)), "no report came")
    return next(each for each in run.of(Report) if each.id == number)


def logits_of(model: Path, *pictures: np.ndarray) -> torch.Tensor:
    """Logits in float64-normalised fp32 of uint8 or float pictures (H, W, 3), each run by itself."""
    checkpoint = load_checkpoint(request(model).model)
    preprocessing = checkpoint.info.preprocessing
    mean, std = np.array(preprocessing.mean), np.array(preprocessing.std)
    images = [torch.from_numpy((picture / 255 - mean) / std).float().permute(2, 0, 1) for picture in pictures]
    with torch.inference_mode():
        return torch.cat([checkpoint.model(image[None])[0] for image in images])


def mean_of(model: Path) -> np.ndarray:
    return 255 * np.array(load_checkpoint(request(model).model).info.preprocessing.mean)


def with_patch(picture: np.ndarray, patch: int, content: np.ndarray) -> np.ndarray:
    """Patches are 8×8 on a grid of 4×4."""
    changed = picture.astype(np.float64)
    rows, columns = slice(patch // 4 * 8, patch // 4 * 8 + 8), slice(patch % 4 * 8, patch % 4 * 8 + 8)
    changed[rows, columns] = np.broadcast_to(content, picture.shape)[rows, columns]
    return changed


def told(record_property: RecordProperty, what: str, found: object, expected: object) -> None:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    worst = float(np.abs(found - expected).max() / np.abs(expected).max())
    record_property(f"largest relative difference, {what}", worst)
    print(f"{what}: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def check_progress(run: Running, job_id: int) -> None:
    progress = [each for each in run.of(JobProgress) if each.job_id == job_id]
    done = [each.done for each in progress]
    assert done == sorted(set(done))
    assert done[0] >= 1
    assert len({each.total for each in progress}) == 1
    assert done[-1] == progress[0].total
    assert isinstance(run.records[-1], JobEnded)


def test_occlusion_is_told_of_as_it_goes_and_right(run: Running, model: Path, record_property: RecordProperty) -> None:
    report = classified(run, model)
    job = AttributionJob(7, report.id, 2, AttributionMethod.OCCLUSION)
    run.pipeline.start_job(job)
    assert run.wait_for(JobEnded) == [JobEnded(7)]
    check_progress(run, 7)
    (result,) = run.of(AttributionReport)
    assert result.job == job
    assert report.pixels is not None
    mean = mean_of(model)
    logits = logits_of(model, report.pixels, *(with_patch(report.pixels, patch, mean) for patch in range(16)))[:, 2]
    told(record_property, "occlusion", result.values, logits[0] - logits[1:])
    whole = logits[0] - logits_of(model, np.broadcast_to(mean, report.pixels.shape))[0, 2]
    told(record_property, "occlusion's remainder", result.remainder, whole - result.values.sum())


def test_integrated_gradients_are_right_and_say_what_they_lack(
    run: Running, model: Path, record_property: RecordProperty
) -> None:
    report = classified(run, model)
    job = AttributionJob(8, report.id, 1, AttributionMethod.INTEGRATED_GRADIENTS, steps=40)
    run.pipeline.start_job(job)
    assert run.wait_for(JobEnded) == [JobEnded(8)]
    check_progress(run, 8)
    (result,) = run.of(AttributionReport)
    checkpoint = load_checkpoint(request(model).model)
    preprocessing = checkpoint.info.preprocessing
    assert report.pixels is not None
    picture = (report.pixels / 255 - np.array(preprocessing.mean)) / np.array(preprocessing.std)
    image = torch.from_numpy(picture).float().permute(2, 0, 1)
    expected = torch.zeros(4, 4)
    for step in range(40):
        point = ((step + 0.5) / 40 * image).requires_grad_()
        checkpoint.model(point[None])[0][0, 1].backward()
        assert point.grad is not None
        expected += (point.grad * image).view(3, 4, 8, 4, 8).sum((0, 2, 4)) / 40
    told(record_property, "integrated gradients", result.values, expected.flatten())
    lacking = float(np.diff(logits_of(model, np.broadcast_to(mean_of(model), picture.shape), report.pixels)[:, 1])[0])
    told(record_property, "remainder and sum", result.values.sum() + result.remainder, lacking)


def test_faithfulness_curves_grow_and_are_right(run: Running, model: Path, record_property: RecordProperty) -> None:
    report = classified(run, model)
    drawn = np.random.default_rng(4).normal(size=(2, 16)).astype(np.float32)
    maps = (RankedMap("first", drawn[0]), RankedMap("second", drawn[1]))
    job = FaithfulnessJob(9, report.id, 3, maps, patches_per_step=3)
    run.pipeline.start_job(job)
    assert run.wait_for(JobEnded) == [JobEnded(9)]
    check_progress(run, 9)
    partial = run.of(FaithfulnessReport)
    lengths = [sum(len(each.deletion) + len(each.insertion) for each in found.curves) for found in partial]
    assert lengths == sorted(lengths)
    assert len(partial) > 3
    assert [found.is_complete for found in partial] == [False] * (len(partial) - 1) + [True]
    assert partial[0].curves[1].deletion_area is None

    assert report.pixels is not None
    mean, blurry = np.broadcast_to(mean_of(model), report.pixels.shape), blurred(report.pixels)
    share = np.array([0, 3, 6, 9, 12, 15, 16]) / 16
    told(record_property, "share", partial[-1].share, share)
    temperature = load_checkpoint(request(model).model).info.temperature
    for curves, values in zip(partial[-1].curves, drawn, strict=True):
        for name, start, end in (("deletion", report.pixels, mean), ("insertion", blurry, report.pixels)):
            pictures = [start.astype(np.float64)]
            for patch in np.argsort(-values):
                pictures.append(with_patch(pictures[-1], int(patch), end))
            logits = logits_of(model, *(pictures[round(16 * at)] for at in share)).double() / temperature
            expected = logits.softmax(-1)[:, 3].numpy()
            told(record_property, f"{name}, {curves.name}", getattr(curves, name), expected)
            area = float(np.trapezoid(expected, share))
            told(record_property, f"area of {name}, {curves.name}", getattr(curves, f"{name}_area"), area)
            assert not getattr(curves, name).flags.writeable


def test_cancelled_job_ends_in_the_middle(run: Running) -> None:
    report = classified(run, default_model().path)
    job = FaithfulnessJob(3, report.id, 0, (RankedMap("one", report.update[-1]), RankedMap("two", report.update[0])))
    run.pipeline.start_job(job)
    run.wait_for(FaithfulnessReport, 2)
    run.pipeline.cancel_job(3)
    assert run.wait_for(JobEnded) == [JobEnded(3, cancelled=True)]
    run.settle()
    told_of = [record for record in run.records if isinstance(record, JobProgress | JobResult | JobEnded)]
    assert not any(each.is_complete for each in run.of(FaithfulnessReport))
    # What the step that ran at that moment told may have been on its way.
    assert JobEnded(3, cancelled=True) in told_of[-2:]
    assert len(run.of(JobEnded)) == 1
    run.pipeline.ask(ClassRequest(report.id, 1))  # and the engine is free
    assert run.wait_for(ClassReport)


def test_question_in_the_middle_of_a_job_is_answered_before_the_job_goes_on(run: Running) -> None:
    report = classified(run, default_model().path)
    run.pipeline.start_job(FaithfulnessJob(4, report.id, 0, (RankedMap("one", report.update[-1]),)))
    for number in range(3):
        run.wait_for(FaithfulnessReport, number + 1)
        before = len(run.records)
        run.pipeline.ask(PatchRequest(report.id, layer=number, patch=5))
        run.wait_for(PatchReport, number + 1)
        where = next(i for i, each in enumerate(run.records) if each == run.of(PatchReport)[number])
        between = [each for each in run.records[before:where] if isinstance(each, JobProgress | JobResult)]
        assert len(between) <= STEPS_BEFORE_AN_ANSWER
    assert run.wait_for(JobEnded) == [JobEnded(4)]
    assert run.of(FaithfulnessReport)[-1].is_complete


def test_two_jobs_take_turns(run: Running) -> None:
    report = classified(run, default_model().path)
    run.hold()
    for number in (1, 2):
        run.pipeline.start_job(AttributionJob(number, report.id, number, AttributionMethod.OCCLUSION))
    run.go()
    assert {each.job_id for each in run.wait_for(JobEnded, 2)} == {1, 2}
    order = [each.job_id for each in run.of(JobProgress)]
    assert order[:4] in ([1, 2, 1, 2], [2, 1, 2, 1])
    first, second = sorted(run.of(AttributionReport), key=lambda each: each.job.id)
    assert not np.allclose(first.values, second.values)


def test_job_about_an_evicted_detail_runs_its_picture_again(model: Path) -> None:
    with running(lambda: Engine(detail_budget_bytes=1)) as run:
        first, second = classified(run, model, 1), classified(run, model, 2)
        expected = {}
        for report in (second, first):  # the first one's detail was dropped for the second's
            run.pipeline.start_job(AttributionJob(report.id, report.id, 0, AttributionMethod.OCCLUSION))
            run.wait_for(AttributionReport, len(expected) + 1)
            expected[report.id] = run.of(AttributionReport)[-1].values
        assert run.wait_for(JobEnded, 2)[-1] == JobEnded(1)
        assert first.pixels is not None
        logits = logits_of(
            model, first.pixels, *(with_patch(first.pixels, patch, mean_of(model)) for patch in range(16))
        )[:, 0]
        assert np.allclose(expected[1], logits[0] - logits[1:], atol=1e-5)
        assert len(run.of(Report)) == 2


def test_jobs_about_a_picture_that_runs_again_each_end(model: Path) -> None:
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        first, _ = classified(run, model, 1), classified(run, model, 2)
        run.hold()
        with run.pipeline._lock:
            run.pipeline._decodes.shown.busy = 1  # as if another picture were being decoded
            run.pipeline._decodes._inputs.clear()
        jobs = [AttributionJob(number, first.id, number, AttributionMethod.OCCLUSION) for number in (1, 2)]
        for job in jobs:
            run.pipeline.start_job(job)
            run.pipeline.step()  # finds the detail evicted
        assert len(run.pipeline._queries._waiting[first.id]) == 2
        with run.pipeline._lock:
            run.pipeline._decodes.shown.busy = 0
        run.pipeline._decodes.feed()
        run.go()
        ended = run.wait_for(JobEnded, 2)
        assert sorted((each.job_id, each.cancelled, each.failure) for each in ended) == [(1, False, ""), (2, False, "")]
        assert {each.job.index for each in run.of(AttributionReport)} == {1, 2}


def test_job_that_waits_for_its_picture_ends_when_the_picture_is_let_go(model: Path) -> None:
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        first, _ = classified(run, model, 1), classified(run, model, 2)
        run.hold()
        with run.pipeline._lock:
            run.pipeline._decodes.shown.busy = 1  # as if another picture were being decoded
            run.pipeline._decodes._inputs.clear()
        run.pipeline.start_job(AttributionJob(5, first.id, 0, AttributionMethod.OCCLUSION))
        run.pipeline.step()
        run.pipeline.cancel(first.view)
        assert run.wait_for(JobEnded) == [JobEnded(5, cancelled=True)]


def test_job_about_a_report_that_nobody_remembers_fails_with_a_sentence(run: Running, model: Path) -> None:
    classified(run, model)
    run.pipeline.start_job(AttributionJob(5, 99, 0, AttributionMethod.OCCLUSION))
    (ended,) = run.wait_for(JobEnded)
    assert ended.job_id == 5
    assert "not in memory any more" in ended.failure


def test_impossible_job_fails_and_the_next_one_runs(run: Running, model: Path) -> None:
    report = classified(run, model)
    run.pipeline.start_job(AttributionJob(1, report.id, 999, AttributionMethod.OCCLUSION))
    run.pipeline.start_job(AttributionJob(2, report.id, 0, AttributionMethod.OCCLUSION))
    ended = {each.job_id: each for each in run.wait_for(JobEnded, 2)}
    assert "has no class 1000" in ended[1].failure
    assert ended[2] == JobEnded(2)


def test_job_that_fills_the_gpu_fails_with_a_sentence(run: Running, model: Path) -> None:
    """There may be no GPU here: its error is raised from inside the network, in the middle of a job."""
    report = classified(run, model)
    engine = run.pipeline._engine
    assert engine is not None
    network, passes = engine._detail(report.id).classifier.model, []

    def out_of_memory(*_: object) -> None:
        passes.append(1)
        if len(passes) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")

    network.register_forward_pre_hook(out_of_memory)
    run.pipeline.start_job(AttributionJob(6, report.id, 0, AttributionMethod.OCCLUSION))
    (ended,) = run.wait_for(JobEnded)
    assert ended.failure.startswith("There was not enough memory on the GPU")
    assert not run.of(AttributionReport)
    run.pipeline.ask(PatchRequest(report.id, 0, 0))
    assert run.wait_for(PatchReport)


def test_pace_follows_what_a_picture_takes() -> None:
    pace = Pace()
    assert [len(each) for each in pace.batches(3)] == [1, 1, 1]
    sizes = []
    for batch in pace.batches(200):
        sizes.append(len(batch))
        pace.took(len(batch), 2.0 * len(batch))
    assert sizes[:5] == [1, 2, 4, 8, 16]
    assert max(sizes) == STEP_MS / 2
    assert sum(sizes) == 200
    pace.took(25, 500.0)  # slower by now
    assert pace.pictures == 2
    pace.took(1, 400.0)
    assert pace.pictures == 1
    for _ in range(10):
        pace.took(pace.pictures, 0.0)
    assert pace.pictures == MOST_PICTURES


JOBS = (
    AttributionJob(6, 1, 0, AttributionMethod.OCCLUSION),
    AttributionJob(6, 1, 0, AttributionMethod.INTEGRATED_GRADIENTS),
    FaithfulnessJob(6, 1, 0, (RankedMap("one", np.arange(16, dtype=np.float32)),)),
)


def pictures_in_memory() -> int:
    """As large as the network takes them, also in batches."""
    tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
    return sum(each.shape[-2:] == (32, 32) for each in tensors)


@pytest.mark.parametrize("job", JOBS, ids=["occlusion", "integrated gradients", "faithfulness"])
def test_job_that_waits_holds_nothing_of_its_picture_on_the_device(run: Running, model: Path, job: Job) -> None:
    classified(run, model)
    run.settle()
    engine = run.pipeline._engine
    assert engine is not None
    recording = engine._detail(1).recording
    held = [weakref.ref(tensor) for tensor in (recording.stem, recording.hidden[0], recording.output)]
    del recording
    before = pictures_in_memory()
    run.hold()
    run.pipeline.start_job(job)
    for _ in range(3):
        run.pipeline.step()
    assert len(run.pipeline._steps) == 1
    engine.forget(1)
    gc.collect()
    assert [reference() for reference in held] == [None] * 3
    assert pictures_in_memory() == before
    run.go()
    assert run.wait_for(JobEnded) == [JobEnded(6)]  # and needs it no more


def test_cancelled_job_lets_go_of_its_model_at_once(run: Running, model: Path) -> None:
    classified(run, model)
    run.settle()
    engine = run.pipeline._engine
    assert engine is not None
    network = weakref.ref(engine._detail(1).classifier.model)
    run.hold()
    run.pipeline.start_job(JOBS[0])
    run.pipeline.step()
    engine._classifiers.clear()  # evicted by another
    engine._details.clear()
    gc.collect()
    assert network() is not None
    run.pipeline.cancel_job(6)
    assert len(run.pipeline._steps) == 0
    gc.collect()
    assert network() is None
    assert run.of(JobEnded) == [JobEnded(6, cancelled=True)]


def test_picture_is_not_run_again_for_a_cancelled_job(model: Path) -> None:
    with running(lambda: Engine(detail_budget_bytes=0)) as run:
        first, _ = classified(run, model, 1), classified(run, model, 2)
        run.settle()
        run.hold()
        run.pipeline.start_job(AttributionJob(5, first.id, 0, AttributionMethod.OCCLUSION))
        run.pipeline.step()  # finds the detail evicted
        assert run.pipeline._queries._waiting.keys() == {first.id}
        run.pipeline.cancel_job(5)
        run.go()
        run.settle()
        engine = run.pipeline._engine
        assert engine is not None
        assert list(engine._details) == [2]
        assert run.of(JobEnded) == [JobEnded(5, cancelled=True)]
