"""Any combination of parts trains, or is refused before training with a reason.

``ETUDE_COMBINATIONS`` is the number of random configs that are tried.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etude import schema
from etude.errors import ConfigError

CONF = Path(schema.__file__).parent / "conf"
COUNT = int(os.environ.get("ETUDE_COMBINATIONS", "24"))
#: Few rows, and none of them needs another stage or a second big pass.
SMALL = (
    "training.prompts_per_step=6",
    "training.rollouts_per_prompt=4",
    "objective.filter.max_batches=0",
)


def choices(group: str) -> list[str]:
    """Return the names of a group's parts and presets."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def combinations() -> Iterator[tuple[str, ...]]:
    """Yield random choices of an objective and of parts for about three of its slots."""
    known = schema.load()
    objectives = known.choices("objective")
    names = sorted(n for n, info in objectives.items() if info.learner == "policy_gradient")
    slots = {
        field.slot or field.slots: bool(field.slots)
        for field in objectives["grpo"].fields.values()
        if field.slot or field.slots
    }
    chance = random.Random(20)
    for number in range(COUNT):
        overrides = [f"objective={chance.choice(names)}", f"seed={number + 1}"]
        for slot in sorted(chance.sample(sorted(slots), 3)):
            offered = choices(slot)
            if not offered:
                continue
            if slots[slot]:
                several = sorted(chance.sample(offered, min(len(offered), chance.choice((1, 2)))))
                overrides.append(f"{slot}=[{','.join(several)}]")
            else:
                overrides.append(f"{slot}={chance.choice(offered)}")
        if chance.random() < 0.3:
            overrides.append("training.updates_per_step=2")
        yield tuple(overrides)


def small(overrides: tuple[str, ...]) -> list[str]:
    filtered = any(o.startswith("objective/filter=dynamic") for o in overrides)
    return [o for o in SMALL if filtered or not o.startswith("objective.filter")]


@pytest.mark.parametrize("overrides", combinations(), ids=" ".join)
def test_a_combination_trains_or_is_refused_with_a_reason(
    overrides: tuple[str, ...], stage_from: Any
) -> None:
    try:
        made = stage_from(*small(overrides), *overrides)
    except ConfigError as refusal:
        assert refusal.faults
        for fault in refusal.faults:
            assert len(fault.message.split()) >= 4, fault
        return
    for step in range(2):
        metrics = made.step(step).metrics
        assert all(math.isfinite(value) for value in metrics.values()), metrics
