"""A step that cannot go on says the true cause, as far as the numbers tell it, and what to type."""

import math

import pytest
import torch

from etude.errors import ConfigError, DataError, StageError, VerifierError
from etude.learner.causes import why_alike
from etude.learner.part_values import rewards_of
from etude.learner.report import sample_record
from etude.learner.rollouts import is_judged
from etude.reward_weighting.weighted_sum import WeightedSum
from etude.rows import Example, Outcome, Row, Verdict
from etude.verifier.interface import sound


def row(outcome, parts=None, detail=None):
    verdict = Verdict(outcome, parts or {}, detail=detail)
    return Row("s:1", 0, (1,), (2,), [1], Example("s:1", "s", "?"), verdict=verdict)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_part_that_is_no_number_is_the_verifiers_failure(value):
    verdict = sound(Verdict(Outcome.CORRECT, {"accuracy": 1.0, "format": value}))
    assert verdict.outcome is Outcome.CRASHED and not verdict.parts
    assert verdict.detail == f"part 'format' is {value}, which is no finite number"
    fine = Verdict(Outcome.WRONG, {"accuracy": 0.0})
    assert sound(fine) is fine


def test_a_reward_that_is_no_number_names_the_row_and_the_parts():
    class Ratio:
        def combine(self, parts):
            return parts["accuracy"] / parts["length"]

    rows = [row(Outcome.WRONG, {"accuracy": 0.0, "length": 0.0})]
    with pytest.raises(StageError, match=r"s:1 is nan: reward_weighting=Ratio .*'length': 0\.0"):
        rewards_of(rows, Ratio())


def test_a_part_that_does_not_apply_to_a_row_adds_nothing_to_its_reward():
    rows = [row(Outcome.WRONG, {"accuracy": 0.0}), row(Outcome.WRONG, {"format": 0.5})]
    weighting = WeightedSum(weights={"accuracy": 1.0, "format": 2.0})
    assert rewards_of(rows, weighting) == [0.0, 1.0]
    one = [row(Outcome.CORRECT, {"accuracy": 1.0})]
    with pytest.raises(ConfigError, match=r"weights\.format"):
        rewards_of(one, weighting)
    assert rewards_of(one, weighting, declared=("accuracy", "format")) == [1.0]


R, W, N = Outcome.CORRECT, Outcome.WRONG, Outcome.NO_ANSWER


@pytest.mark.parametrize(
    ("groups", "told", "advice"),
    [
        ([(W, W), (W, N), (R, R)], "2 of 3 groups had no right answer, 1 of 3", "easier prompts"),
        ([(R, R), (R, R), (R, W)], "2 of 3 groups had right answers alone", "harder prompts"),
        ([(N, N), (N, N)], "2 of 2 groups had no answer that could be read", "teach it the form"),
        ([(R, W)], "1 of 1 groups had right and wrong answers", "objective.filter.metric"),
    ],
)
def test_groups_that_are_alike_are_told_by_how(groups, told, advice):
    said = why_alike([[row(outcome) for outcome in group] for group in groups])
    assert told in said and advice in said


class Odd:
    """A judge that gives a part of one answer in eight as nan."""

    def __init__(self, judge, every):
        self.judge, self.every, self.seen = judge, every, 0

    def verify(self, candidates):
        given = self.judge.verify(candidates)
        found = []
        for verdict in given:
            self.seen += 1
            bad = self.seen % self.every == 0
            parts = dict(verdict.parts) | ({"accuracy": math.nan} if bad else {})
            found.append(Verdict(verdict.outcome, parts, verdict.extracted))
        return found

    def close(self):
        self.judge.close()


@pytest.mark.slow
def test_a_nan_of_one_row_is_left_out_counted_and_shown(learner):
    built = learner()
    built.learner.rollouts._judge = Odd(built.learner.rollouts._judge, every=8)
    result = built.step(0)
    assert result.metrics["verifier/crashed"] == 2 / 16
    assert math.isfinite(result.metrics["reward/mean"]) and math.isfinite(result.metrics["loss"])
    broken = [sample for sample in result.samples if sample["outcome"] == "crashed"]
    assert broken and "part 'accuracy' is nan" in broken[0]["detail"]


