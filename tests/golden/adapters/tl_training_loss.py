"""Key tokens of a tool call weighed against the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from golden_objective import composed
from golden_sequences import GivenLogits

from etude.objective.batch import SupervisedBatch, totals_of
from etude.objective.token_loss.generalized import Generalized
from etude.objective.token_loss.standard import Standard
from etude.objective.token_weights.key_tokens import key_weights

METHOD = "tl_training"
CONFIG = {"kind", "max_weight"}
INPUTS = {"key_positions", "parameter_positions"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "weighted_sft"
    max_weight = case.config.take("max_weight")
    q = case.config.take("q", 0)
    objective = replace(composed("tl_training"), token_loss=Generalized(q=q) if q else Standard())
    inputs = case.inputs
    labels = torch.tensor(inputs.take("labels"))
    mask = (labels != -100).double()
    # Labels are the next tokens, and the first trained one follows from where labels begin.
    shifted = torch.tensor(inputs.take("input_ids"))[:, 1:]
    assert torch.equal(labels[:, :-1][mask[:, :-1] > 0], shifted[mask[:, :-1] > 0])
    (places,) = mask.nonzero()[:, 1].unsqueeze(0)
    first = inputs.take("first_trained_position")
    assert int(places[0]) == first
    assert len(labels) == 1, "positions are those of one row"
    keys = [place - first for place in inputs.take("key_positions")]
    parameters = [place - first for place in inputs.take("parameter_positions")]
    weights = torch.zeros_like(mask)
    weights[0, places] = torch.tensor(
        key_weights(len(places), keys, parameters, max_weight), dtype=mask.dtype
    )
    totals = totals_of(mask, width=mask.shape[1])
    batch = SupervisedBatch(labels.clamp(min=0), mask, totals, weights)
    logits = inputs.tensor("logits").requires_grad_()
    loss = objective.loss(batch, GivenLogits(logits, batch.labels))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_logits", logits.grad)
