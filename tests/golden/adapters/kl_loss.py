"""KL to a reference model in the loss."""

from __future__ import annotations

from typing import Any

from golden_objective import GivenLogprobs, loss_batch

from etude.objective.regularizer.kl import KL

METHOD = "common_policy_gradient"
CONFIG = {"estimator"}
INPUTS = {"logprobs", "ref_logprobs"}


def run(case: Any) -> None:
    logprobs = case.inputs.tensor("logprobs").requires_grad_()
    mask = case.inputs.tensor("mask")
    batch = loss_batch(
        mask,
        logprobs.detach(),
        mask,
        role_logprobs={"reference": case.inputs.tensor("ref_logprobs")},
    )
    part = KL(coef=1.0, estimator=case.config.take("estimator"))
    kl = part.loss(batch, GivenLogprobs(logprobs), None).loss
    (kl * mask).sum().backward()
    case.check("kl", kl)
    case.check("grad_of_masked_sum", logprobs.grad)
