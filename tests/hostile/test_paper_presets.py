"""Presets of papers put to a use they are not for: the fault is named, and nothing starts."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place

PAPER_PRESETS = [
    Hostile(
        "prompt taught beside weighted calls",
        [
            "recipe=sft",
            "objective=tl_training",
            "objective.learn_prompt=true",
            "data_mix=arithmetic_tools",
        ],
        ["token_weights=uniform", "weigh the tokens of a response"],
    ),
    Hostile(
        "prompt taught in reinforcement",
        ["recipe=rl", "objective.learn_prompt=true"],
        ["objective has no key 'learn_prompt'"],
    ),
    Hostile(
        "a critic's rate without a critic",
        ["recipe=rl", "objective=grpo", "objective.critic.lr=1e-5"],
        ["objective.critic", "lr"],
    ),
    Hostile(
        "a critic's rate of nothing",
        ["recipe=rl", "objective=ppo", "objective.critic.lr=0"],
        ["objective.critic.lr"],
    ),
    Hostile(
        "rows dropped first, of a kind that drops none",
        ["recipe=rl", "objective=nsr", "objective/selection=[best_first]"],
        ["best_first", "best"],
    ),
    Hostile(
        "rows dropped first, as a key of the objective",
        ["recipe=rl", "objective=nsr", "objective.before_updates=true"],
        ["before_updates"],
    ),
    Hostile(
        "a mean over prompts misspelt",
        ["recipe=rl", "objective=ghpo", "objective/aggregation=group_mean"],
        ["group_mean", "group_mean_token_mean"],
    ),
    Hostile(
        "a length for an aggregation without one",
        ["recipe=rl", "objective=ghpo", "objective.aggregation.length=65536"],
        ["objective.aggregation", "length"],
    ),
    Hostile(
        "a length of nothing",
        ["recipe=luffy/paper", "objective.aggregation.length=0"],
        ["objective.aggregation.length"],
    ),
    Hostile(
        "riskpo's upper level above 1",
        ["recipe=rl", "objective=riskpo", "objective.advantage.beta=1.5"],
        ["objective.advantage.beta"],
    ),
    Hostile(
        "a thought that is no truth value",
        ["recipe=rl", "verifier.thought=sometimes"],
        ["verifier.thought"],
    ),
    Hostile(
        "a solution's column where the set has none",
        ["recipe=luffy/paper", "~sources.openr1_math_46k.columns.solution"],
        ["solution"],
    ),
]


@pytest.mark.parametrize("hostile", sampled(PAPER_PRESETS))
def test_a_paper_preset_in_the_wrong_place_is_refused(hostile: Hostile, here: Place) -> None:
    check(hostile, here)
