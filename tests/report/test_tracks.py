"""Numbers of stages by step become curves: over three axes, as thin as they are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from etude.report.tracks import BUCKETS, points, track


def test_each_axis_counts_from_the_beginning_of_the_stage() -> None:
    metrics = [{"step": n, "reward/mean": 0.5, "tokens/sampled": 100.0 * (n + 1)} for n in range(3)]
    timing = [{"step": n, "seconds": 2.0, "at": 1e9} for n in range(3)]
    found = track(metrics, timing)
    assert found.axes["step"].tolist() == [1, 2, 3]
    assert found.axes["tokens"].tolist() == [100, 200, 300]
    assert found.axes["time"].tolist() == [2, 4, 6]
    assert found.at(1.5) == {"step": 1.5, "tokens": 150.0, "time": 3.0}
    assert "timing/at" not in found.columns


def test_tokens_that_are_read_add_up() -> None:
    found = track([{"step": n, "loss": 1.0, "tokens": 10.0} for n in range(3)], [])
    assert found.axes["tokens"].tolist() == [10, 20, 30]
    assert found.axes["time"].tolist() == [0, 0, 0]


def test_a_step_without_a_number_leaves_a_gap_and_nothing_else() -> None:
    lines = [{"step": 0, "a": 1.0}, {"step": 1, "a": None, "b": 5.0}, {"step": 2, "a": 3.0}]
    found = track(lines, [])
    drawn = points([found], "a")
    assert drawn is not None
    assert drawn.middle.tolist() == [1.0, 3.0]
    assert drawn.axes["step"].tolist() == [1, 3]
    assert points([found], "nowhere") is None
    assert points([track([], [])], "a") is None


def test_a_curve_has_as_many_points_as_are_drawn_and_a_band_around_their_steps() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    found = track([{"step": n, "x": float(v)} for n, v in enumerate(values)], [])
    drawn = points([found], "x")
    assert drawn is not None
    assert drawn.low is not None
    assert drawn.high is not None
    assert len(drawn.middle) == BUCKETS
    assert drawn.low.min() == values.min()
    assert drawn.high.max() == values.max()
    assert (drawn.low <= drawn.middle).all()
    assert (drawn.middle <= drawn.high).all()
    alone = points([found], "x", spread=False)
    assert alone is not None
    assert alone.low is None


def test_seeds_are_one_line_with_a_band_as_far_as_all_have_come() -> None:
    first = track([{"step": n, "x": 1.0} for n in range(4)], [])
    second = track([{"step": n, "x": 3.0} for n in range(3)], [])
    drawn = points([first, second], "x")
    assert drawn is not None
    assert drawn.low is not None
    assert drawn.high is not None
    assert drawn.middle.tolist() == [2.0, 2.0, 2.0]
    assert (drawn.low.tolist(), drawn.high.tolist()) == ([1.0] * 3, [3.0] * 3)


def test_a_number_that_no_step_has_is_not_drawn() -> None:
    assert points([track([{"step": 0, "x": float("nan")}], [])], "x") is None


@pytest.mark.parametrize("count", [1, 2, BUCKETS, BUCKETS + 1, 3 * BUCKETS])
def test_the_mean_of_a_line_stays_a_mean_of_its_steps(count: int) -> None:
    found = track([{"step": n, "x": 1.0} for n in range(count)], [])
    drawn = points([found], "x")
    assert drawn is not None
    assert drawn.middle == pytest.approx(np.ones(min(count, BUCKETS)))
