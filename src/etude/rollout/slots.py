"""A key-value cache with a slot for each row, written in place and never copied for a token.

Row n keeps its keys and values in cells 0, 1, … of slot n, whatever the lengths of other rows. So a
finished row is replaced by moving the last row into its slot, a step reads only as far as the
longest row, and (with heights and widths in multiples of a block) a row meets the same arithmetic
in any company: on a CPU its logits do not change by a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

from etude.model.policy import Policy
from etude.rollout.decoder import Start, read_start
from etude.rollout.waves import PREFILL_TOKENS, Wave, up


class SlotDecoder:
    """Decodes with the model's own modules over a slot cache."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._layers: list[SlotLayer] = []
        shared: Any = self._layers  # the cache sees layers as they are added
        self._cache = Cache(layers=shared)
        self._rows = self._capacity = self._longest = 0
        self._narrowest = up(1)
        self._device = policy.device
        self._dtype = next(policy.model.parameters()).dtype

    @classmethod
    def fits(cls, policy: Policy) -> bool:
        """Return whether every layer of the model attends to all that came before."""
        layers = DynamicCache(config=policy.causal_lm.config).layers
        return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)

    def suits(self, wave: Wave) -> bool:
        """Return True: no row takes more cells than it has tokens."""
        return True

    def refresh(self) -> None:
        """Nothing is kept beside the policy's weights."""

    def begin(self, wave: Wave, prefixes: Sequence[int], temperature: float) -> Start:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        lengths = [len(context) for context in wave.contexts]
        self._open(wave, lengths)
        owners: list[list[int]] = [[] for _ in lengths]
        for row, context in enumerate(wave.context_of):
            owners[context].append(row)
        logits: list[Tensor] = [self._mask] * len(lengths)
        forced: list[list[float]] = [[] for _ in lengths]
        for width, part in prefills(lengths):
            contexts = [wave.contexts[i] for i in part]
            states = self._prefill(contexts, [owners[i] for i in part], width)
            lasts = [prefixes[i] for i in part]
            read = read_start(self._policy, states, contexts, [0] * len(part), lasts, temperature)
            for place, i in enumerate(part):
                logits[i], forced[i] = read.logits[place], read.prefix_logprobs[place]
        return Start(torch.stack(logits), forced)

    def step(self, tokens: Tensor) -> Tensor:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        count = tokens.shape[0]
        padded = self._ids[: up(count)]
        padded[:count] = tokens
        width = self._open_cells(count)
        states = self._next_states(padded, width)
        self._advance_rows(count)
        return self._policy.logits_of(states)[:count]

    def hold(self, rows: Tensor) -> None:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        self._pace[rows] = 0

    def keep(self, rows: Tensor) -> None:
        """See :class:`~etude.rollout.decoder.Decoder`."""
        count = rows.shape[0]
        target = torch.arange(count, device=self._device)
        moved = (rows != target).nonzero().squeeze(-1)
        if moved.numel():
            source = rows[moved]
            for layer in self._layers:
                layer.move(source, moved, up(self._longest))
            for tensor in (self._mask, self._positions, self._pace):
                tensor.index_copy_(0, moved, tensor.index_select(0, source))
        self._clear(count, up(count))
        self._longest = int(self._positions[:count].max()) if count else 0

    # Bookkeeping ---------------------------------------------------------------------------

    def _open(self, wave: Wave, lengths: Sequence[int]) -> None:
        """Make room for the wave and note how far each row has come."""
        rows, self._capacity = len(wave.rows), max(wave.capacity, self._narrowest)
        self._rows = up(rows)
        starts = torch.tensor([lengths[c] for c in wave.context_of], device=self._device)
        self._positions = torch.zeros(self._rows, dtype=torch.long, device=self._device)
        self._positions[:rows] = starts
        self._pace = torch.zeros_like(self._positions)
        self._pace[:rows] = 1
        self._ids = torch.zeros_like(self._positions)
        self._slot_cells = torch.arange(self._rows, device=self._device) * self._capacity
        cells = torch.arange(self._capacity, device=self._device)
        self._mask = torch.zeros(self._rows, self._capacity, dtype=self._dtype, device=self._device)
        self._mask.masked_fill_(cells >= self._positions.unsqueeze(-1), float("-inf"))
        self._longest = max(lengths)

    def _open_cells(self, count: int) -> int:
        """Let each row see the cell its next token goes to; return how many cells a step reads."""
        rows = up(count)
        cells = self._slot_cells[:rows] + self._positions[:rows]
        self._mask.view(-1).index_fill_(0, cells, 0.0)
        width = min(max(up(self._longest + 1), self._narrowest), self._capacity)
        aims: dict[int, Tensor] = {}
        for layer in self._layers:
            heads = layer.heads
            if heads not in aims:
                first = self._head_cells(heads)[: rows * heads].view(rows, heads)
                aims[heads] = (first + self._positions[:rows].unsqueeze(-1)).view(-1)
            layer.aim(aims[heads], width)
        return width

    def _head_cells(self, heads: int) -> Tensor:
        """Return the number of the first cell of every head of every slot, flat."""
        return torch.arange(self._rows * heads, device=self._device) * self._capacity

    def _advance_rows(self, count: int) -> None:
        self._positions[:count] += self._pace[:count]
        self._longest += 1

    def _clear(self, first: int, end: int) -> None:
        """Turn slots that only fill a block up into rows of one token."""
        self._positions[first:end] = 0
        self._pace[first:end] = 0
        self._mask[first:end] = float("-inf")

    # The model -----------------------------------------------------------------------------

    def _prefill(
        self, contexts: Sequence[tuple[int, ...]], owners: Sequence[list[int]], width: int
    ) -> Tensor:
        """Run the contexts, hand their keys and values to the rows that own them; return states."""
        filler = self._policy.pad_id
        ids = torch.tensor(
            [[*c, *[filler] * (width - len(c))] for c in contexts], device=self._device
        )
        cache = DynamicCache()
        # Padding lies to the right, where causal attention never looks.
        positions = torch.arange(width, device=self._device).clamp(max=max(map(len, contexts)) - 1)
        states = self._policy.states(
            input_ids=ids,
            position_ids=positions.expand(len(contexts), -1),
            past_key_values=cache,
            use_cache=True,
        )
        source = torch.tensor(
            [i for i, rows in enumerate(owners) for _ in rows], device=self._device
        )
        target = torch.tensor([row for rows in owners for row in rows], device=self._device)
        width = min(width, self._capacity)
        layers: list[Any] = cache.layers
        for number, layer in enumerate(layers):
            if len(self._layers) <= number:
                self._layers.append(SlotLayer())
            mine = self._layers[number]
            keys, values = layer.keys, layer.values
            mine.reserve(keys, values, self._rows, self._capacity)
            mine.fill(keys[source, :, :width], values[source, :, :width], target)
        return states

    def _next_states(self, ids: Tensor, width: int) -> Tensor:
        """Return the states ``[rows, ·]`` after one more token in every slot."""
        rows = ids.shape[0]
        states = self._policy.states(
            input_ids=ids.unsqueeze(-1),
            position_ids=self._positions[:rows].unsqueeze(-1),
            attention_mask=self._mask[:rows, None, None, :width],
            past_key_values=self._cache,
            use_cache=True,
        )
        return states[:, -1]


