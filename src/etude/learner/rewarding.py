"""From judged groups to rewards and advantages: once a step, by the stage's reward weighting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from etude.component import ADVANTAGES, ADVANTAGES_BY_VALUE, OF_BATCH
from etude.errors import StageError
from etude.learner.part_values import (
    PartValues,
    combine,
    provides,
    refuse_other_advantages,
    refuse_unknown_weights,
    rewards_of,
    title_of,
)
from etude.learner.spans import rewarded
from etude.learner.step_tools import GradientOf, PartAdvantages, StepParts, StepTools
from etude.learner.tensors import row_seeds
from etude.live import Tree
from etude.objective.batch import RolloutBatch
from etude.objective.loss import Estimate, spread
from etude.objective.policy_gradient import ObjectiveState, advantage_extremes
from etude.primitives.masked import keep
from etude.reward_weighting.interface import Combined, Tools, WeightingState
from etude.rows import Row, StopReason
from etude.verifier.declared import parts_of

#: The config path of weightings, under which a stage keeps their state.
_PATH = "reward_weighting"


@dataclass(frozen=True)
class Rewarded:
    """The rows of a step with rewards and advantages, and numbers for the log."""

    batch: RolloutBatch
    estimate: Estimate
    metrics: dict[str, float]


class Rewarding:
    """Combines the parts of judged rows, by the weighting and the objective of one trained model.

    The weighting's state is what the ``stage`` of that model keeps alive. A part that the verifier
    declares is there even in a step in which it applies to no row.
    """

    def __init__(self, stage: Any, objective: Any, weighting: Any) -> None:
        self._stage = stage
        self._objective = objective
        self.weighting = weighting
        self._declared = parts_of(stage.parts.verifier) or ()
        self._of_batch = provides(weighting, OF_BATCH)
        self._gives_advantages = any(
            provides(weighting, each) for each in (ADVANTAGES, ADVANTAGES_BY_VALUE)
        )
        self._found: Combined | None = None
        self._of_parts = PartAdvantages(getattr(objective, "advantage", None))
        if self._of_batch or self._gives_advantages:
            stage.keep(f"{_PATH}.advantages", self._of_parts)

    @property
    def _live(self) -> WeightingState | None:
        found: WeightingState | None = self._stage.live.get(_PATH)
        return found

    @property
    def _state(self) -> Tree:
        return None if self._live is None else self._live.state

    def alone(self, group: Sequence[Row], step: int) -> None:
        """Give the rows of one group the rewards they have by themselves, for a filter or the log.

        The state is the one the step began with, and stays. By a weighting that needs the whole
        batch they have none (nan).
        """
        if self._of_batch:
            found = [float("nan")] * len(group)
        else:
            tools = self._tools([*group], step)
            found = rewards_of(
                group, self.weighting, state=self._state, tools=tools, declared=self._declared
            )
        for row, reward in zip(group, found, strict=True):
            row.reward = reward

    def weights(self, rows: Sequence[Row]) -> Mapping[str, float] | None:
        """Return what each part counted in the rewards of this step, for the log of its rows.

        None where the reward is no weighted sum. Ask once a step.
        """
        found, self._found = self._found, None
        if found is not None:
            return found.weights
        shown: Mapping[str, float] | None = self.weighting.log_weights(
            list(PartValues.of([rows], self._declared).values)
        )
        return shown

    def _tools(self, rows: Sequence[Row], step: int) -> Tools:
        return Tools(**self._known(rows, step))

    def _known(self, rows: Sequence[Row], step: int) -> dict[str, Any]:
        optimizer = self._stage.parts.optimizer
        steps = self._stage.steps
        return {
            "step": step,
            "steps": steps,
            "learning_rate": 0.0 if optimizer is None else optimizer.rate(step, steps),
            "lengths": torch.tensor([row.length for row in rows]),
            "truncated": torch.tensor([r.stop_reason is StopReason.LENGTH for r in rows]),
            "seeds": row_seeds(rows, self._stage.seed, step),
        }

    def plainly(self, groups: Sequence[Sequence[Row]], step: int) -> Combined | None:
        """Reward the rows of a step that nobody learns from; None where there are none.

        The state moves on.
        """
        rows = [row for group in groups for row in group]
        if not rows:
            return None
        return self._combine(rows, PartValues.of(groups, self._declared), self._tools(rows, step))

    def whole(
        self,
        groups: Sequence[Sequence[Row]],
        batch: RolloutBatch,
        state: ObjectiveState,
        gradient: GradientOf,
    ) -> Rewarded:
        """Reward the rows that a step learns from, and estimate their advantages.

        The state of the weighting and those of the objective's shaping and advantage move on.
        """
        rows = [row for group in groups for row in group]
        known = PartValues.of(groups, self._declared)
        tools = self._tools(rows, batch.step)
        if self._of_batch or self._gives_advantages:
            policy = self._stage.policy.causal_lm.config.get_text_config()
            given = self._known(rows, batch.step) | {"width": batch.width}
            given["layers"] = policy.num_hidden_layers
            work = StepParts(self._objective, self._of_parts, rows, known, batch, state, gradient)
            tools = StepTools(**given, work=work)
        else:
            tools = replace(tools, width=batch.width)
        found = self._combine(rows, known, tools)
        rewards = torch.tensor([row.reward for row in rows], dtype=torch.float32)
        batch = rewarded(rows, batch, rewards, found.weights or {})
        batch = replace(batch, parts=known.values, applies=known.applies)
        metrics = self._metrics(found)
        if found.advantages is None:
            batch, shaped = self._objective.shape(batch, state)
            estimate = self._objective.estimate(batch, state)
            return Rewarded(batch, estimate, shaped | metrics)
        assert isinstance(tools, StepTools)  # _combine has looked
        return self._of_advantages(found.advantages, batch, state, tools, metrics)

    def _combine(self, rows: Sequence[Row], known: PartValues, tools: Tools) -> Combined:
        found = self._found = combine(self.weighting, rows, known, self._state, tools)
        if self._declared:  # otherwise a part may be one that no row of this step has
            terms = tools.work.terms if isinstance(tools, StepTools) else ()
            refuse_unknown_weights(title_of(self.weighting), found, [*known.values, *terms])
        if found.advantages is not None and not self._gives_advantages:
            raise StageError(
                f"reward_weighting={type(self.weighting).__name__} gave advantages, and does not "
                f"declare it: @component(provides=['{ADVANTAGES}'])"
            )
        if found.state is not None and self._live is None:
            raise StageError(
                f"reward_weighting={type(self.weighting).__name__} gave a state, and has none at "
                "the start: its start(seed) returns the first one"
            )
        if found.state is not None and self._live is not None:
            self._live.state = found.state
        for row, reward in zip(rows, found.rewards.tolist(), strict=True):
            row.reward = reward
        return found

    def _metrics(self, found: Combined) -> dict[str, float]:
        """Return the weighting's numbers for the log, and weights that it has chosen itself."""
        named = {f"reward_weighting/{name}": float(v) for name, v in found.metrics.items()}
        if found.weights is None or self.weighting.log_weights(list(found.weights)) is not None:
            return named
        return named | {f"reward/{part}/weight": float(w) for part, w in found.weights.items()}

    def _of_advantages(
        self,
        given: Tensor,
        batch: RolloutBatch,
        state: ObjectiveState,
        tools: StepTools,
        metrics: dict[str, float],
    ) -> Rewarded:
        masked, terms, shaped = self._objective.terms(batch, state)
        mask = masked.mask
        refuse_other_advantages(title_of(self.weighting), given, mask)
        advantages = spread(given, mask) if given.dim() == 1 else keep(given.to(mask.dtype), mask)
        for name in self.weighting.values():
            tools.advantages(name)  # a critic learns of every part that it values
        for name in terms:
            if name not in tools.work.asked:
                advantages = advantages + tools.advantages(name).to(advantages)
        for term in terms.values():
            masked = replace(
                masked,
                rewards=masked.rewards + term.rewards,
                token_rewards=masked.token_rewards + term.token_rewards,
            )
        said = advantage_extremes(advantages, mask) | tools.work.metrics
        found = Estimate(advantages, metrics=said, parts=tools.work.found)
        return Rewarded(masked, found, shaped | metrics)


def unrewarded(rows: Iterable[Row], groups: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """Return the rows that are in none of the groups, by prompt, in the order they have."""
    known = {id(row) for group in groups for row in group}
    found: dict[str, list[Row]] = {}
    for row in rows:
        if id(row) not in known:
            known.add(id(row))
            found.setdefault(row.prompt_id, []).append(row)
    return list(found.values())
