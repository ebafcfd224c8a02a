"""How much of an answer is a loop at its end."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import rollout_batch

from etude.learner.tensors import pad
from etude.objective.shaping.repetition import Repetition

METHOD = "campo"
CONFIG = {"min_repeats"}
INPUTS = {"responses"}


def run(case: Any) -> None:
    case.config.take("kind")
    responses = case.inputs.take("responses")
    batch = rollout_batch(
        pad([[1] * len(tokens) for tokens in responses]),
        tokens=pad(responses, torch.long),
        truncated=torch.ones(len(responses), dtype=torch.bool),
    )
    shaping = Repetition(copies=case.config.take("min_repeats"))
    case.check("scores", shaping.shares(batch))
