"""No environment: the policy answers alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etude.component import component
from etude.environment.interface import Environment


@component()
@dataclass(frozen=True)
class NoEnvironment(Environment):
    """There is no environment: answers are given alone."""

    def make(self) -> Any:
        """Return nothing; it is never asked."""
        return None
