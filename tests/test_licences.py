"""The packaging script that collects licences: who is bundled, what is refused, and what it writes."""

import importlib.util
import json
import os
import sys
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

import pytest

from mixer_gui.components import bundled

pytest.importorskip("cyclonedx", reason="packaging needs cyclonedx-python-lib")

SCRIPT = Path(__file__).parents[1] / ".ci" / "package" / "licences.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["licences"] = module  # dataclasses look their module up
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def files_of(name: str, ending: str) -> list[Path]:
    found = distribution(name)
    return [Path(str(found.locate_file(each))) for each in found.files if str(each).endswith(ending)]


def installed(folder: Path, name: str, *lines: str, text: str = "All rights granted.") -> Path:
    """A distribution with one module, as an installer leaves it; returns the module."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    metadata = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", "License-File: LICENSE", *lines]
    (info / "METADATA").write_text("\n".join(metadata) + "\n", encoding="utf-8")
    (info / "RECORD").write_text(f"{name}.py,,\n{name}-1.0.dist-info/METADATA,,\n", encoding="utf-8")
    if text:
        (info / "licenses").mkdir()
        (info / "licenses" / "LICENSE").write_text(text, encoding="utf-8")
    module = folder / f"{name}.py"
    module.write_text("", encoding="utf-8")
    return module


@pytest.mark.parametrize(
    ("licence", "only"),
    [
        ("GPL-3.0-only", True),
        ("MIT AND GPL-2.0-or-later", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("GPL-2.0-only OR GPL-3.0-only", True),
        ("AGPL-3.0-or-later", True),
        ("GPLv2+", True),
        ("LGPL-3.0-only OR GPL-2.0-only OR GPL-3.0-only", False),
        ("LGPL-2.1-or-later", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("GNU Library General Public License", False),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", False),
        ("MIT OR GPL-3.0-only", False),
        ("BSD-3-Clause AND LGPL-3.0-or-later", False),
        ("MIT", False),
    ],
)
def test_gpl_alone_is_told_from_what_may_be_bundled(script: ModuleType, licence: str, only: bool) -> None:
    assert script.is_gpl_only(licence) is only


def test_who_owns_a_bundled_file_is_listed_and_nobody_else(script: ModuleType, tmp_path: Path) -> None:
    sources = [
        *files_of("einops", "einops/__init__.py"),
        *files_of("pillow", "PIL/Image.py"),
        *files_of("PySide6_Essentials", "QtCore.abi3.so"),
        *files_of("PySide6_Essentials", "libQt6Core.so.6"),
        Path(os.__file__),
        SCRIPT.parents[2] / "mixer_gui" / "app.py",
    ]
    found = script.collect(sources)
    names = {each.component.name for each in found}
    expected = {"mixer-gui", "Built-in model", "Class names", "einops", "pillow", "PySide6_Essentials", "Python"}
    assert expected <= names <= expected | {"Qt", "FFmpeg"}
    script.write(tmp_path / "licences", found)
    read = {each.name: each for each in bundled(tmp_path / "licences")}
    assert list(read)[:3] == ["mixer-gui", "Built-in model", "Class names"]
    assert set(read) == names
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in read["PySide6_Essentials"].text()
    bill = json.loads((tmp_path / "licences" / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "mixer-gui"
    listed = {each["name"]: each for each in bill["components"]}
    assert set(listed) == names - {"mixer-gui"}
    assert listed["einops"]["purl"] == f"pkg:pypi/einops@{distribution('einops').version}"
    assert "FreeType" in {each["name"] for each in listed["pillow"]["components"]}, "what is compiled into it"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libraries bear other names elsewhere")
def test_what_qt_and_torch_carry_without_a_word_is_listed(script: ModuleType) -> None:
    found = {each.component.name: each.component for each in (*script.in_qt(), *script.in_torch())}
    assert {"Qt", "FFmpeg"} <= set(found)
    assert found["FFmpeg"].licence == "LGPL-2.1-or-later"
    assert found["FFmpeg"].version
    assert "Version 2.1" in found["FFmpeg"].text()
    script.check([script.Bundled(each) for each in found.values()])


def test_ffmpeg_built_under_the_gpl_is_refused(script: ModuleType) -> None:
    built = script.ffmpeg(b"\0libavutil license: GPL version 3 or later\0--prefix=/x/FFmpeg-n7.1.5\0")
    with pytest.raises(script.UnfitError, match="FFmpeg is under the GPL only"):
        script.check([built])


@pytest.mark.parametrize(
    ("lines", "text", "sentence"),
    [
        (["License-Expression: GPL-3.0-only"], "GPL", r"strict is under the GPL only \(GPL-3.0-only\)"),
        (
            ["Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"],
            "GPL",
            "strict is under the",
        ),
        ([], "some text", "strict says nowhere what its licence is"),
        (["License-Expression: MIT"], "", "strict has no text of its licence"),
    ],
)
def test_what_must_not_be_bundled_is_named_and_nothing_is_written(
    script: ModuleType,
    lines: list[str],
    text: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = installed(tmp_path / "site", "strict", *lines, text=text)
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(script.UnfitError, match=sentence):
        script.write(tmp_path / "licences", script.collect([module]))
    (tmp_path / "sources.txt").write_text(f"{module}\n", encoding="utf-8")
    assert script.main([str(tmp_path / "licences"), "--sources", str(tmp_path / "sources.txt")]) == 1
    assert "strict" in capsys.readouterr().err
    assert not (tmp_path / "licences").exists()


def test_a_file_of_nobodys_is_refused(script: ModuleType, tmp_path: Path) -> None:
    stray = tmp_path / "libstray.so.1"
    stray.write_bytes(b"\x7fELF")
    with pytest.raises(script.UnfitError, match=r"libstray\.so\.1 belongs to no package"):
        script.collect([stray])


@pytest.mark.skipif(not Path("/var/lib/dpkg/info/zlib1g:amd64.list").exists(), reason="asks Debian's packages")
def test_a_library_of_the_system_is_listed_with_its_package(script: ModuleType) -> None:
    (found,) = script.of_system({Path("/lib/x86_64-linux-gnu/libz.so.1")})
    assert found.component.name == "zlib1g"
    assert found.component.licence == "Zlib"
    assert str(found.purl).startswith("pkg:deb/debian/zlib1g@")
    assert "Mark Adler" in found.component.text()
