"""Which rows are sampled together: waves whose cache stays within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etude.rows import Request

#: Tokens read in one forward pass, where contexts are many.
PREFILL_TOKENS = 16384

#: Widths and heights are multiples of this, so that a row meets the same kernels in any company.
BLOCK = 8


def up(count: int) -> int:
    """Return ``count`` rounded up to a multiple of :data:`BLOCK`."""
    return -(-count // BLOCK) * BLOCK


@dataclass(frozen=True)
class Wave:
    """Rows sampled together: which requests, their distinct contexts, and how long they may get.

    ``rows`` are positions in the requests; ``contexts`` are prompts with their forced prefixes;
    ``context_of`` gives the context of each row; ``capacity`` the cache's length in tokens;
    ``columns`` what it is where all rows' next tokens lie in one column.
    """

    rows: tuple[int, ...]
    contexts: tuple[tuple[int, ...], ...]
    context_of: tuple[int, ...]
    capacity: int
    columns: int = 0


def cut(requests: Sequence[Request], token_budget: int) -> list[Wave]:
    """Return the waves of ``requests``: rows of like length together, cached tokens in the budget.

    The cache of a wave holds rows × (longest context + longest response) tokens; a single row
    larger than the budget is a wave of its own.
    """
    contexts = [request.prompt + request.prefix for request in requests]
    needs = [
        up(len(request.prompt) + max(request.max_new_tokens, len(request.prefix)))
        for request in requests
    ]
    order = sorted(range(len(requests)), key=lambda i: (needs[i], contexts[i], i))
    waves: list[Wave] = []
    members: list[int] = []
    for row in order:
        # Ascending needs: the newest row is the longest.
        if members and up(len(members) + 1) * needs[row] > token_budget:
            waves.append(_wave(members, requests, contexts, needs))
            members = []
        members.append(row)
    if members:
        waves.append(_wave(members, requests, contexts, needs))
    return waves


def by_length(lengths: Sequence[int], token_budget: int | None = None) -> list[list[int]]:
    """Return the numbers of the texts of each length, shortest first; at most a budget together.

    A single text larger than the budget stands alone.
    """
    found: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        length = lengths[number]
        room = token_budget is None or (len(found[-1]) + 1) * length <= token_budget if found else 0
        if found and lengths[found[-1][0]] == length and room:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def _wave(
    rows: list[int],
    requests: Sequence[Request],
    contexts: list[tuple[int, ...]],
    needs: list[int],
) -> Wave:
    distinct: dict[tuple[int, ...], int] = {}
    context_of = tuple(distinct.setdefault(contexts[row], len(distinct)) for row in rows)
    longest = max(len(contexts[row]) for row in rows)
    steps = max(requests[row].max_new_tokens - len(requests[row].prefix) for row in rows)
    return Wave(
        tuple(rows),
        tuple(distinct),
        context_of,
        capacity=max(needs[row] for row in rows),
        columns=longest + max(steps, 0),
    )
