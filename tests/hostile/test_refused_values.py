"""Values that a method cannot work with, groups of one, and objectives that a recipe is not for."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place, small

C51 = ["objective=ppo", "objective/critic/loss=c51"]
OVERLONG = ["objective=dapo", "objective.shaping.soft_overlong.buffer_length=100"]

VALUES = [
    Hostile("temperature", ["rollout.temperature=0"], ["rollout.temperature is 0", "evaluation"]),
    Hostile(
        "temperature of a stage",
        ["+stages.rl.rollout.temperature=0"],
        ["stages.rl.rollout.temperature is 0"],
    ),
    Hostile(
        "temperature planned",
        ["plan", "rollout.temperature=0.0"],
        ["rollout.temperature is 0"],
        command="etude",
    ),
    Hostile(
        "temperature swept",
        ["-m", "rollout.temperature=1,0"],
        ["rollout.temperature", "above 0"],
    ),
    Hostile(
        "quantiles crossed",
        ["objective=riskpo", "objective.advantage.alpha=0.95"],
        ["objective.advantage.alpha is 0.95", "beta=0.9"],
    ),
    Hostile(
        "quantiles equal",
        ["objective=riskpo", "objective.advantage.alpha=0.9"],
        ["objective.advantage.alpha is 0.9"],
    ),
    Hostile(
        "support upside down",
        [*C51, "objective.critic.loss.v_max=-1"],
        ["objective.critic.loss.v_max is -1", "v_min=-0.25"],
    ),
    Hostile(
        "support of one point",
        ["objective=ppo", "objective/critic/loss=two_hot", "objective.critic.loss.v_min=1.25"],
        ["objective.critic.loss.v_max is 1.25"],
    ),
    Hostile(
        "discounts that differ",
        [*C51, "objective.critic.loss.gamma=0.5"],
        ["objective.critic.loss.gamma is 0.5", "objective.advantage.gamma=1"],
    ),
    Hostile(
        "more updates than prompts",
        ["training.updates_per_step=33"],
        ["training.updates_per_step is 33", "32 prompts"],
    ),
    Hostile(
        "no place for an answer",
        ["objective=luffy", "objective.guidance.count=8"],
        ["objective.guidance.count is 8", "rollouts_per_prompt=8"],
    ),
    Hostile(
        "shares crossed",
        ["objective=luffy", "objective.guidance.min_ratio=0.9", "objective.guidance.max_ratio=0.1"],
        ["objective.guidance.min_ratio is 0.9"],
    ),
    Hostile(
        "hints that fall",
        ["objective=ghpo", "objective.guidance.hint_ratios=[0.5,0.25]"],
        ["objective.guidance.hint_ratios", "above the one before"],
    ),
    Hostile(
        "hints beyond the whole",
        ["objective=ghpo", "objective.guidance.hint_ratios=[0.5,1.5]"],
        ["objective.guidance.hint_ratios", "at most 1"],
    ),
    Hostile(
        "template without its places",
        ["objective=ghpo", "objective.guidance.template='{prompt}'"],
        ["objective.guidance.template", "{prompt} and {hint}"],
    ),
    Hostile(
        "correction of a changed context",
        [
            "objective=guide",
            "objective.guidance.denominator_context=none",
            "objective/mismatch=tis",
        ],
        ["objective.guidance.denominator_context is none", "objective/mismatch=none"],
    ),
    Hostile(
        "correction under its old key",
        ["objective=grpo", "objective.rollout_correction=2"],
        ["objective/mismatch=tis", "objective.mismatch.high=2"],
    ),
    Hostile(
        "bounds of a correction crossed",
        ["objective=grpo", "objective/mismatch=icepop", "objective.mismatch.high=0.4"],
        ["objective.mismatch.low is 0.5", "objective.mismatch.high=0.4"],
    ),
    Hostile(
        "nothing to leave out",
        ["objective=grpo", "objective/mismatch=tis", "objective.mismatch.denominator=kept"],
        ["objective.mismatch.denominator is kept", "objective.mismatch.beyond=mask"],
    ),
    Hostile(
        "neither weighed nor dropped",
        ["objective=grpo", "objective/mismatch=tis", "objective.mismatch.weigh=false"],
        ["objective.mismatch.weigh is false", "objective.mismatch.beyond=mask"],
    ),
    Hostile(
        "weights crossed",
        ["objective=cispo", "objective.policy_loss.min_ratio=9"],
        ["objective.policy_loss.min_ratio is 9", "max_ratio=5"],
    ),
    Hostile(
        "covariances crossed",
        ["objective=clip_cov", "objective.modifier.clip_cov.low=7"],
        ["objective.modifier.clip_cov.low is 7"],
    ),
    Hostile(
        "coefficients crossed",
        ["objective=nsr", "objective.regularizer.entropy.min_coef=1"],
        ["objective.regularizer.entropy.min_coef is 1"],
    ),
    Hostile(
        "rewards crossed",
        [
            "objective=bnpo",
            "objective.advantage.min_reward=2",
            "objective.advantage.max_reward=1",
        ],
        ["objective.advantage.max_reward is 1"],
    ),
    Hostile(
        "a buffer longer than an answer",
        OVERLONG,
        ["objective.shaping.soft_overlong.buffer_length is 100", "rollout.max_new_tokens=40"],
    ),
    Hostile(
        "a buffer longer than its length",
        [*OVERLONG, "objective.shaping.soft_overlong.max_length=50"],
        ["buffer_length is 100", "max_length=50"],
    ),
    Hostile(
        "the best of nothing",
        ["training.hand_on=best", "evaluation=null"],
        ["training.hand_on is best", "evaluation=pass_at_k"],
    ),
    Hostile("empty stop", ["rollout.stop=['']"], ["rollout.stop", "not empty"]),
    Hostile("stop beyond the tokens", ["rollout.stop_token_ids=[-1]"], ["rollout.stop_token_ids"]),
    Hostile("more tries than answers", ["evaluation.k=[1,64]"], ["evaluation.k is [1,64]", "8 "]),
    Hostile("no tries", ["evaluation.k=[]"], ["evaluation.k", "at least 1 item"]),
    Hostile("zero tries", ["evaluation.k=[0]"], ["evaluation.k", "at least 1"]),
    Hostile(
        "tries of greedy answers",
        ["evaluation=greedy", "evaluation.k=[4]"],
        ["evaluation.k is [4]", "greedy"],
    ),
    Hostile(
        "measured more tries than answers",
        ["checkpoint=.", "evaluation.k=[16]"],
        ["evaluation.k is [16]"],
        command="evaluate",
    ),
    Hostile(
        "four faults of four kinds",
        [
            "rollout.temperature=0",
            "evaluation.k=[64]",
            "training.updates_per_step=99",
            "reward_weighting.weights.acuracy=1",
        ],
        ["Four things to mend", "temperature", "evaluation.k", "updates_per_step", "acuracy"],
    ),
]

ONE = "training.rollouts_per_prompt=1"

GROUPS_OF_ONE = [
    Hostile(name, [f"objective={name}", ONE], ["rollouts_per_prompt is 1", part])
    for name, part in {
        "grpo": "objective/advantage grpo",
        "dr_grpo": "objective/advantage dr_grpo",
        "rloo": "objective/advantage rloo",
        "bnpo": "objective/advantage bnpo",
        "riskpo": "objective/advantage riskpo",
        "opmd": "objective/advantage opmd",
        "rec": "objective/advantage rec",
        "asymre": "objective/advantage asymre",
        "reinforce_plus_plus_baseline": "reinforce_plus_plus_baseline",
        "dapo": "objective/filter dynamic_sampling, objective/advantage grpo",
        "pacs": "objective/policy_loss pacs",
        "drpo": "objective/policy_loss drpo",
        "tw_grpo": "objective/modifier tw_grpo",
        "ghpo": "objective/advantage grpo",
    }.items()
] + [
    Hostile(
        "filter alone",
        ["objective=reinforce", "objective/filter=dynamic_sampling", ONE],
        ["objective/filter dynamic_sampling", "objective/filter=none"],
    ),
    Hostile(
        "separate groups of guidance",
        ["objective=guide", "objective.guidance.group=separate", ONE],
        ["rollouts_per_prompt is 1"],
    ),
    Hostile("a choice that fits", [ONE], ["objective/advantage=constant compares none"]),
]

RECIPES = [
    Hostile(
        "grpo",
        ["recipe=sft", "objective=grpo"],
        ["objective is grpo", "data_mix=arithmetic_worked", "recipe=rl is for grpo"],
    ),
    Hostile(
        "generate", ["recipe=sft", "objective=generate"], ["objective is generate", "objective=sft"]
    ),
    Hostile(
        "of a stage",
        ["stages.sft.objective=rloo"],
        ["stages.sft.objective is rloo", "stages.sft.objective=sft fits"],
    ),
    Hostile(
        "of one of several stages",
        ["recipe=cft", "stages.cft.objective=ppo"],
        ["stages.cft.objective is ppo", "data_mix=arithmetic_critiques"],
    ),
    Hostile(
        "rows of a stage",
        ["recipe=raft", "stages.improve.objective=grpo"],
        ["stages.improve.objective is grpo"],
    ),
    Hostile(
        "planned",
        ["plan", "recipe=distillation", "objective=grpo"],
        ["objective is grpo", "supervised"],
        command="etude",
    ),
    Hostile(
        "pairs",
        ["recipe=per_step_negatives", "stages.dpo.objective=sft"],
        ["stages.dpo.objective is sft", "preference"],
    ),
]


@pytest.mark.parametrize("hostile", sampled(VALUES))
def test_a_value_that_a_method_cannot_work_with_is_refused(hostile: Hostile, here: Place) -> None:
    check(hostile, here)


@pytest.mark.parametrize("hostile", sampled(GROUPS_OF_ONE))
def test_a_group_of_one_is_refused_where_answers_are_compared(
    hostile: Hostile, here: Place
) -> None:
    check(hostile, here)


@pytest.mark.parametrize("hostile", sampled(RECIPES))
def test_an_objective_that_a_recipe_has_no_rows_for_is_refused(
    hostile: Hostile, here: Place
) -> None:
    check(hostile, here)


@pytest.mark.parametrize("objective", ["reinforce", "reinforce_plus_plus", "ppo", "nsr", "guide"])
def test_methods_that_compare_nothing_may_have_one_answer(objective: str, here: Place) -> None:
    words = [f"objective={objective}", ONE, *small("training.", "model", "sources", "tracker")]
    assert here.run("etude", "plan", "recipe=rl", *words).code == 0
