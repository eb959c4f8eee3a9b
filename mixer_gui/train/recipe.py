"""What decides a training, as one frozen record: two runs with equal recipes and equal pictures give equal weights.

Imports no torch: the command line reads the defaults from here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mixer_gui.model.config import MixerConfig
from mixer_gui.model.description import IMAGENET_MEAN, IMAGENET_STD
from mixer_gui.records import CropMode, Interpolation, MixerGuiError, Preprocessing

VARIED = "augmentation."  # before the names of its values

# The shape of the embedded default but for its classes: small enough for two cores, an 8×8 grid.
MINI = MixerConfig(
    image_size=(64, 64),
    patch_size=8,
    num_blocks=8,
    hidden_dim=256,
    tokens_mlp_dim=128,
    channels_mlp_dim=768,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How pictures are varied, see `augment`. Rates are shares of the pictures; 0 everywhere varies nothing."""

    smallest_crop: float = 0.35  # share of the area that a random resized crop keeps at least, but for `aspect`
    aspect: float = 4 / 3  # the crop's aspect ratio lies between 1/aspect and aspect
    flip: bool = True  # left and right
    colour: float = 0.3  # brightness and saturation by up to this share, tint by a tenth of it
    mixing: float = 0.5  # share of pictures mixed with another, half by mixup, half by cutmix
    erasing: float = 0.0  # share of pictures in which a square is replaced by the mean colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything but the pictures that decides the weights.

    Learning rates rise linearly over `warmup` of all work, stay, and fall linearly to 0 over the last `decay`.
    Raises MixerGuiError where a number cannot be.
    """

    network: MixerConfig
    epochs: int = 30
    coarse: int = 0  # first epochs in which pictures have half the edge, a quarter of the patches and of the work
    muon: bool = True  # else AdamW for all
    batch: int = 256  # pictures a step
    matrix_rate: float = 0.02  # of Muon, for the matrices of token and channel mixing
    matrix_decay: float = 0.05
    other_rate: float = 2e-3  # of AdamW, for stem, head, norms and biases
    other_decay: float = 0.05  # of the matrices among them
    warmup: float = 0.02
    decay: float = 0.5
    average: float = 0.999  # of the exponential moving average of the weights, which is what is measured and kept
    label_smoothing: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    held_out: int = 5000  # pictures, as many of each class as can be, for every decision
    seed: int = 0
    origin: str = ""  # digest of the weights that it begins with; empty: they are drawn
    origin_preprocessing: Preprocessing | None = None  # of the model that these are from

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise MixerGuiError(f"A training needs {name} of at least 1, not {getattr(self, name)}.")
        for name in ("matrix_rate", "matrix_decay", "other_rate", "other_decay", "held_out"):
            if not getattr(self, name) >= 0:
                raise MixerGuiError(f"{name} cannot be {getattr(self, name)}.")
        if self.augmentation.aspect < 1.0:
            raise MixerGuiError(f"aspect is at least 1; {self.augmentation.aspect:g} is not.")
        for part, names in (
            (self, ("warmup", "decay", "average", "label_smoothing")),
            (self.augmentation, ("smallest_crop", "colour", "mixing", "erasing")),
        ):
            for name in names:
                if not 0.0 <= getattr(part, name) <= 1.0:
                    raise MixerGuiError(f"{name} lies in 0…1; {getattr(part, name)} does not.")
        if not 0 <= self.coarse < self.epochs:
            raise MixerGuiError(f"Of {self.epochs} epochs, {self.coarse} cannot be coarse: the last one may not.")
        if self.coarse and (self.network.grid.rows % 2 or self.network.grid.columns % 2):
            raise MixerGuiError("Coarse epochs need an even number of patches along both edges.")
        if self.network.dropout or self.network.stochastic_depth:
            raise MixerGuiError("Dropout and stochastic depth draw from one generator for all threads; leave them out.")
        if self.coarse and self.origin:
            raise MixerGuiError("Weights that are there have the patches they have: no epoch can be coarse.")
        if self.warmup + self.decay > 1.0:
            raise MixerGuiError("warmup and decay are shares of one training: together at most 1.")

    @property
    def preprocessing(self) -> Preprocessing:
        """How the trained checkpoint wants its pictures: as the one it began with, else the whole centre square."""
        if self.origin_preprocessing is not None:
            return self.origin_preprocessing
        return Preprocessing(
            input_size=self.network.image_size,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            interpolation=Interpolation.BICUBIC,
            crop_pct=1.0,
            crop_mode=CropMode.CENTER,
        )


def changed(recipe: Recipe, texts: Mapping[str, str]) -> Recipe:
    """The recipe with values set from text, by their names: `batch`, `augmentation.mixing`.

    Raises MixerGuiError where there is no such value, a text cannot be one, or they do not go together.
    """
    values = changeable(recipe)
    given: dict[str, Any] = {}
    varied: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in values:
            raise MixerGuiError(f"A recipe has no value “{name}”; it has {', '.join(values)}.")
        try:
            value = _parsed(text, values[name])
        except ValueError:
            kind = "yes or no" if isinstance(values[name], bool) else "a number"
            raise MixerGuiError(f"“{name}” is {kind}, not “{text}”.") from None
        if name.startswith(VARIED):
            varied[name.removeprefix(VARIED)] = value
        else:
            given[name] = value
    return replace(recipe, **given, augmentation=replace(recipe.augmentation, **varied))


def changeable(recipe: Recipe) -> dict[str, bool | int | float]:
    """What `changed` takes, and its present values."""
    own = {each.name: getattr(recipe, each.name) for each in fields(recipe)}
    varied = {f"{VARIED}{each.name}": getattr(recipe.augmentation, each.name) for each in fields(Augmentation)}
    return {name: value for name, value in (own | varied).items() if isinstance(value, bool | int | float)}


def described(recipe: Recipe) -> dict[str, str]:
    """Everything that decides the weights but the pictures, by name, as text."""
    network = {f"network.{each.name}": str(getattr(recipe.network, each.name)) for each in fields(recipe.network)}
    origin = {"origin": recipe.origin, "preprocessing": str(recipe.preprocessing)} if recipe.origin else {}
    return {name: str(value) for name, value in changeable(recipe).items()} | network | origin


def _parsed(text: str, like: float) -> bool | int | float:
    if isinstance(like, bool):
        words = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
        if text.lower() not in words:
            raise ValueError
        return words[text.lower()]
    if isinstance(like, int):
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value
