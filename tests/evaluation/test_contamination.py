"""What a model thinks of its own answers, and how suspicious they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from test_evaluation import config, defaults

from etude.build import build
from etude.evaluation.contamination import Contamination, _reworded
from etude.evaluation.detectors import TokenStatistics, alike, cdd, detection
from etude.evaluation.run import evaluate_policy
from etude.rows import Example, Message

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def policy():
    return build(config()["model"], "model").create(1, torch.device("cpu"))


def under(**options):
    """Return a config with this evaluation on six problems of six tokens."""
    node = config()
    node["data_mix"]["response_template"] = None
    chosen = {"problems": 6, "bootstrap": 20, **options}
    return {**node, "evaluation": defaults("evaluation", "contamination", **chosen)}


def test_every_detector_scores_every_problem_and_tells_members_from_others(policy):
    options = {"perturbed": True, "cdd_samples": 2, "member_column": "answer"}
    node = under(**options)
    result, samples = evaluate_policy(node, policy)
    measure = Contamination(problems=6, **options)
    assert result["metrics"].keys() <= measure.metric_ranges(False).keys()
    assert [set(each["scores"]) for each in samples] == [set(measure.detectors())] * 6
    assert all(0 <= each["scores"]["self_critique"] <= 1 for each in samples)
    assert len({each["id"] for each in samples}) == 6
    # No answer is "true", so there is one class: nothing is told of how well members are found.
    assert result["detectors"]["self_critique"]["auc"] is None
    member = samples[0]["id"]
    result, samples = evaluate_policy(under(members=[member]), policy)
    assert [each["member"] for each in samples] == [True, *[False] * 5]
    assert result["metrics"]["self_critique/auc"]["value"] == pytest.approx(
        np.mean(
            [
                samples[0]["scores"]["self_critique"] > each["scores"]["self_critique"]
                for each in samples[1:]
            ]
        )
    )
    assert result["settings"]["top_k"] == 50


def test_the_whole_vocabulary_has_more_entropy_than_its_head(policy):
    entropies = [
        evaluate_policy(under(top_k=k, show_answer=False), policy)[0]["metrics"]["entropy"]["value"]
        for k in (2, None)
    ]
    assert entropies[0] < entropies[1] <= math.log(policy.causal_lm.config.vocab_size)


def test_a_second_prompt_goes_to_the_last_message_of_the_person():
    talk = (Message("user", "a"), Message("assistant", "b"), Message("user", "{x}"))
    found = _reworded(Example("1", "s", "p", messages=talk), "say {prompt}", "again")
    assert [m.content for m in found.messages] == ["a", "b", "say {x}"]
    assert (found.id, found.prompt) == ("1#again", "say p")


def test_likeness_ignores_scale_and_heeds_order_and_length():
    first, second = [1.0, 2.0, 0.5], [0.5, 1.0, 3.0, 0.25]
    assert alike(first, first) == pytest.approx(1)
    assert alike(first, second) == pytest.approx(alike(second, first))
    assert alike([3 * e for e in first], second) == pytest.approx(alike(first, second))
    assert alike(first, second[::-1]) != pytest.approx(alike(first, second))


def test_a_score_turned_round_has_the_rest_of_the_area():
    random = np.random.default_rng(0)
    members = random.random(80) < 0.4
    scores = np.round(random.normal(size=80) + members, 1)  # ties too
    found = detection(members, scores)
    assert found.auc + detection(members, -scores).auc == pytest.approx(1)
    pairs = scores[members][:, None] - scores[~members][None]
    assert found.auc == pytest.approx(float(((pairs > 0) + (pairs == 0) / 2).mean()))
    assert 0.5 < found.auc < 1 and 0 <= found.tpr_at_5 <= 1
    best = max(
        (members & (scores >= t)).sum() / members.sum()
        - (~members & (scores >= t)).sum() / (~members).sum()
        for t in scores
    )
    assert found.j == pytest.approx(best)


def test_long_answers_are_compared_by_their_beginnings():
    greedy = list(range(150))
    same_head = [*range(100), *[0] * 50]
    assert cdd(greedy, [same_head, list(reversed(greedy))]) == 0.5
    assert cdd(greedy[:90], [same_head]) == 0.0  # one is short, so both are whole
    assert math.isnan(cdd(greedy, []))


def test_scores_that_cannot_be_formed_are_nan():
    empty = TokenStatistics(*(np.zeros(0) for _ in range(4)))
    found = Contamination(perturbed=True).scores([empty], [empty], [empty])
    assert all(math.isnan(values[0]) for values in found.values())
