"""RiskPO on a short stage: bundles are scored, and the quantiles carry over from step to step."""

from __future__ import annotations

from typing import Any

LOW, HIGH = "objective/riskpo_quantile_low", "objective/riskpo_quantile_high"


def test_the_quantiles_carry_over_and_the_lower_tail_is_pushed(short_run: Any) -> None:
    metrics = short_run("objective=riskpo")
    for step in metrics:
        assert step[LOW] < step[HIGH]
        cvar, mvar = step["objective/riskpo_cvar"], step["objective/riskpo_mvar"]
        assert cvar <= mvar <= step["objective/riskpo_rvar"]
        assert step["objective/advantage_min"] < 0
        assert step["objective/advantage_max"] <= 0  # risk averse: what is mastered is left alone
        assert step["gradient_norm"] > 0
    moved = abs(metrics[2][LOW] - metrics[1][LOW])
    assert 0 < moved <= 0.1  # a tracked quantile moves by at most its rate


def test_the_released_fallback_forgets_them(short_run: Any) -> None:
    forgot = short_run("objective=riskpo", "objective.advantage.forget_quantiles=true")
    batch = short_run("objective=riskpo", "objective.advantage.quantiles=batch")
    assert [step[LOW] for step in forgot] == [step[LOW] for step in batch]
