"""`mixer-gui bench models` on tiny models, through the command line: figures that agree, errors, Ctrl-C."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from checkpoints import random_mixer, tiny_config, write_hub_folder
from typer.testing import CliRunner

from mixer_gui.bench.cli import app
from mixer_gui.bench.memory import PeakMemory, free_bytes
from mixer_gui.bench.models import WARM_PASSES, measure, subjects
from mixer_gui.bench.table import print_table
from mixer_gui.model import products
from mixer_gui.model.precision import DTYPES
from mixer_gui.model.summary import summarize
from mixer_gui.records import DevicePreference, Precision
from mixer_gui.records.benchmarks import Failure, ModelFigures, from_json, to_json

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
    if sys.platform == "linux":  # with the weights in fp32 and those that were rounded, which are half as large
        assert half.peak_bytes >= single.weights_bytes + (single.weights_bytes - half.weights_bytes)
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


def test_batch_that_does_not_fit_is_noted_for_each_precision() -> None:
    ended = bench("--batch", "100000000", "--device", "cpu", "--rounds", "3")
    assert ended.returncode == 1
    for precision in Precision.FP32, Precision.BF16:
        sentence = "A batch of 100,000,000 pictures does not fit into the memory; choose a smaller --batch."
        assert f"mixer-gui: Built-in model, {precision}: {sentence}" in ended.stderr
        assert precision in ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody/nothing",), "nobody/nothing"),
        (("nothing",), "There is no model “nothing” here"),
        (("--variant", "X/9"), "X/9"),
        (("--rounds", "3", "--json", "/nowhere/figures.json"), "/nowhere/figures.json"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    ended = bench(*arguments)
    assert ended.returncode == 1
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_broken_model_is_noted_and_the_others_are_measured(
    tiny_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    broken, good, file = tiny_checkpoint(name="broken"), tiny_checkpoint(), tmp_path / "figures.json"
    (broken / "model.safetensors").write_bytes(b"nothing")
    ended = bench(broken, good, "--device", "cpu", "--rounds", "3", "--batch", "1", "--json", file)
    assert ended.returncode == 1
    assert "mixer-gui: broken: “model.safetensors” is incomplete" in ended.stderr
    assert "Traceback" not in ended.stderr
    text = file.read_text(encoding="utf-8")
    found = from_json(text)
    assert found.is_complete
    assert to_json(found) == text
    failure, model = found.models
    assert isinstance(failure, Failure)
    assert isinstance(model, ModelFigures)
    assert (failure.name, failure.path, failure.precision) == ("broken", str(broken), None)
    assert "incomplete" in failure.error
    assert [each.precision for each in model.precisions] == [Precision.FP32, Precision.BF16]
    assert list(found.failures) == [failure]
    lines = ended.stdout.splitlines()
    (row,) = (number for number, line in enumerate(lines) if line.startswith("broken:"))
    assert row < next(number for number, line in enumerate(lines) if line.startswith("tiny") and "fp32" in line)
    assert "incomplete" in ended.stdout


def test_precision_that_the_processor_lacks_is_noted_and_the_others_are_measured(
    tiny_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(DTYPES, Precision.BF16, torch.bool)  # of which there are no products
    wanted = subjects([str(tiny_checkpoint()), str(tiny_checkpoint(name="other"))], [])
    *_, found = measure(wanted, DevicePreference.CPU, rounds=3, batch=1)
    assert found.is_complete
    assert [figures.precision for _, figures in found.measured] == [Precision.FP32] * 2
    assert [(each.name, each.precision) for each in found.failures] == [
        ("tiny", Precision.BF16),
        ("other", Precision.BF16),
    ]
    assert all(each.error.startswith("It cannot run here: ") for each in found.failures)
    assert from_json(to_json(found)) == found
    print_table(found)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows if "fp32" in row] == ["tiny", "other"]
    assert [row[0] for row in rows if "bf16" in row] == ["tiny:", "other:"]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="its instructions are x86's")
def test_processor_without_wide_instructions_gets_a_table(tiny_checkpoint: Callable[..., Path]) -> None:
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    ended = subprocess.run(
        [*COMMAND, str(tiny_checkpoint()), "--device", "cpu", "--rounds", "3", "--json", "-"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
    )
    assert "Traceback" not in ended.stderr
    found = from_json(ended.stdout)
    assert found.is_complete
    assert len(list(found.rows)) == 2
    assert found.measured[0][1].precision == Precision.FP32
    assert ended.returncode == (1 if found.failures else 0)


def test_json_goes_to_standard_output_and_nothing_else_does(tiny_checkpoint: Callable[..., Path]) -> None:
    ended = bench(tiny_checkpoint(), "--device", "cpu", "--rounds", "3", "--batch", "1", "--json", "-")
    assert ended.returncode == 0, ended.stderr
    found = from_json(ended.stdout)
    assert found.is_complete
    assert to_json(found) == ended.stdout
    assert "1 of 2: tiny, fp32" in ended.stderr
    assert not Path("-").exists()
    told = " ".join(bench("--help").stdout.replace("│", " ").split())
    assert "FILE|-" in told
    assert "“-”: to standard output" in told


def test_small_models_take_as_many_threads_as_in_the_program(
    tiny_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, linear = torch.get_num_threads(), products.linear
    seen: list[int] = []

    def observed(*arguments: Any) -> torch.Tensor:  # noqa: ANN401 - whatever `linear` takes
        if arguments[0].device.type == "cpu":  # and not the summary's, which computes nothing
            seen.append(torch.get_num_threads())
        return linear(*arguments)

    monkeypatch.setattr(products, "linear", observed)
    torch.set_num_threads(3)
    try:
        for found in measure(subjects([str(tiny_checkpoint())], ["S/32"]), DevicePreference.CPU, rounds=3, batch=1):
            if found.steps_done < 2:
                continue
            if found.steps_done == 2:
                assert set(seen) == {1}
                seen.clear()
        assert set(seen) == {3}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert [model.threads for model, _ in found.measured] == [1, 1, 3, 3]
    print_table(found)
    assert "In one thread, as the program runs small models: tiny.\n" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say how busy it is")
@pytest.mark.parametrize(("load", "is_told"), [(1.01, True), (0.99, False)])
def test_busy_machine_is_told(
    tiny_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, load: float, is_told: bool
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 9.0, 9.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    arguments = ["models", str(tiny_checkpoint()), "--device", "cpu", "--rounds", "3", "--batch", "1"]
    ended = CliRunner().invoke(app, arguments)
    assert ended.exit_code == 0
    for text in (ended.stdout, ended.stderr):
        assert ("This machine is busy (load 1.01 on 2 cores): the figures are too low." in text) == is_told
    assert not is_told or ended.stderr.startswith("This machine is busy")


@pytest.mark.gpu
def test_gpu_runs_what_the_program_runs(
    tiny_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    replay, replayed = torch.cuda.CUDAGraph.replay, []

    def observed(graph: torch.cuda.CUDAGraph) -> None:
        replayed.append(graph)
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", observed)
    *_, found = measure(subjects([str(tiny_checkpoint())], []), DevicePreference.CUDA, rounds=5, batch=4)
    assert not found.failures
    assert [figures.precision for _, figures in found.measured] == [Precision.FP32, Precision.FP16, Precision.BF16]
    assert [model.threads for model, _ in found.measured] == [None] * 3
    assert len(replayed) == 3 * (WARM_PASSES + 5)
    assert "without CUDA graphs" not in caplog.text


@pytest.mark.gpu
def test_what_torch_keeps_for_itself_is_free() -> None:
    before, kept = free_bytes(torch.device("cuda")), 1 << 30
    block = torch.empty(kept, dtype=torch.uint8, device="cuda")
    del block
    assert torch.cuda.memory_reserved() >= kept
    assert free_bytes(torch.device("cuda")) > before - kept // 2


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
