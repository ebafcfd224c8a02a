"""The decoder of last resort: every step reads every row again from its beginning, without a cache.

Slow, and right for every causal model: the numbers are those of a forward pass by definition.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from etude.model.policy import Policy
from etude.rollout.alike import AlikeDecoder
from etude.rollout.decoder import Start
from etude.rollout.waves import PREFILL_TOKENS, Wave, by_length


class PlainDecoder(AlikeDecoder):
    """Decodes with whole forward passes over rows of equal length."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self._texts: list[list[int]] = []
        self._live: list[bool] = []

    def begin(self, wave: Wave, prefixes: Sequence[int], temperature: float) -> Start:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        self._texts = [list(wave.contexts[context]) for context in wave.context_of]
        self._live = [True] * len(self._texts)

        def read(part: list[int], contexts: Sequence[Sequence[int]]) -> Tensor:
            return self._states([list(context) for context in contexts])

        return self._begun(wave, prefixes, temperature, read, PREFILL_TOKENS)

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        for row, token in enumerate(tokens.tolist()):
            if self._live[row]:
                self._texts[row].append(token)
        found: Tensor | None = None
        for part in by_length([len(text) for text in self._texts], PREFILL_TOKENS):
            states = self._states([self._texts[i] for i in part])
            logits = self._policy.logits_of(states[:, -1])
            if found is None:
                found = logits.new_zeros(len(self._texts), logits.shape[-1])
            found[torch.tensor(part, device=self._device)] = logits
        assert found is not None  # a step is only asked for while there are rows
        return found

    def hold(self, rows: Tensor) -> None:
        """Let finished rows grow no further."""
        for row in rows.tolist():
            self._live[row] = False

    def keep(self, rows: Tensor) -> None:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        self._texts = [self._texts[row] for row in rows.tolist()]
        self._live = [self._live[row] for row in rows.tolist()]

    def _states(self, texts: list[list[int]]) -> Tensor:
        return self._policy.states(
            input_ids=torch.tensor(texts, device=self._device), use_cache=False
        )
