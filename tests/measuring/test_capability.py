"""Capability beside accuracy, through the evaluations."""

from __future__ import annotations

import json

import numpy as np
import pytest

from etude.evaluation.flows import flows
from etude.evaluation.interface import Answers
from etude.evaluation.pass_at_k import PassAtK
from etude.evaluation.resampled_at_k import ResampledAtK
from etude.evaluation.statistics import worst_at_k
from etude.rows import Example, Outcome, Sampled, StopReason, Verdict
from etude.statistics.splits import moved


def drawn(seed, problems=60, n=8):
    random = np.random.default_rng(seed)
    return random.random((problems, n)) < random.random((problems, 1)) ** 4


def answers(correct, extracted=None):
    """Return judged answers; a right one has 2 tokens, a wrong one 5."""
    flat = correct.ravel().tolist()
    texts = extracted or [None] * len(flat)
    return Answers(
        [Example(f"p{n}", "made", "q") for n in range(len(correct))],
        [
            Sampled((1,) * (2 if it else 5), (0.0,) * (2 if it else 5), StopReason.STOP)
            for it in flat
        ],
        [""] * len(flat),
        [
            Verdict(Outcome.CORRECT if it else Outcome.WRONG, {}, text)
            for it, text in zip(flat, texts, strict=True)
        ],
        8,
    )


def test_worst_at_k_is_the_share_of_subsets_with_no_wrong_answer():
    correct = np.array([[1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]], dtype=bool)
    assert worst_at_k(correct, 2) == pytest.approx([3 / 6, 1, 0])
    assert worst_at_k(correct, 1) == pytest.approx(correct.mean(axis=1))


def test_an_evaluation_tells_lengths_by_outcome_and_what_came_of_a_base(tmp_path):
    before, after = drawn(3, 12, 4), drawn(4, 12, 4)
    records = [
        {"id": f"p{n}", "outcome": "correct" if it else "wrong"}
        for n, row in enumerate(before)
        for it in row
    ]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    measure = PassAtK(samples=4, k=[1, 2, 4], base=str(tmp_path), bootstrap=200)
    metrics = measure.of(answers(after)).evaluation["metrics"]
    assert metrics.keys() <= measure.metric_ranges(False).keys()
    assert metrics["length_correct"] == {"value": 2, "low": 2, "high": 2}
    assert metrics["length_incorrect"]["value"] == 5
    flow = moved(before, after)
    assert metrics["capability_gain"]["value"] == pytest.approx(flow.gain / 12)
    assert metrics["self_distillation"]["value"] == pytest.approx(flow.distillation / 12)
    assert metrics["forgotten"]["value"] == pytest.approx(flow.forgetting / 12)
    assert metrics["forgotten"]["low"] <= metrics["forgotten"]["value"]
    assert metrics["worst@2"]["value"] == pytest.approx(worst_at_k(after, 2).mean())
    none = measure.of(answers(np.zeros((12, 4), dtype=bool))).evaluation["metrics"]
    assert "length_correct" not in none


def test_what_is_drawn_with_replacement_lies_below_pass_at_k_and_one_draw_is_accuracy():
    correct = drawn(5, 10, 6)
    texts = [str(n % 3) for n in range(60)]
    result = ResampledAtK(samples=6, k=[1, 4], subsets=200).of(answers(correct, texts))
    metrics = {name: entry["value"] for name, entry in result.evaluation["metrics"].items()}
    assert metrics["best@1_resampled"] == metrics["worst@1_resampled"]
    assert metrics["maj@1_resampled"] == metrics["best@1_resampled"]
    assert metrics["best@1_resampled"] == pytest.approx(correct.mean(), abs=0.05)
    unbiased = PassAtK(samples=6, k=[4]).of(answers(correct)).evaluation["metrics"]["pass@4"]
    assert metrics["best@4_resampled"] < unbiased["value"]
    assert len(result.samples) == 60


def test_an_answer_that_says_nothing_votes_unless_it_is_dropped():
    words = (["", "", "7"], [0.0, 0.0, 1.0])
    assert ResampledAtK().vote(*words) == 0.0
    assert ResampledAtK(drop_empty=True).vote(*words) == 1.0
    assert ResampledAtK(drop_empty=True).vote([""], [0.0]) == 0.0


def test_what_each_problem_adds_sums_to_the_change_of_accuracy():
    before, after = drawn(1), drawn(2)
    parts = flows(before.tolist(), after)
    net = parts["capability_gain"] + parts["self_distillation"] - parts["forgotten"]
    assert net == pytest.approx(after.mean(axis=1) - before.mean(axis=1))
    assert parts["gained"].sum() - parts["lost"].sum() == (
        after.any(axis=1).sum() - before.any(axis=1).sum()
    )
