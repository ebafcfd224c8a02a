"""Teaching prompts as well as responses."""

from __future__ import annotations

from typing import Any

import pytest

from etude.config.prepare import prepare
from etude.errors import ConfigError


def test_every_token_but_the_first_is_taught(learner: Any) -> None:
    plain = learner(stage="sft")
    whole = learner("objective.learn_prompt=true", stage="sft")
    alone, both = (made.learner._draw(0) for made in (plain, whole))
    for one, other in zip(alone, both, strict=True):
        assert other.prompt == one.prompt[:1]
        assert other.tokens == (*one.prompt[1:], *one.tokens)
        assert other.loss_mask == [1] * len(other.tokens)
    taught = sum(len(row.prompt) + len(row.tokens) - 1 for row in alone)
    made = learner("objective.learn_prompt=true", stage="sft")
    assert made.step(0).metrics["tokens"] == taught


def test_weights_of_a_responses_tokens_are_refused_beside_it() -> None:
    rows = ["data_mix=arithmetic_tools", "verifier=tool_call"]
    chosen = ["recipe=sft", "objective=tl_training", *rows]
    with pytest.raises(ConfigError, match="token_weights=uniform because others weigh"):
        prepare([*chosen, "objective.learn_prompt=true"])
