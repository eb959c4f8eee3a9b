"""The same network on CUDA: equal answers, and a way out when its memory is full. `pytest -m gpu` runs these."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import random_mixer, tiny_config, write_hub_folder
from inputs import ask, decoded, request

from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.engine import DetailEvictedError, Engine
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.model.variants import variant
from mixer_gui.records import (
    ClassRequest,
    DevicePreference,
    ModelRef,
    PatchRequest,
    Precision,
    PrecisionPreference,
    Priority,
    Report,
)

pytestmark = pytest.mark.gpu

CUDA, CPU = DevicePreference.CUDA, DevicePreference.CPU

# fp32 on both sides; only the order of summation differs. With TF32 (10 bits of mantissa) the difference
# would be about 1e-3, so this limit also notices a TF32 that was switched on.
LIMIT = 1e-4

LARGE = variant("B/16")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    """B/16 with small random weights, 240 MB; its numbers stay finite over twelve layers."""
    model = random_mixer(LARGE)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(0.1)
            elif "norm" in name and name.endswith("weight"):
                parameter.add_(1.0)
    return ModelRef(write_hub_folder(model, tmp_path_factory.mktemp("large") / "large"))


@pytest.fixture
def tiny(tmp_path: Path) -> ModelRef:
    return ModelRef(write_hub_folder(random_mixer(tiny_config()), tmp_path / "tiny"))


@pytest.fixture(autouse=True)
def empty_gpu() -> Iterator[None]:
    yield
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.fixture
def allow_bytes() -> Callable[[int], None]:
    """Let this process have no more than so many bytes beyond what it has reserved."""

    def allow(more: int) -> None:
        gc.collect()
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, (torch.cuda.memory_reserved() + more) / total))

    return allow


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours.double().cpu() - theirs.double().cpu()).abs().max() / theirs.double().abs().max())


def classifiers(model: ModelRef) -> tuple[Classifier, Classifier]:
    return Classifier(load_checkpoint(model), CUDA), Classifier(load_checkpoint(model), CPU)


def pixels(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)


def test_auto_takes_the_gpu_and_names_it(tiny: ModelRef) -> None:
    ready = Engine().load(tiny, DevicePreference.AUTO)
    assert ready.device.kind == CUDA
    assert ready.device.name == torch.cuda.get_device_name()
    assert ready.notices == ()


def test_matrix_products_are_full_fp32() -> None:
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"


def test_logits_equal_those_of_the_cpu(large: ModelRef, record_property: Callable[[str, object], None]) -> None:
    on_gpu, on_cpu = (each.forward(pixels(), Record.NONE)[0] for each in classifiers(large))
    assert on_gpu.device.type == "cuda"
    worst = difference(on_gpu, on_cpu)
    record_property("largest relative difference", worst)
    print(f"logits, CUDA against CPU: {worst:.1e}")  # noqa: T201
    assert worst <= LIMIT


def test_every_recorded_tensor_equals_that_of_the_cpu(large: ModelRef) -> None:
    (_, on_gpu), (_, on_cpu) = (each.forward(pixels(1), Record.FULL) for each in classifiers(large))
    for name, ours, theirs in zip(on_cpu._fields, on_gpu, on_cpu, strict=True):
        if isinstance(theirs, tuple):
            worst = max(difference(a, b) for a, b in zip(ours, theirs, strict=True))
        else:
            worst = difference(ours, theirs)
        assert worst <= LIMIT, f"{name}: {worst:.1e}"


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16, Precision.BF16])
@pytest.mark.parametrize("record", Record)
def test_replayed_graph_gives_what_the_model_gives(large: ModelRef, record: Record, precision: Precision) -> None:
    """Twice, of two pictures: what the first gave is not overwritten by the second."""
    on_gpu = Classifier(load_checkpoint(large), CUDA).at(precision)
    inputs = [pixels()[:1], pixels()[1:]]
    replayed = [on_gpu.forward(each, record) for each in inputs]
    assert on_gpu._graphs is not None
    assert on_gpu._graphs._can_capture
    assert set(on_gpu._graphs._captured) == {record}
    for each, (logits, recording) in zip(inputs, replayed, strict=True):
        with torch.inference_mode():
            expected, recorded = on_gpu.model(on_gpu.normalised(each), record)
        limit = LIMIT if precision == Precision.FP32 else 0.02
        assert difference(logits, expected) <= limit
        for name, ours, theirs in zip(recorded._fields, recording, recorded, strict=True):
            pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
            assert all(one is None or difference(one, other) <= limit for one, other in pairs), name


def test_batches_are_not_captured(large: ModelRef) -> None:
    on_gpu = Classifier(load_checkpoint(large), CUDA)
    on_gpu.forward(pixels(2), Record.NONE)
    assert on_gpu._graphs is not None
    assert not on_gpu._graphs._captured


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.BF16])
def test_half_precision_says_nearly_what_fp32_says(large: ModelRef, precision: Precision) -> None:
    whole = Classifier(load_checkpoint(large), CUDA)
    exact, _ = whole.forward(pixels(), Record.NONE)
    rounded, _ = whole.at(precision).forward(pixels(), Record.NONE)
    assert rounded.dtype == torch.float32
    assert difference(rounded.softmax(-1), exact.softmax(-1)) <= 0.05
    assert difference(rounded, exact) > 0


def test_trial_on_the_gpu_comes_to_a_verdict_and_forced_fp16_runs(large: ModelRef) -> None:
    engine = Engine()
    engine.load(large, CUDA)
    engine.prepare(large, CUDA, PrecisionPreference.AUTO)
    assert "fp32" in engine.load(large, CUDA).device.reason or "run in" in engine.load(large, CUDA).device.reason
    asked = replace(request(large, device=CUDA, priority=Priority.FOLDER), precision=PrecisionPreference.FP16)
    report = engine.classify(asked, decoded(size=(224, 224)), Record.MAPS)
    assert report.device.precision == Precision.FP16


def test_report_and_answers_equal_those_of_the_cpu(large: ModelRef) -> None:
    reports, patches, classes = [], [], []
    for device in (CUDA, CPU):
        engine = Engine()
        engine.load(large, device)
        reports.append(engine.classify(request(large, device=device), decoded(size=(224, 224)), Record.FULL))
        patches.append(ask(engine, PatchRequest(1, 5, 77)))
        classes.append(ask(engine, ClassRequest(1, reports[0].predictions[0].index)))
    assert [each.index for each in reports[0].predictions] == [each.index for each in reports[1].predictions]
    pairs = [(reports, name) for name in ("update", "relative_update", "evidence", "centred_evidence")]
    pairs += [(patches, name) for name in ("reads", "writes", "energy")]
    pairs += [(classes, name) for name in ("evidence", "token_mixing", "channel_mixing", "stem")]
    for records, name in pairs:
        ours, theirs = (torch.from_numpy(getattr(record, name).copy()) for record in records)
        assert difference(ours, theirs) <= 10 * LIMIT, name


@pytest.mark.parametrize("precision", [PrecisionPreference.FP32, PrecisionPreference.FP16])
def test_batch_of_64_says_what_each_picture_by_itself_says(large: ModelRef, precision: PrecisionPreference) -> None:
    engine = Engine()
    engine.load(large, CUDA)
    assert engine.batch_size(large, CUDA) == 64
    asked = [
        replace(request(large, number, device=CUDA, priority=Priority.FOLDER), precision=precision)
        for number in range(64)
    ]
    pictures = [decoded(number, (224, 224)) for number in range(64)]
    limit = LIMIT if precision == PrecisionPreference.FP32 else 0.05
    for ours, each, picture in zip(engine.classify_batch(asked, pictures), asked, pictures, strict=True):
        assert isinstance(ours, Report)
        theirs = engine.classify(each, picture, Record.MAPS)
        assert (ours.id, ours.device, ours.notices) == (each.id, theirs.device, ())
        one, other = ours.predictions[0], theirs.predictions[0]
        assert one.probability == pytest.approx(other.probability, abs=limit)
        if precision == PrecisionPreference.FP32:
            assert one.index == other.index
        for name in ("update", "relative_update", "centred_evidence"):
            found, expected = (torch.from_numpy(getattr(report, name).copy()) for report in (ours, theirs))
            if name != "centred_evidence" or one.index == other.index:
                assert difference(found, expected) <= 10 * limit, name


def test_batch_that_fills_the_gpu_is_halved_until_it_fits(large: ModelRef, allow_bytes: Callable[[int], None]) -> None:
    engine = Engine()
    engine.load(large, CUDA)
    asked = [request(large, number, device=CUDA, priority=Priority.FOLDER) for number in range(64)]
    pictures = [decoded(number, (224, 224)) for number in range(64)]
    engine.classify(asked[0], pictures[0], Record.MAPS)  # its graph and the libraries' workspaces are there
    allow_bytes(60 << 20)
    results = engine.classify_batch(asked, pictures)
    assert [each.id for each in results if isinstance(each, Report)] == list(range(64))
    assert {each.device.kind for each in results if isinstance(each, Report)} == {CUDA}
    assert 1 <= engine.batch_size(large, CUDA) < 64


def test_model_too_large_for_the_gpu_is_loaded_on_the_cpu_with_a_notice(
    large: ModelRef, allow_bytes: Callable[[int], None]
) -> None:
    """The memory runs out in the middle of the weights: some of them are on the GPU already."""
    engine = Engine()
    before = torch.cuda.memory_allocated()  # cuBLAS keeps a workspace from earlier tests
    allow_bytes(100 << 20)
    ready = engine.load(large, CUDA)
    assert ready.device.kind == CPU
    assert "ran out of memory" in ready.notices[0]
    classifier = next(iter(engine._classifiers.values()))
    assert {parameter.device.type for parameter in classifier.model.parameters()} == {"cpu"}
    assert torch.cuda.memory_allocated() == before
    report = engine.classify(request(large, device=CUDA), decoded(size=(224, 224)), Record.FULL)
    assert report.device.kind == CPU
    assert report.notices == ()
    ask(engine, PatchRequest(1, 0, 0))


def test_gpu_that_fills_up_during_a_picture_gives_way_to_the_cpu(
    large: ModelRef, allow_bytes: Callable[[int], None]
) -> None:
    engine = Engine()
    engine.load(large, CUDA)
    before = engine.classify(request(large, 1, device=CUDA), decoded(size=(224, 224)), Record.FULL)
    engine._details.clear()
    torch.cuda.synchronize()
    with_model = torch.cuda.memory_allocated()
    allow_bytes(0)
    ballast = fill_gpu()
    report = engine.classify(request(large, 2, device=CUDA), decoded(size=(224, 224)), Record.FULL)
    assert report.device.kind == CPU
    assert "ran out of memory" in report.notices[-1]
    assert [each.index for each in report.predictions] == [each.index for each in before.predictions]
    del ballast
    gc.collect()
    weights = next(iter(engine._classifiers.values())).size_bytes
    assert with_model - torch.cuda.memory_allocated() >= weights  # nothing on the GPU holds them any more
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(1, 0, 0))
    ask(engine, PatchRequest(2, 3, 4))
    ask(engine, ClassRequest(2, 0))
    assert engine.classify(request(large, 3, device=CUDA), decoded(size=(224, 224)), Record.FULL).notices == ()


def fill_gpu() -> list[torch.Tensor]:
    """Take what is left of the memory that this process may have."""
    held, size = [], 64 << 20
    while size >= 512:
        try:
            held.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:
            size //= 2
    return held


def test_details_of_earlier_pictures_make_room_before_the_gpu_is_given_up(
    large: ModelRef, allow_bytes: Callable[[int], None]
) -> None:
    engine = Engine()
    engine.load(large, CUDA)
    for number in range(1, 9):
        engine.classify(request(large, number, device=CUDA), decoded(number, (224, 224)), Record.FULL)
    allow_bytes(0)
    ballast = fill_gpu()
    report = engine.classify(request(large, 9, device=CUDA), decoded(size=(224, 224)), Record.FULL)
    del ballast
    assert report.device.kind == CUDA
    assert report.notices == ()
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(8, 0, 0))


def test_question_on_a_full_gpu_asks_for_another_run_on_the_cpu(
    large: ModelRef, allow_bytes: Callable[[int], None]
) -> None:
    engine = Engine()
    engine.load(large, CUDA)
    engine.classify(request(large, 1, device=CUDA), decoded(size=(224, 224)), Record.FULL)
    allow_bytes(0)
    ballast = fill_gpu()
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(1, 0, 0))
    del ballast
    report = engine.classify(request(large, 1, device=CUDA), decoded(size=(224, 224)), Record.FULL)
    assert report.device.kind == CPU
    ask(engine, PatchRequest(1, 0, 0))
