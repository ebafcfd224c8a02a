"""The advantages of REC, and which answers RED-Drop leaves out."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import objective, rollout_batch

from etude.objective.advantage.rec import REC

METHOD = "rec"
CONFIG = {"std_normalize", "drop"}
INPUTS = {"rewards"}

DROPS = {None: "none", "none": "none", "balance": "balance"}


def run(case: Any) -> None:
    advantage = REC(
        std_normalize=case.config.take("std_normalize"),
        drop=case.config.choose("drop", DROPS),
        epsilon=case.config.take("epsilon", 1e-6),
    )
    rewards = case.inputs.tensor("rewards")
    rows = len(rewards)
    groups = case.inputs.take("group", [0] * rows)
    batch = rollout_batch(
        torch.ones(rows, 1, dtype=torch.float64),
        rewards=rewards,
        groups=torch.tensor(groups),
        row_seeds=torch.arange(rows),
    )
    estimate = objective(advantage=advantage).estimate(batch)
    found = estimate.advantages[:, 0]
    case.check_if_given("sequence_advantages", found)
    if "n_dropped" in case.expected:
        check_dropped(
            case, rewards, found, round(rows * estimate.metrics["objective/dropped_rows"])
        )


def check_dropped(case: Any, rewards: torch.Tensor, found: torch.Tensor, dropped: int) -> None:
    """Compare what holds whichever negatives the draw dropped (one group, rewards 0 and 1)."""
    positive = rewards == 1
    left_out = ~positive & (found.abs() < 1e-9)
    case.check("n_dropped", dropped)
    assert int(left_out.sum()) == dropped
    for key, rows in {
        "advantage_of_each_positive": positive,
        "advantage_of_each_kept_negative": ~positive & ~left_out,
        "advantage_of_each_dropped": left_out,
    }.items():
        assert float(found[rows].max() - found[rows].min()) < 1e-9
        case.check(key, float(found[rows][0]))
    case.check("baseline_of_kept", float((rewards - found)[positive][0]))
