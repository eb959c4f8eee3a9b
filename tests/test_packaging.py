"""What the packages say of the program agrees with the program: versions, formats, files that are named somewhere.

Windows and macOS packages are not built here; what can be checked of their files without those systems is.
"""

import hashlib
import os
import plistlib
import re
import runpy
import subprocess
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixer_gui import __version__
from mixer_gui.pictures.sources import PICTURE_SUFFIXES
from mixer_gui.records import VIDEO_SUFFIXES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / ".ci" / "package"
INSTALLER = PACKAGE / "windows" / "mixer-gui.iss"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def recipe(path: str) -> dict[str, Any]:
    """The names of a module that build.spec imports."""
    return runpy.run_path(str(PACKAGE / path))


def workflow(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def commands(name: str) -> dict[str, str]:
    """What a workflow runs, by the name of the step or, where it has none, by itself."""
    steps = [step for job in workflow(name)["jobs"].values() for step in job["steps"] if "run" in step]
    return {step.get("name", step["run"]): step["run"] for step in steps}


def run_step(name: str, folder: Path, **variables: str) -> None:
    """A step of the release as a runner has it: its commands in bash, with these variables. None may fail."""
    step = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", commands("release")[name]]
    environment = {"PATH": os.environ["PATH"], **variables}
    subprocess.run(step, cwd=folder, env=environment, capture_output=True, text=True, check=True)


# --- Windows ---


def test_version_resource_has_the_version() -> None:
    version_info = recipe("windows/version_info.py")
    for program in ("mixer-gui", "mixer-gui-cli"):
        strings = version_info["strings"](program)
        assert strings["FileVersion"] == strings["ProductVersion"] == __version__
        assert strings["OriginalFilename"] == f"{program}.exe"
    assert ".".join(map(str, version_info["numbers"]())).startswith(__version__)
    assert version_info["numbers"]("1.20.3rc1") == (1, 20, 3, 0)
    with pytest.raises(ValueError, match="no version"):
        version_info["numbers"]("1.2")


def test_pyinstaller_reads_back_the_version_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    compat = pytest.importorskip("PyInstaller.compat", reason="PyInstaller makes the resource")
    pytest.importorskip("pefile", reason="PyInstaller needs pefile for it, and has it on Windows only")
    monkeypatch.setattr(compat, "win32api", None, raising=False)  # only reads resources of finished programs
    from PyInstaller.utils.win32 import versioninfo

    made = recipe("windows/version_info.py")["version_resource"]()
    again = eval(str(made), vars(versioninfo).copy())  # what PyInstaller does with a version file
    assert isinstance(again, versioninfo.VSVersionInfo)
    assert str(again) == str(made)
    assert f"'ProductVersion', '{__version__}'" in re.sub(r"u'", "'", str(made))


def test_manifest_asks_for_sharp_windows_utf_8_and_long_paths() -> None:
    text = (PACKAGE / "windows" / "mixer-gui.manifest").read_bytes()
    settings = {each.tag.rpartition("}")[2]: each.text for each in ElementTree.fromstring(text).iter() if each.text}
    assert settings["dpiAwareness"].startswith("PerMonitorV2")
    assert settings["activeCodePage"] == "UTF-8"
    assert settings["longPathAware"] == "true"
    assert b"8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a" in text  # Windows 10 and 11


def test_pyinstaller_leaves_the_manifest_as_it_is() -> None:
    winmanifest = pytest.importorskip("PyInstaller.utils.win32.winmanifest", reason="PyInstaller embeds the manifest")
    text = (PACKAGE / "windows" / "mixer-gui.manifest").read_bytes()

    def elements(manifest: bytes) -> list[tuple[str, dict[str, str], str]]:
        return [(e.tag, e.attrib, (e.text or "").strip()) for e in ElementTree.fromstring(manifest).iter()]

    assert elements(winmanifest.create_application_manifest(text)) == elements(text)


def test_installer_offers_the_application_for_each_format_that_it_opens() -> None:
    text = INSTALLER.read_text(encoding="ascii")
    block = re.search(r"#define Suffixes \\\n((?: +\"[^\"]*\"(?: \+ \\)?\n)+)", text)
    assert block is not None
    lines = re.findall(r'"([^"]*)"', block[1])
    assert all(line.endswith(" ") for line in lines), "the last suffix of this line would be lost"
    assert "".join(lines).split() == sorted(PICTURE_SUFFIXES | VIDEO_SUFFIXES)


def test_installer_uses_no_name_that_nobody_defines() -> None:
    text = INSTALLER.read_text(encoding="ascii")
    known = set(re.findall(r"#define (\w+)", text)) | {"AppVersion", "Flavour"}
    assert set(re.findall(r"\{#(\w+)\}", text)) <= known
    build = commands("release")["Installer (Windows)"]
    assert set(re.findall(r"/D(\w+)=", build)) == {"AppVersion", "Flavour"}


# --- macOS ---


def test_info_plist_is_one_and_has_version_and_formats() -> None:
    module = recipe("macos/info_plist.py")
    wanted = module["info_plist"]()
    assert plistlib.loads(plistlib.dumps(wanted)) == wanted
    assert wanted["CFBundleShortVersionString"] == wanted["CFBundleVersion"] == __version__
    assert re.fullmatch(r"[A-Za-z0-9.-]+", wanted["CFBundleIdentifier"])
    assert wanted["NSCameraUsageDescription"]
    pictures, videos = wanted["CFBundleDocumentTypes"]
    assert {f".{each}" for each in pictures["CFBundleTypeExtensions"]} == PICTURE_SUFFIXES
    assert {f".{each}" for each in videos["CFBundleTypeExtensions"]} == VIDEO_SUFFIXES
    assert {(each["CFBundleTypeRole"], each["LSHandlerRank"]) for each in (pictures, videos)} == {
        ("Viewer", "Alternate")
    }


def test_entitlements_allow_the_camera_and_nothing_else() -> None:
    with (PACKAGE / "macos" / "entitlements.plist").open("rb") as file:
        assert plistlib.load(file) == {"com.apple.security.device.camera": True}


@pytest.mark.parametrize("script", sorted(PACKAGE.rglob("*.sh")), ids=lambda path: path.name)
def test_shell_reads_the_scripts(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)


# --- workflows ---


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_names_files_that_exist(path: Path) -> None:
    named = {
        each.replace("\\", "/")
        for run in commands(path.stem).values()
        for each in re.findall(r"\.ci[/\\][\w./\\-]+", run)
    }
    assert named
    assert not [each for each in sorted(named) if not (ROOT / each).is_file()]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_installs_the_torch_that_the_project_pins(path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"torch=={workflow(path.stem)['env']['TORCH']}" in project["dependencies"]


def test_release_installs_what_packaging_needs() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    named = re.findall(r"--group (\w+)", commands("release")["Packages of Python"])
    assert named
    assert set(named) <= set(groups)


def test_release_builds_every_system_and_tests_what_it_built() -> None:
    job = workflow("release")["jobs"]["build"]
    built = {(each["system"], each["flavour"]) for each in job["strategy"]["matrix"]["include"]}
    assert built == {
        ("linux", "cpu"),
        ("linux", "cuda"),
        ("windows", "cpu"),
        ("windows", "cuda"),
        ("macos", "cpu"),
    }
    spec = (ROOT / "build.spec").read_text(encoding="utf-8")
    tested = set(re.findall(r"\$PROGRAMS/([\w-]+)\" --self-test", commands("release")["Self-test"]))
    assert tested == {"mixer-gui", "mixer-gui-cli"}
    assert all(f'"{program}"' in spec for program in tested)
    assert '"Mixer GUI.app"' in spec


def test_release_takes_packages_and_bill_of_materials_and_tells_their_sizes(tmp_path: Path) -> None:
    for name in ("dist/mixer-gui/mixer-gui", "dist/a.deb", "dist/a.tar.xz", "build/licences/sbom.cdx.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"content")
    names = {"VERSION": "1.2.3", "SYSTEM": "linux", "FLAVOUR": "cpu", "PROGRAMS": "dist/mixer-gui"}
    run_step("What goes into the release", tmp_path, GITHUB_STEP_SUMMARY=str(tmp_path / "summary"), **names)
    packed = {each.name for each in (tmp_path / "packages").iterdir()}
    assert packed == {"a.deb", "a.tar.xz", "mixer-gui-1.2.3-linux-cpu.cdx.json"}
    summary = (tmp_path / "summary").read_text(encoding="utf-8")
    assert summary.startswith("### linux cpu\n")
    assert all(name in summary for name in ("dist/mixer-gui\n", *packed))


def test_release_has_sums_of_all_files_and_splits_those_that_are_too_large(tmp_path: Path) -> None:
    contents = {
        "linux-cuda/mixer-gui.deb": b"0123456789" * 25,
        "linux-cpu/with a space.tar.xz": b"small",
        "macos-cpu/mixer-gui.dmg": b"x" * 100,
    }
    for name, content in contents.items():
        path = tmp_path / "artifacts" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    run_step("Sums and parts", tmp_path, PART_BYTES="100")

    release = tmp_path / "release"
    parts = sorted(release.glob("mixer-gui.deb.part*"))
    assert sorted(each.name for each in release.iterdir()) == sorted(
        ["SHA256SUMS", "mixer-gui.dmg", "with a space.tar.xz", *(part.name for part in parts)]
    )
    assert len(parts) == 3
    assert b"".join(part.read_bytes() for part in parts) == contents["linux-cuda/mixer-gui.deb"]
    sums = dict(
        reversed(line.split("  ", 1)) for line in (release / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    )
    files = {Path(name).name: content for name, content in contents.items()} | {
        part.name: part.read_bytes() for part in parts
    }
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_release_stops_where_two_packages_have_one_name(tmp_path: Path) -> None:
    for folder in ("linux-cpu", "linux-cuda"):
        (tmp_path / "artifacts" / folder).mkdir(parents=True)
        (tmp_path / "artifacts" / folder / "mixer-gui.deb").write_bytes(folder.encode())
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        run_step("Sums and parts", tmp_path, PART_BYTES="100")
    assert "same name" in stopped.value.stdout
