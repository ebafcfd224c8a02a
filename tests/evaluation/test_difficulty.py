"""Accuracy, capability, what is out of reach, and where a model gained."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from etude.errors import DataError
from etude.evaluation.difficulty import by_difficulty, read_rates
from etude.evaluation.statistics import pass_at_k, unreached, unreached_bound


def test_capability_is_at_least_accuracy_and_grows_with_every_try():
    random = np.random.Generator(np.random.Philox(key=1))
    correct = random.random((40, 16)) < random.random((40, 1)) ** 3
    curve = [float(pass_at_k(correct, k).mean()) for k in range(1, 17)]
    assert curve[0] == pytest.approx(float(correct.mean()))
    assert all(later >= earlier for earlier, later in pairwise(curve))
    assert curve[-1] == pytest.approx(1 - float(unreached(correct).mean()))


def test_a_question_never_solved_in_256_tries_is_solved_with_a_chance_of_about_a_percent():
    assert unreached_bound(256) == pytest.approx(0.0116, abs=5e-5)
    assert (1 - unreached_bound(16)) ** 16 == pytest.approx(0.05)
    assert unreached_bound(16, level=0.5) < unreached_bound(16)


def test_change_is_told_by_how_hard_the_base_model_found_the_problems():
    base = {"a": 0.0, "b": 0.2, "c": 0.5, "d": 1.0, "gone": 0.9}
    now = {"a": 0.0, "b": 0.0, "c": 1.0, "d": 1.0, "new": 0.3}
    strata = by_difficulty(base, now, resamples=50)
    assert [(s.low, s.high, s.problems) for s in strata] == [
        (0, 0.25, 2),
        (0.5, 0.75, 1),
        (0.75, 1, 1),
    ]
    assert [s.change.value for s in strata] == pytest.approx([-0.1, 0.5, 0.0])
    assert (strata[0].base, strata[0].now) == pytest.approx((0.1, 0.0))
    assert strata[0].change.low <= -0.1 <= strata[0].change.high
    assert [s.name for s in strata] == ["change/0-0.25", "change/0.5-0.75", "change/0.75-1"]
    together = sum(s.problems * s.change.value for s in strata)
    assert together == pytest.approx(sum(now[n] - base[n] for n in "abcd"))


def test_models_measured_on_other_problems_share_no_bin():
    assert by_difficulty({"a": 0.5}, {"b": 0.5}) == []


def test_rates_are_read_from_the_samples_of_an_evaluation(tmp_path):
    records = [
        {"id": n, "outcome": o} for n, o in (("a", "correct"), ("a", "wrong"), ("b", "wrong"))
    ]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    assert read_rates(tmp_path) == read_rates(tmp_path / "samples.jsonl") == {"a": 0.5, "b": 0.0}
    with pytest.raises(DataError, match=r"evaluation\.base=.*outputs/evaluations/NAME"):
        read_rates(tmp_path / "nowhere")
    (tmp_path / "samples.jsonl").write_text("no json\n")
    with pytest.raises(DataError, match="no samples of an evaluation"):
        read_rates(tmp_path)
