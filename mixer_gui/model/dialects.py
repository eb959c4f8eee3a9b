"""How checkpoints spell a Mixer's parameters: which dialect it is, and every key and shape checked against ours.

Works on names and shapes only, without torch; reading tensors from files is `weight_files`' business.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixer_gui.model.config import MixerConfig, Shape, parameter_shapes
from mixer_gui.records import Gelu, MixerGuiError

if TYPE_CHECKING:
    from torch import Tensor

Shapes = Mapping[str, Shape]

MAX_BLOCKS = 1024  # the paper's deepest has 32; a file with more is not worth building
NAMED_KEYS = 4  # how many misfits an error names
# Wrappers that leave a uniform prefix: DataParallel, Lightning, torch.compile, and Flax's optimizer states.
PREFIXES = ("", "module.", "model.", "_orig_mod.", "opt/target/", "params/", "target/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One spelling. `modules` maps our module names to its own; # stands for the number of a block.

    Flax stores the kernels of dense layers transposed, the stem's as HWIO, and calls them differently.
    """

    title: str
    tell_tale: str
    modules: Mapping[str, str]
    layer_norm_eps: float
    gelu: Gelu
    flax: bool = False

    def key(self, ours: str) -> str:
        """Its name of our parameter `ours`, such as "blocks.3.norm1.weight"."""
        module, _, leaf = ours.rpartition(".")
        block = re.match(r"blocks\.(\d+)\.", module)
        number = block.group(1) if block else ""
        theirs = self.modules[re.sub(r"^blocks\.\d+\.", "blocks.#.", module)].replace("#", number)
        if not self.flax:
            return f"{theirs}.{leaf}"
        if leaf == "weight":
            leaf = "scale" if "norm" in module else "kernel"
        return f"{theirs}/{leaf}"

    def to_ours(self, ours: str, tensor: Tensor) -> Tensor:
        """Lay out a tensor as our parameter `ours` has it; a view where possible."""
        if self.flax and tensor.ndim == 4:
            return tensor.permute(3, 2, 0, 1)
        return tensor.T if self.flax and tensor.ndim == 2 else tensor

    def our_shape(self, shape: Shape) -> Shape:
        """The shape that `to_ours` will give."""
        if self.flax and len(shape) == 4:
            height, width, colours, channels = shape
            return (channels, colours, height, width)
        return shape[::-1] if self.flax and len(shape) == 2 else shape

    def block_numbers(self, keys: list[str]) -> set[int]:
        prefix = self.modules["blocks.#.norm1"].partition("#")[0]
        return {int(match.group(1)) for key in keys if (match := re.match(re.escape(prefix) + r"(\d{1,9})\W", key))}


TIMM = Dialect(
    title="timm",
    tell_tale="stem.proj.weight",
    modules={
        name: name
        for name in (
            "stem.proj",
            "blocks.#.norm1",
            "blocks.#.mlp_tokens.fc1",
            "blocks.#.mlp_tokens.fc2",
            "blocks.#.norm2",
            "blocks.#.mlp_channels.fc1",
            "blocks.#.mlp_channels.fc2",
            "norm",
            "head",
        )
    },
    layer_norm_eps=1e-6,
    gelu=Gelu.EXACT,
)

GOOGLE = Dialect(
    title="Google",
    tell_tale="stem/kernel",
    modules={
        "stem.proj": "stem",
        "blocks.#.norm1": "MixerBlock_#/LayerNorm_0",
        "blocks.#.mlp_tokens.fc1": "MixerBlock_#/token_mixing/Dense_0",
        "blocks.#.mlp_tokens.fc2": "MixerBlock_#/token_mixing/Dense_1",
        "blocks.#.norm2": "MixerBlock_#/LayerNorm_1",
        "blocks.#.mlp_channels.fc1": "MixerBlock_#/channel_mixing/Dense_0",
        "blocks.#.mlp_channels.fc2": "MixerBlock_#/channel_mixing/Dense_1",
        "norm": "pre_head_layer_norm",
        "head": "head",
    },
    layer_norm_eps=1e-6,
    gelu=Gelu.TANH,  # flax.linen.gelu approximates by default, and vit_jax trained with it
    flax=True,
)

