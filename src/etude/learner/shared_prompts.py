"""Which rows of a pass lie behind one copy of their prompt, so that it is computed once.

A line of tokens is a prompt and the responses of some rows to it; each response sees the prompt and
itself (``microbatch.collate``). The scores that one response would have with another are computed
and masked away, which grows with the square of the line, so a line holds as many rows as are worth
it: of a long prompt many short responses, of a short one with long responses none.
"""

from __future__ import annotations

from collections.abc import Sequence

from etude.learner.microbatch import Trainable

#: A line of as many tokens as this times the hidden size spends on attention scores what it spends
#: on the weights: 4·S·h against 24·h² operations a token and layer.
_EVEN = 6


def lines_of(
    rows: Sequence[Trainable],
    token_budget: int,
    hidden: int,
    groups: Sequence[object] | None = None,
    *,
    least: int = 1,
) -> list[list[int]]:
    """Return row numbers in lines; the rows of a line have equal prompts, and groups if given.

    Lines are at most ``token_budget`` tokens long if rows allow, and as many for each prompt as
    cost least for a model of ``hidden`` numbers a token, but ``least`` where a prompt has as many
    rows. Prompts come in the order in which they are met.
    """
    alike: dict[object, list[int]] = {}
    for number, row in enumerate(rows):
        key = (tuple(row.prompt), None if groups is None else groups[number])
        alike.setdefault(key, []).append(number)
    found: list[list[int]] = []
    for members in alike.values():
        prompt = len(rows[members[0]].prompt)
        tokens = [len(rows[row].tokens) for row in members]
        pieces = _pieces(prompt, tokens, token_budget, hidden, least)
        found += [[members[i] for i in piece] for piece in pieces]
    return found


def _pieces(
    prompt: int, tokens: Sequence[int], token_budget: int, hidden: int, least: int
) -> list[list[int]]:
    """Return the numbers of one prompt's responses, of ``tokens`` each, in lines."""
    total, even = sum(tokens), _EVEN * hidden

    def cost(lines: int) -> float:
        return lines * _cost(prompt + total / lines, even)

    # A row alone has a causal mask, half of whose scores are never computed.
    apart = sum(_cost(prompt + each, 2 * even) for each in tokens)
    few = min(range(least, len(tokens)), key=cost, default=len(tokens))
    for lines in range(few, len(tokens)):
        dealt = _dealt(tokens, lines)
        filled = [prompt + sum(tokens[i] for i in line) for line in dealt]
        if max(filled) <= token_budget:
            if sum(_cost(each, even) for each in filled) < apart:
                return dealt
            break
    return [[i] for i in range(len(tokens))]


def _cost(length: float, even: int) -> float:
    """Return what a line costs, in tokens without attention; at length ``even`` that is double."""
    return length * (1 + length / even)


def _dealt(tokens: Sequence[int], lines: int) -> list[list[int]]:
    """Return the numbers of responses in lines of about equally many tokens, each in order."""
    dealt: list[list[int]] = [[] for _ in range(lines)]
    filled = [0] * lines
    for row in sorted(range(len(tokens)), key=lambda row: (-tokens[row], row)):
        at = min(range(lines), key=lambda line: (filled[line], len(dealt[line]), line))
        dealt[at].append(row)
        filled[at] += tokens[row]
    return [sorted(line) for line in dealt if line]
