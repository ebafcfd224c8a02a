"""What turns a wave's contexts and tokens into logits, and how its first logits are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from etude.model.policy import Policy
from etude.rollout.waves import Wave, up


@dataclass(frozen=True)
class Start:
    """What a wave's contexts give: the next token's logits, and log-probs of forced prefixes.

    ``logits [C, V]``; ``prefix_logprobs`` holds one list a context, as long as its longest prefix.
    """

    logits: Tensor
    prefix_logprobs: list[list[float]]


class Decoder(Protocol):
    """Runs one wave at a time; rows are numbered 0 … n−1 and n only falls."""

    def suits(self, wave: Wave) -> bool:
        """Return whether the places this decoder gives the wave's tokens are all within bounds."""

    def begin(self, wave: Wave, prefixes: Sequence[int], temperature: float) -> Start:
        """Read the contexts once each, keep their keys and values for every row, and return both.

        ``prefixes`` gives, for each context, how many of its last tokens were forced.
        """

    def step(self, tokens: Tensor) -> Tensor:
        """Append ``tokens [n]`` to the rows and return the next logits ``[n, V]``."""

    def hold(self, rows: Tensor) -> None:
        """Let finished rows stand still until they leave."""

    def keep(self, rows: Tensor) -> None:
        """Make row ``rows[i]`` row i, and drop those not named."""

    def refresh(self) -> None:
        """Read the policy's weights again."""


def read_start(
    policy: Policy,
    states: Tensor,
    contexts: Sequence[tuple[int, ...]],
    offsets: Sequence[int],
    prefixes: Sequence[int],
    temperature: float,
) -> Start:
    """Return the start of contexts whose ``states [C, S, ·]`` begin at column ``offsets[c]``."""
    ends = [offset + len(c) - 1 for offset, c in zip(offsets, contexts, strict=True)]
    rows = torch.arange(len(contexts), device=states.device)
    last = states[rows, torch.tensor(ends, device=states.device)]
    logits = _logits(policy, last)
    forced: list[list[float]] = []
    for row, (context, end, length) in enumerate(zip(contexts, ends, prefixes, strict=True)):
        if not length:
            forced.append([])
            continue
        before = _logits(policy, states[row, end - length : end])
        logprobs = torch.log_softmax(before / (temperature or 1.0), dim=-1)
        tokens = torch.tensor(context[-length:], device=states.device)
        forced.append(logprobs.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).tolist())
    return Start(logits, forced)


def _logits(policy: Policy, states: Tensor) -> Tensor:
    """Return logits ``[n, V]`` in float32 (float64 stays), computed in blocks of full height."""
    count = states.shape[0]
    logits = policy.logits_of(F.pad(states, (0, 0, 0, up(count) - count)))[:count]
    return logits if logits.dtype == torch.float64 else logits.float()
