"""The gradient of one logit with respect to everything on its way, from what a forward pass left behind.

The backward pass is written out: it needs no second forward pass and no autograd, only the hidden layers of channel
mixing once more, which a recording does not keep. Exact; what is read into a gradient is first-order.
"""

from typing import NamedTuple, cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from mixer_gui.explain.recorded import half_block_tokens
from mixer_gui.model import products
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import ChannelMixing, MlpMixer, Recording, TokenMixing


class Gradients(NamedTuple):
    """Of one logit of each of B pictures, with respect to the output of the stem and of each half-block.

    A half-block's output is added to the tokens, so its gradient is the one of the tokens after it.
    """

    pixels: Tensor  # (B, N, 3·P·P), in the order of `patch_pixels`
    stem: Tensor  # (B, N, C)
    token_mixing: tuple[Tensor, ...]  # L times (B, N, C)
    channel_mixing: tuple[Tensor, ...]  # L times (B, N, C); the last is the gradient of the last block's output


class Totals(NamedTuple):
    """Update times gradient, summed over channels: first-order total contributions to the logit, by all ways.

    In units of the logit, to be summed over patches, not averaged as direct contributions are.
    """

    stem: Tensor  # (B, N)
    token_mixing: Tensor  # (B, L, N)
    channel_mixing: Tensor  # (B, L, N)


def logit_gradients(model: MlpMixer, recording: Recording, classes: Tensor) -> Gradients:
    """Gradients of the logit of class `classes[b]` of picture b. `recording` is FULL, `classes` (B,).

    Raises ValueError without a FULL recording. Takes about 1.4 times the multiply-accumulates of the forward pass.
    """
    if recording.output is None:
        raise ValueError("gradients need a FULL recording")
    count = recording.output.shape[1]
    pooled = (model.head.weight[classes].float() / count)[:, None].expand(-1, count, -1)
    gradient = norm_backward(pooled, recording.output.float(), model.norm).to(recording.output.dtype)
    by_token, by_channel = [], []
    tokens = list(half_block_tokens(recording))
    for layer in reversed(range(model.config.num_blocks)):
        block, before, between = model.block(layer), tokens[2 * layer], tokens[2 * layer + 1]
        by_channel.append(gradient)
        gradient = gradient + norm_backward(
            channel_mixing_backward(gradient, block.norm2(between), block.mlp_channels), between, block.norm2
        )
        by_token.append(gradient)
        gradient = gradient + norm_backward(
            token_mixing_backward(gradient, recording.hidden[layer], block.mlp_tokens), before, block.norm1
        )
    return Gradients(
        products.linear(gradient.to(model.stem.proj.weight.dtype), model.stem.proj.weight.flatten(1).mT, None),
        gradient,
        tuple(reversed(by_token)),
        tuple(reversed(by_channel)),
    )


def norm_backward(gradient: Tensor, tokens: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Through y = γ·(x − μ)/σ + β: (g·γ − mean(g·γ) − x̂·mean(g·γ·x̂)) / σ with x̂ = (x − μ)/σ, (…, C).

    `gradient` is that of y, `tokens` are x.
    """
    centred = tokens - tokens.mean(-1, keepdim=True)
    inverse = torch.rsqrt(centred.square().mean(-1, keepdim=True) + norm.eps)
    scaled = gradient * norm.weight
    share = (scaled * centred).mean(-1, keepdim=True) * inverse.square()
    return (scaled - scaled.mean(-1, keepdim=True) - centred * share) * inverse


def channel_mixing_backward(gradient: Tensor, normed: Tensor, mixing: ChannelMixing) -> Tensor:
    """Through W2·GELU(W1·y + b1) + b2 on each token; (B, N, C) from the update's gradient and its input y."""
    dtype = mixing.fc1.weight.dtype
    gradient, normed = gradient.to(dtype), normed.to(dtype)
    hidden = products.linear(normed, mixing.fc1.weight, mixing.fc1.bias)
    inner = gelu_backward(products.linear(gradient, mixing.fc2.weight.mT, None), hidden, mixing)
    return products.linear(inner, mixing.fc1.weight.mT, None)


def token_mixing_backward(gradient: Tensor, hidden: Tensor, mixing: TokenMixing) -> Tensor:
    """The same on each channel; `hidden` (B, T, C) is as recorded, before its GELU."""
    gradient = gradient.to(mixing.fc1.weight.dtype)
    inner = gelu_backward(products.mix(mixing.fc2.weight.mT, None, gradient), hidden, mixing)
    return products.mix(mixing.fc1.weight.mT, None, inner)


def gelu_backward(gradient: Tensor, hidden: Tensor, mixing: ChannelMixing | TokenMixing) -> Tensor:
    """Gradient · GELU'(hidden), in one fused kernel."""
    return cast(Tensor, torch.ops.aten.gelu_backward(gradient, hidden, approximate=mixing.gelu.value))


def patch_pixels(images: Tensor, config: MixerConfig) -> Tensor:
    """(B, 3, H, W) -> (B, N, 3·P·P): each patch's pixels in the order of the stem's weights."""
    p = config.patch_size
    return rearrange(images, "b c (rows p) (columns q) -> b (rows columns) (c p q)", p=p, q=p)


def saliency(gradients: Gradients) -> Tensor:
    """The norm of the gradient over each patch's normalised pixels, (B, N); Simonyan et al. 2014, by patches."""
    norms: Tensor = torch.linalg.vector_norm(gradients.pixels.float(), dim=-1)
    return norms


def input_gradient(gradients: Gradients, images: Tensor, config: MixerConfig) -> Tensor:
    """Gradient times normalised pixels, summed over each patch, (B, N): first order of fading it to the mean colour."""
    return (gradients.pixels.float() * patch_pixels(images, config).float()).sum(-1)


def total_contributions(gradients: Gradients, recording: Recording) -> Totals:
    """Update times gradient for the stem and each half-block."""
    if recording.stem is None:
        raise ValueError("total contributions need a FULL recording")

    def of(updates: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> Tensor:
        each = [(update.float() * gradient.float()).sum(-1) for update, gradient in zip(updates, theirs, strict=True)]
        return torch.stack(each, 1)

    return Totals(
        of((recording.stem,), (gradients.stem,))[:, 0],
        of(recording.token_updates, gradients.token_mixing),
        of(recording.channel_updates, gradients.channel_mixing),
    )


def grad_cam(gradients: Gradients, recording: Recording) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017) on the last block's output x, (B, N): max(0, Σ_c mean_p(g[p, c]) · x[p, c])."""
    return functional.relu(signed_grad_cam(gradients, recording))


def signed_grad_cam(gradients: Gradients, recording: Recording) -> Tensor:
    """Grad-CAM before its max(0, ·), (B, N)."""
    if recording.output is None:
        raise ValueError("Grad-CAM needs a FULL recording")
    weights = gradients.channel_mixing[-1].float().mean(1)
    return torch.einsum("bc,bpc->bp", weights, recording.output.float())
