"""The products of a forward pass against the same in float64, on whichever way they take here."""

import os
import platform
import subprocess
import sys

import pytest
import torch
from checkpoints import random_mixer, tiny_config
from torch import Tensor
from torch.nn import functional

from mixer_gui.model import products
from mixer_gui.model.mixer import Record
from mixer_gui.records import Gelu

ROUNDING = {torch.float32: 2e-6, torch.bfloat16: 2e-2}  # of the largest number
DTYPES = list(ROUNDING)


def random(*shape: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest difference, as a part of the largest expected number."""
    return float((found.double() - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("gelu", [None, *Gelu])
@pytest.mark.parametrize("is_packed", [False, True])
def test_linear_is_the_product_the_bias_and_the_gelu(dtype: torch.dtype, gelu: Gelu | None, is_packed: bool) -> None:
    rows, weight, bias = (random(*shape, dtype=dtype) for shape in ((2, 15, 12), (7, 12), (7,)))
    with torch.inference_mode():
        expected = rows.double() @ weight.double().mT + bias.double()
        if gelu is not None:
            expected = functional.gelu(expected, approximate=gelu.value)
        laid_out = products.packed(weight, 30) if is_packed else weight
        assert difference(products.linear(rows, laid_out, bias, gelu), expected) <= ROUNDING[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("has_bias", [True, False])
def test_mix_is_a_linear_layer_over_the_transposed_tokens(dtype: torch.dtype, batch: int, has_bias: bool) -> None:
    tokens, weight, bias = (random(*shape, dtype=dtype) for shape in ((batch, 15, 12), (7, 15), (7,)))
    with torch.inference_mode():
        expected = weight.double() @ tokens.double() + (bias.double()[:, None] if has_bias else 0.0)
        assert difference(products.mix(weight, bias if has_bias else None, tokens), expected) <= ROUNDING[dtype]


def test_a_weight_seen_transposed_is_multiplied_as_it_is_seen() -> None:
    rows, weight = random(5, 7, dtype=torch.float32), random(7, 12, dtype=torch.float32)
    with torch.inference_mode():
        assert difference(products.linear(rows, weight.mT, None), rows.double() @ weight.double()) <= 2e-6


def test_gradients_flow_where_they_are_wanted() -> None:
    rows, weight = random(5, 12, dtype=torch.float32), random(7, 12, dtype=torch.float32).requires_grad_()
    products.linear(rows, weight, None).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, rows.sum(0).expand(7, 12))


def test_the_network_gives_the_same_with_and_without_gradients() -> None:
    """Without, oneDNN computes where it can; with, torch's own products do."""
    model = random_mixer(tiny_config(image_size=(24, 40)))
    images = random(2, 3, 24, 40, dtype=torch.float32)
    with torch.enable_grad():
        expected, theirs = model(images, Record.MAPS)
    with torch.inference_mode():
        found, ours = model(images, Record.MAPS)
    assert difference(found, expected.double()) <= 2e-6
    assert theirs.update_norm is not None
    assert ours.update_norm is not None
    assert difference(ours.update_norm, theirs.update_norm.double()) <= 2e-6


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="oneDNN is used on x86 only")
def test_processor_without_wide_vectors_computes_in_bf16_all_the_same() -> None:
    """In a process in which oneDNN takes it for one: bf16 is refused by its operators there, fp32 is not."""
    code = (
        "import torch\n"
        "from mixer_gui.model import products\n"
        "rows, weight = torch.linspace(-1, 1, 48).view(4, 12), torch.linspace(-1, 1, 84).view(7, 12)\n"
        "wanted = rows @ weight.mT\n"
        "with torch.inference_mode():\n"
        "    for dtype in (torch.float32, torch.bfloat16):\n"
        "        laid_out = products.packed(weight.to(dtype), 4)\n"
        "        found = products.linear(rows.to(dtype), laid_out, None).float()\n"
        "        mixed = products.mix(weight.to(dtype), None, rows.mT[None].to(dtype))[0].float()\n"
        "        errors = [float((each - wanted).abs().max()) for each in (found, mixed.mT)]\n"
        "        print(products._onednn_works(dtype), *errors)\n"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert run.returncode == 0, run.stderr
    (works, *whole), (_, *half) = (line.split() for line in run.stdout.splitlines())
    assert works == "True"
    assert max(map(float, whole)) < 1e-5
    assert max(map(float, half)) < 0.05


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="oneDNN is used on x86 only")
def test_onednn_is_what_computes_here() -> None:
    with torch.inference_mode():
        weight = random(7, 12, dtype=torch.float32)
        assert products.packed(weight, 30) is not weight
    with torch.enable_grad():
        assert products.packed(weight, 30) is weight
