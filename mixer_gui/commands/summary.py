"""`mixer-gui summary`: a variant of the paper or a checkpoint, as a table of layers."""

from __future__ import annotations

from dataclasses import replace

from mixer_gui.records import MixerGuiError, ModelRef


def describe(model: str, *, classes: int | None, image_size: tuple[int, int] | None) -> str:
    """The table for `model`: a variant, which `classes` and `image_size` (height, width) shape, or a checkpoint.

    A checkpoint is a path or a repository on disk; of its weights only names and shapes are read. Raises MixerGuiError.
    """
    from mixer_gui.commands.models import stored_path
    from mixer_gui.model.description import read_config
    from mixer_gui.model.summary import render, summarize
    from mixer_gui.model.variants import VARIANTS, variant

    if model.upper() in VARIANTS:
        config = variant(model, num_classes=classes or 1000)
        if image_size is not None:
            config = replace(config, image_size=image_size)
    elif (path := stored_path(model)) is None:
        raise MixerGuiError(
            f"“{model}” is neither a variant ({', '.join(VARIANTS)}) nor a checkpoint on this computer."
        )
    elif classes is not None or image_size is not None:
        raise MixerGuiError(f"--classes and --image-size shape a variant; “{model}” is a checkpoint and has its own.")
    else:
        config = read_config(ModelRef(path))
    return render(summarize(config))
