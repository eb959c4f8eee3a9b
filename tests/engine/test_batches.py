"""Several pictures in one pass, as on a GPU: the same answers as one by one. Here the passes run on the CPU."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import decoded, engine_with, png, request
from PIL import Image
from running import Running, running
from torch import Tensor

from mixer_gui.engine import acceptance, device
from mixer_gui.engine.acceptance import calibration_pixels
from mixer_gui.engine.batches import LARGEST
from mixer_gui.engine.classifier import Classifier, NotNumbersError
from mixer_gui.engine.engine import Engine
from mixer_gui.engine.pipeline import STEPS_AHEAD
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record, Recording
from mixer_gui.records import (
    BytesSource,
    ClassifyRequest,
    DecodedPicture,
    DevicePreference,
    Erase,
    Failure,
    MixerGuiError,
    ModelReady,
    ModelRef,
    PatchReport,
    PatchRequest,
    Precision,
    PrecisionPreference,
    Priority,
    Report,
    Swap,
)
from mixer_gui.resources import default_model

CPU, CUDA = DevicePreference.CPU, DevicePreference.CUDA
FOLDER = Priority.FOLDER
MAPS = ("update", "relative_update", "evidence", "centred_evidence")

WriteCheckpoint = Callable[..., Path]


@pytest.fixture
def model(tiny_checkpoint: WriteCheckpoint) -> ModelRef:
    """It sees pictures of 32×32 pixels as they are; black is 0."""
    return ModelRef(tiny_checkpoint(pretrained_cfg={"mean": [0.0, 0.0, 0.0], "crop_pct": 1.0}))


def folder(model: ModelRef, count: int, **changes: object) -> list[ClassifyRequest]:
    return [replace(request(model, number, priority=FOLDER), **changes) for number in range(1, count + 1)]


def pictures(count: int) -> list[DecodedPicture]:
    return [decoded(number, remarks=(f"remark {number}",)) for number in range(1, count + 1)]


def assert_equal(ours: Report, theirs: Report) -> None:
    """But for rounding, and the times."""
    assert [each.index for each in ours.predictions] == [each.index for each in theirs.predictions]
    for one, other in zip(ours.predictions, theirs.predictions, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-5)
        assert (one.wnid, one.label) == (other.wnid, other.label)
    for name in MAPS:
        found, expected = getattr(ours, name), getattr(theirs, name)
        assert not found.flags.writeable
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=0, err_msg=name)
    assert [[each.index for each in layer] for layer in ours.lens] == [
        [each.index for each in layer] for layer in theirs.lens
    ]
    same = ("id", "view", "source", "seen", "picture_width", "picture_height", "framing", "model", "notices", "edits")
    for name in same:
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.device == theirs.device


def reports(results: Sequence[object]) -> list[Report]:
    found = [each for each in results if isinstance(each, Report)]
    assert len(found) == len(results), results
    return found


def overflows(picture: DecodedPicture) -> DecodedPicture:
    """The same, white where the stem of `tender` has its largest weight."""
    assert picture.network_input is not None
    pixels = picture.network_input.pixels.copy()
    pixels[0, 0, 0] = 255
    return replace(picture, network_input=replace(picture.network_input, pixels=pixels))


def dark(picture: DecodedPicture) -> DecodedPicture:
    """The same, black where the stem of `tender` has its largest weight."""
    assert picture.network_input is not None
    pixels = picture.network_input.pixels.copy()
    pixels[::8, ::8, 0] = 0
    return replace(picture, network_input=replace(picture.network_input, pixels=pixels))


def make_tender(classifier: Classifier) -> None:
    """A red corner of a patch times this weight is larger than any number."""
    with torch.no_grad():
        classifier.model.stem.proj.weight[0, 0, 0, 0] = 3e38


# --- the classifier ---


def test_batch_gives_what_one_by_one_gives(model: ModelRef) -> None:
    classifier = Classifier(load_checkpoint(model), CPU)
    requests, inputs = folder(model, 9), pictures(9)
    requests[2] = replace(requests[2], edits=(Erase(frozenset({0, 3})), Swap(5, 9)))
    requests[4] = replace(requests[4], top_k=1)
    found = reports(classifier.classify_batch(requests, inputs))
    for ours, asked, picture in zip(found, requests, inputs, strict=True):
        assert_equal(ours, classifier.classify(asked, picture, Record.MAPS)[0])
        assert ours.timings_ms.forward > 0
        assert ours.timings_ms.explain > 0
    assert len({each.predictions[0].logit for each in found}) == 9


def test_batch_of_the_embedded_model_gives_what_one_by_one_gives() -> None:
    classifier = Classifier(load_checkpoint(default_model()), CPU)
    pixels = calibration_pixels(*classifier.model.config.image_size)
    inputs = [decoded() for _ in pixels]
    for number, each in enumerate(inputs):
        assert each.network_input is not None
        inputs[number] = replace(each, network_input=replace(each.network_input, pixels=pixels[number]))
    requests = folder(default_model(), len(inputs))
    for ours, asked, picture in zip(classifier.classify_batch(requests, inputs), requests, inputs, strict=True):
        assert isinstance(ours, Report)
        assert_equal(ours, classifier.classify(asked, picture, Record.MAPS)[0])


def test_picture_that_overflows_fails_alone_and_by_name(model: ModelRef) -> None:
    classifier = Classifier(load_checkpoint(model), CPU)
    make_tender(classifier)
    requests, inputs = folder(model, 5), [dark(each) for each in pictures(5)]
    inputs[2] = overflows(inputs[2])
    results = classifier.classify_batch(requests, inputs)
    assert isinstance(results[2], NotNumbersError)
    assert "not numbers for 3.png" in str(results[2])
    for place in (0, 1, 3, 4):
        ours = results[place]
        assert isinstance(ours, Report)
        assert_equal(ours, classifier.classify(requests[place], inputs[place], Record.MAPS)[0])


def test_edit_that_does_not_fit_fails_alone(model: ModelRef) -> None:
    classifier = Classifier(load_checkpoint(model), CPU)
    requests = folder(model, 3)
    requests[1] = replace(requests[1], edits=(Erase(frozenset({16})),))
    results = classifier.classify_batch(requests, pictures(3))
    assert [type(each) for each in results] == [Report, MixerGuiError, Report]
    assert isinstance(classifier.classify_batch(requests[1:2], pictures(1))[0], MixerGuiError)


# --- the engine ---


def engine_of(model: ModelRef, most: int) -> Engine:
    """One that takes batches on the CPU."""
    engine = Engine(largest_batches={CPU: most})
    engine.load(model, CPU)
    return engine


def test_gpus_take_batches_and_a_cpu_does_not(model: ModelRef) -> None:
    engine = Engine()
    engine.load(model, CPU)
    assert engine.batch_size(model, CPU) == 1
    assert LARGEST[CUDA] == LARGEST[DevicePreference.MPS] == 64


@pytest.mark.parametrize("most", [1, 4, 64])
def test_engine_says_the_same_whatever_the_batch(model: ModelRef, most: int) -> None:
    engine, alone = engine_of(model, most), engine_of(model, 1)
    requests, inputs = folder(model, 9), pictures(9)
    found = reports(engine.classify_batch(requests, inputs))
    for ours, asked, picture in zip(found, requests, inputs, strict=True):
        assert_equal(ours, alone.classify(asked, picture, Record.MAPS))
    assert engine.batch_size(model, CPU) == most


def test_forced_half_precision_holds_for_a_batch_and_its_overflow_is_one_pictures(model: ModelRef) -> None:
    engine = engine_of(model, 8)
    (whole,) = engine._classifiers.values()
    make_tender(whole.at(Precision.BF16))
    inputs = [dark(each) for each in pictures(5)]
    inputs[2] = overflows(inputs[2])
    results = engine.classify_batch(folder(model, 5, precision=PrecisionPreference.BF16), inputs)
    assert [type(each) for each in results] == [Report, Report, NotNumbersError, Report, Report]
    assert {each.device.precision for each in results if isinstance(each, Report)} == {Precision.BF16}
    assert all("as chosen" in each.device.reason for each in results if isinstance(each, Report))


def test_batch_that_overflows_in_half_precision_is_run_in_fp32(
    model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "SMALL_MODEL_MACS", 0)
    monkeypatch.setattr(acceptance, "WORTH_TRYING_MS", 0.0)
    monkeypatch.setattr(acceptance, "MOST_TIME", 1e6)
    engine = engine_of(model, 8)
    engine.prepare(model, CPU, PrecisionPreference.AUTO)
    requests, inputs = folder(model, 5), [dark(each) for each in pictures(5)]
    inputs[2] = overflows(inputs[2])
    before = reports(engine.classify_batch(requests, inputs))
    assert {each.device.precision for each in before} == {Precision.BF16}
    (whole,) = engine._classifiers.values()
    make_tender(whole.at(Precision.BF16))
    after = reports(engine.classify_batch(requests, inputs))
    assert {each.device.precision for each in after} == {Precision.FP32}
    assert all("were not numbers" in each.device.reason for each in after)
    assert {each.device.precision for each in reports(engine.classify_batch(requests, inputs))} == {Precision.FP32}


class SmallGpu(Classifier):
    """Stands in for a GPU, which this machine has not, with memory for a batch of `room`; it computes on the CPU."""

    def __init__(self, model: ModelRef, room: int) -> None:
        super().__init__(load_checkpoint(model), CPU)
        self.device = torch.device("cuda")
        self.device_info = replace(self.device_info, kind=CUDA)
        self.room = room
        self.passes: list[int] = []

    def forward(self, pixels: np.ndarray, record: Record) -> tuple[Tensor, Recording]:
        self.passes.append(len(pixels))
        if self.device.type == "cpu":
            return super().forward(pixels, record)
        if len(pixels) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        self.device = torch.device("cpu")
        try:
            return super().forward(pixels, record)
        finally:
            self.device = torch.device("cuda")


def test_batch_that_fills_the_gpu_is_halved_and_its_size_remembered(model: ModelRef) -> None:
    small = SmallGpu(model, room=10)
    engine, alone = engine_with(small, model), engine_of(model, 1)
    requests, inputs = folder(model, 40), pictures(40)
    found = reports(engine.classify_batch(requests, inputs))
    assert small.passes == [40, 20, 10, 10, 10, 10]
    assert engine.batch_size(model, CPU) == 10
    for ours, asked, picture in zip(found, requests, inputs, strict=True):
        expected = alone.classify(asked, picture, Record.MAPS)
        assert_equal(replace(ours, device=expected.device), expected)
        assert ours.device.kind == CUDA
    engine.classify_batch(requests[:12], inputs[:12])
    assert small.passes[6:] == [10, 2]


def test_gpu_too_small_for_one_picture_gives_way_to_the_cpu_with_one_notice(model: ModelRef) -> None:
    small = SmallGpu(model, room=0)
    engine = engine_with(small, model)
    found = reports(engine.classify_batch(folder(model, 5), pictures(5)))
    assert small.passes == [5, 2, 1, 1, 1, 1, 1, 1]
    assert {each.device.kind for each in found} == {CPU}
    assert "The GPU ran out of memory" in found[0].notices[-1]
    assert [len(each.notices) for each in found] == [2, 1, 1, 1, 1]
    assert engine.batch_size(model, CPU) == 1


# --- the pipeline ---


class Watched(Engine):
    """Says which requests went together; `when_running` is called once, in the middle of the first batch."""

    def __init__(self, most: int) -> None:
        super().__init__(largest_batches={CPU: most})
        self.batches: list[list[int]] = []
        self.when_running: list[Callable[[], None]] = []

    def classify_batch(
        self, requests: Sequence[ClassifyRequest], decoded: Sequence[DecodedPicture]
    ) -> list[Report | MixerGuiError]:
        self.batches.append([each.id for each in requests])
        if self.when_running:
            self.when_running.pop()()
        return super().classify_batch(requests, decoded)


Start = Callable[[int], tuple[Running, Watched]]


@pytest.fixture
def start(model: ModelRef) -> Iterator[Start]:
    """`start(most)`: a pipeline whose engine takes batches of so many; the model is loaded, and it is held."""
    stops = []

    def begin(most: int) -> tuple[Running, Watched]:
        engine = Watched(most)
        context = running(lambda: engine)
        run = context.__enter__()
        stops.append(context)
        run.pipeline.load(model, CPU)
        run.wait_for(ModelReady)
        run.settle()
        run.hold()
        return run, engine

    yield begin
    for context in stops:
        context.__exit__(None, None, None)


def submitted(run: Running, requests: Sequence[ClassifyRequest]) -> None:
    """All are decoded and wait."""
    before = len(run.pipeline._steps)
    for each in requests:
        run.pipeline.submit(each)
    run.wait_until(lambda: len(run.pipeline._steps) == before + len(requests), "not all are decoded")


def test_what_waits_of_a_folder_goes_along_and_each_is_answered_as_by_itself(start: Start, model: ModelRef) -> None:
    requests = folder(model, 30)
    with running() as alone:
        for each in requests:
            alone.pipeline.submit(each)
        expected = alone.wait_for(Report, 30)
    run, engine = start(16)
    submitted(run, requests)  # more than STEPS_AHEAD: a batch can come together
    assert len(requests) > STEPS_AHEAD
    run.go()
    found = {each.id: each for each in run.wait_for(Report, 30)}
    assert [len(each) for each in engine.batches] == [16, 14]
    assert [each.id for each in run.of(Report)] == [number for batch in engine.batches for number in batch]
    for each in expected:
        assert_equal(found[each.id], each)
    run.pipeline.ask(PatchRequest(7, 0, 3))
    assert run.wait_for(PatchReport)[0].reads.shape == (16,)


def test_what_somebody_looks_at_waits_for_no_batch_that_has_not_begun(start: Start, model: ModelRef) -> None:
    run, engine = start(8)

    def look() -> None:
        submitted(run, [request(model, 100)])

    engine.when_running.append(look)
    submitted(run, [*folder(model, 14), request(model, 99)])
    run.go()
    order = [each.id for each in run.wait_for(Report, 16)]
    assert order[0] == 99
    assert order[9] == 100  # while the first batch ran, it came; the second one waits
    assert [len(each) for each in engine.batches] == [8, 6]


def test_cancelled_views_neither_run_nor_are_answered(start: Start, model: ModelRef) -> None:
    run, engine = start(8)
    submitted(run, folder(model, 8))
    run.pipeline.cancel("view-3")
    engine.when_running.append(lambda: run.pipeline.cancel("view-5"))
    run.go()
    run.wait_for(Report, 6)
    run.settle()
    assert len(engine.batches) == 1
    assert sorted(engine.batches[0]) == [1, 2, 4, 5, 6, 7, 8]
    assert sorted(each.id for each in run.of(Report)) == [1, 2, 4, 6, 7, 8]
    assert run.of(Failure) == []


def test_another_precision_or_priority_does_not_go_along(start: Start, model: ModelRef) -> None:
    run, engine = start(8)
    forced = [replace(each, precision=PrecisionPreference.BF16) for each in folder(model, 6)[3:]]
    submitted(run, [*folder(model, 3), *forced, request(model, 7)])
    run.go()
    found = run.wait_for(Report, 7)
    assert {frozenset(each) for each in engine.batches} == {frozenset({1, 2, 3}), frozenset({4, 5, 6})}
    assert {each.id for each in found if each.device.precision == Precision.BF16} == {4, 5, 6}


def test_picture_without_numbers_fails_alone_in_a_folder(start: Start, model: ModelRef) -> None:
    run, engine = start(8)
    make_tender(engine._classifiers[model, CPU])

    def source(number: int, *, is_red: bool) -> BytesSource:
        with Image.open(io.BytesIO(png(number, (32, 32)))) as image:
            pixels = np.array(image)
        pixels[::8, ::8, 0] = 255 if is_red else 0
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        return BytesSource(f"{number}.png", stream.getvalue())

    requests = [replace(each, source=source(each.id, is_red=each.id == 3)) for each in folder(model, 5)]
    submitted(run, requests)
    run.go()
    run.wait_for(Report, 4)
    run.settle()
    assert [len(each) for each in engine.batches] == [5]
    assert [(each.request_id, each.source_name) for each in run.of(Failure)] == [(3, "3.png")]
    assert "not numbers for 3.png" in run.of(Failure)[0].sentence
    assert sorted(each.id for each in run.of(Report)) == [1, 2, 4, 5]


def test_on_a_cpu_each_picture_of_a_folder_is_a_step_of_its_own(start: Start, model: ModelRef) -> None:
    run, engine = start(1)
    submitted(run, folder(model, 6))
    run.go()
    run.wait_for(Report, 6)
    assert [len(each) for each in engine.batches] == [1] * 6
