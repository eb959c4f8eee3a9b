"""Read a Hub repository's `config.json`, as timm writes it: preprocessing, GELU, temperature, class names.

Says what the file says, and None where it is silent; what is assumed instead is decided in `description`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mixer_gui.model.weight_files import parse_json, read_json
from mixer_gui.records import WEIGHT_SUFFIXES, ClassNames, CropMode, Gelu, Interpolation, MixerGuiError

CONFIG_NAME = "config.json"
MAX_CONFIG_BYTES = 2**24  # names and descriptions of 21,843 classes take 3 MB
GELU_NAMES = {
    "none": Gelu.EXACT,
    "exact": Gelu.EXACT,
    "erf": Gelu.EXACT,
    "gelu": Gelu.EXACT,
    "tanh": Gelu.TANH,
    "gelu_tanh": Gelu.TANH,
}
# Where timm names weights (`pretrained_cfg`, arguments of its models); so does any value with a suffix of weights.
FILE_KEYS = ("file", "filename", "hf_hub_filename", "checkpoint_path", "pretrained_path", "url")
ADDRESS = re.compile(r"https?://", re.IGNORECASE)  # where the weights once came from
WNID = re.compile(r"n\d{8}")

Triple = tuple[float, float, float]
Choice = TypeVar("Choice", Interpolation, CropMode)


@dataclass(frozen=True, slots=True)
class HubConfig:
    """What `config.json` says; None where it does not. `input_size` is (height, width)."""

    architecture: str | None
    tag: str | None
    input_size: tuple[int, int] | None
    mean: Triple | None
    std: Triple | None
    interpolation: Interpolation | None
    crop_pct: float | None
    crop_mode: CropMode | None
    gelu: Gelu | None
    layer_norm_eps: float | None
    temperature: float
    label_names: object  # checked against the number of classes by `class_names`
    label_descriptions: object

    def class_names(self, classes: int) -> ClassNames:
        """Names of the head's outputs; empty where they do not fit it: a wrong name is worse than none."""
        names = _strings(self.label_names, classes)
        listed = _strings(self.label_descriptions, classes)
        if names is None:
            return ClassNames(labels=listed or ())
        labels = listed or names
        if isinstance(self.label_descriptions, dict):
            told = [self.label_descriptions.get(name) for name in names]
            labels = tuple(text if isinstance(text, str) else name for text, name in zip(told, names, strict=True))
        are_wnids = all(WNID.fullmatch(name) for name in names)
        return ClassNames(names if are_wnids else (), labels)


def read_hub_config(folder: Path) -> HubConfig:
    """`folder`/config.json, as `parse_hub_config` reads it; raises MixerGuiError where it is missing, too."""
    return _hub_config(read_json(folder / CONFIG_NAME, MAX_CONFIG_BYTES))


def parse_hub_config(raw: bytes) -> HubConfig:
    """What the bytes of a config.json say.

    Follows timm 1.0 (`_parse_model_cfg`, `resolve_data_config`): a file without `pretrained_cfg` is all
    pretrained_cfg; values at top level win; `model_args.img_size` wins over `input_size` where that is
    fixed; `test_input_size` and `test_crop_pct` are read only on request (`use_test_size`), so not here.
    `gelu`, `temperature` and `layer_norm_eps` at top level are this project's own.
    Raises MixerGuiError naming the value that cannot be used.
    """
    return _hub_config(parse_json(raw, CONFIG_NAME, MAX_CONFIG_BYTES))


