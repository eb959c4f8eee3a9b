"""The live order of a ranking, and a list that changes its values without losing what is marked."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QModelIndex
from PySide6.QtTest import QAbstractItemModelTester

from mixer_gui.gui.prediction_list import (
    MARGIN,
    PredictionList,
    PredictionModel,
    is_better,
    steady_order,
    steady_places,
)
from mixer_gui.records import Prediction

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

probabilities = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)
orders = st.lists(st.integers(0, 15), unique=True, max_size=12).map(tuple)
rows = st.integers(0, 8)


def ranked(values: list[float]) -> tuple[Prediction, ...]:
    """Class i has the i-th probability."""
    predictions = [Prediction(index, None, f"class {index}", value, 0.0) for index, value in enumerate(values)]
    return tuple(sorted(predictions, key=lambda each: -each.probability))


def indices(predictions: tuple[Prediction, ...]) -> tuple[int, ...]:
    return tuple(each.index for each in predictions)


@given(orders, probabilities, rows)
def test_order_shows_each_class_once_and_as_many_as_there_is_room_for(
    before: tuple[int, ...], values: list[float], count: int
) -> None:
    order = steady_order(before, ranked(values), count)
    assert len(order) == min(count, len(values))
    assert len(set(indices(order))) == len(order)
    assert order == steady_order(before, ranked(values), count)


@given(orders, probabilities, rows)
def test_order_has_settled_after_one_step(before: tuple[int, ...], values: list[float], count: int) -> None:
    once = indices(steady_order(before, ranked(values), count))
    assert indices(steady_order(once, ranked(values), count)) == once


@given(orders, probabilities, rows)
def test_nothing_stands_below_what_it_beats_by_the_margin(
    before: tuple[int, ...], values: list[float], count: int
) -> None:
    order = steady_order(before, ranked(values), count)
    for upper, lower in pairwise(order):
        assert not is_better(lower.probability, upper.probability)
    left_out = [value for index, value in enumerate(values) if index not in indices(order)]
    if order and left_out:
        assert not is_better(max(left_out), min(each.probability for each in order))


@given(orders, st.permutations(range(8)), rows)
def test_large_gaps_give_the_plain_ranking(before: tuple[int, ...], places: list[int], count: int) -> None:
    values = [0.9 * 0.6**place for place in places]
    assert steady_order(before, ranked(values), count) == ranked(values)[:count]


@given(probabilities, st.data(), rows)
def test_small_noise_changes_nothing(values: list[float], data: st.DataObject, count: int) -> None:
    before = indices(steady_order((), ranked(values), count))
    noise = data.draw(st.lists(st.floats(-0.49 * MARGIN, 0.49 * MARGIN), min_size=len(values), max_size=len(values)))
    noisy = [min(max(value + each, 0.0), 1.0) for value, each in zip(values, noise, strict=True)]
    assert indices(steady_order(before, ranked(noisy), count)) == before


def test_first_list_is_the_ranking() -> None:
    predictions = ranked([0.1, 0.5, 0.104, 0.2])
    assert steady_order((), predictions, 3) == predictions[:3]


def test_neighbours_swap_only_by_the_margin() -> None:
    assert indices(steady_order((0, 1), ranked([0.40, 0.43]), 2)) == (0, 1)
    assert indices(steady_order((0, 1), ranked([0.40, 0.45]), 2)) == (1, 0)
    assert indices(steady_order((0, 1), ranked([0.001, 0.004]), 2)) == (0, 1), "under half a point is noise"


def test_newcomer_takes_the_place_of_the_one_that_left() -> None:
    assert indices(steady_order((0, 9, 1), ranked([0.30, 0.29, 0.30]), 3)) == (0, 2, 1)
    assert indices(steady_order((0, 1, 2), ranked([0.30, 0.2, 0.30, 0.28]), 3)) == (0, 3, 2)


def test_clear_winner_goes_to_the_top_at_once() -> None:
    assert indices(steady_order((0, 1, 2), ranked([0.1, 0.55, 0.57]), 3)) == (2, 1, 0)


def test_places_stay_with_their_classes_and_stay_empty_without() -> None:
    assert steady_places([], {3: 0.5, 7: 0.4}, 3) == [3, 7, None]
    assert steady_places([3, 7, None], {7: 0.5}, 3) == [None, 7, None]
    assert steady_places([3, 7], {7: 0.4, 3: 0.5, 1: 0.41}, 2) == [3, 7]
    assert steady_places([3, 7], {7: 0.4, 3: 0.5, 1: 0.6}, 2) == [3, 1]
    assert steady_places([3, 7, 1], {7: 0.4, 3: 0.5, 1: 0.6}, 2) == [3, 1]


@pytest.mark.parametrize("counts", [(5, 5), (5, 8), (8, 3), (3, 0), (0, 4), (0, 0)])
def test_model_never_resets(qtbot: QtBot, counts: tuple[int, int]) -> None:
    model = PredictionModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Warning)
    model.set_predictions(ranked([0.1] * counts[0]))
    seen: list[str] = []
    model.modelReset.connect(lambda: seen.append("reset"))
    model.dataChanged.connect(lambda first, last: seen.append(f"changed {first.row()}-{last.row()}"))
    model.rowsInserted.connect(lambda _parent, first, last: seen.append(f"inserted {first}-{last}"))
    model.rowsRemoved.connect(lambda _parent, first, last: seen.append(f"removed {first}-{last}"))
    after = ranked([0.2] * counts[1])
    model.set_predictions(after)
    common = min(counts)
    expected = [f"changed 0-{common - 1}"] if common else []
    if counts[1] > counts[0]:
        expected.insert(0, f"inserted {counts[0]}-{counts[1] - 1}")
    elif counts[1] < counts[0]:
        expected.insert(0, f"removed {counts[1]}-{counts[0] - 1}")
    assert seen == expected
    assert model.rowCount() == counts[1]
    model.set_predictions(after)
    assert seen == expected, "the same again is no change"
    assert tester.model() is model


def test_current_row_follows_its_class_and_goes_with_it(qtbot: QtBot) -> None:
    listed = PredictionList()
    qtbot.addWidget(listed)
    chosen: list[object] = []
    listed.class_chosen.connect(chosen.append)
    listed.show_predictions(ranked([0.5, 0.3, 0.1]))
    listed.setCurrentIndex(listed.predictions.index(1))
    listed.show_predictions(ranked([0.3, 0.5, 0.1]))
    assert listed.currentIndex().row() == 0
    listed.show_predictions(ranked([0.9]))
    assert not listed.currentIndex().isValid()
    assert not chosen


def test_chosen_class_stays_marked_while_values_change(qtbot: QtBot) -> None:
    listed = PredictionList()
    qtbot.addWidget(listed)
    listed.show_predictions(ranked([0.5, 0.3, 0.1]))
    listed.set_chosen(1)
    for values in ([0.5, 0.31, 0.1], [0.3, 0.5, 0.1], [0.3, 0.5, 0.1, 0.05]):
        listed.show_predictions(ranked(values))
        assert [index.row() for index in listed.selectedIndexes()] == [listed.predictions.row_of(1)]
    listed.show_predictions(ranked([0.9]))
    assert not listed.selectedIndexes()
    listed.show_predictions(ranked([0.5, 0.3]))
    assert [index.row() for index in listed.selectedIndexes()] == [1], "it is back"
    listed.show_predictions(())
    assert listed.predictions.rowCount(QModelIndex()) == 0
