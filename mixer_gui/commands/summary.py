"""`mixer-gui summary`: a variant of the paper or a checkpoint, as a table of layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mixer_gui.records import MixerGuiError, ModelRef


def describe(model: str, *, classes: int | None, image_size: tuple[int, int] | None) -> str:
    """The table for `model`, a variant's name or a path; `classes` and `image_size` (height, width) shape a variant.

    Raises MixerGuiError. A checkpoint's weights are not read, only their names and shapes.
    """
    from mixer_gui.model.checkpoint import read_config
    from mixer_gui.model.summary import render, summarize
    from mixer_gui.model.variants import VARIANTS, variant

    if model.upper() in VARIANTS:
        config = variant(model, num_classes=classes or 1000)
        if image_size is not None:
            config = replace(config, image_size=image_size)
    elif not Path(model).exists():
        raise MixerGuiError(f"“{model}” is neither a variant ({', '.join(VARIANTS)}) nor a folder or file.")
    elif classes is not None or image_size is not None:
        raise MixerGuiError(f"--classes and --image-size shape a variant; “{model}” is a checkpoint and has its own.")
    else:
        config = read_config(ModelRef(Path(model)))
    return render(summarize(config))
