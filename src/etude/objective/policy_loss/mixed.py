"""What losses share that tell demonstrated tokens from the policy's own (LUFFY, RL-PLUS).

    own tokens            L = −A·r         with ``clip`` c: max(−A·r, −A·clip(r, 1 − c, 1 + c))
    demonstrated tokens   L = −A·v·C

where the upper end of the band is at least ``clip_upper_bound``, and r, v and C are the method's.
The released codes clip nothing. ``expert: reference`` takes v = p/(p_expert + 1e-6) with p_expert
of the reference model, for demonstrations that it wrote (models.reference=FOLDER).

``all_max_clip`` takes tokens above that probability out of the loss and out of every denominator.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from etude.component import Need, Rule, option
from etude.errors import DataError
from etude.objective.batch import Forward, LossBatch
from etude.objective.loss import Metrics, TokenLoss, token_metric
from etude.objective.parts import PolicyLoss
from etude.primitives.off_policy import expert_ratio, probability

#: What every mixed loss needs and gives; a component hands them to ``component``.
MIXED_NEEDS = (
    Need(
        "model:reference",
        when="expert == 'reference'",
        why="which wrote the demonstrations, for their probabilities",
    ),
)
MIXED_PROVIDES = ("loss:tokenwise", "loss:off_policy")


@dataclass(frozen=True)
class Mixed(PolicyLoss):
    """A loss with one form for own tokens and another for demonstrated ones."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "off_min_clip <= off_max_clip",
            "is {off_min_clip}, above {path}.off_max_clip={off_max_clip}.",
        ),
    )

    clip: float | None = option(
        None, "own tokens: half the width of the clip's band (0.2 is usual); null: no clip", gt=0
    )
    clip_upper_bound: float = option(
        1.0, "own tokens: upper end of the band where above 1 + clip", ge=1
    )
    off_max_clip: float | None = option(
        None, "largest value of a demonstrated token; null: none", gt=0
    )
    off_min_clip: float | None = option(
        None, "smallest value of a demonstrated token; null: none", ge=0
    )
    all_max_clip: float | None = option(
        None, "tokens the policy gives more than this are left out; null: none", gt=0, le=1
    )
    expert: str = option(
        "unknown",
        "who wrote demonstrations: unknown | reference (the model models.reference)",
        choices=("unknown", "reference"),
    )

    @property
    def statistics(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return what must be known of an update batch: which tokens are left out."""
        return () if self.all_max_clip is None else ("logprobs",)

    @abstractmethod
    def own(self, logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
        """Return r of own tokens, ``[N, T]``."""

    @abstractmethod
    def demonstrated(self, logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
        """Return v of demonstrated tokens where the expert is unknown, ``[N, T]``."""

    def exploration(self, logprobs: Tensor) -> Tensor:
        """Return C of demonstrated tokens, constants, ``[N, T]``."""
        return torch.ones_like(logprobs)

    def prepare(self, batch: LossBatch, statistics: Mapping[str, Tensor], state: Any) -> LossBatch:
        """Return the update batch without the tokens that ``all_max_clip`` leaves out."""
        if self.all_max_clip is None:
            return batch
        kept = statistics["logprobs"].exp() <= self.all_max_clip
        return dataclasses.replace(batch, mask=batch.mask * kept.to(batch.mask))

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token; raises DataError without the expert's log-probs."""
        logprobs, old, advantages = forward.logprobs, batch.old_logprobs, batch.advantages
        given = torch.zeros_like(batch.mask) if batch.off_policy is None else batch.off_policy
        is_given = given > 0
        ratio = self.own(logprobs, old)
        own = -advantages * ratio
        clipped = torch.zeros_like(is_given)
        if self.clip is not None:
            upper = max(self.clip_upper_bound, 1.0 + self.clip)
            bounded = -advantages * ratio.clamp(1.0 - self.clip, upper)
            clipped = (bounded > own) & ~is_given
            own = torch.maximum(own, bounded)
        value = self._bounded(self._value(batch, logprobs))
        demonstrated = -advantages * value * self.exploration(logprobs)
        metrics = self._metrics(batch, forward, is_given, own, demonstrated, value)
        metrics["objective/clip_fraction"] = token_metric(clipped, batch.mask * ~is_given)
        return TokenLoss(torch.where(is_given, demonstrated, own), metrics, clipped)

    def _value(self, batch: LossBatch, logprobs: Tensor) -> Tensor:
        if self.expert == "unknown":
            return self.demonstrated(logprobs, batch.old_logprobs)
        if "reference" not in batch.role_logprobs:
            raise DataError(
                "objective.policy_loss.expert=reference reads the reference model's log-probs, "
                "and these rows have none; type models.reference=FOLDER"
            )
        return expert_ratio(logprobs, batch.role_logprobs["reference"])

    def _bounded(self, value: Tensor) -> Tensor:
        if self.off_max_clip is not None:
            value = value.clamp(max=self.off_max_clip)
        if self.off_min_clip is not None:
            value = value.clamp(min=self.off_min_clip)
        return value

    def _metrics(
        self,
        batch: LossBatch,
        forward: Forward,
        is_given: Tensor,
        own: Tensor,
        demonstrated: Tensor,
        value: Tensor,
    ) -> Metrics:
        ours, theirs = batch.mask * ~is_given, batch.mask * is_given
        limits = {"max": self.off_max_clip, "min": self.off_min_clip}
        shares = {
            f"objective/off_{name}_clip_fraction": token_metric(value == limit, theirs)
            for name, limit in limits.items()
            if limit is not None
        }
        return {
            "objective/own_loss": token_metric(own, ours),
            "objective/off_loss": token_metric(demonstrated, theirs),
            "objective/off_ratio": token_metric(value, theirs),
            "objective/own_probability": token_metric(probability(batch.old_logprobs), ours),
            "objective/off_probability": token_metric(probability(forward.logprobs), theirs),
            "objective/off_tokens": token_metric(is_given, batch.mask),
            **shares,
        }
