"""A trained Mixer as a folder in the format of a Hub repository, which the application opens and timm can read.

Every file is written beside its place and moved there when all are complete.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from mixer_gui import __version__
from mixer_gui.classes import TABLES, known_names
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.description import WEIGHT_NAMES
from mixer_gui.model.hub_config import CONFIG_NAME
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import MixerGuiError
from mixer_gui.train.card import CHART_NAME, GELU_NAMES, Provenance, card
from mixer_gui.train.chart import chart
from mixer_gui.train.measure import COLDEST, HOTTEST
from mixer_gui.train.recipe import Recipe

__all__ = ["Provenance", "publish"]

WEIGHTS_NAME = WEIGHT_NAMES[0]
CARD_NAME = "README.md"


def publish(
    folder: Path,
    model: MlpMixer,
    recipe: Recipe,
    classes: tuple[str, ...],
    temperature: float,
    made: Provenance,
    *,
    tag: str | None = None,
) -> None:
    """Write weights (fp16, timm's names), config.json, model card and, where there is a history, its chart.

    `model`: fp32, on any device. `classes`: names of the head's outputs, WNIDs or any other. `tag`: what tells these
    weights from others of their shape, in titles; the folder's name where there is none.
    What else lies in the folder stays. Raises MixerGuiError: weights that fp16 does not hold, names that do not fit
    the head, a folder that cannot be written.
    """
    config = model.config
    if len(classes) != config.num_classes or len(set(classes)) != len(classes):
        raise MixerGuiError(f"{len(set(classes))} different names do not fit a head of {config.num_classes} classes.")
    if not COLDEST <= temperature <= HOTTEST:
        raise MixerGuiError(f"A temperature lies in {COLDEST:g}…{HOTTEST:g}; {temperature} does not.")
    tensors = {name: _in_half_precision(name, tensor) for name, tensor in model.state_dict().items()}
    labels = class_labels(classes)
    content = _config(config, recipe, classes, labels, temperature, made, _slug(tag or folder.absolute().name))
    stored_bytes = sum(tensor.nbytes for tensor in tensors.values())
    texts = {
        CONFIG_NAME: json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n",
        CARD_NAME: card(recipe, labels, temperature, made, stored_bytes),
    }
    if made.history:
        texts[CHART_NAME] = chart(made.history)
    partial = {name: folder / f"{name}.partial" for name in (WEIGHTS_NAME, *texts)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial[WEIGHTS_NAME].write_bytes(save(tensors, metadata={"format": "pt"}))  # `save_file` hides it from others
        for name, text in texts.items():
            partial[name].write_text(text, encoding="utf-8", newline="\n")
        for name, path in partial.items():
            path.replace(folder / name)
    except OSError as error:
        raise MixerGuiError(
            f"The model could not be written to “{folder}”: {error.strerror or error}.", str(error)
        ) from error
    finally:
        for path in partial.values():
            if path.exists():
                path.unlink()


def class_labels(classes: tuple[str, ...]) -> tuple[str, ...]:
    """ImageNet's words where every name is one of its WNIDs, else the names themselves."""
    words: dict[str, str] = {}
    for count in TABLES:
        known = known_names(count)
        if known is not None:
            words |= dict(zip(known.wnids, known.labels, strict=True))
    return tuple(words[name] for name in classes) if all(name in words for name in classes) else classes


def _in_half_precision(name: str, tensor: Tensor) -> Tensor:
    half = tensor.detach().to("cpu", torch.float16).contiguous()
    if not half.isfinite().all():
        raise MixerGuiError(
            f"The weights “{name}” hold numbers that are infinite, not numbers at all, or beyond 65504, the largest of "
            "half precision: nothing was written. The training came apart; train again with lower learning rates."
        )
    return half


def _config(
    config: MixerConfig,
    recipe: Recipe,
    classes: tuple[str, ...],
    labels: tuple[str, ...],
    temperature: float,
    made: Provenance,
    tag: str,
) -> dict[str, Any]:
    """`temperature`, `gelu`, `layer_norm_eps` and `training` are this project's own, all else is timm's."""
    height, width = config.image_size
    preprocessing = recipe.preprocessing
    return {
        "architecture": architecture(config),
        "num_classes": config.num_classes,
        "num_features": config.hidden_dim,
        "global_pool": "avg",
        "model_args": {
            "img_size": height if height == width else [height, width],
            "patch_size": config.patch_size,
            "num_blocks": config.num_blocks,
            "embed_dim": config.hidden_dim,
            "mlp_ratio": [
                mlp_ratio(each, config.hidden_dim) for each in (config.tokens_mlp_dim, config.channels_mlp_dim)
            ],
        },
        "temperature": temperature,
        "gelu": GELU_NAMES[config.gelu],
        "layer_norm_eps": config.layer_norm_eps,
        "pretrained_cfg": {
            "tag": tag,
            "custom_load": False,
            "input_size": [3, height, width],
            "fixed_input_size": True,
            "interpolation": preprocessing.interpolation.value,
            "crop_pct": preprocessing.crop_pct,
            "crop_mode": preprocessing.crop_mode.value,
            "mean": list(preprocessing.mean),
            "std": list(preprocessing.std),
            "num_classes": config.num_classes,
            "pool_size": None,
            "first_conv": "stem.proj",
            "classifier": "head",
        },
        "training": {
            "program": f"mixer-gui {__version__}",
            "torch": torch.__version__,
            "device": made.device,
            "seconds": round(made.seconds, 1),
            "command": made.command,
            "origin": made.origin,
            "pictures": made.pictures,
            "data": made.data,
            "recipe": asdict(recipe) | {"network": asdict(recipe.network) | {"gelu": GELU_NAMES[recipe.network.gelu]}},
            "held_out": {
                "without_temperature": None if made.before is None else asdict(made.before),
                "with_temperature": None if made.after is None else asdict(made.after),
            },
        },
        "label_names": list(classes),
        "label_descriptions": dict(zip(classes, labels, strict=True)),
    }


def architecture(config: MixerConfig) -> str:
    """A name of its own for the shape: none of timm's, whose entry points take no shape."""
    size = "x".join(str(edge) for edge in dict.fromkeys(config.image_size))
    return f"mixer_p{config.patch_size}_d{config.hidden_dim}_l{config.num_blocks}_{size}"


def mlp_ratio(hidden: int, channels: int) -> float:
    """What timm's MlpMixer makes `hidden` of, which is `int(ratio * channels)`."""
    ratio = hidden / channels
    return ratio if int(ratio * channels) == hidden else math.nextafter(ratio, math.inf)


def _slug(name: str) -> str:
    """Letters, digits, - and _, as in tags on the Hub."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:80] or "trained"
