"""Rewards that name what no verifier gives, and patterns that are none."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place

TOOLS = ["recipe=rl", "verifier=tool_call", "data_mix=arithmetic_tools"]
GIVEN = "It gives accuracy, format, length."

PARTS = [
    Hostile(
        "weight misspelt",
        ["reward_weighting.weights.acuracy=1"],
        ["reward_weighting.weights.acuracy", "Did you mean accuracy?", GIVEN],
    ),
    Hostile("weight of nothing near", ["reward_weighting.weights.style=1"], ["'style'", GIVEN]),
    Hostile(
        "two weights, one report",
        ["reward_weighting.weights.style=1", "reward_weighting.weights.lenght=1"],
        ["Two things to mend", "'style'", "Did you mean length?"],
    ),
    Hostile(
        "default weights with another verifier",
        TOOLS,
        ["'format'", "verifier tool_call", "reward_weighting=tool_call fits"],
    ),
    Hostile(
        "weights of another verifier",
        ["recipe=rl", "reward_weighting=tool_call"],
        ["'tool_call'", "reward_weighting=weighted_sum fits"],
    ),
    Hostile(
        "weights of choices",
        ["recipe=rl", "reward_weighting=choices"],
        ["'choices'", "verifier number does not give"],
    ),
    Hostile(
        "planned only",
        ["plan", "reward_weighting.weights.acuracy=1"],
        ["reward_weighting.weights.acuracy"],
        command="etude",
    ),
    Hostile(
        "in a sweep",
        ["-m", "seed=1,2", "reward_weighting.weights.acuracy=1"],
        ["One thing to mend", "Did you mean accuracy?"],
    ),
    Hostile(
        "weight of a stage",
        ["+stages.rl.reward_weighting.weights.formt=1"],
        ["stages.rl.reward_weighting.weights.formt", "Did you mean format?"],
    ),
    Hostile(
        "selection",
        ["objective=nsr", "objective.selection.wrong.metric=acuracy"],
        ["objective.selection.wrong.metric", "Did you mean accuracy?"],
    ),
    Hostile(
        "advantage",
        ["objective=psr", "objective.advantage.metric=rewards"],
        ["objective.advantage.metric", "'rewards'"],
    ),
    Hostile(
        "filter",
        ["objective=dapo", "objective.filter.metric=acc"],
        ["objective.filter.metric", "'acc'"],
    ),
    Hostile(
        "list of parts",
        ["objective=bnpo", "objective.advantage.parts=[accuracy,form]"],
        ["objective.advantage.parts", "'form'"],
    ),
    Hostile(
        "hints",
        ["objective=ghpo", "objective.guidance.difficulty_reward=reward"],
        ["objective.guidance.difficulty_reward", "'reward'"],
    ),
    Hostile(
        "extra update",
        ["recipe=relift", "objective.extra_update.relift.metric=right"],
        ["objective.extra_update.relift.metric", "'right'"],
    ),
]

PATTERNS = [
    Hostile(said, ["recipe=rl", f"verifier.pattern='{pattern}'"], ["verifier.pattern", said])
    for pattern, said in (
        [
            ("(", "unterminated subpattern"),
            ("[a-", "unterminated character set"),
            ("*x", "nothing to repeat"),
            ("(?P<a>x)(?P<a>y)", "redefinition of group name"),
            ("(?<=a*)b", "look-behind requires fixed-width"),
            ("a{3,1}", "min repeat greater than max repeat"),
            ("\\\\", "bad escape"),
        ]
    )
] + [
    Hostile("math", ["recipe=rl", "verifier=math", "verifier.pattern='('"], ["verifier.pattern"]),
    Hostile("exact", ["recipe=rl", "verifier=exact", "verifier.pattern=')'"], ["verifier.pattern"]),
    Hostile("choices", ["verifier=choices", "verifier.pattern='('"], ["verifier.pattern"]),
    Hostile(
        "measured",
        ["verifier.pattern='('", "checkpoint=."],
        ["verifier.pattern", "unterminated"],
        command="evaluate",
    ),
    Hostile(
        "answers without a group",
        ["recipe=gsm8k", "sources.gsm8k.answer_pattern='#### .+'"],
        ["sources.gsm8k.answer_pattern", "has a group around what is read"],
    ),
    Hostile(
        "answers",
        ["recipe=gsm8k", "sources.gsm8k.answer_pattern='('"],
        ["sources.gsm8k.answer_pattern"],
    ),
    Hostile(
        "removed",
        ["recipe=gsm8k", "sources.gsm8k.remove='<<[^>*>>'"],
        ["sources.gsm8k.remove", "regular expression"],
    ),
    Hostile(
        "filter of rows",
        ["recipe=gsm8k", "sources.gsm8k.filter=[{column:question,op:matches,value:'('}]"],
        ["sources.gsm8k.filter", "in value", "regular expression"],
    ),
    Hostile(
        "verdict",
        [
            "recipe=cft",
            "stages.cft.data_mix/filter=[critique_verdict]",
            "stages.cft.data_mix.filter.critique_verdict.pattern=right",
        ],
        ["pattern", "has a group around what is read"],
    ),
]


@pytest.mark.parametrize("hostile", sampled(PARTS))
def test_a_part_that_no_verifier_gives_is_refused_with_what_it_gives(
    hostile: Hostile, here: Place
) -> None:
    check(hostile, here)


@pytest.mark.parametrize("hostile", sampled(PATTERNS))
def test_a_pattern_that_does_not_compile_is_refused(hostile: Hostile, here: Place) -> None:
    check(hostile, here)
