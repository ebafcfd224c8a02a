"""Countdown, generated: numbers and a target that a formula of all of them comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from etude.component import Rule, component, option
from etude.errors import DataError
from etude.randomness import seed_of
from etude.sources.interface import StageRows
from etude.sources.made import of_split
from etude.tasks.countdown import Problem, drawn

#: One problem in five is held out, by a hash of its numbers and its target.
_HELD_OUT_SHARE = 5

#: Problems that are drawn for a row before it is left out.
_ATTEMPTS = 1000

SPLITS = {"train": False, "test": True}
COLUMNS = (
    *("id", "prompt", "numbers", "target", "shown", "answer", "formula", "steps", "solution"),
    "count",
)


@component(
    source="TinyZero (github.com/Jiayi-Pan/TinyZero)",
    provides=(
        *(f"column:{name}" for name in COLUMNS),
        *(f"split:{name}" for name in SPLITS),
        "characters:500",
    ),
)
@dataclass(frozen=True)
class Countdown:
    """Generated numbers and a target that a formula of each of them, used once, comes to.

    A problem is made from its solution: two numbers at a time are joined by an operation until one
    is left, which is the target; differences are positive and quotients whole. A hash of numbers
    and target decides whether it is trained on or held out; within a split none occurs twice.
    ``formula`` (and ``answer``) is the solution, ``steps`` are its operations, ``shown`` are the
    numbers as text and ``count`` is how many there are.
    """

    example: ClassVar[str] = "recipe=countdown"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("least_numbers <= most_numbers", "is more than {path}.most_numbers={most_numbers}"),
        Rule("least_target <= most_target", "is more than {path}.most_target={most_target}"),
    )

    seed: int = option(0, "draws the problems", ge=0, le=2**63 - 1)
    train_size: int = option(10_000, "most rows of the split train", ge=1, le=1_000_000)
    test_size: int = option(500, "most rows of the split test", ge=1, le=1_000_000)
    least_numbers: int = option(3, "numbers of the shortest problem", ge=2, le=6)
    most_numbers: int = option(4, "numbers of the longest problem", ge=2, le=6)
    largest: int = option(99, "largest number; the least is 1", ge=2, le=999)
    least_target: int = option(10, "least target", ge=1, le=9_999)
    most_target: int = option(99, "largest target", ge=1, le=9_999)
    prompt_format: str = option(
        "Make {target} from the numbers {numbers}, each used once, with + - * / and brackets."
        " Think within <think> and </think>, then give the formula within <answer> and </answer>,"
        " for example <answer> (1 + 2) / 3 </answer>.\n",
        "prompt text; {numbers} and {target} are put in",
        form="filled",
        escapes=True,
    )

    def rows(
        self, split: str, seed: int, folder: StageRows = None, key: str = "countdown"
    ) -> ProblemRows:
        """Return the rows of a split, drawn from the own seed.

        Raises DataError for another split, and where hardly any problem has such a target.
        """
        of_split(SPLITS, split, key)
        size = self.train_size if split == "train" else self.test_size
        counts = (self.least_numbers, self.most_numbers)
        targets = (self.least_target, self.most_target)
        found = _problems(split, self.seed, size, counts, self.largest, targets)
        if not found:
            raise DataError(
                f"sources.{key}: no problem of {counts[0]} to {counts[1]} numbers from 1 to"
                f" {self.largest} was found with a target from {targets[0]} to {targets[1]};"
                f" other targets: sources.{key}.least_target=1"
            )
        return ProblemRows(found, self.prompt_format)

    def first_look(self, split: str, key: str = "countdown") -> tuple[ProblemRows, bool]:
        """Return all rows of a split: they are made in a moment."""
        return self.rows(split, 0, None, key), True

    def files(self) -> list[Path]:
        """Return nothing: the problems are made, not read."""
        return []


class ProblemRows(Sequence[Mapping[str, Any]]):
    """Problems as rows; ``prompt_format`` is their prompt."""

    def __init__(self, problems: Sequence[Problem], prompt_format: str) -> None:
        self._problems = problems
        self._format = prompt_format

    def __len__(self) -> int:
        return len(self._problems)

    def __getitem__(self, position: int) -> Mapping[str, Any]:  # type: ignore[override]
        """Return the row of the problem at ``position``."""
        if not 0 <= position < len(self):
            raise IndexError(position)
        problem = self._problems[position]
        shown, target = ", ".join(map(str, problem.numbers)), str(problem.target)
        steps = " ".join(problem.steps)
        return {
            "id": problem.ident,
            "prompt": self._format.replace("{numbers}", shown).replace("{target}", target),
            "numbers": list(problem.numbers),
            "target": problem.target,
            "shown": shown,
            "answer": problem.formula,
            "formula": problem.formula,
            "steps": steps,
            "solution": f"<think>{steps}</think>\n<answer>{problem.formula}</answer>",
            "count": len(problem.numbers),
        }

    def column(self, name: str, positions: Iterable[int] | None = None) -> Sequence[Any]:
        """Return one column of the rows at ``positions`` (None: of all)."""
        if name not in COLUMNS:
            raise DataError(f"countdown has no column '{name}'; it has {', '.join(COLUMNS)}")
        places = range(len(self)) if positions is None else positions
        return [self[int(place)][name] for place in places]


@lru_cache(maxsize=16)
def _problems(
    split: str,
    seed: int,
    size: int,
    counts: tuple[int, int],
    largest: int,
    targets: tuple[int, int],
) -> tuple[Problem, ...]:
    """Return the problems of a split; fewer are the beginning of more."""
    found: dict[tuple[tuple[int, ...], int], Problem] = {}
    left_out = 0
    for number in range(size):
        random = Random(seed_of("countdown", seed, split, number))
        for _ in range(_ATTEMPTS):
            problem = drawn(random, random.randint(*counts), largest)
            if not targets[0] <= problem.target <= targets[1]:
                continue
            key = (tuple(sorted(problem.numbers)), problem.target)
            held_out = seed_of("countdown problem", *key[0], key[1]) % _HELD_OUT_SHARE == 0
            if held_out == SPLITS[split] and key not in found:
                found[key] = problem
                break
        else:
            left_out += 1
            if left_out == 20:  # there are no more of them, or hardly any
                break
    return tuple(found.values())
