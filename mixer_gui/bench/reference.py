"""timm, the reference that speed and tests are compared with, where it is installed."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from mixer_gui.records import MixerGuiError

if TYPE_CHECKING:
    from types import ModuleType


@cache
def import_timm() -> ModuleType:
    """The timm package; MixerGuiError where it is not installed.

    torchvision, which timm imports, registers fake kernels for operators that only its compiled half
    defines; beside a CPU build of torch that half is missing, so the operators are defined here.
    """
    import torch

    if not hasattr(torch.ops.torchvision, "nms"):
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            timm = import_module("timm")
            import_module("timm.data")
    except (ImportError, RuntimeError) as error:
        raise MixerGuiError(
            "timm and torchvision are not installed; `bash .ci/test` installs them (dependency group 'reference').",
            repr(error),
        ) from error
    return timm
