"""What a checkpoint is, decided from its tensors' names and shapes and its `config.json`, without torch.

Tensors decide the network's shape, `config.json` decides preprocessing. Knows no network and no catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isqrt
from pathlib import Path

from mixer_gui.classes import hide_persons, known_names
from mixer_gui.model.config import MixerConfig, Shape
from mixer_gui.model.dialects import GOOGLE, TIMM, TUTORIAL, Dialect, Fit, fit
from mixer_gui.model.hub_config import CONFIG_NAME, HubConfig, parse_hub_config, read_hub_config
from mixer_gui.model.weight_files import INDEX_NAME, check_size, read_shapes
from mixer_gui.records import (
    WEIGHT_SUFFIXES,
    Assumptions,
    CheckpointInfo,
    ClassNames,
    CropMode,
    Gelu,
    Interpolation,
    MixerGuiError,
    ModelRef,
    Preprocessing,
)

# What a folder may call its weights, the preferred first (timm's order).
TRAINING_NAME = "training.pt"  # the state of a training, which is no checkpoint
WEIGHT_NAMES = ("model.safetensors", INDEX_NAME, "pytorch_model.bin", "pytorch_model.pth", "model.pth")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALVES = (0.5, 0.5, 0.5)
IMAGENET_1K_CLASSES = 1000
MIIL_CLASSES = 11221  # MIIL's selection of ImageNet-21k; no other known Mixer has a head of this size

# Google trained on pixels scaled to -1…1 (vit_jax, `value_range(-1, 1)`); bicubic and 0.875 are what timm
# evaluates these weights with. MIIL's fine-tuned B/16 has the same tensors' shapes but mean 0 and std 1,
# bilinear: a bare timm file cannot tell, and Google's are the more common files outside a Hub folder.
LIKELY_GOOGLE = Assumptions(HALVES, HALVES, 0.875, Interpolation.BICUBIC)
LIKELY_MIIL = Assumptions((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 0.875, Interpolation.BILINEAR)
# Tutorials train on torchvision's recipe: Resize(256), CenterCrop(224), ImageNet's mean and std.
LIKELY_TUTORIAL = Assumptions(IMAGENET_MEAN, IMAGENET_STD, 0.875, Interpolation.BILINEAR)
# What timm takes where a config is silent (`resolve_data_config`).
TIMM_DEFAULTS = Assumptions(IMAGENET_MEAN, IMAGENET_STD, 0.875, Interpolation.BICUBIC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint's weights lie, and what the `config.json` of its folder says; None for a bare file."""

    ref: ModelRef
    weights: Path
    said: HubConfig | None


@dataclass(frozen=True, slots=True)
class Description:
    """Which tensors go where, the network they make, and what the window says of it."""

    fit: Fit
    config: MixerConfig
    info: CheckpointInfo


def describe(ref: ModelRef) -> CheckpointInfo:
    """Describe a checkpoint by its names and shapes alone; works in any thread.

    Imports no torch, but for pickles. Raises MixerGuiError with a sentence about what is missing or does not fit.
    """
    return _look(ref).info


def describe_remote(name: str, commit: str, shapes: Mapping[str, Shape], config: bytes) -> CheckpointInfo:
    """Describe a repository on the Hub before it is downloaded, from its tensors' shapes and its config.json.

    `name` is "owner/name". The same decision as `describe`; `path` is the empty Path, as nothing is on disk.
    Raises MixerGuiError with a sentence: not a Mixer, a contradiction, a config.json that is broken or too large.
    """
    check_size(name, shapes)
    return _decide(ModelRef(Path()), name, commit, shapes, parse_hub_config(config)).info


def read_config(ref: ModelRef) -> MixerConfig:
    """The network's shape, by names and shapes alone. Raises MixerGuiError as `describe` does."""
    return _look(ref).config


def likely_assumptions(path: Path) -> Assumptions:
    """The likeliest answer to everything that the bare file `path` does not say; no field is None.

    Raises MixerGuiError where the file is not a Mixer.
    """
    fitted = fit(read_shapes(path), path.name)
    return _likely(fitted.dialect, fitted.shape.num_classes)


