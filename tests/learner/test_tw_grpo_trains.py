"""TW-GRPO on a short stage: answers disagree somewhere, and tokens weigh more there."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("detached", ["true", "false"])
def test_tokens_weigh_more_where_answers_disagree(short_run: Any, detached: str) -> None:
    metrics = short_run(
        "objective=tw_grpo",
        f"objective.modifier.tw_grpo.detach_weights={detached}",
        "execution.micro_batch_tokens=320",
        steps=2,
    )
    for step in metrics:
        assert 1 < step["objective/token_weight"] < 1.7
        assert 0 < step["objective/token_weight_high"] < 1
        assert step["objective/disagreement"] > 0
        assert step["gradient_norm"] > 0


def test_graded_choices_are_a_reward(short_run: Any) -> None:
    metrics = short_run(
        "objective=tw_grpo",
        "verifier=choices",
        "verifier.pattern=null",
        "reward_weighting=choices",
        steps=2,
    )
    for step in metrics:
        assert step["reward/choices/raw"] == step["reward/accuracy/raw"] > 0
        assert step["groups/signal"] > 0
