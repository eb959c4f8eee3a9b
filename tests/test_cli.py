"""The command line as a user or a script meets it: real processes on real photographs, with the embedded default."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import skimage.data
from PIL import Image

from mixer_gui import logs

# Small pictures and small models: a second of threads fighting over two cores is longer than the work.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "QT_QPA_PLATFORM": ""}
PHOTOGRAPHS = ("chelsea", "coffee", "rocket")
ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and file names as POSIX has them")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three photographs, and a subfolder with one more."""
    folder = tmp_path_factory.mktemp("photographs")
    for name in PHOTOGRAPHS:
        Image.fromarray(getattr(skimage.data, name)()).save(folder / f"{name}.png")
    (folder / "notes.txt").write_text("not a picture")
    (folder / "more").mkdir()
    Image.fromarray(skimage.data.astronaut()).save(folder / "more" / "astronaut.jpg", quality=92)
    return folder


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0 and nothing of a picture after that")
    return path


def command(*arguments: object) -> list[str]:
    return [
        sys.executable,
        "-m",
        "mixer_gui",
        *(os.fspath(each) if isinstance(each, Path) else str(each) for each in arguments),
    ]


def mixer_gui(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        encoding="utf-8",
        env=os.environ | ENVIRONMENT | environment,
        timeout=120,
    )


def finished_before_ctrl_c(arguments: Sequence[str], **environment: str) -> list[dict[str, Any]]:
    """The results of a command with `--json` or `--jsonl` that is interrupted after its first three lines.

    It has to end with 130 and without a word. A group of its own: a terminal sends Ctrl-C to the decoders as well.
    """
    running = subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | ENVIRONMENT | environment,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    with running.stdout, running.stderr:
        begin = [running.stdout.readline() for _ in range(3)]
        os.killpg(running.pid, signal.SIGINT)
        watchdog = threading.Timer(60, running.send_signal, (signal.SIGABRT,))
        watchdog.start()
        output = "".join(begin) + running.stdout.read()
        errors = running.stderr.read()
    code = running.wait(timeout=60)
    watchdog.cancel()
    stacks = [path.read_text() for path in logs.folder().glob("*.crash")]
    assert (code, errors) == (130, ""), stacks
    finished: list[dict[str, Any]] = (
        json.loads(output) if "--json" in arguments else [json.loads(line) for line in output.splitlines()]
    )
    return finished


def names(objects: Sequence[dict[str, Any]]) -> list[str]:
    return [Path(each["path"]).name for each in objects]


def test_json_is_one_array_of_documented_objects_and_broken_files_are_among_them(
    photographs: Path, broken: Path
) -> None:
    ended = mixer_gui(
        "classify", photographs / "coffee.png", broken, photographs / "rocket.png", "--json", "--top-k", 3
    )
    assert ended.returncode == 1
    coffee, failure, rocket = json.loads(ended.stdout)
    assert list(coffee) == ["path", "time_s", "model", "revision", "predictions", "error", "timings_ms"]
    assert coffee["path"] == str(photographs / "coffee.png")
    assert coffee["time_s"] is None
    assert coffee["error"] is None
    assert len(coffee["predictions"]) == 3
    first = coffee["predictions"][0]
    assert {key: type(value) for key, value in first.items()} == {
        "index": int, "wnid": str, "label": str, "probability": float, "logit": float,
    }  # fmt: skip
    assert first["label"] == "espresso"
    assert [each["probability"] for each in coffee["predictions"]] == sorted(
        (each["probability"] for each in coffee["predictions"]), reverse=True
    )
    assert set(coffee["timings_ms"]) == {"decode", "preprocess", "forward", "explain"}
    assert all(milliseconds > 0 for milliseconds in coffee["timings_ms"].values())
    assert (failure["path"], failure["predictions"]) == (str(broken), [])
    assert "broken.jpg" in failure["error"]
    assert failure["model"] == coffee["model"]
    assert rocket["error"] is None
    assert "1 of 3 pictures failed" in ended.stderr