TUTORIAL = Dialect(
    title="tutorial",
    tell_tale="patch_embedding.0.weight",
    modules={
        "stem.proj": "patch_embedding.0",
        "blocks.#.norm1": "mixer_blocks.#.token_mix.0",
        "blocks.#.mlp_tokens.fc1": "mixer_blocks.#.token_mix.2.net.0",
        "blocks.#.mlp_tokens.fc2": "mixer_blocks.#.token_mix.2.net.3",
        "blocks.#.norm2": "mixer_blocks.#.channel_mix.0",
        "blocks.#.mlp_channels.fc1": "mixer_blocks.#.channel_mix.1.net.0",
        "blocks.#.mlp_channels.fc2": "mixer_blocks.#.channel_mix.1.net.3",
        "norm": "layer_norm",
        "head": "mlp_head",
    },
    layer_norm_eps=1e-5,  # PyTorch's default, which the tutorials leave alone
    gelu=Gelu.EXACT,
)

DIALECTS = (TIMM, GOOGLE, TUTORIAL)

# A key that only another architecture has, and what to call it; the first that matches is told.
STRANGERS = (
    (r"mlp_channels\.gate\.|\.gate\.proj\.weight$", "a gMLP"),
    (r"linear_tokens\.|^blocks\.\d+\.(gamma_1|ls1)$|\.alpha$", "a ResMLP"),
    (r"(^|\.)layers\.\d+\.blocks\.\d+\.attn\.|relative_position_bias_table", "a Swin Transformer"),
    (r"cls_token|pos_embed|Transformer/|encoderblock_|(^|\.)attn\.qkv\.|self_attention|attention\.", "a transformer"),
    (r"(^|\.)layer\d\.\d+\.conv\d\.weight$|^conv1\.weight$|running_mean", "a convolutional network"),
    (r"(^|\.)(embed_tokens|wte|word_embeddings)\.weight$|self_attn\.", "a language model"),
)


@dataclass(frozen=True, slots=True)
class Fit:
    """A checkpoint whose every key and shape is that of a Mixer.

    `entries` maps our parameter names to the checkpoint's keys; `patches` is N. `shape` is a MixerConfig
    whose image is one row of N patches: tensors do not tell how the grid is arranged.
    """

    dialect: Dialect
    entries: Mapping[str, str]
    patches: int
    shape: MixerConfig
    parameters: int


def fit(shapes: Shapes, name: str) -> Fit:
    """Recognise the dialect and check every key and shape.

    `name` is what error sentences call the checkpoint. Raises MixerGuiError: not a Mixer, a Mixer of a
    kind that is not supported, or the first few keys that do not fit.
    """
    dialect, prefix = _recognise(shapes, name)
    inner = {key.removeprefix(prefix): shape for key, shape in shapes.items()}
    patches, config = _measure(dialect, inner, name)
    expected = parameter_shapes(config)
    theirs = {dialect.key(ours): ours for ours in expected}
    misfits = [f"{key} is missing" for key in theirs if key not in inner]
    misfits += [f"{key} is not a Mixer's" for key in inner if key not in theirs]
    misfits += [
        f"{key} is {_times(dialect.our_shape(inner[key]))} where {_times(expected[ours])} fits"
        for key, ours in theirs.items()
        if key in inner and dialect.our_shape(inner[key]) != expected[ours]
    ]
    if misfits:
        shown = "; ".join(misfits[:NAMED_KEYS])
        more = f"; and {len(misfits) - NAMED_KEYS} more" if len(misfits) > NAMED_KEYS else ""
        raise MixerGuiError(
            f"“{name}” looks like an MLP-Mixer in {dialect.title}'s spelling but does not fit one: {shown}{more}. "
            "Download it again, or export it from the code that made it with plain Mixer blocks.",
            "\n".join(misfits),
        )
    parameters = sum(math.prod(shape) for shape in expected.values())
    return Fit(dialect, {ours: prefix + key for key, ours in theirs.items()}, patches, config, parameters)


