"""What a policy-gradient step says of itself, against the same numbers found another way."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
import torch

from etude.learner.forward import measure
from etude.learner.report import group_metrics, row_metrics, written_tokens
from etude.rows import Example, Outcome, Row, StopReason, Verdict


def row(reward: float, length: int, outcome: Outcome, stop: StopReason = StopReason.STOP) -> Row:
    made = Row(
        prompt_id="a",
        index=0,
        prompt=(1,),
        tokens=(2,) * length,
        loss_mask=[1] * length,
        example=Example(id="a", source="a", prompt="1+1="),
        stop_reason=stop,
    )
    failed = outcome in (Outcome.TIMED_OUT, Outcome.CRASHED)
    made.verdict = Verdict(outcome, {} if failed else {"accuracy": reward})
    made.reward = reward
    return made


ROWS = [
    row(1.0, 4, Outcome.CORRECT),
    row(1.0, 8, Outcome.CORRECT),
    row(0.0, 10, Outcome.WRONG),
    row(0.5, 30, Outcome.NO_ANSWER, StopReason.LENGTH),
    row(0.0, 6, Outcome.CRASHED),
]


def test_rewards_are_those_of_rows_that_were_judged() -> None:
    found = row_metrics(ROWS, {})
    judged = [1.0, 1.0, 0.0, 0.5]
    assert found["reward/mean"] == pytest.approx(statistics.mean(judged))
    assert found["reward/std"] == pytest.approx(statistics.pstdev(judged))
    assert (found["reward/min"], found["reward/max"]) == (0.0, 1.0)


def test_lengths_are_told_by_outcome_and_for_answers_that_ended() -> None:
    found = row_metrics(ROWS, {})
    assert found["rollout/length"] == pytest.approx(58 / 5)
    assert found["rollout/length_correct"] == 6
    assert found["rollout/length_wrong"] == 10
    assert found["rollout/length_finished"] == 7
    assert (found["rollout/length_min"], found["rollout/length_max"]) == (4, 30)


def test_a_kind_of_answer_that_there_is_none_of_has_no_length() -> None:
    found = row_metrics([row(0.0, 5, Outcome.WRONG, StopReason.LENGTH)], {})
    assert "rollout/length_correct" not in found and "rollout/length_finished" not in found
    assert row_metrics([], {})["reward/std"] == 0.0


def test_pass_at_n_counts_groups_with_a_right_answer() -> None:
    groups = [ROWS[:3], ROWS[2:4], ROWS[:2], ROWS[4:]]
    assert group_metrics(groups)["groups/pass@n"] == 0.5


def test_tokens_that_were_drawn_for_no_row_are_none_that_were_sampled() -> None:
    given, begun, whole = (row(0.0, 5, Outcome.WRONG) for _ in range(3))
    begun.drawn, whole.drawn = 3, 5
    assert written_tokens([given, begun, whole]) == 3 + 5


#: Stages of which the policy writes everything, and of which it is given whole solutions.
TOLD = {
    "sampled": (),
    "demonstrated": ("objective=luffy", "data_mix.response_template='{solution}'"),
}


@pytest.mark.parametrize("kind", TOLD)
def test_entropy_and_tokens_are_those_the_policy_wrote(learner: Any, kind: str) -> None:
    one = learner("execution.micro_batch_tokens=64", *TOLD[kind])
    groups: list[Any] = []
    gather = one.learner.rollouts.gather

    def noted(*given: Any) -> Any:
        found = gather(*given)
        groups.extend(found.groups)
        return found

    one.learner.rollouts.gather = noted
    before = {name: value.clone() for name, value in one.policy.model.state_dict().items()}
    metrics = one.step(0).metrics
    one.policy.model.load_state_dict(before)
    rows = [each for group in groups for each in group]
    told = measure(one.policy, rows, ["entropy"], token_budget=4096)["entropy"]
    given = [flag for each in rows for flag in each.off_policy or [0] * len(each.tokens)]
    tokens = [value for line in told for value in line]
    own = [value for value, flag in zip(tokens, given, strict=True) if not flag]
    assert (len(own) < len(tokens)) == (kind == "demonstrated")
    assert metrics["policy/entropy"] == pytest.approx(sum(own) / len(own), rel=1e-5)
    assert metrics["tokens/trained"] == len(tokens)
    assert metrics["tokens/sampled"] == len(own)


@pytest.mark.slow
def test_entropy_can_be_left_out_and_changes_nothing_else(learner: Any) -> None:
    with_it, without = learner(), learner("execution.entropy=false")
    told, rest = with_it.step(0).metrics, without.step(0).metrics
    assert {name: value for name, value in told.items() if name != "policy/entropy"} == rest
    for a, b in zip(
        with_it.policy.model.parameters(), without.policy.model.parameters(), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_tokens_are_counted_over_the_stage_each_epoch_of_them(learner: Any) -> None:
    one = learner("training.epochs_per_step=2", "training.updates_per_step=2")
    first, second = one.step(0).metrics, one.step(1).metrics
    assert first["tokens/trained"] == 2 * first["tokens/sampled"]
    assert second["tokens/sampled"] > first["tokens/sampled"]
    assert second["tokens/trained"] == 2 * second["tokens/sampled"]
