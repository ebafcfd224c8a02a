"""What a tracker is to a run: a component that makes an observer, which keeps a record a stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from etude.events import Observer

#: How a record ends: its stage is done, failed, or goes on later or elsewhere.
Ended = Literal["done", "failed", "interrupted"]


@dataclass(frozen=True)
class Place:
    """Where a number stands: ``step`` as metrics.jsonl counts, and what it is of.

    With ``trained`` it is what the step itself gave; without, it is of the model before that step
    (after ``step`` finished ones): an evaluation, a table of samples.
    """

    step: int
    trained: bool = False

    @property
    def order(self) -> int:
        """Return the place among all of a stage's: what is before step s is 2s, s itself 2s+1."""
        return 2 * self.step + self.trained


class Record(Protocol):
    """What a tracker keeps of one stage, evaluation or comparison. Places come in their order."""

    def log(self, place: Place, values: Mapping[str, float], at: float | None = None) -> None:
        """Add numbers at a place; ``at`` is when they came, in seconds since 1970 (None: now)."""

    def table(
        self, name: str, place: Place, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """Add a table; cells are texts, numbers, truth values or None."""

    def facts(self, values: Mapping[str, Any]) -> None:
        """Set what holds of the whole: texts and numbers by name."""

    def page(self, name: str, path: Path) -> None:
        """Add an HTML file, where the tracker can show one."""

    def close(self, ended: Ended) -> None:
        """End the record; nothing is added to it any more."""


class Following(Observer, Protocol):
    """An observer that copies a run somewhere and can say where."""

    def where(self) -> str:
        """Return one line on where the run can be looked at; empty when nothing was copied."""


class Tracker(Protocol):
    """A component of the group ``tracker``."""

    def observer(self, root: Mapping[str, Any], warn: Callable[[str], None]) -> Following | None:
        """Return what follows a run with this root config, or None to follow nothing.

        ``warn`` passes on what a person should know; a tracker that fails warns and never ends the
        run. Raises ConfigError where it cannot be begun and was asked for by name.
        """
