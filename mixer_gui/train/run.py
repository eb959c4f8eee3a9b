"""A training from beginning or from where it stopped: steps, epochs, measuring, saving.

Whoever runs it decides how it is shown: `epochs` is a generator that tells each step and each epoch.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from mixer_gui.model.config import MixerConfig
from mixer_gui.model.mixer import MlpMixer
from mixer_gui.records import MixerGuiError
from mixer_gui.train import state as saved
from mixer_gui.train.augment import draw
from mixer_gui.train.holdout import hold_out
from mixer_gui.train.initial import COARSER, coarse, initialised, refined
from mixer_gui.train.lanes import Batch, Lanes
from mixer_gui.train.measure import Epoch, figures
from mixer_gui.train.optimisers import optimisers, set_rates
from mixer_gui.train.reading import PictureSet
from mixer_gui.train.recipe import Recipe, described

COARSE_WORK = 1 / COARSER**2  # of a fine step
COARSE_TIME = (
    0.4  # the same in time: smaller products take longer for the same work (128 and 316 s an epoch, two cores)
)

Tensors = tuple[Tensor, ...] | list[Tensor]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of gradient descent is done. Loss in nats, smoothed labels and mixed pictures in it."""

    epoch: int  # from 1
    step: int  # of the epoch, from 1
    steps: int
    loss: float
    share: float  # of the time that the whole training takes


