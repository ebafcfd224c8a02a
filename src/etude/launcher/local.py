"""Run a graph of stages in this process."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component


@component()
@dataclass(frozen=True)
class Local:
    """In this process, one stage after the other."""
