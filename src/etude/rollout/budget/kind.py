"""The slot ``rollout/budget``: how many answers each prompt gets, at once or in rounds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from etude.errors import StageError
from etude.live import Live

if TYPE_CHECKING:
    from etude.data_mix.history import Visits
    from etude.feedback import RowRecord
    from etude.rows import Example


@dataclass(frozen=True)
class Asked:
    """The prompts of one batch as a budget sees them.

    ``examples`` are the prompts, and ``sizes`` the numbers of answers that the curriculum plans for
    them, or else ``training.rollouts_per_prompt``. ``known`` is what earlier steps tell of each
    prompt, None of one that was never judged. A filter that has groups drawn anew asks again, for
    others.

    ``counts`` are the sizes decided on so far, none before the first round. A size counts places of
    a group, those that the objective's guidance fills with demonstrations included; one that leaves
    no place for an answer is raised to ``least``.
    """

    step: int
    steps: int
    seed: int
    examples: Sequence[Example]
    sizes: Sequence[int]
    known: Sequence[Visits | None]
    counts: Sequence[int] = ()
    least: int = 1

    @property
    def left(self) -> int:
        """Return how many answers of all that are planned were not asked for yet."""
        return sum(self.sizes) - sum(self.counts)


class BudgetState(Live, ABC):
    """The live side of a budget: decides before a batch is sampled, and after each round of it.

    All ranks ask and must be told the same: it depends on what it is asked, on what it has heard
    and on its state; random choices of its own are keyed by ``asked.seed`` and ``asked.step``.
    """

    @abstractmethod
    def sizes(self, asked: Asked) -> Sequence[int]:
        """Return how many answers each prompt gets at first, in the order of the prompts."""

    def more(self, asked: Asked, rows: Sequence[Sequence[RowRecord]]) -> Sequence[int]:
        """Return how many answers more each prompt gets; 0 for all, or nothing, ends the batch.

        ``rows`` are the answers to each prompt so far, as the verifier judged them (``outcome``,
        ``parts``). Rewards are combined when all is sampled: there are none yet (NaN).
        """
        return ()


def whole_numbers(given: Sequence[Any], prompts: int, least: int, who: str) -> list[int]:
    """Return what a budget gave, one number a prompt; raises StageError for anything else."""
    if len(given) != prompts:
        raise StageError(f"{who} {len(given)} numbers for {prompts} prompts")
    found = []
    for number in given:
        exact = float(number) if isinstance(number, Real) else math.nan
        if not exact.is_integer() or exact < least:
            raise StageError(f"{who} {number!r}; it must be a whole number of {least} or more")
        found.append(int(exact))
    return found


class Budget(ABC):
    """A component of the group ``rollout/budget``.

    One whose groups may differ in size provides ``groups:unequal``. ``at_most`` names the field
    that holds the most answers a prompt gets on the average of a batch, where that is not
    ``training.rollouts_per_prompt``: memory and time are estimated by it.
    """

    at_most: ClassVar[str] = ""

    @abstractmethod
    def open(self, stage: Any) -> BudgetState | None:
        """Return what decides in an open stage, or None where sizes are as they are planned."""
