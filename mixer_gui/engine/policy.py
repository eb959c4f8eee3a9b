"""Which precision a request gets, and why."""

from typing import NamedTuple

from mixer_gui.engine.acceptance import Verdict
from mixer_gui.records import Precision, PrecisionPreference


class Choice(NamedTuple):
    """A precision, and the sentence that says why."""

    precision: Precision
    why: str


def choose_precision(preference: PrecisionPreference, verdict: Verdict | None, *, is_studied: bool) -> Choice:
    """A forced precision holds for everything. Else a picture that is studied runs in fp32, so that its explanations
    are exact; what is only ranked and mapped runs in half precision where that was accepted.

    `verdict` is None where nothing was tried yet.
    """
    if preference != PrecisionPreference.AUTO:
        return Choice(Precision(preference), f"Everything runs in {preference}, as chosen.")
    if is_studied:
        why = "The picture on the screen runs in fp32, so that its explanations are exact."
        return Choice(Precision.FP32, why if verdict is None else f"{why} {verdict.sentence}")
    if verdict is None:
        return Choice(Precision.FP32, "Runs in fp32 until half precision has been tried here.")
    return Choice(verdict.accepted or Precision.FP32, verdict.sentence)
