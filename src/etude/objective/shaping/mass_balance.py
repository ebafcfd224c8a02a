"""How a step moves probability from wrong answers to right ones, measured and not changed (BroRL).

Of the answers to a prompt those that were sampled are known with their probabilities (those of the
rollout engine); of the others only how probable they are together: the probability Q of a right
answer is taken to be the share of right ones among the group's. That bounds what a step does to Q
from below (``primitives/mass.py``, with η/N = 1 and rewards of 1 and −1): the unsampled answers
that lose are taken to be one. A step is sure to raise Q where the bound is positive, and with more
answers to a prompt it comes to be.

Long answers have next to no probability each, so that nothing can be said of them; for short ones,
as on generated arithmetic, ``unsampled`` falls with the answers a prompt gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.component import component, option
from etude.errors import DataError
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Shaping
from etude.primitives.mass import Mass, expected_unsampled, pass_at

#: What the log has of the prompts of a step, as means: the probability of what was not sampled, the
#: second moment that is expected to be missed, what sampled answers move Q by, the least it moves
#: by, how often that is up, and the chance that a group of its size has a right answer.
_NAMES = tuple(
    f"objective/mass_{name}"
    for name in ("unsampled", "missed", "sampled", "least", "sure", "reach")
)


@component(source="arXiv 2510.01180")
@dataclass(frozen=True)
class MassBalance(Shaping):
    """Measures how much of what may be answered was sampled, and what a step is sure to move."""

    metric: str = option(
        "accuracy",
        "which answers are right: a part of the verifier, or reward (the sum)",
        form="part or reward",
    )
    above: float = option(0.0, "an answer is right where its metric is larger")

    def shape(self, batch: RolloutBatch, state: Any) -> tuple[RolloutBatch, dict[str, float]]:
        """Return the batch as it is, and what was measured."""
        if batch.sampler_logprobs is None or batch.tokens is None:
            raise DataError(
                "objective.shaping.mass_balance needs the answers' tokens and the log-probs of the "
                "rollout engine, and these rows have none; leave it out of objective.shaping"
            )
        metric, applies = batch.metric(self.metric)
        right = (metric > self.above) & applies
        own = torch.ones_like(right)  # what was given, and not sampled, has no chance of its own
        if batch.off_policy is not None:
            own = batch.off_policy.sum(-1) == 0
        chances = (batch.sampler_logprobs.double() * batch.mask).sum(-1).exp()
        found = [
            self._group(batch.tokens[rows], batch.mask[rows], chances[rows], right[rows])
            for group in batch.groups.unique()
            for rows in [(own & (batch.groups == group)).nonzero().squeeze(-1)]
            if len(rows)
        ]
        means = torch.stack(found).mean(0).tolist() if found else [0.0] * len(_NAMES)
        return batch, dict(zip(_NAMES, means, strict=True))

    def _group(self, tokens: Tensor, mask: Tensor, chances: Tensor, right: Tensor) -> Tensor:
        """Return the numbers of one prompt's answers, in the order of their names."""
        shown = torch.where(mask > 0, tokens, torch.full_like(tokens, -1))
        _, kinds = shown.unique(dim=0, return_inverse=True)
        first = torch.zeros(int(kinds.max()) + 1, dtype=torch.long, device=kinds.device)
        first[kinds.flip(0)] = torch.arange(len(kinds), device=kinds.device).flip(0)
        chances, is_right = chances[first], right[first]
        known_right, known_wrong = chances[is_right].sum(), chances[~is_right].sum()
        share = right.double().mean()
        rest_right = (share - known_right).clamp(min=0.0)
        rest_wrong = (1.0 - share - known_wrong).clamp(min=0.0)
        signal = known_right - known_wrong
        losing = signal > 0  # the share of right outcomes that were not sampled is pushed down
        mass = Mass(
            baseline=signal,
            right=share,
            sampled_right=chances[is_right].square().sum(),
            sampled_wrong=chances[~is_right].square().sum(),
            unsampled_right=torch.where(losing, rest_right.square(), torch.zeros_like(share)),
            unsampled_wrong=torch.where(losing, torch.zeros_like(share), rest_wrong.square()),
        )
        least, count = mass.change(), len(kinds)
        return torch.stack(
            [
                1.0 - (known_right + known_wrong).clamp(max=1.0),
                expected_unsampled(chances, count).sum(),
                mass.by_sampled_right() + mass.by_sampled_wrong(),
                least,
                (least > 0).double(),
                pass_at(share, count),
            ]
        )
