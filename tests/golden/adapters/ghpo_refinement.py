"""Which prompts are asked again with which hint, and what their groups are worth."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import objective, rollout_batch

from etude.objective.advantage.grpo import GroupRelative
from etude.objective.guidance.hints import Hints
from etude.reward_weighting.weighted_sum import WeightedSum
from etude.rows import Example, Row
from given_answers import GivenAnswers, answer

METHOD = "ghpo"
CONFIG = {"hint_ratios"}
INPUTS = {"accuracy_rewards_by_stage", "solutions"}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    assert config.take("kind") == "refinement"
    assert config.take("std") == "unbiased (n-1)"
    assert config.take("hint_unit") == "characters, python round()"
    size = config.take("num_generations")
    # Their list begins with the stage that shows nothing, unless it is empty.
    ratios = [ratio for ratio in config.take("hint_ratios") if ratio > 0.0]
    accuracy = inputs.take("accuracy_rewards_by_stage")
    form = inputs.take("format_rewards_by_stage")
    solutions = inputs.take("solutions")
    examples = [Example(id=str(p), source="given", prompt="?") for p in range(len(solutions))]

    def answers(example: Example, stage: int) -> list[Row]:
        pairs = zip(accuracy[int(example.id)][stage], form[int(example.id)][stage], strict=True)
        return [answer(example, i, accuracy=a, format=f) for i, (a, f) in enumerate(pairs)]

    sampler = GivenAnswers(answers, {str(p): text for p, text in enumerate(solutions)})
    guidance = Hints(hint_ratios=ratios, template="{prompt}{hint}")
    made = guidance.groups(examples, size, sampler, guidance.make_state()).rows
    stages = [sampler.visits[example.id] - 1 for example in examples]
    expected = case.expected.take("refined")
    for prompt, (group, stage) in enumerate(zip(made, stages, strict=True)):
        found = {
            "stage": stage,
            "hint_ratio": [0.0, *ratios][stage],
            "hint": group[0].example.prompt.removeprefix("?"),
        }
        assert found == expected[prompt], f"{case.name}: prompt {prompt}: {found}"
        assert {row.prompt for row in group} == {tuple(map(ord, group[0].example.prompt))}

    rows = [row for group in made for row in group]
    known = [row.verdict.parts for row in rows if row.verdict is not None]
    parts = {
        name: torch.tensor([p[name] for p in known], dtype=torch.float64)
        for name in ("accuracy", "format")
    }
    names = ("accuracy", "format")
    weights = dict(zip(names, config.take("reward_weights"), strict=True))
    rewards = WeightedSum(weights=weights).combine(parts).double()
    batch = rollout_batch(
        torch.ones(len(rows), 1, dtype=torch.float64),
        rewards=rewards,
        groups=torch.arange(len(made)).repeat_interleave(size),
    )
    advantage = GroupRelative(epsilon=config.take("epsilon"))
    advantages = objective(advantage=advantage).estimate(batch).advantages
    case.check("rewards", rewards.view(-1, size))
    case.check("advantages", advantages.view(-1, size))
