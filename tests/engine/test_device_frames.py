"""Frames cut on the device against Pillow's, pixel by pixel; those marked `gpu` on CUDA, the others on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mixer_gui.engine import frames
from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.detail import Detail
from mixer_gui.engine.device_frames import _tables, cut_on_device
from mixer_gui.engine.engine import Engine
from mixer_gui.engine.frames import cut_out
from mixer_gui.engine.steadying import RunningAverage
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.pictures.preprocess import prepare
from mixer_gui.records import (
    CropMode,
    DevicePreference,
    FrameReport,
    FrameRequest,
    Framing,
    FramingKind,
    Interpolation,
    LiveFrame,
    ModelRef,
    Precision,
    PrecisionPreference,
    Preprocessing,
    Rect,
)
from mixer_gui.resources import default_model

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
DEVICES = [pytest.param(CPU, id="cpu"), pytest.param(CUDA, id="cuda", marks=pytest.mark.gpu)]

PREPROCESSING = Preprocessing(
    (224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), Interpolation.BICUBIC, 0.875, CropMode.CENTER
)

# (height, width): of cameras, upright, smaller than the input on both axes and on one, equal to it, hardly larger.
SIZES = [(480, 640), (1080, 1920), (720, 405), (60, 100), (33, 500), (224, 224), (256, 256), (225, 223)]
FRAMINGS = {
    "checkpoint": Framing(),
    "rectangle": Framing(FramingKind.RECTANGLE, Rect(7.3, 5.71, 60.1, 25.45)),
    "beyond": Framing(FramingKind.RECTANGLE, Rect(-20.0, 10.6, 5000.0, 20.2)),
    "squash": Framing(FramingKind.SQUASH),
    "pad": Framing(FramingKind.PAD),
}


def gradient(height: int, width: int) -> np.ndarray:
    """Each channel in a direction of its own."""
    y, x = np.mgrid[:height, :width]
    channels = (x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 255 // (width + height - 2))
    return np.stack(channels, -1).astype(np.uint8)


def noise(height: int, width: int) -> np.ndarray:
    """Black and white only: the filters overshoot as far as they can."""
    return np.random.default_rng(0).integers(0, 2, (height, width, 3), dtype=np.uint8) * np.uint8(255)


def photograph(height: int, width: int) -> np.ndarray:
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the real photographs")
    return np.asarray(Image.fromarray(data.coffee()).resize((width, height)))


def live_frame(pixels: np.ndarray, time_s: float = 0.0) -> LiveFrame:
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    return LiveFrame(1, pixels, time_s, 0.0)


def differences(pixels: np.ndarray, preprocessing: Preprocessing, framing: Framing, device: torch.device) -> np.ndarray:
    """Levels by which both ways differ; that they see the same rectangle is asserted."""
    expected = prepare(pixels, preprocessing, framing)
    found = cut_on_device(pixels, preprocessing, framing, device)
    assert found is not None
    assert found.pixels.device.type == device.type
    assert found.pixels.dtype == torch.uint8
    assert found.seen == expected.seen
    return np.abs(found.pixels.cpu().numpy().astype(int) - expected.pixels)


# --- the pixels ---


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("interpolation", [Interpolation.BILINEAR, Interpolation.BICUBIC])
@pytest.mark.parametrize("draw", [gradient, noise, photograph])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pixels_are_those_of_pillow(
    size: tuple[int, int], draw: Callable[[int, int], np.ndarray], interpolation: Interpolation, device: torch.device
) -> None:
    """Whatever the framing: neither the order of sums on a device nor a cut between two pixels moves one level."""
    pixels = draw(*size)
    for name, framing in FRAMINGS.items():
        levels = differences(pixels, replace(PREPROCESSING, interpolation=interpolation), framing, device)
        assert levels.shape == (224, 224, 3)
        assert levels.max() == 0, f"{name}: by up to {levels.max()} levels, {100 * (levels > 0).mean():.3f} %"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("crop_mode", CropMode)
@pytest.mark.parametrize("input_size", [(224, 224), (96, 160)], ids=str)
def test_every_crop_mode_and_an_oblong_input(
    crop_mode: CropMode, input_size: tuple[int, int], device: torch.device
) -> None:
    for crop_pct in (0.875, 1.0):
        preprocessing = replace(PREPROCESSING, crop_mode=crop_mode, input_size=input_size, crop_pct=crop_pct)
        assert differences(noise(270, 480), preprocessing, Framing(), device).max() == 0


@pytest.mark.parametrize("device", DEVICES)
def test_very_large_reductions_stay_within_a_level(device: torch.device) -> None:
    preprocessing = replace(PREPROCESSING, input_size=(32, 32))
    assert differences(noise(1400, 1600), preprocessing, Framing(), device).max() <= 1


@pytest.mark.parametrize("interpolation", sorted(set(Interpolation) - {Interpolation.BILINEAR, Interpolation.BICUBIC}))
def test_other_filters_are_left_to_pillow(interpolation: Interpolation) -> None:
    preprocessing = replace(PREPROCESSING, interpolation=interpolation)
    assert cut_on_device(gradient(60, 80), preprocessing, Framing(), CPU) is None


def test_only_what_is_seen_is_uploaded() -> None:
    tables = _tables(1920, 1080, PREPROCESSING, Framing(), CPU)
    assert tables.columns.read.stop - tables.columns.read.start < 980
    assert tables.rows.read.stop - tables.rows.read.start < 980


@pytest.mark.usefixtures("cutting")
def test_a_filter_that_the_device_has_not_is_used_all_the_same() -> None:
    preprocessing = replace(PREPROCESSING, interpolation=Interpolation.LANCZOS)
    expected = prepare(gradient(60, 80), preprocessing, Framing())
    pixels, seen = cut_out(live_frame(gradient(60, 80)), preprocessing, Framing(), CPU)
    assert isinstance(pixels, np.ndarray)
    np.testing.assert_array_equal(pixels, expected.pixels)
    assert seen == expected.seen


def test_a_cpu_leaves_frames_to_pillow() -> None:
    pixels, _ = cut_out(live_frame(gradient(60, 80)), PREPROCESSING, Framing(), CPU)
    assert isinstance(pixels, np.ndarray)


# --- through the classifier and the engine ---


@pytest.fixture
def cutting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are cut on the CPU as they are on a GPU."""
    monkeypatch.setattr(frames, "CUTTING_DEVICES", {"cpu", "cuda"})


