"""What a chain of stages keeps and gains: invariants of the matrix."""

from __future__ import annotations

import numpy as np
import pytest

from etude.errors import DataError
from etude.measures.transfer import (
    StageMatrix,
    relative_performance,
    sample_efficiency,
    smoothed,
)


def test_scores_that_never_move_keep_everything_and_transfer_nothing():
    matrix = StageMatrix(["a", "b"], [["a"], ["b"], []], np.full((4, 2), 0.3), ["x", "y", "z"])
    assert matrix.maintenance() == {"a": 0.0, "b": 0.0}
    assert {(t.contrast, t.ratio) for t in matrix.transfers()} == {(0.0, 1.0)}
    assert matrix.final_mean == matrix.mean_evaluation == pytest.approx(0.3)


def test_going_back_the_same_way_turns_the_sign_of_the_contrast():
    scores = np.array([[0.2, 0.4], [0.2, 0.1]])
    there = StageMatrix(["a", "b"], [["a"]], scores).transfers()[0]
    back = StageMatrix(["a", "b"], [["a"]], scores[::-1]).transfers()[0]
    assert there.contrast == -back.contrast == pytest.approx(-0.6)
    assert there.forward


def test_a_stage_that_trains_no_benchmark_transfers_to_all_under_its_own_name():
    scores = np.array([[0.2, 0.4], [0.3, 0.4], [0.3, 0.2]])
    matrix = StageMatrix(["a", "b"], [[], ["a", "b"]], scores, ["chat", "both"])
    assert [(t.source, t.target, t.stage) for t in matrix.transfers()] == [
        ("chat", "a", 0),
        ("chat", "b", 0),
    ]


def test_a_stage_that_trains_a_benchmark_again_is_a_new_reference_and_no_loss():
    scores = np.array([[0.0], [0.8], [0.5], [0.9], [0.7]])
    matrix = StageMatrix(["a"], [["a"], [], ["a"], []], scores)
    assert matrix.maintenance() == {"a": pytest.approx((-0.3 - 0.2) / 2)}


def test_a_matrix_of_another_shape_or_of_unknown_names_is_refused():
    with pytest.raises(DataError, match=r"2 stages and 1 benchmarks make \[3, 1\]"):
        StageMatrix(["a"], [["a"], []], np.zeros((2, 1)))
    with pytest.raises(DataError, match="'b', which is no benchmark"):
        StageMatrix(["a"], [["b"]], np.zeros((2, 1)))


def test_curves_against_runs_alone():
    assert relative_performance([1.0, 1.0], [[2.0, 2.0], [1.0, 1.0, 5.0]]) == pytest.approx(0.75)
    assert relative_performance([1.0], []) is None
    assert relative_performance([1.0], [[0.0]]) is None
    # Twice as high, in half the steps.
    assert sample_efficiency([0.0, 2.0, 2.0], [0.0, 0.5, 1.0]) == pytest.approx(4.0)
    assert sample_efficiency([0.0, 0.1], [0.0, 1.0]) == 0.0  # below a fifth of the other
    assert sample_efficiency([1.0, 0.5], [0.0, 1.0]) == 0.0  # it falls
    assert sample_efficiency([0.5, 0.5], [0.0, 1.0]) is None  # saturated before its first step
    assert smoothed([1.0, 3.0, 5.0], 2) == [1.0, 2.0, 4.0]
