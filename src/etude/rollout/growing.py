"""Transformers' own growing cache, for models whose layers do not all attend to everything
(sliding windows, chunks) or that a slot cache does not suit.

Contexts are padded on the left, so that every row's next token lies in the same column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from etude.model.policy import Policy
from etude.rollout.decoder import Start, read_start
from etude.rollout.waves import Wave


class GrowingDecoder:
    """Decodes with the model's modules and one ``DynamicCache``, padded on the left."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._device = policy.device

    @classmethod
    def fits(cls, policy: Policy) -> bool:
        """Return True: this is how transformers itself generates."""
        return True

    def suits(self, wave: Wave) -> bool:
        """Return whether every column is a position that the model has."""
        limit = getattr(self._policy.causal_lm.config, "max_position_embeddings", None)
        return limit is None or wave.columns <= limit

    def refresh(self) -> None:
        """Nothing is kept beside the policy's weights."""

    def begin(self, wave: Wave, prefixes: Sequence[int], temperature: float) -> Start:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        contexts, filler = wave.contexts, self._policy.pad_id
        width = max(len(context) for context in contexts)
        offsets = [width - len(context) for context in contexts]
        ids = torch.tensor(
            [[filler] * offset + list(c) for offset, c in zip(offsets, contexts, strict=True)],
            device=self._device,
        )
        columns = torch.arange(width, device=self._device)
        starts = torch.tensor(offsets, device=self._device).unsqueeze(-1)
        self._cache = DynamicCache(config=self._policy.causal_lm.config)
        mask = (columns >= starts).long()
        states = self._policy.states(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(columns - starts).clamp(min=0),
            past_key_values=self._cache,
            use_cache=True,
        )
        owners = torch.tensor(wave.context_of, device=self._device)
        self._select(owners)
        self._mask = mask[owners]
        self._positions = (width - starts)[owners]
        self._pace = torch.ones_like(self._positions)
        return read_start(self._policy, states, contexts, offsets, prefixes, temperature)

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        self._mask = torch.cat((self._mask, self._mask.new_ones(self._mask.shape[0], 1)), dim=1)
        states = self._policy.states(
            input_ids=tokens.unsqueeze(-1),
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._positions = self._positions + self._pace
        return self._policy.logits_of(states[:, -1])

    def hold(self, rows: Tensor) -> None:
        """Finished rows run on until they leave; their positions stop, so none is out of range."""
        self._pace[rows] = 0

    def keep(self, rows: Tensor) -> None:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        self._select(rows)
        self._mask, self._positions = self._mask[rows], self._positions[rows]
        self._pace = self._pace[rows]

    def _select(self, rows: Any) -> None:
        self._cache.reorder_cache(rows)
