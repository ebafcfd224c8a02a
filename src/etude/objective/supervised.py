"""The supervised objective: cross-entropy on demonstrations, the prompt masked out.

    L = Σ_{i,t} w_it · token_loss_it  +  kl_coef · Σ_{i,t} w_it · KL(π‖ref)_it
      (+ anchor_coef · Σ (θ − θ₀)², added once an update by the learner through :meth:`anchor`)

The KL is over the whole vocabulary, the student first. The weights w come from ``token_weights``,
divided by their sum as ``denominator`` says; with ``sample_weights`` each demonstration's mean
counts as much as these say, by the losses of all demonstrations of the step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from etude.component import Need, Rule, component, option, slot
from etude.objective.batch import SupervisedBatch, SupervisedForward
from etude.objective.loss import Loss, Metrics, aggregate, token_metric
from etude.objective.sample_weights.kind import SampleWeights
from etude.objective.token_loss.kind import DemonstrationLoss, Taught
from etude.objective.token_weights.kind import TokenWeights
from etude.primitives.kl import full_kl
from etude.primitives.masked import as_float

#: What :attr:`Supervised.denominator` may be, and what it means.
DENOMINATORS = ("global_tokens", "per_sequence", "micro")
DENOMINATOR = (
    "what the loss is divided by: global_tokens (all trained tokens of the update) | "
    "per_sequence (mean of row means) | micro (tokens of the micro-batch: a fidelity option, "
    "the result then depends on the micro-batch size)"
)


def loss_mask_of(prompt_length: int, response_length: int) -> list[int]:
    """Return the loss mask of a sequence of P prompt and R response tokens, of length P + R.

    Position t is 1 when the prediction made there, of token t + 1, is trained: the first trained
    target is the first response token and the last one is the last (end-of-text) token. That is
    t in [P − 1, P + R − 2]. With P ≤ 1 nothing is masked at the front; without a response nothing
    is trained.
    """
    first = max(prompt_length - 1, 0)
    last = prompt_length + response_length - 2
    return [int(first <= t <= last) for t in range(prompt_length + response_length)]


@component()
@dataclass(frozen=True)
class Supervised:
    """Teaches demonstrations token by token."""

    learner: ClassVar[str] = "supervised"
    reads: ClassVar[tuple[str, ...]] = (
        "model",
        "models",
        "objective",
        "data_mix",
        "optimizer",
        "training",
    )

    base_requires: ClassVar[tuple[Need, ...]] = (
        Need("model:reference", when="kl_coef > 0", why="whose distributions it stays close to"),
        Need(
            "component:objective/token_weights=uniform",
            when="learn_prompt == true",
            why="because others weigh the tokens of a response",
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(  # a mix without templates says itself what it teaches
            "stage.data_mix.prompt_template == null or stage.data_mix.response_template != null",
            "is null, so there is nothing to teach.\n"
            "  data_mix.response_template='\"{solution}\"'  teaches the column solution",
            "stage.data_mix.response_template",
        ),
        Rule(
            "sample_weights.name == 'none' or denominator == 'global_tokens'",
            "is {denominator}, and with sample weights it is these that demonstrations are averaged"
            " by: leave it at global_tokens.",
            "denominator",
        ),
    )
    #: Whether a demonstration's mean is over the weights of its tokens, or over their number.
    weights_divide: ClassVar[bool] = True

    token_loss: DemonstrationLoss = slot("standard", "what one demonstrated token costs")
    token_weights: TokenWeights = slot("uniform", "how much each demonstrated token counts")
    sample_weights: SampleWeights = slot("none", "how much each demonstration of a step counts")
    denominator: str = option("global_tokens", DENOMINATOR, choices=DENOMINATORS)
    learn_prompt: bool = option(
        False, "teach the tokens of the prompt too, all but the first, as language modelling does"
    )
    kl_coef: float = option(
        0.0, "weight of the full-vocabulary KL to the reference model (0.05 is usual)", ge=0
    )
    anchor_coef: float = option(
        0.0, "weight of the squared distance to the weights the stage started from", ge=0
    )

    def loss(self, batch: SupervisedBatch, forward: SupervisedForward) -> Loss:
        """Return the loss of a micro-batch; summed over the update batch it is the batch's loss.

        ``forward.logprobs`` are those of the labels; ``logits``, ``reference_logits`` and
        ``teacher_logits`` are asked for only when a term reads them.
        """
        mask = as_float(batch.mask)
        taught = Taught(forward, mask)
        mask = mask.to(taught.logprobs.dtype)
        weights = self.weights(batch, mask)
        tokens = self.token_loss.loss(taught)
        total = aggregate(tokens.loss, weights)
        metrics = {
            "objective/token_nll": token_metric(-taught.logprobs, mask),
            **tokens.metrics,
            **_weight_metrics(batch.weights, mask),
        }
        if self.kl_coef > 0:
            kl = full_kl(taught.logits(), taught.reference_logits())
            total = total + self.kl_coef * aggregate(kl, weights)
            metrics["objective/kl_reference"] = token_metric(kl, mask)
        return Loss(total, metrics)

    def weights(self, batch: SupervisedBatch, mask: Tensor) -> Tensor:
        """Return what multiplies the loss of every token, ``[N, T]``."""
        totals = batch.totals
        own = mask if batch.weights is None else mask * batch.weights.to(mask.dtype)
        if batch.scale is not None:
            return own * batch.scale.to(mask.dtype).unsqueeze(-1)
        if self.denominator == "per_sequence":
            return own / (_or_one(own.sum(-1, keepdim=True)) * max(totals.rows, 1))
        if self.denominator == "micro":
            return own / (_or_one(own.sum()) * totals.micro_batches)
        return own / ((totals.tokens if batch.weights is None else totals.weight) or 1)

    def anchor(self, parameters: Iterable[Tensor], start: Iterable[Tensor]) -> Tensor:
        """Return ``anchor_coef · Σ (θ − θ₀)²`` over all parameters; not divided by anything."""
        distances = [
            (now - before.detach()).float().square().sum()
            for now, before in zip(parameters, start, strict=True)
        ]
        return self.anchor_coef * torch.stack(distances).sum()


def _or_one(sums: Tensor) -> Tensor:
    """Return sums with 1 in the place of 0, where there is nothing to divide."""
    return torch.where(sums > 0, sums, torch.ones_like(sums))


def _weight_metrics(weights: Tensor | None, mask: Tensor) -> Metrics:
    """Return the share of tokens that count more than others, and their mean weight."""
    if weights is None:
        return {}
    raised = (weights > 1).to(mask.dtype) * mask
    return {
        "objective/key_share": token_metric(raised, mask),
        "objective/key_weight": token_metric(weights, raised),
    }
