"""Lengths at which a model may come to read a text in another way, found in its config.

Windows end, chunks begin, sparse attention starts to leave things out, and some rotary embeddings
turn every position, the first ones too, in another way once a text is long (longrope, dynamic).
What holds for short texts is therefore tried again on both sides of each of these lengths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from etude.model.agreement import agree
from etude.model.tried import Tried

#: Names under which configs keep such lengths.
_NAMES = re.compile(r"window|chunk|block_size|original_max_position|index_topk|compress")

#: Names like those above that count something else.
_OTHERS = re.compile(r"max_window_layers|feed_forward")

#: How far beyond a turning point a trial reaches, tokens.
MARGIN = 12


def turning_points(config: Any) -> tuple[int, ...]:
    """Return the lengths, in tokens and ascending, at which a model of ``config`` may change.

    Those at the end of its positions, which no text goes beyond, are left out.
    """
    limit = getattr(config, "max_position_embeddings", None) or float("inf")
    found = set(_found(config.get_text_config().to_dict()))
    return tuple(sorted(point for point in found if point + MARGIN <= limit))


def _found(config: Mapping[Any, Any]) -> Iterator[int]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _found(value)
        elif _NAMES.search(str(name)) and not _OTHERS.search(str(name)):
            numbers = value if isinstance(value, (list, tuple)) else [value]
            yield from (n for n in numbers if type(n) is int and n > 1)


class Lengths:
    """The turning points of one model, and at which of them one text has two readings."""

    def __init__(self, policy: Tried) -> None:
        self._policy = policy
        self._breaks: dict[int, bool] = {}
        self.points = turning_points(policy.causal_lm.config)

    def breaks(self, point: int) -> bool:
        """Return whether a text's beginning is read otherwise once it is longer than ``point``.

        Then no distribution that was sampled from before is that of the whole text.
        """
        if point not in self._breaks:
            self._breaks[point] = not consistent(self._policy, point + 2, point - 1)
        return self._breaks[point]

    def breaks_below(self, length: int) -> list[int]:
        """Return the breaks that a text of ``length`` tokens lies beyond, ascending."""
        return [point for point in self.points if point < length and self.breaks(point)]


def consistent(policy: Tried, length: int, begun: int) -> bool:
    """Return whether the first ``begun`` tokens of a text of ``length`` are read as if alone."""
    text = sample_text(policy, length)
    with torch.no_grad(), policy.measuring(), policy.precision():
        whole, part = (alone(policy, tokens)[:begun] for tokens in (text, text[:begun]))
        last = slice(max(0, begun - 16), begun)
        return agree(
            policy.logits_of(whole[last]), policy.logits_of(part[last]), policy.compute_dtype
        )


def alone(policy: Tried, tokens: list[int]) -> Tensor:
    """Return the states ``[S, ·]`` of one text in a pass of its own: what all else is held to."""
    return policy.states(input_ids=torch.tensor([tokens], device=policy.device), use_cache=False)[0]


def sample_text(policy: Tried, length: int, start: int = 0) -> list[int]:
    """Return a text of ``length`` tokens for trying a model, hardly with a repeat.

    Its second token is the padding token: some models count or leave out places by it.
    """
    config = policy.causal_lm.config.get_text_config()
    pad = getattr(config, "pad_token_id", None)
    pad = policy.pad_id if pad is None or pad < 0 else pad
    vocabulary = config.vocab_size
    first = min(16, vocabulary // 2)
    return [
        pad if i % 10 == 1 else first + (i * i * 31 + 17 * i + 3) % (vocabulary - first)
        for i in range(start, start + length)
    ]
