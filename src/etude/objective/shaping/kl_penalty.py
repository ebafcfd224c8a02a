"""KL to a frozen model as a penalty in the reward (PPO, RLOO, REINFORCE++; arXiv 1909.08593).

    r_t ← r_t − β · k(ℓ°_t, ℓʳ_t)      (before advantages; nothing has a gradient)

β is fixed, or adapted after every step: β ← β·(1 + clip(KL/target − 1, ±0.2)·n/horizon), with KL
the mean over rows of each row's token mean and n the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.errors import DataError
from etude.objective.batch import RolloutBatch
from etude.objective.parts import Shaping
from etude.primitives.kl import KL_ESTIMATORS, kl_estimate
from etude.primitives.masked import as_float, keep, row_mean


@dataclass
class KLController:
    """The coefficient of the penalty, moved towards a target divergence."""

    coef: float

    def update(self, kl: float, rows: int, *, target: float, horizon: float) -> None:
        """Raise the coefficient when ``kl`` is above ``target``, by at most 20% · rows/horizon."""
        error = min(max(kl / target - 1.0, -0.2), 0.2)
        self.coef *= 1.0 + error * rows / horizon

    def state_dict(self) -> dict[str, Any]:
        """Return the coefficient."""
        return {"coef": self.coef}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the coefficient."""
        self.coef = float(state["coef"])


@component(
    source="arXiv 1909.08593",
    requires=[Need("model:{role}", when="coef > 0", why="whose distribution it stays close to")],
    provides=[Need("divergence:{role}", when="coef > 0")],
)
@dataclass(frozen=True)
class KLPenalty(Shaping):
    """A penalty on every token's divergence from the reference model, taken off its reward."""

    words: ClassVar[str] = "{controller} kl penalty {coef} × {estimator} in the reward"

    reads_old_logprobs: ClassVar[bool] = True

    coef: float = option(0.001, "weight β of the penalty, or where it starts (TRL PPO 0.05)", ge=0)
    estimator: str = option(
        "k1", "how the divergence is estimated: k1 | k2 | k3 | abs", choices=KL_ESTIMATORS
    )
    controller: str = option(
        "fixed",
        "fixed | adaptive (moves coef after every step)",
        choices=("fixed", "adaptive"),
    )
    target: float = option(6.0, "divergence that adaptive steers to, in nats a token", gt=0)
    horizon: float = option(10000.0, "rows over which adaptive moves by up to 20%", gt=0)
    role: str = option("reference", "the role of models that it keeps close to", form="filled")

    def make_state(self) -> KLController:
        """Return the coefficient at the start of a stage."""
        return KLController(self.coef)

    def shape(
        self, batch: RolloutBatch, state: KLController
    ) -> tuple[RolloutBatch, dict[str, float]]:
        """Return the batch with the penalty taken off, then move an adaptive coefficient."""
        if state.coef == 0:
            return batch, {"objective/kl_coef": 0.0}
        if self.role not in batch.role_logprobs:
            raise DataError(
                f"objective.shaping.kl_penalty.coef={self.coef} needs log-probs of the model "
                f"{self.role}, and these rows have none; choose models.{self.role} or set it to 0"
            )
        mask = as_float(batch.mask)
        old, reference = as_float(batch.old_logprobs), as_float(batch.role_logprobs[self.role])
        kl = keep(kl_estimate(old, reference, self.estimator), mask)
        filled = mask.sum(-1) > 0
        mean = float(row_mean(kl, mask)[filled].mean()) if bool(filled.any()) else 0.0
        metrics = {"objective/kl_coef": state.coef, f"objective/kl_{self.role}": mean}
        shaped = batch.add_token_rewards(-state.coef * kl)
        if self.controller == "adaptive":
            state.update(mean, mask.shape[0], target=self.target, horizon=self.horizon)
        return shaped, metrics
