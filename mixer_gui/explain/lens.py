"""The layer lens: what the network would say if it stopped after a layer. A lens, not the truth."""

from typing import NamedTuple

import torch
from torch import Tensor

from mixer_gui.model.mixer import MlpMixer


def lens_logits(model: MlpMixer, layer_features: Tensor) -> Tensor:
    """The head applied to each layer's output after the final norm and pooling: (L, C) -> (L, classes).

    The last row is the network's own answer; for the others the final norm and head were never trained,
    so they can mislead (nostalgebraist 2020, "logit lens", says when).
    """
    logits: Tensor = model.head(layer_features.float())
    return logits


class LensHistory(NamedTuple):
    """The classes that the lens ranks among the first of any layer, the most probable at the last layer first."""

    classes: Tensor  # (K,) indices
    probabilities: Tensor  # (L, K) of each of them at each layer, among all classes


def lens_history(logits: Tensor, temperature: float, first: int) -> LensHistory:
    """How the ranking changes from layer to layer: whoever is among the `first` of any row of `logits` (L, classes).

    A probability is softmax(logit / `temperature`) over all classes of its layer.
    """
    probabilities = torch.softmax(logits.float() / temperature, -1)
    classes = torch.unique(probabilities.topk(min(first, logits.shape[-1])).indices)
    classes = classes[probabilities[-1, classes].argsort(descending=True, stable=True)]
    return LensHistory(classes, probabilities[:, classes])
