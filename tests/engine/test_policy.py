"""Which precision a request gets."""

from __future__ import annotations

import pytest

from mixer_gui.engine.acceptance import Verdict
from mixer_gui.engine.policy import choose_precision
from mixer_gui.records import Precision, PrecisionPreference

GOOD = Verdict(Precision.BF16, times_as_fast=1.9, difference=0.0013)
SLOW = Verdict(Precision.BF16, times_as_fast=1.1, difference=0.0)


@pytest.mark.parametrize("verdict", [None, GOOD, SLOW])
def test_what_is_studied_runs_in_fp32(verdict: Verdict | None) -> None:
    choice = choose_precision(PrecisionPreference.AUTO, verdict, is_studied=True)
    assert choice.precision == Precision.FP32
    assert "exact" in choice.why
    assert (verdict is None) == ("bf16" not in choice.why)  # what holds for frames is told as soon as it is known


@pytest.mark.parametrize(
    ("verdict", "expected", "why"),
    [
        (GOOD, Precision.BF16, "run in bf16: 1.9 times as fast, probabilities within 0.002."),
        (SLOW, Precision.FP32, "bf16 is only 1.1 times as fast"),
        (None, Precision.FP32, "until half precision has been tried"),
        (Verdict(), Precision.FP32, "nothing to gain"),
    ],
)
def test_what_is_not_studied_runs_in_what_was_accepted(verdict: Verdict | None, expected: Precision, why: str) -> None:
    choice = choose_precision(PrecisionPreference.AUTO, verdict, is_studied=False)
    assert choice.precision == expected
    assert why in choice.why


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("is_studied", [True, False])
@pytest.mark.parametrize("verdict", [None, GOOD, SLOW])
def test_a_forced_precision_holds_for_everything(
    precision: Precision, is_studied: bool, verdict: Verdict | None
) -> None:
    choice = choose_precision(PrecisionPreference(precision), verdict, is_studied=is_studied)
    assert choice.precision == precision
    assert choice.why == f"Everything runs in {precision}, as chosen."
