"""Rows of one length side by side, each herd with a cache of its own and no padding at all.

For models that padding would change: recurrent ones keep a state of all they have read. Rows whose
contexts differ in length are decoded in turn, so a step takes a pass for every length.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from etude.model.policy import Policy
from etude.rollout.alike import AlikeDecoder
from etude.rollout.decoder import Start
from etude.rollout.waves import Wave


@dataclass
class _Herd:
    """Rows that have come equally far: their places in the batch, and their cache."""

    rows: Tensor
    cache: Any
    live: Tensor


class AlignedDecoder(AlikeDecoder):
    """Decodes with the model's modules and transformers' own caches, one for each length."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        decoder = policy.causal_lm.get_decoder()
        named = inspect.signature(decoder.forward).parameters
        self._name = "cache_params" if "cache_params" in named else "past_key_values"
        self._herds: list[_Herd] = []

    def begin(self, wave: Wave, prefixes: Sequence[int], temperature: float) -> Start:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        owners: list[list[int]] = [[] for _ in wave.contexts]
        for row, context in enumerate(wave.context_of):
            owners[context].append(row)
        self._herds = []

        def read(part: list[int], contexts: Sequence[Sequence[int]]) -> Tensor:
            cache: Any = DynamicCache(config=self._policy.causal_lm.config)
            states = self._states(torch.tensor(contexts, device=self._device), cache)
            rows = [row for i in part for row in owners[i]]
            source = [place for place, i in enumerate(part) for _ in owners[i]]
            cache.reorder_cache(torch.tensor(source, device=self._device))
            places = torch.tensor(rows, device=self._device)
            self._herds.append(_Herd(places, cache, torch.ones_like(places, dtype=torch.bool)))
            return states

        return self._begun(wave, prefixes, temperature, read)

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        found: Tensor | None = None
        for herd in self._herds:
            if not bool(herd.live.any()):
                continue  # it would run past the end of the model's positions
            states = self._states(tokens[herd.rows].unsqueeze(-1), herd.cache)
            logits = self._policy.logits_of(states[:, -1])
            if found is None:
                found = logits.new_zeros(tokens.shape[0], logits.shape[-1])
            found[herd.rows] = logits
        assert found is not None  # a step is only asked for while a row is live
        return found

    def hold(self, rows: Tensor) -> None:
        """Finished rows run on beside those of their length until they leave."""
        for herd in self._herds:
            herd.live &= ~torch.isin(herd.rows, rows)

    def keep(self, rows: Tensor) -> None:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        herds = []
        for herd in self._herds:
            # Where each new row was in this herd, if it was.
            same = rows.unsqueeze(-1) == herd.rows
            new, old = same.nonzero(as_tuple=True)
            if new.numel():
                herd.cache.reorder_cache(old)
                herds.append(_Herd(new, herd.cache, herd.live[old]))
        self._herds = herds

    def _states(self, ids: Tensor, cache: Any) -> Tensor:
        return self._policy.states(input_ids=ids, use_cache=True, **{self._name: cache})
