"""Settings survive a restart; what is broken falls back by itself, and nothing of the user's is lost."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from mixer_gui.records import Assumptions, DevicePreference, Gelu, Interpolation, PrecisionPreference
from mixer_gui.settings import (
    RECENT_PICTURES,
    Settings,
    SettingsFile,
    Theme,
    acceptances_path,
    assumptions_from_json,
    assumptions_to_json,
    default_path,
)

ASSUMED = Assumptions((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 0.9, Interpolation.HAMMING, Gelu.TANH)
CHANGED = Settings(
    theme=Theme.DARK,
    device=DevicePreference.CPU,
    precision=PrecisionPreference.BF16,
    model_path="/models/mixer",
    top_k=7,
    opacity=0.25,
    map_kind="update",
    scale_per_layer=True,
    show_person_names=True,
    camera="video0",
    camera_size=(640, 480),
    camera_mirrored=False,
    steady_s=0.3,
    maps_every=4,
    recent=("/a.png", "/Kätzchen \udcff.png"),
    geometry="AdnQ",
    columns="/w==",
    rows="/g==",
    models_geometry="AQ==",
    help_topic="mixing",
    help_geometry="Ag==",
    help_is_open=True,
    use_when_downloaded=False,
    model_assumptions={"crop_pct": 0.9},
    assumptions={"abc": assumptions_to_json(ASSUMED)},
)


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    return SettingsFile(tmp_path / "config" / "settings.json")


def written(file: SettingsFile, content: str | bytes) -> SettingsFile:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_changed_settings_of_these_tests_change_every_field() -> None:
    for each in fields(Settings):
        assert getattr(CHANGED, each.name) != getattr(Settings(), each.name), each.name


def test_every_setting_survives_a_restart(file: SettingsFile) -> None:
    file.save(CHANGED)
    loaded = SettingsFile(file.path).load()
    stored = asdict(CHANGED)["assumptions"]["abc"]
    assert loaded == replace(CHANGED, assumptions={"abc": json.loads(json.dumps(stored))})
    assert assumptions_from_json(loaded.assumptions["abc"]) == ASSUMED


def test_first_start_has_the_defaults_and_writes_nothing(file: SettingsFile) -> None:
    assert file.load() == Settings()
    assert not file.path.parent.exists()


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("theme", "pink"),
        ("theme", 3),
        ("theme", ["dark"]),
        ("device", "abacus"),
        ("device", None),
        ("precision", "fp8"),
        ("precision", 16),
        ("top_k", 0),
        ("top_k", 21),
        ("top_k", 2.5),
        ("top_k", True),
        ("top_k", "5"),
        ("camera", 0),
        ("camera_size", [640]),
        ("camera_size", [0, 480]),
        ("camera_mirrored", 1),
        ("steady_s", -1),
        ("steady_s", True),
        ("maps_every", 0),
        ("maps_every", 1.5),
        ("opacity", -0.1),
        ("opacity", 1.1),
        ("opacity", float("nan")),
        ("opacity", True),
        ("opacity", "0.5"),
        ("recent", "/a.png"),
        ("recent", {"0": "/a.png"}),
        ("scale_per_layer", "yes"),
        ("scale_per_layer", 1),
        ("model_assumptions", ["crop_pct"]),
        ("model_path", 7),
        ("map_kind", None),
        ("geometry", []),
        ("columns", False),
        ("rows", 1),
        ("assumptions", []),
    ],
)
def test_broken_value_falls_back_alone(file: SettingsFile, name: str, broken: object) -> None:
    written(file, json.dumps(asdict(replace(CHANGED, recent=("/a.png",))) | {name: broken}))
    loaded = asdict(file.load())
    expected = json.loads(json.dumps(asdict(replace(CHANGED, recent=("/a.png",)))))
    for each in fields(Settings):
        wanted = getattr(Settings(), each.name) if each.name == name else expected[each.name]
        assert loaded[each.name] == (tuple(wanted) if isinstance(wanted, list) else wanted), each.name


def test_settings_of_another_version_are_read_as_far_as_they_are_known(file: SettingsFile) -> None:
    written(file, json.dumps({"top_k": 3, "from_the_future": {"a": 1}}))
    assert file.load() == Settings(top_k=3)


def test_broken_entries_of_lists_are_left_out(file: SettingsFile) -> None:
    written(file, json.dumps({"recent": ["/a.png", 5, None, "/b.png"], "assumptions": {"a": 1, "b": {"mean": None}}}))
    assert file.load().recent == ("/a.png", "/b.png")
    assert file.load().assumptions == {"b": {"mean": None}}


def test_recent_pictures_are_limited(file: SettingsFile) -> None:
    written(file, json.dumps({"recent": [f"/{number}.png" for number in range(50)]}))
    assert file.load().recent == tuple(f"/{number}.png" for number in range(RECENT_PICTURES))


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"top_k": 3', "[1, 2]", "null", b"\xff\xfe\x00", b"\x89PNG", "[" * 100_000],
    ids=["empty", "brace", "cut", "list", "null", "not utf-8", "png", "deep"],
)
def test_damaged_file_is_set_aside_and_not_lost(file: SettingsFile, content: str | bytes) -> None:
    before = written(file, content).path.read_bytes()
    assert file.load() == Settings()
    assert not file.path.exists()
    assert file.path.with_name("settings.damaged.json").read_bytes() == before
    file.save(Settings(top_k=9))
    assert file.load().top_k == 9


def test_folder_in_place_of_the_file_is_not_fatal(file: SettingsFile) -> None:
    file.path.mkdir(parents=True)
    assert file.load() == Settings()
    file.save(CHANGED)
    assert file.load().top_k == 7


def test_folder_that_cannot_be_made_raises_oserror(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file where the folder should be")
    file = SettingsFile(tmp_path / "config" / "settings.json")
    assert file.load() == Settings()
    with pytest.raises(OSError, match="config"):
        file.save(CHANGED)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_raises_oserror_and_keeps_what_was_saved(file: SettingsFile) -> None:
    file.save(CHANGED)
    file.path.parent.chmod(0o500)
    try:
        with pytest.raises(OSError, match="ermission"):
            file.save(Settings())
        assert file.load().top_k == 7
    finally:
        file.path.parent.chmod(0o700)


def test_failed_saving_keeps_the_old_file_and_leaves_no_other(file: SettingsFile) -> None:
    file.save(CHANGED)
    with pytest.raises(TypeError):
        file.save(Settings(assumptions={"a": {"mean": object()}}))
    assert file.load().top_k == 7
    assert [path.name for path in file.path.parent.iterdir()] == ["settings.json"]


def test_reader_never_sees_a_half_written_file(file: SettingsFile) -> None:
    long = Settings(recent=tuple(f"/{number}" * 2000 for number in range(12)))
    short = Settings(top_k=9)
    file.save(short)
    writing = threading.Event()
    writing.set()

    def write_by_turns() -> None:
        for number in range(60):
            file.save(long if number % 2 else short)
        writing.clear()

    thread = threading.Thread(target=write_by_turns)
    thread.start()
    try:
        while writing.is_set():
            assert file.load() in (long, short)
    finally:
        thread.join()
    assert [path.name for path in file.path.parent.iterdir()] == ["settings.json"]


def test_settings_lie_in_the_users_configuration(own_home: Path) -> None:
    assert default_path().is_relative_to(own_home)
    assert SettingsFile().path == default_path()
    assert (default_path().parent.name, default_path().name) == ("mixer-gui", "settings.json")


def test_verdicts_on_half_precision_lie_beside_the_settings(tmp_path: Path) -> None:
    assert acceptances_path(tmp_path / "settings.json") == tmp_path / "half-precision.json"
    assert acceptances_path() == default_path().with_name("half-precision.json")


@pytest.mark.parametrize(
    "stored",
    [
        {"mean": [0.5]},
        {"mean": {"a": 1}},
        {"mean": "abc"},
        {"std": [1, 2, "x"]},
        {"std": [1, 2, None]},
        {"std": 7},
        {"crop_pct": "much"},
        {"crop_pct": [1]},
        {"interpolation": "magic"},
        {"interpolation": 4},
        {"gelu": "relu"},
        {"gelu": []},
    ],
)
def test_stored_values_that_are_no_assumptions_raise_value_error(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        assumptions_from_json(stored)


def test_assumptions_may_be_silent() -> None:
    assert assumptions_from_json({}) == Assumptions()
    assert assumptions_from_json(assumptions_to_json(Assumptions(crop_pct=1))) == Assumptions(crop_pct=1.0)
