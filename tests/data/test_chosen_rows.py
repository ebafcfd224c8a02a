"""Rows chosen by laws and by points: of many rows the first are found without sorting all."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from etude.data_mix.choosing import Chooser
from etude.data_mix.draw import Draw
from etude.data_mix.history import History
from etude.data_mix.interleave import interleaved
from etude.data_mix.ranking import Ranking, smallest
from etude.data_mix.share import OpenShare
from etude.errors import DataError, StageError
from etude.rows import Outcome


class Columns:
    def __init__(self, **columns):
        self.columns = columns

    def __len__(self):
        return len(self.columns["id"])

    def column(self, name, positions=None):
        values = self.columns[name]
        return values if positions is None else [values[place] for place in positions]


def chooser(history=None, **columns):
    """Return what chooses of one part of rows with these columns, and a function for ids."""
    size = len(next(iter(columns.values())))
    columns.setdefault("id", [str(n) for n in range(size)])
    part = OpenShare("p", "p", "train", Columns(**columns), np.arange(size), None)
    known = History() if history is None else history
    made = Chooser([part], interleaved([part], 1, shuffle=True), known, 1)
    return lambda draw: [int(columns["id"][row.position]) for row in made.choose(draw)]


def hear(history, step, **answers):
    kinds = {"1": Outcome.CORRECT, "0": Outcome.WRONG}
    rows = [
        SimpleNamespace(id=f"p:{row[1:]}", outcome=kinds[k])
        for row, a in answers.items()
        for k in a
    ]
    history.observe(SimpleNamespace(step=step, rows=rows))


@pytest.mark.parametrize("kinds", [1, 3, 1000])
def test_the_first_rows_are_those_of_a_whole_sort(kinds):
    random = np.random.default_rng(kinds)
    keys = [random.integers(0, kinds, 700).astype(float) for _ in range(3)]
    keys[0][random.integers(0, 700, 50)] = np.inf
    whole = np.lexsort(keys[::-1])
    for count in (1, 2, 128, 699, 700, 900):
        assert smallest(keys, count).tolist() == whole[:count].tolist()
    order = Ranking(np.arange(700), keys)
    assert [order.take(n) for n in range(1500)] == [*whole, *whole, *whole[:100]]


def test_a_law_is_told_what_is_known_of_each_row_in_the_order_of_the_part():
    history = History()
    draw = chooser(history, level=[0.0, 1.0, 2.0, None])
    told = []

    def law(known):
        told.append([known.pass_rate(), known.pass_rate(last=True), known.visits("visits")])
        return np.nan_to_num(known.column("level"), nan=9.0)

    assert draw(Draw(4, distance=law)) == [0, 1, 2, 3]
    hear(history, 0, r2="10", r0="0")
    hear(history, 1, r2="11", q9="1")
    assert draw(Draw(2, distance=law)) == [0, 1]
    np.testing.assert_equal(told[0], [[np.nan] * 4, [np.nan] * 4, [0.0] * 4])
    np.testing.assert_equal(
        told[1], [[0.0, np.nan, 0.75, np.nan], [0.0, np.nan, 1.0, np.nan], [1, 0, 2, 0]]
    )


def test_a_laws_weights_are_chances_and_its_randomness_is_another_for_each_draw():
    draw, counts, seen = chooser(level=[0.0, 1.0, 2.0]), Counter(), []

    def law(known):
        seen.append(known.random.random())
        return known.column("level")

    for _ in range(3000):
        counts.update(draw(Draw(1, row_weights=law)))
    assert set(counts) == {1, 2} and counts[2] / 3000 == pytest.approx(2 / 3, abs=0.03)
    assert len(set(seen)) == 3000


def test_each_row_is_the_nearest_to_its_own_point_and_none_is_taken_twice():
    draw = chooser(a=[0.0, 1.0, 2.0, 3.0, None], b=[0.0, 0.0, 10.0, 10.0, 0.0])
    points = [{"a": 0.9}, {"a": 1.1}, {"a": 5.0}, {"a": 1.0}, {"a": 1.0}]
    assert draw(Draw(5, nearest=points)) == [1, 2, 3, 0, 4]
    assert draw(Draw(7, nearest=points))[5:] == [1, 2]  # used up: from the beginning
    both = [{"a": 1.0, "b": 8.0}]
    assert draw(Draw(1, nearest=both)) == [2]
    assert draw(Draw(1, nearest=both, units={"b": 100.0})) == [1]
    assert sorted(draw(Draw(2, nearest=[{"b": 10.0}]))) == [2, 3]


def test_what_a_law_or_a_column_cannot_be_is_said():
    draw = chooser(level=[1.0, 2.0], text=["x", "y"])
    with pytest.raises(StageError, match="distance returned no number for each of the 2 rows"):
        draw(Draw(1, distance=lambda known: np.zeros(3)))
    with pytest.raises(StageError, match="row_weights returned no number"):
        draw(Draw(1, row_weights=lambda known: np.full(2, np.nan)))
    with pytest.raises(StageError, match="a weight below 0"):
        draw(Draw(1, row_weights=lambda known: np.array([1.0, -1.0])))
    with pytest.raises(DataError, match=r"data_mix\.train\.p: .* column text, which holds 'x'"):
        draw(Draw(1, nearest={"text": 1.0}))
    for wrong, said in (
        ({"nearest": []}, "no points"),
        ({"nearest": [{"a": 1.0}, {"b": 1.0}]}, "not of the same names"),
        ({"nearest": [{"a": 1.0}], "pass_rate": (0.0, 1.0)}, "and a pass_rate or distance"),
        ({"nearest": [{"a": np.inf}]}, "which is no number"),
        ({"nearest": {"a": 1.0}, "units": {"a": 0.0}}, "units have a: 0.0"),
    ):
        with pytest.raises(StageError, match=said):
            Draw(1, **wrong)
