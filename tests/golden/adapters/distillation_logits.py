"""Distillation from logits mixed with the likelihood of the text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from golden_objective import composed
from golden_sequences import GivenLogits

from etude.objective.batch import SupervisedBatch, totals_of
from etude.objective.token_loss.distilled import Distilled

METHOD = "distillation"
CONFIG = {"kind", "tau", "alpha"}
INPUTS = {"student_logits"}


def run(case: Any) -> None:
    assert case.config.take("kind") == "logit_distillation"
    part = Distilled(alpha=case.config.take("alpha"), tau=case.config.take("tau"))
    labels = torch.tensor(case.inputs.take("labels"))
    mask = case.inputs.tensor("mask")
    student = case.inputs.tensor("student_logits").requires_grad_()
    teacher = case.inputs.tensor("teacher_logits")
    batch = SupervisedBatch(labels, mask, totals_of(mask, width=mask.shape[1]))
    objective = replace(composed("distillation"), token_loss=part)
    loss = objective.loss(batch, GivenLogits(student, labels, teacher=teacher))
    loss.total.backward()
    case.check("loss", loss.total)
    case.check("grad_student_logits", student.grad)