def prefills(lengths: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Return which contexts are read together, as (width, context numbers), shortest first.

    Attention's kernels cut long inputs differently by their width, so beyond 192 tokens a context
    is only read beside others of its own width, a multiple of 64; below, widths are multiples of
    16 (vectors) and any company will do.
    """
    found: list[tuple[int, list[int]]] = []
    for number in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        step = 16 if lengths[number] <= 192 else 64
        width = -(-lengths[number] // step) * step
        if found:
            together, part = found[-1]
            alike = width == together or width <= 192
            if alike and (len(part) + 1) * width <= PREFILL_TOKENS:
                found[-1] = (width, [*part, number])
                continue
        found.append((width, [number]))
    return found


class SlotLayer(CacheLayerMixin):
    """The slots of one layer: ``keys`` and ``values`` ``[rows, heads, capacity, ·]``."""

    is_sliding = False
    keys: Tensor
    values: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.width = 0
        self._key_store = self._value_store = torch.empty(0)
        self._cells: Tensor = torch.empty(0, dtype=torch.long)

    def reserve(self, keys: Tensor, values: Tensor, rows: int, capacity: int) -> None:
        """Make ``keys`` and ``values`` views of stores that are kept between waves."""
        self._key_store, self.keys = _view(self._key_store, keys, rows, capacity)
        self._value_store, self.values = _view(self._value_store, values, rows, capacity)
        self.is_initialized = True

    def fill(self, keys: Tensor, values: Tensor, rows: Tensor) -> None:
        """Write contexts' keys and values ``[n, heads, width, ·]`` into slots ``rows [n]``."""
        width = keys.shape[2]
        self.keys[:, :, :width].index_copy_(0, rows, keys)
        self.values[:, :, :width].index_copy_(0, rows, values)

    @property
    def heads(self) -> int:
        """Return the number of key-value heads."""
        return self.keys.shape[1]

    def aim(self, cells: Tensor, width: int) -> None:
        """Say to which cells the step writes (one a slot and head, flat), and how many it reads."""
        self._cells, self.width = cells, width

    def write(self, keys: Tensor, values: Tensor) -> None:
        """Write one token's keys and values ``[rows, heads, ·]``, or with a length of 1."""
        self.keys.view(-1, self.keys.shape[-1]).index_copy_(
            0, self._cells, keys.reshape(-1, self.keys.shape[-1])
        )
        self.values.view(-1, self.values.shape[-1]).index_copy_(
            0, self._cells, values.reshape(-1, self.values.shape[-1])
        )

    def move(self, source: Tensor, target: Tensor, width: int) -> None:
        """Copy the first ``width`` cells of slots ``source`` into slots ``target``."""
        for tensor in (self.keys[:, :, :width], self.values[:, :, :width]):
            tensor.index_copy_(0, target, tensor.index_select(0, source))

    # What transformers asks of a cache layer ----------------------------------------------

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Slots are reserved before a wave begins."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the step's keys and values and return all that a step reads."""
        rows = key_states.shape[0]
        self.write(key_states, value_states)
        return self.keys[:rows, :, : self.width], self.values[:rows, :, : self.width]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the width a mask needs, and where it begins."""
        return self.width, 0

    def get_seq_length(self) -> int:
        """Return how many cells were written before this step, in the longest slot."""
        return max(self.width - 1, 0)

    def get_max_length(self) -> int:
        """Return the number of cells of a slot."""
        return self.keys.shape[2] if self.is_initialized else -1


def _view(store: Tensor, like: Tensor, rows: int, capacity: int) -> tuple[Tensor, Tensor]:
    """Return a flat store at least large enough, and its view ``[rows, heads, capacity, ·]``."""
    heads, width = like.shape[1], like.shape[3]
    size = rows * heads * capacity * width
    if store.numel() < size or store.dtype != like.dtype or store.device != like.device:
        # Zeros, because an attended cell of weight 0 must not hold a NaN.
        store = torch.zeros(size, dtype=like.dtype, device=like.device)
    return store, store[:size].view(rows, heads, capacity, width)