def test_precision_is_fp32_unless_another_one_is_asked_for(photographs: Path) -> None:
    """The embedded model is so small that `auto` has nothing to gain, and stays with fp32."""
    logits = {}
    for precision in (None, "fp32", "auto", "bf16"):
        chosen = () if precision is None else ("--precision", precision)
        ended = mixer_gui("classify", photographs / "coffee.png", "--json", *chosen)
        assert ended.returncode == 0, ended.stderr
        logits[precision] = [each["logit"] for each in json.loads(ended.stdout)[0]["predictions"]]
    assert logits[None] == logits["fp32"] == logits["auto"]
    assert logits["bf16"] != logits["fp32"]
    assert logits["bf16"] == pytest.approx(logits["fp32"], rel=0.05)


def test_fp16_on_a_cpu_is_refused_before_any_picture(photographs: Path) -> None:
    ended = mixer_gui("classify", photographs, "--device", "cpu", "--precision", "fp16")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("mixer-gui: fp16 needs a GPU")
    assert mixer_gui("classify", photographs, "--precision", "fp8").returncode == 2


def test_jsonl_is_one_object_a_line_in_the_order_of_the_files(photographs: Path) -> None:
    ended = mixer_gui("classify", photographs, "--jsonl")
    assert ended.returncode == 0, ended.stderr
    assert names([json.loads(line) for line in ended.stdout.splitlines()]) == [f"{name}.png" for name in PHOTOGRAPHS]
    assert ended.stderr == ""


def test_pictures_that_run_side_by_side_keep_their_order_and_their_results(photographs: Path, tmp_path: Path) -> None:
    sources = [photographs / f"{name}.png" for name in PHOTOGRAPHS]
    (tmp_path / "00.png").write_bytes(b"\x89PNG\r\n\x1a\nand then nonsense")
    with Image.open(sources[0]) as image:  # the others are done before it
        image.resize((3000, 2000)).save(tmp_path / "01.png")
    for number in range(2, 40):
        (tmp_path / f"{number:02}.png").symlink_to(sources[number % len(sources)])
    ended = mixer_gui("classify", tmp_path, "--jsonl", OMP_NUM_THREADS="2")
    assert ended.returncode == 1
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert names(found) == [f"{number:02}.png" for number in range(40)]
    assert [each["path"] for each in found if each["error"] is not None] == [str(tmp_path / "00.png")]
    alone = mixer_gui("classify", *sources, "--jsonl")
    expected = [json.loads(line)["predictions"] for line in alone.stdout.splitlines()]
    for number, each in enumerate(found[2:], 2):
        for one, other in zip(each["predictions"], expected[number % len(sources)], strict=True):
            assert one["label"] == other["label"]
            assert one["logit"] == pytest.approx(other["logit"], rel=1e-3)


def test_csv_has_one_row_a_prediction(photographs: Path, broken: Path) -> None:
    ended = subprocess.run(
        command("classify", photographs / "coffee.png", broken, "--csv", "-k", 2), capture_output=True, timeout=120
    )
    assert ended.returncode == 1
    rows = list(csv.DictReader(io.StringIO(ended.stdout.decode("utf-8"), newline="")))
    assert [(Path(row["path"]).name, row["rank"]) for row in rows] == [
        ("coffee.png", "1"),
        ("coffee.png", "2"),
        ("broken.jpg", ""),
    ]
    assert rows[0]["label"] == "espresso"
    assert "broken.jpg" in rows[2]["error"]
    assert ended.stdout.count(b"\n") == ended.stdout.count(b"\r\n") == 4


def test_text_ranks_classes_and_errors_are_on_stderr_too(photographs: Path, broken: Path) -> None:
    ended = mixer_gui("classify", photographs / "coffee.png", broken)
    assert ended.returncode == 1
    assert "%  espresso\n" in ended.stdout
    assert f"{broken}\n  error: " in ended.stdout
    assert ended.stderr.startswith(f"{broken}: ")


def test_folder_is_searched_as_deep_as_asked(photographs: Path) -> None:
    shallow = mixer_gui("classify", photographs, "--json")
    deep = mixer_gui("classify", photographs, "--json", "--recursive")
    assert len(json.loads(shallow.stdout)) == 3
    assert names(json.loads(deep.stdout))[3:] == ["astronaut.jpg"]


def test_folder_without_pictures_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    ended = mixer_gui("classify", tmp_path, "--json")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "No pictures were found in" in ended.stderr
    assert "--recursive" in ended.stderr


