"""Packing: several demonstrations in one sequence, without one seeing another.

Every packed row lists the lengths of its pieces, and position ids restart at each of them, so
that attention can be kept inside a piece (variable-length kernels or a block-diagonal mask). The
strategies are those of TRL's ``pack_dataset``.
"""

from __future__ import annotations

import bisect
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from etude.errors import ConfigError, Fault


@dataclass(frozen=True)
class TokenRow:
    """A demonstration's tokens and its loss mask (``supervised.loss_mask_of``), equally long.

    ``weights`` say how much the prediction at each place counts; empty where all count alike.
    """

    tokens: Sequence[int]
    mask: Sequence[int]
    weights: Sequence[float] = ()

    def part(self, start: int, end: int) -> TokenRow:
        """Return the row from token ``start`` to before ``end``."""
        return TokenRow(self.tokens[start:end], self.mask[start:end], self.weights[start:end])


@dataclass(frozen=True)
class PackedRow:
    """Pieces of demonstrations one after the other.

    ``tokens``, ``mask`` and ``position_ids`` have one entry a token; ``seq_lengths`` one a piece.
    The mask is 0 on the last token of every piece: what it would predict is not in the piece.
    """

    tokens: list[int]
    mask: list[int]
    seq_lengths: list[int]
    position_ids: list[int]


def pack(rows: Sequence[TokenRow], strategy: str, seq_length: int) -> list[PackedRow]:
    """Return the rows packed into sequences of at most ``seq_length`` tokens; empty ones vanish.

    The strategies, and what is raised, are those of :func:`bins`.
    """
    return [_join(pieces) for pieces in bins(rows, strategy, seq_length)]


def bins(rows: Sequence[TokenRow], strategy: str, seq_length: int) -> list[list[TokenRow]]:
    """Return the pieces of demonstrations that share each sequence of ``seq_length`` tokens.

    ``bfd`` cuts the end off longer rows, sorts by length, longest first, and puts each row where
    the least space is left that it fits into. ``bfd_split`` packs the rest of a longer row as a
    row of its own. ``wrapped`` puts all tokens in one line and cuts it every ``seq_length``.
    Raises ConfigError for another strategy or a length below 1.
    """
    if strategy not in _STRATEGIES or seq_length < 1:
        raise ConfigError(
            [
                Fault(
                    f"packing={strategy}, max_length={seq_length}",
                    f"packing is one of {', '.join(_STRATEGIES)} and the length at least 1.",
                )
            ]
        )
    return _STRATEGIES[strategy](rows, seq_length)


def _pieces(row: TokenRow, seq_length: int) -> list[TokenRow]:
    return [row.part(start, start + seq_length) for start in range(0, len(row.tokens), seq_length)]


def _bfd(rows: Sequence[TokenRow], seq_length: int) -> list[list[TokenRow]]:
    return _best_fit([_pieces(row, seq_length)[0] for row in rows if row.tokens], seq_length)


def _bfd_split(rows: Sequence[TokenRow], seq_length: int) -> list[list[TokenRow]]:
    return _best_fit([piece for row in rows for piece in _pieces(row, seq_length)], seq_length)


def _wrapped(rows: Sequence[TokenRow], seq_length: int) -> list[list[TokenRow]]:
    bins: list[list[TokenRow]] = []
    space = 0
    for row in rows:
        start = 0
        while start < len(row.tokens):
            if space == 0:
                bins.append([])
                space = seq_length
            end = min(start + space, len(row.tokens))
            bins[-1].append(row.part(start, end))
            space -= end - start
            start = end
    return bins


def _best_fit(rows: Sequence[TokenRow], seq_length: int) -> list[list[TokenRow]]:
    """Place rows, longest first; of bins with equal space the one that got there first is used."""
    bins: list[list[TokenRow]] = []
    open_bins: dict[int, deque[list[TokenRow]]] = defaultdict(deque)
    spaces: list[int] = []
    for row in sorted(rows, key=lambda row: -len(row.tokens)):
        length = len(row.tokens)
        at = bisect.bisect_left(spaces, length)
        if at == len(spaces):
            target: list[TokenRow] = []
            bins.append(target)
            space = seq_length
        else:
            space = spaces[at]
            target = open_bins[space].popleft()
            if not open_bins[space]:
                spaces.pop(at)
        target.append(row)
        left = space - length
        if left:
            if not open_bins[left]:
                bisect.insort(spaces, left)
            open_bins[left].append(target)
    return bins


def _join(pieces: list[TokenRow]) -> PackedRow:
    return PackedRow(
        tokens=[token for piece in pieces for token in piece.tokens],
        mask=[value for piece in pieces for value in (*piece.mask[:-1], 0)],
        seq_lengths=[len(piece.tokens) for piece in pieces],
        position_ids=[position for piece in pieces for position in range(len(piece.tokens))],
    )


_STRATEGIES: dict[str, Callable[[Sequence[TokenRow], int], list[list[TokenRow]]]] = {
    "bfd": _bfd,
    "bfd_split": _bfd_split,
    "wrapped": _wrapped,
}
