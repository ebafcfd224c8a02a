"""The slot of the supervised objective: how much each token of a demonstration counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol


class Spelling(Protocol):
    """How text becomes tokens and back; a policy does both."""

    def encode_text(self, text: str) -> tuple[int, ...]:
        """Return the tokens of ``text`` at the head of a response."""

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens."""


class TokenWeights(ABC):
    """Says how much each token of a demonstration counts, in the loss and in what divides it."""

    @abstractmethod
    def weigh(
        self, tokens: Sequence[int], columns: Mapping[str, Any], spelling: Spelling
    ) -> list[float] | None:
        """Return a weight above 0 for every response token; None where all count alike.

        ``tokens`` end with the end-of-text token; ``columns`` are those of the row.
        """
