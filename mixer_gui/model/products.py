"""Matrix products of a forward pass on a CPU, by oneDNN where that is faster than what torch calls by itself.

For fp32 torch calls MKL, which leaves more than half of an AMD core's vector units idle; oneDNN, which torch ships for
its compiler, uses them, takes a transposed factor without a copy, and applies bias and GELU while the product is in the
cache. Its operators are private to torch, and bf16 needs more of a processor than fp32, so each process tries them once
for both and does without where they are not as expected. Everywhere else (GPUs, gradients, other processors) the
functions are torch's own products.
"""

import functools
import logging
import platform

import torch
from torch import Tensor
from torch.nn import functional

from mixer_gui.records import Gelu

log = logging.getLogger(__name__)

TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 0.05}  # of the trial's sums, which are of about 1


def linear(rows: Tensor, weight: Tensor, bias: Tensor | None, gelu: Gelu | None = None) -> Tensor:
    """The product rows @ weight.T + bias, then GELU where one is given: (…, K) and (M, K) -> (…, M).

    `weight` may be one that `packed` has laid out.
    """
    if _by_onednn(rows):
        activation, form = ("none", "") if gelu is None else ("gelu", gelu.value)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, activation, [], form)
        return product
    product = functional.linear(rows, weight, bias)
    return product if gelu is None else functional.gelu(product, approximate=gelu.value)


def mix(weight: Tensor, bias: Tensor | None, tokens: Tensor) -> Tensor:
    """The product weight @ tokens + bias[:, None] for each picture: (M, N) and (B, N, C) -> (B, M, C)."""
    if _by_onednn(tokens):  # one picture at a time: the batched product is half as fast
        mixed = [torch.ops.mkldnn._linear_pointwise(weight, picture.mT, None, "none", [], "") for picture in tokens]
        product: Tensor = mixed[0][None] if len(mixed) == 1 else torch.stack(mixed)
        return product if bias is None else product.add_(bias[:, None])
    if bias is None:
        return weight @ tokens
    if len(tokens) == 1:  # one product with the bias fused; the batched one is slower on CPUs
        return torch.addmm(bias[:, None], weight, tokens[0])[None]
    return torch.baddbmm(bias[:, None], weight.expand(len(tokens), -1, -1), tokens)


def packed(weight: Tensor, rows: int) -> Tensor:
    """A weight (M, K) laid out for `linear` on about `rows` rows, a twentieth faster: only `linear` takes it.

    The same tensor where oneDNN is not used.
    """
    if not _by_onednn(weight):
        return weight
    laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return laid_out


def _by_onednn(factor: Tensor) -> bool:
    """Its operators have no gradients: whoever wants some gets torch's own products."""
    is_wanted = factor.device.type == "cpu" and factor.dtype in TOLERANCES and not torch.is_grad_enabled()
    return is_wanted and _onednn_works(factor.dtype)


@functools.cache
@torch.inference_mode()
def _onednn_works(dtype: torch.dtype) -> bool:
    """Whether this torch has the operators, and they compute what they are meant to. Tried on x86 only."""
    if platform.machine().lower() not in ("x86_64", "amd64") or not torch.backends.mkldnn.enabled:
        return False
    exact = torch.linspace(-1, 1, 6).view(2, 3), torch.linspace(-2, 1, 12).view(4, 3), torch.ones(4)
    rows, weight, bias = (each.to(dtype) for each in exact)
    try:
        operators = torch.ops.mkldnn
        laid_out = operators._reorder_linear_weight(weight, 2)
        found = operators._linear_pointwise(rows, laid_out, bias, "gelu", [], Gelu.EXACT.value)
        transposed = operators._linear_pointwise(weight, rows, None, "none", [], "")
    except (AttributeError, RuntimeError, TypeError) as error:
        log.info("oneDNN's products are not used for %s: %s", dtype, error)
        return False
    expected = functional.gelu(functional.linear(*exact)), exact[1] @ exact[0].mT
    pairs = zip((found, transposed), expected, strict=True)
    return all(torch.allclose(each.float(), wanted, atol=TOLERANCES[dtype]) for each, wanted in pairs)
