"""Stop strings: seen when the token that completes one is sampled, wherever tokens are cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class StopStrings:
    """Finds the stop strings of one engine in the text of its rows.

    Only a token whose text holds the last character of a stop string can complete one, so the
    others cost a look-up.
    """

    def __init__(self, tokenizer: Any, strings: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._strings = tuple(dict.fromkeys(strings))
        self._ends = frozenset(string[-1] for string in self._strings)
        # A character takes four bytes at most, and a byte may be a token.
        self._reach = 4 * max((len(string) for string in self._strings), default=0) + 4
        self._may_end: dict[int, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._strings)

    def may_complete(self, token: int) -> bool:
        """Return whether ``token`` could be the last of a stop string; rarely true in vain."""
        known = self._may_end.get(token)
        if known is None:
            text = self._text([token])
            # Part of a character, or a piece that means something only beside another.
            unclear = not text or "�" in text
            known = unclear or not self._ends.isdisjoint(text)
            self._may_end[token] = known
        return known

    def completed_by_last(self, tokens: Sequence[int]) -> bool:
        """Return whether the last of ``tokens`` completes a stop string."""
        tail = list(tokens[-self._reach :])
        text = self._text(tail)
        # A character cut in two shows as a replacement mark; it is not there yet.
        before = len(self._text(tail[:-1]).rstrip("�"))
        return any(
            text.find(string, max(0, before - len(string) + 1)) >= 0 for string in self._strings
        )

    def first(self, tokens: Sequence[int], head: Sequence[int] = ()) -> int | None:
        """Return how many of ``tokens``, which follow ``head``, end with the first stop string."""
        for count, token in enumerate(tokens, 1):
            if self.may_complete(token) and self.completed_by_last([*head, *tokens[:count]]):
                return count
        return None

    def _text(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(
            tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
