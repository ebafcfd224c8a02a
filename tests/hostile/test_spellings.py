"""Names that are nearly right: what is meant is said, and nothing starts."""

from __future__ import annotations

import pytest
from inputs import Hostile, check, sampled

from warm_commands import Place

SPELLINGS = [
    Hostile("objective", ["objective=gprpo"], ["there is no objective 'gprpo'", "grpo"]),
    Hostile("key", ["training.stesp=3"], ["training has no key 'stesp'", "steps"]),
    Hostile("stage", ["stages.lr.training.steps=3"], ["'lr'"]),
    Hostile("group", ["objektive=grpo"], ["objective"]),
    Hostile("flag", ["--multirn"], ["--multirn"]),
    Hostile("dotted choice", ["objective.advantge=rloo"], ["advantage"]),
    Hostile("source", ["sources.gsm8.path=x"], ["gsm8k"]),
    Hostile("unicode look-alike", ["objective=grро"], ["objective=grро"]),
]


@pytest.mark.parametrize("hostile", sampled(SPELLINGS))
def test_a_name_that_is_nearly_right_is_refused(hostile: Hostile, here: Place) -> None:
    check(hostile, here)
