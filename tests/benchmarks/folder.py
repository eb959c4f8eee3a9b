"""A folder of photographs through `classify`, against what the machine allows and against timm's loader and model.

    python tests/benchmarks/folder.py --variant B/16 --pictures 2000

The bound on a CPU is 1 / (decoding on all cores + forward pass) per picture, both measured apart on the same files.
Pictures are JPEGs of 0.3 to 12 megapixels; a hundred are drawn, the others are links to them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from forward import timm_model
from PIL import Image
from race import describe_machine

from mixer_gui.bench.material import random_checkpoint
from mixer_gui.bench.reference import import_timm
from mixer_gui.model.checkpoint import load_checkpoint
from mixer_gui.model.variants import variant as variant_config
from mixer_gui.pictures.decoder_pool import DecoderPool
from mixer_gui.records import DecodeJob, FileSource, ModelRef

DRAWN = 100
SMALLEST_MP, LARGEST_MP = 0.3, 12.0


def draw(number: int, folder: Path) -> None:
    """One photograph-like JPEG: smooth shapes at several scales and a little noise, as a camera has it."""
    generator = np.random.default_rng(number)
    megapixels = SMALLEST_MP * (LARGEST_MP / SMALLEST_MP) ** (number / (DRAWN - 1))
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    size = (height * 4 // 3, height)
    picture = np.zeros((height, size[0], 3), np.float32)
    for cells, weight in ((4, 0.5), (24, 0.3), (160, 0.15)):
        coarse = Image.fromarray(generator.integers(0, 255, (cells * 3, cells * 4, 3), dtype=np.uint8))
        picture += weight * np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float32)
    picture += generator.normal(0, 4, picture.shape).astype(np.float32)
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{number:04}.jpg", quality=90)


def make(folder: Path, count: int) -> list[Path]:
    """`count` files; sizes are mixed, so that every stretch of the folder is like the whole."""
    originals = folder / "drawn"
    originals.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        missing = [number for number in range(DRAWN) if not (originals / f"{number:04}.jpg").exists()]
        list(pool.map(draw, missing, [originals] * len(missing)))
    order = np.random.default_rng(0).permutation(np.arange(count) % DRAWN)
    files = []
    photographs = folder / f"photographs-{count}"
    photographs.mkdir(exist_ok=True)
    for place, number in enumerate(order):
        path = photographs / f"{place:05}.jpg"
        if not path.exists():
            os.link(originals / f"{number:04}.jpg", path)
        files.append(path)
    return files


def decoding_s(files: list[Path], model: Path) -> float:
    """Seconds a picture when nothing but decoding and fitting to the network's input runs, on all cores."""
    preprocessing = load_checkpoint(ModelRef(model)).info.preprocessing
    with closing(DecoderPool(niceness=0)) as decoders:
        jobs = [DecodeJob(FileSource(path), preprocessing, display_edge=1) for path in files]
        for future in [decoders.submit(job) for job in jobs[: 2 * len(decoders)]]:
            future.result()  # the processes are up
        started = time.perf_counter()
        for future in [decoders.submit(job) for job in jobs]:
            future.result()
        return (time.perf_counter() - started) / len(jobs)


def forward_s(model: Path, passes: int = 30) -> float:
    """Seconds of a forward pass alone, batch 1: the median."""
    checkpoint = load_checkpoint(ModelRef(model))
    images = torch.randn(1, 3, *checkpoint.model.config.image_size)
    times = []
    with torch.inference_mode():
        for _ in range(passes):
            started = time.perf_counter()
            checkpoint.model(images)
            times.append(time.perf_counter() - started)
    return sorted(times)[passes // 2]


def classify_s(folder: Path, model: Path, device: str = "cpu") -> float:
    """Seconds of `mixer-gui classify` over the folder, from the first printed result to the last."""
    command = [sys.executable, "-m", "mixer_gui", "classify", str(folder), "--model", str(model), "--device", device]
    process = subprocess.Popen([*command, "--jsonl"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    times = [time.perf_counter() for _line in process.stdout]  # a line for each picture
    if process.wait() != 0:
        raise SystemExit("classify failed")
    return (times[-1] - times[0]) / (len(times) - 1)


def timm_s(files: list[Path], model: Path, batch: int) -> float:
    """Seconds a picture of timm's way: its dataset and transform in a worker a core, batches through its network."""
    timm = import_timm()
    checkpoint = load_checkpoint(ModelRef(model))
    config, preprocessing = checkpoint.model.config, checkpoint.info.preprocessing
    network = timm_model(config, checkpoint.model.state_dict())
    loader = timm.data.create_loader(
        timm.data.ImageDataset(str(files[0].parent)),
        input_size=(3, *config.image_size),
        batch_size=batch,
        use_prefetcher=False,
        interpolation=preprocessing.interpolation,
        mean=preprocessing.mean,
        std=preprocessing.std,
        crop_pct=preprocessing.crop_pct,
        num_workers=os.cpu_count(),
        device=torch.device("cpu"),
    )
    started, done = 0.0, 0
    with torch.inference_mode():
        for number, (images, _) in enumerate(loader):
            torch.softmax(network(images), -1).topk(5)
            if number == 0:  # the workers are up
                started = time.perf_counter()
            else:
                done += len(images)
    return (time.perf_counter() - started) / done


def main(
    variant: Annotated[str, typer.Option(help="Of the paper.")] = "B/16",
    pictures: int = 2000,
    timm_pictures: Annotated[int, typer.Option(help="Of them, for timm; 0 leaves it out.")] = 500,
    batch: Annotated[int, typer.Option(help="Of timm's way.")] = 16,
    place: Annotated[Path | None, typer.Option(help="Where the pictures are kept.")] = None,
) -> None:
    """Images a second: the bound, this project, timm."""
    variant_config(variant)
    typer.echo(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        where = place or Path(folder)
        files = make(where, pictures)
        model = random_checkpoint(variant, Path(folder))
        decode, forward = decoding_s(files[: max(200, pictures // 10)], model), forward_s(model)
        bound = 1 / (decode + forward)
        typer.echo(f"decoding on all cores {decode * 1e3:.1f} ms a picture, forward pass {forward * 1e3:.1f} ms")
        ours = 1 / classify_s(files[0].parent, model)
        typer.echo(f"Mixer-{variant}: {ours:.2f} images/s; the bound {bound:.2f}; ratio {ours / bound:.3f}")
        if timm_pictures:
            theirs = 1 / timm_s(make(where, timm_pictures), model, batch)
            typer.echo(f"timm's loader and network: {theirs:.2f} images/s; ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    typer.run(main)
