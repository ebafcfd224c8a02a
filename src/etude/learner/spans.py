"""Parts that lie on spans of an answer: from characters to tokens, and onto the tokens' rewards."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from etude.model.policy import Policy
from etude.objective.batch import RolloutBatch
from etude.rows import Placed, Row, StopReason


def token_spans(row: Row, policy: Policy) -> dict[str, list[Placed]]:
    """Return the spans of a row's verdict by tokens of its answer; empty where it has none.

    A token belongs to a span when a character that it completes does. Of a span that only the
    prompt's end or nothing has tokens of, the nearest token is taken. Of an episode's row the text
    is that of its last turn.
    """
    verdict, first = row.verdict, row.answer_start
    earned = turn_spans(row)
    if verdict is None or not verdict.spans or first == len(row.tokens):
        return earned

    @cache
    def end_of(token: int) -> int:
        """Return where in the text a token ends."""
        begun = row.tokens[first : token + 1]
        return len(policy.answer_text(begun, row.example, StopReason.LENGTH))

    def token_of(character: int) -> int:
        tokens = range(first, len(row.tokens))
        found = first + bisect_left(tokens, character + 1, key=end_of)
        return min(found, len(row.tokens) - 1)

    return earned | {
        name: [(token_of(start), token_of(end - 1) + 1, value) for start, end, value in spans]
        for name, spans in verdict.spans.items()
    }


def turn_spans(row: Row) -> dict[str, list[Placed]]:
    """Return the parts that an environment gave turn by turn, each on the tokens of its turn.

    They are those that are parts of the row's verdict as well.
    """
    if row.ended is None or row.verdict is None or not row.tokens:
        return {}
    turns = [(span.start, span.end) for span in row.spans if not span.told]
    turns = turns or [(0, len(row.tokens))]
    return {
        name: [(start, end, value) for (start, end), value in zip(turns, values, strict=False)]
        for name, values in row.ended.turn_parts.items()
        if name in row.verdict.parts
    }


def placed(rows: Sequence[Row], weights: Mapping[str, float], width: int) -> Tensor | None:
    """Return what tokens earn of parts on spans, ``[N, width]``, with what they add up to.

    A span's value, times its part's weight, is on its last token. None where no part lies on spans.
    """
    if not any(name in weights for row in rows for name in row.part_spans):
        return None
    found = torch.zeros(len(rows), width)
    for number, row in enumerate(rows):
        for name, spans in row.part_spans.items():
            for _, end, value in spans:
                found[number, end - 1] += weights.get(name, 0.0) * value
    return found


def rewarded(
    rows: Sequence[Row], batch: RolloutBatch, rewards: Tensor, weights: Mapping[str, float]
) -> RolloutBatch:
    """Return a batch with these rewards ``[N]`` and no others.

    A part that lies on spans is earned there, times its weight, and all else on the last token.
    """
    nothing = torch.zeros_like(batch.token_rewards)
    empty = replace(batch, rewards=torch.zeros_like(rewards), token_rewards=nothing)
    on_spans = placed(rows, weights, batch.mask.shape[1])
    if on_spans is None:
        return empty.add_outcome(rewards)
    rest = empty.add_outcome(rewards - on_spans.sum(-1))
    return replace(rest, rewards=rewards, token_rewards=rest.token_rewards + on_spans)
