"""Short supervised stages, saved and rebuilt in the middle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from etude.execute import tree


def short_teaching(
    learner: Callable[..., Any], folder: Path, *overrides: str, steps: int = 3
) -> list[dict[str, float]]:
    """Return the metrics of each step of a small supervised stage.

    The stage is also saved and rebuilt after its first step; what follows must be equal to the bit.
    """
    chosen = (f"training.steps={steps}", *overrides)
    whole, interrupted = (learner(*chosen, stage="sft") for _ in range(2))
    results = [whole.step(step).metrics for step in range(steps)]
    again = [interrupted.step(0).metrics]
    (folder / "saved").mkdir()
    tree.save(interrupted.state_dict(), folder / "saved")
    resumed = learner(*chosen, stage="sft")
    resumed.load_state_dict(tree.load(folder / "saved"))
    again += [resumed.step(step).metrics for step in range(1, steps)]
    assert results == again
    pairs = zip(whole.policy.model.parameters(), resumed.policy.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    return results
