"""Returns as distributions over a support, for critics that classify."""

from __future__ import annotations

from typing import Any

import torch
from golden_critic import loss_of

from etude.primitives.categorical import bin_edges, expectation

METHOD = "classification_critic"
CONFIG = {"target"}
INPUTS = {"targets"}


def run(case: Any) -> None:
    loss = loss_of(case.config)
    found = loss.distribution(case.inputs.tensor("targets"))
    case.check("probs", found)
    if "centers" in case.expected:
        case.check("sigma", loss.sigma)
        case.check("edges", bin_edges(loss.v_min, loss.v_max, loss.bins))
    case.check("centers" if "centers" in case.expected else "locations", loss.places)
    assert torch.allclose(found.sum(-1), torch.ones((), dtype=torch.float64))
    case.check("mean_of_probs", expectation(found.log(), loss.places))
