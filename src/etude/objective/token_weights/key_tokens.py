"""Prioritised key tokens (PKT of TL-Training, arXiv 2412.15495): what decides a tool call.

Most tokens of a tool call follow from a few: the first token of the tool's name, and the token
after what the name shares with another tool's name. With n_key of them and n_other tokens that are
neither key nor the end of an argument,

    w = min(n_other / n_key, max_weight)  if n_key < n_other, else 1

    L = (w·Σ_key nll + Σ_rest nll) / (tokens − n_key + w·n_key)

The published code adds a token that is key and the end of an argument twice; here it counts once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar

from etude.component import Need, component, option
from etude.objective.token_weights.kind import Spelling, TokenWeights
from etude.tool_calls import CLOSING, OPENING, QUOTES, tools_of


def key_weights(
    length: int, keys: Collection[int], parameters: Collection[int], max_weight: float
) -> list[float]:
    """Return the weights of ``length`` tokens: key ones weigh as much as the others together.

    ``keys`` and ``parameters`` are positions; a position in both is a key.
    """
    key = set(keys)
    other = length - len(key | set(parameters))
    weight = min(other / len(key), max_weight) if 0 < len(key) < other else 1.0
    return [weight if place in key else 1.0 for place in range(length)]


def shared_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with in common."""
    pairs = zip(one, other, strict=False)
    return next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


@component(
    source="arXiv 2412.15495",
    requires=(Need("column:tools", why="to know which names a call must be told from"),),
)
@dataclass(frozen=True)
class KeyTokens(TokenWeights):
    """Weighs the tokens that decide which tool is called up to the weight of all others.

    The response is a call, ``name(key = 'value', …)``, or a name and a JSON object; a response
    without a bracket is no call and its tokens count alike.
    """

    words: ClassVar[str] = "key tokens (up to {max_weight})"

    max_weight: float = option(9.0, "largest weight of a key token; 1 weighs all alike", ge=1)

    def weigh(
        self, tokens: Sequence[int], columns: Mapping[str, Any], spelling: Spelling
    ) -> list[float] | None:
        """Return the weight of every token, None where the response calls no tool."""
        pieces = [spelling.decode([token]) for token in tokens]
        opened = next((i for i, piece in enumerate(pieces) if set(piece) & set(OPENING)), None)
        if opened is None:
            return None
        name = "".join(pieces[:opened]).strip()
        keys = {0}
        for tool in tools_of(columns["tools"]):
            if tool.name != name:
                spelled = spelling.encode_text(tool.name)
                keys.add(shared_prefix(tokens[:opened], spelled))
        return key_weights(len(tokens), keys, list(argument_ends(pieces, opened)), self.max_weight)


def argument_ends(pieces: Sequence[str], opened: int) -> Iterator[int]:
    """Yield the place of the token before each closing quote or bracket of a call.

    ``opened`` is the piece with the call's first bracket. Without any the third piece from the end
    stands in.
    """
    starts = [0, *accumulate(len(piece) for piece in pieces)]
    text = "".join(pieces)
    quote = ""
    found = False
    for place in range(starts[opened], len(text)):
        mark = text[place]
        closes = mark == quote if quote else mark in CLOSING
        if closes:
            found = True
            yield max(bisect_right(starts, place) - 2, 0)
        if mark == quote:
            quote = ""
        elif not quote and mark in QUOTES:
            quote = mark
    if not found and len(pieces) >= 3:
        yield len(pieces) - 3
