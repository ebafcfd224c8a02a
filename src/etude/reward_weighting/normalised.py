"""Each part normalised by itself, then summed (GDPO, arXiv 2601.05242).

    z_ik = (part_ik − mean_g) / (std_g + ε)        the answers to one prompt, std with n − 1
    A_i  = (Σ_k w_k z_ik − mean) / (std + ε)       over the batch

Summed first, different combinations of parts give the same advantage; normalised first they stay
apart. ``tokens`` normalises over the tokens of the batch, each with its answer's sum, as the
authors' verl version does (with ε 1e-6 in the group); their TRL version takes the answers. A part
counts among the answers that it applies to, and shaping terms (KL) are parts of weight 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from etude.component import ADVANTAGES, component, option
from etude.objective.parts import SEVERAL
from etude.primitives.groups import group_statistics
from etude.reward_weighting.interface import Combined, Tools
from etude.reward_weighting.weighted import Weighted, weighted_sum


@component(source="arXiv 2601.05242", provides=[ADVANTAGES], requires=[SEVERAL])
@dataclass(frozen=True)
class Normalised(Weighted):
    """Advantages of each part among the answers to its prompt, summed by weight and scaled once."""

    epsilon: float = option(
        1e-4, "ε, added to standard deviations (their verl version: 1e-6)", gt=0
    )
    batch: str = option(
        "rows",
        "what the sum is normalised over: rows | tokens (of all answers) | none",
        choices=("rows", "tokens", "none"),
    )

    def combine(
        self,
        parts: Mapping[str, Tensor],
        groups: Tensor,
        applies: Mapping[str, Tensor],
        tools: Tools,
    ) -> Combined:
        """Return the weighted sum as reward, and the advantages ``[N]`` beside it."""
        weights = self.weighed(parts)
        terms = {name: tools.rewards(name) for name in tools.terms}
        scored = {
            **{name: self.scores(parts[name], groups, applies[name]) for name in weights},
            **{name: self.scores(values, groups) for name, values in terms.items()},
        }
        every = {**dict.fromkeys(terms, 1.0), **weights}
        summed = weighted_sum(every, scored)
        return Combined(
            weighted_sum(weights, parts),
            advantages=self.scaled(summed, tools.lengths),
            weights=weights,
            metrics={f"flat/{name}": _flat(scored[name], groups) for name in weights},
        )

    def log_weights(self, parts: Sequence[str]) -> dict[str, float]:
        """Return the weight of each part that has one: what is called the reward is their sum."""
        return self.weights_of(parts)

    def scores(self, values: Tensor, groups: Tensor, applies: Tensor | None = None) -> Tensor:
        """Return the z-scores of a part in its groups, ``[N]`` float64; 0 where it is alone."""
        found = torch.zeros(len(values), dtype=torch.float64)
        chosen = torch.arange(len(values)) if applies is None else applies.nonzero().squeeze(-1)
        if not len(chosen):
            return found
        known = group_statistics(values[chosen], groups[chosen])
        scores = known.centre(values[chosen]) / (known.std + self.epsilon)
        found[chosen] = torch.where(known.size > 1, scores, torch.zeros_like(scores))
        return found

    def scaled(self, summed: Tensor, lengths: Tensor) -> Tensor:
        """Return summed scores ``[N]`` by mean and std of the batch: of its rows, or its tokens."""
        if self.batch == "none" or len(summed) < 2:
            return summed
        if self.batch == "rows":
            return (summed - summed.mean()) / (summed.std() + self.epsilon)
        counts = lengths.double()
        tokens = counts.sum()
        if tokens < 2:
            return summed
        centred = summed - (summed * counts).sum() / tokens
        variance = (centred.square() * counts).sum() / (tokens - 1)
        return centred * (variance + 1e-8).rsqrt()


def _flat(scores: Tensor, groups: Tensor) -> float:
    """Return the share of groups in which a part tells no answer from another."""
    count = int(groups.max()) + 1 if len(groups) else 0
    told = torch.zeros(count).scatter_reduce(0, groups, scores.abs().float(), "amax")
    present = torch.zeros(count, dtype=torch.bool)
    present[groups] = True
    return float((told[present] == 0).float().mean()) if count else 0.0
