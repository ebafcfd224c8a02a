"""The false-negative rate as appeals estimate it, step by step."""

from __future__ import annotations

from typing import Any

from given_verdicts import Given, candidates

from etude.feedback import RowRecord, StepFeedback
from etude.verifier.host import Alone
from etude.verifier.noisy_channel import ALL, NoisyChannel

METHOD = "noisy_verifier"
CONFIG = {"audit_probability"}
INPUTS = {"steps"}


def run(case: Any) -> None:
    config = case.config
    channel = NoisyChannel(
        rule=Given(),
        appeal=Given(column="overturned"),
        appeals="estimate_only",
        audited=config.take("audit_probability"),
        decay=config.take("ema_decay"),
        prior_positives=config.take("prior_positives"),
        prior_negatives=config.take("prior_false_negatives"),
    )
    judge, found = Alone().open(channel), []
    for number, step in enumerate(case.inputs.take("steps")):
        rows = candidates(given=step["rule_reward"], overturned=step["overturned"])
        verdicts = judge.verify(rows)
        audited = [float("overturned" in each.parts) for each in verdicts]
        if channel.audited == 1:
            assert audited == step["audited"]
        records = [
            RowRecord(each.id, each.index, "golden", {}, 1, verdict.outcome, verdict.parts)
            for each, verdict in zip(rows, verdicts, strict=True)
        ]
        judge.observe(StepFeedback(number, 3, {}, rows=records))
        estimate = judge.estimates[ALL]
        accepted = sum(each.parts["observed"] for each in verdicts)
        missed = sum(each.parts.get("overturned", 0.0) for each in verdicts) / channel.audited
        assert abs(estimate.latest - missed / (accepted + missed)) < 1e-12
        found.append(
            {
                "positives": accepted,
                "ht_false_negatives": missed,
                "positives_ema": estimate.positives,
                "false_negatives_ema": estimate.negatives,
                "rho1_hat": estimate.rate,
            }
        )
        assert judge.rates("golden")[1] == estimate.rate
    case.check("per_step", found)
