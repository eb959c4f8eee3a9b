"""`mixer-gui bench models` on tiny models, through the command line: figures that agree, errors, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from checkpoints import random_mixer, tiny_config, write_hub_folder

from mixer_gui.bench.memory import PeakMemory
from mixer_gui.model.summary import summarize
from mixer_gui.records import Precision
from mixer_gui.records.benchmarks import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = [sys.executable, "-m", "mixer_gui", "bench", "models"]


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, encoding="utf-8")


def test_figures_of_a_model_agree_with_each_other(tiny_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder, file = tiny_checkpoint(), tmp_path / "figures.json"
    ended = bench(folder, "--device", "cpu", "--rounds", "5", "--json", file)
    assert ended.returncode == 0, ended.stderr
    found = from_json(file.read_text(encoding="utf-8"))
    assert found.is_complete
    assert (found.steps, found.doing, found.rounds) == (2, "", 5)
    assert found.machine.cores == os.cpu_count()
    assert found.machine.torch == torch.__version__
    (model,) = found.models
    counted = summarize(tiny_config())
    assert (model.path, model.repository, model.top1) == (str(folder), None, None)
    assert (model.parameters, model.multiply_accumulates) == (counted.parameters, counted.multiply_accumulates)
    assert [each.precision for each in model.precisions] == [Precision.FP32, Precision.BF16]
    for figures in model.precisions:
        assert [each.batch for each in figures.batches] == [1, 4, 16]
        assert [each.passes for each in figures.batches] == [5, 3, 3]
        assert figures.best.images_per_s == max(each.images_per_s for each in figures.batches)
        for each in figures.batches:
            assert 0 < each.median_ms <= each.p95_ms
            assert each.images_per_s == pytest.approx(each.batch / each.median_ms * 1e3)
            assert each.gflop_per_s == pytest.approx(2 * counted.multiply_accumulates * each.images_per_s / 1e9)
        assert 0 < figures.gemm_share < 1
        if sys.platform == "linux":
            assert figures.peak_bytes >= figures.weights_bytes
    single, half = model.precisions
    assert single.weights_bytes == 4 * counted.parameters
    assert 2 * counted.parameters < half.weights_bytes < single.weights_bytes
    assert f"{single.best.images_per_s:.1f}" in ended.stdout
    assert "fp32" in ended.stdout
    assert "bf16" in ended.stdout


def test_downloaded_models_are_measured_with_their_published_accuracy(own_home: Path, tmp_path: Path) -> None:
    repository, commit = "timm/mixer_b16_224.goog_in21k_ft_in1k", "0123456789abcdef0123456789abcdef01234567"
    snapshot = own_home / "huggingface" / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / commit
    write_hub_folder(random_mixer(tiny_config()), snapshot)
    for names, expected in (
        ((), ["Built-in model", "Mixer-B/16 by Google"]),
        ((repository,), ["Mixer-B/16 by Google"]),
    ):
        file = tmp_path / "figures.json"
        ended = bench(*names, "--device", "cpu", "--rounds", "3", "--batch", "2", "--json", file)
        assert ended.returncode == 0, ended.stderr
        found = from_json(file.read_text(encoding="utf-8"))
        assert [each.name for each in found.models] == expected
        assert (found.models[-1].repository, found.models[-1].top1) == (repository, 76.62)
        assert [each.batch for each in found.models[-1].precisions[0].batches] == [1, 2]


def test_variant_of_the_paper_runs_with_random_weights(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    ended = bench("--variant", "s/32", "--device", "cpu", "--rounds", "3", "--batch", "1", "--json", file)
    assert ended.returncode == 0, ended.stderr
    (model,) = from_json(file.read_text(encoding="utf-8")).models
    assert (model.name, model.path, model.parameters) == ("Mixer-S/32, random weights", None, 19_104_624)
    assert [each.batch for each in model.precisions[0].batches] == [1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody/nothing",), "nobody/nothing"),
        (("nothing",), "There is no model “nothing” here"),
        (("--variant", "X/9"), "X/9"),
        (("--batch", "100000000"), "does not fit into the memory; choose a smaller --batch"),
        (("--rounds", "3", "--json", "/nowhere/figures.json"), "/nowhere/figures.json"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    ended = bench(*arguments)
    assert ended.returncode == 1
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_what_is_finished_is_printed_where_a_later_model_fails(
    tiny_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    broken = tiny_checkpoint(name="broken")
    (broken / "model.safetensors").write_bytes(b"nothing")
    ended = bench(tiny_checkpoint(), broken, "--device", "cpu", "--rounds", "3", "--batch", "1")
    assert ended.returncode == 1
    assert "tiny" in ended.stdout
    assert "broken" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_prints_what_is_finished(tiny_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    arguments = [tiny_checkpoint(), "--variant", "S/16", "--device", "cpu", "--rounds", "1000", "--json", file]
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        deadline = time.monotonic() + 60
        while not (file.exists() and from_json(file.read_text(encoding="utf-8")).steps_done == 2):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "tiny" in said
    assert "S/16" not in said


def test_json_that_is_something_else_is_refused() -> None:
    for text in ("[]", "{}", '{"models": [1]}', "no"):
        with pytest.raises(ValueError, match=r"figures|Expecting"):
            from_json(text)


def test_json_says_what_follows_from_the_figures(tiny_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert bench(tiny_checkpoint(), "--device", "cpu", "--rounds", "3", "--json", file).returncode == 0
    text = file.read_text(encoding="utf-8")
    said = json.loads(text)["models"][0]["precisions"][0]
    rates = {each["batch"]: each["images_per_s"] for each in said["batches"]}
    assert said["best_batch"] == max(rates, key=rates.__getitem__)
    assert to_json(from_json(text)) == text


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody counts")
def test_peak_counts_what_was_given_back() -> None:
    peak = PeakMemory(torch.device("cpu"))
    if peak.taken_bytes() is None:
        pytest.skip("this system does not let the peak begin anew")
    block = torch.ones(64 << 20, dtype=torch.uint8)
    del block
    assert 60 << 20 < peak.taken_bytes() < 160 << 20
