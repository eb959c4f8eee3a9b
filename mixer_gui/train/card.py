"""The model card (README.md) of a trained Mixer, with the Hub's front matter. Says what is known and measured only."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mixer_gui import __version__
from mixer_gui.model.config import MixerConfig, parameter_shapes
from mixer_gui.model.variants import variant_name
from mixer_gui.records import Gelu
from mixer_gui.train.measure import BINS, Epoch, Figures
from mixer_gui.train.recipe import Recipe, changeable

CHART_NAME = "training.svg"
UNKNOWN_DATA = (
    "What they are was not said. Their terms apply to what was learnt from them, too, and are not known here."
)
GELU_NAMES = {Gelu.EXACT: "exact", Gelu.TANH: "tanh"}  # in config.json, too
LISTED = 1000  # classes that are named in the card

ADDRESS = re.compile(r"https?://[\w\-./%?=&#~:+,;@]*[\w/]")
FRONT_MATTER = """\
---
library_name: mixer-gui
pipeline_tag: image-classification
tags:
- image-classification
- mlp-mixer
license: other
license_name: terms-of-the-training-pictures
---
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How a model came about. `before` and `after`: of the held-out pictures, without and with its temperature; None
    where none were held out. `data`: what the pictures are, and their terms, in the user's words.
    """

    device: str  # in words
    seconds: float
    pictures: int  # learnt from, those held out not counted
    history: tuple[Epoch, ...]
    before: Figures | None
    after: Figures | None
    data: str = UNKNOWN_DATA
    command: str = ""  # that made it, where there was one
    origin: str = ""  # name of the model whose weights it began with


def card(recipe: Recipe, labels: Sequence[str], temperature: float, made: Provenance, stored_bytes: int) -> str:
    """Markdown. `labels`: what the classes are called; `stored_bytes`: of the weights in fp16."""
    config = recipe.network
    height, width = config.image_size
    name = variant_name(config)
    title = f"MLP-Mixer {name}" if name else "MLP-Mixer"
    sections = (
        FRONT_MATTER,
        f"# {title}, {len(labels)} classes\n",
        f"It sorts pictures of {height}×{width} pixels into {len(labels)} classes. Trained with Mixer GUI "
        f"{__version__}, which opens this folder.\n",
        _facts(config, temperature, stored_bytes),
        "## Measured\n",
        _measured(temperature, made, len(labels)),
        "## Training\n",
        _training(recipe, made),
        "## Limits\n",
        f"- It answers with one of its {len(labels)} classes whatever it is shown.\n"
        f"- It sees {height}×{width} pixels of the middle of a picture.\n"
        "- How it does on pictures of another source than those it learnt from was not measured.\n",
        "## Pictures and terms\n",
        f"Trained on {made.pictures:,} pictures. {plain(made.data)}\n",
        "## Classes\n",
        _classes(labels),
    )
    return "\n".join(sections)


def plain(text: str) -> str:
    """Text of anybody's on one line, such that Markdown and HTML take none of it for a command; addresses are links."""
    line = _line(text)
    parts, done = [], 0
    for found in ADDRESS.finditer(line):
        parts += [_escaped(line[done : found.start()]), f"<{found.group()}>"]
        done = found.end()
    return "".join(parts) + _escaped(line[done:])


