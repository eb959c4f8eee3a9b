"""A forward pass of this project against every other way to run the same weights on this machine's CPU.

    python tests/benchmarks/forward.py --variant B/16 --batch 1

Ways: timm eager and compiled, ONNX Runtime, OpenVINO, and the matrix products alone; fp32 and bf16. Peers come with
`pip install --group benchmarks` (timm with `--no-deps`, see README).
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer
from race import describe_machine, race, table, write_json
from torch import Tensor, nn

from mixer_gui.bench.material import random_checkpoint
from mixer_gui.bench.reference import import_timm
from mixer_gui.model import products
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.config import MixerConfig
from mixer_gui.model.precision import in_precision
from mixer_gui.model.variants import variant as variant_config
from mixer_gui.records import ModelRef, Precision

Ways = dict[str, Callable[[], object]]


def timm_model(config: MixerConfig, weights: dict[str, Tensor]) -> nn.Module:
    model: nn.Module = import_timm().models.mlp_mixer.MlpMixer(
        num_classes=config.num_classes,
        img_size=config.image_size[0],
        patch_size=config.patch_size,
        num_blocks=config.num_blocks,
        embed_dim=config.hidden_dim,
    )
    model.load_state_dict(weights)
    return model.eval()


def products_alone(config: MixerConfig, batch: int, dtype: torch.dtype) -> Callable[[], object]:
    """The matrix products of a pass and nothing else, at the rate of this project's own."""
    patches, channels = config.grid.count, config.hidden_dim
    tokens = torch.randn(batch, patches, channels).to(dtype)
    hidden = torch.randn(batch, config.tokens_mlp_dim, channels).to(dtype)
    wide = torch.randn(batch, patches, config.channels_mlp_dim).to(dtype)
    cut = torch.randn(batch, patches, 3 * config.patch_size**2).to(dtype)

    def weight(rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns).to(dtype)

    stem = weight(channels, cut.shape[2])
    token1, token2 = weight(config.tokens_mlp_dim, patches), weight(patches, config.tokens_mlp_dim)
    # As many weights as the network has: one pair, used for every layer, would stay in the cache.
    pairs = [
        (weight(config.channels_mlp_dim, channels), weight(channels, config.channels_mlp_dim))
        for _ in range(config.num_blocks)
    ]
    with torch.inference_mode():
        pairs = [(products.packed(up, batch * patches), products.packed(down, batch * patches)) for up, down in pairs]

    def run() -> None:
        products.linear(cut, stem, None)
        for up, down in pairs:
            products.mix(token1, None, tokens)
            products.mix(token2, None, hidden)
            products.linear(tokens, up, None)
            products.linear(wide, down, None)

    return run


def onnx_ways(model: nn.Module, images: Tensor, folder: Path) -> Ways:
    """ONNX Runtime and OpenVINO, both on timm's network exported by torch."""
    import onnxruntime
    import openvino

    path = folder / "mixer.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (images,), path, dynamo=False, input_names=["images"], output_names=["logits"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    pixels = images.numpy()
    core = openvino.Core()
    requests = {
        precision: core.compile_model(
            core.read_model(path),
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": precision,
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            },
        ).create_infer_request()
        for precision in ("f32", "bf16")
    }
    return {
        "ONNX Runtime, fp32": lambda: session.run(None, {"images": pixels}),
        "OpenVINO, fp32": lambda: requests["f32"].infer({0: pixels}),
        "OpenVINO, bf16": lambda: requests["bf16"].infer({0: pixels}),
    }


def ways(name: str, batch: int, folder: Path, *, compiled: bool) -> Ways:
    """Everything that is installed, by name; the first is timm eager, fp32."""
    config = variant_config(name)
    model = load_checkpoint(ModelRef(random_checkpoint(name, folder))).model
    images = torch.randn(batch, 3, *config.image_size, generator=torch.Generator().manual_seed(0))
    halves = images.bfloat16()
    theirs = timm_model(config, model.state_dict())
    theirs_half = timm_model(config, model.state_dict()).bfloat16()
    half = in_precision(model, Precision.BF16)
    found: Ways = {"timm eager, fp32": lambda: theirs(images), "timm eager, bf16": lambda: theirs_half(halves)}
    if compiled:
        fast, fast_half = torch.compile(theirs), torch.compile(theirs_half)
        found["torch.compile, fp32"] = lambda: fast(images)
        found["torch.compile, bf16"] = lambda: fast_half(halves)
    try:
        found |= onnx_ways(theirs, images, folder)
    except ImportError as error:
        typer.echo(f"left out: {error}", err=True)
    found["this project, fp32"] = lambda: model(images)
    found["this project, bf16"] = lambda: half(images)
    found["products alone, fp32"] = products_alone(config, batch, torch.float32)
    found["products alone, bf16"] = products_alone(config, batch, torch.bfloat16)
    return found


def main(
    variant: Annotated[str, typer.Option(help="Of the paper.")] = "B/16",
    batch: int = 1,
    rounds: int = 20,
    compiled: Annotated[bool, typer.Option("--compile", help="torch.compile, too: it needs a C++ compiler.")] = False,
    json: Path | None = None,
) -> None:
    """Every way in turn, on random weights."""
    typer.echo(describe_machine())
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        runners = ways(variant, batch, Path(folder), compiled=compiled)
        against = {name: "timm eager, bf16" for name in runners if name.endswith("bf16")}
        rows = race(runners, rounds, against)
    title = f"Mixer-{variant}, batch {batch}, {rounds} rounds"
    typer.echo(f"\n{title}\n\n{table(rows)}")
    if json is not None:
        write_json(json, title, rows)


if __name__ == "__main__":
    typer.run(main)
