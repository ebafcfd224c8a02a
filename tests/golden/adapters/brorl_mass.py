"""BroRL: how a step moves probability between right and wrong outcomes."""

from __future__ import annotations

from typing import Any

import torch

from etude.primitives.mass import Mass, logit_changes

METHOD = "brorl"
CONFIG = {"R_correct", "eta"}
INPUTS = {"logits", "correct"}


def run(case: Any) -> None:
    probabilities = case.inputs.tensor("logits").softmax(-1)
    correct = case.inputs.tensor("correct") > 0
    groups = {True: case.inputs.take("sampled_correct"), False: case.inputs.take("sampled_wrong")}
    sampled = torch.zeros_like(correct)
    for is_right, places in groups.items():
        assert all(bool(correct[place]) is is_right for place in places)
        sampled[places] = True
    mass = Mass.of(
        probabilities,
        correct,
        sampled,
        case.config.take("R_correct"),
        case.config.take("R_wrong"),
    )
    rate = case.config.take("eta") / case.config.take("N")
    case.check("S_R", mass.baseline)
    case.check("Q_pos", mass.right)
    case.check("A2", mass.sampled_right)
    case.check("B2", mass.sampled_wrong)
    case.check("U_pos2", mass.unsampled_right)
    case.check("U_neg2", mass.unsampled_wrong)
    case.check("term_sampled_correct", mass.by_sampled_right())
    case.check("term_sampled_wrong", mass.by_sampled_wrong())
    case.check("term_unsampled", mass.by_unsampled())
    case.check("delta_Q_pos", mass.change(rate))
    case.check("delta_z", logit_changes(probabilities, correct, sampled, mass, rate))
