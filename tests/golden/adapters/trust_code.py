"""Trust-GRPO as the authors' code does it: who is asked about, and what it comes to.

Their numbers are float32.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from etude.reward_weighting.interface import Tools
from etude.reward_weighting.trust import Trust

METHOD = "trust_grpo"
CONFIG = {"variant", "decay_steps"}
INPUTS = {"thinking_rewards_if_asked"}


def run(case: Any) -> None:
    config = case.config
    weighting = Trust(
        alpha=config.take("alpha"),
        steps=config.take("decay_steps"),
        variant=config.choose("variant", {"code": "code"}),
    )
    outcome = case.inputs.tensor("outcome_rewards")
    given = case.inputs.tensor("thinking_rewards_if_asked")
    groups = torch.zeros(len(outcome), dtype=torch.int64)
    asked = weighting.asked(outcome, groups)
    case.check("asked_reward_model_for", asked.nonzero().squeeze(-1))
    used = torch.where(asked, given, torch.zeros_like(given))
    case.check("thinking_used", used)
    # What they log is not what they apply: exp(2 (right - wrong)) even where nobody is right, and
    # 0.5 where nobody was asked about.
    means = [
        float(used[some].sum()) / max(int(some.sum()), 1)
        for some in (outcome >= 0.5, outcome < 0.5)
    ]
    logged = math.exp(2 * min(means[0] - means[1], 0.0)) if bool(asked.any()) else 0.5
    case.check("gamma_logged", [logged] * len(outcome))
    every = {name: torch.ones(len(outcome), dtype=torch.bool) for name in ("accuracy", "thought")}
    tools = Tools(step=case.inputs.take("step"))
    parts = {"accuracy": outcome, "thought": given}
    found = weighting.combine(parts, groups=groups, applies=every, tools=tools)
    case.check("rewards", found.rewards)