def locate(ref: ModelRef) -> Place:
    """Find the weights, unopened, and read `config.json`. Raises MixerGuiError saying what is missing or wrong."""
    path = ref.path
    if path.is_file():
        return Place(ref, path, None)
    if not path.is_dir():
        raise MixerGuiError(f"There is no file or folder “{path.name}” any more.", str(path))
    if not (path / CONFIG_NAME).is_file() and (path / TRAINING_NAME).is_file():
        raise MixerGuiError(
            f"“{path.name}” holds a training that has no model yet: it is written after each epoch that is not coarse. "
            "Give the command of the training again to go on with it."
        )
    if not (path / CONFIG_NAME).is_file():
        raise MixerGuiError(
            f"The folder “{path.name}” is not a checkpoint: it has no {CONFIG_NAME}. Open the file with the "
            "weights itself."
        )
    said = read_hub_config(path)
    return Place(ref, _weights_in(path), said)


def _weights_in(path: Path) -> Path:
    for name in WEIGHT_NAMES:
        if (path / name).is_file():
            return path / name
    others = sorted(file for file in path.iterdir() if file.suffix.lower() in WEIGHT_SUFFIXES and file.is_file())
    if len(others) == 1:
        return others[0]
    if others:
        names = ", ".join(file.name for file in others[:4])
        raise MixerGuiError(
            f"The folder “{path.name}” has several files that could be the weights ({names}). Call the one to use "
            f"{WEIGHT_NAMES[0]}, or open it itself."
        )
    raise MixerGuiError(f"The folder “{path.name}” has no weights: {WEIGHT_NAMES[0]} is missing. Download it again.")


def understand(place: Place, shapes: Mapping[str, Shape]) -> Description:
    """Decide what the tensors of these weights make; raises MixerGuiError as `describe` does."""
    name, revision = _name(place.ref, place.said)
    return _decide(place.ref, name, revision, shapes, place.said)


def _look(ref: ModelRef) -> Description:
    place = locate(ref)
    return understand(place, read_shapes(place.weights))


def _decide(
    ref: ModelRef, name: str, revision: str | None, shapes: Mapping[str, Shape], said: HubConfig | None
) -> Description:
    fitted = fit(shapes, name)
    given = ref.assumptions or Assumptions()
    _check(given)
    image_size = _image_size(fitted, said, name)
    preprocessing, gelu, assumed = _preprocessing(fitted, said, given, image_size)
    config = replace(
        fitted.shape,
        image_size=image_size,
        gelu=gelu,
        layer_norm_eps=(said and said.layer_norm_eps) or fitted.dialect.layer_norm_eps,
    )
    info = CheckpointInfo(
        name=name,
        path=ref.path,
        revision=revision,
        parameters=fitted.parameters,
        layers=config.num_blocks,
        grid=config.grid,
        patch_size=config.patch_size,
        channels=config.hidden_dim,
        classes=config.num_classes,
        gelu=gelu,
        layer_norm_eps=config.layer_norm_eps,
        preprocessing=preprocessing,
        temperature=said.temperature if said else 1.0,
        names=_names(fitted, said),
        assumed=assumed,
    )
    return Description(fitted, config, info)


def _name(ref: ModelRef, said: HubConfig | None) -> tuple[str, str | None]:
    """What to call the checkpoint, and its revision: the Hub's names where the folder is in the Hub's cache."""
    folder = ref.path.absolute()
    if said is None:
        return folder.name, ref.revision
    repository = folder.parent.parent.name
    if folder.parent.name == "snapshots" and repository.startswith("models--"):
        return repository.removeprefix("models--").replace("--", "/"), ref.revision or folder.name
    if said.architecture is None:
        return folder.name, ref.revision
    return f"{said.architecture}.{said.tag}" if said.tag else said.architecture, ref.revision


