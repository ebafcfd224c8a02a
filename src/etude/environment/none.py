"""No environment: the policy answers alone."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component


@component()
@dataclass(frozen=True)
class NoEnvironment:
    """There is no environment: answers are given alone."""
