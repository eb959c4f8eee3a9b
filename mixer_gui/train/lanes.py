"""Gradients of a batch, as fast as the machine makes them.

On a CPU a batch is divided among lanes, one thread with one core each, and a lane goes through its share in parts that
stay in the processor's cache: matrix products of one thread scale better over cores than those of many threads, and
large intermediate results would wait for memory. Networks of the lanes share their weights, rounded to bf16 but for
norms and head. Gradients are summed in fp32 in a fixed order, so the result does not hang on which thread was first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional

from mixer_gui.model.mixer import MlpMixer
from mixer_gui.model.precision import is_full
from mixer_gui.pictures.decoder_pool import cores_here
from mixer_gui.records import Preprocessing
from mixer_gui.train.augment import Draw, plain, shrunk, vary

CACHED_BYTES = 3 * 2**20  # of the largest intermediate result of a part, on a CPU
LARGEST_PART = 1024  # pictures, on a GPU


class Batch(NamedTuple):
    """Pictures (B, H, W, 3) of uint8, their classes (B,), and what chance decided for them."""

    pixels: Tensor
    labels: Tensor
    chance: Draw


class Lanes:
    """Threads until `close`. Their `count` decides how gradients are rounded, so a training keeps it."""

    def __init__(self, model: MlpMixer, device: torch.device, *, count: int | None = None) -> None:
        """`model`: the weights in fp32 that learn, on `device`."""
        self.count = count or lanes_here(device)
        self.part = part_size(model, device)
        self._device = device
        self._weights = list(model.parameters())
        first = copy.deepcopy(model).to(device=device, dtype=torch.bfloat16)
        for name, module in first.named_modules():
            if is_full(name):
                module.float()
        self._networks = [first, *(_sharing(first) for _ in range(self.count - 1))]
        self._copies = [list(network.parameters()) for network in self._networks]
        for copied in self._copies:
            for weight in copied:
                weight.grad_dtype = torch.float32  # parts of a batch are summed in it
        self._pool = ThreadPoolExecutor(self.count, "lane", torch.set_num_threads, (1,))

    def close(self) -> None:
        """The threads end."""
        self._pool.shutdown(cancel_futures=True)

    def gradients(self, batch: Batch, preprocessing: Preprocessing, label_smoothing: float) -> float:
        """The mean loss of a batch; leaves its gradients in the weights' `grad`."""
        count = len(batch.labels)
        ends = [count * number // self.count for number in range(self.count + 1)]

        def learn(number: int) -> float:
            network, total = self._networks[number].train(), 0.0
            for start in range(ends[number], ends[number + 1], self.part):
                stop = min(start + self.part, ends[number + 1])
                loss = _loss(network, batch, start, stop, self._device, preprocessing, label_smoothing) / count
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.item()
            return total

        losses = list(self._pool.map(learn, range(self.count)))
        for weight, *copies in zip(self._weights, *self._copies, strict=True):
            gradients = [each.grad for each in copies if each.grad is not None]
            weight.grad = gradients[0]
            for other in gradients[1:]:
                weight.grad += other
            for each in copies:
                each.grad = None
        return sum(losses)

    def each(self, *tasks: Callable[[], object]) -> None:
        """Run tasks side by side, one thread each; returns when all are done."""
        list(self._pool.map(lambda task: task(), tasks))

    @torch.no_grad()
    def take_over(self) -> None:
        """Round the weights, which a step has changed, for the next gradients."""
        for weight, rounded in zip(self._weights, self._copies[0], strict=True):
            rounded.copy_(weight)

    @torch.inference_mode()
    def logits(self, model: MlpMixer, pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
        """(n, classes) in fp32 of pictures (n, H, W, 3) as they are, by `model`, all on the CPU."""
        network = copy.deepcopy(model).to(self._device).eval()

        def part(start: int) -> Tensor:
            with torch.inference_mode():
                images = plain(pixels[start : start + self.part].to(self._device), preprocessing)
                return cast(Tensor, network(shrunk(images, network.config.image_size))[0].cpu())

        return torch.cat(list(self._pool.map(part, range(0, len(pixels), self.part))))


def _loss(
    network: MlpMixer,
    batch: Batch,
    start: int,
    stop: int,
    device: torch.device,
    preprocessing: Preprocessing,
    label_smoothing: float,
) -> Tensor:
    """Sum of the losses of pictures start … stop - 1; mixed pictures count for both of their classes."""
    pictures = torch.arange(start - 1, stop) % len(batch.labels)  # the one before is mixed into the first
    pixels = batch.pixels[pictures].to(device, non_blocking=True)
    labels = batch.labels[pictures].to(device, non_blocking=True)
    varied = vary(pixels, batch.chance.of(pictures, device), preprocessing)
    logits, _ = network(shrunk(varied.images, network.config.image_size))
    own = functional.cross_entropy(logits, labels[1:], reduction="none", label_smoothing=label_smoothing)
    partners = functional.cross_entropy(logits, labels[:-1], reduction="none", label_smoothing=label_smoothing)
    return (own * varied.own + partners * (1 - varied.own)).sum()


def lanes_here(device: torch.device) -> int:
    """One for each core that this process may use; one on a GPU."""
    return cores_here() if device.type == "cpu" else 1


def part_size(model: MlpMixer, device: torch.device) -> int:
    """How many pictures a lane takes at a time, a power of two."""
    if device.type != "cpu":
        return LARGEST_PART
    config = model.config
    widest = max(config.grid.count * config.channels_mlp_dim, config.tokens_mlp_dim * config.hidden_dim)
    fitting = max(1, CACHED_BYTES // (2 * widest))
    return int(min(64, 2 ** (fitting.bit_length() - 1)))


def _sharing(network: MlpMixer) -> MlpMixer:
    """Another network with the same weights and gradients of its own."""
    twin = copy.deepcopy(network)
    for own, shared in zip(twin.parameters(), network.parameters(), strict=True):
        own.data = shared.data
    return twin
