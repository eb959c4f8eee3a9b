"""Images per second and core: the Mixer of this project, timm's Mixer, Vision Transformers and ResNet-50.

    python tests/benchmarks/networks.py --batch 32

As the paper compares them: throughput on one device, at 224 px, with random weights. All in timm eager but the first.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import torch
import typer
from race import describe_machine, race, write_json

from mixer_gui.bench.material import random_checkpoint
from mixer_gui.bench.reference import import_timm
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.precision import in_precision
from mixer_gui.records import ModelRef, Precision

MIXERS = ("S/16", "B/16")
PEERS = ("mixer_s16_224", "mixer_b16_224", "vit_small_patch16_224", "vit_base_patch16_224", "resnet50")


def main(batch: int = 32, rounds: int = 10, json: Path | None = None) -> None:
    """All networks in turn."""
    typer.echo(describe_machine())
    timm = import_timm()
    images = torch.randn(batch, 3, 224, 224)
    ways = {}
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for name in MIXERS:
            model = load_checkpoint(ModelRef(random_checkpoint(name, Path(folder)))).model
            ways[f"this project, Mixer-{name}, fp32"] = partial(model, images)
            ways[f"this project, Mixer-{name}, bf16"] = partial(in_precision(model, Precision.BF16), images)
        for name in PEERS:
            peer = timm.create_model(name, pretrained=False).eval()
            ways[f"timm, {name}, fp32"] = partial(peer, images)
        rows = race(ways, rounds)
    cores = torch.get_num_threads()
    title = f"batch {batch}, {rounds} rounds, {cores} cores"
    typer.echo(f"\n{title}\n\n| network | images/s | images/s and core |\n|---|---|---|")
    for row in rows:
        rate = batch / row.median_ms * 1e3
        typer.echo(f"| {row.name} | {rate:.1f} | {rate / cores:.1f} |")
    if json is not None:
        write_json(json, title, rows)


if __name__ == "__main__":
    typer.run(main)
