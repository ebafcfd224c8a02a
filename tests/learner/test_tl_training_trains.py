"""Short stages of both halves of TL-Training: weighed calls, and calls rewarded by their faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from supervised_runs import short_teaching

ROWS = ("data_mix=arithmetic_tools", "sources.arithmetic_tools.train_size=40")
CALLS = ("objective=tl_training", "verifier=tool_call", *ROWS)
REWARDED = (
    *ROWS,
    "verifier=tool_call",
    "reward_weighting=tool_call",
    "rollout.max_new_tokens=12",
)


def test_key_tokens_weigh_more_and_failed_calls_are_left_out(learner: Any, tmp_path: Path) -> None:
    metrics = short_teaching(learner, tmp_path, *CALLS, "optimizer.lr=1e-2", steps=4)
    assert metrics[-1]["loss"] < metrics[0]["loss"]
    for step in metrics:
        assert 1 < step["objective/key_weight"] <= 9
        assert 0 < step["objective/key_share"] < 0.2
        assert 0.05 < step["data/arithmetic_tools/dropped"] < 0.3


def test_packing_keeps_the_weights_with_their_tokens(learner: Any) -> None:
    plain = learner(*CALLS, stage="sft").step(0).metrics
    packed = learner(*CALLS, "training.packing=bfd", stage="sft").step(0).metrics
    for name in ("objective/key_share", "objective/key_weight", "loss"):
        assert packed[name] == pytest.approx(plain[name], rel=1e-5)
    assert packed["gradient_norm"] == pytest.approx(plain["gradient_norm"], rel=1e-4)
    given = ("training.packing=wrapped", "training.max_length=300")
    cut = learner(*CALLS, *given, stage="sft").step(0).metrics  # rows in pieces, each with its own
    assert cut["objective/key_weight"] == pytest.approx(plain["objective/key_weight"], rel=0.3)
    assert cut["objective/key_share"] == pytest.approx(plain["objective/key_share"], rel=0.3)


def test_of_a_single_row_all_tokens_alike_and_rows_alike_are_one(learner: Any) -> None:
    losses = [
        learner(*CALLS, "training.rows_per_step=1", f"objective.denominator={name}", stage="sft")
        .step(0)
        .metrics["loss"]
        for name in ("per_sequence", "global_tokens")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_micro_batches_change_no_weighted_loss(learner: Any) -> None:
    for denominator in ("per_sequence", "global_tokens"):
        given = (*CALLS, f"objective.denominator={denominator}")
        whole = learner(*given, stage="sft").step(0).metrics
        cut = learner(*given, "execution.micro_batch_tokens=200", stage="sft").step(0).metrics
        assert cut["loss"] == pytest.approx(whole["loss"], rel=1e-5)
        assert cut["gradient_norm"] == pytest.approx(whole["gradient_norm"], rel=1e-4)


def test_with_a_largest_weight_of_one_no_token_is_preferred(learner: Any) -> None:
    given = (*CALLS, "objective.denominator=global_tokens")
    even = learner(*given, "objective.token_weights.max_weight=1", stage="sft").step(0).metrics
    plain = learner(*given, "objective/token_weights=uniform", stage="sft").step(0).metrics
    assert even["loss"] == pytest.approx(plain["loss"], rel=1e-6)
    assert even["objective/key_share"] == 0


def test_calls_are_rewarded_by_what_is_wrong_with_them(learner: Any) -> None:
    made = learner("objective=ppo", *REWARDED)
    result = made.step(0)
    faults = result.metrics
    assert faults["reward/malformed/raw"] > 0.5  # an untrained model writes no calls
    assert faults["reward/tool_call/raw"] == pytest.approx(-2.0, abs=0.5)
    assert any("tool: " in row["prompt"] for row in result.samples)
