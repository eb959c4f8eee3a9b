"""Trusted implementations to compare with, where they are installed; tests only."""

from __future__ import annotations

import warnings
from functools import cache
from types import ModuleType
from typing import Any

import pytest

_kept_libraries: list[Any] = []


def import_timm() -> ModuleType:
    """The timm package, or a skipped test with the reason."""
    reason = _try_timm()
    if isinstance(reason, str):
        pytest.skip(reason)
    return reason


@cache
def _try_timm() -> ModuleType | str:
    try:
        import torch
    except ImportError as error:
        return f"torch is not installed: {error}"
    # torchvision registers fake kernels for operators that only its compiled half defines, and of
    # that half there is no CPU build here. torch.library forgets a Library when it is collected.
    if not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept_libraries.append(library)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import timm
            import timm.data
    except (ImportError, RuntimeError) as error:
        return f"timm and torchvision are not installed (dependency group 'reference'): {error}"
    return timm
