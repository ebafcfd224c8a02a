"""D3S on a short stage: rows and tokens are dropped, fewer with every step."""

from __future__ import annotations

from typing import Any


def test_the_shares_of_rows_and_tokens_grow(short_run: Any) -> None:
    metrics = short_run("objective=d3s")
    tokens = [step["objective/kept_tokens"] for step in metrics]
    rows = [step["objective/selected_rows"] for step in metrics]
    assert tokens == sorted(tokens)
    assert 0.2 <= tokens[0] < 0.3 < tokens[-1] < 0.8
    assert rows[0] == 0.5 < rows[-1]
    first = metrics[0]
    assert first["objective/selected_advantage_variance"] > first["objective/advantage_variance"]
    assert all(step["gradient_norm"] > 0 for step in metrics)


def test_all_rows_of_a_step_can_be_one_scope(short_run: Any) -> None:
    metrics = short_run(
        "objective=d3s",
        "objective.selection.d3s_rows.scope=cross",
        "objective.selection.d3s_rows.renormalise=true",
        "objective.selection.d3s_tokens.scope=sequence",
        "objective.selection.d3s_tokens.denominator=all",
        steps=2,
    )
    assert 0 < metrics[0]["objective/rollout_weight"] < 0.5
    assert metrics[0]["objective/selected_rows"] == 0.5
