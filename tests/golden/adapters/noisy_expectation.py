"""Gradients in expectation over answers and over the verifier's errors."""

from __future__ import annotations

from typing import Any

import torch
from given_verdicts import Given, candidates
from golden_objective import GivenLogprobs, loss_batch, objective

from etude.verifier.host import Alone
from etude.verifier.noisy_channel import NoisyChannel

METHOD = "noisy_verifier"
CONFIG = {"rho0", "rho1"}
INPUTS = {"logits"}


def run(case: Any) -> None:
    rates = {
        "false_positive": case.config.take("rho0"),
        "false_negative": case.config.take("rho1"),
    }
    logits = case.inputs.tensor("logits")
    true = case.inputs.tensor("true_rewards")
    accepted = torch.where(true > 0, 1 - rates["false_negative"], rates["false_positive"])
    found = {"clean": gradient(logits, true)}
    for name, correction in (("raw", "none"), ("backward", "backward"), ("forward", "forward")):
        channel = NoisyChannel(rule=Given(), correction=correction, min_denominator=0, **rates)
        no, yes = (
            verdict.parts["accuracy"]
            for verdict in Alone().open(channel).verify(candidates(given=[0.0, 1.0]))
        )
        found[name] = gradient(logits, accepted * yes + (1 - accepted) * no)
    case.check("clean_gradient", found["clean"])
    for name in ("raw", "backward", "forward"):
        case.check(f"expected_{name}_gradient", found[name])
    ratio = (found["forward"] / found["clean"]).mean()
    case.check("ratio_forward_to_clean", ratio)


def gradient(logits: Any, coefficients: Any) -> Any:
    """Return the expectation over answers of coefficient · ∇ log π, by the objective's own loss."""
    own = logits.clone().requires_grad_()
    logprobs = torch.log_softmax(own, -1)
    chances = logprobs.detach().exp()
    total = torch.zeros_like(logits).sum()
    for place in range(len(logits)):
        mask = torch.ones(1, 1, dtype=torch.float64)
        batch = loss_batch(mask, logprobs[place].detach().view(1, 1), coefficients[place].view(1))
        loss = objective().loss(batch, GivenLogprobs(logprobs[place].view(1, 1)))
        total = total - chances[place] * loss.total
    total.backward()
    return own.grad
