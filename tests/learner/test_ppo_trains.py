"""PPO trains: critics of both kinds and every loss learn, and a resumed stage is the same."""

from __future__ import annotations

from typing import Any

import pytest

CATEGORICAL = ("hl_gauss", "two_hot", "c51")


def test_a_critic_of_its_own_learns_to_predict_returns(short_run: Any) -> None:
    metrics = short_run("objective=ppo", "objective.critic.lr=3e-3", steps=6)
    first, last = metrics[0], metrics[-1]
    assert first["critic/value_size"] == 0.0  # the head begins at zero
    assert first["critic/gradient_norm"] > 0
    assert last["critic/value_size"] > 0.05
    assert last["critic/squared_error"] < first["critic/squared_error"]
    assert last["critic/learning_rate"] == 3e-3 != last["learning_rate"]


def test_a_head_on_the_policy_moves_with_it(short_run: Any) -> None:
    metrics = short_run("objective=ppo", "objective.critic.share=head", steps=3)
    assert metrics[0]["critic/value_size"] == 0.0
    assert metrics[-1]["critic/value_size"] > 0
    assert "critic/gradient_norm" not in metrics[0]


@pytest.mark.parametrize("share", ["own", "head"])
@pytest.mark.parametrize("loss", CATEGORICAL)
def test_a_critic_that_classifies_learns(short_run: Any, loss: str, share: str) -> None:
    metrics = short_run(
        "objective=ppo", f"objective/critic/loss={loss}", f"objective.critic.share={share}", steps=2
    )
    assert metrics[0]["critic/value_size"] == pytest.approx(0.5, abs=1e-6)  # the centre
    assert metrics[1]["critic/value_size"] != pytest.approx(0.5, abs=1e-6)
    assert metrics[1]["critic/entropy"] < metrics[0]["critic/entropy"]
    assert metrics[0]["critic/targets_below"] == metrics[0]["critic/targets_above"] == 0.0
