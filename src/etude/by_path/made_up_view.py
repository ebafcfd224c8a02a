"""A view of no model: made-up answers on which an evaluation by path is tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etude.by_path.kinds import KINDS
from etude.evaluation.interface import Answers
from etude.rows import Example, Outcome, Sampled, StopReason, Verdict

_PROBLEMS, _WIDTH = 2, 6


class MadeUpView:
    """Two problems, and answers of which every second one is right."""

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts

    def problems(self, most: int, max_new_tokens: int | None = None) -> list[Example]:
        """Return made-up problems."""
        return [Example(str(number), "made up", "a prompt") for number in range(_PROBLEMS)]

    def answers(self, problems: Sequence[Example], tries: int = 1, **sampling: Any) -> Answers:
        """Return made-up answers, some alike, of several lengths."""
        count = len(problems) * tries
        lengths = [1 + number % _WIDTH for number in range(count)]
        rights = [number % 2 == 0 for number in range(count)]
        return Answers(
            problems,
            [Sampled((2,) * n, (0.0,) * n, StopReason.STOP) for n in lengths],
            [str(n) for n in lengths],
            [
                Verdict(
                    Outcome.CORRECT if right else Outcome.WRONG,
                    dict.fromkeys(self._parts, float(right)),
                )
                for right in rights
            ],
            _WIDTH,
        )


def tried(evaluation: Any, parts: Sequence[str] | None) -> None:
    """Measure made-up answers by a function that asks for nothing that only a stage has.

    ``parts`` are those of the verifier, None where they are not known.
    """
    call = getattr(evaluation, "call", None)
    known = KINDS["evaluation"].given.keys() - {"view", "columns"}
    known -= {"parts"} if parts is None else set()
    if call is not None and known.issuperset(call.asks):
        evaluation.measure(MadeUpView(parts or ()))
