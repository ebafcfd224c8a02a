"""From unpadded rows to the tensors of one forward pass, and which rows go into one.

N rows, T the longest response, S the longest sequence, B lines of tokens (B = N unless packed).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Trainable(Protocol):
    """What is read of a row: a context, a response, and which response tokens are trained."""

    @property
    def prompt(self) -> tuple[int, ...]:
        """The context's tokens; at least one."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """The response's tokens."""

    @property
    def loss_mask(self) -> Sequence[int]:
        """1 for a response token that is trained, else 0; as long as ``tokens``."""


@dataclass(frozen=True)
class MicroBatch:
    """Rows side by side, padded on the right, with responses aligned to their first token.

    ``ids`` and ``positions`` ``[B, S]`` are what the model reads; ``targets [N, T]`` the response
    tokens and ``mask [N, T]`` which are trained (True). Trained token m (of M, row by row) is
    ``targets.view(-1)[places[m]]`` and is predicted at ``ids.view(-1)[sources[m]]``. ``lengths``
    counts the tokens of each line, padding left out. ``packed`` says that a line of ``ids`` holds
    several rows, each with positions from 0. Where the rows of a line share their prompt, which
    then stands once at its head, ``segments [B, S]`` are 0 at the prompt, 1 at the first row's
    response, 2 at the next one's and so on, and positions go on from the prompt in each.
    """

    ids: Tensor
    positions: Tensor
    targets: Tensor
    mask: Tensor
    places: Tensor
    sources: Tensor
    lengths: tuple[int, ...]
    packed: bool = False
    segments: Tensor | None = None

    def to(self, device: torch.device) -> MicroBatch:
        """Return the micro-batch on ``device``."""
        return MicroBatch(
            ids=self.ids.to(device),
            positions=self.positions.to(device),
            targets=self.targets.to(device),
            mask=self.mask.to(device),
            places=self.places.to(device),
            sources=self.sources.to(device),
            lengths=self.lengths,
            packed=self.packed,
            segments=None if self.segments is None else self.segments.to(device),
        )


def collate(
    rows: Sequence[Trainable],
    *,
    pad_id: int = 0,
    lines: Sequence[Sequence[int]] | None = None,
    width: int = 0,
    shared: bool = False,
) -> MicroBatch:
    """Return the micro-batch of ``rows``, on the CPU.

    ``lines`` says which rows, by number, share a line of tokens (packing); None gives each its
    own. With ``shared`` the rows of a line have one prompt, which stands there once. T is the
    longest response, or ``width`` if that is larger.
    Raises ValueError for a row without context or with a mask of another length.
    """
    lengths = [len(row.prompt) + len(row.tokens) for row in rows]
    for number, row in enumerate(rows):
        if not row.prompt or len(row.loss_mask) != len(row.tokens):
            raise ValueError(
                f"row {number} has {len(row.prompt)} context tokens (at least 1 is needed), "
                f"{len(row.tokens)} response tokens and a loss mask of {len(row.loss_mask)}"
            )
    packed = lines is not None and not shared
    lines = lines if lines is not None else [[row] for row in range(len(rows))]
    filled = tuple(
        sum(lengths[row] for row in members)
        - (len(rows[members[0]].prompt) * (len(members) - 1) if shared else 0)
        for members in lines
    )
    long = max(filled)
    wide = max(width, max(len(row.tokens) for row in rows))
    ids = torch.full((len(lines), long), pad_id)
    # Padding goes on counting: a fall would look like the start of another packed row.
    positions = torch.arange(long).repeat(len(lines), 1)
    segments = torch.zeros_like(ids) if shared else None
    targets = torch.zeros(len(rows), wide, dtype=torch.long)
    mask = torch.zeros(len(rows), wide, dtype=torch.bool)
    # What predicts a row's first token, and the place before that token: behind a shared prompt the
    # two are not the same.
    head = torch.zeros(len(rows), dtype=torch.long)
    before = torch.zeros(len(rows), dtype=torch.long)
    for number, members in enumerate(lines):
        column = 0
        for place, i in enumerate(members):
            prompt = len(rows[i].prompt)
            if segments is None or place == 0:
                ids[number, column : column + prompt] = torch.tensor(rows[i].prompt)
                positions[number, column:] = torch.arange(long - column)
                column += prompt
            end = column + len(rows[i].tokens)
            ids[number, column:end] = torch.tensor(rows[i].tokens, dtype=torch.long)
            before[i] = head[i] = number * long + column - 1
            if segments is not None:
                head[i] = number * long + prompt - 1
                positions[number, column:end] = torch.arange(prompt, prompt + end - column)
                segments[number, column:end] = place + 1
            column = end
        if segments is not None:
            # Padding is a response that nobody asks for; far positions may be more than there are.
            segments[number, column:] = len(members) + 1
            positions[number, column:] = 0
    for number, row in enumerate(rows):
        count = len(row.tokens)
        targets[number, :count] = torch.tensor(row.tokens, dtype=torch.long)
        mask[number, :count] = torch.tensor(row.loss_mask, dtype=torch.bool)
    places = mask.view(-1).nonzero().squeeze(-1)
    sources = places
    if wide:
        owners, tokens = places // wide, places % wide
        sources = torch.where(tokens > 0, before[owners] + tokens, head[owners])
    return MicroBatch(
        ids, positions, targets, mask, places, sources, filled, packed=packed, segments=segments
    )


def split(
    lengths: Sequence[int], token_budget: int, groups: Sequence[object] | None = None
) -> list[list[int]]:
    """Return row numbers in micro-batches of at most ``token_budget`` tokens, padding included.

    Rows of like length go together, longest first, ties by number. With ``groups`` (one label a
    row) rows of one label are never separated. A row or group larger than the budget is a
    micro-batch of its own.
    """
    units: dict[object, list[int]] = {}
    for row in range(len(lengths)):
        units.setdefault(row if groups is None else ("group", groups[row]), []).append(row)
    ordered = sorted(units.values(), key=lambda unit: (-max(lengths[row] for row in unit), unit[0]))
    batches: list[list[int]] = []
    widest = 0
    for unit in ordered:
        # Units come longest first, so a batch is as wide as its first.
        if batches and (len(batches[-1]) + len(unit)) * widest <= token_budget:
            batches[-1] += unit
        else:
            batches.append(list(unit))
            widest = max(lengths[row] for row in unit)
    return batches
