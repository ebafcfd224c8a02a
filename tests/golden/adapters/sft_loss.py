"""The supervised loss, from sequences and their logits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from golden_objective import composed
from golden_sequences import GivenLogits

from etude.objective.batch import SupervisedBatch, totals_of
from etude.objective.supervised import loss_mask_of
from etude.objective.token_loss.aft import AFT
from etude.objective.token_loss.dft import DFT
from etude.objective.token_loss.standard import Standard

METHOD = "sft"
CONFIG = {"sft_type"}
INPUTS = {"input_ids", "logits"}

TYPES = {
    "standard": lambda power: Standard(),
    "dft": lambda power: DFT(),
    "aft": lambda power: AFT(power=power),
}
DENOMINATORS = {
    "active tokens of the micro-batch + 1e-8": "micro",
    "micro": "micro",
    "global_tokens": "global_tokens",
    "per_sequence": "per_sequence",
}


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    make = config.choose("sft_type", TYPES)
    objective = replace(
        composed("sft"),
        token_loss=make(config.take("aft_power", 1.0)),
        denominator=config.choose("denominator", DENOMINATORS),
        kl_coef=config.take("kl_coef", None) or 0.0,
    )
    input_ids = torch.tensor(inputs.take("input_ids"))
    width = input_ids.shape[1]
    lengths = zip(inputs.take("prompt_lengths"), inputs.take("response_lengths"), strict=True)
    masks = [loss_mask_of(prompt, response) for prompt, response in lengths]
    loss_mask = torch.tensor([mask + [0] * (width - len(mask)) for mask in masks]).double()
    assert torch.equal(loss_mask, inputs.tensor("loss_mask")), f"{case.name}: loss_mask"

    totals = totals_of(loss_mask[:, :-1], width=width)
    batch = SupervisedBatch(input_ids[:, 1:], loss_mask[:, :-1], totals)
    logits = inputs.tensor("logits").requires_grad_()
    reference = inputs.tensor("ref_logprobs_full", None)
    loss = objective.loss(batch, GivenLogits(logits[:, :-1], batch.labels, reference))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check_if_given("ce_loss", loss.metrics["objective/token_nll"].value())
    kl = loss.metrics.get("objective/kl_reference")
    case.check_if_given("kl_loss", kl.value() if kl is not None else 0.0)
    case.check("grad_logits", logits.grad)
