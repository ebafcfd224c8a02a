"""pass@k over k of judged answers, and where the curve of a trained model meets the one before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from etude.evaluation.statistics import pass_at_k
from etude.report.coverage import Coverage, coverage, crossing, tries


def samples(correct: np.ndarray) -> list[dict[str, Any]]:
    return [
        {"id": f"p{problem}", "outcome": "correct" if right else "wrong"}
        for problem, row in enumerate(correct)
        for right in row
    ]


def test_the_curve_is_pass_at_k_of_all_problems() -> None:
    correct = np.random.default_rng(0).random((40, 8)) < 0.3
    found = coverage(samples(correct))
    assert found is not None
    assert found.ks == tuple(range(1, 9))
    assert found.problems == 40
    for k in found.ks:
        assert found.at(k) == pytest.approx(pass_at_k(correct, k).mean())
    assert (found.low <= found.mean).all()
    assert (found.mean <= found.high).all()


def test_problems_with_another_number_of_answers_do_not_count() -> None:
    records = [*samples(np.ones((3, 4), dtype=bool)), {"id": "odd", "outcome": "wrong"}]
    found = coverage(records)
    assert found is not None
    assert (found.problems, found.at(1)) == (3, 1.0)


def test_one_answer_a_problem_is_no_curve() -> None:
    assert coverage(samples(np.ones((3, 1), dtype=bool))) is None
    assert coverage([]) is None


def test_every_first_k_is_looked_at_and_the_last() -> None:
    assert tries(8) == tuple(range(1, 9))
    found = tries(1000)
    assert found[:16] == tuple(range(1, 17))
    assert found[-1] == 1000
    assert len(found) < 60


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ([0.1, 0.4, 0.6], [0.3, 0.4, 0.5], "ahead up to k = 1, level or behind from k = 2"),
        ([0.1, 0.2, 0.3], [0.2, 0.3, 0.4], "ahead at every k up to 3"),
        ([0.3, 0.4, 0.5], [0.2, 0.4, 0.6], "behind or level at k = 1, ahead from k = 3"),
        ([0.3, 0.4, 0.5], [0.2, 0.3, 0.4], "not ahead of the model before at any k up to 3"),
    ],
)
def test_where_two_curves_cross_is_said(before: list[float], after: list[float], says: str) -> None:
    first, second = (
        Coverage((1, 2, 3), np.array(mean), np.array(mean), np.array(mean), 10)
        for mean in (before, after)
    )
    assert crossing(first, second).startswith(says)


def test_curves_without_a_k_in_common_cross_nowhere() -> None:
    one, other = (
        Coverage((k,), np.array([0.5]), np.array([0.5]), np.array([0.5]), 1) for k in (2, 3)
    )
    assert "no number of tries in common" in crossing(one, other)
