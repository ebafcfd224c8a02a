"""An entropy bonus: L − c · aggregate(H), aggregated like the policy loss.

H is the entropy of the whole next-token distribution at the sampling temperature, in nats. c is
``coef``, or, as in Skywork-OR1 (arXiv 2505.22312), moved once a step by the entropy e of that step:

    c ← clip(c + delta if e < target else c − delta, min_coef, max_coef)
    the next step applies c if e < target, else 0

With one state and rewards R the optimum of E[R] + c·H is softmax(R/c), unique and continuous in R
where the plain optimum jumps (arXiv 2507.20150).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from etude.component import Rule, component, option
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import TokenLoss, token_metric
from etude.objective.parts import Regularizer


@dataclass
class EntropyController:
    """The coefficient of the bonus, and whether the entropy is low enough to apply it."""

    coef: float
    enabled: bool = True

    @property
    def applied(self) -> float:
        """Return the coefficient that the next update applies."""
        return self.coef if self.enabled else 0.0

    def update(self, low: bool, *, delta: float, least: float, most: float) -> None:
        """Raise the coefficient and apply it when the entropy is ``low``, else lower it."""
        moved = self.coef + (delta if low else -delta)
        self.coef = min(max(moved, least), most)
        self.enabled = low

    def state_dict(self) -> dict[str, Any]:
        """Return the coefficient and the switch."""
        return {"coef": self.coef, "enabled": self.enabled}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.coef = float(state["coef"])
        self.enabled = bool(state["enabled"])


@component(source="arXiv 1602.01783")
@dataclass(frozen=True)
class Entropy(Regularizer):
    """A bonus for keeping the next token uncertain."""

    words: ClassVar[str] = "{controller} entropy bonus {coef}"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("min_coef <= max_coef", "is {min_coef}, above {path}.max_coef={max_coef}."),
    )

    coef: float = option(
        0.001, "weight of the bonus, or where it starts (0.001 in older verl, 0 now)", ge=0
    )
    controller: str = option(
        "fixed",
        "fixed | adaptive (moves coef after every step)",
        choices=("fixed", "adaptive"),
    )
    target: float = option(0.2, "entropy that adaptive holds, in nats a token", ge=0)
    delta: float = option(1e-4, "how far adaptive moves coef in a step (TRL 0.005)", ge=0)
    min_coef: float = option(0.0, "adaptive never goes below", ge=0)
    max_coef: float = option(0.005, "adaptive never goes above (TRL 1.0)", ge=0)
    at_target: bool = option(
        False, "an entropy equal to target counts as too low (TRL) rather than high enough"
    )

    @property
    def active(self) -> bool:
        """Return whether there is a bonus, or may be one."""
        return self.coef > 0 or self.controller == "adaptive"

    def make_state(self) -> EntropyController | None:
        """Return the coefficient at the start of a stage, None where it never moves."""
        return EntropyController(self.coef) if self.controller == "adaptive" else None

    def observe(self, metrics: Mapping[str, float], state: EntropyController | None) -> None:
        """Move an adaptive coefficient by the step's entropy; a skipped step moves nothing."""
        entropy = metrics.get("objective/entropy")
        if state is None or entropy is None:
            return
        low = entropy <= self.target if self.at_target else entropy < self.target
        state.update(low, delta=self.delta, least=self.min_coef, most=self.max_coef)

    def loss(
        self, batch: LossBatch, forward: Forward, state: EntropyController | None
    ) -> TokenLoss:
        """Return −coef × entropy of every token."""
        coef = self.coef if state is None else state.applied
        entropy = forward.entropy() if coef else forward.entropy().detach()
        metrics = {
            "objective/entropy": token_metric(entropy, batch.mask),
            "objective/entropy_coef": token_metric(torch.full_like(batch.mask, coef), batch.mask),
        }
        return TokenLoss(-coef * entropy, metrics)
