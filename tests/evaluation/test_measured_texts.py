"""Evaluations that read texts, and what confidence is worth, on constructed answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from test_evaluation import config

from etude.build import build
from etude.errors import DataError
from etude.evaluation.calibration import Calibration, reliability
from etude.evaluation.held_out_loss import Demonstrated
from etude.evaluation.interface import Answers
from etude.evaluation.loss import Loss
from etude.evaluation.option_scores import OptionScores
from etude.evaluation.ranking import Ranking
from etude.evaluation.teacher_forced import TokenLogprobs, token_logprobs
from etude.rows import Example, Outcome, Sampled, StopReason, Verdict

torch.set_num_threads(1)


class View:
    """Problems, and log-probs of texts: each character costs its number, the end nothing."""

    def __init__(self, *problems):
        self.given, self.asked = list(problems), []

    def problems(self, most, max_new_tokens=None):
        return self.given[:most]

    def logprobs(self, problems, texts, ended=()):
        self.asked += list(zip(texts, ended, strict=True))
        return [TokenLogprobs(-np.array([float(c) for c in text])) for text in texts]

    def loss(self, problems, max_length):
        return self.given[0] if self.given else None


def values(result):
    return {name: entry["value"] for name, entry in result.evaluation["metrics"].items()}


def test_preferences_are_ranked_by_sums_and_by_means():
    def pair(chosen, rejected, **more):
        columns = {"chosen": chosen, "rejected": rejected, **more}
        return Example(chosen, "s", "p", columns=columns)

    view = View(
        pair("12", "4", rejected_open=True),  # likelier in sum and in mean
        pair("222", "5"),  # in mean alone
        pair("3", "3"),  # as likely
        Example("none", "s", "p"),
    )
    measure = Ranking(bootstrap=10)
    found = values(measure.measure(view))
    assert found == {
        "ranking": pytest.approx(0.5),
        "ranking_per_token": pytest.approx(2.5 / 3),
        "margin": pytest.approx((1 - 1) / 3),
    }
    assert ("4", False) in view.asked and ("12", True) in view.asked
    assert found.keys() == measure.metric_ranges(False).keys()
    with pytest.raises(DataError, match="chosen and rejected"):
        measure.measure(View(Example("none", "s", "p")))


def test_options_are_scored_by_their_texts():
    columns = {"options": ["1", "33", "9"], "answer_index": 0}
    view = View(Example("q", "s", "p", columns=columns))
    measure = OptionScores(written="text", before="0", bootstrap=0)
    result = measure.measure(view)
    found = values(result)
    assert found["log_p_vocab"] == -1 and found["accuracy"] == 1
    assert found["p_choices"] == pytest.approx(1 / (1 + math.exp(-5) + math.exp(-8)))
    assert result.samples[0]["choice_logprobs"] == [-1, -6, -9]
    assert found.keys() == measure.metric_ranges(False).keys()
    with pytest.raises(DataError, match="multiple_choice"):
        measure.measure(View(Example("q", "s", "p")))


def test_the_loss_is_that_of_all_tokens_together():
    found = values(
        Loss(bootstrap=20).measure(View(Demonstrated(np.array([2.0, 4.0]), np.array([1, 5]), 0)))
    )
    assert found == {"loss": 1.0, "perplexity": pytest.approx(math.e)}
    with pytest.raises(DataError, match="response_template"):
        Loss().measure(View())


def answered(rows):
    """Return answers of (extracted, right, probability) to problems."""
    flat = [each for row in rows for each in row]
    return Answers(
        [Example(str(n), "s", "p") for n in range(len(rows))],
        [Sampled((1, 1), (math.log(p),) * 2, StopReason.STOP) for _, _, p in flat],
        [""] * len(flat),
        [
            Verdict(
                Outcome.CRASHED if right is None else Outcome.CORRECT if right else Outcome.WRONG,
                {},
                said,
            )
            for said, right, _ in flat
        ],
        4,
    )


def test_confidence_is_agreement_or_likelihood_and_what_has_no_verdict_is_left_out():
    rows = [
        [("7", True, 0.9), ("7", True, 0.8), ("1", False, 0.2)],
        [("3", False, 0.5), (None, False, 0.1), ("4", None, 0.9)],
    ]
    agreeing = Calibration(samples=3, bootstrap=10)
    assert agreeing.confidences(answered(rows)).tolist() == [0.5, 0.5, 0, 0, 0, 0]
    found = values(agreeing.of(answered(rows)))
    # Right at 0.5 twice, wrong at 0 three times: the sure ones are right too seldom by half.
    assert found["ece"] == pytest.approx(2 / 5 * 0.5)
    assert found["auroc"] == 1.0
    assert found["accuracy"] == pytest.approx((2 / 3 + 0) / 2)
    likely = Calibration(samples=3, confidence="likelihood", bootstrap=10)
    result = likely.of(answered(rows))
    assert [round(s["confidence"], 6) for s in result.samples] == [0.9, 0.8, 0.2, 0.5, 0.1, 0.9]
    brier = (np.mean([0.01, 0.04, 0.04]) + np.mean([0.25, 0.01])) / 2
    assert values(result)["brier"] == pytest.approx(brier)
    assert values(result).keys() == likely.metric_ranges(False).keys()


def test_perfect_confidence_has_no_error():
    sure = np.array([1.0, 1.0, 0.0])
    table = reliability(sure, sure, 10)
    assert [(b["low"], b["confidence"], b["accuracy"]) for b in table] == [(0, 0, 0), (0.9, 1, 1)]


def test_texts_are_read_as_one_by_one_and_the_likeliest_tokens_hold_their_own():
    policy = build(config()["model"], "model").create(1, torch.device("cpu"))
    rows = [((1, 2, 3), (4, 5)), ((6,), (7, 8, 9, 10)), ((2, 3), ())]
    together = token_logprobs(policy, rows, top=10**9)
    assert [len(each.logprobs) for each in together] == [2, 4, 0]
    for row, read in zip(rows[:2], together, strict=False):
        alone = token_logprobs(policy, [row], top=3, batch_tokens=1)[0]
        assert alone.logprobs == pytest.approx(read.logprobs, abs=1e-4)
        assert alone.top == pytest.approx(read.top[:, :3], abs=1e-4)
        assert np.exp(read.top).sum(axis=1) == pytest.approx(1, abs=1e-4)
        assert (np.diff(read.top) <= 0).all()
        assert all(np.abs(r - p).min() < 1e-6 for r, p in zip(read.top, read.logprobs, strict=True))
