"""Decoders whose passes hold rows of one length: no padding, nothing kept beside the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from etude.model.policy import Policy
from etude.rollout.decoder import Start, read_start
from etude.rollout.waves import Wave, by_length


class AlikeDecoder:
    """The base of decoders for whatever model there is: whether they read right is tried."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._device = policy.device

    @classmethod
    def fits(cls, policy: Policy) -> bool:
        """Return True: a causal model needs nothing more than its forward pass."""
        return True

    def suits(self, wave: Wave) -> bool:
        """Return True: no row takes more cells than it has tokens."""
        return True

    def refresh(self) -> None:
        """Nothing is kept beside the policy's weights."""

    def _begun(
        self,
        wave: Wave,
        prefixes: Sequence[int],
        temperature: float,
        read: Callable[[list[int], Sequence[Sequence[int]]], Tensor],
        most: int | None = None,
    ) -> Start:
        """Return how a wave's contexts end, read by ``read`` in parts of one length.

        It is given the numbers of some contexts and the contexts, and returns their states; a part
        has at most ``most`` tokens.
        """
        logits: dict[int, Tensor] = {}
        forced: dict[int, list[float]] = {}
        lengths = [len(context) for context in wave.contexts]
        for part in by_length(lengths) if most is None else by_length(lengths, most):
            contexts = [wave.contexts[i] for i in part]
            states = read(part, contexts)
            lasts = [prefixes[i] for i in part]
            start = read_start(self._policy, states, contexts, [0] * len(part), lasts, temperature)
            logits |= zip(part, start.logits, strict=True)
            forced |= zip(part, start.prefix_logprobs, strict=True)
        count = len(lengths)
        return Start(
            torch.stack([logits[i] for i in range(count)]), [forced[i] for i in range(count)]
        )
