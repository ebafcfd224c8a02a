"""Building objectives, batches and forward passes for golden cases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from etude.build import build
from etude.config.prepare import prepare
from etude.objective.advantage.grpo import GroupRelative
from etude.objective.aggregation.fixed_length import FixedLength
from etude.objective.aggregation.seq_mean_token_mean import SequenceMeanTokenMean
from etude.objective.aggregation.seq_mean_token_sum import SequenceMeanTokenSum
from etude.objective.aggregation.token_mean import TokenMean
from etude.objective.batch import LossBatch, RolloutBatch, totals_of
from etude.objective.filter.none import KeepAll
from etude.objective.guidance.none import Unguided
from etude.objective.imitation.none import NoImitation
from etude.objective.mismatch.none import Uncorrected
from etude.objective.policy_gradient import PolicyGradient
from etude.objective.policy_loss.clipped import Clipped
from etude.schema import load

#: The published names of aggregations → how the component is made (L: its fixed length).
AGGREGATIONS = {
    "token-mean": lambda length: TokenMean(),
    "seq-mean-token-mean": lambda length: SequenceMeanTokenMean(),
    "seq-mean-token-sum": lambda length: SequenceMeanTokenSum(),
    "seq-mean-token-sum-norm": lambda length: FixedLength(length=length, divide_by_rows=False),
}


def objective(**parts: Any) -> PolicyGradient:
    """Return a policy-gradient objective with the given parts and plain ones elsewhere."""
    plain = {
        "filter": KeepAll(),
        "advantage": GroupRelative(),
        "policy_loss": Clipped(),
        "aggregation": TokenMean(),
        "guidance": Unguided(),
        "imitation": NoImitation(),
        "mismatch": Uncorrected(),
    }
    return PolicyGradient(**{**plain, **parts})


@cache
def composed(preset: str, *overrides: str) -> Any:
    """Return a preset objective as the command line composes it, with more on the line."""
    known = load()
    info = known.choices("objective")[preset]
    chosen = info.example or known.learner(info.learner or "").example.format(objective=preset)
    recipe = () if "recipe=" in chosen else ("recipe=rl",)
    ((_, stages),) = prepare([*recipe, *chosen.split(), *overrides]).runs
    return build(stages[-1].config["objective"], "objective")


@dataclass
class GivenLogprobs:
    """A forward pass that returns given log-probs."""

    logprobs: Tensor

    def entropy(self) -> Tensor:
        raise AssertionError("these cases give no entropies")

    def statistic(self, of: Any) -> Tensor:
        raise AssertionError("these cases give no distributions")

    def logits(self) -> Tensor:
        raise AssertionError("these cases give no logits")


def rollout_batch(mask: Tensor, **given: Any) -> RolloutBatch:
    """Return a rollout batch with the given tensors and zeros elsewhere."""
    rows, width = mask.shape
    zeros = torch.zeros(rows, width, dtype=torch.float64)
    plain = {
        "groups": torch.arange(rows),
        "rewards": zeros.sum(-1),
        "token_rewards": zeros,
        "old_logprobs": zeros,
        "lengths": mask.sum(-1).long(),
        "truncated": torch.zeros(rows, dtype=torch.bool),
        "width": width,
    }
    return RolloutBatch(mask=mask, **{**plain, **given})


def loss_batch(mask: Tensor, old_logprobs: Tensor, advantages: Tensor, **given: Any) -> LossBatch:
    """Return a micro-batch that is the whole update batch; advantages are ``[N]`` or ``[N, T]``."""
    if advantages.dim() == 1:
        advantages = advantages.unsqueeze(-1) * mask
    rows, width = mask.shape
    groups = given.pop("groups", torch.arange(rows))
    known = given.pop("role_logprobs", {}).items()
    return LossBatch(
        old_logprobs=old_logprobs,
        advantages=advantages,
        mask=mask,
        groups=groups,
        row_seeds=torch.arange(rows),
        step=0,
        totals=totals_of(mask, groups, width=width),
        role_logprobs={role: values for role, values in known if values is not None},
        **given,
    )