class Training:
    """One training in `folder`, a context manager; made anew from equal recipe and pictures it goes on after the last
    epoch that was saved.
    """

    def __init__(
        self,
        pictures: PictureSet,
        recipe: Recipe,
        folder: Path,
        device: torch.device,
        *,
        begin_with: MlpMixer | None = None,
    ) -> None:
        """`begin_with`: the weights that `recipe.origin` tells, on the CPU; None: they are drawn.

        Raises MixerGuiError where `folder` holds another training, or there are too few pictures for a step.
        """
        self.recipe = recipe
        self._folder = folder
        self._device = device
        learnt, held_out = hold_out(pictures, recipe.held_out)
        self._learnt, self._held_out = torch.from_numpy(learnt), torch.from_numpy(held_out)
        self._steps = len(learnt) // recipe.batch
        if not self._steps:
            raise MixerGuiError(
                f"{len(learnt)} pictures to learn from are fewer than one step takes, {recipe.batch}. Give more "
                "pictures, take fewer at a time (--batch), or hold fewer out (--hold-out)."
            )
        self._pixels, self._labels = torch.from_numpy(pictures.pixels), torch.from_numpy(pictures.labels)
        if device.type == "cuda" and self._pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
            self._pixels, self._labels = self._pixels.to(device), self._labels.to(device)
        before = saved.load(folder)
        self._lane_count = None if before is None else before.lanes
        first = self._network(1 if before is None else len(before.history))
        drawn_or_given = initialised(first, recipe.seed) if begin_with is None else begin_with
        self._learn_with(drawn_or_given.to(device))
        self._identity = saved.Identity(
            recipe=described(recipe),
            pictures=_digest(pictures),
            device=device.type,
        )
        self.history: tuple[Epoch, ...] = ()
        self._logits: Tensor | None = None  # of the averaged weights as they are, once they were asked for
        if before is not None:
            self._go_on(before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lanes.close()

    @property
    def average(self) -> MlpMixer:
        """The averaged weights, in fp32: what is measured, and what is worth keeping."""
        return cast(MlpMixer, self._average.module)

    @property
    def held_out(self) -> int:
        """How many pictures are held out for every decision."""
        return len(self._held_out)

    @property
    def lanes(self) -> int:
        """How many threads make gradients."""
        return self._lanes.count

    @property
    def learnt(self) -> int:
        """How many pictures it learns from."""
        return len(self._learnt)

    def epochs(self) -> Generator[Step | Epoch]:
        """Train to the end; after each Epoch the state is on disk. Raises MixerGuiError where it stops learning."""
        for number in range(len(self.history) + 1, self.recipe.epochs + 1):
            if self.model.config != self._network(number):
                finer = refined(self.model, self._network(number))
                self._lanes.close()
                self._learn_with(finer)
            began = time.monotonic()
            total = 0.0
            for step in self._epoch(number):
                total += step.loss
                yield step
            seconds = time.monotonic() - began
            epoch = Epoch(
                number=number,
                seconds=seconds,
                pictures_per_s=self._steps * self.recipe.batch / seconds,
                training_loss=total / self._steps,
                held_out=figures(*self.held_out_logits()) if self.held_out else None,
            )
            self.history += (epoch,)
            self._save()
            yield epoch

    def held_out_logits(self) -> tuple[Tensor, Tensor]:
        """Logits (n, classes) of the averaged weights on the held-out pictures, and their classes (n,).

        Asked again before the next step, they are not computed again.
        """
        if self._logits is None:
            pixels = self._pixels[self._held_out]
            self._logits = self._lanes.logits(self.average, pixels, self.recipe.preprocessing)
        return self._logits, self._labels[self._held_out].cpu()

    def _network(self, epoch: int) -> MixerConfig:
        """What learns in epoch `epoch`."""
        return coarse(self.recipe.network) if epoch <= self.recipe.coarse else self.recipe.network

    def _learn_with(self, model: MlpMixer) -> None:
        """Everything around the weights that learn, anew."""
        self.model = model
        self._average = AveragedModel(model, multi_avg_fn=_averaging(self.recipe.average))
        self._optimisers = optimisers(model, self.recipe)
        self._lanes = Lanes(model, self._device, count=self._lane_count)
        self._lane_count = self._lanes.count

    def _share(self, epochs: float, coarse_epoch: float) -> float:
        """Of the whole training after so many epochs, where a coarse one counts `coarse_epoch` of a fine one."""

        def counted(number: float) -> float:
            few = min(number, self.recipe.coarse)
            return few * coarse_epoch + number - few

        return counted(epochs) / counted(self.recipe.epochs)

    def _epoch(self, number: int) -> Iterator[Step]:
        recipe = self.recipe
        order = self._learnt[torch.randperm(len(self._learnt), generator=_generator(recipe.seed, number, 0))]
        for step in range(1, self._steps + 1):
            middle = number - 1 + (step - 0.5) / self._steps
            set_rates(self._optimisers, recipe, self._share(middle, COARSE_WORK))
            chosen = order[(step - 1) * recipe.batch : step * recipe.batch]
            chance = draw(recipe.batch, recipe.augmentation, _generator(recipe.seed, number, step))
            batch = Batch(self._pixels[chosen], self._labels[chosen], chance)
            loss = self._lanes.gradients(batch, recipe.preprocessing, recipe.label_smoothing)
            if not math.isfinite(loss):
                raise MixerGuiError(
                    f"The training came apart in epoch {number}, step {step}: its loss is no number any more. Lower "
                    "the learning rates (--set matrix_rate=…, --set other_rate=…) and train into another folder."
                )
            self._lanes.each(*(optimiser.step for optimiser in self._optimisers))
            self._average.update_parameters(self.model)
            self._logits = None
            self._lanes.take_over()
            share = self._share(number - 1 + step / self._steps, COARSE_TIME)
            yield Step(number, step, self._steps, loss, share)

    def _save(self) -> None:
        saved.save(
            self._folder,
            saved.State(
                identity=self._identity,
                lanes=self._lanes.count,
                weights=self.model.state_dict(),
                average=self._average.state_dict(),
                optimisers=tuple(each.state_dict() for each in self._optimisers),
                history=self.history,
            ),
        )

    def _go_on(self, before: saved.State) -> None:
        if before.identity != self._identity:
            raise MixerGuiError(
                f"“{self._folder}” holds another training: {before.identity.difference(self._identity)}. To go on with "
                "that one give its own command; for this one choose another folder (--out)."
            )
        self.model.load_state_dict(before.weights)
        self._average.load_state_dict(before.average)
        for optimiser, content in zip(self._optimisers, before.optimisers, strict=True):
            optimiser.load_state_dict(content)
        self._lanes.take_over()
        self.history = before.history


def _digest(pictures: PictureSet) -> str:
    """Of all pictures, their classes and their order."""
    content = (*pictures.digests, pictures.labels.tobytes(), "\n".join(pictures.classes).encode())
    return hashlib.sha256(b"".join(content)).hexdigest()


def _generator(seed: int, epoch: int, step: int) -> torch.Generator:
    """One for each step and, as step 0, for the order of an epoch: nothing hangs on what was drawn before."""
    words = hashlib.sha256(f"{seed} {epoch} {step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(words[:7], "little"))


def _averaging(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """An exponential moving average that forgets faster in the beginning, when the weights are far from any good."""

    @torch.no_grad()
    def update(averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
        done = int(count)
        torch._foreach_lerp_(list(averages), list(weights), 1 - min(decay, (1 + done) / (10 + done)))

    return update
