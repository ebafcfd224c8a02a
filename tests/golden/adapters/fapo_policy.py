"""Rewards of right answers whose steps a judge finds wrong, and their advantages."""

from __future__ import annotations

from typing import Any

import torch
from given_verdicts import Given, candidates
from golden_objective import objective, rollout_batch

from etude.build import build
from etude.config.prepare import prepare
from etude.objective.advantage.grpo import GroupRelative
from etude.verifier.fapo import FlawedPositives
from etude.verifier.host import Alone

METHOD = "fapo"
CONFIG = {"kind", "lambda"}
INPUTS = {"correct"}

STD = {1: "sample", 0: "population"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "policy_reward"
    right, flagged = case.inputs.take("correct"), case.inputs.take("flagged_by_genrm")
    penalty = case.config.take("lambda")
    advantage = GroupRelative(
        epsilon=case.config.take("adv_eps"), std=case.config.choose("std_ddof", STD)
    )
    for prefix, lost in (("", penalty), ("baseline_", 0.0)):
        rewards = rewards_of(right, flagged, lost)
        case.check(f"{prefix}rewards", rewards)
        one = torch.zeros(len(right), dtype=torch.int64)
        batch = rollout_batch(torch.ones(len(right), 1).double(), rewards=rewards, groups=one)
        found = objective(advantage=advantage).advantages(batch)[:, 0]
        case.check(f"{prefix}advantages", found)


def rewards_of(right: list[int], flagged: list[int], penalty: float) -> torch.Tensor:
    """Return the rewards of answers by verifier and weighting as a recipe composes them."""
    judge = Alone().open(
        FlawedPositives(rule=Given("right"), process=Given("sound"), penalty=penalty)
    )
    sound = [1 - flag for flag in flagged]
    rows = candidates(right=right, sound=[s if r else 0 for s, r in zip(sound, right, strict=True)])
    verdicts = judge.verify(rows)
    assert [("flawed" in each.parts) for each in verdicts] == [bool(each) for each in right]
    parts = torch.tensor([each.parts["accuracy"] for each in verdicts], dtype=torch.float64)
    judged = ["verifier=fapo", "verifier.process.max_new_tokens=512", "models.judge=start"]
    command = ["recipe=rl", *judged, "reward_weighting=fapo"]
    ((_, stages),) = prepare(command).runs
    weighting = build(stages[-1].config["reward_weighting"], "reward_weighting")
    return weighting.combine({"accuracy": parts, "format": torch.zeros_like(parts)})
