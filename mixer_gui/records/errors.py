"""What goes wrong: the one exception whose message is meant for the user, and its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixer_gui.records.models import ModelRef


class MixerGuiError(Exception):
    """Something went wrong that the user can be told: `str(error)` is the sentence.

    `detail` is for the log: a traceback, a library's own message, a list of keys.
    """

    def __init__(self, sentence: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.detail = detail

    def __reduce__(self) -> tuple[type[MixerGuiError], tuple[str, str]]:
        """Cross a process boundary with the detail intact."""
        return (type(self), (str(self), self.detail))


class Cancelled(MixerGuiError):  # noqa: N818 - the user's wish, not an error
    """The user no longer wants what was under way."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something did not work. `sentence` is for the user, `detail` for the log.

    `request_id` is the request's id, None where no picture was concerned; `model` is the one that did not load.
    """

    request_id: int | None
    view: str
    source_name: str
    sentence: str
    detail: str = ""
    model: ModelRef | None = None
