"""The loss of critiques: question and solution are context."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from golden_objective import composed
from golden_sequences import GivenLogits

from etude.objective.batch import SupervisedBatch, totals_of
from etude.objective.supervised import loss_mask_of
from etude.objective.token_loss.standard import Standard

METHOD = "cft"
CONFIG = {"kind"}
INPUTS = {"input_ids", "critique_lengths"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "loss"
    input_ids = torch.tensor(case.inputs.take("input_ids"))
    width = input_ids.shape[1]
    keys = ("question_lengths", "solution_lengths", "critique_lengths")
    lengths = zip(*(case.inputs.take(key) for key in keys), strict=True)
    masks = [
        loss_mask_of(question + solution, critique) for question, solution, critique in lengths
    ]
    mask = torch.tensor([each + [0] * (width - len(each)) for each in masks])
    case.check("loss_mask", mask)

    totals = totals_of(mask[:, :-1], width=width)
    batch = SupervisedBatch(input_ids[:, 1:], mask[:, :-1], totals)
    logits = case.inputs.tensor("logits").requires_grad_()
    objective = replace(composed("cft"), token_loss=Standard())
    loss = objective.loss(batch, GivenLogits(logits[:, :-1], batch.labels))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logits", logits.grad)
