"""The heads of a critic: one for the reward, or one for each part that is valued by itself.

A critic's outputs ``[N, T, K·m]`` are those of its K heads side by side, m numbers each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from etude.errors import DataError
from etude.objective.batch import LossBatch, RolloutBatch
from etude.objective.critic.kind import TARGETS, CriticLoss
from etude.objective.loss import Estimate

_VALUES, _RETURNS = "critic_values", "critic_returns"


@dataclass(frozen=True)
class PartHeads:
    """Which parts have a head of their own, with the weights of their losses; none: one head.

    ``loss`` says what a head's numbers mean.
    """

    loss: CriticLoss
    weights: Mapping[str, float]

    @property
    def places(self) -> Tensor:
        """Return what the outputs of all heads stand for, ``[K·m]``."""
        return self.loss.places.repeat(max(1, len(self.weights)))

    def assessed(self, batch: RolloutBatch, outputs: Tensor) -> RolloutBatch:
        """Return the rows of a step with the values that the outputs ``[N, T, K·m]`` are."""
        if not self.weights:
            return replace(batch, values=self.loss.values(outputs))
        found = {name: self.loss.values(own) for name, own in self._each(outputs)}
        return replace(batch, part_values=found)

    def aimed(
        self, update: LossBatch, batch: RolloutBatch, estimate: Estimate, outputs: Tensor
    ) -> LossBatch:
        """Return the rows of a step with what every head should come to, as marks.

        Raises DataError where the advantage gives no returns.
        """
        if not self.weights:
            returns = _there(estimate.returns)
            return update.mark(TARGETS, self.loss.targets(batch, returns, outputs))
        for name, own in self._each(outputs):
            part = estimate.parts.get(name)
            returns = _there(None if part is None else part.returns)
            assert part is not None  # it has returns
            rewarded = replace(batch, rewards=part.rewards, token_rewards=part.token_rewards)
            update = update.mark(f"{TARGETS}/{name}", self.loss.targets(rewarded, returns, own))
            update = update.mark(f"{_RETURNS}/{name}", returns)
            update = update.mark(f"{_VALUES}/{name}", batch.part_values[name])
        return update

    def rewards(self, batch: RolloutBatch, estimate: Estimate) -> list[Tensor]:
        """Return the rewards that each head predicts, ``[N]``."""
        return [estimate.parts[name].rewards for name in sorted(self.weights)] or [batch.rewards]

    def terms(
        self, outputs: Tensor, batch: LossBatch
    ) -> Iterator[tuple[str, float, Tensor, LossBatch]]:
        """Yield (name, weight, outputs, micro-batch) of every head, as a loss of one sees them."""
        if not self.weights:
            yield "", 1.0, outputs, batch
            return
        for name, own in self._each(outputs):
            marks = {**batch.marks, TARGETS: batch.marks[f"{TARGETS}/{name}"]}
            values, returns = (batch.marks[f"{kind}/{name}"] for kind in (_VALUES, _RETURNS))
            small = replace(batch, marks=marks, values=values, returns=returns)
            yield f"/{name}", self.weights[name], own, small

    def _each(self, outputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        size = self.loss.places.numel()
        yield from zip(sorted(self.weights), torch.split(outputs, size, -1), strict=True)


def _there(returns: Tensor | None) -> Tensor:
    if returns is None:
        raise DataError(
            "a critic learns from returns, and the advantage gives none; choose one that does "
            "(objective/advantage=gae) or objective/critic=none"
        )
    return returns
