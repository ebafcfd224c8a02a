"""Parts of an objective that are plain functions of tensors.

N is the number of rows, T the padded response width. A function gets what it names (see
:mod:`.kinds`); what it returns is judged by shape before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from etude.by_path.call import Call, CallError
from etude.by_path.fields import ROLE_LOGPROBS, FilterFields
from etude.component import Declaration
from etude.errors import StageError
from etude.objective.batch import Forward, LossBatch, RolloutBatch
from etude.objective.loss import Estimate, TokenLoss, spread
from etude.objective.parts import Advantage, GroupFilter, PolicyLoss
from etude.primitives.masked import keep
from etude.rows import Outcome, Row


def _called(call: Call, given: Mapping[str, Any]) -> Any:
    try:
        return call(given)
    except CallError as error:
        raise StageError(f"{call.title} failed: {error}") from error


def _tensor(call: Call, value: Any, like: Tensor, what: str) -> Tensor:
    """Return what a function returned as a tensor on the device of ``like``."""
    if not isinstance(value, Tensor):
        raise StageError(str(call.unusable(f"a {type(value).__name__}; it returns {what}")))
    return value.to(like.device)


def _shape(value: Tensor) -> str:
    return str(list(value.shape))


def _finite(call: Call, value: Tensor, mask: Tensor) -> None:
    counted = value[mask > 0] if value.shape == mask.shape else value
    bad = int((~torch.isfinite(counted)).sum())
    if bad:
        raise StageError(
            str(call.unusable(f"{bad} of {counted.numel()} values that are no finite numbers"))
        )


@dataclass(frozen=True, kw_only=True)
class FunctionAdvantage(Advantage):
    """A function of a file that turns rewards into advantages, over the whole rollout batch."""

    call: Call
    declaration: Declaration

    @property
    def reads_old_logprobs(self) -> bool:  # type: ignore[override]
        """Return whether the function asks for log-probs of before the update."""
        return "old_logprobs" in self.call.asks

    def estimate(self, batch: RolloutBatch, state: Any) -> Estimate:
        """Return the advantages of every token; raises StageError where the function fails."""
        mask = batch.mask
        given = {name: _of_batch(name, batch) for name in self.call.asks}
        wanted = f"advantages [N] or [N, T], here [{mask.shape[0]}] or {_shape(mask)}"
        found = _tensor(self.call, _called(self.call, given), mask, wanted).detach()
        if found.shape not in (mask.shape, mask.shape[:1]):
            raise StageError(
                str(self.call.unusable(f"a tensor {_shape(found)}; it returns {wanted}"))
            )
        _finite(self.call, found, mask)
        if found.dim() == 1:
            return Estimate(spread(found, mask))
        return Estimate(keep(found.to(spread(batch.rewards, mask).dtype), mask))


@dataclass(frozen=True, kw_only=True)
class FunctionLoss(PolicyLoss):
    """A function of a file that gives the loss of every token."""

    call: Call
    declaration: Declaration

    @property
    def whole_groups(self) -> bool:  # type: ignore[override]
        """Return whether the function asks for groups, and has to see all rows of each at once."""
        return "groups" in self.call.asks

    def loss(self, batch: LossBatch, forward: Forward) -> TokenLoss:
        """Return the loss of every token; raises StageError where the function fails."""
        mask = batch.mask
        given = {name: _asked(name, batch, forward) for name in self.call.asks}
        wanted = (
            f"the loss of every token [N, T], here {_shape(mask)}; how they become one number is"
            " objective.aggregation's"
        )
        found = _tensor(self.call, _called(self.call, given), mask, wanted)
        if found.shape != mask.shape:
            raise StageError(
                str(self.call.unusable(f"a tensor {_shape(found)}; it returns {wanted}"))
            )
        if not found.requires_grad and forward.logprobs.requires_grad:
            raise StageError(
                str(self.call.unusable("a loss without gradient: it does not follow from logprobs"))
            )
        _finite(self.call, found.detach(), mask)
        return TokenLoss(found)

    def clipped_tokens(self, batch: LossBatch, logprobs: Tensor) -> Tensor:
        """Return that no clip of the function is known."""
        return torch.zeros_like(batch.mask, dtype=torch.bool)


def _asked(name: str, batch: LossBatch, forward: Forward) -> Any:
    if name == "logprobs":
        return forward.logprobs
    return forward.entropy() if name == "entropy" else _of_batch(name, batch)


def _of_batch(name: str, batch: RolloutBatch | LossBatch) -> Any:
    """Return what a batch has of a name: a field, or the log-probs of a role."""
    role = name.removesuffix(ROLE_LOGPROBS)
    if role != name and role in batch.role_logprobs:
        return batch.role_logprobs[role]
    return getattr(batch, name)


@dataclass(frozen=True, kw_only=True)
class FunctionFilter(FilterFields, GroupFilter):
    """A function of a file that says of each prompt's group whether it is trained on."""

    call: Call
    declaration: Declaration

    @property
    def metric(self) -> str:  # type: ignore[override]
        """Return what groups are judged by, for messages."""
        return self.call.title

    @property
    def reads_rewards(self) -> bool:
        """Return whether the function asks for rewards."""
        return "rewards" in self.call.asks

    def keep_groups(self, groups: Sequence[Sequence[Row]]) -> list[bool]:
        """Return for each group whether the function keeps it."""
        return [self._kept(group) for group in groups]

    def _kept(self, group: Sequence[Row]) -> bool:
        verdicts = [row.verdict for row in group if row.verdict is not None]
        names = dict.fromkeys(name for each in verdicts for name in each.parts)
        given = {
            "rewards": [row.reward for row in group],
            "parts": {name: [each.parts.get(name) for each in verdicts] for name in names},
            "correct": [each.outcome is Outcome.CORRECT for each in verdicts],
            "lengths": [len(row.tokens) for row in group],
        }
        found = _called(self.call, given)
        try:
            return self.call.truth(found, "group")
        except CallError as error:
            raise StageError(str(error)) from error
