"""Several solutions to each arithmetic problem, right and wrong, and a critique of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etude.component import component, option
from etude.errors import DataError
from etude.randomness import generator
from etude.sources.arithmetic import GENERATED, Arithmetic, ArithmeticRows
from etude.sources.arithmetic_levels import LEVELS, Expression
from etude.sources.interface import NUMBERS, StageRows

#: What judges of steps are trained on: the steps with their numbers, the first wrong one from 0, or
#: -1, how many there are, and the first wrong one as a judge states it.
OF_STEPS = ("steps", "first_wrong", "total_steps", "judgement")

COLUMNS = ("id", "prompt", "solution", "solution_correct", "critique", "answer", "level", *OF_STEPS)


@component(
    provides=[*(f"column:{name}" for name in COLUMNS), "characters:300", NUMBERS, *GENERATED]
)
@dataclass(frozen=True)
class ArithmeticCandidates:
    """Generated solutions to arithmetic problems, as several models would give, with critiques.

    A right solution is worked out step by step or states its answer at once; a wrong one has one
    wrong step and another answer. The critique works the problem out, says where the solution had
    another value (``3+4+1=8 not 9``) and ends with ``Conclusion: right [END]`` or ``wrong``; a
    share of critics errs. An empty solution counts as wrong. Problems are those of the source
    ``arithmetic``. A flawed solution has the wrong step, and ends with the right answer.
    """

    seed: int = option(
        0, "draws the problems, their solutions and the errors of critics", ge=0, le=2**63 - 1
    )
    levels: int = option(3, "levels 1 to this number are generated", ge=1, le=len(LEVELS))
    problems: int = option(
        2_000, "problems of a split; 1 is one-shot critique fine-tuning", ge=1, le=10_000_000
    )
    candidates: int = option(3, "solutions to each problem", ge=1, le=1000)
    wrong: float = option(0.5, "share of wrong ones among the solutions", ge=0, le=1)
    stated: float = option(
        0.5, "share of solutions that state an answer without working it out", ge=0, le=1
    )
    empty: float = option(
        0.2, "share of empty solutions, whose critique only works the problem out", ge=0, le=1
    )
    flawed: float = option(
        0.0, "share of the wrong ones that state the right answer in the end", ge=0, le=1
    )
    mistaken: float = option(
        0.1, "share of critiques with the wrong verdict, or (every second) with none", ge=0, le=1
    )

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "arithmetic_candidates"
    ) -> CandidateRows:
        """Return the solutions to the problems of ``train`` or ``test``, problem by problem."""
        problems = Arithmetic(
            seed=self.seed,
            levels=self.levels,
            train_size=self.problems,
            test_size=self.problems,
        ).rows(split, seed, folder, key)
        return CandidateRows(self, problems, key)

    def first_look(
        self, split: str, key: str = "arithmetic_candidates"
    ) -> tuple[CandidateRows, bool]:
        """Return all rows of a split: they are made in a moment."""
        return self.rows(split, 0, None, key), True

    def files(self) -> list[Path]:
        """Return nothing: the solutions are made, not read."""
        return []


class CandidateRows(Sequence[Mapping[str, Any]]):
    """Generated solutions; texts are made when a row is read."""

    def __init__(self, source: ArithmeticCandidates, problems: ArithmeticRows, key: str) -> None:
        self._source = source
        self._problems = problems
        self._key = key
        self._count = min(source.problems, len(problems))

    def __len__(self) -> int:
        return self._count * self._source.candidates

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return one solution with its problem, whether it is right, and a critique of it."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        place, number = divmod(position, self._source.candidates)
        problem = self._problems[place]
        expression = self._problems.expression(place)
        random = generator("candidate", self._source.seed, str(expression), number)
        right = bool(random.random() >= self._source.wrong)
        in_steps = bool(random.random() >= self._source.stated)
        wanted = [*expression.steps(), f"A:{expression.answer}"]
        if random.random() < self._source.empty:
            found, right, said = [], False, wanted
        else:
            steps = wanted[:-1] if in_steps else [f"{expression}={expression.answer}"]
            found = [*steps, wanted[-1]] if right else spoilt(steps, expression.answer, random)
            if not right and self._source.flawed and random.random() < self._source.flawed:
                found = [*found[:-1], wanted[-1]]
            said = corrected(found if in_steps else [*wanted[:-1], found[-1]], wanted)
        return {
            **problem,
            "id": f"{problem['id']}#{number}",
            "solution": " ".join(found),
            "solution_correct": right,
            "critique": " ".join(said) + self._conclusion(right, random),
            **judged(found, expression, wanted[:-1] if in_steps else None),
        }

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the solutions at ``positions`` (None: of all)."""
        if name not in COLUMNS:
            raise DataError(
                f"sources.{self._key} has no column '{name}'; it has {', '.join(COLUMNS)}"
            )
        places = range(len(self)) if positions is None else positions
        if name in ("prompt", "answer", "level"):  # the problem's own: no solution is made for them
            problems = [int(place) // self._source.candidates for place in places]
            return self._problems.column(name, problems)
        return [self[int(place)][name] for place in places]

    def _conclusion(self, right: bool, random: np.random.Generator) -> str:
        if random.random() < self._source.mistaken:
            if random.random() < 0.5:
                return ""
            right = not right
        return f" Conclusion: {'right' if right else 'wrong'} [END]"


def spoilt(steps: Sequence[str], answer: int, random: np.random.Generator) -> list[str]:
    """Return steps of which one is wrong, and another answer."""
    place = int(random.integers(len(steps)))
    left, _, value = steps[place].rpartition("=")
    change = int(random.integers(1, 10))
    wrong = f"{left}={int(value) + change}"
    return [*steps[:place], wrong, *steps[place + 1 :], f"A:{answer + change}"]


def judged(
    found: Sequence[str], expression: Expression, worked: Sequence[str] | None
) -> dict[str, Any]:
    """Return the columns for judges of steps of a solution, ``worked`` being its right steps.

    None stands for a solution that states the answer without working it out.
    """
    right = [f"{expression}={expression.answer}"] if worked is None else worked
    wanted = [*right, f"A:{expression.answer}"]
    first = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), -1)
    return {
        "steps": "".join(f"[{number}]{step} " for number, step in enumerate(found)),
        "first_wrong": first,
        "total_steps": len(found),
        "judgement": f"\\boxed{{{first}}}",
    }


def corrected(given: Sequence[str], right: Sequence[str]) -> list[str]:
    """Return the right steps, each with the value that was given where it is another."""
    return [
        wanted if step == wanted else f"{wanted} not {re.split('[=:]', step)[-1]}"
        for step, wanted in zip(given, right, strict=True)
    ]
