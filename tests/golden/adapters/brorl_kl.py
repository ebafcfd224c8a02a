"""BroRL: the k2 divergence of a log-ratio that is kept within bounds."""

from __future__ import annotations

from typing import Any

import torch
from golden_objective import GivenLogprobs, composed, loss_batch

from etude.objective.regularizer.kl import KL

METHOD = "brorl"
CONFIG = {"clamp"}
INPUTS = {"logprobs", "ref_logprobs"}


def run(case: Any) -> None:
    logprobs = case.inputs.tensor("logprobs").unsqueeze(0).requires_grad_()
    mask = torch.ones_like(logprobs)
    given = {"reference": case.inputs.tensor("ref_logprobs").unsqueeze(0)}
    batch = loss_batch(mask, logprobs.detach(), mask, role_logprobs=given)
    limit = case.config.take("clamp")
    part = KL(coef=1.0, estimator="k2", limit=limit)
    kl = part.loss(batch, GivenLogprobs(logprobs), None).loss
    kl.sum().backward()
    case.check("k2_per_token", kl.squeeze(0))
    case.check("grad_logprobs_of_sum", logprobs.grad.squeeze(0))
    (preset,) = composed("brorl").regularizer.values()
    assert (preset.estimator, preset.limit) == ("k2", limit)
