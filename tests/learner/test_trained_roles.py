"""Roles trained beside the policy: each on rows of its own, in its own steps, by its own means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from etude.curriculum.interface import StepPlan
from etude.execute import tree
from etude.feedback import StepFeedback

#: A second model with an objective, an optimizer, a limit and weights of its own.
OTHER = (
    "models.other=start",
    "models.other.train.objective=rloo",
    "models.other.train.objective.regularizer=[kl]",
    "models.other.train.optimizer.lr=1e-3",
    "models.other.train.rollout.stop_token_ids=[3,5,7,11,13,17,19]",  # so that answers differ
    "models.other.train.rollout.max_new_tokens=20",
    "+models.other.train.reward_weighting.weights.length=-0.2",
)
ALTERNATING = (*OTHER, "models.other.train.schedule=alternating")
NEVER = (*OTHER, "models.other.train.schedule=together", "models.other.train.schedule.start=1000")


def weights(policy: Any) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in policy.model.parameters()]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def of_policy(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.startswith("other/")}


def test_a_role_that_is_never_due_changes_nothing_to_the_bit(learner: Any) -> None:
    plain, beside = learner(), learner(*NEVER)
    before = weights(beside.model("other"))
    for step in range(3):
        one, two = plain.step(step), beside.step(step)
        assert of_policy(two.metrics) == one.metrics
        assert two.samples == one.samples
    assert same(weights(plain.policy), weights(beside.policy))
    assert same(before, weights(beside.model("other")))


def test_each_model_moves_in_its_own_steps_alone(learner: Any) -> None:
    made = learner(*ALTERNATING)
    moved = []
    for step in range(4):
        before = weights(made.policy), weights(made.model("other"))
        done = made.step(step)
        after = weights(made.policy), weights(made.model("other"))
        moved.append([not same(*pair) for pair in zip(before, after, strict=True)])
        assert ("reward/mean" in done.metrics) == (step % 2 == 0)
        assert ("other/reward/mean" in done.metrics) == (step % 2 == 1)
    assert moved == [[True, False], [False, True]] * 2


def test_roles_may_begin_alone(learner: Any) -> None:
    schedule = "models.other.train.schedule"
    made = learner(*ALTERNATING, f"{schedule}.first=1", f"{schedule}.policy_steps=2")
    mine = [made.step(step).metrics["update/skipped"] for step in range(4)]
    assert mine == [1.0, 0.0, 0.0, 1.0]


def test_a_role_learns_by_what_lies_over_the_stage(learner: Any) -> None:
    made = learner(*OTHER)
    own = made.trained["other"]
    assert own.parts.objective.advantage != made.parts.objective.advantage
    assert own.parts.verifier == made.parts.verifier
    assert own.verifier is not made.verifier
    done = made.step(0)
    assert done.metrics["other/learning_rate"] == 1e-3
    assert done.metrics["other/learning_rate"] != done.metrics["learning_rate"]
    assert done.metrics["other/rollout/length_max"] <= 20
    assert done.metrics["other/objective/kl_reference"] == pytest.approx(0.0, abs=1e-6)
    assert "objective/kl_reference" not in done.metrics
    assert done.metrics["other/reward/length/weighted"] < 0 < done.metrics["reward/length/weighted"]


def test_a_role_answers_the_prompts_of_the_stage_with_draws_of_its_own(learner: Any) -> None:
    made = learner(*OTHER, "models.other.train.rollout.max_new_tokens=24")
    done = made.step(0)
    mine = [each for each in done.samples if "role" not in each]
    theirs = [each for each in done.samples if each.get("role") == "other"]
    assert {each["id"] for each in mine} == {each["id"] for each in theirs}
    assert [each["response"] for each in mine] != [each["response"] for each in theirs]


def test_rows_know_whose_they_are(learner: Any) -> None:
    made = learner(*OTHER)
    heard: list[StepFeedback] = []
    made.live["curriculum"].observe = heard.append
    own: list[StepFeedback] = []
    made.trained["other"].live["listener"] = type("Listener", (), {"observe": own.append})()
    made.step(0)
    (feedback,), (theirs,) = heard, own
    assert {row.role for row in feedback.rows} == {"policy"}
    assert {row.role for row in feedback.roles["other"].rows} == {"other"}
    assert theirs.rows == feedback.roles["other"].rows
    assert made.history.column("step").max() == made.trained["other"].history.column("step").max()


def test_a_resumed_stage_goes_on_to_the_bit(learner: Any, tmp_path: Path) -> None:
    schedule = ("models.other.train.schedule=together", "models.other.train.schedule.every=2")
    chosen = (*OTHER, *schedule, "models.other.train.objective.shaping=[kl_penalty]")
    whole, begun = learner(*chosen), learner(*chosen)
    first = weights(whole.model("other"))
    told = [whole.step(step) for step in range(4)]
    assert not same(first, weights(whole.model("other")))
    for step in range(2):
        begun.step(step)
    tree.save(begun.state_dict(), tmp_path / "saved")
    gone_on = learner(*chosen)
    gone_on.load_state_dict(tree.load(tmp_path / "saved"))
    for step in (2, 3):
        again = gone_on.step(step)
        assert again.metrics == told[step].metrics
        assert again.samples == told[step].samples
    assert same(weights(whole.policy), weights(gone_on.policy))
    assert same(weights(whole.model("other")), weights(gone_on.model("other")))
    assert "models.other" in begun.state_dict()["live"]


def test_a_role_is_handed_on_beside_the_model(learner: Any, tmp_path: Path) -> None:
    made = learner(*OTHER)
    made.step(0)
    made.export(tmp_path)
    handed = learner(start=tmp_path / "roles" / "other")
    assert same(weights(handed.policy), weights(made.model("other")))
    assert not same(weights(handed.policy), weights(made.policy))


def test_the_engine_of_a_role_has_its_weights_after_its_update(learner: Any) -> None:
    made = learner(*ALTERNATING)
    engine = made.engine("other")
    assert engine is made.trained["other"].engine("other")
    synced: list[int] = []
    sync = engine.sync
    engine.sync = lambda policy: (synced.append(step), sync(policy))
    for step in range(2):
        made.step(step)
    assert synced == [1]


def test_a_role_may_have_a_critic_of_its_own(learner: Any) -> None:
    chosen = ("models.other=start", "models.judge=start", "models.other.train.objective=ppo")
    made = learner(*chosen, "models.other.train.objective.critic.role=judge")
    before = weights(made.learner.roles[0].critic._policy)
    for step in range(2):  # a head of zeros hands the first step no gradient on
        done = made.step(step)
    assert "other/critic/gradient_norm" in done.metrics
    assert not same(before, weights(made.learner.roles[0].critic._policy))
    assert set(made.trained["other"].state_dict()["live"]) >= {"models.judge", "model"}


PROOFREAD = (
    f"rollout/episode={Path(__file__).parents[1] / 'proofread.py'}:Proofread",
    "models.reader=start",
    "models.reader.train.objective=grpo",
    "models.reader.train.verifier=exact",
    "models.reader.train.reward_weighting.weights={accuracy: 1.0, length: -0.1}",
    "models.reader.train.optimizer.lr=1e-3",
    "rollout.stop_token_ids=[3,5,7,11,13,17,19]",
)


def test_a_role_learns_from_rows_that_an_episode_has_it_write(learner: Any) -> None:
    made = learner(*PROOFREAD)
    heard: list[StepFeedback] = []
    made.live["curriculum"].observe = heard.append
    before = weights(made.policy), weights(made.model("reader"))
    done = made.step(0)
    assert not same(before[0], weights(made.policy))
    assert not same(before[1], weights(made.model("reader")))
    (feedback,) = heard
    assert {row.role for row in feedback.rows} == {"policy"}
    theirs = feedback.roles["reader"].rows
    assert {row.role for row in theirs} == {"reader"}
    assert len(theirs) == len(feedback.rows) == 16
    read = [each for each in done.samples if each.get("role") == "reader"]
    assert all(each["response"] == "" or each["prompt"] for each in read)
    assert "reader/reward/length/weighted" in done.metrics


def test_rows_of_a_role_are_made_in_steps_that_are_its_alone(learner: Any) -> None:
    alone = ("models.reader.train.schedule=alternating", "models.reader.train.schedule.first=1")
    made = learner(*PROOFREAD, *alone)
    before = weights(made.policy), weights(made.model("reader"))
    done = made.step(0)
    assert same(before[0], weights(made.policy))
    assert not same(before[1], weights(made.model("reader")))
    assert done.metrics["rollout/rows"] == done.metrics["reader/rollout/rows"] == 16


@pytest.mark.parametrize("chunk", [1, 2, 6])
def test_rows_of_a_role_that_are_written_in_rounds_are_one_group_a_prompt(
    learner: Any, chunk: int
) -> None:
    rounds = ("rollout/budget=broad", "rollout.budget.rollouts=6", f"rollout.budget.chunk={chunk}")
    made = learner(*PROOFREAD, *rounds)
    (theirs,) = [made.step(0).told.roles["reader"]]
    assert [len(group) for group in theirs.judged] == [6] * 4
    assert all(len({row.id for row in group}) == 1 for group in theirs.judged)


def test_a_step_in_which_the_policy_does_not_learn_moves_it_in_no_way_and_says_its_rewards(
    learner: Any,
) -> None:
    extra = (
        "objective=relift",
        "objective.extra_update.relift.size=2",
        "objective.extra_update.relift.mini_batch=2",
    )
    alone = ("models.reader.train.schedule=alternating", "models.reader.train.schedule.first=1")
    plain, made = learner(*PROOFREAD, *extra), learner(*PROOFREAD, *extra, *alone)
    before = weights(made.policy)
    learned, kept = plain.step(0), made.step(0)
    assert same(before, weights(made.policy))
    assert not any(name.startswith("extra/") for name in kept.metrics)
    for name in ("reward/mean", "reward/std", "groups/signal", "groups/none_correct"):
        assert kept.metrics[name] == learned.metrics[name]
    assert kept.metrics["reward/mean"] != 0 and kept.metrics["groups/signal"] > 0
    told = [[row.reward for row in each.told.rows] for each in (kept, learned)]
    assert told[0] == told[1]
    assert [each["reward"] for each in kept.samples] == [each["reward"] for each in learned.samples]


def test_a_roles_components_hear_the_numbers_of_its_own_turn(learner: Any) -> None:
    made = learner(*ALTERNATING)
    own: list[StepFeedback] = []
    made.trained["other"].live["listener"] = type("Listener", (), {"observe": own.append})()
    done = [made.step(step) for step in range(2)]
    assert own[0].metrics == {}  # the step of the policy alone
    assert own[1].metrics
    for name, value in own[1].metrics.items():
        assert done[1].metrics[f"other/{name}"] == value


def test_rows_that_a_role_wrote_are_counted_and_told_when_it_is_not_due(learner: Any) -> None:
    later = ("models.reader.train.schedule=together", "models.reader.train.schedule.start=1")
    made = learner(*PROOFREAD, *later)
    before = weights(made.model("reader"))
    sampled: list[int] = []
    engine = made.engine("reader")
    sample = engine.sample

    def counting(*args: Any, **kwargs: Any) -> Any:
        found = sample(*args, **kwargs)
        sampled.extend(len(each.tokens) for each in found)
        return found

    engine.sample = counting
    done = made.step(0)
    assert same(before, weights(made.model("reader")))
    assert done.metrics["reader/tokens/sampled"] == sum(sampled) > 0
    assert done.metrics["reader/update/skipped"] == 1
    told = done.told.roles["reader"]
    assert len(told.rows) == 16 and told.trained == 0
    assert all(row.reward == row.reward for row in told.rows)


def test_a_written_role_has_the_limit_that_its_rows_had(learner: Any) -> None:
    made = learner(*PROOFREAD)
    made.live["curriculum"].plan = lambda step: StepPlan(max_new_tokens=6)
    made.step(0)
    assert made.learner.roles[0].rollouts.max_new_tokens == 6


def test_a_budget_says_nothing_of_a_step_in_which_nothing_was_sampled(learner: Any) -> None:
    made = learner(*ALTERNATING, "rollout/budget=adaptive", "rollout.budget.start=2")
    said = [
        {
            name.partition("rollout/budget/")[0]
            for name in made.step(step).metrics
            if "/budget/" in name
        }
        for step in range(2)
    ]
    assert said == [{""}, {"other/"}]
