"""Every token of a demonstration counts alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.objective.token_weights.kind import Spelling, TokenWeights


@component()
@dataclass(frozen=True)
class Uniform(TokenWeights):
    """Every token weighs 1."""

    def weigh(
        self, tokens: Sequence[int], columns: Mapping[str, Any], spelling: Spelling
    ) -> list[float] | None:
        """Return None: no token is preferred."""
        return None
