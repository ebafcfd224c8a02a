"""Packing: several demonstrations in one sequence, without one seeing another.

What shares a line of tokens is decided here; ``microbatch.collate`` lays it side by side, with
positions that restart at every piece, so that attention can be kept inside a piece. The strategies
are those of TRL's ``pack_dataset``.
"""

from __future__ import annotations

import bisect
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from etude.errors import ConfigError, Fault


@dataclass(frozen=True)
class TokenRow:
    """A demonstration's tokens and its loss mask (``supervised.loss_mask_of``), equally long.

    ``weights`` say how much the prediction at each place counts; empty where all count alike.
    ``number`` tells which demonstration of the step it is, or is a part of.
    """

    tokens: Sequence[int]
    mask: Sequence[int]
    weights: Sequence[float] = ()
    number: int = 0

    def part(self, start: int, end: int) -> TokenRow:
        """Return the row from token ``start`` to before ``end``."""
        return replace(
            self,
            tokens=self.tokens[start:end],
            mask=self.mask[start:end],
            weights=self.weights[start:end],
        )


@dataclass(frozen=True)
class Piece:
    """A demonstration, or a part of one that packing cut: what goes into a line of tokens.

    ``number`` tells which demonstration of the step it is of.
    """

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    loss_mask: Sequence[int]
    weights: Sequence[float]
    number: int = 0

    @classmethod
    def of(cls, row: TokenRow) -> Piece:
        """Return a packed piece as a context of one token and the tokens that follow it.

        Mask and weights of a :class:`TokenRow` stand at the position that predicts; here they stand
        at the predicted token.
        """
        return cls(
            tuple(row.tokens[:1]),
            tuple(row.tokens[1:]),
            list(row.mask[:-1]),
            row.weights[:-1],
            row.number,
        )

    @property
    def weight(self) -> float:
        """Return the summed weights of the tokens that are taught."""
        return sum(w for w, taught in zip(self.weights, self.loss_mask, strict=True) if taught)


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


_STRATEGIES: dict[str, Callable[[Sequence[TokenRow], int], list[list[TokenRow]]]] = {
    "bfd": _bfd,
    "bfd_split": _bfd_split,
    "wrapped": _wrapped,
}
