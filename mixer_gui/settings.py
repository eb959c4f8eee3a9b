"""What the application remembers between starts, typed, in one JSON file. Knows no Qt and no torch."""

import json
import os
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from mixer_gui.records import Assumptions, DevicePreference, Gelu, Interpolation, PrecisionPreference

RECENT_PICTURES = 12


class Theme(StrEnum):
    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True)
class Settings:
    """Every field has a default that suits a first start; unknown or broken values fall back to it."""

    theme: Theme = Theme.SYSTEM
    device: DevicePreference = DevicePreference.AUTO
    precision: PrecisionPreference = PrecisionPreference.AUTO
    model_path: str = ""  # empty: the embedded default
    model_assumptions: dict[str, Any] | None = None  # where the model is a bare file
    top_k: int = 5
    opacity: float = 0.5
    map_kind: str = "relative_update"
    scale_per_layer: bool = False
    show_person_names: bool = False  # of ImageNet-21k, which has slurs among them
    camera: str = ""  # its id; empty: the system's default
    camera_size: tuple[int, int] | None = None
    camera_mirrored: bool = True  # as a mirror shows oneself
    steady_s: float = 0.1  # time constant of the average over frames; 0: none
    maps_every: int = 1  # frames of a moving picture
    recent: tuple[str, ...] = ()
    geometry: str = ""  # base64 of Qt's own format
    columns: str = ""  # likewise, of the window's splitters
    rows: str = ""
    models_geometry: str = ""  # of the list of models
    help_topic: str = ""  # what was read last
    help_geometry: str = ""
    help_is_open: bool = False
    use_when_downloaded: bool = True  # a model as soon as it has arrived
    assumptions: dict[str, dict[str, Any]] = field(default_factory=dict)  # by content hash of a bare file


class SettingsFile:
    """Reads and writes Settings; a damaged file is kept aside, never lost and never fatal."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else default_path()

    def load(self) -> Settings:
        """Raises nothing: what cannot be read is replaced by defaults."""
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError, RecursionError):
            self._set_aside()
            return Settings()
        if not isinstance(stored, dict):
            self._set_aside()
            return Settings()
        return _from_json(stored)

    def save(self, settings: Settings) -> None:
        """Atomic. Raises OSError where the folder cannot be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(f".{os.getpid()}.partial")
        try:
            partial.write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)  # where it could not be finished

    def _set_aside(self) -> None:
        try:
            self.path.replace(self.path.with_suffix(".damaged.json"))
        except OSError:
            return


def default_path() -> Path:
    from platformdirs import user_config_path

    return user_config_path("mixer-gui", appauthor=False) / "settings.json"


def acceptances_path(settings: Path | None = None) -> Path:
    """Where it is remembered which models may run in half precision here: beside the settings."""
    return (settings if settings is not None else default_path()).with_name("half-precision.json")


def assumptions_to_json(assumptions: Assumptions) -> dict[str, Any]:
    return asdict(assumptions)


def assumptions_from_json(stored: dict[str, Any]) -> Assumptions:
    """Raises ValueError where the stored values are not assumptions."""
    crop_pct, interpolation, gelu = stored.get("crop_pct"), stored.get("interpolation"), stored.get("gelu")
    return Assumptions(
        mean=_channels(stored.get("mean")),
        std=_channels(stored.get("std")),
        crop_pct=None if crop_pct is None else _number(crop_pct),
        interpolation=None if interpolation is None else Interpolation(interpolation),
        gelu=None if gelu is None else Gelu(gelu),
    )


def _channels(value: object) -> tuple[float, float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError(f"three numbers expected, not {value!r}")
    return (_number(value[0]), _number(value[1]), _number(value[2]))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a number expected, not {value!r}")  # noqa: TRY004 - what is wrong is in a file
    return float(value)


def _from_json(stored: dict[str, Any]) -> Settings:
    known: dict[str, Any] = {}
    for each in fields(Settings):
        if each.name in stored:
            value = _checked(each.name, stored[each.name])
            if value is not None:
                known[each.name] = value
    return Settings(**known)


def _checked(name: str, value: object) -> object | None:
    """The value in its own type and range, or None."""
    match name, value:
        case "theme", str() if value in set(Theme):
            return Theme(value)
        case "device", str() if value in set(DevicePreference):
            return DevicePreference(value)
        case "precision", str() if value in set(PrecisionPreference):
            return PrecisionPreference(value)
        case "top_k", int() if 1 <= value <= 20 and not isinstance(value, bool):
            return value
        case "opacity", int() | float() if 0 <= value <= 1 and not isinstance(value, bool):
            return float(value)
        case "steady_s", int() | float() if 0 <= value <= 10 and not isinstance(value, bool):
            return float(value)
        case "maps_every", int() if 1 <= value <= 100 and not isinstance(value, bool):
            return value
        case "camera_size", [int() as width, int() as height] if min(width, height) > 0:
            return (width, height)
        case "recent", list():
            return tuple(each for each in value if isinstance(each, str))[:RECENT_PICTURES]
        case (
            ("scale_per_layer" | "show_person_names" | "use_when_downloaded" | "camera_mirrored" | "help_is_open"),
            bool(),
        ):
            return value
        case (("camera" | "model_path" | "map_kind" | "geometry" | "columns" | "rows"), str()):
            return value
        case (("models_geometry" | "help_topic" | "help_geometry"), str()):
            return value
        case "model_assumptions", dict():
            return value
        case "assumptions", dict():
            return {key: each for key, each in value.items() if isinstance(each, dict)}
    return None
