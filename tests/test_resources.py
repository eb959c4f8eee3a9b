"""Finding assets in a checkout, a wheel and a frozen bundle."""

import json
import sys
from pathlib import Path

import pytest

from mixer_gui import resources
from mixer_gui.records import MixerGuiError


def test_the_embedded_model_is_found_in_this_checkout() -> None:
    folder = resources.default_model().path
    assert (folder / "model.safetensors").is_file()
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["num_classes"] == 200


def test_a_frozen_bundle_is_looked_at_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    with pytest.raises(MixerGuiError, match="folder “assets” is missing") as raised:
        resources.assets_folder()
    assert str(tmp_path) in raised.value.detail
    (tmp_path / "assets" / "default-model").mkdir(parents=True)
    assert resources.default_model().path == tmp_path / "assets" / "default-model"


def test_an_installed_wheel_has_assets_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "mixer_gui"
    (package / "assets").mkdir(parents=True)
    (package.parent / "assets").mkdir()  # some other project's
    monkeypatch.setattr(resources, "__file__", str(package / "resources.py"))
    assert resources.assets_folder() == package / "assets"


def test_a_missing_asset_is_named() -> None:
    with pytest.raises(MixerGuiError, match=r"assets/no-such-table\.tsv"):
        resources.asset_path("no-such-table.tsv")
