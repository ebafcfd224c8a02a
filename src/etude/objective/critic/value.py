"""A critic as PPO has it (arXiv 1707.06347): a value head, of its own or on the policy.

    V_t = head(states_t)      L = coef · Σ_{i,t} w_it · loss(V_it, R_it)      R = A + V°

with V° the values before the update, A the advantages before whitening, and the weights w of the
objective's aggregation, so that the critic's denominators are the policy loss's. ``share: own``
trains the model of ``role`` by an optimizer of its own, on the same update batches as the policy
and ten times as fast unless ``lr`` says otherwise; ``share: head`` reads the policy's last hidden
states, and its loss joins the policy's in one backward pass. The head begins at zero.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from etude.component import ADVANTAGES, Need, component, option, slot
from etude.errors import DataError
from etude.objective.batch import LossBatch
from etude.objective.critic.kind import TARGETS, Critic, CriticLoss
from etude.objective.loss import ScalarLoss, aggregate, token_metric
from etude.objective.parts import Aggregation
from etude.primitives.masked import as_float, keep


@component(
    source="arXiv 1707.06347",
    conflicts=[
        Need(ADVANTAGES, why="it predicts the one reward, and advantages are those of parts")
    ],
    requires=[
        Need("model:{role}", when="share == 'own'", why="to start from"),
        Need("row:returns", why="to learn"),
    ],
    provides=[
        "row:values",
        Need("trained:{role}", why="with an optimizer of its own, or as a head of the policy"),
    ],
)
@dataclass(frozen=True)
class ValueCritic(Critic):
    """Predict the return of every token with a value head."""

    words: ClassVar[str] = "critic ({share}, {loss}, coefficient {coef})"

    share: str = option(
        "own",
        "own (a model of its own, by default models.critic, with its own optimizer) | head (on the "
        "policy's last hidden states, in the policy's backward pass)",
        choices=("own", "head"),
    )
    coef: float = option(0.1, "weight of the critic's loss", gt=0)
    lr: float | None = option(
        None,
        "peak learning rate of an own critic; null: that of an optimizer of its own "
        "(models.critic.train.optimizer), else ten times optimizer.lr (verl: 1e-5, 1e-6)",
        gt=0,
        le=100,
    )
    role: str = option("critic", "the role of models that is trained as the critic", form="filled")
    loss: CriticLoss = slot("squared", "what the head predicts and what its error costs")

    def rate(self, policy: float) -> float:
        """Return an own critic's peak learning rate beside the policy's."""
        return 10.0 * policy if self.lr is None else self.lr

    def term(self, outputs: Tensor, batch: LossBatch, aggregation: Aggregation) -> ScalarLoss:
        """Return the loss of a micro-batch, coefficient included; it adds over micro-batches.

        Raises DataError for a batch without returns.
        """
        if batch.values is None or batch.returns is None or TARGETS not in batch.marks:
            raise DataError(
                "a critic learns from returns, and this batch has none; choose an advantage that "
                "gives them (objective/advantage=gae)"
            )
        mask = as_float(batch.mask)

        def known(x: Tensor) -> Tensor:
            counted = mask if x.dim() == mask.dim() else mask.unsqueeze(-1)
            return keep(x.to(outputs), counted)

        outputs = keep(as_float(outputs), mask.unsqueeze(-1))
        old, returns = known(batch.values), known(batch.returns)
        batch = dataclasses.replace(batch, mask=mask, values=old, returns=returns)
        tokens = self.loss.losses(outputs, known(batch.marks[TARGETS]), batch)
        values = self.loss.values(outputs.detach())
        metrics = {
            "critic/loss": token_metric(tokens.loss, mask),
            "critic/squared_error": token_metric((values - returns).square(), mask),
            "critic/value_size": token_metric(values.abs(), mask),
            **tokens.metrics,
        }
        weights = aggregation.weights(mask, batch.totals, batch.groups)
        return ScalarLoss(self.coef * aggregate(tokens.loss, weights), metrics)
