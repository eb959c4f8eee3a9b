"""How edits of a picture add up, and what they are called. Functions over records; no widget."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication

from mixer_gui.records import CheckpointInfo, Edit, Erase, Fill, PatchGrid, Shift, Shuffle, Stamp, Swap, Turn

Cut = tuple[PatchGrid, tuple[int, int]]


def cut_of(model: CheckpointInfo) -> Cut:
    """What edits are made to: the model's patches, and its input's height and width in pixels."""
    return model.grid, model.preprocessing.input_size


@dataclass(frozen=True, slots=True)
class EditWish:
    """An edit that the user wants made; where it `goes_on`, it is the last one, grown: of the same stroke."""

    edit: Edit
    goes_on: bool = False


def with_edit(edits: tuple[Edit, ...], edit: Edit, *, goes_on: bool = False) -> tuple[Edit, ...]:
    """`edits` and one more. Turns add up, shifts too, and disappear at nothing; another shuffle takes the last's place.

    One that `goes_on` takes the place of the last, too, which was the beginning of its stroke.
    """
    last = edits[-1] if edits else None
    match last, edit:
        case Shift(), Shift():
            right, down = last.right + edit.right, last.down + edit.down
            return (*edits[:-1], *((Shift(right, down),) if right or down else ()))
        case Turn(), Turn():
            quarters = (last.quarters + edit.quarters) % 4
            return (*edits[:-1], *((Turn(quarters),) if quarters else ()))
        case Shuffle(), Shuffle():
            return (*edits[:-1], edit)
    return (*edits[:-1], edit) if goes_on and type(last) is type(edit) else (*edits, edit)


def edit_name(edit: Edit) -> str:
    """What undoing it is called."""
    match edit:
        case Erase():
            return _tr("blurring") if edit.fill == Fill.BLUR else _tr("erasing")
        case Stamp():
            return _tr("patches of another picture")
        case Swap():
            return _tr("swap")
        case Shuffle():
            return _tr("shuffle")
        case Turn():
            return _tr("turn")
        case Shift():
            return _tr("shift")


def _tr(text: str) -> str:
    return QCoreApplication.translate("editing", text)
