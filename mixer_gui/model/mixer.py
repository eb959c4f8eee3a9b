"""MLP-Mixer (Tolstikhin et al. 2021, arXiv 2105.01601) on one page.

Field names are timm's, which are the Hub's checkpoint keys. Nothing here knows files, devices or windows.
"""

from enum import IntEnum
from typing import NamedTuple, cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from mixer_gui.model import products
from mixer_gui.model.config import MixerConfig
from mixer_gui.records import Gelu, MixerGuiError


class Record(IntEnum):
    """How much a forward pass keeps for the explanations."""

    NONE = 0  # logits only
    MAPS = 1  # what the default window shows
    FULL = 2  # and what pointing at a patch or a class needs


class Recording(NamedTuple):
    """What one forward pass left behind; B pictures, L layers, N patches, C channels, T token-mixing units.

    MAPS fills the first four, FULL all. Per-layer tensors of FULL come as tuples of length L: stacking
    them would copy tens of megabytes that are already where they are needed.
    """

    update_norm: Tensor | None = None  # (B, L, N) norm of each token-mixing update
    token_norm: Tensor | None = None  # (B, L, N) norm of the token it was added to
    layer_features: Tensor | None = None  # (B, L, C) final norm and mean pooling of each layer's output, fp32
    final_tokens: Tensor | None = None  # (B, N, C) after the final norm, fp32
    gelu_slope: Tensor | None = None  # (B, L, T) mean over channels of GELU'(h)
    hidden: tuple[Tensor, ...] = ()  # L times (B, T, C): h = W1·LN(x) + b1 of token mixing
    stem: Tensor | None = None  # (B, N, C)
    token_updates: tuple[Tensor, ...] = ()  # L times (B, N, C)
    channel_updates: tuple[Tensor, ...] = ()  # L times (B, N, C)
    output: Tensor | None = None  # (B, N, C) of the last block, before the final norm


class PatchEmbedding(nn.Module):
    """Cut into patches, one linear map for all: a convolution whose kernel equals its stride."""

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.proj = nn.Conv2d(3, config.hidden_dim, config.patch_size, config.patch_size)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, N, C)."""
        p = self.patch_size
        patches = rearrange(images, "b c (rows p) (columns q) -> b (rows columns) (c p q)", p=p, q=p)
        return products.linear(patches, self.proj.weight.flatten(1), self.proj.bias)


class MixingMlp(nn.Module):
    """linear -> GELU -> linear; which axis it mixes is up to the subclass."""

    def __init__(self, features: int, hidden: int, config: MixerConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(features, hidden)
        self.fc2 = nn.Linear(hidden, features)
        self.gelu = config.gelu
        self.dropout = nn.Dropout(config.dropout)


class ChannelMixing(MixingMlp):
    """The same MLP over the channels of every patch: a 1×1 convolution."""

    def __init__(self, features: int, hidden: int, config: MixerConfig) -> None:
        super().__init__(features, hidden, config)
        self._laid_out: tuple[Tensor, Tensor] | None = None  # both weights once more, as the products like them

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        up, down = self._weights(tokens)
        hidden = products.linear(tokens, up, self.fc1.bias, self.gelu)
        return cast(Tensor, self.dropout(products.linear(self.dropout(hidden), down, self.fc2.bias)))

    def _weights(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """In half precision laid out, which with the others takes the memory of fp32; in fp32 that would be twice."""
        if tokens.dtype == torch.float32 or torch.is_grad_enabled():
            return self.fc1.weight, self.fc2.weight
        known = self._laid_out
        if known is None or (known[0].dtype, known[0].device) != (tokens.dtype, tokens.device):
            rows = tokens.shape[-2]
            known = (products.packed(self.fc1.weight, rows), products.packed(self.fc2.weight, rows))
            self._laid_out = known
        return known


class TokenMixing(MixingMlp):
    """The same MLP over the patches of every channel, without transposes: `weight @ tokens` mixes patches."""

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, C) -> the update (B, N, C) and the hidden layer h (B, T, C) before its GELU."""
        hidden = products.mix(self.fc1.weight, self.fc1.bias, tokens)
        activation = self.dropout(functional.gelu(hidden, approximate=self.gelu))
        update = products.mix(self.fc2.weight, self.fc2.bias, activation)
        return self.dropout(update), hidden


