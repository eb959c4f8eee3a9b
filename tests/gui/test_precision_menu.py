"""The precision in the window: chosen in the menu, remembered, said in the status bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mixer_gui.records import Erase, Precision, PrecisionPreference
from mixer_gui.settings import Settings
from tests.gui.conftest import TIMEOUT_MS, wait_for_results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from mixer_gui.app import Application

    Start = Callable[..., Application]

AUTO, FP32, BF16, FP16 = PrecisionPreference


def wait_for_precision(qtbot: QtBot, application: Application, precision: Precision) -> None:
    """Until every picture of the strip was computed in it."""
    pictures = application.window.session.gallery.pictures

    def is_done() -> bool:
        reports = [each.report for each in pictures if not each.is_waiting]
        return len(reports) == len(pictures) and all(
            each is not None and each.device.precision == precision for each in reports
        )

    qtbot.waitUntil(is_done, timeout=TIMEOUT_MS)


def test_actions_are_exclusive_and_say_what_they_mean(start: Start) -> None:
    actions = start().window.actions_
    assert [each for each, action in actions.precisions.items() if action.isChecked()] == [AUTO]
    tips = {action.toolTip() for action in actions.precisions.values()}
    assert len(tips) == len(PrecisionPreference)
    assert all(len(tip) > 40 for tip in tips)
    (menu,) = {menu for action in actions.precisions.values() for menu in action.associatedObjects() if menu.title()}
    assert menu.toolTipsVisible()


def test_chosen_precision_holds_for_all_pictures_and_is_remembered(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    application = start(photographs["coffee"], photographs["rocket"])
    window = application.window
    wait_for_precision(qtbot, application, Precision.FP32)
    before = window.session.current.report.predictions
    window.actions_.precisions[BF16].trigger()
    wait_for_precision(qtbot, application, Precision.BF16)
    qtbot.waitUntil(lambda: "bf16" in window.status._device.text())
    assert "Everything runs in bf16, as chosen." in window.status._device.toolTip()
    after = window.session.current.report.predictions
    assert after != before
    assert after[0].index == before[0].index
    assert window.settings().precision == BF16
    window.actions_.precisions[AUTO].trigger()
    wait_for_precision(qtbot, application, Precision.FP32)
    assert window.session.current.report.predictions == before
    assert "so that its explanations are exact" in window.status._device.toolTip()


def test_remembered_precision_is_used_from_the_start(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start(photographs["coffee"], settings=Settings(precision=BF16))
    wait_for_precision(qtbot, application, Precision.BF16)
    assert application.window.actions_.precisions[BF16].isChecked()


def test_fp16_on_a_cpu_is_refused_with_a_sentence(start: Start, qtbot: QtBot, photographs: dict[str, Path]) -> None:
    application = start(photographs["coffee"])
    window = application.window
    said: list[str] = []
    window.model_commands.complained.connect(said.append)
    window.actions_.precisions[FP16].trigger()
    assert "fp16 needs a GPU" in said[-1]
    assert window.actions_.precisions[AUTO].isChecked()
    assert window.settings().precision == AUTO
    wait_for_precision(qtbot, application, Precision.FP32)


def test_remembered_fp16_gives_way_where_there_is_no_gpu(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    """Also for the picture that was asked before it was known that there is none."""
    application = start(photographs["coffee"], settings=Settings(precision=FP16))
    window = application.window
    wait_for_results(qtbot, application, 1)
    wait_for_precision(qtbot, application, Precision.FP32)
    assert window.session.current.failure is None
    assert window.actions_.precisions[AUTO].isChecked()
    assert window.settings().precision == AUTO


def test_edits_are_computed_again_together_with_the_picture_itself(
    start: Start, qtbot: QtBot, photographs: dict[str, Path]
) -> None:
    """Before and after differ by what was erased alone."""
    application = start(photographs["coffee"])
    window = application.window
    picture = window.session.current
    window.session.set_edits(picture, (Erase(frozenset({1, 2})),))
    qtbot.waitUntil(lambda: picture.before is not None and not picture.is_waiting, timeout=TIMEOUT_MS)
    window.actions_.precisions[BF16].trigger()
    qtbot.waitUntil(
        lambda: (
            picture.before is not None
            and not picture.is_waiting
            and picture.report.edits == picture.edits
            and {picture.before.device.precision, picture.report.device.precision} == {Precision.BF16}
        ),
        timeout=TIMEOUT_MS,
    )
