"""Find what ships with the application: `assets/` in a checkout, an installed wheel or a frozen bundle; licences.

Opens nothing and loads nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mixer_gui.records import MixerGuiError, ModelRef

DEFAULT_MODEL = "default-model"


def assets_folder() -> Path:
    """The folder `assets`; raises MixerGuiError where this installation has none."""
    places = _places()
    for place in places:
        if place.is_dir():
            return place
    raise MixerGuiError(
        "This installation of Mixer GUI is incomplete: its folder “assets” is missing. Install it again.",
        "looked at " + ", ".join(map(str, places)),
    )


def asset_path(name: str) -> Path:
    """A file or folder inside `assets`, by its name relative to it; raises MixerGuiError where it is missing."""
    path = assets_folder() / name
    if not path.exists():
        raise MixerGuiError(
            f"This installation of Mixer GUI is incomplete: “assets/{name}” is missing. Install it again.", str(path)
        )
    return path


def default_model() -> ModelRef:
    """The embedded checkpoint that needs no network: a folder in the format of a Hub repository."""
    return ModelRef(asset_path(DEFAULT_MODEL))


def licences_folder() -> Path | None:
    """A frozen bundle's licences and bill of materials, there or not; None where Python's packages carry their own."""
    bundle = getattr(sys, "_MEIPASS", None)
    return None if bundle is None else Path(bundle) / "licences"


def _places() -> tuple[Path, ...]:
    """Where `assets` may lie, the likeliest first."""
    bundle = getattr(sys, "_MEIPASS", None)  # set by PyInstaller's bootloader
    if bundle is not None:
        return (Path(bundle) / "assets",)
    package = Path(__file__).resolve().parent
    # A wheel carries assets inside the package; a checkout has them beside it, so look inside first:
    # a folder "assets" in site-packages would be another project's.
    return (package / "assets", package.parent / "assets")