class MixerBlock(nn.Module):
    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.hidden_dim, config.layer_norm_eps)
        self.mlp_tokens = TokenMixing(config.grid.count, config.tokens_mlp_dim, config)
        self.norm2 = nn.LayerNorm(config.hidden_dim, config.layer_norm_eps)
        self.mlp_channels = ChannelMixing(config.hidden_dim, config.channels_mlp_dim, config)
        self.stochastic_depth = config.stochastic_depth

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, N, C) -> output, token update, channel update (all (B, N, C)) and hidden (B, T, C).

        In half precision the sum of all updates stays in fp32, as the norms' weights do: rounding it after each
        half-block would cost more than rounding the products.
        """
        dtype = self.mlp_tokens.fc1.weight.dtype  # half precision, maybe, of the products only
        token_update, hidden = self.mlp_tokens(self.norm1(tokens).to(dtype))
        token_update = self.drop_path(token_update)
        tokens = tokens + token_update
        channel_update = self.drop_path(self.mlp_channels(self.norm2(tokens).to(dtype)))
        return tokens + channel_update, token_update, channel_update, hidden

    def drop_path(self, update: Tensor) -> Tensor:
        """Stochastic depth (Huang et al. 2016): in training, drop the whole update of some pictures."""
        if not self.training or self.stochastic_depth == 0.0:
            return update
        keep = 1.0 - self.stochastic_depth
        return update * update.new_empty(update.shape[0], 1, 1).bernoulli_(keep).div_(keep)


class MlpMixer(nn.Module):
    """Patches -> L Mixer blocks -> LayerNorm -> mean over patches -> linear head.

    The final norm, pooling and head run in fp32 whatever the dtype of the rest: in bf16, evidence and
    logit would differ by 2.4e-3.
    """

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = PatchEmbedding(config)
        self.blocks = nn.ModuleList(MixerBlock(config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(config.hidden_dim, config.layer_norm_eps)
        self.head = nn.Linear(config.hidden_dim, config.num_classes)

    def block(self, layer: int) -> MixerBlock:
        """Layer `layer`, from 0."""
        return cast(MixerBlock, self.blocks[layer])

    def token_mixing(self, layer: int) -> TokenMixing:
        """Token mixing of layer `layer`, from 0."""
        return self.block(layer).mlp_tokens

    def forward(self, images: Tensor, record: Record = Record.NONE) -> tuple[Tensor, Recording]:
        """Logits (B, classes) in fp32 and the recording.

        `images`: (B, 3, H, W), normalised, of any float type; H and W as configured. Nothing inside
        waits for the device, so the pass can be captured as a CUDA graph; a captured graph's outputs are
        static buffers that its caller has to clone.
        """
        if tuple(images.shape[2:]) != self.config.image_size:
            raise MixerGuiError(
                "This Mixer sees pictures of {}×{} pixels, not {}×{}.".format(
                    *self.config.image_size, *images.shape[2:]
                )
            )
        stem = self.stem(images.to(self.stem.proj.weight.dtype)).to(self.block(0).norm1.weight.dtype)
        tokens = stem
        token_norms, update_norms, slopes, features = [], [], [], []
        hiddens, token_updates, channel_updates = [], [], []
        for block in self.blocks:
            before = tokens
            tokens, token_update, channel_update, hidden = block(before)
            if record >= Record.MAPS:
                update_norms.append(torch.linalg.vector_norm(token_update, dim=-1))
                token_norms.append(torch.linalg.vector_norm(before, dim=-1))
                features.append(self.norm(tokens.float()).mean(1))
            if record >= Record.FULL:
                slopes.append(gelu_slope(hidden, self.config.gelu).mean(-1))
                hiddens.append(hidden)
                token_updates.append(token_update)
                channel_updates.append(channel_update)
        final_tokens = self.norm(tokens.float())
        logits = self.head(final_tokens.mean(1))
        if record == Record.NONE:
            return logits, Recording()
        recording = Recording(
            torch.stack(update_norms, 1),
            torch.stack(token_norms, 1),
            torch.stack(features, 1),
            final_tokens,
        )
        if record == Record.FULL:
            recording = recording._replace(
                gelu_slope=torch.stack(slopes, 1),
                hidden=tuple(hiddens),
                stem=stem,
                token_updates=tuple(token_updates),
                channel_updates=tuple(channel_updates),
                output=tokens,
            )
        return logits, recording


def gelu_slope(hidden: Tensor, gelu: Gelu) -> Tensor:
    """GELU'(h), elementwise, in one fused kernel (the backward of GELU for a gradient of one)."""
    ones = torch.ones_like(hidden)  # one number expanded would do, and take twice as long on a CPU
    return cast(Tensor, torch.ops.aten.gelu_backward(ones, hidden, approximate=gelu.value))
