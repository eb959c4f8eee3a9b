"""The paper's demonstration: permute the patches of a picture, and the weights of token mixing along with them.

A Mixer has learned where things are, but by its weights alone: the same permutation of both leaves the logits equal.
"""

import torch
from torch import Tensor

from mixer_gui.model.mixer import MlpMixer


def permuted_weights(model: MlpMixer, order: Tensor) -> dict[str, Tensor]:
    """W1's columns, W2's rows and b2 of every layer in `order`, by the names of the model's parameters; copies.

    `order` (N,), integers: place p of the permuted picture shows what was at `order[p]`.

    With x'[p] = x[order[p]], W1'[:, p] = W1[:, order[p]] gives W1' x' = W1 x, the same hidden layer; and
    W2'[p, :] = W2[order[p], :], b2'[p] = b2[order[p]] give the update that belongs to the new places. b1 belongs to
    units, not to places, and everything else treats all patches alike. (b2 adds the same to all channels of a patch,
    which every LayerNorm takes away again: the tokens need it permuted, the logits do not notice.)
    """
    found = {}
    for layer in range(model.config.num_blocks):
        mixing, name = model.token_mixing(layer), f"blocks.{layer}.mlp_tokens"
        found[f"{name}.fc1.weight"] = mixing.fc1.weight[:, order]
        found[f"{name}.fc2.weight"] = mixing.fc2.weight[order]
        found[f"{name}.fc2.bias"] = mixing.fc2.bias[order]
    return found


def logits_with_permuted_weights(model: MlpMixer, images: Tensor, order: Tensor) -> Tensor:
    """Logits (B, classes) of `images` as they are, by the network with permuted weights; the model stays as it was."""
    logits: Tensor = torch.func.functional_call(model, permuted_weights(model, order), (images,))[0]
    return logits