def _line(text: str) -> str:
    """On one line, without what is not printed: line ends, control characters, marks that turn the writing round."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", text)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    head, *body = rows
    lines = [head, ("---",) * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _facts(config: MixerConfig, temperature: float, stored_bytes: int) -> str:
    height, width = config.image_size
    parameters = sum(math.prod(shape) for shape in parameter_shapes(config).values())
    gelu = GELU_NAMES[config.gelu]
    return _table(
        (
            ("", ""),
            ("Parameters", f"{parameters:,}, stored as fp16 ({stored_bytes / 1e6:.1f} MB)"),
            (
                "Input",
                f"{height}×{width} pixels, patches of {config.patch_size}×{config.patch_size}: a grid of "
                f"{config.grid.rows}×{config.grid.columns}",
            ),
            (
                "Shape",
                f"{config.num_blocks} layers, {config.hidden_dim} channels, token-mixing width "
                f"{config.tokens_mlp_dim}, channel-mixing width {config.channels_mlp_dim}",
            ),
            ("Network", f"LayerNorm eps {config.layer_norm_eps:g}, {gelu} GELU"),
            ("Format", "`config.json` and `model.safetensors`, timm's parameter names"),
            ("Preprocessing", "in `config.json`, `pretrained_cfg`"),
            ("Probability", f"softmax(logit / {temperature:.4g}): `temperature` in `config.json`"),
        )
    )


def _measured(temperature: float, made: Provenance, classes: int) -> str:
    if made.before is None or made.after is None:
        return "Nothing was measured: no pictures were held out of the training.\n"
    before, after = made.before, made.after
    top5 = [("top-5", _percent(before.top5), _percent(after.top5))] if classes > 5 else []  # else it says nothing
    figures = _table(
        (
            (f"{before.count:,} held-out pictures", "temperature 1", f"temperature {temperature:.4g}"),
            ("top-1", _percent(before.top1), _percent(after.top1)),
            *top5,
            ("cross-entropy, nats", f"{before.loss:.4f}", f"{after.loss:.4f}"),
            (
                f"expected calibration error, {BINS} bins",
                _percent(before.calibration_error),
                _percent(after.calibration_error),
            ),
        )
    )
    fitted = (
        "The pictures were not learnt from, but the temperature was fitted on them: what the right column says of "
        "calibration is of the pictures it was fitted on."
        if temperature != 1.0
        else "The pictures were not learnt from. No temperature was fitted: probabilities may be too high or too low."
    )
    parts = [figures, f"By the training itself, before the weights were rounded to fp16. {fitted}\n"]
    if made.history:
        parts.append(f"![Loss, top-1 and top-5 by epoch]({CHART_NAME})\n")
    return "\n".join(parts)


def _training(recipe: Recipe, made: Provenance) -> str:
    optimisers = "AdamW"
    if recipe.muon:
        optimisers = "Muon for the matrices of token and channel mixing, AdamW for the other weights"
    parts = [
        f"{_epochs(recipe, len(made.history))} in {_duration(made.seconds)} on "
        f"{plain(made.device)}, torch {torch.__version__}. {optimisers}; the weights are an exponential moving average "
        "over the steps.\n"
    ]
    if made.origin:
        parts.append(f"It began with the weights of {plain(made.origin)}, whose terms apply, too.\n")
    if made.command:
        parts.append(_code(made.command))
    rows = [(f"`{name}`", _setting(value)) for name, value in changeable(recipe).items()]
    parts.append(_table((("", ""), *rows)))
    return "\n".join(parts)


def _epochs(recipe: Recipe, done: int) -> str:
    """How many, and of how many if the training is not at its end."""
    words = f"{done} of {recipe.epochs} epochs" if done != recipe.epochs else f"{done} epoch{'s' if done != 1 else ''}"
    return f"{words}, the first {min(done, recipe.coarse)} coarse," if recipe.coarse else words


def _setting(value: float) -> str:
    """As `mixer-gui train --set` takes it; integers and yes or no are floats to the type checker."""
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:.6g}"


def _classes(labels: Sequence[str]) -> str:
    if len(labels) > LISTED:
        return f"{len(labels):,}, named in `config.json`.\n"
    return f"The classes are: {'; '.join(map(plain, labels))}.\n"


def _code(text: str) -> str:
    """A block that no text can end: its fence is longer than any run of backticks in it."""
    line = _line(text)
    fence = "`" * max((3, *(len(run) + 1 for run in re.findall("`+", line))))
    return f"{fence}\n{line}\n{fence}\n"


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} second{'s' if round(seconds) != 1 else ''}"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
