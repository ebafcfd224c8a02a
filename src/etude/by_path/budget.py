"""A budget that is a plain function: what is known of a batch's prompts → numbers of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etude.by_path.call import Call, CallError
from etude.component import Declaration
from etude.errors import StageError
from etude.rollout.budget.kind import Asked, Budget, BudgetState, whole_numbers


@dataclass(frozen=True, kw_only=True)
class FunctionBudget(Budget):
    """A function of a file that says how many answers each prompt of a batch gets."""

    call: Call
    declaration: Declaration

    def open(self, stage: Any) -> BudgetState:
        """Return what calls the function before a batch is sampled."""
        return _Called(self.call)


class _Called(BudgetState):
    def __init__(self, call: Call) -> None:
        self._call = call

    def sizes(self, asked: Asked) -> Sequence[int]:
        """Return what the function returns; raises StageError where that is no size a prompt."""
        known = asked.known
        given = {
            "sizes": list(asked.sizes),
            "ids": [example.id for example in asked.examples],
            "pass_rates": [visits.pass_rate if visits else None for visits in known],
            "last_pass_rates": [visits.last_pass_rate if visits else None for visits in known],
            "judged": [visits.judged if visits else 0 for visits in known],
            "columns": [dict(example.columns) for example in asked.examples],
            "step": asked.step,
            "steps": asked.steps,
        }
        try:
            found = self._call(given)
        except CallError as error:
            raise StageError(f"{self._call.title} failed: {error}") from error
        try:
            several = list(found)
        except TypeError as error:
            said = f"no list ({type(found).__name__}); it returns one number a prompt"
            raise StageError(str(self._call.unusable(said))) from error
        return whole_numbers(several, len(asked.sizes), 1, f"{self._call.title} returned")