def frame_request(
    pixels: np.ndarray, time_s: float = 0.0, device: DevicePreference = DevicePreference.CPU
) -> FrameRequest:
    return FrameRequest(1, "live", "clip.mp4", live_frame(pixels, time_s), default_model(), device=device)


@pytest.fixture(scope="module")
def whole() -> Classifier:
    return Classifier(load_checkpoint(default_model()), DevicePreference.CPU)


def without_timings(answer: FrameReport) -> FrameReport:
    return replace(answer, timings_ms=None, report=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_answers_are_equal_both_ways(whole: Classifier, precision: Precision, monkeypatch: pytest.MonkeyPatch) -> None:
    """The logits to the last bit, in half precision too, and steadied over frames."""

    def answers() -> list[tuple[FrameReport, Detail]]:
        average, classifier = RunningAverage(), whole.at(precision)
        requests = [frame_request(draw(300, 400), 0.1 * time) for time, draw in enumerate((gradient, noise, gradient))]
        return [classifier.classify_frame(replace(each, steady_s=1.0), Record.MAPS, average) for each in requests]

    by_pillow = answers()
    monkeypatch.setattr(frames, "CUTTING_DEVICES", {"cpu"})
    for (found, detail), (expected, expected_detail) in zip(answers(), by_pillow, strict=True):
        assert without_timings(found) == without_timings(expected)
        assert found.device.precision == precision
        assert torch.equal(detail.logits, expected_detail.logits)
        assert found.report is not None
        assert expected.report is not None
        assert found.report.seen == expected.report.seen
        np.testing.assert_array_equal(found.report.centred_evidence, expected.report.centred_evidence)


@pytest.mark.parametrize("precision", [PrecisionPreference.FP32, PrecisionPreference.BF16])
def test_questions_along_with_a_frame_are_answered_alike_both_ways(
    precision: PrecisionPreference, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine()
    engine.load(default_model(), DevicePreference.CPU)
    asked = replace(frame_request(noise(300, 400)), precision=precision, about_class=7, about_patch=(2, 9))
    expected = engine.classify_frame(asked)
    monkeypatch.setattr(frames, "CUTTING_DEVICES", {"cpu"})
    found = engine.classify_frame(asked)
    assert found.device.precision == Precision(precision)
    assert found.about_class is not None
    assert found.about_patch is not None
    assert expected.about_class is not None
    assert expected.about_patch is not None
    np.testing.assert_array_equal(found.about_class.token_mixing, expected.about_class.token_mixing)
    np.testing.assert_array_equal(found.about_patch.reads, expected.about_patch.reads)


@pytest.mark.parametrize("way", ["pillow", "device"])
def test_only_a_full_recording_keeps_the_pixels(whole: Classifier, way: str, request: pytest.FixtureRequest) -> None:
    if way == "device":
        request.getfixturevalue("cutting")
    asked = frame_request(noise(300, 400))
    expected = prepare(asked.frame.pixels, whole.info.preprocessing, Framing()).pixels
    for record in Record:
        answer, detail = whole.classify_frame(asked, record, RunningAverage())
        assert (answer.report is None) == (record == Record.NONE)
        if record == Record.FULL:
            np.testing.assert_array_equal(detail.pixels, expected)
            assert not detail.pixels.flags.writeable
        else:
            assert detail.pixels.size == 0


def test_preprocessing_and_the_pass_are_timed_one_after_the_other(whole: Classifier) -> None:
    answer, _ = whole.classify_frame(frame_request(noise(1080, 1920)), Record.MAPS, RunningAverage())
    assert answer.timings_ms.decode == 0
    assert answer.timings_ms.preprocess > 0
    assert answer.timings_ms.forward > 0
    assert answer.report is not None
    assert answer.report.timings_ms.preprocess == answer.timings_ms.preprocess


# --- on a GPU ---


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    for device in (DevicePreference.CPU, DevicePreference.CUDA):
        engine.load(default_model(), device)
    yield engine
    torch.cuda.empty_cache()


@pytest.mark.gpu
@pytest.mark.parametrize("precision", PrecisionPreference)
@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS.keys())
def test_a_gpu_says_of_frames_what_the_cpu_says(
    engine: Engine, framing: Framing, precision: PrecisionPreference
) -> None:
    """Of the second of two, steadied."""
    for time, pixels in enumerate((photograph(1080, 1920), np.roll(photograph(1080, 1920), 40, 1))):
        asked = replace(frame_request(pixels, 0.5 * time), framing=framing, about_class=7, about_patch=(2, 9))
        asked = replace(asked, steady_s=1.0, top_k=20)
        on_cpu = engine.classify_frame(asked)
        on_gpu = engine.classify_frame(replace(asked, view="other", device=DevicePreference.CUDA, precision=precision))
    assert on_gpu.device.kind == DevicePreference.CUDA
    assert on_gpu.report is not None
    assert on_cpu.report is not None
    assert on_gpu.report.seen == on_cpu.report.seen
    assert on_gpu.about_class is not None
    assert on_gpu.about_patch is not None
    assert on_gpu.predictions[0].index == on_cpu.predictions[0].index
    found = {each.index: each.probability for each in on_gpu.predictions}
    for each in on_cpu.predictions[:5]:
        assert found.get(each.index, 0.0) == pytest.approx(each.probability, abs=0.01)


@pytest.mark.gpu
def test_frames_that_follow_each_other_do_not_overwrite_each_other() -> None:
    """Uploads out of pinned memory go on while the next frame is copied into it."""
    pictures = [np.roll(noise(1080, 1920), shift, 1) for shift in range(20)]
    found = [cut_on_device(each, PREPROCESSING, Framing(), CUDA) for each in pictures]
    for each, on_device in zip(pictures, found, strict=True):
        assert on_device is not None
        expected = prepare(each, PREPROCESSING, Framing()).pixels
        np.testing.assert_array_equal(on_device.pixels.cpu().numpy(), expected)


@pytest.mark.gpu
def test_a_gpu_keeps_the_pixels_of_a_full_recording_only(tmp_path: Path) -> None:
    from checkpoints import random_mixer, tiny_config, write_hub_folder

    model = ModelRef(write_hub_folder(random_mixer(tiny_config()), tmp_path / "tiny"))
    on_gpu = Classifier(load_checkpoint(model), DevicePreference.CUDA)
    asked = replace(frame_request(noise(300, 400), device=DevicePreference.CUDA), model=model)
    expected = prepare(asked.frame.pixels, on_gpu.info.preprocessing, Framing()).pixels
    _, full = on_gpu.classify_frame(asked, Record.FULL, RunningAverage())
    np.testing.assert_array_equal(full.pixels, expected)
    assert on_gpu.classify_frame(asked, Record.MAPS, RunningAverage())[1].pixels.size == 0
