"""The book-keeping of one wave: which rows still write, where, and why the others ended.

Rows keep their number in the wave; *slots* are their present places in the batch. A row's tokens
lie in a line of a page as wide as the longest response plus one cell, in which rows that have ended
but not yet left the batch write what nobody reads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from etude.randomness import uniforms
from etude.rollout.stops import StopStrings
from etude.rows import Request, Sampled, StopReason

_REASONS = (StopReason.LENGTH, StopReason.STOP, StopReason.STRING)
_LENGTH, _STOP, _STRING = range(3)


class Page:
    """The responses of a wave's rows as they are written."""

    def __init__(
        self,
        requests: Sequence[Request],
        prefix_logprobs: Sequence[Sequence[float]],
        stop_tokens: Tensor,
        stops: StopStrings,
    ) -> None:
        device = stop_tokens.device
        count = len(requests)
        self._requests = requests
        self._prefix_logprobs = prefix_logprobs
        self._stop_tokens = stop_tokens
        self._stops = stops
        self._width = max(max(r.max_new_tokens, len(r.prefix)) for r in requests) + 1
        self._uniforms = torch.from_numpy(self._draws()).to(device)
        self._reasons = [_LENGTH] * count
        self._lengths = [len(request.prefix) for request in requests]
        self._texts = [list(request.prefix) for request in requests] if stops else []
        self._steps: list[tuple[Tensor, Tensor, Tensor]] = []
        self._tokens = np.zeros(count * self._width, dtype=np.int64)
        self._logprobs = np.zeros(count * self._width, dtype=np.float64)
        # In slot order, and shrinking with the batch:
        self.rows = torch.arange(count, device=device)
        line = self.rows * self._width
        self._cells = line + torch.tensor(self._lengths, device=device)
        self._last = line + torch.tensor([r.max_new_tokens - 1 for r in requests], device=device)
        self.live = torch.ones(count, dtype=torch.long, device=device)
        self._end_in_prefix()

    def uniforms(self) -> Tensor:
        """Return the uniform of every slot's next token, float64 ``[n]``."""
        return self._uniforms[self._cells]

    def write(self, tokens: Tensor, logprobs: Tensor) -> Tensor | None:
        """Write one token a slot; return the slots whose rows ended with it, or None."""
        cells = self._cells
        self._steps.append((cells, tokens, logprobs))
        stopped = (tokens.unsqueeze(-1) == self._stop_tokens).any(-1)
        ended = stopped | (cells >= self._last)
        completed = self._completed(tokens)
        if completed is not None:
            ended = ended | completed
        ended = ended & (self.live > 0)
        self._cells = cells + self.live
        slots = ended.nonzero().squeeze(-1)
        if not slots.numel():
            return None
        by_string = completed[slots].tolist() if completed is not None else [False] * slots.numel()
        rows, marks = self.rows[slots].tolist(), stopped[slots].tolist()
        lengths = (cells[slots] - self.rows[slots] * self._width + 1).tolist()
        for row, length, stop, string in zip(rows, lengths, marks, by_string, strict=True):
            self._lengths[row] = length
            self._reasons[row] = _STOP if stop else _STRING if string else _LENGTH
        self.live[slots] = 0
        return slots

    def survivors(self) -> Tensor:
        """Return which slots to keep: live ones stay in place, the last ones fill the gaps."""
        live = self.live.nonzero().squeeze(-1)
        count = live.numel()
        order = torch.arange(count, device=live.device)
        order[(self.live[:count] == 0).nonzero().squeeze(-1)] = live[live >= count]
        return order

    def keep(self, slots: Tensor) -> None:
        """Make slot ``slots[i]`` slot i, and drop those not named."""
        self.rows, self.live = self.rows[slots], self.live[slots]
        self._cells, self._last = self._cells[slots], self._last[slots]

    def sampled(self, numbers: Sequence[int] | None = None) -> list[Sampled]:
        """Return rows that have ended, by their numbers in the wave; None: all, in order."""
        self._read()
        return [
            self._sampled(n) for n in (range(len(self._requests)) if numbers is None else numbers)
        ]

    def _sampled(self, row: int) -> Sampled:
        request, length = self._requests[row], self._lengths[row]
        forced, line = len(request.prefix), row * self._width
        before = self._prefix_logprobs[row]
        return Sampled(
            (*request.prefix, *self._tokens[line + forced : line + length].tolist()),
            (
                *before[len(before) - forced :],
                *self._logprobs[line + forced : line + length].tolist(),
            ),
            _REASONS[self._reasons[row]],
        )

    def _read(self) -> None:
        """Bring what was written since the last time from the device."""
        if self._steps:
            cells = torch.cat([step[0] for step in self._steps]).cpu().numpy()
            self._tokens[cells] = torch.cat([step[1] for step in self._steps]).cpu().numpy()
            self._logprobs[cells] = torch.cat([step[2] for step in self._steps]).cpu().numpy()
        self._steps = []

    def _draws(self) -> np.ndarray:
        """Return the uniforms of every cell: token t of a row is drawn with the row's t-th one."""
        lines = np.zeros((len(self._requests), self._width))
        for line, request in zip(lines, self._requests, strict=True):
            line[: request.max_new_tokens] = uniforms(request.seed, request.max_new_tokens)
        return lines.reshape(-1)

    def _end_in_prefix(self) -> None:
        """End rows whose forced prefix already ends them."""
        stops = set(self._stop_tokens.tolist())
        for row, request in enumerate(self._requests):
            stopped = bool(request.prefix) and request.prefix[-1] in stops
            if stopped or len(request.prefix) >= request.max_new_tokens:
                self._reasons[row] = _STOP if stopped else _LENGTH
                self.live[row] = 0

    def _completed(self, tokens: Tensor) -> Tensor | None:
        """Return which slots' tokens complete a stop string, or None where none is looked for."""
        if not self._stops:
            return None
        found = torch.zeros_like(self.live, dtype=torch.bool)
        for slot, (row, token) in enumerate(zip(self.rows.tolist(), tokens.tolist(), strict=True)):
            text = self._texts[row]
            text.append(token)
            if self._stops.may_complete(token) and self._stops.completed_by_last(text):
                found[slot] = True
        return found
