"""BroRL: groups without signal left out, the group's mean off, one normalisation over the batch."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import composed, objective, rollout_batch

from etude.objective.advantage.whole_batch import WholeBatch
from etude.primitives.groups import group_statistics

METHOD = "brorl"
CONFIG = {"dynamic_sampling"}
INPUTS = {"rewards"}


def run(case: Any) -> None:
    rewards = case.inputs.take("rewards")
    assert case.config.take("dynamic_sampling") is True
    preset = composed("brorl")
    keep = preset.filter.keep(rewards)
    case.check("kept_groups", [int(each) for each in keep])
    kept = [group for group, is_kept in zip(rewards, keep, strict=True) if is_kept]
    flat = torch.tensor([reward for group in kept for reward in group], dtype=torch.float64)
    groups = torch.tensor([number for number, group in enumerate(kept) for _ in group])
    batch = rollout_batch(
        torch.ones(len(flat), 1, dtype=torch.float64), rewards=flat, groups=groups
    )

    def by_group(values: Any) -> list[list[float]]:
        sizes = [len(group) for group in kept]
        return [part.tolist() for part in values.split(sizes)]

    case.check("advantage_group_centered", by_group(group_statistics(flat, groups).centre(flat)))
    for ddof, std in ((1, "sample"), (0, "population")):
        part = objective(advantage=WholeBatch(std=std))
        found = part.advantages(batch).squeeze(-1)
        case.check(f"advantage_batch_normalised_ddof{ddof}", by_group(found))
    assert torch.equal(
        preset.advantages(batch), objective(advantage=WholeBatch()).advantages(batch)
    )
