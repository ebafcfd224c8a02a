"""The loss on the tokens with the largest |A|·H."""

from __future__ import annotations

from typing import Any

from golden_objective import GivenLogprobs, loss_batch, objective

from etude.objective.policy_loss.clipped import Clipped
from etude.objective.selection.d3s_tokens import D3STokens

METHOD = "d3s"
CONFIG = {"token_ratio"}
INPUTS = {"logprobs", "old_logprobs", "advantages", "entropy", "mask"}
DENOMINATORS = {"token-mean over selected tokens": "kept", "token-mean over all tokens": "all"}


def run(case: Any) -> None:
    config = case.config
    share = config.take("token_ratio")
    assert config.take("rounding", "ceil, at least 1") == "ceil, at least 1"  # the only rule
    part = D3STokens(start=share, end=share, denominator=config.choose("aggregate", DENOMINATORS))
    clip = Clipped(clip_low=config.take("clip_low"), clip_high=config.take("clip_high"))
    made = objective(policy_loss=clip, selection={"d3s_tokens": part})
    logprobs = case.inputs.tensor("logprobs").requires_grad_()
    batch = loss_batch(
        case.inputs.tensor("mask"),
        case.inputs.tensor("old_logprobs"),
        case.inputs.tensor("advantages"),
    )
    entropy = case.inputs.tensor("entropy")
    case.check("scores", part.scores(batch, entropy))
    case.check("selected_mask", part.chosen(batch, entropy).int())
    total = made.loss(made.prepare(batch, {"entropy": entropy}), GivenLogprobs(logprobs)).total
    total.backward()
    case.check("loss", total)
    case.check("grad_logprobs", logprobs.grad)
