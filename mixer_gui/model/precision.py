"""A Mixer in half precision, made from the one in fp32."""

import torch

from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import Precision

DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}
FULL_PRECISION = ("norm.", "head.")  # the final norm and the head, on every path


def in_precision(model: MlpMixer, precision: Precision) -> MlpMixer:
    """The same network with its weights rounded to `precision`, but for the final norm and the head.

    In eval mode, without gradients, on the same device. In fp32 it is `model` itself; the head's and the norm's
    tensors are shared.
    """
    if precision == Precision.FP32:
        return model
    dtype = DTYPES[precision]
    tensors = {
        name: tensor if name.startswith(FULL_PRECISION) else tensor.to(dtype)
        for name, tensor in model.state_dict().items()
    }
    with torch.device("meta"):
        rounded = MlpMixer(model.config)
    rounded.load_state_dict(tensors, strict=True, assign=True)
    return rounded.requires_grad_(requires_grad=False).eval()
