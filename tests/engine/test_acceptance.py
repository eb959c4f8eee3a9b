"""Whether half precision is accepted, on real passes; thresholds are moved, since no timing may decide a test."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from inputs import decoded, request

from mixer_gui.engine import acceptance, device
from mixer_gui.engine.acceptance import Acceptances, Verdict, calibration_pixels, judged
from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.engine import Engine
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.records import DevicePreference, ModelRef, Precision, PrecisionPreference, Priority

CPU = DevicePreference.CPU
AUTO = PrecisionPreference.AUTO
GOOD = Verdict(Precision.BF16, times_as_fast=2.0, difference=0.004)

WriteCheckpoint = Callable[..., Path]


@pytest.fixture
def worth_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models are tried as large ones are."""
    monkeypatch.setattr(device, "SMALL_MODEL_MACS", 0)
    monkeypatch.setattr(acceptance, "WORTH_TRYING_MS", 0.0)


@pytest.fixture
def any_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow half precision is here and now."""
    monkeypatch.setattr(acceptance, "MOST_TIME", 1e6)


@pytest.fixture
def model(tiny_checkpoint: WriteCheckpoint) -> ModelRef:
    return ModelRef(tiny_checkpoint())


def classifier(model: ModelRef) -> Classifier:
    return Classifier(load_checkpoint(model), CPU)


def verdict_of(whole: Classifier) -> tuple[Verdict, int]:
    """And in how many steps it was found."""
    steps, count = judged(whole), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, count
        count += 1


def test_calibration_inputs_are_always_the_same_and_have_shapes_and_noise() -> None:
    pictures = calibration_pixels(64, 48)
    assert (pictures.shape, pictures.dtype) == ((8, 64, 48, 3), np.uint8)
    np.testing.assert_array_equal(pictures, calibration_pixels(64, 48))
    assert len({picture.tobytes() for picture in pictures}) == 8
    for picture in pictures.astype(float):
        means = picture.reshape(4, 16, 4, 12, 3).mean((1, 3))  # of blocks: what is left is not noise
        assert means.std((0, 1)).min() > 5
        assert np.abs(np.diff(picture, axis=0)).mean() > 1


@pytest.mark.parametrize(
    ("verdict", "accepted"),
    [
        (Verdict(Precision.BF16, 1.25, 0.01), Precision.BF16),
        (Verdict(Precision.FP16, 3.0, 0.0), Precision.FP16),
        (Verdict(Precision.BF16, 1.24, 0.0), None),
        (Verdict(Precision.BF16, 3.0, 0.011), None),
        (Verdict(Precision.BF16, 3.0, 0.0, agrees=False), None),
        (Verdict(Precision.BF16, 3.0, 0.0, failure="it broke"), None),
        (Verdict(), None),
    ],
)
def test_verdict_takes_speed_probabilities_and_the_first_class(verdict: Verdict, accepted: Precision | None) -> None:
    assert verdict.accepted == accepted
    assert ("Everything runs in fp32" in verdict.sentence or "everything runs in fp32" in verdict.sentence) == (
        accepted is None
    )


@pytest.mark.usefixtures("worth_trying", "any_speed")
def test_model_is_tried_in_turns_and_accepted(model: ModelRef) -> None:
    whole = classifier(model)
    verdict, steps = verdict_of(whole)
    assert (verdict.tried, verdict.accepted, verdict.agrees, verdict.failure) == (*[Precision.BF16] * 2, True, "")
    assert 0 < verdict.difference < 0.01
    assert verdict.times_as_fast > 0
    assert steps == 4 + 1 + 2 * 8
    before = whole.size_bytes
    whole.drop(Precision.BF16)  # the network that was accepted is there already
    assert whole.size_bytes < before


@pytest.mark.usefixtures("worth_trying")
def test_network_that_is_not_faster_is_dropped(model: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "MOST_TIME", 0.0)
    whole = classifier(model)
    before = whole.size_bytes
    verdict, _ = verdict_of(whole)
    assert (verdict.tried, verdict.accepted) == (Precision.BF16, None)
    assert "times as fast" in verdict.sentence
    assert whole.size_bytes == before


@pytest.mark.usefixtures("worth_trying", "any_speed")
def test_other_probabilities_are_not_accepted(model: ModelRef) -> None:
    whole = classifier(model)
    half = whole.at(Precision.BF16).model
    half.stem.proj.weight.copy_(half.stem.proj.weight.flip(0))
    verdict, _ = verdict_of(whole)
    assert verdict.difference > 0.01
    assert verdict.accepted is None
    assert "probabilities differ" in verdict.sentence


@pytest.mark.usefixtures("worth_trying", "any_speed")
def test_numbers_that_overflow_are_not_accepted(model: ModelRef) -> None:
    whole = classifier(model)
    whole.at(Precision.BF16).model.stem.proj.bias.fill_(math.inf)
    verdict, _ = verdict_of(whole)
    assert (verdict.difference, verdict.accepted) == (1.0, None)


def test_small_model_is_not_tried_and_no_pass_is_run(model: ModelRef) -> None:
    whole = classifier(model)
    assert verdict_of(whole) == (Verdict(), 0)
    assert Acceptances().known(whole) == Verdict()


def test_model_whose_pass_is_short_is_not_tried(model: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "SMALL_MODEL_MACS", 0)
    monkeypatch.setattr(acceptance, "WORTH_TRYING_MS", 1e6)
    assert verdict_of(classifier(model))[0] == Verdict()


@pytest.mark.usefixtures("worth_trying")
class TestMemory:
    """What is remembered between two starts."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "config" / "half-precision.json"

    def test_verdict_is_read_again(self, model: ModelRef, path: Path) -> None:
        assert Acceptances(path).known(classifier(model)) is None
        Acceptances(path).remember(classifier(model), GOOD)
        assert Acceptances(path).known(classifier(model)) == GOOD
        assert list(path.parent.iterdir()) == [path]

    def test_without_a_path_it_is_remembered_while_the_program_runs(self, model: ModelRef) -> None:
        acceptances = Acceptances()
        acceptances.remember(classifier(model), GOOD)
        assert acceptances.known(classifier(model)) == GOOD
        assert Acceptances().known(classifier(model)) is None

    def test_it_is_of_this_model_these_weights_and_this_torch_alone(
        self, model: ModelRef, path: Path, tiny_checkpoint: WriteCheckpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Acceptances(path).remember(classifier(model), GOOD)
        whole = classifier(model)
        assert Acceptances(path).known(whole) == GOOD
        assert Acceptances(path).known(classifier(ModelRef(tiny_checkpoint(name="other")))) is None
        with monkeypatch.context() as patched:
            patched.setattr(torch, "__version__", "9.9")
            assert Acceptances(path).known(whole) is None
        weights = model.path / "model.safetensors"
        os.utime(weights, ns=(0, 0))
        assert Acceptances(path).known(classifier(model)) is None

    def test_newer_verdict_takes_the_place_of_an_older_one(self, model: ModelRef, path: Path) -> None:
        slow = Verdict(Precision.BF16, 0.5)
        for verdict in (GOOD, slow):
            Acceptances(path).remember(classifier(model), verdict)
        assert Acceptances(path).known(classifier(model)) == slow
        assert len(json.loads(path.read_text())) == 1

    @pytest.mark.parametrize(
        ("times_as_fast", "is_kept"), [(0.5, True), (0.7, True), (0.89, False), (1.2, False), (1.3, True)]
    )
    def test_trial_that_was_missed_narrowly_is_made_again_at_the_next_start(
        self, model: ModelRef, path: Path, times_as_fast: float, is_kept: bool
    ) -> None:
        verdict = Verdict(Precision.BF16, times_as_fast)
        acceptances = Acceptances(path)
        acceptances.remember(classifier(model), verdict)
        assert acceptances.known(classifier(model)) == verdict
        assert Acceptances(path).known(classifier(model)) == (verdict if is_kept else None)

    def test_file_does_not_grow_for_ever(self, model: ModelRef, path: Path) -> None:
        Acceptances(path).remember(classifier(model), GOOD)
        (stored,) = json.loads(path.read_text()).values()
        path.write_text(json.dumps({f"model {number}": stored for number in range(500)}))
        Acceptances(path).remember(classifier(model), GOOD)
        kept = json.loads(path.read_text())
        assert len(kept) == acceptance.MOST_REMEMBERED
        assert "model 499" in kept
        assert Acceptances(path).known(classifier(model)) == GOOD

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[1, 2]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": 1, "b": {"tried": "int8"}}'],
        ids=["empty", "brace", "list", "null", "not utf-8", "deep", "other values"],
    )
    def test_damaged_file_counts_as_empty_and_is_written_anew(
        self, model: ModelRef, path: Path, content: bytes
    ) -> None:
        path.parent.mkdir()
        path.write_bytes(content)
        assert Acceptances(path).known(classifier(model)) is None
        Acceptances(path).remember(classifier(model), GOOD)
        assert Acceptances(path).known(classifier(model)) == GOOD

    @pytest.mark.parametrize("broken", [{"tried": "int8"}, {"times_as_fast": "2"}, {"agrees": None}, {"failure": 1}])
    def test_damaged_verdict_is_left_out(self, model: ModelRef, path: Path, broken: dict[str, object]) -> None:
        Acceptances(path).remember(classifier(model), GOOD)
        stored = json.loads(path.read_text())
        (key,) = stored
        path.write_text(json.dumps({"another": stored[key], key: stored[key] | broken}))
        assert Acceptances(path).known(classifier(model)) is None

    def test_folder_that_cannot_be_written_is_no_failure(self, model: ModelRef, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("where the folder should be")
        acceptances = Acceptances(tmp_path / "file" / "half-precision.json")
        acceptances.remember(classifier(model), GOOD)
        assert acceptances.known(classifier(model)) == GOOD

    @pytest.mark.usefixtures("any_speed")
    def test_engine_tries_once_and_the_next_one_knows(self, model: ModelRef, path: Path) -> None:
        engine = Engine(acceptances=path)
        assert "bf16" not in engine.load(model, CPU).device.reason
        asked = request(model, priority=Priority.FOLDER)
        assert engine.classify(asked, decoded(), Record.MAPS).device.precision == Precision.FP32  # nothing is known yet
        trial = engine.begin_trial(model, CPU)
        assert trial is not None
        assert engine.begin_trial(model, CPU) is None  # it is under way
        assert sum(1 for _ in trial) > 0
        assert engine.begin_trial(model, CPU) is None
        for later in (engine, Engine(acceptances=path)):
            assert "run in bf16" in later.load(model, CPU).device.reason
            assert later.begin_trial(model, CPU) is None
            assert later.classify(asked, decoded(), Record.MAPS).device.precision == Precision.BF16
