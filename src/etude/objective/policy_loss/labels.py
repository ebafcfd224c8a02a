"""Which answers are right, for losses that learn from labels instead of advantages."""

from __future__ import annotations

from torch import Tensor

from etude.errors import DataError
from etude.objective.batch import LossBatch


def right_answers(batch: LossBatch, threshold: float, name: str) -> Tensor:
    """Return 1 for a row whose reward is above ``threshold`` and 0 else, ``[N]``.

    Raises DataError, naming the policy loss ``name``, when the batch has no rewards.
    """
    if batch.rewards is None:
        raise DataError(
            f"objective/policy_loss={name} takes the reward of a row for its label, and these "
            "rows have none; type objective/policy_loss=clipped"
        )
    return (batch.rewards > threshold).to(batch.mask.dtype)
