"""What this installation is made of: from Python's packages, or from a bundle's list."""

import json
import subprocess
import sys
from email.message import Message
from pathlib import Path

import pytest

from mixer_gui.components import components, licence_of
from mixer_gui.records import MixerGuiError


def test_a_source_install_lists_what_the_project_needs_with_licences_and_texts() -> None:
    found = {each.name: each for each in components()}
    assert next(iter(found)) == "mixer-gui"
    assert {"torch", "PySide6", "numpy", "pillow", "Python", "Built-in model", "Class names"} <= set(found)
    assert not {"pytest", "scikit-image", "timm"} & set(found), "what only developers need is not part of it"
    assert all(each.licence for each in found.values())
    assert "Apache License" in found["mixer-gui"].text()
    assert "non-commercial research" in found["Built-in model"].text()
    assert "Princeton University" in found["Class names"].text()
    assert "Copyright" in found["numpy"].text()
    assert "──── third_party" in found["torch"].text()
    assert "PYTHON SOFTWARE FOUNDATION LICENSE" in found["Python"].text()


def test_listing_imports_none_of_what_is_listed() -> None:
    code = (
        "import sys\nfrom mixer_gui.components import components\nfound = components()\n"
        "assert len(found) > 30\nassert not {'torch', 'numpy', 'PySide6', 'PIL'} & set(sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "see LICENSE")], "MIT OR Apache-2.0"),
        ([("License", "MIT"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        ([("Classifier", "License :: OSI Approved :: ISC License (ISCL)")], "ISC License (ISCL)"),
        (
            [("License", "BSD"), ("Classifier", "License :: OSI Approved :: GNU General Public License v3 (GPLv3)")],
            "BSD AND GNU General Public License v3 (GPLv3)",
        ),
        (
            [("License", "Permission is hereby granted, " * 20), ("Classifier", "License :: Public Domain")],
            "Public Domain",
        ),
        ([("Classifier", "Programming Language :: Python")], ""),
    ],
)
def test_licence_is_the_most_exact_statement_and_no_gpl_gets_lost(lines: list[tuple[str, str]], licence: str) -> None:
    metadata = Message()
    for name, value in lines:
        metadata.add_header(name, value)
    assert licence_of(metadata) == licence


def test_a_bundle_lists_what_was_written_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    with pytest.raises(MixerGuiError, match="list of licences is missing"):
        components()
    (tmp_path / "licences" / "texts").mkdir(parents=True)
    row = {"name": "Qt", "version": "6.11.3", "licence": "LGPL-3.0-only", "home": "https://www.qt.io", "text": "Qt.txt"}
    (tmp_path / "licences" / "licences.json").write_text(json.dumps([row]), encoding="utf-8")
    (tmp_path / "licences" / "texts" / "Qt.txt").write_text("GNU LESSER …", encoding="utf-8")
    (found,) = components()
    assert (found.name, found.version, found.licence) == ("Qt", "6.11.3", "LGPL-3.0-only")
    assert found.text() == "GNU LESSER …"
    (tmp_path / "licences" / "licences.json").write_text("[{}]", encoding="utf-8")
    with pytest.raises(MixerGuiError, match="list of licences is missing"):
        components()
