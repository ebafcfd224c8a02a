"""A half cosine from the peak rate to a final one."""

from __future__ import annotations

from dataclasses import dataclass

from etude.component import component
from etude.optimizer.schedule.shape import Decay


@component(source="arXiv 1608.03983")
@dataclass(frozen=True)
class Cosine(Decay):
    """A half cosine from the peak rate to ``final_factor`` of it, just after the last step."""