def test_missing_file_fails_alone(photographs: Path, tmp_path: Path) -> None:
    ended = mixer_gui("classify", tmp_path / "gone.png", photographs / "coffee.png", "--json")
    gone, coffee = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert "gone.png" in gone["error"]
    assert coffee["error"] is None


@ON_POSIX
@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_json_is_valid_utf8_whatever_the_name_and_the_locale(
    locale: dict[str, str], photographs: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "caf\udce9 ☕.png"
    picture.write_bytes((photographs / "coffee.png").read_bytes())
    ended = mixer_gui("classify", picture, "--json", **locale)
    assert ended.returncode == 0, ended.stderr
    assert r"/caf\udce9 " in ended.stdout
    assert os.fsencode(json.loads(ended.stdout)[0]["path"]) == os.fsencode(picture)


@ON_POSIX
def test_names_that_are_not_utf8_do_no_harm_to_text_and_csv(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "bad\udcff.png").write_bytes(b"nothing")
    (tmp_path / "good\udcff.png").write_bytes((photographs / "coffee.png").read_bytes())
    for form in ((), ("--csv",)):
        ended = mixer_gui("classify", tmp_path, *form)
        assert ended.returncode == 1
        assert r"good\udcff.png" in ended.stdout
        assert r"bad\udcff.png" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["classify"], "Missing argument"),
        (["classify", "a.png", "--json", "--csv"], "--json, --csv"),
        (["classify", "a.png", "--top-k", "0"], "--top-k"),
        (["classify", "a.png", "--device", "abacus"], "--device"),
        (["classify", "a.png", "--mean", "0.5,0.5"], "--mean"),
        (["classify", "a.png", "--std", "0.5,0,0.5"], "--std"),
        (["classify", "a.png", "--mean", "nan,0,0"], "--mean"),
        (["classify", "a.png", "--crop-pct", "nan"], "--crop-pct"),
        (["classify", "a.png", "--interpolation", "guess"], "--interpolation"),
        (["classify", "a.png", "--faster"], "--faster"),
        (["classify", "a.mp4", "--every", "0s"], "--every"),
        (["classify", "a.mp4", "--every=-1"], "--every"),
        (["classify", "a.mp4", "--every", "nan"], "--every"),
        (["classify", "a.mp4", "--every", "often"], "--every"),
        (["summary", "S/16", "--image-size", "big"], "--image-size"),
        (["summary", "S/16", "--classes", "0"], "--classes"),
    ],
)
def test_usage_errors_name_the_option_and_exit_2(arguments: list[str], complaint: str) -> None:
    ended = mixer_gui(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert complaint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_model_can_be_a_folder_in_hub_format(photographs: Path, tiny_checkpoint: Callable[..., Path]) -> None:
    folder = tiny_checkpoint()
    ended = mixer_gui("classify", photographs / "coffee.png", "--model", folder, "--json", "--top-k", 20)
    assert ended.returncode == 0, ended.stderr
    (result,) = json.loads(ended.stdout)
    assert result["model"] == "mixer_tiny"
    assert [each["wnid"] for each in result["predictions"]] == [None] * 5
    assert sum(each["probability"] for each in result["predictions"]) == pytest.approx(1, abs=1e-6)
    assert "assumed" not in ended.stderr


def test_names_of_kinds_of_people_are_printed_on_request_only(photographs: Path, tmp_path: Path) -> None:
    from checkpoints import random_mixer, tiny_config, write_hub_folder

    from mixer_gui.classes import known_names

    wnid = "n09818022"  # astronaut
    model = random_mixer(tiny_config(num_classes=21843))
    model.head.bias[known_names(21843).wnids.index(wnid)] = 100.0
    arguments = ("classify", photographs / "coffee.png", "--model", write_hub_folder(model, tmp_path / "large"), "-k1")
    for flags, label in ((), "person (name hidden)"), (("--show-person-names",), "astronaut, spaceman, cosmonaut"):
        (result,) = json.loads(mixer_gui(*arguments, *flags, "--json").stdout)
        assert (result["predictions"][0]["wnid"], result["predictions"][0]["label"]) == (wnid, label)
    assert "astronaut" not in mixer_gui(*arguments).stdout


def test_bare_file_says_what_was_assumed_and_takes_flags(
    photographs: Path, tiny_checkpoint: Callable[..., Path]
) -> None:
    weights = tiny_checkpoint() / "model.safetensors"
    guessed = mixer_gui("classify", photographs / "coffee.png", "--model", weights, "--json")
    flags = ["--mean=0.1,0.2,0.3", "--std=1,1,1", "--crop-pct=1", "--interpolation=bilinear", "--gelu=tanh"]
    told = mixer_gui("classify", photographs / "coffee.png", "--model", weights, "--json", *flags)
    assert guessed.returncode == told.returncode == 0
    assert guessed.stderr.count("\n") == 1
    assert "assumed --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5" in guessed.stderr
    assert "--mean 0.1,0.2,0.3 --std 1,1,1 --crop-pct 1 --interpolation bilinear --gelu tanh" in told.stderr
    logits = [json.loads(ended.stdout)[0]["predictions"][0]["logit"] for ended in (guessed, told)]
    assert logits[0] != logits[1]


def test_model_that_is_none_is_told_in_a_sentence(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"no weights at all")
    for model in (tmp_path / "gone", tmp_path, tmp_path / "weights.safetensors"):
        ended = mixer_gui("classify", photographs / "coffee.png", "--model", model, "--json")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith("mixer-gui: ")
        assert ended.stderr.count("\n") == 1
        assert model.name in ended.stderr


def test_device_that_is_not_there_is_told_in_a_sentence(photographs: Path) -> None:
    ended = mixer_gui("classify", photographs / "coffee.png", "--device", "cuda", CUDA_VISIBLE_DEVICES="")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "CUDA" in ended.stderr


@ON_POSIX
@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_ctrl_c_exits_130_and_keeps_what_was_finished(form: str, photographs: Path, tmp_path: Path) -> None:
    for index in range(2000):
        (tmp_path / f"{index}.png").symlink_to(photographs / "coffee.png")
    finished = finished_before_ctrl_c(command("classify", tmp_path, form), OMP_NUM_THREADS="2")
    assert 2 <= len(finished) < 2000
    assert all(each["error"] is None for each in finished)


@ON_POSIX
def test_reader_that_goes_away_is_no_error_to_talk_about(photographs: Path) -> None:
    running = subprocess.Popen(
        command("classify", *[photographs / "coffee.png"] * 50, "--jsonl"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | ENVIRONMENT,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    with running.stderr:
        with running.stdout:
            assert json.loads(running.stdout.readline())["error"] is None
        assert running.stderr.read() == ""
    assert running.wait(timeout=60) == 1


@pytest.mark.parametrize(("name", "parameters"), [("S/16", "18,528,264"), ("h/14", "432,350,952")])
def test_summary_of_a_variant_counts_its_parameters(name: str, parameters: str) -> None:
    ended = mixer_gui("summary", name)
    assert ended.returncode == 0, ended.stderr
    assert parameters in ended.stdout
    assert "(2, 1000)" in ended.stdout


def test_summary_of_a_variant_can_be_reshaped() -> None:
    ended = mixer_gui("summary", "S/16", "--classes", 10, "--image-size", "64x32")
    assert ended.returncode == 0, ended.stderr
    assert "(2, 10)" in ended.stdout
    assert "(2, 8, 512)" in ended.stdout


def test_summary_of_a_checkpoint_reads_its_shape(tiny_checkpoint: Callable[..., Path]) -> None:
    ended = mixer_gui("summary", tiny_checkpoint())
    assert ended.returncode == 0, ended.stderr
    assert "(2, 16, 12)" in ended.stdout
    assert "(2, 5)" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["X/99"], "S/32"),
        (["S/16", "--image-size", "225"], "225×225"),
        ([str(Path(__file__).parent), "--classes", "3"], "--classes"),
        ([str(Path(__file__).parent)], "config.json"),
    ],
)
def test_summary_of_what_cannot_be_is_told_in_a_sentence(arguments: list[str], complaint: str) -> None:
    ended = mixer_gui("summary", *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert complaint in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_version_is_the_packages() -> None:
    from mixer_gui import __version__

    assert mixer_gui("--version").stdout == f"mixer-gui {__version__}\n"
