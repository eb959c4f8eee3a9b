"""Requests in each precision, through classifier, engine and pipeline; and what is asked about what ran in bf16."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import answer, decoded, request
from running import Running

from mixer_gui.engine import acceptance, device
from mixer_gui.engine.answers.table import ANSWERS, JOBS, STEPWISE, begin_job
from mixer_gui.engine.classifier import Classifier, NotNumbersError
from mixer_gui.engine.engine import Engine
from mixer_gui.engine.graphs import Graphs, cloned
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.records import (
    AttributionJob,
    AttributionMethod,
    AttributionReport,
    ClassReport,
    ClassRequest,
    ConvolutionReport,
    ConvolutionRequest,
    DevicePreference,
    DifferenceRequest,
    Failure,
    FaithfulnessJob,
    FrameReport,
    FrameRequest,
    GradientRequest,
    Job,
    LiveFrame,
    MixerGuiError,
    MixingRequest,
    ModelRef,
    PatchRequest,
    PermutationRequest,
    Precision,
    PrecisionPreference,
    Priority,
    Question,
    RankedMap,
    ReachRequest,
    Report,
    RolloutRequest,
    UnitRequest,
    UnitsRequest,
)

CPU = DevicePreference.CPU
AUTO, FP32, BF16, FP16 = PrecisionPreference

WriteCheckpoint = Callable[..., Path]


@pytest.fixture
def model(tiny_checkpoint: WriteCheckpoint) -> ModelRef:
    return ModelRef(tiny_checkpoint())


@pytest.fixture
def whole(model: ModelRef) -> Classifier:
    return Classifier(load_checkpoint(model), CPU)


@pytest.fixture
def accepting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is worth a trial, and fast enough in half precision."""
    monkeypatch.setattr(device, "SMALL_MODEL_MACS", 0)
    monkeypatch.setattr(acceptance, "WORTH_TRYING_MS", 0.0)
    monkeypatch.setattr(acceptance, "MOST_TIME", 1e6)


def frame_request(model: ModelRef, number: int = 1, precision: PrecisionPreference = AUTO) -> FrameRequest:
    pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    frame = LiveFrame(number, pixels, 0.0, 0.0)
    return FrameRequest(number, "live", "clip.mp4", frame, model, device=CPU, precision=precision, top_k=3)


# --- the classifier ---


def test_other_precisions_are_made_when_they_are_asked_for_and_counted(whole: Classifier) -> None:
    before = whole.size_bytes
    assert whole.at(Precision.FP32) is whole
    half = whole.at(Precision.BF16)
    assert whole.at(Precision.BF16) is half
    assert half.device_info.precision == Precision.BF16
    assert whole.device_info.precision == Precision.FP32
    assert before < whole.size_bytes <= 2 * before
    assert whole.owns(whole)
    assert whole.owns(half)
    assert not half.owns(whole)
    whole.drop(Precision.BF16)
    assert whole.size_bytes == before
    assert not whole.owns(half)


def test_fp16_is_refused_on_a_cpu(whole: Classifier) -> None:
    with pytest.raises(MixerGuiError, match="fp16 needs a GPU"):
        whole.at(Precision.FP16)


def test_after_falling_back_all_of_it_runs_in_fp32_on_the_cpu(whole: Classifier) -> None:
    """What a job holds goes on; who forced fp16 for the GPU gets answers all the same."""
    half = whole.at(Precision.BF16)
    whole.fall_back()
    report, _ = half.classify(request(Path("tiny")), decoded(), Record.FULL)
    expected, _ = whole.classify(request(Path("tiny")), decoded(), Record.FULL)
    assert report.predictions == expected.predictions
    assert report.device == whole.device_info
    assert report.device.precision == Precision.FP32
    assert half.model is whole.model
    assert whole.at(Precision.FP16) is whole
    assert not whole.owns(half)


def test_report_and_detail_are_of_the_network_that_ran(whole: Classifier) -> None:
    exact, _ = whole.classify(request(Path("tiny")), decoded(), Record.FULL)
    report, detail = whole.at(Precision.BF16).classify(request(Path("tiny")), decoded(), Record.FULL)
    assert report.device.precision == Precision.BF16
    assert detail.classifier.model.stem.proj.weight.dtype == torch.bfloat16
    assert detail.recording.hidden[0].dtype == torch.bfloat16
    for ours, theirs in zip(report.predictions, exact.predictions, strict=True):
        assert ours.index == theirs.index
        assert ours.probability == pytest.approx(theirs.probability, abs=0.01)
    assert report.predictions != exact.predictions
    for name in ("update", "relative_update", "evidence", "centred_evidence"):
        ours, theirs = getattr(report, name), getattr(exact, name)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=0.05 * np.abs(theirs).max())


