"""The layer lens: what the network would say if it stopped after a layer. A lens, not the truth."""

from torch import Tensor

from mixer_gui.model.mixer import MlpMixer


def lens_logits(model: MlpMixer, layer_features: Tensor) -> Tensor:
    """The head applied to each layer's output after the final norm and pooling: (L, C) -> (L, classes).

    The last row is the network's own answer; for the others the final norm and head were never trained,
    so they can mislead (nostalgebraist 2020, "logit lens", says when).
    """
    logits: Tensor = model.head(layer_features.float())
    return logits
