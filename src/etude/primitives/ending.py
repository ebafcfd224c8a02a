"""How a demonstration ends."""

from __future__ import annotations

from collections.abc import Sequence


def ended(tokens: Sequence[int], end: int, limit: int | None = None) -> tuple[int, ...]:
    """Return ``tokens`` up to their first ``end`` token, which is added where there is none.

    Of more than ``limit`` tokens the first are kept and the last of them becomes ``end`` (ReLIFT,
    arXiv 2506.07527), so that whatever is taught ends.
    """
    whole = (*tokens[: tokens.index(end)], end) if end in tokens else (*tokens, end)
    if limit is None or len(whole) <= limit:
        return whole
    return (*whole[: limit - 1], end)
