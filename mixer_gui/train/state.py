"""Where a training stands, in one file after each epoch: what a killed training needs to go on as if nothing had been.

There is no state of a random generator in it: each step draws from a generator of its own, seeded by recipe, epoch and
step.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mixer_gui.model.description import TRAINING_NAME
from mixer_gui.records import MixerGuiError
from mixer_gui.train.measure import Epoch, Figures

STATE_NAME = TRAINING_NAME
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Tells a training from any other: with equal ones the weights are equal, too."""

    recipe: dict[str, str]  # see `recipe.described`
    pictures: str  # digest of all pictures in their order
    device: str

    def difference(self, other: Identity) -> str:
        """In words, what tells this one from another."""
        names = sorted(self.recipe.keys() | other.recipe.keys())
        found = [
            f"{name} is {self.recipe.get(name)}, not {other.recipe.get(name)}"
            for name in names
            if self.recipe.get(name) != other.recipe.get(name)
        ]
        if self.pictures != other.pictures:
            found.append("other pictures or classes")
        if self.device != other.device:
            found.append(f"it runs on {self.device}, not {other.device}")
        return ", ".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """After `len(history)` epochs. The number of lanes decides how gradients are rounded, so it is kept, too."""

    identity: Identity
    lanes: int
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimisers: tuple[dict[str, Any], ...]
    history: tuple[Epoch, ...]


def save(folder: Path, state: State) -> None:
    """Write the state; a kill or a full disk in between leaves the one before. Raises MixerGuiError."""
    target, partial = folder / STATE_NAME, folder / f"{STATE_NAME}.partial"
    content = {
        "format": FORMAT,
        "identity": asdict(state.identity),
        "lanes": state.lanes,
        "weights": state.weights,
        "average": state.average,
        "optimisers": state.optimisers,
        "history": [asdict(epoch) for epoch in state.history],
    }
    try:
        with partial.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except (OSError, RuntimeError) as error:  # torch says RuntimeError of a full disk
        partial.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "is the disk full?"
        raise MixerGuiError(
            f"The state of the training could not be saved in “{folder}” ({reason}). Give the same command again once "
            "there is room: it goes on after the epoch before.",
            str(error),
        ) from error


def load(folder: Path) -> State | None:
    """The state that was saved last; None where there is none. Raises MixerGuiError for a damaged file."""
    path = folder / STATE_NAME
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise MixerGuiError(f"“{path}” was written by another version of Mixer GUI. Train into another folder.")
        return State(
            identity=Identity(**content["identity"]),
            lanes=int(content["lanes"]),
            weights=content["weights"],
            average=content["average"],
            optimisers=tuple(content["optimisers"]),
            history=tuple(_epoch(each) for each in content["history"]),
        )
    except MixerGuiError:
        raise
    except (OSError, MemoryError) as error:
        raise MixerGuiError(
            f"“{path}”, the state of a training, could not be read. Check its rights, the disk and the memory.",
            str(error),
        ) from error
    except Exception as error:  # a damaged file fails in any way there is
        raise MixerGuiError(
            f"“{path}”, the state of a training, is damaged. Delete it to begin anew, or train into another folder.",
            repr(error),
        ) from error


def _epoch(content: dict[str, Any]) -> Epoch:
    held_out = content.pop("held_out")
    return Epoch(**content, held_out=None if held_out is None else Figures(**held_out))
