"""What a curriculum may change from step to step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from etude.data_mix.draw import Draw
from etude.data_mix.template import names
from etude.errors import StageError
from etude.objective.sizes import Size

#: A share of the solution that is shown, or the text that is.
Hint = float | str


@dataclass(frozen=True)
class StepPlan:
    """What a step is asked to do; None leaves the config's own value.

    ``draw`` says which rows are asked, and how many: the next ones of the data mix where it is
    None, ``training.prompts_per_step`` of them where its count is. ``max_new_tokens`` is the limit
    of the step everywhere: of sampling, and wherever else the longest response is read (punishment
    of overlong answers, fixed-length denominators). Raises StageError for numbers that mean
    nothing.

    ``sizes`` is how many answers each prompt gets: one number for all, one for each in the order in
    which they are drawn, or id → number with the config's own for the others. A curriculum that
    plans groups of unequal size provides ``groups:unequal``, so that parts which cannot compare
    such groups are refused before anything starts.

    ``hints`` go into the prompts by ``hint_template``, and rows are trained with them: a share (0
    to 1) of the solution's beginning, or the text itself, for all prompts, for each in the order
    in which they are drawn, or by id. A prompt without a solution to show a share of, or whose hint
    leaves no room to answer, has none. A curriculum of shares requires ``column:solution``.
    """

    max_new_tokens: int | None = None
    temperature: float | None = None
    draw: Draw | None = None
    sizes: int | Sequence[int] | Mapping[str, int] | None = None
    hints: Hint | Sequence[Hint | None] | Mapping[str, Hint] | None = None
    hint_template: str = "{prompt}\nA hint: {hint}"

    def __post_init__(self) -> None:
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise StageError(
                f"a plan's max_new_tokens is {self.max_new_tokens}; it must be at least 1"
            )
        if self.temperature is not None and not 0 <= self.temperature < math.inf:
            raise StageError(f"a plan's temperature is {self.temperature}; it must be 0 or more")
        if any(size < 1 for size in _numbers(self.sizes)):
            raise StageError(f"a plan's sizes are {self.sizes}; each must be at least 1")
        for hint in _hints(self.hints):
            if isinstance(hint, bool) or not (isinstance(hint, str) or 0 <= hint <= 1):
                raise StageError(
                    f"a plan's hints have {hint!r}; each is a text, or a share of the solution "
                    "from 0 to 1"
                )
        if set(names(self.hint_template)) != {"prompt", "hint"}:
            raise StageError(
                f"a plan's hint_template is {self.hint_template!r}; it names {{prompt}} and "
                "{hint}, and nothing else in braces"
            )

    def hints_for(self, ids: Sequence[str]) -> list[Hint | None]:
        """Return the hint of each of the prompts with these ids, None where none is planned.

        Raises StageError for a sequence of another length.
        """
        if self.hints is None or isinstance(self.hints, (str, int, float)):
            return [self.hints] * len(ids)
        if isinstance(self.hints, Mapping):
            return [self.hints.get(each) for each in ids]
        if len(self.hints) != len(ids):
            raise StageError(f"a plan has {len(self.hints)} hints for {len(ids)} prompts")
        return list(self.hints)

    def size_for(self, ids: Sequence[str], own: int) -> Size:
        """Return how many answers the prompts with these ids get, ``own`` where nothing is planned.

        One number where all get as many. Raises StageError for a sequence of another length.
        """
        if self.sizes is None or isinstance(self.sizes, int):
            return self.sizes or own
        if isinstance(self.sizes, Mapping):
            found = [self.sizes.get(each, own) for each in ids]
        else:
            found = list(self.sizes)
        if len(found) != len(ids):
            raise StageError(f"a plan has {len(found)} sizes for {len(ids)} prompts")
        return found[0] if len(set(found)) == 1 else found


def _hints(hints: Hint | Sequence[Hint | None] | Mapping[str, Hint] | None) -> list[Hint]:
    """Return every hint that is planned."""
    if hints is None or isinstance(hints, (str, int, float)):
        return [] if hints is None else [hints]
    values = hints.values() if isinstance(hints, Mapping) else hints
    return [each for each in values if each is not None]


def _numbers(sizes: int | Sequence[int] | Mapping[str, int] | None) -> Sequence[int]:
    if sizes is None or isinstance(sizes, int):
        return () if sizes is None else (sizes,)
    return list(sizes.values()) if isinstance(sizes, Mapping) else sizes


class Curriculum(ABC):
    """A component of the group ``curriculum``: what it opens plans the steps of a stage."""

    @abstractmethod
    def open(self, stage: Any) -> CurriculumState:
        """Return what plans the steps of an open stage (:mod:`etude.learner.open_stage`)."""


class CurriculumState(Protocol):
    """The live side of a curriculum (``open(stage)``): plans steps, learns from them.

    It is a :class:`etude.live.Live`, or has of one what it needs: ``observe``, a state, metrics.
    """

    def plan(self, step: int) -> StepPlan:
        """Return what step number ``step`` is asked to do."""