# --- what is asked about a picture that ran in bf16 ---


QUESTIONS: tuple[Question, ...] = (
    PatchRequest(1, 1, 3),
    ClassRequest(1, 2),
    DifferenceRequest(1, 2, 4),
    MixingRequest(1, 1),
    RolloutRequest(1, 2, 3),
    GradientRequest(1, 2),
    UnitsRequest(1, 1),
    UnitRequest(1, 1, 2),
    ReachRequest(1, 3),
    ConvolutionRequest(1),
    PermutationRequest(1, 7),
)
JOBS_ASKED: tuple[Job, ...] = (
    AttributionJob(1, 1, 2, AttributionMethod.INTEGRATED_GRADIENTS, 4),
    AttributionJob(2, 1, 2, AttributionMethod.OCCLUSION),
    FaithfulnessJob(3, 1, 2, (RankedMap("a", np.arange(16, dtype=np.float32)),), 4),
)


def test_every_kind_of_question_and_job_is_asked_here() -> None:
    assert {type(each) for each in QUESTIONS} == set(chain(ANSWERS, STEPWISE))
    assert {type(each) for each in JOBS_ASKED} == set(JOBS)


def numbers(record: object) -> dict[str, np.ndarray]:
    """The arrays of floats of an answer by name."""
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return {name: each for name, each in fields.items() if isinstance(each, np.ndarray) and each.dtype == np.float32}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: type(each).__name__)
def test_question_about_bf16_is_answered_nearly_as_in_fp32(whole: Classifier, question: Question) -> None:
    _, exact = whole.classify(request(Path("tiny")), decoded(), Record.FULL)
    _, rounded = whole.at(Precision.BF16).classify(request(Path("tiny")), decoded(), Record.FULL)
    answers = answer(question, exact), answer(question, rounded)
    if isinstance(answers[1], ConvolutionReport):  # its kernels are in the order of their norms, which rounding changes
        assert max(each.relative for each in answers[1].equivalences) < 0.05
        return
    expected, found = (numbers(each) for each in answers)
    assert list(found) == list(expected)
    for name, array in found.items():
        assert np.isfinite(array).all(), name
        scale = float(np.abs(expected[name]).max())
        np.testing.assert_allclose(array, expected[name], atol=0.1 * scale, err_msg=name)


@pytest.mark.parametrize("job", JOBS_ASKED, ids=lambda each: type(each).__name__)
def test_job_about_bf16_comes_to_its_end(whole: Classifier, job: Job) -> None:
    _, exact = whole.classify(request(Path("tiny")), decoded(), Record.FULL)
    _, rounded = whole.at(Precision.BF16).classify(request(Path("tiny")), decoded(), Record.FULL)
    expected, found = list(begin_job(job, exact))[-1], list(begin_job(job, rounded))[-1]
    if isinstance(found, AttributionReport):
        assert isinstance(expected, AttributionReport)
        np.testing.assert_allclose(found.values, expected.values, atol=0.1 * np.abs(expected.values).max())
    else:
        assert found.curves[0].deletion.dtype == np.float32
        np.testing.assert_allclose(found.curves[0].deletion, expected.curves[0].deletion, atol=0.02)


# --- the engine and the pipeline ---


def test_nothing_is_half_before_a_trial_and_small_models_are_never_tried(model: ModelRef) -> None:
    engine = Engine()
    engine.load(model, CPU)
    report = engine.classify(request(model, priority=Priority.FOLDER), decoded(), Record.MAPS)
    assert report.device.precision == Precision.FP32
    assert "nothing to gain" in report.device.reason
    assert engine.begin_trial(model, CPU) is None


@pytest.mark.usefixtures("accepting")
def test_trial_of_a_model_that_was_evicted_ends_by_itself(model: ModelRef, tiny_checkpoint: WriteCheckpoint) -> None:
    engine = Engine(model_budget_bytes=1)
    engine.load(model, CPU)
    trial = engine.begin_trial(model, CPU)
    assert trial is not None
    next(trial)
    engine.load(ModelRef(tiny_checkpoint(name="other")), CPU)
    assert list(trial) == []
    engine.load(model, CPU)
    again = engine.begin_trial(model, CPU)
    assert again is not None
    assert len(list(again)) > 0


