"""Demonstrations that take places in a group, and advantages that leave them out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from objective_cases import composed, random_rows, take

from etude.build import build
from etude.config.prepare import prepare
from etude.errors import ConfigError
from etude.objective.guidance.demonstrations import Demonstrations
from etude.rows import Example, Row
from given_answers import GivenAnswers, answer

SOLUTION = "7+8=15 A:15"
#: Problems with answers and no solutions.
WITHOUT_SOLUTIONS = ("~data_mix.train.arithmetic", "+data_mix.train.deepscaler={split: train}")


def given(texts: dict[str, str], *, step: int = 0) -> GivenAnswers:
    def answers(asked: Example, visit: int) -> list[Row]:
        return [answer(asked, visit * 10 + i, text="no") for i in range(sizes[visit])]

    sizes = [3, 1]
    return GivenAnswers(answers, texts, step=step)


def examples(*ids: str) -> list[Example]:
    return [Example(id=each, source="given", prompt=f"{each}?") for each in ids]


def test_demonstrations_take_places_and_own_answers_fill_those_that_are_left() -> None:
    made = Demonstrations().groups(examples("a", "b"), 4, given({"a": SOLUTION}), None)
    with_one, without = made.rows
    assert [len(with_one), len(without)] == [4, 4]
    assert [sum(row.off_policy) for row in with_one] == [0, 0, 0, len(SOLUTION)]
    assert not any(sum(row.off_policy) for row in without)
    assert made.counts == {
        "guidance/without_solution": (1, 2),
        "guidance/correct_own": (0, 7),
        "guidance/given_share": (1.0, 1),
        "guidance/given_tokens": (len(SOLUTION), 1),
    }


def test_a_ratio_gives_the_head_and_the_rest_is_the_policy_s() -> None:
    guidance = Demonstrations(min_ratio=0.5, max_ratio=0.5)
    (group,) = guidance.groups(examples("a"), 4, given({"a": SOLUTION}), None).rows
    assert group[-1].off_policy == [1] * 5 + [0] * 6


def test_random_ratios_are_keyed_by_step_prompt_and_place() -> None:
    guidance = Demonstrations(min_ratio=0.2, max_ratio=0.6)
    drawn = {
        key: guidance.ratio(*key)
        for key in [(1, 0, "a", 0), (1, 0, "a", 1), (1, 0, "b", 0), (1, 1, "a", 0), (2, 0, "a", 0)]
    }
    assert len(set(drawn.values())) == 5
    assert all(0.2 <= ratio <= 0.6 for ratio in drawn.values())
    assert all(guidance.ratio(*key) == ratio for key, ratio in drawn.items())


def test_the_linear_schedule_falls_to_nothing() -> None:
    guidance = Demonstrations(strategy="linear")
    ratios = [guidance.ratio(1, step, "a", 0) for step in (0, 500, 1000, 2000)]
    assert ratios == pytest.approx([0.8, 0.4, 0.0, 0.0])
    (group,) = guidance.groups(examples("a"), 4, given({"a": SOLUTION}, step=500), None).rows
    assert sum(group[-1].off_policy) == int(0.4 * len(SOLUTION))


def test_a_group_must_keep_a_place_for_the_policy() -> None:
    with pytest.raises(ConfigError, match=r"count  is 8.*rollouts_per_prompt=8"):
        prepare(["recipe=rl", "objective=luffy", "objective.guidance.count=8"])


def test_a_smallest_share_above_the_largest_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_ratio"):
        build({"name": "demonstrations", "min_ratio": 0.9, "max_ratio": 0.5}, "objective/guidance")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["objective=grpo", "objective/guidance=demonstrations"], "because the policy did not"),
        (["objective=luffy", "objective/policy_loss=clipped"], "objective/policy_loss=rl_plus"),
        (["objective=rl_plus", *WITHOUT_SOLUTIONS], "needs the data column 'solution'"),
        (["objective=ghpo", *WITHOUT_SOLUTIONS], "needs the data column 'solution'"),
        (["objective=guide", *WITHOUT_SOLUTIONS], "needs the data column 'solution'"),
        (["objective/guidance=guide"], "needs the data column 'hint'"),
    ],
)
def test_guidance_without_what_it_needs_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(["recipe=rl", *overrides])


@pytest.mark.parametrize(
    "overrides",
    [
        ["objective=rl_plus", "objective/policy_loss=luffy", "objective/advantage=grpo_split"],
        ["objective=luffy", "objective/guidance=hints"],
        ["objective=rloo", "objective/guidance=hints"],
        ["objective=ghpo", "objective/advantage=rloo"],
        ["objective=ppo", "objective/guidance=guide_or_solution"],
        ["objective=dapo", "objective/guidance=hints"],
        ["objective=rl_plus", *WITHOUT_SOLUTIONS, "+data_mix.demonstrations.arithmetic={}"],
    ],
)
def test_parts_of_guidance_combine_with_other_objectives(overrides: list[str]) -> None:
    ((_, stages),) = prepare(["recipe=rl", *overrides]).runs
    assert stages[0].learner == "policy_gradient"


def split(batch: Any, **options: Any) -> torch.Tensor:
    objective = composed("objective=rl_plus", "objective/advantage=grpo_split")
    part = dataclasses.replace(objective.advantage, **options)
    return dataclasses.replace(objective, advantage=part).advantages(batch)


def test_split_advantages_without_demonstrations_are_grpo_s() -> None:
    batch = dataclasses.replace(random_rows().batch, off_policy=None)
    torch.testing.assert_close(split(batch), composed("objective=grpo").advantages(batch))


def test_a_demonstration_does_not_move_the_others_advantages() -> None:
    batch = random_rows().batch  # row 3 is a demonstration of its group, row 8 has a given head
    raised = dataclasses.replace(batch, rewards=batch.rewards + (torch.arange(11) == 3) * 5)
    one, other = split(batch), split(raised)
    same = torch.arange(11) != 3
    assert torch.equal(one[same], other[same])
    assert other[3, 0] > one[3, 0]


def test_split_advantages_do_not_depend_on_the_order_of_rows() -> None:
    batch = random_rows().batch
    order = torch.randperm(11, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(split(take(batch, order)), split(batch)[order])


def test_a_group_of_demonstrations_alone_has_mean_0_and_std_1() -> None:
    batch = random_rows().batch
    alone = dataclasses.replace(batch, off_policy=batch.mask)
    expected = batch.rewards / (1 + 1e-6)
    assert torch.allclose(split(alone)[:, 0][batch.lengths > 0], expected[batch.lengths > 0])


def test_a_flat_group_of_own_rows_still_teaches_from_its_demonstration() -> None:
    batch = random_rows().batch
    rewards = torch.zeros_like(batch.rewards)
    rewards[3] = 1.0
    found = split(dataclasses.replace(batch, rewards=rewards), scale="none")
    assert found[3, 0] == 1.0
    assert (found[:3] == 0).all()
