"""CHORD (arXiv 2508.11408): demonstrations join every update, their weight moves over the stage.

    L = (1 − μ)·L_policy + μ·L_imitation,   L_imitation = Σ m·(−ℓ)·sg[φ] / Σ m,   φ = p·(1 − p)

    μ(t) = peak·t/w                                                     for t < w
         = valley + (peak − valley)·½·(1 + cos(π·(t − w)/d))            for w ≤ t < w + d
         = valley                                                       afterwards

t counts steps from 0, w and d are the steps of warm-up and decay. φ is largest for tokens the
policy is undecided on: what it knows is left alone, what it finds impossible is not forced. The
demonstrations are rows of their own, drawn from a stream of their own; they need not belong to
the prompts that are sampled, and no advantage ever sees them. The denominator counts all
demonstrations of the update batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from etude.component import Need, component, option
from etude.objective.aggregation.micro_token_mean import MicroTokenMean
from etude.objective.aggregation.seq_mean_token_mean import SequenceMeanTokenMean
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.batch import Forward, LossBatch, MaskedForward
from etude.objective.loss import Loss, Metric, aggregate, token_metric
from etude.objective.parts import Aggregation, Imitation
from etude.primitives.certainty import phi_of

_DENOMINATORS: Mapping[str, Aggregation] = {
    "global_tokens": TokenMean(),
    "per_sequence": SequenceMeanTokenMean(),
    "micro_rows": MicroTokenMean(weigh="rows"),
}


@component(
    source="arXiv 2508.11408",
    requires=[Need("column:solution", why="for the demonstrations that join every update")],
)
@dataclass(frozen=True)
class Chord(Imitation):
    """Demonstrations in every update, with a scheduled weight and weighted tokens."""

    words: ClassVar[str] = (
        "{rows} demonstrations an update, mu {mu_peak} to {mu_valley}[, phi {phi}]"
    )

    rows: int = option(64, "demonstrations that join each update batch", ge=1)
    mu_peak: float = option(0.1, "weight of the demonstrations after the warm-up", ge=0, le=1)
    mu_valley: float = option(0.1, "weight of the demonstrations after the decay", ge=0, le=1)
    mu_warmup_steps: int = option(0, "steps over which the weight rises from 0 to mu_peak", ge=0)
    mu_decay_steps: int = option(
        0, "steps over which it then falls to mu_valley along a cosine; 0: at once", ge=0
    )
    phi: bool = option(True, "multiply token losses by p(1 - p); false: plain cross-entropy")
    denominator: str = option(
        "global_tokens",
        "what the demonstrations' loss is divided by: global_tokens (all of the update batch) | "
        "per_sequence (mean of row means) | micro_rows (token means of micro-batches, weighed by "
        "rows: a fidelity option, the result then depends on the micro-batch size)",
        choices=tuple(_DENOMINATORS),
    )

    def mu(self, step: int) -> float:
        """Return the weight of the demonstrations in step number ``step``."""
        if step < self.mu_warmup_steps:
            return step / self.mu_warmup_steps * self.mu_peak
        done = step - self.mu_warmup_steps
        if done >= self.mu_decay_steps:
            return self.mu_valley
        share = 0.5 * (1.0 + math.cos(math.pi * done / self.mu_decay_steps))
        return (self.mu_peak - self.mu_valley) * share + self.mu_valley

    def policy_weight(self, step: int) -> float:
        """Return 1 − μ."""
        return 1.0 - self.mu(step)

    def loss(self, batch: LossBatch, forward: Forward) -> Loss:
        """Return μ times the loss of the demonstrations."""
        mu = self.mu(batch.step)
        logprobs = MaskedForward(forward, batch.mask).logprobs
        phi = phi_of(logprobs)
        tokens = -logprobs * phi if self.phi else -logprobs
        weights = _DENOMINATORS[self.denominator].weights(batch.mask, batch.totals)
        rows = torch.tensor(float(batch.mask.shape[0]), dtype=torch.float64)
        metrics = {
            "objective/mu": Metric(mu * rows, rows),
            "objective/imitation_loss": token_metric(tokens, batch.mask),
            "objective/imitation_nll": token_metric(-logprobs, batch.mask),
            "objective/imitation_phi": token_metric(phi, batch.mask),
        }
        return Loss(mu * aggregate(tokens, weights), metrics)
