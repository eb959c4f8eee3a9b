"""The table of models, the memory of details, and the way out of a full GPU."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoints import tiny_config
from inputs import ask, decoded, engine_with, request

from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.detail import Detail
from mixer_gui.engine.engine import DetailEvictedError, Engine
from mixer_gui.model.checkpoint import Checkpoint, load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.records import (
    Cancelled,
    ClassifyRequest,
    ClassRequest,
    DecodedPicture,
    DevicePreference,
    MixerGuiError,
    ModelRef,
    PatchRequest,
    Report,
)

CPU = DevicePreference.CPU

WriteCheckpoint = Callable[..., Path]


@pytest.fixture
def models(tiny_checkpoint: WriteCheckpoint) -> list[ModelRef]:
    return [ModelRef(tiny_checkpoint(name=name)) for name in ("one", "two", "three")]


def bytes_of(model: ModelRef) -> int:
    return Classifier(load_checkpoint(model), CPU).size_bytes


def test_loaded_model_is_described_and_ready(models: list[ModelRef]) -> None:
    engine = Engine()
    assert engine.preprocessing(models[0], CPU) is None
    ready = engine.load(models[0], CPU)
    assert (ready.ref, ready.info.classes, ready.device.kind, ready.notices) == (models[0], 5, CPU, ())
    assert ready.load_ms > 0
    assert engine.preprocessing(models[0], CPU) == ready.info.preprocessing
    assert engine.classify(request(models[0]), decoded(), Record.MAPS).model == ready.info


def test_loading_again_does_not_read_the_files_again(models: list[ModelRef]) -> None:
    engine = Engine()
    engine.load(models[0], CPU)
    (models[0].path / "model.safetensors").unlink()
    assert engine.load(models[0], CPU).info.classes == 5
    with pytest.raises(MixerGuiError, match="no weights"):
        Engine().load(models[0], CPU)


def test_least_recently_used_model_goes_when_the_budget_is_spent(models: list[ModelRef]) -> None:
    engine = Engine(model_budget_bytes=2 * bytes_of(models[0]))
    engine.load(models[0], CPU)
    engine.load(models[1], CPU)
    engine.classify(request(models[0]), decoded(), Record.MAPS)  # using one keeps it
    engine.load(models[2], CPU)
    assert [engine.preprocessing(model, CPU) is not None for model in models] == [True, False, True]


def test_one_model_stays_however_small_the_budget(models: list[ModelRef]) -> None:
    engine = Engine(model_budget_bytes=1)
    for model in models:
        engine.load(model, CPU)
    assert [engine.preprocessing(model, CPU) is not None for model in models] == [False, False, True]


def test_evicted_model_takes_its_details_along(models: list[ModelRef]) -> None:
    engine = Engine(model_budget_bytes=1)
    engine.load(models[0], CPU)
    engine.classify(request(models[0], 1), decoded(), Record.FULL)
    evicted = weakref.ref(next(iter(engine._classifiers.values())).model)
    engine.load(models[1], CPU)
    engine.classify(request(models[1], 2), decoded(), Record.FULL)
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(1, 0, 0))
    ask(engine, PatchRequest(2, 0, 0))
    gc.collect()
    assert evicted() is None  # nothing holds its weights


def test_model_that_does_not_load_leaves_the_others_loaded(models: list[ModelRef], tmp_path: Path) -> None:
    engine = Engine()
    engine.load(models[0], CPU)
    with pytest.raises(MixerGuiError, match="no file or folder “gone”"):
        engine.load(ModelRef(tmp_path / "gone"), CPU)
    assert engine.classify(request(models[0]), decoded(), Record.MAPS).predictions


def test_loading_that_was_cancelled_loads_nothing(models: list[ModelRef]) -> None:
    engine = Engine()
    with pytest.raises(Cancelled):
        engine.load(models[0], CPU, cancelled=lambda: True)
    assert engine.preprocessing(models[0], CPU) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_missing_device_is_told_before_the_weights_are_read(tmp_path: Path) -> None:
    with pytest.raises(MixerGuiError, match="no CUDA device"):
        Engine().load(ModelRef(tmp_path / "gone"), DevicePreference.CUDA)


def test_question_about_a_full_report_is_answered(models: list[ModelRef]) -> None:
    engine = Engine()
    engine.load(models[0], CPU)
    report = engine.classify(request(models[0], 8), decoded(), Record.FULL)
    assert ask(engine, PatchRequest(8, 1, 3)).reads.shape == (16,)
    assert ask(engine, ClassRequest(8, report.predictions[0].index)).prediction == report.predictions[0]


def test_question_about_what_was_not_recorded_asks_for_another_run(models: list[ModelRef]) -> None:
    engine = Engine()
    engine.load(models[0], CPU)
    engine.classify(request(models[0], 8), decoded(), Record.MAPS)
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(8, 1, 3))
    with pytest.raises(DetailEvictedError):
        ask(engine, ClassRequest(8, 0))


def detail_bytes(model: ModelRef) -> int:
    return Classifier(load_checkpoint(model), CPU).classify(request(model), decoded(), Record.FULL)[1].size_bytes


def test_least_recently_asked_detail_goes_when_the_budget_is_spent(models: list[ModelRef]) -> None:
    engine = Engine(detail_budget_bytes=2 * detail_bytes(models[0]))
    engine.load(models[0], CPU)
    for number in (1, 2):
        engine.classify(request(models[0], number), decoded(number), Record.FULL)
    ask(engine, PatchRequest(1, 0, 0))  # asking keeps it
    engine.classify(request(models[0], 3), decoded(3), Record.FULL)
    ask(engine, PatchRequest(1, 0, 0))
    ask(engine, PatchRequest(3, 0, 0))
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(2, 0, 0))


def test_newest_detail_stays_however_small_the_budget(models: list[ModelRef]) -> None:
    engine = Engine(detail_budget_bytes=0)
    engine.load(models[0], CPU)
    for number in (1, 2):
        engine.classify(request(models[0], number), decoded(number), Record.FULL)
    ask(engine, PatchRequest(2, 0, 0))
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(1, 0, 0))


def test_forgotten_report_needs_another_run(models: list[ModelRef]) -> None:
    engine = Engine()
    engine.load(models[0], CPU)
    engine.classify(request(models[0], 1), decoded(), Record.FULL)
    engine.forget(1)
    engine.forget(1)
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(1, 0, 0))


def test_results_that_are_not_numbers_give_a_sentence(models: list[ModelRef]) -> None:
    engine = Engine()
    engine.load(models[0], CPU)
    next(iter(engine._classifiers.values())).model.head.weight.data.fill_(float("inf"))
    with pytest.raises(MixerGuiError, match="not numbers"):
        engine.classify(request(models[0]), decoded(), Record.FULL)


class FullGpu(Classifier):
    """Stands in for a model on a GPU, which this machine has not: it runs out of memory until it falls back.

    `room` is how many runs succeed before; the real thing is in test_gpu.py.
    """

    def __init__(self, model: ModelRef, room: int = 0) -> None:
        super().__init__(load_checkpoint(model), CPU)
        self.device = torch.device("cuda")
        self.room = room

    def classify(self, request: ClassifyRequest, decoded: DecodedPicture, record: Record) -> tuple[Report, Detail]:
        if self.device.type == "cpu":
            return super().classify(request, decoded, record)
        if self.room == 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        self.room -= 1
        self.device = torch.device("cpu")
        try:
            return super().classify(request, decoded, record)
        finally:
            self.device = torch.device("cuda")


def test_full_gpu_gives_way_to_the_cpu_with_one_notice(models: list[ModelRef]) -> None:
    engine = engine_with(FullGpu(models[0]), models[0])
    first = engine.classify(request(models[0], 1), decoded(remarks=("first frame",)), Record.FULL)
    assert first.notices == ("first frame", f"The GPU ran out of memory; {first.model.name} runs on the CPU now.")
    assert first.device.kind == CPU
    assert "too little memory" in first.device.reason
    assert engine.classify(request(models[0], 2), decoded(), Record.FULL).notices == ()
    ask(engine, PatchRequest(1, 0, 0))


def test_weights_that_do_not_fit_the_gpu_are_loaded_on_the_cpu_with_a_notice(
    models: list[ModelRef], monkeypatch: pytest.MonkeyPatch
) -> None:
    class SmallGpu(Classifier):
        def __init__(self, checkpoint: Checkpoint, preference: DevicePreference) -> None:
            if preference != CPU:
                raise RuntimeError("CUDA error: out of memory")
            super().__init__(checkpoint, preference)

    monkeypatch.setattr("mixer_gui.engine.engine.Classifier", SmallGpu)
    engine = Engine()
    ready = engine.load(models[0], DevicePreference.AUTO)
    assert ready.notices == (f"The GPU ran out of memory; {ready.info.name} runs on the CPU now.",)
    assert "too little memory" in ready.device.reason
    assert engine.load(models[0], DevicePreference.AUTO).notices == ()


def test_details_make_room_before_the_gpu_is_given_up(models: list[ModelRef]) -> None:
    classifier = FullGpu(models[0], room=1)
    engine = engine_with(classifier, models[0])
    engine.classify(request(models[0], 1), decoded(), Record.FULL)

    class RoomWhenEmpty(dict[int, Detail]):
        def clear(self) -> None:
            classifier.room += 1
            super().clear()

    engine._details = RoomWhenEmpty(engine._details)  # type: ignore[assignment]
    report = engine.classify(request(models[0], 2), decoded(), Record.MAPS)
    assert report.notices == ()
    assert classifier.device.type == "cuda"


def test_details_from_before_the_fallback_are_void(models: list[ModelRef]) -> None:
    engine = engine_with(FullGpu(models[0], room=1), models[0])
    engine.classify(request(models[0], 1), decoded(), Record.FULL)
    engine.classify(request(models[0], 2), decoded(), Record.FULL)
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(1, 0, 0))
    with pytest.raises(DetailEvictedError):
        ask(engine, ClassRequest(1, 0))
    ask(engine, PatchRequest(2, 0, 0))


def test_question_on_a_full_gpu_moves_the_model_and_asks_for_another_run(models: list[ModelRef]) -> None:
    class FullForQuestions(FullGpu):
        def fall_back(self) -> None:
            self.model = load_checkpoint(models[0]).model
            super().fall_back()

    class NoRoom(torch.nn.Module):
        config = tiny_config()

        def token_mixing(self, layer: int) -> torch.nn.Module:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB).")

    classifier = FullForQuestions(models[0], room=2)
    engine = engine_with(classifier, models[0])
    for number in (1, 2):
        engine.classify(request(models[0], number), decoded(), Record.FULL)
    classifier.model = NoRoom()  # type: ignore[assignment]
    with pytest.raises(DetailEvictedError):
        ask(engine, PatchRequest(1, 0, 0))
    assert classifier.device.type == "cpu"
    with pytest.raises(DetailEvictedError):  # on the GPU, it would be of no use to the model on the CPU
        ask(engine, PatchRequest(2, 0, 0))
    engine.classify(request(models[0], 1), decoded(), Record.FULL)
    ask(engine, PatchRequest(1, 0, 0))


def test_no_tensor_of_the_failed_attempt_is_alive_when_it_is_tried_again(models: list[ModelRef]) -> None:
    held: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    class Greedy(FullGpu):
        def classify(self, request: ClassifyRequest, decoded: DecodedPicture, record: Record) -> tuple[Report, Detail]:
            activations = torch.ones(10)
            held.append(weakref.ref(activations))
            return super().classify(request, decoded, record)

        def fall_back(self) -> None:
            alive.extend(reference() is not None for reference in held)
            super().fall_back()

    engine = engine_with(Greedy(models[0]), models[0])
    engine.classify(request(models[0], 1), decoded(), Record.MAPS)
    assert alive == [False]


def test_memory_of_the_computer_that_is_used_up_gives_a_sentence(models: list[ModelRef]) -> None:
    engine = Engine()
    engine.load(models[0], CPU)
    classifier = next(iter(engine._classifiers.values()))

    def allocate_too_much(*_: object) -> None:
        torch.empty(1 << 60, dtype=torch.uint8)

    classifier.model.blocks[1].register_forward_pre_hook(allocate_too_much)
    with pytest.raises(MixerGuiError, match="not enough memory to run"):
        engine.classify(request(models[0]), decoded(), Record.MAPS)


def test_errors_of_another_kind_are_not_taken_for_a_full_memory(models: list[ModelRef]) -> None:
    engine = Engine()
    engine.load(models[0], CPU)
    with pytest.raises(MixerGuiError, match="32×32"):
        engine.classify(request(models[0]), decoded(size=(40, 40)), Record.MAPS)
