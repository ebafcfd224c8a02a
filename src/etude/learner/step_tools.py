"""What a reward weighting may ask of a step whose rows a policy is about to learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from etude.errors import StageError
from etude.learner.part_values import PartValues
from etude.learner.spans import rewarded
from etude.live import Live, Tree
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, PartEstimate, spread
from etude.objective.policy_gradient import ObjectiveState
from etude.primitives.masked import keep
from etude.reward_weighting.interface import Gradient, Tools
from etude.rows import Row

#: Gives the gradient of the loss that the rows of a step have with some advantages ``[N, T]``; None
#: for layers is every parameter.
GradientOf = Callable[[RolloutBatch, Tensor, Sequence[int] | None], Gradient]


class PartAdvantages(Live):
    """The states of a stage's advantage component, one for each part it was asked about."""

    def __init__(self, advantage: Any) -> None:
        self._advantage = advantage
        self._states: dict[str, Any] = {}

    def of(self, part: str) -> Any:
        """Return the state for a part, which begins like that of a stage."""
        if part not in self._states:
            self._states[part] = self._advantage.make_state()
        return self._states[part]

    def state_dict(self) -> Tree:
        """Return the states by part."""
        return {p: s.state_dict() for p, s in self._states.items() if s is not None}

    def load_state_dict(self, state: Tree) -> None:
        """Restore what :meth:`state_dict` returned, to the bit."""
        self._states = {}
        for part, saved in state.items():
            self.of(part).load_state_dict(saved)


class StepParts:
    """What the tools of one step work with, and what they have found."""

    def __init__(
        self,
        objective: Any,
        advantages: PartAdvantages,
        rows: Sequence[Row],
        known: PartValues,
        batch: RolloutBatch,
        state: ObjectiveState,
        gradient: GradientOf,
    ) -> None:
        self.rows = rows
        self.known = known
        self.gradient = gradient
        self.advantage = objective.advantage
        self.states = advantages
        # Shaping moves on when the step's rewards are known; here it only shows what it would add.
        shaping = {k: deepcopy(s) for k, s in state.parts.items() if k.startswith("shaping.")}
        self.batch, self.terms, _ = objective.terms(batch, ObjectiveState(shaping))
        self.asked: dict[str, Tensor] = {}
        self.metrics: dict[str, float] = {}
        self.found: dict[str, PartEstimate] = {}

    def of(self, part: str) -> tuple[RolloutBatch, Tensor | None]:
        """Return the batch with one part's rewards alone, and which rows it applies to.

        None where that is all of them.
        """
        if part in self.terms:
            return self.terms[part], None
        if part not in self.known.values:
            given = ", ".join([*self.known.values, *self.terms]) or "none"
            raise StageError(f"the reward weighting asks for the part {part}; there are: {given}")
        values, applies = self.known.values[part].float(), self.known.applies[part]
        batch = rewarded(self.rows, self.batch, values, {part: 1.0})
        return batch, None if bool(applies.all()) else applies

    def estimated(
        self, batch: RolloutBatch, applies: Tensor | None, state: Any, part: str = ""
    ) -> Tensor:
        """Return the advantages of a batch, 0 on the rows that the part does not apply to.

        What the advantage component says of them is logged behind the name of the part.
        """
        if batch.part_values and part not in batch.part_values:
            raise StageError(
                f"the reward weighting asks for advantages of {part or 'its own reward'} beside"
                f" a critic, and its values() name {', '.join(batch.part_values)}"
            )
        batch = replace(batch, values=batch.part_values.get(part, batch.values))
        name = f"/{part}" if part else ""
        whole = torch.zeros_like(batch.mask)
        returns = None
        rows = torch.ones(len(whole), dtype=torch.bool) if applies is None else applies
        if not bool(rows.any()):
            return whole
        some = batch if applies is None else batch.select(rows)
        found: Estimate = self.advantage.estimate(some, state)
        self.metrics |= {f"{key}{name}": value for key, value in found.metrics.items()}
        advantages = found.advantages
        if applies is None:
            returns = found.returns
        else:
            whole[rows] = advantages.to(whole)
            advantages = whole
            if found.returns is not None:
                returns = torch.zeros_like(batch.mask, dtype=found.returns.dtype)
                returns[rows] = found.returns
        self.found[part] = PartEstimate(batch.rewards, batch.token_rewards, returns)
        return advantages


@dataclass(frozen=True, kw_only=True)
class StepTools(Tools):
    """The tools of a step whose rows a policy is about to learn from."""

    work: StepParts

    @property
    def terms(self) -> tuple[str, ...]:
        """Return the names of the objective's shaping terms, which are parts here."""
        return tuple(self.work.terms)

    @property
    def mask(self) -> Tensor:
        """Return 1 on the tokens that are trained, ``[N, T]``."""
        return self.work.batch.mask

    def rewards(self, part: str) -> Tensor:
        """Return what a part, or a shaping term, adds up to over each row, ``[N]``."""
        return self.work.of(part)[0].rewards

    def advantages(self, part: str | Tensor) -> Tensor:
        """Return the advantages of one part alone, ``[N, T]``."""
        work = self.work
        if isinstance(part, Tensor):
            batch = rewarded(work.rows, work.batch, part.float(), {})
            return work.estimated(batch, None, work.advantage.make_state())
        if part not in work.asked:
            batch, applies = work.of(part)
            state = work.states.of(part)
            work.asked[part] = work.estimated(batch, applies, state, part)
        return work.asked[part]

    def gradient(
        self, advantages: Tensor, rows: Tensor | None = None, layers: Sequence[int] | None = None
    ) -> Gradient:
        """Return the gradient of the objective's loss at the present policy, before any update."""
        batch = self.work.batch
        given = advantages
        if given.dim() == 1:
            given = spread(given, batch.mask)
        if rows is not None:
            taken = torch.zeros(len(batch.mask), dtype=batch.mask.dtype)
            taken[rows] = 1.0
            batch = replace(batch, mask=batch.mask * taken.unsqueeze(-1))
        return self.work.gradient(batch, keep(given, batch.mask), layers)
