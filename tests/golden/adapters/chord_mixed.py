"""CHORD's loss of micro-batches that hold answers and demonstrations."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from golden_objective import GivenLogprobs, composed
from torch import Tensor

from etude.objective.aggregation.micro_token_mean import MicroTokenMean
from etude.objective.batch import LossBatch, Totals
from etude.objective.imitation.chord import Chord
from etude.objective.policy_loss.clipped import Clipped

METHOD = "chord"
CONFIG = {"enable_phi_function"}
INPUTS = {"logprobs", "expert_mask"}


def whole(rows: int, width: int) -> Totals:
    """Return the totals of an update batch of so many rows; only their number is read."""
    return Totals(tokens=0, rows=rows, all_rows=rows, width=width)


def run(case: Any) -> None:
    config, inputs = case.config, case.inputs
    config.choose("kind", {None: None, "accumulated": None}, None)
    trainers = config.take("ngpus_trainer")  # each has its share of the rows, and sees these
    imitation = Chord(
        mu_warmup_steps=config.take("mu_warmup_steps"),
        mu_decay_steps=config.take("mu_decay_steps"),
        mu_peak=config.take("mu_peak"),
        mu_valley=config.take("mu_valley"),
        phi=config.take("enable_phi_function"),
        denominator=config.choose(
            "use_token_level_loss_in_sft", {True: "micro_rows", False: "per_sequence"}
        ),
    )
    policy_loss = Clipped(
        clip_low=config.take("clip_range_low"),
        clip_high=config.take("clip_range_high"),
        dual_clip=config.take("clip_ratio_c"),
    )
    objective = dataclasses.replace(
        composed("chord"),
        policy_loss=policy_loss,
        aggregation=MicroTokenMean(),
        imitation=imitation,
    )
    step = config.take("step")
    mask, old = inputs.tensor("response_mask"), inputs.tensor("old_logprobs")
    advantages, expert = inputs.tensor("advantages"), inputs.tensor("expert_mask") > 0
    logprobs = inputs.tensor("logprobs").requires_grad_()
    rows, width = mask.shape
    usual = whole(config.take("train_batch_size_usual") // trainers, width)
    shown = whole(config.take("train_batch_size_expert") // trainers, width)

    def batch(chosen: Tensor, totals: Totals) -> LossBatch:
        numbers = torch.arange(int(chosen.sum()))
        some = (old[chosen], advantages[chosen], mask[chosen])
        return LossBatch(*some, groups=numbers, row_seeds=numbers, step=step, totals=totals)

    def parts(chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return both parts of the loss of a micro-batch, their weights 1 − μ and μ included."""
        policy = imitated = torch.zeros((), dtype=torch.float64)
        own, given = chosen & ~expert, chosen & expert
        if own.any():
            policy = objective.loss(batch(own, usual), GivenLogprobs(logprobs[own])).total
        if given.any():
            imitated = imitation.loss(batch(given, shown), GivenLogprobs(logprobs[given])).total
        return policy, imitated

    # Their trainer divides the loss of a micro-batch by the number of micro-batches; the reference
    # multiplies by it beforehand (by M/b where micro-batches differ in size). Ours already add up.
    mini, micro = config.take("ppo_mini_batch_size"), config.take("ppo_micro_batch_size_per_gpu")
    dynamic = config.take("use_dynamic_bsz")
    cuts = config.take("gradient_accumulation", 1)
    found = []
    for some in torch.tensor_split(torch.arange(rows), cuts):
        chosen = torch.isin(torch.arange(rows), some)
        factor = mini // trainers / len(some) if dynamic else mini / micro
        policy, imitated = parts(chosen)
        found.append((policy * factor, imitated * factor))
    loss = torch.stack([policy + imitated for policy, imitated in found]).sum() / cuts
    loss.backward()
    mu = imitation.mu(step)
    case.check("mu", mu)
    case.check("loss", loss)
    case.check("grad_logprobs", logprobs.grad)
    case.check_if_given(
        "micro_losses", [float((policy + imitated).detach()) for policy, imitated in found]
    )
    if "weighted_grpo_loss" in case.expected:
        ((policy, imitated),) = found
        # The parts without 1 − μ and μ, which may be 0: half of each at μ = 0.5.
        even = dataclasses.replace(
            imitation, mu_warmup_steps=0, mu_decay_steps=0, mu_peak=0.5, mu_valley=0.5
        )
        objective, imitation = dataclasses.replace(objective, imitation=even), even
        policy, imitated = parts(torch.ones(rows, dtype=torch.bool))
        case.check("weighted_grpo_loss", 2 * factor * float(policy.detach()))
        case.check("weighted_sft_loss", 2 * factor * float(imitated.detach()))