def _image_size(fitted: Fit, said: HubConfig | None, name: str) -> tuple[int, int]:
    """(height, width) in pixels, such that the grid has as many patches as the tensors mix."""
    patch_size, patches = fitted.shape.patch_size, fitted.patches
    if said is None or said.input_size is None:
        edge = isqrt(patches)
        if edge * edge != patches:
            raise MixerGuiError(
                f"“{name}” mixes {patches} patches, which is no square grid, and does not say how they lie. Put it "
                f"into a folder beside a {CONFIG_NAME} whose “input_size” says the height and width of its pictures."
            )
        return edge * patch_size, edge * patch_size
    height, width = said.input_size
    if height % patch_size or width % patch_size or (height // patch_size) * (width // patch_size) != patches:
        cut = f"{patch_size}×{patch_size}"
        consequence = (
            f"cannot be cut into patches of {cut}"
            if height % patch_size or width % patch_size
            else f"are {(height // patch_size) * (width // patch_size)} patches of {cut}"
        )
        raise MixerGuiError(
            f"“{name}” contradicts itself: its {CONFIG_NAME} says pictures of {height}×{width} pixels, which "
            f"{consequence}, but its weights mix {patches} patches."
        )
    return height, width


def _preprocessing(
    fitted: Fit, said: HubConfig | None, given: Assumptions, image_size: tuple[int, int]
) -> tuple[Preprocessing, Gelu, bool]:
    """What was given wins, then what `config.json` says, then what is likely; and whether any was assumed."""
    likely = TIMM_DEFAULTS if said else _likely(fitted.dialect, fitted.shape.num_classes)
    mean = given.mean or (said and said.mean)
    std = given.std or (said and said.std)
    crop_pct = given.crop_pct or (said and said.crop_pct)
    interpolation = given.interpolation or (said and said.interpolation)
    silent = None in (mean, std, crop_pct, interpolation)
    preprocessing = Preprocessing(
        input_size=image_size,
        mean=mean or likely.mean or IMAGENET_MEAN,
        std=std or likely.std or IMAGENET_STD,
        interpolation=interpolation or likely.interpolation or Interpolation.BICUBIC,
        crop_pct=crop_pct or likely.crop_pct or 0.875,
        crop_mode=(said and said.crop_mode) or CropMode.CENTER,
    )
    assumed = said is None or silent or given != Assumptions()
    return preprocessing, given.gelu or (said and said.gelu) or fitted.dialect.gelu, assumed


def _likely(dialect: Dialect, classes: int) -> Assumptions:
    likely = {GOOGLE.title: LIKELY_GOOGLE, TIMM.title: LIKELY_GOOGLE, TUTORIAL.title: LIKELY_TUTORIAL}[dialect.title]
    if dialect is TIMM and classes == MIIL_CLASSES:
        likely = LIKELY_MIIL
    return replace(likely, gelu=dialect.gelu)


def _names(fitted: Fit, said: HubConfig | None) -> ClassNames:
    """What `config.json` calls the classes, or else the names of the well-known set with as many.

    A tutorial's 1000 classes may be anybody's; timm's and Google's are ImageNet-1k's (timm's own convention).
    """
    count = fitted.shape.num_classes
    own = said.class_names(count) if said else ClassNames()
    if own.labels:
        return hide_persons(own)
    if fitted.dialect is TUTORIAL and count == IMAGENET_1K_CLASSES:
        return own
    return known_names(count) or own


def _check(given: Assumptions) -> None:
    if given.std is not None and not all(1e-4 <= value < 1e4 for value in given.std):
        raise MixerGuiError(f"A standard deviation has to be positive, not {given.std}.")
    if given.mean is not None and not all(abs(value) < 1e4 for value in given.mean):
        raise MixerGuiError(f"A mean has to be three plain numbers, not {given.mean}.")
    if given.crop_pct is not None and not 0.1 <= given.crop_pct <= 1.0:
        raise MixerGuiError(f"A crop has to keep from 0.1 to 1 of the picture's edge, not {given.crop_pct:g}.")
