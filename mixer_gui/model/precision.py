"""A Mixer in half precision, made from the one in fp32."""

import torch

from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import Precision

DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}
FULL_PRECISION = ("norm", "head")  # all norms and the head, on every path


def in_precision(model: MlpMixer, precision: Precision) -> MlpMixer:
    """The same network with its weights rounded to `precision`, but for the norms and the head.

    In eval mode, without gradients, on the same device. In fp32 it is `model` itself; their tensors are
    shared.
    """
    if precision == Precision.FP32:
        return model
    dtype = DTYPES[precision]
    tensors = {name: tensor if is_full(name) else tensor.to(dtype) for name, tensor in model.state_dict().items()}
    with torch.device("meta"):
        rounded = MlpMixer(model.config)
    rounded.load_state_dict(tensors, strict=True, assign=True)
    return rounded.requires_grad_(requires_grad=False).eval()


def added_bytes(rounded: MlpMixer) -> int:
    """What a network that `in_precision` made takes besides the one it was made from, in half precision.

    On a CPU the weights of channel mixing count twice: they are laid out once more when they are used.
    """
    own = {name: each.nbytes for name, each in rounded.named_parameters() if not is_full(name)}
    is_on_cpu = rounded.stem.proj.weight.device.type == "cpu"
    laid_out = (size for name, size in own.items() if is_on_cpu and ".mlp_channels." in name)
    return sum(own.values()) + sum(laid_out)


def is_full(name: str) -> bool:
    """Whether a parameter or module of this name stays in fp32."""
    return any(part.startswith(FULL_PRECISION) for part in name.split("."))
