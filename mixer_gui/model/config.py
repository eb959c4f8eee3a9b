"""The shape of a Mixer, and of each of its parameters. Imports no torch: a checkpoint is described without it."""

from __future__ import annotations

from dataclasses import dataclass

from mixer_gui.records import Gelu, MixerGuiError, PatchGrid

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixerConfig:
    """The shape of a Mixer, in the paper's words.

    `image_size` is (height, width) in pixels. `dropout` and `stochastic_depth` act in training only.
    Raises MixerGuiError where the numbers do not fit together.
    """

    image_size: tuple[int, int] = (224, 224)
    patch_size: int
    num_blocks: int
    hidden_dim: int
    tokens_mlp_dim: int
    channels_mlp_dim: int
    num_classes: int = 1000
    gelu: Gelu = Gelu.EXACT
    layer_norm_eps: float = 1e-6
    dropout: float = 0.0
    stochastic_depth: float = 0.0

    def __post_init__(self) -> None:
        height, width = self.image_size
        for name in ("patch_size", "num_blocks", "hidden_dim", "tokens_mlp_dim", "channels_mlp_dim", "num_classes"):
            if getattr(self, name) < 1:
                raise MixerGuiError(f"A Mixer needs {name} of at least 1, not {getattr(self, name)}.")
        if height < 1 or width < 1 or height % self.patch_size or width % self.patch_size:
            raise MixerGuiError(
                f"An image of {height}×{width} pixels cannot be cut into patches of "
                f"{self.patch_size}×{self.patch_size}: both edges must be multiples of {self.patch_size}."
            )
        if not (0.0 <= self.dropout < 1.0 and 0.0 <= self.stochastic_depth < 1.0):
            raise MixerGuiError(
                f"Rates lie in 0…1: dropout is {self.dropout}, stochastic depth {self.stochastic_depth}."
            )

    @property
    def grid(self) -> PatchGrid:
        return PatchGrid(self.image_size[0] // self.patch_size, self.image_size[1] // self.patch_size)


def parameter_shapes(config: MixerConfig) -> dict[str, Shape]:
    """Our parameter names and their shapes, in the network's order."""
    patches, channels = config.grid.count, config.hidden_dim
    shapes = _affine("stem.proj", (channels, 3, config.patch_size, config.patch_size))
    for number in range(config.num_blocks):
        block = f"blocks.{number}"
        shapes |= _affine(f"{block}.norm1", (channels,))
        shapes |= _affine(f"{block}.mlp_tokens.fc1", (config.tokens_mlp_dim, patches))
        shapes |= _affine(f"{block}.mlp_tokens.fc2", (patches, config.tokens_mlp_dim))
        shapes |= _affine(f"{block}.norm2", (channels,))
        shapes |= _affine(f"{block}.mlp_channels.fc1", (config.channels_mlp_dim, channels))
        shapes |= _affine(f"{block}.mlp_channels.fc2", (channels, config.channels_mlp_dim))
    return shapes | _affine("norm", (channels,)) | _affine("head", (config.num_classes, channels))


def _affine(name: str, weight: Shape) -> dict[str, Shape]:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}
