"""Intervals and tests over problems and seeds: limit cases, known numbers, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from etude.statistics.effects import Effect, difference, mean_effect, share_interval
from etude.statistics.several import holm
from etude.statistics.student import quantile, two_sided

RANDOM = np.random.default_rng(7)
A = RANDOM.binomial(8, 0.4, size=(3, 40)) / 8
B = RANDOM.binomial(8, 0.6, size=(3, 40)) / 8

#: (t, degrees of freedom, two-sided p) as scipy 1.17 has them.
TAILS = [
    (1.0, 1.0, 0.5),
    (12.706204736432095, 1.0, 0.05),
    (2.7764451051977987, 4.0, 0.05),
    (3.5, 2.7, 0.04652560492194133),
    (0.001, 255.0, 0.9992028974270055),
    (8.0, 30.0, 6.265822475700759e-09),
    (1.959963984540054, math.inf, 0.05),
]


@pytest.mark.parametrize(("t", "df", "p"), TAILS)
def test_student_s_t_is_that_of_the_tables(t: float, df: float, p: float) -> None:
    assert two_sided(t, df) == pytest.approx(p, rel=1e-9)
    assert two_sided(-t, df) == two_sided(t, df)
    if df >= 1:
        assert quantile(1 - p / 2, df) == pytest.approx(t, rel=1e-6)
        assert quantile(p / 2, df) == pytest.approx(-t, rel=1e-6)


def test_one_seed_is_the_plain_paired_t_test() -> None:
    found = difference(A[0], B[0])
    moved = B[0] - A[0]
    assert found.value == pytest.approx(moved.mean())
    assert found.error == pytest.approx(moved.std(ddof=1) / math.sqrt(40))
    assert (found.df, found.seeds, found.problems) == (39.0, 1, 40)


def test_a_test_rejects_exactly_where_the_interval_leaves_zero_out() -> None:
    for shift in np.linspace(-0.2, 0.2, 81):
        found = difference(A[0], A[1] + shift)
        low, high = found.interval()
        assert (found.p < 0.05) == (low > 0 or high < 0)


def test_what_seeds_explain_alone_is_tested_over_seeds_alone() -> None:
    """Where problems are all alike, it is the t-test of the seeds' means."""
    means = np.array([0.1, 0.4, 0.2])
    found = mean_effect(np.repeat(means[:, None], 50, axis=1))
    assert found.error == pytest.approx(means.std(ddof=1) / math.sqrt(3))
    assert found.df == pytest.approx(2.0)
    other = difference(np.zeros((2, 50)), np.repeat(means[:, None], 50, axis=1))
    assert other.error == pytest.approx(found.error)


def test_seeds_that_do_the_same_leave_the_interval_over_problems() -> None:
    rows = np.repeat(A[:1], 5, axis=0)
    assert mean_effect(rows).error == pytest.approx(mean_effect(A[0]).error)
    assert mean_effect(rows).df == pytest.approx(39.0)


def test_the_variance_is_that_of_crossed_seeds_and_problems() -> None:
    """Against sums of squares written out: (MS_s + MS_p − MS_e) / (S · P)."""
    rows = RANDOM.normal(size=(4, 1)) + RANDOM.normal(size=(1, 30)) + RANDOM.normal(size=(4, 30))
    of_seeds, of_problems = rows.mean(axis=1), rows.mean(axis=0)
    seeds = 30 * of_seeds.var(ddof=1)
    problems = 4 * of_problems.var(ddof=1)
    rest = rows - of_seeds[:, None] - of_problems + rows.mean()
    both = (rest**2).sum() / (3 * 29)
    found = mean_effect(rows)
    assert found.error**2 == pytest.approx((seeds + problems - both) / 120)
    assert 3 <= found.df < 3 + 29


def test_matching_seeds_takes_out_what_they_share() -> None:
    start = np.array([[0.0], [0.3], [0.6]])
    first, second = A + start, A + start + 0.1 + RANDOM.normal(scale=0.01, size=A.shape)
    matched, apart = difference(first, second, matched=True), difference(first, second)
    assert matched.value == pytest.approx(apart.value)
    assert matched.error < apart.error / 5
    assert matched.p < 0.01 < apart.p


def test_problems_that_hang_together_count_as_one() -> None:
    """Every problem five times over has five times the problems and no more to say."""
    five = np.repeat(A[0], 5)
    together = mean_effect(five, [n // 5 for n in range(200)])
    assert together.error == pytest.approx(mean_effect(A[0]).error)
    assert together.df == 39.0
    assert mean_effect(five).error < together.error / 2
    assert mean_effect(A[0], list(range(40))) == mean_effect(A[0])


def test_nothing_that_moved_is_no_difference_and_a_constant_one_is_certain() -> None:
    same, all_moved = difference(A[0], A[0]), difference(A[0], A[0] + 0.5)
    assert (same.p, same.interval()) == (1.0, (0.0, 0.0))
    assert all_moved.error == pytest.approx(0.0, abs=1e-12)
    assert all_moved.p == pytest.approx(0.0, abs=1e-12)


def test_a_share_stays_between_none_and_all() -> None:
    none = mean_effect(np.zeros(50))
    low, high = share_interval(none)
    assert low == 0.0
    assert 0.02 < high < 0.12
    flipped = share_interval(mean_effect(np.ones(50)))
    assert flipped == pytest.approx((1 - high, 1.0))
    some = mean_effect(np.repeat([0.0, 1.0], 500))
    assert share_interval(some) == pytest.approx(some.interval(), abs=2e-4)


def test_what_could_be_seen_is_seen_with_that_chance() -> None:
    effect = Effect(0.0, 1.0, math.inf, 256)
    assert effect.detectable() == pytest.approx(1.959963984540054 + 0.8416212335729143)
    assert effect.detectable(alpha=0.01) > effect.detectable()


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(ValueError, match="40 problems cannot be paired with 39"):
        difference(A, B[:, :39])
    with pytest.raises(ValueError, match="3 seeds cannot be matched with 2"):
        difference(A, B[:2], matched=True)
    with pytest.raises(ValueError, match="needs two problems"):
        mean_effect(np.array([1.0]))
    with pytest.raises(ValueError, match="needs two clusters"):
        mean_effect(A[0], ["a"] * 40)
    with pytest.raises(ValueError, match="40 problems have 2"):
        mean_effect(A[0], ["a", "b"])
    with pytest.raises(ValueError, match="degrees of freedom"):
        quantile(0.9, 0.0)


def test_holm_corrects_by_what_is_left() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