def _hub_config(content: dict[str, object]) -> HubConfig:
    nested = content.get("pretrained_cfg", content)
    if not isinstance(nested, dict):
        raise _unusable("pretrained_cfg", nested, "an object with named values")
    model_args = content.get("model_args") or {}
    if not isinstance(model_args, dict):
        raise _unusable("model_args", model_args, "an object with named values")
    for part in (content, nested, model_args):
        _refuse_foreign_files(part)
    gelu = _gelu(content.get("gelu"), "gelu")
    return HubConfig(
        architecture=_text(content.get("architecture")),
        tag=_text(nested.get("tag")),
        input_size=_input_size(nested, model_args),
        mean=_triple(nested.get("mean"), "mean"),
        std=_triple(nested.get("std"), "std", positive=True),
        interpolation=_choice(Interpolation, nested.get("interpolation"), "interpolation"),
        # timm takes its default for a zero, too
        crop_pct=_number(nested.get("crop_pct") or None, "crop_pct", 0.1, 1.0),
        crop_mode=_choice(CropMode, nested.get("crop_mode"), "crop_mode"),
        gelu=gelu or _gelu(model_args.get("act_layer"), "act_layer"),
        layer_norm_eps=_number(content.get("layer_norm_eps"), "layer_norm_eps", 1e-12, 1.0),
        temperature=_number(content.get("temperature"), "temperature", 1e-3, 1e3) or 1.0,
        label_names=content.get("label_names", nested.get("label_names", nested.get("labels"))),
        label_descriptions=content.get("label_descriptions", nested.get("label_descriptions")),
    )


def _refuse_foreign_files(part: dict[str, object]) -> None:
    """Names of weights are never followed; one that leads out of the folder means no good."""
    for key, value in part.items():
        if not isinstance(value, str) or ADDRESS.match(value):
            continue
        if (key in FILE_KEYS or value.lower().endswith(WEIGHT_SUFFIXES)) and _leads_out(value):
            raise MixerGuiError(
                f"“{CONFIG_NAME}” was refused: its {_short(key)} names a file outside its own folder, {_short(value)}. "
                "Mixer GUI never follows such names; weights have to lie beside their config.json."
            )


def _leads_out(name: str) -> bool:
    """Whether a path leaves the folder it is in, on any system."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\", "~")) or ".." in parts or ":" in name or "\0" in name


def _input_size(nested: dict[str, object], model_args: dict[str, object]) -> tuple[int, int] | None:
    size = nested.get("input_size")
    img_size = model_args.get("img_size")
    if img_size is not None and (nested.get("fixed_input_size") or size is None):
        edges = img_size if isinstance(img_size, list) else [img_size, img_size]
        size = [3, *edges]
    if size is None:
        return None
    if not isinstance(size, list) or len(size) != 3 or not all(type(edge) is int and 0 < edge < 2**16 for edge in size):
        raise _unusable("input_size", size, "[3, height, width] in pixels")
    if size[0] != 3:
        raise _unusable("input_size", size, "[3, height, width]: Mixer GUI shows RGB pictures to a network")
    return size[1], size[2]


def _number(value: object, name: str, low: float, high: float) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise _unusable(name, value, f"a number from {low:g} to {high:g}")
    return float(value)


def _triple(value: object, name: str, *, positive: bool = False) -> Triple | None:
    if value is None or value == []:
        return None
    wanted = "three positive numbers, for red, green and blue" if positive else "three numbers, for red, green and blue"
    if not isinstance(value, list) or len(value) != 3:
        raise _unusable(name, value, wanted)
    for number in value:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < 1e4:
            raise _unusable(name, value, wanted)
        if positive and number < 1e-4:
            raise _unusable(name, value, wanted)
    red, green, blue = map(float, value)
    return red, green, blue


def _choice(kind: type[Choice], value: object, name: str) -> Choice | None:
    if value is None or value == "":
        return None
    for choice in kind:
        if choice == value:
            return choice
    raise _unusable(name, value, "one of " + ", ".join(choice.value for choice in kind))


def _gelu(value: object, name: str) -> Gelu | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in GELU_NAMES:
        raise _unusable(name, value, "one of " + ", ".join(GELU_NAMES) + " (Mixer GUI runs Mixers with a GELU)")
    return GELU_NAMES[value]


def _text(value: object) -> str | None:
    """A short printable string for titles and tables; None for anything else."""
    return value if isinstance(value, str) and value.isprintable() and 0 < len(value) <= 200 else None


def _strings(value: object, count: int) -> tuple[str, ...] | None:
    if not isinstance(value, list) or len(value) != count or not all(isinstance(item, str) for item in value):
        return None
    return tuple(value)


def _unusable(name: str, value: object, wanted: str) -> MixerGuiError:
    return MixerGuiError(f"“{CONFIG_NAME}” cannot be used: its “{name}” is {_short(value)}, and should be {wanted}.")


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "…"
