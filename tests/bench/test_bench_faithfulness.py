"""The table of faithfulness: which pictures, which maps, and figures equal to a pass for each picture by itself."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mixer_gui.bench.faithfulness import Areas, application_maps, chosen, measure, rows, table
from mixer_gui.engine.classifier import Classifier
from mixer_gui.engine.detail import Detail
from mixer_gui.engine.engine import Engine
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.mixer import Record
from mixer_gui.pictures.edits import blurred
from mixer_gui.records import (
    ClassReport,
    ClassRequest,
    DevicePreference,
    GradientReport,
    GradientRequest,
    MixerGuiError,
    ModelRef,
)
from tests.engine.inputs import ask, decoded, request

WriteCheckpoint = Callable[..., Path]

MAPS = 17


def made(folder: Path, count: int) -> Path:
    """Pictures of 32×32, two folders deep, and a file that is none."""
    rng = np.random.default_rng(0)
    (folder / "below").mkdir(parents=True)
    for number in range(count):
        name = f"below/{number}.png" if number % 2 else f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, file.relative_to(folder))
    return path


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mixer_gui", "bench", "faithfulness", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_lists_its_pictures_and_writes_a_table(tiny_checkpoint: WriteCheckpoint, tmp_path: Path) -> None:
    place = zipped(made(tmp_path / "pictures", 6))
    listed, written = tmp_path / "list.txt", tmp_path / "areas.json"
    done = bench(
        *(place, "--pictures", 3, "--seed", 5, "--skip", 2, "--model", tiny_checkpoint()),
        *("--list", listed, "--json", written),
    )
    assert done.returncode == 0, done.stderr
    names = listed.read_text().splitlines()
    assert names == [each.name for each in chosen([place], count=3, seed=5, skip=2)]
    assert f"3 pictures, seed 5, after 2 others: {', '.join(names)}\n" in done.stdout
    lines = re.findall(
        r"^\| ([^|]+) \| (0\.\d{4}) ± (0\.\d{4}) \| (0\.\d{4}) ± 0\.\d{4} \|$", done.stdout, re.MULTILINE
    )
    assert len(lines) == MAPS
    content = json.loads(written.read_text())
    assert content["pictures"] == names
    assert (content["seed"], content["skip"]) == (5, 2)
    for name, deletion, error, insertion in lines:
        areas = content["maps"][name]
        assert len(areas["deletion"]) == 3
        assert float(deletion) == pytest.approx(statistics.fmean(areas["deletion"]), abs=1e-4)
        assert float(error) == pytest.approx(statistics.stdev(areas["deletion"]) / 3**0.5, abs=1e-4)
        assert float(insertion) == pytest.approx(statistics.fmean(areas["insertion"]), abs=1e-4)


def test_too_few_pictures_are_told_in_a_sentence(tmp_path: Path) -> None:
    done = bench(made(tmp_path / "pictures", 3), "--pictures", 4)
    assert done.returncode == 1
    assert "4 pictures are needed, and there are 3." in done.stderr
    assert "Traceback" not in done.stderr


def test_file_that_is_no_zip_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "pictures.zip").write_text("nothing")
    with pytest.raises(MixerGuiError, match="neither a folder nor a ZIP"):
        chosen([tmp_path / "pictures.zip"], count=1, seed=0, skip=0)


def test_pictures_after_those_that_were_skipped_are_others(tmp_path: Path) -> None:
    place = made(tmp_path / "pictures", 12)
    whole = [each.name for each in chosen([place], count=12, seed=1, skip=0)]
    assert len(set(whole)) == 12
    first, second = chosen([place], count=5, seed=1, skip=0), chosen([place], count=7, seed=1, skip=5)
    assert [each.name for each in (*first, *second)] == whole
    assert [each.name for each in chosen([place], count=12, seed=2, skip=0)] != whole


def test_zip_and_folder_give_the_same_pictures(tmp_path: Path) -> None:
    place = made(tmp_path / "pictures", 5)
    of_folder, of_zip = (chosen([each], count=5, seed=1, skip=0) for each in (place, zipped(place)))
    assert [each.data for each in of_folder] == [each.data for each in of_zip]
    assert {each.name for each in of_folder} == {f"pictures/{file.relative_to(place)}" for file in place.rglob("*.png")}


def test_areas_are_those_of_pictures_run_one_by_one(tiny_checkpoint: WriteCheckpoint, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(ModelRef(tiny_checkpoint(pretrained_cfg={"crop_pct": 1.0})))
    pictures = chosen([made(tmp_path / "pictures", 3)], count=3, seed=0, skip=0)

    def backwards(_: Detail, number: int, __: int) -> dict[str, Tensor]:
        return {"one map": -torch.arange(16.0) if number else torch.arange(16.0)}

    told: list[int] = []
    found = measure(Classifier(checkpoint, DevicePreference.CPU), pictures, backwards, progressed=told.append)
    assert told == [1, 2, 3]
    mean = np.array(checkpoint.info.preprocessing.mean)
    for number, picture in enumerate(pictures):
        pixels = np.asarray(Image.open(BytesIO(picture.data)))
        order = range(16) if number else range(15, -1, -1)
        for areas, start, end in (
            (found["one map"].deletion, pixels / 255, np.broadcast_to(mean, pixels.shape)),
            (found["one map"].insertion, blurred(pixels) / 255, pixels / 255),
        ):
            curve = []
            for count in range(17):
                changed = start.copy()
                for patch in order[:count]:
                    rows_, columns = slice(patch // 4 * 8, patch // 4 * 8 + 8), slice(patch % 4 * 8, patch % 4 * 8 + 8)
                    changed[rows_, columns] = end[rows_, columns]
                curve.append(changed)
            logits = torch.cat([logits_of(checkpoint.model, mean, each) for each in (pixels / 255, *curve)])
            probabilities = (logits[1:] / checkpoint.info.temperature).softmax(-1)[:, logits[0].argmax()]
            assert areas[number] == pytest.approx(float(np.trapezoid(probabilities.numpy(), dx=1 / 16)), rel=1e-5)


def test_maps_are_those_that_the_engine_answers_with(tiny_checkpoint: WriteCheckpoint) -> None:
    engine, model = Engine(), ModelRef(tiny_checkpoint())
    engine.load(model, DevicePreference.CPU)
    report = engine.classify(request(model), decoded(), Record.FULL)
    index = report.predictions[0].index
    with torch.inference_mode():
        found = application_maps(engine._detail(report.id), 0, index)
    assert len(found) == MAPS
    about = ask(engine, ClassRequest(report.id, index))
    gradients = ask(engine, GradientRequest(report.id, index))
    assert isinstance(about, ClassReport)
    assert isinstance(gradients, GradientReport)
    for name, expected in {
        "update, last layer": report.update[-1],
        "update, mean over layers": report.update.mean(0),
        "relative update, last layer": report.relative_update[-1],
        "relative update, mean over layers": report.relative_update.mean(0),
        "evidence, raw": about.evidence,
        "evidence, centred": report.centred_evidence[0],
        "direct contributions of token mixing": about.token_mixing.sum(0),
        "update times gradient, token mixing": gradients.token_mixing.sum(0),
        "update times gradient, all": gradients.token_mixing.sum(0) + gradients.channel_mixing.sum(0) + gradients.stem,
        "saliency": gradients.saliency,
        "input gradient": gradients.input_gradient,
        "Grad-CAM, last block's output": gradients.grad_cam,
        "Grad-CAM, final norm": np.maximum(about.evidence, 0),
    }.items():
        assert np.allclose(found[name].numpy(), expected, atol=1e-5), name


def test_summary_is_mean_and_standard_error() -> None:
    (row,) = rows({"one": Areas([1.0, 2.0, 3.0], [0.5, 0.5, 0.5])})
    assert row.deletion == pytest.approx((2.0, 1 / 3**0.5))
    assert row.insertion == pytest.approx((0.5, 0.0))
    assert "| one | 2.0000 ± 0.5774 | 0.5000 ± 0.0000 |" in table({"one": Areas([1.0, 2.0, 3.0], [0.5, 0.5, 0.5])})


def logits_of(model: torch.nn.Module, mean: np.ndarray, picture: np.ndarray) -> Tensor:
    """Of one picture 0…1; std is 0.5."""
    with torch.inference_mode():
        logits: Tensor = model(torch.from_numpy((picture - mean) / 0.5).float().permute(2, 0, 1)[None])[0]
    return logits
