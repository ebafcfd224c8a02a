"""The slot ``verifier/verdict``: how a judge says what it finds, and what is read of it.

A verdict is read from the judge's own words alone, and strictly: whatever is not in the form agreed
on, or says two things at once, is no verdict.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Reading:
    """What was read of a judge's reply.

    ``accepts`` is None where nothing could be read. ``first_wrong`` is the place of the first step
    that the judge finds wrong, from 0, and ``steps`` are its verdicts on all of them, where the
    form tells.
    """

    accepts: bool | None
    first_wrong: int | None = None
    steps: tuple[bool, ...] = ()


@dataclass(frozen=True)
class VerdictForm(ABC):
    """A component of the group ``verifier/verdict``."""

    by_steps: ClassVar[bool] = False
    """Whether the judge is shown the steps of a solution, and not the final answer alone."""

    @abstractmethod
    def read(self, reply: str, steps: int = 0) -> Reading:
        """Return what a judge's reply on a solution of so many steps says."""