@pytest.mark.usefixtures("accepting")
def test_numbers_that_overflow_in_half_precision_are_computed_in_fp32(model: ModelRef) -> None:
    engine = Engine()
    engine.load(model, CPU)
    engine.prepare(model, CPU, AUTO)
    (whole,) = engine._classifiers.values()
    whole.at(Precision.BF16).model.stem.proj.bias.fill_(float("inf"))
    asked = request(model, priority=Priority.FOLDER)
    with pytest.raises(NotNumbersError, match=r"in bf16\. Choose another precision"):
        engine.classify(replace(asked, precision=BF16), decoded(), Record.MAPS)
    report = engine.classify(asked, decoded(), Record.MAPS)
    assert report.device.precision == Precision.FP32
    assert "were not numbers" in report.device.reason
    assert engine.classify(asked, decoded(), Record.MAPS).device.precision == Precision.FP32


@pytest.mark.parametrize("precision", [FP32, BF16])
@pytest.mark.parametrize("priority", [Priority.DROPPED, Priority.FOLDER])
def test_forced_precision_holds_for_every_picture(
    run: Running, model: ModelRef, precision: PrecisionPreference, priority: Priority
) -> None:
    run.pipeline.submit(replace(request(model, priority=priority), precision=precision))
    report = run.wait_for(Report)[0]
    assert report.device.precision == Precision(precision)
    assert f"Everything runs in {precision}, as chosen." in report.device.reason


def test_forced_precision_holds_for_frames_and_questions(run: Running, model: ModelRef) -> None:
    run.pipeline.submit_frame(replace(frame_request(model, precision=BF16), about_class=1, about_patch=(0, 2)))
    found = run.wait_for(FrameReport)[0]
    assert found.device.precision == Precision.BF16
    assert found.report is not None
    assert found.report.device == found.device
    assert found.about_class is not None
    assert found.about_patch is not None
    run.pipeline.submit(replace(request(model, 2), precision=BF16))
    run.wait_for(Report)
    run.pipeline.ask(ClassRequest(2, 1))
    assert run.wait_for(ClassReport)[0].prediction.index == 1


def test_fp16_on_a_cpu_is_refused_with_a_sentence(run: Running, model: ModelRef) -> None:
    run.pipeline.submit(replace(request(model, 1), precision=FP16))
    assert "fp16 needs a GPU" in run.wait_for(Failure)[0].sentence
    run.pipeline.submit_frame(frame_request(model, 2, FP16))
    assert "fp16 needs a GPU" in run.wait_for(Failure, 2)[1].sentence


@pytest.mark.usefixtures("accepting")
def test_under_automatic_the_strip_and_frames_turn_half_and_what_is_studied_stays_exact(
    run: Running, model: ModelRef
) -> None:
    """The trial is begun by the first picture that could have been faster, and runs between others."""
    run.pipeline.submit(request(model, 1))
    run.wait_for(Report)
    run.settle()
    run.pipeline.submit(request(model, 2, priority=Priority.FOLDER))
    run.wait_for(Report, 2)
    run.settle()
    run.pipeline.submit(request(model, 3, priority=Priority.FOLDER))
    run.wait_for(Report, 3)
    run.pipeline.submit(request(model, 4))
    run.wait_for(Report, 4)
    run.pipeline.submit_frame(frame_request(model, 5))
    frame = run.wait_for(FrameReport)[0]
    told = [report.device.precision for report in run.of(Report)]
    assert told == [Precision.FP32, Precision.FP32, Precision.BF16, Precision.FP32]
    assert frame.device.precision == Precision.BF16
    assert "times as fast" in run.of(Report)[3].device.reason


# --- CUDA graphs, as far as they go without CUDA ---


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_where_nothing_can_be_captured_the_model_runs_as_it_is(whole: Classifier) -> None:
    graphs = Graphs(whole.model)
    images = whole.normalised(np.zeros((1, 32, 32, 3), np.uint8))
    with torch.inference_mode():
        for record in Record:
            logits, recording = graphs(images, record)
            expected, recorded = whole.model(images, record)
            torch.testing.assert_close(logits, expected, rtol=0, atol=0)
            assert len(recording.hidden) == len(recorded.hidden)


def test_cloned_recording_is_equal_and_lies_elsewhere(whole: Classifier) -> None:
    for record in Record:
        _, recording = whole.forward(np.zeros((1, 32, 32, 3), np.uint8), record)
        copy = cloned(recording)
        for name, ours, theirs in zip(recording._fields, copy, recording, strict=True):
            assert type(ours) is type(theirs), name
            pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
            for one, other in pairs:
                if one is not None:
                    torch.testing.assert_close(one, other, rtol=0, atol=0)
                    assert one.data_ptr() != other.data_ptr()
