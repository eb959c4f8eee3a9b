"""The seven variants of the paper (table 1) and their parameter counts with 1000 classes at 224 px."""

from dataclasses import replace

from mixer_gui.model.config import MixerConfig
from mixer_gui.records import MixerGuiError


def _shape(
    patch_size: int, num_blocks: int, hidden_dim: int, tokens_mlp_dim: int, channels_mlp_dim: int
) -> MixerConfig:
    return MixerConfig(
        patch_size=patch_size,
        num_blocks=num_blocks,
        hidden_dim=hidden_dim,
        tokens_mlp_dim=tokens_mlp_dim,
        channels_mlp_dim=channels_mlp_dim,
    )


VARIANTS: dict[str, MixerConfig] = {
    "S/32": _shape(32, 8, 512, 256, 2048),
    "S/16": _shape(16, 8, 512, 256, 2048),
    "B/32": _shape(32, 12, 768, 384, 3072),
    "B/16": _shape(16, 12, 768, 384, 3072),
    "L/32": _shape(32, 24, 1024, 512, 4096),
    "L/16": _shape(16, 24, 1024, 512, 4096),
    "H/14": _shape(14, 32, 1280, 640, 5120),
}

SHAPE_FIELDS = ("patch_size", "num_blocks", "hidden_dim", "tokens_mlp_dim", "channels_mlp_dim")

PARAMETER_COUNTS: dict[str, int] = {
    "S/32": 19_104_624,
    "S/16": 18_528_264,
    "B/32": 60_293_428,
    "B/16": 59_880_472,
    "L/32": 206_939_264,
    "L/16": 208_196_168,
    "H/14": 432_350_952,
}


def variant(name: str, *, num_classes: int = 1000) -> MixerConfig:
    """The configuration of a named variant ("B/16"); raises MixerGuiError listing the names there are."""
    config = VARIANTS.get(name.upper())
    if config is None:
        raise MixerGuiError(f"There is no variant {name!r}; the paper has {', '.join(VARIANTS)}.")
    return replace(config, num_classes=num_classes)


def variant_name(config: MixerConfig) -> str | None:
    """The paper's name of this shape, whatever its image size and number of classes; None for others."""
    for name, known in VARIANTS.items():
        if all(getattr(known, field) == getattr(config, field) for field in SHAPE_FIELDS):
            return name
    return None