def _recognise(shapes: Shapes, name: str) -> tuple[Dialect, str]:
    """The dialect and the prefix that all keys carry."""
    for pattern, architecture in STRANGERS:
        for key in shapes:
            if re.search(pattern, key):
                raise MixerGuiError(
                    f"“{name}” is not an MLP-Mixer: its key “{key}” belongs to {architecture}.", _listing(shapes)
                )
    for dialect in DIALECTS:
        for prefix in PREFIXES:
            if prefix + dialect.tell_tale in shapes and all(key.startswith(prefix) for key in shapes):
                return dialect, prefix
    first = ", ".join(list(shapes)[:NAMED_KEYS]) or "none at all"
    tell_tales = ", ".join(dialect.tell_tale for dialect in DIALECTS)
    raise MixerGuiError(
        f"“{name}” is not an MLP-Mixer that Mixer GUI knows: its keys begin with {first}, "
        f"and none is a patch embedding ({tell_tales}).",
        _listing(shapes),
    )


def _measure(dialect: Dialect, shapes: Shapes, name: str) -> tuple[int, MixerConfig]:
    """Read P, C, N, T, D, L and the number of classes off the tensors."""
    _refuse_relatives(dialect, shapes, name)

    def sizes(ours: str, count: int) -> Shape:
        key = dialect.key(ours)
        if key not in shapes:
            raise MixerGuiError(f"“{name}” is an incomplete MLP-Mixer: {key} is missing.", _listing(shapes))
        shape = dialect.our_shape(shapes[key])
        if len(shape) != count or min(shape) < 1:
            raise MixerGuiError(
                f"“{name}” does not fit an MLP-Mixer: {key} is {_times(shape)} and should have {count} dimensions."
            )
        return shape

    channels, colours, patch_size, patch_width = sizes("stem.proj.weight", 4)
    if colours != 3 or patch_size != patch_width:
        raise MixerGuiError(
            f"“{name}” embeds patches of {patch_size}×{patch_width} pixels with {colours} colour channels; "
            "Mixer GUI runs Mixers for RGB pictures and square patches."
        )
    numbers = dialect.block_numbers(list(shapes))
    if not numbers or max(numbers) + 1 > MAX_BLOCKS or numbers != set(range(max(numbers) + 1)):
        missing = sorted(set(range(min(max(numbers, default=0) + 1, MAX_BLOCKS))) - numbers)
        raise MixerGuiError(
            f"“{name}” is an incomplete MLP-Mixer: of its blocks, "
            + (f"number {missing[0]} is missing." if missing else f"there are more than {MAX_BLOCKS}."),
            f"blocks: {sorted(numbers)[:50]}",
        )
    tokens_mlp_dim, patches = sizes("blocks.0.mlp_tokens.fc1.weight", 2)
    if sizes("blocks.0.mlp_tokens.fc2.weight", 2) == (patches, tokens_mlp_dim // 2):
        raise MixerGuiError(
            f"“{name}” is not an MLP-Mixer but a gated relative of it (a gMixer): half of each hidden layer gates "
            "the other half."
        )
    config = MixerConfig(
        image_size=(patch_size, patches * patch_size),
        patch_size=patch_size,
        num_blocks=len(numbers),
        hidden_dim=channels,
        tokens_mlp_dim=tokens_mlp_dim,
        channels_mlp_dim=sizes("blocks.0.mlp_channels.fc1.weight", 2)[0],
        num_classes=sizes("head.weight", 2)[0],
        gelu=dialect.gelu,
        layer_norm_eps=dialect.layer_norm_eps,
    )
    return patches, config


def _refuse_relatives(dialect: Dialect, shapes: Shapes, name: str) -> None:
    """Mixers of a kind that we do not run, told before a list of keys would confuse."""
    if any(key.startswith("stem.norm") for key in shapes):
        raise MixerGuiError(
            f"“{name}” is a Mixer with a norm after its patch embedding (stem.norm), which Mixer GUI does not run."
        )
    if dialect.key("head.weight") not in shapes:
        raise MixerGuiError(
            f"“{name}” is an MLP-Mixer without a classification head ({dialect.key('head.weight')} is missing), so it "
            "cannot name classes. Choose a checkpoint that was trained or fine-tuned to classify.",
            _listing(shapes),
        )


def _times(shape: Shape) -> str:
    return "×".join(map(str, shape)) or "a single number"


def _listing(shapes: Shapes) -> str:
    lines = [f"{key}: {_times(shape)}" for key, shape in shapes.items()]
    return "\n".join([*lines[:200], f"… {len(lines) - 200} more"] if len(lines) > 200 else lines)
