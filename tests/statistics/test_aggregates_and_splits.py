"""Aggregates over runs and tasks, and what became of each problem: identities that always hold."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from etude.evaluation.statistics import pass_at_k
from etude.statistics import aggregates
from etude.statistics.aggregates import Draws, bootstrap_interval
from etude.statistics.choosing import top_k
from etude.statistics.lengths import lengths
from etude.statistics.splits import coverage, crossing, moved, solvable
from etude.statistics.votes import plurality

RANDOM = np.random.default_rng(3)
X, Y = RANDOM.normal(size=(5, 4)).round(1), RANDOM.normal(size=(3, 4)).round(1)
BEFORE = RANDOM.random((60, 6)) < RANDOM.random((60, 1)) * 0.6
AFTER = RANDOM.random((60, 8)) < RANDOM.random((60, 1))


def test_one_beats_the_other_or_the_other_beats_it() -> None:
    over = aggregates.probability_of_improvement(X, Y)
    under = aggregates.probability_of_improvement(Y, X)
    assert over + under == pytest.approx(1.0)
    assert aggregates.probability_of_improvement(X, X) == 0.5
    with pytest.raises(ValueError, match="4 tasks cannot be compared with 2"):
        aggregates.probability_of_improvement(X, Y[:, :2])


def test_the_aggregates_of_equal_scores_are_that_score() -> None:
    same = np.full((3, 4), 0.7)
    for statistic in (aggregates.mean, aggregates.median, aggregates.interquartile_mean):
        assert statistic(same) == pytest.approx(0.7)
        assert statistic(X + 2) == pytest.approx(statistic(X) + 2)


def test_every_task_is_resampled_by_itself() -> None:
    """A task whose runs are all alike stays as it is, whatever is drawn."""
    scores = np.column_stack([np.full(5, 3.0), X[:, 0]])
    draws = Draws.make((5, 2), 200, np.random.default_rng(0))
    drawn = draws.of(scores)
    assert drawn.shape == (200, 5, 2)
    assert (drawn[:, :, 0] == 3.0).all()
    assert set(drawn[:, :, 1].ravel()) == set(X[:, 0])
    tasks = Draws.make((5, 2), 200, np.random.default_rng(0), of_tasks=True).of(scores)
    constant = (tasks == 3.0).all(axis=1)
    assert 0 < constant[:, 1].sum() < 200  # the second column is task 1 in some resamples


def test_an_interval_of_two_resamples_each_by_itself() -> None:
    first = (X, Draws.make(X.shape, 300, np.random.default_rng(1)))
    second = (Y, Draws.make(Y.shape, 300, np.random.default_rng(2)))
    low, high = bootstrap_interval(aggregates.probability_of_improvement, first, second)
    assert 0 <= low <= aggregates.probability_of_improvement(X, Y) <= high <= 1


def test_the_interquartile_mean_of_all_resamples_at_once_is_that_of_each() -> None:
    draws = Draws.make(X.shape, 50, np.random.default_rng(4))
    at_once = bootstrap_interval(aggregates.interquartile_mean, (X, draws))
    each = bootstrap_interval(lambda scores: aggregates.interquartile_mean(scores), (X, draws))
    assert at_once == pytest.approx(each)


def test_gain_distillation_and_forgetting_add_up_to_the_change() -> None:
    found = moved(BEFORE, AFTER)
    assert found.net == pytest.approx((AFTER.mean(axis=1) - BEFORE.mean(axis=1)).sum())
    reach = solvable(BEFORE, AFTER)
    assert (reach.before.sum() + reach.gained.sum() - reach.lost.sum()) == reach.after.sum()
    with pytest.raises(ValueError, match="60 problems cannot be compared with 59"):
        moved(BEFORE, AFTER[:59])


def test_coverage_is_the_average_over_all_subsets() -> None:
    curve = coverage(BEFORE)
    assert list(curve) == [1, 2, 4, 6]
    for k, value in curve.items():
        subsets = [
            BEFORE[:, list(each)].any(axis=1) for each in itertools.combinations(range(6), k)
        ]
        assert value == pytest.approx(np.mean(subsets))
        assert value == pytest.approx(pass_at_k(BEFORE, k).mean())


def test_curves_cross_at_the_least_k() -> None:
    assert crossing({1: 0.2, 2: 0.5, 4: 0.9}, {1: 0.4, 2: 0.5, 4: 0.6, 8: 0.7}) == 2
    assert crossing({1: 0.2}, {1: 0.4}) is None


def test_what_does_not_make_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="k=3 of 2"):
        top_k([1.0, 2.0], [1.0, 2.0], 0.0, 3)
    with pytest.raises(ValueError, match="no answer to measure"):
        lengths(np.zeros((0, 2), dtype=int), np.zeros((0, 2), dtype=bool))
    with pytest.raises(ValueError, match="no answer to vote"):
        plurality([], [])
