"""Lines of packed demonstrations as a supervised step makes them of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.learner.microbatch import collate
from etude.learner.packing import Piece, TokenRow, bins


@dataclass(frozen=True)
class Line:
    """What the model reads of a line, and where it predicts a taught token (1) or none (0)."""

    tokens: list[int]
    mask: list[int]
    seq_lengths: list[int]
    position_ids: list[int]


def pack(rows: Sequence[TokenRow], strategy: str, seq_length: int) -> list[Line]:
    """Return the lines of rows that are packed into sequences of at most ``seq_length`` tokens."""
    lines = [[Piece.of(piece) for piece in line] for line in bins(rows, strategy, seq_length)]
    if not lines:
        return []
    numbers = iter(range(sum(map(len, lines))))
    placed = [[next(numbers) for _ in line] for line in lines]
    batch = collate([piece for line in lines for piece in line], lines=placed)
    width = batch.ids.shape[1]
    taught = set(batch.sources.tolist())
    return [
        Line(
            tokens=batch.ids[row, :length].tolist(),
            mask=[int(row * width + place in taught) for place in range(length)],
            seq_lengths=[len(piece.prompt) + len(piece.tokens) for piece in lines[row]],
            position_ids=batch.positions[row, :length].tolist(),
        )
        for row, length in enumerate(batch.lengths)
    ]
