"""Pictures that nobody studies, several in one forward pass: how many, and which go along. Imports no torch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mixer_gui.engine.mailbox import Mailbox
from mixer_gui.engine.steps import ModelKey, Picture, Step
from mixer_gui.records import DevicePreference, PrecisionPreference, Report

if TYPE_CHECKING:
    from mixer_gui.engine.engine import Engine

# By kind of device. One picture leaves most of a GPU idle; on a CPU, a pass of many takes longer for each of them than
# a pass of one.
LARGEST = {DevicePreference.CPU: 1, DevicePreference.CUDA: 64, DevicePreference.MPS: 64}


class BatchSizes:
    """How many pictures a pass takes at most: as many as are worth it, less where the memory did not suffice."""

    def __init__(self, largest: Mapping[DevicePreference, int]) -> None:
        self._largest = largest
        self._fitting: dict[ModelKey, int] = {}  # of models for which a batch was too large

    def of(self, model: ModelKey, device: DevicePreference) -> int:
        """`device`: the kind that it runs on."""
        largest = self._largest[device]
        return min(largest, self._fitting.get(model, largest))

    def note_too_large(self, model: ModelKey, pictures: int) -> None:
        """So many, more than one, do not fit the memory."""
        self._fitting[model] = pictures // 2


def taken_along(steps: Mailbox[Step], first: Picture, most: int) -> list[Picture]:
    """Up to `most` pictures that wait in the mailbox and can run in one pass with `first`, which was taken from it."""

    def is_alike(step: Step) -> bool:
        return isinstance(step, Picture) and not step.again and _kind(step) == _kind(first)

    alike = steps.take_alike(priority=first.priority, most=most, is_alike=is_alike) if most > 0 else []
    return [each for each in alike if isinstance(each, Picture)]


def classified(engine: "Engine", pictures: Sequence[Picture]) -> Sequence[Report | Exception]:
    """A report or an error for each of some pictures of one kind, which are decoded."""
    decoded = [each.decoded for each in pictures if each.decoded is not None]
    try:
        return engine.classify_batch([each.request for each in pictures], decoded)
    except Exception as error:  # of no picture more than of another
        return [error] * len(pictures)


def _kind(picture: Picture) -> tuple[ModelKey, PrecisionPreference]:
    return (picture.model, picture.request.precision)
