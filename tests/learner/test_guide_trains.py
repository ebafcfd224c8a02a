"""Guide on a short stage: answers that saw a hint are weighed against the plain prompt."""

from __future__ import annotations

import math
from typing import Any

import pytest

from etude.learner.clock import Clock
from etude.learner.forward import score
from etude.primitives.ratio import LOG_RATIO_LIMIT

#: Problems of the level that was taught, and as many of one that was not.
MIXED = (
    "data_mix.train.arithmetic.weight=1",
    "+data_mix.train.unknown={source: arithmetic, split: train, levels: [2], weight: 1}",
    "rollout.max_new_tokens=24",
)


@pytest.mark.parametrize("group", ["union", "replace", "separate"])
def test_failed_prompts_get_answers_with_a_hint(short_run: Any, group: str) -> None:
    chosen = ("objective=guide", f"objective.guidance.group={group}", "training.updates_per_step=2")
    metrics = short_run(*chosen, *MIXED, steps=2)
    for step in metrics:
        triggered = step["guidance/triggered"]
        assert 0 < triggered < 1
        assert step["rollout/rows"] == 32 * (1 + triggered)
        assert step["guidance/guided_rows"] == triggered / (1 + triggered)
        assert step["guidance/correct_plain"] > 0
        assert step["guidance/without_hint"] == step["guidance/quoting"] == 0
        assert 0 < step["objective/moved_ratio"] != 1
        assert step["gradient_norm"] > 0
    if group == "union":  # compared with plain ones, guided answers differ in form at least
        assert any(step["objective/moved_clip_fraction"] > 0 for step in metrics)


def test_groups_apart_are_all_trained_on(stage_from: Any) -> None:
    stage = stage_from("objective=guide", "objective.guidance.group=separate", *MIXED)
    gathered = stage.learner.rollouts.gather(
        0, stage.learner.curriculum.plan(0), stage.learner.state.of("guidance")
    )
    triggered, prompts = gathered.counts["guidance/triggered"]
    assert len(gathered.groups) == prompts + triggered > prompts
    assert {id(row) for group in gathered.groups for row in group} == set(map(id, gathered.sampled))


def test_without_correction_no_row_changes_context(short_run: Any) -> None:
    chosen = ("objective=guide", "objective.guidance.denominator_context=none")
    for step in short_run(*chosen, *MIXED, steps=2):
        assert step["guidance/guided_rows"] > 0
        assert "objective/moved_ratio" not in step
        assert step["objective/clip_fraction"] == 0


def test_a_critic_sees_the_plain_prompt_of_guided_answers(short_run: Any) -> None:
    chosen = ("objective=ppo", "objective/guidance=guide_or_solution")
    for step in short_run(*chosen, *MIXED, steps=2):
        assert step["guidance/guided_rows"] > 0
        assert step["objective/moved_ratio"] > 0
        assert step["critic/loss"] > 0


def test_the_ratio_of_guided_answers_is_between_the_two_contexts(stage_from: Any) -> None:
    stage = stage_from("objective=guide", *MIXED)
    gathered = stage.learner.rollouts.gather(
        0, stage.learner.curriculum.plan(0), stage.learner.state.of("guidance")
    )
    guided = [row for group in gathered.groups for row in group if row.prompt != row.sampled_prompt]
    assert guided
    assert all(row.prompt == stage.policy.encode_example(row.example) for row in guided)
    budget = stage.parts.execution.micro_batch_tokens
    plain = score(stage.policy, guided, token_budget=budget)
    kept = [row.prompt for row in guided]
    for row in guided:
        row.prompt = row.sampled_prompt
    hinted = score(stage.policy, guided, token_budget=budget)
    for row, prompt in zip(guided, kept, strict=True):
        row.prompt = prompt
    metrics = stage.learner.learn(gathered.groups, 0, Clock()).metrics
    ratios = [
        math.exp(min(max(new - old, -LOG_RATIO_LIMIT), LOG_RATIO_LIMIT))
        for news, olds in zip(plain, hinted, strict=True)
        for new, old in zip(news, olds, strict=True)
    ]
    expected = sum(ratios) / len(ratios)
    assert metrics["objective/moved_ratio"] == pytest.approx(expected, rel=1e-4)
    for row, old in zip(guided, hinted, strict=True):
        assert row.old_logprobs == pytest.approx(old, abs=1e-4)