@pytest.mark.slow
def test_a_verifier_that_fails_on_more_than_its_limit_ends_the_step(learner):
    built = learner("verifier.most_failed=0.1")
    built.learner.rollouts._judge = Odd(built.learner.rollouts._judge, every=8)
    with pytest.raises(VerifierError, match=r"step 0: .* 2 of 16 answers .*most_failed=0\.1"):
        built.step(0)


class Half:
    """A judge that finds every answer half right, and took its time and tokens."""

    def __init__(self, judge):
        self.close, self.seen = judge.close, []

    def verify(self, candidates):
        self.seen += candidates
        parts = {"accuracy": 0.5, "format": 0.0, "length": 1.0}
        return [Verdict(Outcome.PARTIAL, parts, seconds=0.25, tokens=7) for _ in candidates]


@pytest.mark.slow
def test_what_is_partly_right_and_what_judging_took_is_in_metrics_samples_and_timing(learner):
    built = learner()
    judge = built.learner.rollouts._judge = Half(built.learner.rollouts._judge)
    result = built.step(0)
    metrics = result.metrics
    assert (metrics["verifier/partial"], metrics["verifier/correct"]) == (1.0, 0.0)
    assert metrics["verifier/partial_share"] == metrics["reward/accuracy/raw"] == 0.5
    assert (metrics["verifier/tokens"], metrics["verifier/asked"]) == (7 * 16, 1.0)
    assert {(row["share"], row["judging_tokens"]) for row in result.samples} == {(0.5, 7)}
    assert result.timing["seconds/verifier_p50"] == result.timing["seconds/verifier_max"] == 0.25
    assert not any("second" in key for row in result.samples for key in row)
    tokenizer = built.policy.tokenizer
    for candidate in judge.seen:
        assert candidate.rendered == tokenizer.decode(tokenizer.encode(candidate.rendered))
        assert candidate.prompt in candidate.rendered


@pytest.mark.slow
def test_a_nan_of_every_row_names_the_part_and_not_the_learning_rate(learner):
    built = learner()
    built.learner.rollouts._judge = Odd(built.learner.rollouts._judge, every=1)
    with pytest.raises(VerifierError, match=r"16 × crashed: part 'accuracy' is nan") as met:
        built.step(0)
    assert "optimizer.lr" not in str(met.value) and "verifier.timeout" not in str(met.value)


@pytest.mark.slow
def test_a_training_sample_has_the_gold_and_the_prompt_as_it_was_read(learner):
    built = learner()
    gathered = built.learner.rollouts.gather(0, built.learner.curriculum.plan(0))
    for some in gathered.sampled:
        record = sample_record(some, built.learner.rollouts.policy)
        assert record["answer"] == some.example.columns["answer"] is not None
        assert record["rendered"] == built.policy.tokenizer.decode(list(some.sampled_prompt))
        assert is_judged(some)


@pytest.mark.slow
def test_a_filter_that_keeps_nothing_says_how_the_groups_were(learner):
    built = learner("objective=dapo", "objective.filter.max_batches=2", "seed=3")
    with pytest.raises(DataError, match=r"of 8 groups had no .*objective/filter=none"):
        built.step(0)


def spoilt(policy, value):
    with torch.no_grad():
        next(iter(policy.model.parameters())).fill_(value)


@pytest.mark.slow
def test_a_gradient_that_is_not_finite_is_told_by_what_is_known(learner):
    built = learner(stage="sft")
    trainee, policy = built.trainee, built.policy
    weight = next(iter(policy.model.parameters()))

    def update(scale, step):
        return trainee.update([(weight * weight).sum() * scale], step)

    with pytest.raises(StageError, match=r"no update was made before.*and not optimizer\.lr"):
        update(math.nan, 0)
    update(1.0, 0)
    with pytest.raises(StageError, match=r"the weights are finite.*learning rate .*metrics\.jsonl"):
        update(math.inf, 1)
    spoilt(policy, math.nan)
    with pytest.raises(StageError, match=r"an update has spoiled them.*a smaller optimizer\.lr"):
        update(1.0, 1)
    policy.updates = 0
    with pytest.raises(StageError, match="the model that the stage starts from is broken"):
        update(1.0, 0)
